"""Death within 180 days of seriously ill adults on day 3 of the study (SUPPORT, 1989-1994)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from medcore.conditions.condition import CardText, Condition, Example, Findings, PrevalencePolicy, Values
from medcore.conditions.shared import (
    ADULT_YEARS,
    GLUCOSE_MMOL,
    age_field,
    age_limit,
    check_pressures,
    derived_errors,
    range_words,
    sex_field,
    yes_no_field,
)
from medcore.datasets.support2 import DISEASE_GROUPS, load_support2_table
from medcore.errors import FieldError, OutOfRangeError
from medcore.records import Choice, Field, FieldKind, Role, Schema, Unit
from medcore.results import Reason, rest_of_100

__all__ = ["CONDITION"]

_FIT = "Does this patient fit?"
_BACKGROUND = "Background"
_VITALS = "Vitals (most abnormal of the day)"
_LABS = "Labs (most abnormal of the day)"
_RARE = "Rarely available"
_MOST_ABNORMAL = "The value farthest from normal in the last 24 hours, not the latest."

_MMHG = ("mm[Hg]", "mm Hg", "torr")
_PER_MINUTE = ("bpm", "min-1", "per min", "/minute")
_KPA_ASKED = Unit(symbol="kPa", factor=7.501, ambiguous=True)

_GROUP_LABELS = {
    "sepsis_mosf": "ARF / multi-organ failure with sepsis",
    "chf": "Congestive heart failure",
    "copd": "COPD",
    "cirrhosis": "Cirrhosis",
    "coma": "Coma",
    "colon_cancer": "Colon cancer",
    "lung_cancer": "Lung cancer",
    "mosf_malignancy": "Multi-organ failure with malignancy",
}
_GROUP_ALIASES = {
    "sepsis_mosf": ("sepsis", "arf", "arf_mosf_with_sepsis", "mosf"),
    "chf": ("heart_failure",),
    "mosf_malignancy": ("mosf_with_malignancy", "malignancy"),
}
_NO_GROUP = 0


def _group_choices() -> tuple[Choice, ...]:
    groups = [
        Choice(
            code=code,
            word=word,
            label=_GROUP_LABELS[word],
            aliases=(source, *_GROUP_ALIASES.get(word, ())),
        )
        for word, (code, source) in DISEASE_GROUPS.items()
    ]
    return (*groups, Choice(code=_NO_GROUP, word="none", label="none of these", aliases=("none_of_these", "other")))


# Required: the disease group, age and mean pressure. The study has the first two of everybody and the third of 99.4 %;
# without them the answer would be that of another patient. More required fields would withhold the score from
# the patients the study itself could not measure; a blank costs a wider range instead, and caution when there are many.
#
# Urea, glucose and urine were not recorded for one half of the study (its first phase): a column that tells their
# blank would learn the phase, so none has one.
#
# Measurement error, 1 SD: sqrt(CVi^2 + CVa^2), within-person biological variation of healthy adults and routine
# analytical variation: Ricos et al. 1999, Scand J Clin Lab Invest 59:491; Lacher et al. 2005, Clin Chem 51:450
# (creatinine 6 + 3 %, urea 12 + 3 %, sodium 0.6 + 0.8 %, glucose 6 + 3 %, albumin 3 + 3 %, bilirubin 22 + 5 %, white
# cells 11 + 3 %); in disease it is larger: Ricos et al. 2007, Ann Clin Biochem 44:343. Blood gases: analytical
# tolerance, pH 0.02; vital signs: repeated bedside readings.
_FIELDS: tuple[Field, ...] = (
    Field(
        name="disease_group",
        label="Disease group",
        group=_FIT,
        kind=FieldKind.CHOICE,
        choices=_group_choices(),
        required=True,
        help=(
            "The illness that brought the patient to hospital. ARF: acute respiratory failure. Outside the eight "
            "groups there is no score."
        ),
        paste_names=("group", "disease group"),
    ),
    age_field(_FIT, knots=(35, 55, 68, 80)),
    Field(
        name="day_of_stay",
        label="Hospital day when the illness qualified",
        group=_FIT,
        unit="day",
        unit_aliases=("days", "d"),
        possible=(1, 365),
        help="1 = on admission. Later means that the illness began in hospital.",
        paste_names=("hospital day", "day of stay"),
        transform="log",
    ),
    sex_field(_BACKGROUND, required=False),
    Field(
        name="cancer",
        label="Cancer",
        group=_BACKGROUND,
        kind=FieldKind.CHOICE,
        choices=(
            Choice(code=0, word="none", label="no cancer", aliases=("no", "n")),
            Choice(code=1, word="yes", label="yes, not known to have spread", aliases=("y", "localised", "localized")),
            Choice(code=2, word="metastatic", label="metastatic", aliases=("mets",)),
        ),
        help="Active or known cancer, also if it is not the reason for this stay.",
        paste_names=("cancer", "malignancy"),
    ),
    yes_no_field(
        "dementia",
        "Dementia",
        _BACKGROUND,
        help="Recorded in the notes.",
        paste_names=("dementia",),
    ),
    yes_no_field(
        "diabetes",
        "Diabetes",
        _BACKGROUND,
        help="Recorded in the notes.",
        paste_names=("diabetes", "dm"),
    ),
    Field(
        name="comorbidity_count",
        label="Other chronic illnesses",
        group=_BACKGROUND,
        possible=(0, 9),
        help=(
            "The study's count (0-9) of illnesses present besides the one that qualified. Its list is not published "
            "with the data: leave it blank when unsure."
        ),
        paste_names=("comorbidities", "comorbidity count"),
        noise_sd=0.7,
        knots=(0, 1.5, 4),
    ),
    Field(
        name="systolic_mmhg",
        label="Systolic pressure",
        group=_VITALS,
        role=Role.AID,
        unit="mmHg",
        unit_aliases=_MMHG,
        other_units=(Unit(symbol="kPa", factor=7.501),),
        possible=(30, 300),
        usual=(90, 129),
        plausible=(60, 220),
        loinc="8480-6",
        help="Together with diastolic it gives the mean pressure. Take both from the same, most abnormal reading.",
        paste_names=("systolic", "sbp", "systolic bp", "systolic pressure"),
        noise_sd=6.0,
    ),
    Field(
        name="diastolic_mmhg",
        label="Diastolic pressure",
        group=_VITALS,
        role=Role.AID,
        unit="mmHg",
        unit_aliases=_MMHG,
        other_units=(_KPA_ASKED,),
        possible=(5, 200),
        usual=(60, 84),
        plausible=(30, 130),
        loinc="8462-4",
        help="Together with systolic it gives the mean pressure.",
        paste_names=("diastolic", "dbp", "diastolic bp", "diastolic pressure"),
        noise_sd=5.0,
    ),
    Field(
        name="mean_bp_mmhg",
        label="Mean blood pressure",
        group=_VITALS,
        unit="mmHg",
        unit_aliases=_MMHG,
        other_units=(_KPA_ASKED,),
        possible=(10, 250),
        usual=(70, 105),
        required=True,
        loinc="8478-0",
        help=f"{_MOST_ABNORMAL} Filled from systolic and diastolic, (S + 2 D) / 3, unless you type it.",
        paste_names=("map", "mean bp", "mean pressure", "mean blood pressure", "mean arterial pressure"),
        noise_sd=5.0,
        transform="log",
        knots=(45, 70, 90, 120),
    ),
    Field(
        name="heart_rate_bpm",
        label="Heart rate",
        group=_VITALS,
        unit="/min",
        unit_aliases=_PER_MINUTE,
        possible=(10, 300),
        usual=(60, 100),
        loinc="8867-4",
        help=_MOST_ABNORMAL,
        paste_names=("hr", "heart rate", "pulse"),
        noise_sd=4.0,
        transform="log",
        knots=(50, 80, 105, 140),
    ),
    Field(
        name="respiratory_rate",
        label="Breathing rate",
        group=_VITALS,
        unit="/min",
        unit_aliases=_PER_MINUTE,
        possible=(2, 90),
        usual=(12, 20),
        loinc="9279-1",
        help=f"{_MOST_ABNORMAL} Count it over a minute.",
        paste_names=("rr", "resp rate", "respiratory rate", "resp", "breathing rate", "af"),
        noise_sd=2.0,
        transform="log",
        knots=(10, 18, 26, 38),
    ),
    Field(
        name="temperature_c",
        label="Temperature",
        group=_VITALS,
        unit="C",
        unit_aliases=("°C", "Cel", "celsius", "degC"),
        other_units=(Unit(symbol="°F", factor=5 / 9, offset=-160 / 9, aliases=("F", "[degF]", "degF", "fahrenheit")),),
        possible=(25, 45),
        usual=(36.1, 37.5),
        decimals=1,
        loinc="8310-5",
        help=_MOST_ABNORMAL,
        paste_names=("temp", "temperature", "t"),
        noise_sd=0.2,
        knots=(35.5, 36.5, 37.5, 39),
    ),
    Field(
        name="pao2_mmhg",
        label="PaO2",
        group=_VITALS,
        role=Role.AID,
        unit="mmHg",
        unit_aliases=_MMHG,
        other_units=(_KPA_ASKED,),
        possible=(15, 700),
        usual=(75, 100),
        plausible=(35, 500),
        loinc="2703-7",
        help="Arterial. Together with FiO2 it gives PaO2/FiO2.",
        paste_names=("pao2", "po2", "art po2"),
        noise_cv=0.03,
    ),
    Field(
        name="fio2",
        label="FiO2",
        group=_VITALS,
        role=Role.AID,
        unit_aliases=("%", "percent", "fraction"),
        possible=(0.21, 100),
        decimals=2,
        loinc="3150-0",
        help="A fraction (0.21-1) or per cent (21-100). Litres a minute are not converted.",
        paste_names=("fio2", "inspired oxygen"),
    ),
    Field(
        name="pao2_fio2_mmhg",
        label="PaO2/FiO2",
        group=_VITALS,
        unit="mmHg",
        unit_aliases=_MMHG,
        other_units=(_KPA_ASKED,),
        possible=(20, 700),
        usual=(400, 500),
        loinc="50984-4",
        help="The lowest of the day. Filled from PaO2 and FiO2 unless you type it.",
        paste_names=("p/f", "pf", "pf ratio", "p/f ratio", "pao2/fio2", "horowitz"),
        noise_cv=0.06,
        transform="log",
        knots=(100, 220, 350),
    ),
    Field(
        name="arterial_ph",
        label="Arterial pH",
        group=_LABS,
        possible=(6.5, 8.0),
        usual=(7.35, 7.45),
        other_units=(
            Unit(
                symbol="nmol/L", aliases=("nmol", "nM", "nmol/L H+"), convert=lambda hydrogen: 9 - math.log10(hydrogen)
            ),
        ),
        decimals=2,
        loinc="2744-1",
        help="Arterial only: venous pH is usually 7.31-7.41.",
        paste_names=("ph", "arterial ph", "art ph"),
        noise_sd=0.02,
        knots=(7.28, 7.42, 7.52),
    ),
    Field(
        name="creatinine_mg_dl",
        label="Creatinine",
        group=_LABS,
        unit="mg/dL",
        other_units=(
            Unit(
                symbol="µmol/L",
                factor=0.01131,
                aliases=("umol/L", "mcmol/L", "µM", "uM"),
                ambiguous=True,
                loinc="14682-9",
            ),
        ),
        possible=(0.1, 40),
        usual=(0.6, 1.3),
        decimals=1,
        loinc="2160-0",
        help=_MOST_ABNORMAL,
        paste_names=("creatinine", "crea", "creat", "cr", "krea", "kreatinin"),
        noise_cv=0.067,
        transform="log",
        knots=(0.6, 1.1, 2, 5),
    ),
    Field(
        name="urea_nitrogen_mg_dl",
        label="Urea nitrogen",
        group=_LABS,
        unit="mg/dL",
        # The unit of urea is written with the analyte: "mg/dL" alone means nitrogen here, and is never converted.
        other_units=(
            Unit(symbol="mmol/L urea", factor=2.801, aliases=("mmol/L", "mmol", "mM"), ambiguous=True),
            Unit(symbol="mg/dL urea", factor=0.467, ambiguous=True),
        ),
        possible=(1, 300),
        usual=(7, 20),
        loinc="3094-0",
        help="BUN. If your laboratory reports urea, choose its unit: urea is about twice urea nitrogen in mg/dL.",
        paste_names=("bun", "urea nitrogen", "urea"),
        noise_cv=0.125,
        transform="log",
        knots=(8, 23, 70),
        gap_informative=False,
    ),
    Field(
        name="sodium_mmol_l",
        label="Sodium",
        group=_LABS,
        unit="mmol/L",
        unit_aliases=("mmol", "mM"),
        other_units=(Unit(symbol="mEq/L", aliases=("meq",)),),
        possible=(90, 200),
        usual=(135, 145),
        loinc="2951-2",
        help=_MOST_ABNORMAL,
        paste_names=("sodium", "na", "na+", "natrium"),
        noise_sd=1.4,
        knots=(129, 137, 146),
    ),
    Field(
        name="glucose_mg_dl",
        label="Glucose",
        group=_LABS,
        unit="mg/dL",
        other_units=(replace(GLUCOSE_MMOL, loinc="14749-6"),),
        possible=(10, 2000),
        usual=(70, 140),
        loinc="2345-7",
        help=f"Random. {_MOST_ABNORMAL}",
        paste_names=("glucose", "gluc", "glc", "blood sugar", "bz"),
        noise_cv=0.067,
        transform="log",
        knots=(80, 135, 280),
        gap_informative=False,
    ),
    Field(
        name="albumin_g_dl",
        label="Albumin",
        group=_LABS,
        unit="g/dL",
        other_units=(Unit(symbol="g/L", factor=0.1, ambiguous=True),),
        possible=(0.5, 7),
        usual=(3.5, 5.0),
        decimals=1,
        loinc="1751-7",
        help="Serum.",
        paste_names=("albumin", "alb"),
        noise_cv=0.043,
        knots=(1.8, 2.9, 4),
    ),
    Field(
        name="bilirubin_mg_dl",
        label="Bilirubin, total",
        group=_LABS,
        unit="mg/dL",
        other_units=(
            Unit(
                symbol="µmol/L",
                factor=0.05848,
                aliases=("umol/L", "mcmol/L", "µM", "uM"),
                ambiguous=True,
                loinc="14631-6",
            ),
        ),
        possible=(0.1, 80),
        usual=(0.2, 1.2),
        decimals=1,
        loinc="1975-2",
        help="Total, not direct.",
        paste_names=("bilirubin", "bili", "total bilirubin", "bilirubin total", "tbil", "t bili"),
        noise_cv=0.226,
        transform="log",
        knots=(0.4, 1, 4, 15),
    ),
    Field(
        name="wbc_10e9_l",
        label="White cells",
        group=_LABS,
        unit="10^9/L",
        unit_aliases=("10*9/L", "G/L", "x10^9/L", "x10e9/L", "10e9/L", "/nL", "giga/L"),
        other_units=(
            Unit(symbol="10^3/µL", aliases=("10*3/uL", "x10^3/uL", "k/uL", "10e3/uL", "10^3/mm3", "thou/uL")),
            Unit(symbol="/µL", factor=0.001, aliases=("cells/uL", "/mm3", "/cmm")),
        ),
        possible=(0, 500),
        usual=(4, 11),
        decimals=1,
        loinc="6690-2",
        help="Near 0 is a value (aplasia), not a blank.",
        paste_names=("wbc", "white cells", "wcc", "leukocytes", "leucocytes", "leukos", "white count"),
        log_offset=0.5,
        noise_cv=0.115,
        transform="log",
        knots=(3, 8, 13, 25),
    ),
    Field(
        name="urine_ml_day",
        label="Urine output",
        group=_LABS,
        unit="mL/day",
        unit_aliases=("mL", "mL/d", "mL/24h", "ml/24 h", "cc"),
        other_units=(
            Unit(symbol="L/day", factor=1000.0, aliases=("L", "L/d", "L/24h", "litres", "liters"), ambiguous=True),
            Unit(symbol="mL/h", factor=24.0, aliases=("mL/hr", "mL/hour", "cc/h"), ambiguous=True),
        ),
        possible=(0, 15000),
        usual=(800, 2500),
        loinc="9192-6",
        help="In 24 hours. 0 is a value (anuria): leave it blank when not measured.",
        paste_names=("urine", "urine output", "uo", "uop", "diuresis"),
        noise_cv=0.1,
        transform="sqrt",
        knots=(300, 2000, 4000),
        gap_informative=False,
    ),
    # The study's own coma scale (11 levels, 0 awake to 100 deepest). It was made from the Glasgow coma score by a table
    # of which we know no published copy, and nobody at a bedside knows the scale: accepted in files only.
    Field(
        name="coma_support",
        label="SUPPORT coma score",
        group=_RARE,
        possible=(0, 100),
        in_form=False,
        rarely_known=True,
        help="The study's own scale 0-100, not Glasgow points. In files only.",
        mask_rate=0.5,
        transform="sqrt",
    ),
)
_SCHEMA = Schema(_FIELDS)
_FRACTION_MAX = 1.0
_PERCENT_MIN = 21.0


def _derive(values: Values) -> dict[str, float]:
    derived = {}
    mean, ratio = _compute_mean_pressure(values), _compute_oxygen_ratio(values)
    if mean is not None and "mean_bp_mmhg" not in values:
        derived["mean_bp_mmhg"] = mean
    if ratio is not None and "pao2_fio2_mmhg" not in values:
        derived["pao2_fio2_mmhg"] = ratio
    return derived


def _compute_mean_pressure(values: Values) -> float | None:
    systolic, diastolic = values.get("systolic_mmhg"), values.get("diastolic_mmhg")
    if systolic is None or diastolic is None or diastolic >= systolic:
        return None
    return (systolic + 2 * diastolic) / 3


def _read_fraction(fio2: float | None) -> float | None:
    """Inspired fraction from 0.21-1 or 21-100 %; None between the two."""
    if fio2 is None or _FRACTION_MAX < fio2 < _PERCENT_MIN:
        return None
    return fio2 if fio2 <= _FRACTION_MAX else fio2 / 100


def _compute_oxygen_ratio(values: Values) -> float | None:
    pressure, fraction = values.get("pao2_mmhg"), _read_fraction(values.get("fio2"))
    return None if pressure is None or fraction is None else pressure / fraction


def _cross_check(values: Values) -> Findings:
    errors: list[FieldError] = [
        *check_pressures(values),
        *derived_errors(_SCHEMA, ("mean_bp_mmhg", "pao2_fio2_mmhg"), values),
    ]
    fio2 = values.get("fio2")
    if fio2 is not None and _read_fraction(fio2) is None:
        errors.append(
            OutOfRangeError(
                f"FiO2 {fio2:g}: give a fraction from 0.21 to 1 or per cent from 21 to 100. Litres are not converted.",
                field="fio2",
                value=fio2,
                expected="0.21 to 1, or 21 to 100 %",
            )
        )
    return Findings(errors=tuple(errors), questions=(*_ask_derived(values), *_ask_venous(values)))


def _ask_derived(values: Values) -> tuple[str, ...]:
    questions = []
    for name, computed, tolerance in (
        ("mean_bp_mmhg", _compute_mean_pressure(values), 15.0),
        ("pao2_fio2_mmhg", _compute_oxygen_ratio(values), 20.0),
    ):
        entered = values.get(name)
        if computed is not None and entered is not None and abs(computed - entered) > tolerance:
            questions.append(
                f"{_SCHEMA[name].label} {entered:.0f} mmHg was entered, its parts give {computed:.0f}: which is right? "
                "The entered one is used."
            )
    return tuple(questions)


def _ask_venous(values: Values) -> tuple[str, ...]:
    if "arterial_ph" not in values or "pao2_fio2_mmhg" in values or "pao2_mmhg" in values:
        return ()
    return (
        "pH without an arterial oxygen value: is it arterial? Venous pH is usually 7.31-7.41; leave it blank then.",
    )


def _population_limits(values: Values) -> tuple[Reason, ...]:
    reasons = list(age_limit(values, ADULT_YEARS, "the study"))
    if values.get("disease_group") == _NO_GROUP:
        text = "This patient's group is not one the model was built on. Needed: one of eight groups."
        reasons.append(Reason(code="population", field="disease_group", text=text))
    return tuple(reasons)


def _sentence(p: str, lo: str, hi: str) -> str:
    return (
        f"Estimated chance of **death within 180 days**: **{p}** (range {range_words(lo, hi)}); "
        f"{rest_of_100(p)} of 100 such patients lived. Study of 1989-94; care has changed. "
        "Not a reason to limit treatment."
    )


_SELECTION = "reflects who entered the study"
# Urea and urine were not recorded for one half of the study, so that their pattern is weak: never good news when bad.
_NOT_REASSURING: Mapping[str, Callable[[float], bool]] = {
    "urea_nitrogen_mg_dl": lambda value: value > 20,
    "urine_ml_day": lambda value: value < 800,
}


def _bar_notes(values: Values, contributions: Mapping[str, float]) -> dict[str, str]:
    notes = {
        "comorbidity_count": _SELECTION,
        "diabetes": _SELECTION,
        "sex": "not a target for treatment",
    }
    for name, reads_badly in _NOT_REASSURING.items():
        if name in values and reads_badly(values[name]) and contributions.get(name, 0.0) < 0:
            notes[name] = "do not take as reassurance: half of the study's patients lack this value"
    return {name: note for name, note in notes.items() if name in contributions}


CONDITION = Condition(
    id="mortality_180d",
    title="Death within 180 days (seriously ill, day 3 in hospital)",
    outcome="death from any cause within 180 days",
    outcome_short="death within 180 days",
    schema=_SCHEMA,
    aliases=("hospital_mortality", "mortality"),
    derive=_derive,
    cross_check=_cross_check,
    population_limits=_population_limits,
    sentence=_sentence,
    bar_notes=_bar_notes,
    load_training=load_support2_table,
    examples=(
        Example(
            name="Heart failure, 68",
            teaches="Six labs blank, as on many wards: still a usable estimate, below the study's average.",
            values={
                "disease_group": "chf",
                "age_years": "68",
                "day_of_stay": "1",
                "sex": "male",
                "cancer": "none",
                "dementia": "no",
                "diabetes": "no",
                "comorbidity_count": "1",
                "mean_bp_mmhg": "108",
                "heart_rate_bpm": "112",
                "respiratory_rate": "24",
                "temperature_c": "36.2",
                "creatinine_mg_dl": "1.4",
                "sodium_mmol_l": "138",
                "wbc_10e9_l": "9.5",
                "urine_ml_day": "1800",
            },
        ),
        Example(
            name="Sepsis with organ failure, 71",
            teaches="Shock, acidosis and little urine: a high estimate.",
            values={
                "disease_group": "sepsis_mosf",
                "age_years": "71",
                "day_of_stay": "6",
                "sex": "male",
                "cancer": "none",
                "dementia": "no",
                "diabetes": "no",
                "comorbidity_count": "1",
                "mean_bp_mmhg": "52",
                "heart_rate_bpm": "136",
                "respiratory_rate": "36",
                "temperature_c": "38.9",
                "pao2_fio2_mmhg": "140",
                "albumin_g_dl": "2.1",
                "arterial_ph": "7.24",
                "creatinine_mg_dl": "3.1",
                "sodium_mmol_l": "136",
                "bilirubin_mg_dl": "4.6",
                "wbc_10e9_l": "22",
                "urine_ml_day": "300",
            },
        ),
        Example(
            name="Trauma, 30",
            teaches="None of the eight groups: no score, and why.",
            values={"disease_group": "none", "age_years": "30", "mean_bp_mmhg": "88", "heart_rate_bpm": "96"},
            expects="withheld",
        ),
        Example(
            name="Creatinine in another unit",
            teaches="190 is no creatinine in mg/dL: the page asks whether µmol/L was meant, and converts only on yes.",
            values={
                "disease_group": "chf",
                "age_years": "74",
                "mean_bp_mmhg": "64",
                "heart_rate_bpm": "104",
                "creatinine_mg_dl": "190",
            },
            expects="unit_question",
        ),
    ),
    prevalence=PrevalencePolicy(
        allowed=False,
        reason=(
            "Hospitals differ in who they treat, which the model already knows, and in care, which a death rate alone "
            "does not describe. Only local outcomes can restate this number (local validation)."
        ),
    ),
    # Signs of organ failure, read rather than set. Not offered: age, sex, comorbidity, and what is treated directly
    # (pressure, rate, temperature, sodium, glucose, pH).
    swept_fields=(
        "albumin_g_dl",
        "bilirubin_mg_dl",
        "creatinine_mg_dl",
        "urea_nitrogen_mg_dl",
        "wbc_10e9_l",
        "pao2_fio2_mmhg",
        "urine_ml_day",
    ),
    card=CardText(
        purpose=(
            "Estimates the chance of death within 180 days of a seriously ill adult on the third day of the qualifying "
            "illness, to inform talks about goals and plans. It is never a reason to limit treatment."
        ),
        population=(
            "Adults in five US teaching hospitals, 1989-1994, with one of eight illnesses: acute respiratory or "
            "multi-organ failure with sepsis, heart failure, COPD, cirrhosis, coma, colon or lung cancer, multi-organ "
            "failure with malignancy."
        ),
        not_for=(
            "Any other illness, trauma, under 18 years, deciding to withhold or stop treatment, comparing hospitals, "
            "allocating beds."
        ),
        limits=(
            "Care of 30 years ago. Values are the most abnormal of a day, so routine readings fit badly. The study's "
            "coma scale has no published bridge from Glasgow points that we know of: the form leaves it blank, and the "
            "score of patients in coma is less sharp. Comorbidity and known diabetes seem to protect because of who "
            "was enrolled. In-hospital death is not in these data: the outcome is death within 180 days."
        ),
    ),
    facts_line="SUPPORT 1989-94, 5 US hospitals",
    references=(
        "Knaus WA, Harrell FE, Lynn J, et al. The SUPPORT prognostic model. Ann Intern Med 1995;122:191-203. "
        "doi:10.7326/0003-4819-122-3-199502010-00007",
        "SUPPORT2. UCI Machine Learning Repository 880. doi:10.3886/ICPSR02957.v2",
    ),
    masked_checks={
        "without the coma score": ("coma_support",),
        "bedside only": (
            "coma_support",
            "pao2_fio2_mmhg",
            "arterial_ph",
            "urea_nitrogen_mg_dl",
            "glucose_mg_dl",
            "albumin_g_dl",
            "bilirubin_mg_dl",
            "urine_ml_day",
        ),
    },
    caution="Care has changed since 1989-94: read the number with caution.",
)
