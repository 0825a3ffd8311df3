from dataclasses import replace
from datetime import date

import fake_models
import pytest

from medcore.records import Field, PatientRecord
from medcore.results import Applicability, Interval, MissingValueGain, Prediction, Reason, Status
from medcore.ui import wording

SODIUM = Field(name="sodium", label="Sodium", group="Labs", unit="mmol/L", usual=(135, 145))
WAIST = Field(
    name="waist", label="Waist", group="Body", unit="cm", usual=(None, 94), usual_by_sex={"female": (None, 80)}
)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< 1 %"),
        (0.0099, "< 1 %"),
        (0.01, "1 %"),
        (0.405, "41 %"),
        (0.985, "99 %"),
        (0.99, "99 %"),
        (0.9901, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_percent_is_whole_with_open_ends(p, text):
    assert wording.write_percent(p) == text


@pytest.mark.parametrize(
    ("lo", "hi", "text"),
    [(0.33, 0.5, "33–50 %"), (0.001, 0.04, "< 1 to 4 %"), (0.95, 0.999, "95 to > 99 %"), (0.401, 0.404, "40 %")],
)
def test_range_names_both_ends(lo, hi, text):
    assert wording.write_range(Interval(lo=lo, hi=hi)) == text


@pytest.mark.parametrize(("lo", "hi", "wide"), [(0.2, 0.5, False), (0.2, 0.51, True)])
def test_too_wide_is_more_than_thirty_points(lo, hi, wide):
    assert wording.is_too_wide(Interval(lo=lo, hi=hi)) is wide


@pytest.mark.parametrize(("change", "text"), [(0.094, "+9"), (-0.04, "−4"), (0.004, "0"), (-0.004, "0")])
def test_points_are_signed(change, text):
    assert wording.write_points(change) == text


@pytest.mark.parametrize(
    ("item", "sex", "unit", "text"),
    [
        (SODIUM, None, "mmol/L", "135–145"),
        (SODIUM, None, "mEq/L", ""),
        (WAIST, "female", "cm", "< 80"),
        (WAIST, None, "cm", ""),
    ],
)
def test_usual_range(item, sex, unit, text):
    assert wording.write_usual(item, sex, unit) == text


def test_value_in_words():
    record = PatientRecord(values={"sodium": 128.0}, qualifiers={"sodium": "<"}, derived=frozenset({"sodium"}))
    assert wording.describe_value(SODIUM, record, {"sodium": "L"}) == "<128 mmol/L L (derived)"
    assert wording.describe_value(WAIST, record, {}) == "not entered"


@pytest.mark.parametrize(
    ("text", "lowered"), [("Urine output", "urine output"), ("PaO2/FiO2", "PaO2/FiO2"), ("ST slope", "ST slope")]
)
def test_abbreviations_keep_their_capitals(text, lowered):
    assert wording.lower_first(text) == lowered


def test_gain_of_a_missing_value():
    assert (
        wording.write_gain(MissingValueGain(field="a", p_lo=0.36, p_hi=0.47), "Albumin", 0.41)
        == "albumin (41 → 36–47 %)"
    )


def test_long_lists_are_counted():
    assert wording.list_words("abc", limit=2) == "a, b and 1 more"


def make_prediction(status, p):
    reasons = () if status is Status.SCORED else (Reason(code="x", text="Age 12 is outside."),)
    return Prediction(
        condition="mortality_180d",
        model_id="m",
        sha256=fake_models.SHA,
        applicability=Applicability(status=status, reasons=reasons, n_known=14, n_fields=19),
        p_calibrated=p,
        interval=None if p is None else Interval(lo=0.33, hi=0.5),
    )


def test_copy_text_as_agreed():
    text = wording.write_copy_text(
        make_prediction(Status.SCORED, 0.41),
        fake_models.make_facts("mortality_180d"),
        "death within 180 days",
        ["albumin", "urea N"],
        date(2025, 3, 1),
    )
    assert text == (
        "Medcore mortality_180d v1.2 (ab12cd) 2025-03-01: death within 180 days 41 % (90 % range 33-50). "
        "State: scored. 14/19 fields; not entered: albumin, urea N. Decision support, not a diagnosis."
    )


@pytest.mark.parametrize(
    ("lo", "hi", "text"), [(0.001, 0.02, "(90 % range < 1 to 2)"), (0.97, 0.999, "(90 % range 97 to > 99)")]
)
def test_copy_text_with_open_ends(lo, hi, text):
    prediction = replace(make_prediction(Status.SCORED, lo), interval=Interval(lo=lo, hi=hi))
    facts = fake_models.make_facts("mortality_180d")
    assert text in wording.write_copy_text(prediction, facts, "death", [], date(2025, 3, 1))


def test_copy_text_takes_the_caution_of_the_question_along():
    facts, day = fake_models.make_facts("mortality_180d"), date(2025, 3, 1)
    scored = make_prediction(Status.SCORED, 0.41)
    text = wording.write_copy_text(scored, facts, "death", [], day, caution="Care has changed.")
    assert text.endswith("State: scored. 14/19 fields. Care has changed. Decision support, not a diagnosis.")
    withheld = make_prediction(Status.WITHHELD, None)
    assert "Care" not in wording.write_copy_text(withheld, facts, "death", [], day, caution="Care has changed.")


def test_units_are_written_as_printed():
    item = Field(name="t", label="Temperature", group="Vitals", unit="C", decimals=1)
    assert wording.describe_value(item, PatientRecord(values={"t": 38.9}), {"t": "H"}) == "38.9 °C H"
    assert wording.write_unit("mmHg") == "mmHg"


def test_copy_text_of_a_withheld_result_has_no_number():
    text = wording.write_copy_text(
        make_prediction(Status.WITHHELD, None), fake_models.make_facts("mortality_180d"), "death", [], date(2025, 3, 1)
    )
    assert "no score. State: withheld: Age 12 is outside." in text
    assert "%" not in text


@pytest.mark.parametrize(
    ("message", "sentence"),
    [("the bundle is broken", "The bundle is broken."), ("Try again.", "Try again."), ("  really? ", "Really?")],
)
def test_a_message_becomes_a_sentence(message: str, sentence: str) -> None:
    assert wording.as_sentence(message) == sentence
