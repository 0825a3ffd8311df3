"""A small made-up form with one field of each kind."""

import math

from medcore.records import Choice, Field, FieldKind, Role, Schema, Unit


def make_schema():
    return Schema(
        (
            Field(
                name="age_years", label="Age", group="Fit", unit="years", possible=(0, 120), required=True, top_code=80
            ),
            Field(
                name="sex",
                label="Sex",
                group="Fit",
                kind=FieldKind.CHOICE,
                choices=(
                    Choice(code=0, word="female", label="female", aliases=("f",)),
                    Choice(code=1, word="male", label="male", aliases=("m",)),
                ),
                paste_names=("sex",),
            ),
            Field(
                name="cancer",
                label="Cancer",
                group="Fit",
                kind=FieldKind.CHOICE,
                choices=(
                    Choice(code=0, word="none", label="no cancer", aliases=("no",)),
                    Choice(code=2, word="metastatic", label="metastatic"),
                ),
                paste_names=("cancer",),
            ),
            Field(
                name="height_cm",
                label="Height",
                group="Body",
                unit="cm",
                other_units=(Unit(symbol="in", factor=2.54),),
                possible=(90, 250),
                paste_names=("height",),
            ),
            Field(
                name="weight_kg",
                label="Weight",
                group="Body",
                role=Role.AID,
                unit="kg",
                other_units=(Unit(symbol="lb", factor=0.4536, ambiguous=True),),
                possible=(20, 450),
                paste_names=("weight",),
            ),
            Field(name="bmi_kg_m2", label="BMI", group="Body", unit="kg/m2", possible=(8, 120), decimals=1),
            Field(
                name="temperature_c",
                label="Temperature",
                group="Vitals",
                unit="C",
                unit_aliases=("°C",),
                other_units=(Unit(symbol="°F", factor=5 / 9, offset=-160 / 9, aliases=("F",)),),
                possible=(25, 45),
                decimals=1,
                paste_names=("t", "temp"),
            ),
            Field(
                name="creatinine_mg_dl",
                label="Creatinine",
                group="Labs",
                unit="mg/dL",
                other_units=(Unit(symbol="µmol/L", factor=0.01131, aliases=("umol/L",), ambiguous=True),),
                possible=(0.1, 40),
                usual=(0.6, 1.3),
                decimals=1,
                paste_names=("crea", "creatinine"),
            ),
            Field(
                name="sodium_mmol_l",
                label="Sodium",
                group="Labs",
                unit="mmol/L",
                other_units=(Unit(symbol="mEq/L"),),
                possible=(90, 200),
                paste_names=("na", "sodium"),
            ),
            Field(
                name="arterial_ph",
                label="Arterial pH",
                group="Labs",
                possible=(6.5, 8),
                other_units=(Unit(symbol="nmol/L", convert=lambda hydrogen: 9 - math.log10(hydrogen)),),
                decimals=2,
                paste_names=("ph",),
            ),
            Field(
                name="urine_ml_day",
                label="Urine",
                group="Labs",
                unit="mL/day",
                unit_aliases=("ml",),
                other_units=(Unit(symbol="mL/h", factor=24, ambiguous=True), Unit(symbol="L", factor=1000)),
                possible=(0, 15000),
                paste_names=("urine",),
            ),
            Field(name="st_change_mm", label="ST change", group="Labs", unit="mm", possible=(-5, 5), decimals=1),
            Field(
                name="study_score",
                label="Study score",
                group="Rare",
                possible=(0, 100),
                in_form=False,
                paste_names=("ss",),
            ),
        )
    )


def compute_bmi(values):
    if "height_cm" in values and "weight_kg" in values:
        return {"bmi_kg_m2": values["weight_kg"] / (values["height_cm"] / 100) ** 2}
    return {}
