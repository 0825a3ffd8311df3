"""The documents a hospital asks for first: what they name exists, and every hazard has a control."""

import re
from pathlib import Path

import pytest
import typer.main

from medcore import cli
from medcore.config import SETTINGS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
NAMES = ("intended-use.md", "hazard-log.md", "deployment.md", "retention.md")


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


def hazards():
    rows = [line.strip("|").split("|") for line in read("hazard-log.md").splitlines() if re.match(r"\| \d+ \|", line)]
    return [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_every_file_and_link_that_is_named_exists(name):
    text = read(name)
    paths = re.findall(r"`((?:medcore|tests|docs|pages|assets)/[\w/.-]+)`", text)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([\w./-]+\.md(?:#[\w-]+)?)\)", text)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_there_are_enough_hazards_numbered_without_a_gap():
    assert [int(row[0]) for row in hazards()] == list(range(1, len(hazards()) + 1))
    assert len(hazards()) >= 20


@pytest.mark.parametrize("row", hazards(), ids=lambda row: row[0])
def test_every_hazard_is_whole_and_its_control_is_proven_somewhere(row):
    assert len(row) == 9
    assert all(row)
    severity, before, after = int(row[4]), int(row[5]), int(row[7])
    assert 1 <= after <= before <= 5
    assert 1 <= severity <= 5
    assert re.search(r"`(tests|docs)/", row[6])
    assert row[8].split()[0] in {"L", "M", "H"}
    assert row[8].startswith("L") <= (severity * after < 10), "a high product is not a low risk"


def test_settings_and_commands_of_the_recipe_exist():
    text = read("deployment.md") + read("retention.md")
    known = {setting.env for setting in SETTINGS}
    assert set(re.findall(r"MEDCORE_[A-Z_]+", text)) <= known
    commands = set(typer.main.get_command(cli.app).commands)
    named = set(re.findall(r"(?:bin/medcore|^medcore|`medcore) ([a-z][a-z-]*)", text, re.MULTILINE))
    assert {"serve", "backup", "restore", "verify"} <= named <= commands


def test_the_position_is_said():
    assert "not a medical device" in read("intended-use.md")
