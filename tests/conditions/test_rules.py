"""What each condition derives, refuses, asks and notes, by hand-made patients."""

import pytest

from medcore.conditions.catalog import find_condition
from medcore.errors import ConflictError, OutOfRangeError

DIABETES = find_condition("diabetes")
HEART = find_condition("heart_disease")
MORTALITY = find_condition("mortality_180d")
BREAST = find_condition("breast_cancer")


def fields_of(findings):
    return [error.field for error in findings.errors]


def limits_of(condition, values):
    return [reason.field for reason in condition.population_limits(values)]


def test_53_diastolic_not_below_systolic():
    findings = DIABETES.cross_check({"systolic_mmhg": 80, "diastolic_mmhg": 120})
    assert fields_of(findings) == ["diastolic_mmhg"]
    assert isinstance(findings.errors[0], ConflictError)
    assert fields_of(MORTALITY.cross_check({"systolic_mmhg": 80, "diastolic_mmhg": 80})) == ["diastolic_mmhg"]
    assert MORTALITY.derive({"systolic_mmhg": 80, "diastolic_mmhg": 120}) == {}


@pytest.mark.parametrize(
    ("condition", "age", "withheld"),
    [
        (DIABETES, 17, True),
        (DIABETES, 19, True),
        (DIABETES, 20, False),
        (DIABETES, 120, False),
        (HEART, 17, True),
        (HEART, 18, False),
        (MORTALITY, 17.9, True),
        (MORTALITY, 18, False),
        (BREAST, 17, True),
        (BREAST, 18, False),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_55_age_limits_withhold_and_are_no_errors(condition, age, withheld):
    assert limits_of(condition, {"age_years": age}) == (["age_years"] if withheld else [])
    assert condition.cross_check({"age_years": age}).errors == ()


def test_55_pregnancy_and_known_diabetes_withhold():
    assert limits_of(DIABETES, {"pregnant": 1}) == ["pregnant"]
    assert limits_of(DIABETES, {"already_diagnosed": 1}) == ["already_diagnosed"]
    assert limits_of(DIABETES, {"pregnant": 0, "already_diagnosed": 0}) == []


def test_55_outside_the_study_withholds():
    assert limits_of(MORTALITY, {"disease_group": 0}) == ["disease_group"]
    assert limits_of(MORTALITY, {"disease_group": 1}) == []
    assert limits_of(HEART, {"referred_for_angiography": 0}) == ["referred_for_angiography"]


def test_bmi_is_derived_and_an_entered_one_wins():
    assert DIABETES.derive({"height_cm": 200, "weight_kg": 100}) == {"bmi_kg_m2": 25}
    assert DIABETES.derive({"height_cm": 200, "weight_kg": 100, "bmi_kg_m2": 30}) == {}
    assert DIABETES.cross_check({"height_cm": 200, "weight_kg": 100, "bmi_kg_m2": 25.9}).questions == ()
    assert DIABETES.cross_check({"height_cm": 200, "weight_kg": 100, "bmi_kg_m2": 30}).questions != ()


def test_impossible_bmi_is_an_error():
    values = {"height_cm": 90, "weight_kg": 450}
    findings = DIABETES.cross_check(values | DIABETES.derive(values))
    assert [type(error) for error in findings.errors] == [OutOfRangeError]


def test_hdl_must_lie_below_total_cholesterol():
    assert fields_of(DIABETES.cross_check({"hdl_mg_dl": 60, "total_cholesterol_mg_dl": 60})) == ["hdl_mg_dl"]


def test_a_day_has_24_hours():
    assert fields_of(DIABETES.cross_check({"sleep_hours": 9, "sedentary_min_per_day": 960})) == [
        "sedentary_min_per_day"
    ]
    assert fields_of(DIABETES.cross_check({"sleep_hours": 8, "sedentary_min_per_day": 960})) == []


def test_waist_moves_with_bmi():
    values = {"bmi_kg_m2": 30.0, "waist_cm": 100.0}
    assert DIABETES.linked_change("bmi_kg_m2", 32.0, values) == {"waist_cm": pytest.approx(104.2)}
    assert DIABETES.linked_change("bmi_kg_m2", 32.0, {"bmi_kg_m2": 30.0}) == {}
    assert DIABETES.linked_change("pulse_bpm", 90.0, values) == {}
    assert HEART.linked_change("st_depression_mm", 1.0, {}) == {}


@pytest.mark.parametrize(
    ("value", "raised", "expected"),
    [(140, 0.01, "statins; not protective"), (250, -0.01, "not protective"), (250, 0.01, None), (180, -0.01, None)],
)
def test_cholesterol_note(value, raised, expected):
    notes = DIABETES.bar_notes({"total_cholesterol_mg_dl": value}, {"total_cholesterol_mg_dl": raised})
    assert notes == {} if expected is None else expected in notes["total_cholesterol_mg_dl"]


def test_notes_beside_bars_that_mislead():
    notes = DIABETES.bar_notes({"diastolic_mmhg": 60}, {"diastolic_mmhg": 0.1, "sex": 0.1, "ever_smoked_100": 0.1})
    assert "usual with age and treatment" in notes["diastolic_mmhg"]
    assert notes["sex"] == notes["ever_smoked_100"] == "not a target for treatment"
    notes = HEART.bar_notes({"chest_pain_type": 1}, {"chest_pain_type": -0.1, "thallium": 0.0})
    assert notes["chest_pain_type"].startswith("Do not take as reassurance")
    assert notes["thallium"] == "not entered: unknown, neither a good nor a bad sign"
    notes = MORTALITY.bar_notes({}, {"comorbidity_count": 0.1, "diabetes": 0.1})
    assert set(notes.values()) == {"reflects who entered the study"}


@pytest.mark.parametrize(
    ("name", "value", "change", "noted"),
    [
        ("urea_nitrogen_mg_dl", 64, -0.1, True),
        ("urea_nitrogen_mg_dl", 64, 0.1, False),
        ("urea_nitrogen_mg_dl", 12, -0.1, False),
        ("urine_ml_day", 300, -0.1, True),
        ("urine_ml_day", 1800, -0.1, False),
    ],
)
def test_a_bad_value_that_lowers_a_risk_of_death_is_no_reassurance(name, value, change, noted):
    notes = MORTALITY.bar_notes({name: value}, {name: change})
    assert notes.get(name, "").startswith("do not take as reassurance") is noted


def test_a_size_that_does_not_fit_is_told_once_with_what_would():
    errors = BREAST.cross_check({"radius_worst": 13.4, "area_worst": 55.6, "area_mean": 462})
    assert [error.message for error in errors.errors] == [
        "Worst area 55.6 does not fit the radius 13.4 (a circle has 564). Is one of them in another unit?"
    ]


@pytest.mark.parametrize(("glucose", "over"), [(120, 0), (121, 1), (90, 0)])
def test_fasting_glucose_answers_its_question(glucose, over):
    assert HEART.derive({"fasting_glucose_mg_dl": glucose}) == {"fasting_glucose_over_120": over}
    assert HEART.derive({"fasting_glucose_mg_dl": glucose, "fasting_glucose_over_120": 1}) == {}


def test_contradicting_glucose_answer_is_an_error():
    values = {"fasting_glucose_mg_dl": 90, "fasting_glucose_over_120": 1}
    assert fields_of(HEART.cross_check(values)) == ["fasting_glucose_over_120"]


@pytest.mark.parametrize(("rate", "asked"), [(60, True), (64, False), (150, False)])
def test_low_exercise_heart_rate_is_asked_about(rate, asked):
    assert bool(HEART.cross_check({"age_years": 60, "max_heart_rate_bpm": rate}).questions) is asked


def test_centre_fields_have_no_gap_flag_and_are_masked():
    for name in ("st_slope", "fluoroscopy_vessels", "thallium"):
        assert not HEART.schema[name].gap_informative
        assert HEART.schema[name].mask_rate >= 0.3


def test_mean_pressure_and_oxygen_ratio_are_derived():
    derived = MORTALITY.derive({"systolic_mmhg": 120, "diastolic_mmhg": 60, "pao2_mmhg": 80, "fio2": 0.4})
    assert derived == {"mean_bp_mmhg": 80, "pao2_fio2_mmhg": pytest.approx(200)}
    assert MORTALITY.derive({"pao2_mmhg": 80, "fio2": 40}) == {"pao2_fio2_mmhg": pytest.approx(200)}
    assert MORTALITY.derive({"pao2_mmhg": 80, "fio2": 1}) == {"pao2_fio2_mmhg": 80}


def test_fio2_between_fraction_and_per_cent_is_an_error():
    assert MORTALITY.derive({"pao2_mmhg": 80, "fio2": 4}) == {}
    assert fields_of(MORTALITY.cross_check({"fio2": 4})) == ["fio2"]


def test_entered_mean_pressure_far_from_its_parts_is_asked_about():
    values = {"systolic_mmhg": 120, "diastolic_mmhg": 60, "mean_bp_mmhg": 110}
    assert "which is right" in MORTALITY.cross_check(values).questions[0]


def test_ph_without_arterial_oxygen_is_asked_about():
    assert "arterial" in MORTALITY.cross_check({"arterial_ph": 7.3}).questions[0]
    assert MORTALITY.cross_check({"arterial_ph": 7.3, "pao2_fio2_mmhg": 200}).questions == ()


def test_anuria_is_a_value():
    assert MORTALITY.schema["urine_ml_day"].possible[0] == 0


def test_coma_score_is_for_files_only():
    item = MORTALITY.schema["coma_support"]
    assert not item.in_form
    assert item.mask_rate > 0


def test_every_mortality_score_carries_its_caution():
    assert "1989-94" in MORTALITY.caution


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("diabetes", False), ("mortality_180d", False), ("heart_disease", True), ("breast_cancer", True)],
)
def test_prevalence_policy(name, allowed):
    assert find_condition(name).prevalence.allowed is allowed


def test_area_that_does_not_fit_the_radius_is_another_unit():
    assert fields_of(BREAST.cross_check({"radius_mean": 12.0, "area_mean": 45.2})) == ["area_mean"]
    assert fields_of(BREAST.cross_check({"radius_mean": 12.0, "area_mean": 452, "perimeter_mean": 80})) == []


def test_worst_is_not_below_the_mean():
    assert fields_of(BREAST.cross_check({"texture_mean": 20.0, "texture_worst": 19.0})) == ["texture_worst"]


def test_temperature_in_fahrenheit_and_height_in_inches_are_asked_about():
    from medcore.records import find_unit_question

    asked = find_unit_question(MORTALITY.schema["temperature_c"], "101", None, (34, 41))
    assert asked.other_unit == "°F"
    asked = find_unit_question(DIABETES.schema["height_cm"], "70", None, (145, 195))
    assert asked.other_unit == "in"
