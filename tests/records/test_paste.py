"""Free laboratory text: what is understood, what is left aside, what is asked."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_form import make_schema

from medcore.conditions.catalog import find_condition
from medcore.records import parse_value, read_paste

SMALL = make_schema()
MORTALITY = find_condition("mortality_180d").schema
HEART = find_condition("heart_disease").schema
DIABETES = find_condition("diabetes").schema


def read(schema, text):
    return [(value.field, value.text, value.unit) for value in read_paste(schema, text).understood]


def test_line_of_a_chart():
    text = "Na 128  Crea 190 umol/l  K 4,1  BP 120/70, HR: 95/min T 38,2 C FiO2 40% urine 300 ml"
    result = read_paste(MORTALITY, text)
    assert [(value.field, value.text, value.unit) for value in result.understood] == [
        ("sodium_mmol_l", "128", None),
        ("creatinine_mg_dl", "190", "µmol/L"),
        ("systolic_mmhg", "120", None),
        ("diastolic_mmhg", "70", None),
        ("heart_rate_bpm", "95", "/min"),
        ("temperature_c", "38,2", "C"),
        ("fio2", "40", ""),
        ("urine_ml_day", "300", "mL/day"),
    ]
    assert result.ignored == ("K 4,1",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Na128 crea0.9", [("sodium_mmol_l", "128", None), ("creatinine_mg_dl", "0.9", None)]),
        ("Sodium=128mmol/L;Crea:1.4mg/dL", [("sodium_mmol_l", "128", "mmol/L"), ("creatinine_mg_dl", "1.4", "mg/dL")]),
        ("T 101.2 F", [("temperature_c", "101.2", "°F")]),
        ("urine 30 ml/h", [("urine_ml_day", "30", "mL/h")]),
        ("urine 1,5 L", [("urine_ml_day", "1,5", "L")]),
        ("crea <0.2 mg/dl", [("creatinine_mg_dl", "<0.2", "mg/dL")]),
        ("Labs: Na 128 (135-145) L", [("sodium_mmol_l", "128", None)]),
        ("Patient has Na 128", [("sodium_mmol_l", "128", None)]),
        ("58 yo male", [("age_years", "58", None), ("sex", "male", None)]),
        ("sex: F, cancer none", [("sex", "female", None), ("cancer", "none", None)]),
        ("Na ０１２８", [("sodium_mmol_l", "0128", None)]),
        ("Na 128\nNa 128,0", []),
        ("crea 1.2 crea 1,2", [("creatinine_mg_dl", "1.2", None)]),
        ("", []),
        ("no numbers at all", []),
    ],
    ids=repr,
)
def test_small_texts(text, expected):
    assert sorted(read(SMALL, text)) == sorted(expected)


@pytest.mark.parametrize(
    "text",
    [
        "K 4,1",
        "urine Na 20 mmol/L",
        "Na 130-135",
        "Na 128 mg/dl",
        "Na 128 %",
        "ss 40",
        "creatinine clearance 40 ml/min",
        "natrium? 128",
        "12/03/2024 08:30",
    ],
)
def test_what_would_need_a_guess_is_left_aside(text):
    assert read(SMALL, text) == []


def test_two_different_values_are_taken_from_neither():
    result = read_paste(SMALL, "Na 128, crea 1.0, Na 131")
    assert [value.field for value in result.understood] == ["creatinine_mg_dl"]
    assert result.ignored == ("Na 128 (given twice)", "Na 131 (given twice)")


def test_ignored_snippets_read_as_written():
    assert read_paste(SMALL, "K 4,1 mmol/l; CRP 190 mg/L Na 128").ignored == ("K 4,1 mmol/l", "CRP 190 mg/L")


def test_unit_less_value_stays_in_its_unit():
    result = read_paste(SMALL, "crea 190")
    assert [(value.text, value.unit) for value in result.understood] == [("190", None)]


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (HEART, "BP 145/90", [("systolic_mmhg", "145", None)]),
        (
            HEART,
            "max HR 125, thallium reversible",
            [("max_heart_rate_bpm", "125", None), ("thallium", "reversible", None)],
        ),
        (HEART, "HR 70 LDL chol 120 HDL cholesterol 50", []),
        (MORTALITY, "urea 12 mmol/l", [("urea_nitrogen_mg_dl", "12", "mmol/L urea")]),
        (MORTALITY, "urea 60 mg/dl", [("urea_nitrogen_mg_dl", "60", "mg/dL urea")]),
        (MORTALITY, "urea 12", []),
        (MORTALITY, "BUN 40 mg/dl", [("urea_nitrogen_mg_dl", "40", "mg/dL")]),
        (MORTALITY, "direct bilirubin 3, venous pH 7.30, urine Na 20", []),
        (MORTALITY, "P/F 140 RR 36", [("pao2_fio2_mmhg", "140", None), ("respiratory_rate", "36", None)]),
        (MORTALITY, "RR 120/70", [("systolic_mmhg", "120", None), ("diastolic_mmhg", "70", None)]),
        (MORTALITY, "PaO2 60 mmHg FiO2 0.5", [("pao2_mmhg", "60", "mmHg"), ("fio2", "0.5", None)]),
        (MORTALITY, "on 4 L/min, GCS 15", []),
        (
            DIABETES,
            "sleep 7 h smoker yes Age: 61",
            [("sleep_hours", "7", "h"), ("ever_smoked_100", "yes", None), ("age_years", "61", None)],
        ),
    ],
    ids=lambda part: repr(part) if isinstance(part, str) else None,
)
def test_real_forms(schema, text, expected):
    assert sorted(read(schema, text), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("schema", [MORTALITY, HEART, DIABETES], ids=["mortality", "heart", "diabetes"])
def test_what_is_understood_goes_through_the_form(schema):
    text = "age 61 sex m BP 142/84 Na 130 crea 1.1 mg/dl chol 196 HR 88 T 37,1 weight 80 kg waist 100 cm ECG normal"
    for value in read_paste(schema, text).understood:
        assert parse_value(schema[value.field], value.text, value.unit) is not None


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text):
    for value in read_paste(SMALL, text).understood:
        assert value.field in SMALL


@pytest.mark.parametrize(
    "text", ["a-" * 10_000, "a " * 10_000, "Na " * 7_000, "1" * 20_000, "Na 1/" * 4_000, "\n" * 20_000]
)
def test_long_hostile_text_is_read_quickly(text):
    start = time.process_time()
    read_paste(MORTALITY, text)
    assert time.process_time() - start < 5
