"""The doctor's page where the site reads first: nothing of the answer before the opinion, then agree or override."""

import re
from dataclasses import replace
from pathlib import Path

import fake_models
import pytest
from actors import act_as
from streamlit.testing.v1 import AppTest

from medcore.services.trust import site
from medcore.ui import runtime, state

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"\d+ %")


@pytest.fixture
def open_case(open_page):
    """Return a function that opens a filled form of a site that reads first."""

    def open_(**parts):
        test = open_page(**parts)
        site.set_read_first(runtime.open_house(), "diabetes", True, version=0)
        return fill(test)

    return open_


@pytest.fixture
def open_case_as(tmp_path):
    """Return a function that opens the page as one role."""

    def open_(role):
        house = fake_models.make_house(tmp_path)
        site.set_read_first(house, "diabetes", True, version=0)
        runtime.use(replace(house, who=lambda: act_as(role)))
        return AppTest.from_file(str(ROOT / "pages" / "clinical" / "risk.py"), default_timeout=60).run()

    yield open_
    runtime.use(None)


def fill(test, age="61"):
    test.segmented_control(key="already_diagnosed").set_value("no")
    test.segmented_control(key="sex").set_value("male")
    test.text_input(key="age_years").set_value(age)
    return test.run()


def press(test, key):
    return test.button(key=key).click().run()


def keys(test):
    return {button.key for button in test.button}


def test_nothing_of_the_answer_before_the_opinion(open_case, read):
    test = open_case()
    assert not test.exception
    html = read(test)
    assert "Your opinion first" in html
    for trace in ("mc-number", "mc-bars", "mc-badge", 'mc-sentence">Estimated', "Copy", "Scored"):
        assert trace not in html
    assert not NUMBER.search(html)
    assert runtime.open_house().gateway.calls == []  # the model was not even asked
    assert state.RESULT_KEY not in test.session_state
    assert "save_result" not in keys(test)


@pytest.mark.parametrize("word", ["yes", "no", "unsure"])
def test_the_answer_opens_after_it(open_case, read, word):
    test = press(open_case(), f"opinion_{word}")
    assert not test.exception
    assert "mc-number" in read(test)
    assert f"Your opinion before the model: <b>{word}</b>" in read(test)
    assert {"response_agree", "response_override"} <= keys(test)


def test_a_chance(open_case, read):
    test = open_case()
    test.slider(key="opinion_chance").set_value(30).run()
    test = press(test, "opinion_give")
    assert "Your opinion before the model: <b>30 %</b>" in read(test)


def test_agree_is_stored(open_case, read):
    test = press(press(open_case(), "opinion_no"), "response_agree")
    assert "You agreed with the model." in read(test)
    shown, kept = runtime.open_house().journal.verdicts.list()
    assert (shown.verdict.response, shown.assessment_id) == ("", kept.assessment_id)
    assert (kept.verdict.opinion, kept.verdict.response, kept.condition) == ("no", "accepted", "diabetes")
    assert kept.verdict.opened_at <= kept.verdict.committed_at <= kept.verdict.revealed_at <= kept.verdict.responded_at
    press(press(test, "response_change"), "response_agree")
    assert len(runtime.open_house().journal.assessments.list()) == 1


def test_override_needs_a_reason(open_case, read):
    test = press(press(open_case(), "opinion_yes"), "response_override")
    assert test.button(key="override_keep").disabled
    test.selectbox(key="override_reason").set_value("population").run()
    test = press(test, "override_keep")
    assert "You overrode it: This patient is unlike those of the study" in read(test)
    kept = runtime.open_house().journal.verdicts.list()[-1]
    assert (kept.verdict.response, kept.verdict.reason_code) == ("overridden", "population")


def test_who_leaves_without_a_response_is_counted(open_case, read):
    test = press(open_case(), "opinion_yes")
    (kept,) = runtime.open_house().journal.verdicts.list()
    assert (kept.verdict.opinion, kept.verdict.response, kept.verdict.responded_at) == ("yes", "", None)
    assert kept.verdict.committed_at <= kept.verdict.revealed_at
    test.text_input(key="age_years").set_value("75").run()
    test = fill(press(test, "clear"), age="70")
    assert len(runtime.open_house().journal.verdicts.list()) == 1
    press(test, "opinion_no")
    first, second = runtime.open_house().journal.verdicts.list()
    assert (first, second.verdict.opinion) == (kept, "no")


def test_an_opinion_that_cannot_be_stored_is_said_and_tried_again(open_case, read, monkeypatch):
    from medcore.errors import StorageError
    from medcore.services.trust import opinions

    def refuse(*_, **__):
        raise StorageError("the disk is full")

    test = open_case()
    with monkeypatch.context() as broken:
        broken.setattr(opinions, "keep_verdict", refuse)
        test = press(test, "opinion_yes")
    assert "Your opinion is not stored. The disk is full." in read(test)
    assert "mc-number" in read(test)
    assert "not stored" not in read(test.run())
    assert len(runtime.open_house().journal.verdicts.list()) == 1


def test_an_edit_keeps_the_opinion_and_says_so(open_case, read):
    test = press(open_case(), "opinion_no")
    test.text_input(key="age_years").set_value("75").run()
    assert "mc-number" in read(test)
    assert "before the values were changed" in read(test)
    press(test, "response_agree")
    assert [kept.verdict.revised for kept in runtime.open_house().journal.verdicts.list()] == [False, True]


def test_a_response_is_about_the_values_it_was_given_for(open_case, read):
    test = press(press(open_case(), "opinion_no"), "response_agree")
    test.text_input(key="age_years").set_value("75").run()
    assert "You agreed" not in read(test)
    assert "response_agree" in keys(test)


def test_a_new_case_asks_anew(open_case, read):
    test = press(open_case(), "opinion_no")
    test = fill(press(test, "clear"), age="70")
    assert "Your opinion first" in read(test)
    assert "mc-number" not in read(test)
    test = press(test, "undo")  # the case before, with its opinion
    assert "mc-number" in read(test)


def test_an_example_is_a_new_case(open_case, read):
    test = press(open_case(), "opinion_no")
    from medcore.services.house import find_condition

    test.menu_button(key="example").click(find_condition("diabetes").examples[0].name).run()
    assert "Your opinion first" in read(test)
    assert "mc-number" not in read(test)


def test_where_the_site_does_not_read_first_nothing_is_asked(open_page, read):
    test = fill(open_page())
    assert "Your opinion" not in read(test)
    assert "mc-number" in read(test)
    assert "response_agree" not in keys(test)


def test_no_score_needs_no_opinion(open_case, read):
    test = open_case()
    test.segmented_control(key="already_diagnosed").set_value("yes").run()
    assert "Your opinion first" not in read(test)
    assert "No score" in read(test)


def test_an_opinion_that_cannot_be_recorded_opens_nothing(open_case, read, monkeypatch):
    from medcore.errors import StorageError

    test = open_case()

    def refuse(_event):
        raise StorageError("The journal cannot be written. Nothing was done.")

    monkeypatch.setattr(runtime.open_house().journal, "record", refuse)
    test = press(test, "opinion_yes")
    assert "cannot be written" in read(test)
    assert "mc-number" not in read(test)


@pytest.mark.parametrize("role", ["radiologist", "analyst", "auditor", "administrator"])
def test_closed_to_others(open_case_as, read, role):
    test = open_case_as(role)
    assert not test.button
    assert "mc-number" not in read(test)
