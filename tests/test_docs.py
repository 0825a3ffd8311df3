"""Documentation is part of the change: every setting, command, option and error has its line."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main

import medcore
from medcore import cli, errors
from medcore.config import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


def commands():
    return sorted(typer.main.get_command(cli.app).commands.items())


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_setting_is_documented(setting):
    assert f"`{setting.env}`" in read("settings.md")


@pytest.mark.parametrize("name", errors.__all__)
def test_error_is_documented(name):
    assert f"`{name}`" in read("errors.md")


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_command_is_documented_with_its_options(name, command):
    text = read("cli.md")
    assert f"## medcore {name}" in text
    section = text.split(f"## medcore {name}\n")[1].split("\n## ")[0]
    for parameter in command.params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}" in section, f"{name} {option}"


def test_no_documented_command_is_missing():
    assert set(re.findall(r"^## medcore ([\w-]+)$", read("cli.md"), re.MULTILINE)) == {name for name, _ in commands()}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/]+(?:\.py|/))`", read("architecture.md")))))
def test_a_place_on_the_map_exists(name):
    places = (ROOT, ROOT / "medcore", ROOT / "medcore/services", ROOT / "medcore/services/bench")
    assert any((place / name).exists() for place in places)


def test_every_room_is_on_the_map():
    rooms = {path.parent.name for path in (ROOT / "medcore").glob("*/__init__.py")}
    assert not {room for room in rooms if f"`medcore/{room}/`" not in read("architecture.md")}


def test_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == project["version"] == medcore.__version__


def test_streamlit_settings_each_have_a_reason():
    text = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    for before, line in pairwise(text.split("[theme]")[0].splitlines()):
        if "=" in line and not line.startswith("#"):
            assert before.startswith("#") or "#" in line, f"no reason beside {line!r}"


def test_streamlit_settings_are_the_safe_ones():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    server, client = config["server"], config["client"]
    assert server["address"] == "127.0.0.1"
    assert server["enableCORS"] is True
    assert server["enableXsrfProtection"] is True
    assert server["enableAgentApi"] is False
    assert server["fileWatcherType"] == "none"
    assert server["maxUploadSize"] <= 50
    assert "*" not in server["allowedHosts"]
    assert client["showErrorDetails"] == "none"
    assert client["showErrorLinks"] is False
    assert client["toolbarMode"] == "minimal"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["runner"]["magicEnabled"] is False


def test_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "medcore serve" in text
    assert "tests/check.py" in text


def test_readme_links_the_guide_and_the_methods():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(docs/guide-doctor.md)" in text
    assert "(docs/methods.md)" in text


def test_every_source_of_the_methods_is_cited():
    text, sources = read("methods.md").split("## Sources")
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", sources, re.MULTILINE)]
    cited = {int(number) for group in re.findall(r"\[([\d, ]+)\]", text) for number in group.split(",")}
    assert numbers == list(range(1, len(numbers) + 1))
    assert cited == set(numbers)


def test_time_out_is_said_as_it_is():
    """The queue waits for the start and for other requests on top of it."""
    assert "come on top" in next(item.help for item in SETTINGS if item.name == "model_timeout_s")
    assert next(item.help for item in SETTINGS if item.name == "model_timeout_s") in read("settings.md")


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_no_address_or_local_path_in_requirements(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|file:|@ |--index|--find-links|/home/|/root/|/opt/", text)


def test_constraints_are_exact():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert lines == sorted(lines, key=str.lower)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
