"""Undiagnosed diabetes today, among adults who were never told of diabetes (NHANES 2017-2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from medcore.conditions.condition import CardText, Condition, Example, Findings, PrevalencePolicy, Values
from medcore.conditions.shared import (
    CHOLESTEROL_MMOL,
    KPA,
    age_field,
    age_limit,
    check_pressures,
    conflict,
    derived_errors,
    range_words,
    sex_field,
    yes_no_field,
)
from medcore.datasets.nhanes import load_nhanes_table
from medcore.errors import FieldError
from medcore.records import Field, Role, Schema, Unit
from medcore.results import Reason, count_of_100

__all__ = ["CONDITION"]

_FIT = "Does this patient fit?"
_BODY = "Body"
_CIRCULATION = "Circulation"
_LABS = "Labs"
_HABITS = "Habits"
_YOUNGEST = 20
_TOP_AGE = 80

# Measurement error, 1 SD. Analytes: within-person biological variation combined with routine analytical
# variation, sqrt(CVi^2 + CVa^2), healthy adults: Ricos et al. 1999, Scand J Clin Lab Invest 59:491; Lacher et
# al. 2005, Clin Chem 51:450. Blood pressure between visits: Stergiou et al. 2002, Am J Hypertens. Body measures:
# technical error of repeated measures by trained staff, Ulijaszek and Kerr 1999, Br J Nutr 82:165.
_FIELDS: tuple[Field, ...] = (
    yes_no_field(
        "already_diagnosed",
        "Already diagnosed with diabetes",
        _FIT,
        role=Role.QUESTION,
        required=True,
        help='Told by a doctor, or treated for it. "Prediabetes" or "borderline" counts as no.',
        paste_names=("known diabetes", "diabetes", "dm"),
    ),
    yes_no_field(
        "pregnant",
        "Pregnant now",
        _FIT,
        role=Role.QUESTION,
        help="In pregnancy HbA1c runs low and gestational diabetes is another question.",
        paste_names=("pregnant", "pregnancy"),
        loinc="82810-3",
    ),
    age_field(_FIT, top_code=_TOP_AGE, knots=(25, 45, 60, 75)),
    sex_field(_FIT),
    Field(
        name="height_cm",
        label="Height",
        group=_BODY,
        unit="cm",
        other_units=(
            Unit(symbol="in", factor=2.54, aliases=("inch", "inches", '"')),
            Unit(symbol="m", factor=100.0, aliases=("metre", "meter")),
        ),
        possible=(90, 250),
        loinc="8302-2",
        help="Standing, without shoes.",
        paste_names=("height", "ht"),
        noise_sd=0.7,
    ),
    Field(
        name="weight_kg",
        label="Weight",
        group=_BODY,
        role=Role.AID,
        unit="kg",
        unit_aliases=("kgs", "kilo"),
        other_units=(Unit(symbol="lb", factor=0.4536, aliases=("lbs", "pound", "pounds", "[lb_av]"), ambiguous=True),),
        possible=(20, 450),
        plausible=(40, 150),
        decimals=1,
        loinc="29463-7",
        help="With height it gives the body mass index.",
        paste_names=("weight", "wt"),
        noise_sd=0.8,
    ),
    Field(
        name="bmi_kg_m2",
        label="Body mass index",
        group=_BODY,
        unit="kg/m2",
        unit_aliases=("kg/m²", "kg/sqm"),
        possible=(8, 120),
        usual=(18.5, 24.9),
        decimals=1,
        loinc="39156-5",
        help="Filled from height and weight unless you type it.",
        paste_names=("bmi", "body mass index"),
        noise_sd=0.35,
        transform="log",
        knots=(22, 28, 38),
    ),
    Field(
        name="waist_cm",
        label="Waist",
        group=_BODY,
        unit="cm",
        other_units=(Unit(symbol="in", factor=2.54, aliases=("inch", "inches", '"'), ambiguous=True),),
        possible=(40, 250),
        usual=(None, 94),
        usual_by_sex={"male": (None, 94), "female": (None, 80)},
        loinc="8280-0",
        help="The survey measured just above the hip bone (iliac crest), at the end of a normal breath out.",
        paste_names=("waist", "waist circumference", "wc"),
        noise_sd=1.5,
        transform="log",
        knots=(80, 97, 120),
    ),
    Field(
        name="systolic_mmhg",
        label="Systolic pressure",
        group=_CIRCULATION,
        unit="mmHg",
        unit_aliases=("mm[Hg]", "mm Hg", "torr"),
        other_units=(KPA,),
        possible=(50, 300),
        usual=(90, 129),
        loinc="8480-6",
        help="Seated, mean of up to three readings.",
        paste_names=("systolic", "sbp", "systolic pressure", "systolic bp"),
        noise_sd=8.0,
        transform="log",
        knots=(105, 123, 155),
    ),
    Field(
        name="diastolic_mmhg",
        label="Diastolic pressure",
        group=_CIRCULATION,
        unit="mmHg",
        unit_aliases=("mm[Hg]", "mm Hg", "torr"),
        other_units=(KPA,),
        possible=(20, 200),
        usual=(60, 84),
        loinc="8462-4",
        help="Seated, mean of up to three readings.",
        paste_names=("diastolic", "dbp", "diastolic pressure", "diastolic bp"),
        noise_sd=5.0,
        knots=(55, 72, 90),
    ),
    Field(
        name="pulse_bpm",
        label="Pulse",
        group=_CIRCULATION,
        unit="/min",
        unit_aliases=("bpm", "min-1", "per min"),
        possible=(20, 300),
        usual=(60, 100),
        loinc="8867-4",
        help="At rest, seated.",
        paste_names=("pulse", "hr", "heart rate"),
        noise_sd=5.0,
        transform="log",
    ),
    Field(
        name="total_cholesterol_mg_dl",
        label="Total cholesterol",
        group=_LABS,
        unit="mg/dL",
        other_units=(CHOLESTEROL_MMOL,),
        possible=(40, 1000),
        usual=(None, 200),
        loinc="2093-3",
        help="Serum. A low value is often due to treatment.",
        paste_names=("total cholesterol", "cholesterol", "chol", "tc"),
        noise_cv=0.065,
        transform="log",
        knots=(140, 185, 240),
    ),
    Field(
        name="hdl_mg_dl",
        label="HDL cholesterol",
        group=_LABS,
        unit="mg/dL",
        other_units=(replace(CHOLESTEROL_MMOL, ambiguous=True, loinc="14646-4"),),
        possible=(3, 250),
        usual=(40, None),
        usual_by_sex={"male": (40, None), "female": (50, None)},
        loinc="2085-9",
        help="Serum.",
        paste_names=("hdl", "hdl cholesterol", "hdl-c", "hdl chol"),
        noise_cv=0.085,
        transform="log",
    ),
    yes_no_field(
        "ever_smoked_100",
        "Ever smoked 100 cigarettes",
        _HABITS,
        help="100 cigarettes or more in life, whether or not smoking now.",
        paste_names=("ever smoked", "smoker", "smoking"),
    ),
    Field(
        name="sleep_hours",
        label="Sleep on a weekday night",
        group=_HABITS,
        unit="h",
        unit_aliases=("hours", "hour", "hrs", "hr"),
        other_units=(Unit(symbol="min", factor=1 / 60, aliases=("minutes", "mins"), ambiguous=True),),
        possible=(0, 24),
        usual=(7, 9),
        decimals=1,
        help="Usual night on workdays, as the patient says.",
        paste_names=("sleep",),
        noise_sd=0.8,
        knots=(6, 7.5, 9),
    ),
    Field(
        name="sedentary_min_per_day",
        label="Sitting per day",
        group=_HABITS,
        unit="min",
        unit_aliases=("minutes", "mins", "min/d", "min/day"),
        other_units=(Unit(symbol="h", factor=60.0, aliases=("hours", "hour", "hrs", "hr", "h/d"), ambiguous=True),),
        possible=(0, 1440),
        help="Sitting or lying on a usual day, sleep not counted.",
        paste_names=("sitting", "sedentary", "sedentary time"),
        noise_sd=60.0,
        transform="sqrt",
    ),
)
_SCHEMA = Schema(_FIELDS)


def _derive(values: Values) -> dict[str, float]:
    bmi = _compute_bmi(values)
    return {} if bmi is None or "bmi_kg_m2" in values else {"bmi_kg_m2": bmi}


def _compute_bmi(values: Values) -> float | None:
    height, weight = values.get("height_cm"), values.get("weight_kg")
    if height is None or weight is None:
        return None
    return weight / (height / 100.0) ** 2


def _cross_check(values: Values) -> Findings:
    errors: list[FieldError] = [*check_pressures(values), *derived_errors(_SCHEMA, ("bmi_kg_m2",), values)]
    errors += _check_lipids(values)
    sleep, sitting = values.get("sleep_hours"), values.get("sedentary_min_per_day")
    if sleep is not None and sitting is not None and sleep * 60 + sitting > 24 * 60:
        total = sleep + sitting / 60
        errors.append(conflict("sedentary_min_per_day", f"Sleep and sitting add up to {total:.1f} hours a day."))
    return Findings(errors=tuple(errors), questions=_ask(values))


def _check_lipids(values: Values) -> list[FieldError]:
    hdl, total = values.get("hdl_mg_dl"), values.get("total_cholesterol_mg_dl")
    if hdl is None or total is None or hdl < total:
        return []
    message = f"HDL {hdl:.0f} mg/dL is not below total cholesterol {total:.0f} mg/dL. Check the units."
    return [conflict("hdl_mg_dl", message, hdl)]


def _ask(values: Values) -> tuple[str, ...]:
    computed, entered = _compute_bmi(values), values.get("bmi_kg_m2")
    if computed is None or entered is None or abs(computed - entered) <= 1.0:
        return ()
    return (
        f"Body mass index {entered:.1f} was entered, height and weight give {computed:.1f}: which is right? "
        "The entered one is used.",
    )


def _population_limits(values: Values) -> tuple[Reason, ...]:
    reasons = list(age_limit(values, _YOUNGEST, "the study"))
    if values.get("already_diagnosed") == 1:
        reasons.append(
            Reason(
                code="population",
                field="already_diagnosed",
                text="Diabetes is already diagnosed: the question was asked only of people without a diagnosis.",
            )
        )
    if values.get("pregnant") == 1:
        reasons.append(
            Reason(code="population", field="pregnant", text="Pregnancy: HbA1c does not answer this question here.")
        )
    return tuple(reasons)


def _sentence(p: str, lo: str, hi: str) -> str:
    return (
        f"Estimated chance of **undiagnosed diabetes today** (HbA1c 6.5 % or more): **{p}** "
        f"(range {range_words(lo, hi)}). Among 100 US adults with such values and no known diabetes, "
        f"{count_of_100(p)} had it (2017-18). A blood test decides: HbA1c or fasting glucose. Not a forecast."
    )


_STATINS = "often due to statins; not protective"


def _bar_notes(values: Values, contributions: Mapping[str, float]) -> dict[str, str]:
    notes = dict.fromkeys(("ever_smoked_100", "height_cm", "sex"), "not a target for treatment")
    cholesterol = values.get("total_cholesterol_mg_dl")
    if cholesterol is not None and cholesterol < 160:
        notes["total_cholesterol_mg_dl"] = f"low: {_STATINS}"
    elif cholesterol is not None and cholesterol >= 200 and contributions.get("total_cholesterol_mg_dl", 0.0) < 0:
        notes["total_cholesterol_mg_dl"] = "high is not protective: people at risk are treated to lower values"
    diastolic = values.get("diastolic_mmhg")
    if diastolic is not None and diastolic < 70:
        notes["diastolic_mmhg"] = "low: usual with age and treatment"
    return {name: note for name, note in notes.items() if name in contributions}


# Slope of waist on BMI among the survey's adults, cm per kg/m2: one does not change alone.
_WAIST_PER_BMI = 2.1


def _linked_change(name: str, value: float, values: Values) -> dict[str, float]:
    if name != "bmi_kg_m2" or "bmi_kg_m2" not in values or "waist_cm" not in values:
        return {}
    waist = values["waist_cm"] + _WAIST_PER_BMI * (value - values["bmi_kg_m2"])
    return {"waist_cm": min(max(waist, 40.0), 250.0)}


CONDITION = Condition(
    id="diabetes",
    title="Undiagnosed diabetes (adults, today)",
    outcome="HbA1c of 6.5 % or more in an adult never told of diabetes",
    outcome_short="undiagnosed diabetes",
    schema=_SCHEMA,
    aliases=("undiagnosed_diabetes",),
    derive=_derive,
    cross_check=_cross_check,
    population_limits=_population_limits,
    sentence=_sentence,
    bar_notes=_bar_notes,
    load_training=load_nhanes_table,
    examples=(
        Example(
            name="Woman, 42",
            teaches="Usual values: a low estimate.",
            values={
                "already_diagnosed": "no",
                "age_years": "42",
                "sex": "female",
                "height_cm": "165",
                "weight_kg": "61",
                "waist_cm": "76",
                "systolic_mmhg": "114",
                "diastolic_mmhg": "70",
                "total_cholesterol_mg_dl": "185",
                "hdl_mg_dl": "62",
                "ever_smoked_100": "no",
            },
        ),
        Example(
            name="Man, 61",
            teaches="Large waist and low HDL: a high estimate for people without a diagnosis.",
            values={
                "already_diagnosed": "no",
                "age_years": "61",
                "sex": "male",
                "height_cm": "175",
                "weight_kg": "98",
                "waist_cm": "112",
                "systolic_mmhg": "142",
                "diastolic_mmhg": "84",
                "pulse_bpm": "78",
                "total_cholesterol_mg_dl": "196",
                "hdl_mg_dl": "38",
                "ever_smoked_100": "yes",
            },
        ),
        Example(
            name="Man, 58, diagnosed",
            teaches="Already diagnosed: no score, and why.",
            values={
                "already_diagnosed": "yes",
                "age_years": "58",
                "sex": "male",
                "height_cm": "178",
                "weight_kg": "92",
            },
            expects="withheld",
        ),
        Example(
            name="Woman, 67, on a statin",
            teaches="A low cholesterol that is treatment, not protection: see the note beside the bar.",
            values={
                "already_diagnosed": "no",
                "age_years": "67",
                "sex": "female",
                "height_cm": "162",
                "weight_kg": "79",
                "waist_cm": "101",
                "systolic_mmhg": "136",
                "diastolic_mmhg": "66",
                "pulse_bpm": "72",
                "total_cholesterol_mg_dl": "140",
                "hdl_mg_dl": "46",
                "ever_smoked_100": "no",
            },
        ),
    ),
    prevalence=PrevalencePolicy(
        allowed=False,
        reason=(
            "Places differ in diabetes mostly through age and waist, which the model already has: restating it for a "
            "local rate would count them twice. Check it on your own patients instead (local validation)."
        ),
    ),
    # Not offered: age, sex, height, smoking history (nothing to change), blood pressure and cholesterol (treated).
    swept_fields=("bmi_kg_m2", "hdl_mg_dl", "pulse_bpm", "sleep_hours", "sedentary_min_per_day"),
    card=CardText(
        purpose=(
            "Finds adults without a diabetes diagnosis in whom a blood test is most likely to show diabetes now. "
            "It suggests a test; it replaces none."
        ),
        population="US adults of 20 years and more, not told of diabetes, examined for a national survey in 2017-2018.",
        not_for=(
            "Anyone already diagnosed, pregnancy, under 20 years, type 1 diabetes with symptoms, forecasting future "
            "diabetes, or as a reason not to test somebody with symptoms."
        ),
        limits=(
            "One HbA1c stands for the diagnosis, so anaemia, haemoglobin variants and kidney disease blur it. Answers "
            "are self-reported; no survey weights; 80 years and over is one group. Told patients (836) may help to "
            "train and never count in a result. Effects are patterns of one survey: low cholesterol and low diastolic "
            "pressure often mean treatment."
        ),
    ),
    facts_line="NHANES 2017-18, US adults without a diagnosis",
    references=(
        "CDC, National Center for Health Statistics: National Health and Nutrition Examination Survey 2017-2018.",
        "American Diabetes Association: Standards of Care in Diabetes, section 2 (HbA1c of 6.5 % or more).",
    ),
    linked_change=_linked_change,
)
