"""The page of the agreement report."""

from dataclasses import replace
from pathlib import Path

import fake_models
import pytest
import verdicts
from actors import act_as
from streamlit.testing.v1 import AppTest

from medcore.ui import runtime

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def open_report(tmp_path):
    """Return a function that opens the page on ``n`` verdicts, as one role."""

    def open_(n=0, role="analyst", **facts):
        house = replace(fake_models.make_house(tmp_path), who=lambda: act_as(role))
        verdicts.fill(house.journal, n, **facts)
        runtime.use(house)
        test = AppTest.from_file(str(ROOT / "pages" / "governance" / "agreement.py"), default_timeout=60)
        test.query_params["condition"] = "diabetes"
        return test.run()

    yield open_
    runtime.use(None)


def test_empty(open_report, read):
    test = open_report()
    assert not test.exception
    assert "No opinions yet on this question" in read(test)
    assert "<table" not in read(test)


def test_report(open_report, read):
    test = open_report(n=120)
    assert not test.exception
    assert "75 %" in read(test)
    assert "withheld: fewer than 10 overrides" in read(test)
    assert "account:" not in read(test)


def test_one_reader(open_report, read):
    test = open_report(n=120, readers=("ada",))
    assert "about persons" in read(test)
    assert "<table" not in read(test)


def test_csv_for_the_analyst(open_report):
    test = open_report(n=40)
    next(button for button in test.button if button.label.startswith("Make CSV")).click().run()
    assert not test.exception
    assert runtime.open_house().journal.events(1)[0].action == "export_agreement"


@pytest.mark.parametrize("role", ["clinician", "radiologist", "auditor", "administrator"])
def test_others_read_but_take_nothing_away(open_report, read, role):
    test = open_report(n=40, role=role)
    assert "<table" in read(test)
    assert not [button for button in test.button if "CSV" in button.label]


def test_there_is_nothing_to_choose_a_reader_or_a_day_by(open_report):
    test = open_report(n=40)
    assert {box.label for box in test.selectbox} == {"Clinical question", "Model version"}
    assert not test.date_input
    assert not test.text_input
