"""Vitals form: what may be typed, what it becomes, and what is refused with which error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcore.errors import NotANumberError, OutOfRangeError, UnknownChoiceError, UnknownUnitError
from medcore.records import Field, Unit, find_unit_question, parse_value, read_record

FREE = Field(name="x", label="X", group="g", unit="u", possible=(-1e6, 1e6))


def parse(item, text, unit=None):
    parsed = parse_value(item, text, unit)
    return None if parsed is None else (parsed.value, parsed.qualifier)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.4", (5.4, "")),
        ("5,4", (5.4, "")),
        (" 5.4 ", (5.4, "")),
        ("\u00a05.4\u2003", (5.4, "")),
        ("５．４", (5.4, "")),
        ("٥", (5.0, "")),
        ("5.", (5.0, "")),
        (".5", (0.5, "")),
        ("0,123", (0.123, "")),
        ("1234,567", (1234.567, "")),
        ("<0.2", (0.2, "<")),
        ("< 0,2", (0.2, "<")),
        ("≤0.2", (0.2, "<")),
        (">90", (90.0, ">")),
        ("1e3", (1000.0, "")),
        ("+7", (7.0, "")),
        ("−7", (-7.0, "")),
        (5, (5.0, "")),
        ("", None),
        ("  ", None),
        (None, None),
        (math.nan, None),
        ("NA", None),
        ("n/a", None),
        ("NaN", None),
        ("?", None),
        ("unknown", None),
        ("-", None),
    ],
)
def test_typed_number(text, expected):
    assert parse(FREE, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "5.4.3",
        "5 4",
        "1_000",
        "0x1F",
        "5,4 mmol/l",
        "inf",
        "-inf",
        "1e309",
        "--5",
        "5e",
        "12\x003",
        "½½",
        "٫",
        "=5",
    ],
)
def test_not_a_number_names_the_field_and_an_example(text):
    with pytest.raises(NotANumberError, match="is not a number") as caught:
        parse_value(FREE, text)
    assert caught.value.field == "x"
    assert caught.value.expected == "a number in u"


@pytest.mark.parametrize("text", ["1,234", "12,345", "-1,500", "<1,500"])
def test_thousands_or_decimal_comma_is_never_guessed(text):
    with pytest.raises(NotANumberError, match="can mean"):
        parse_value(FREE, text)


def test_negative_zero_is_zero():
    value, _ = parse(FREE, "-0.0")
    assert math.copysign(1, value) == 1


@pytest.mark.parametrize(
    ("name", "text", "unit"),
    [
        ("sodium_mmol_l", "12", None),
        ("height_cm", "70", None),  # inches typed as cm
        ("temperature_c", "101", None),  # Fahrenheit typed as Celsius
        ("creatinine_mg_dl", "190", None),
        ("creatinine_mg_dl", "0", None),
        ("arterial_ph", "0", "nmol/L"),
        ("arterial_ph", "-40", "nmol/L"),
    ],
    ids=str,
)
def test_outside_the_possible_range_is_blocked(schema, name, text, unit):
    item = schema[name]
    with pytest.raises(OutOfRangeError, match="possible values are") as caught:
        parse_value(item, text, unit)
    error = caught.value
    assert error.field == name
    assert error.value == text
    assert f"{item.possible[0]:g} to {item.possible[1]:g}" in error.message
    assert item.unit in error.message


def test_message_suggests_the_unit_that_would_fit(schema):
    with pytest.raises(OutOfRangeError, match="is it µmol/L"):
        parse_value(schema["creatinine_mg_dl"], "190")


def test_range_ends_are_possible(schema):
    assert parse(schema["creatinine_mg_dl"], "0.1") == (0.1, "")
    assert parse(schema["urine_ml_day"], "0") == (0.0, "")
    assert parse(schema["temperature_c"], "113", "F")[0] == pytest.approx(45)


def test_unusual_but_possible_is_read(schema):
    assert parse(schema["sodium_mmol_l"], "185") == (185.0, "")


@pytest.mark.parametrize(("age", "value"), [("17", 17), ("80", 80), ("95", 80), ("120", 80)])
def test_age_beyond_the_top_group_is_read_as_it(schema, age, value):
    assert parse(schema["age_years"], age) == (value, "")


def test_top_group_is_written_as_such(schema):
    assert schema["age_years"].format(80) == "80 years or over"
    assert schema["age_years"].format(79) == "79 years"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [(None, 100), ("mg/dL", 100), ("MG/DL", 100), ("mg / dl", 100)],
)
def test_own_unit_in_any_spelling(unit, expected):
    item = Field(name="g", label="G", group="g", unit="mg/dL", possible=(0, 1000))
    assert parse(item, "100", unit) == (expected, "")


@pytest.mark.parametrize("unit", ["µmol/L", "umol/l", "μmol/L", " µMOL/L "])
def test_micro_sign_in_any_spelling(schema, unit):
    assert parse(schema["creatinine_mg_dl"], "190", unit)[0] == pytest.approx(2.1489)


def test_hydrogen_ions_become_ph(schema):
    assert parse(schema["arterial_ph"], "40", "nmol/L")[0] == pytest.approx(7.398, abs=5e-4)


def test_unknown_unit_lists_those_there_are(schema):
    with pytest.raises(UnknownUnitError, match="mg/dL or µmol/L"):
        parse_value(schema["creatinine_mg_dl"], "1", "stone")


@pytest.mark.parametrize("text", ["male", "M", "1", "1.0", 1, 1.0, " Male "])
def test_choice_by_code_word_or_alias(schema, text):
    assert parse(schema["sex"], text) == (1.0, "")


def test_choice_called_none_is_an_answer_not_a_blank(schema):
    assert parse(schema["cancer"], "none") == (0.0, "")
    assert parse(schema["sex"], "none") is None


def test_unknown_choice_lists_the_words(schema):
    with pytest.raises(UnknownChoiceError, match="female, male"):
        parse_value(schema["sex"], "3")


def test_record_keeps_good_values_and_collects_errors(schema):
    reading = read_record(schema, {"sodium_mmol_l": "12", "creatinine_mg_dl": "<0,2", "sex": "x", "other": "1"})
    assert dict(reading.record.values) == {"creatinine_mg_dl": 0.2}
    assert dict(reading.record.qualifiers) == {"creatinine_mg_dl": "<"}
    assert [error.field for error in reading.errors] == ["sex", "sodium_mmol_l"]


def test_row_has_the_inputs_in_order_with_nan_for_blanks(schema):
    row = read_record(schema, {"age_years": "44", "weight_kg": "70"}).record.to_row(schema)
    assert row[0] == 44
    assert "weight_kg" not in schema.input_names
    assert math.isnan(row[1])


@pytest.mark.parametrize(
    ("text", "unit", "other"),
    [("190", None, "µmol/L"), ("190", "mg/dL", "µmol/L"), ("1.2", "µmol/L", "mg/dL")],
)
def test_likely_unit_mix_up_is_asked_about(schema, text, unit, other):
    question = find_unit_question(schema["creatinine_mg_dl"], text, unit, (0.3, 9.0))
    assert question.other_unit == other
    assert "Did you mean" in question.text


@pytest.mark.parametrize("text", ["1.2", "", "abc", "0", "-5"])
def test_no_question_without_a_better_unit(schema, text):
    assert find_unit_question(schema["creatinine_mg_dl"], text, None, (0.3, 9.0)) is None


def test_no_question_where_a_conversion_is_impossible(schema):
    assert find_unit_question(schema["arterial_ph"], "0", None, (7.0, 7.6)) is None


@given(st.floats(-1e5, 1e5).filter(lambda x: abs(x) > 1e-3 or x == 0), st.integers(0, 4))
def test_comma_point_and_full_width_digits_mean_the_same(number, decimals):
    text = f"{number:.{decimals}f}"
    wide = text.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    expected = parse(FREE, text)
    assert parse(FREE, wide) == expected
    assert parse(FREE, f"  {text}\t") == expected
    if decimals != 3:
        assert parse(FREE, text.replace(".", ",")) == expected


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_units_round_trip(value, factor, offset):
    item = Field(
        name="x", label="X", group="g", unit="a", other_units=(Unit(symbol="b", factor=factor, offset=offset),)
    )
    other = (value - offset) / factor
    assert parse_value(item, repr(other), "b").value == pytest.approx(value, rel=1e-9, abs=1e-6)


@given(st.text(max_size=30))
def test_any_text_is_a_value_a_blank_or_a_typed_error(text):
    for item in (FREE, Field(name="y", label="Y", group="g")):
        try:
            parsed = parse_value(item, text)
        except (NotANumberError, OutOfRangeError):
            continue
        assert parsed is None or math.isfinite(parsed.value)
