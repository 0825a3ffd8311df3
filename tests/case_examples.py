"""Made-up case files for the tests of what is printed and exported, and strings that mean harm."""

from dataclasses import replace

import numpy as np

from medcore.figures.bars import Bar, BarChart
from medcore.reports.case_file import (
    CaseFile,
    CaseFilm,
    CaseInput,
    CaseModel,
    CasePatient,
    CasePicture,
    CasePoint,
    CaseReader,
    CaseRisk,
)
from medcore.reports.case_pictures import draw_film, draw_map

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert('x')",
    "' OR 1=1; DROP TABLE patients--",
    "Müller-Łukasiewicz, Žofie",
    "田中さん Привет مرحبا",
    "\u202etxt.exe\u2066",
    "null\x00 bell\x07 esc\x1b[31m",
    "line\nbreak\ttab\r\n",
    "{{7*7}} ${7*7} %s %n {0}",
    "=cmd|' /C calc'!A0",
    "</style></main><h1>big</h1>",
    "😀👩‍⚕️ 👨‍👩‍👧",
    "W" * 400,
    "&lt;already&gt; &amp;",
)


def make_model(**parts):
    facts = {
        "model_id": "diabetes-mlp",
        "title": "Made-up network",
        "version": "1.2",
        "sha256": "ab12cd" + "0" * 58,
        "created": "2026-01-01",
        "source": "A made-up study",
        "n_train": 1000,
        "base_rate": 0.05,
        "metrics": (("auroc", 0.79, 0.76, 0.82), ("brier", 0.04, 0.03, 0.05)),
        "not_for": "Pregnancy.",
        "limits": "One survey.",
    }
    return CaseModel(**{**facts, **parts})


def make_input(name="systolic_mmhg", **parts):
    facts = {
        "label": "Systolic pressure",
        "group": "Circulation",
        "text": "142 mmHg H",
        "value": 142.0,
        "unit": "mmHg",
        "mark": "H",
        "loinc": "8480-6",
    }
    return CaseInput(name=name, **{**facts, **parts})


INPUTS = (
    make_input(
        "age_years", label="Age", group="Who", text="61 years", value=61.0, unit="years", mark="", loinc="30525-0"
    ),
    make_input(
        "sex",
        label="Sex at birth",
        group="Who",
        text="male",
        value=1.0,
        unit="",
        mark="",
        loinc="76689-9",
        word="male",
        word_label="male",
    ),
    make_input(),
    make_input("diastolic_mmhg", label="Diastolic pressure", text="84 mmHg", value=84.0, mark="", loinc="8462-4"),
    make_input(
        "bmi_kg_m2", label="Body mass index", text="32 kg/m²", value=32.0, unit="kg/m2", loinc="39156-5", derived=True
    ),
    make_input("waist_cm", label="Waist", text="not entered", value=None, unit="cm", mark="", loinc="8280-0"),
)
BARS = BarChart(
    base=5.0,
    bars=(
        Bar(field="age_years", label="Age", value="61 years", points=4.2, note="a note"),
        Bar(field="systolic_mmhg", label="Systolic pressure", value="142 mmHg H", points=-1.2),
    ),
    n_others=3,
    others=4.0,
    estimate=12.0,
)
PATIENT = CasePatient(
    name="Anna Mustermann",
    identifier="MRN-4711",
    birth_date="1965-03-09",
    sex="male",
    address="Beispielstr. 1, 12345 Musterstadt",
    contact="anna@example.org, 0123 456789",
)
READER = CaseReader(
    actor="dr.quincy", reading="pneumonia", note="Seen with Dr Jones", verdict="overrides", reason="Known to Mrs Smith"
)


def make_risk(**parts):
    facts = {
        "state": "scored",
        "p": 0.12,
        "lo": 0.09,
        "hi": 0.15,
        "interval_kind": "range",
        "sentence": "Estimated chance: **12 %** (range 9-15 %).",
        "caution": "",
        "reasons": (),
        "reason_fields": (),
        "n_known": 5,
        "n_fields": 6,
    }
    return CaseRisk(**{**facts, **parts})


WITHHELD = make_risk(
    state="withheld",
    p=None,
    lo=None,
    hi=None,
    sentence="No score.",
    reasons=("Diabetes is already diagnosed.",),
    reason_fields=("already_diagnosed",),
)


def make_case(**parts):
    facts = {
        "kind": "tabular",
        "condition": "diabetes",
        "title": "Undiagnosed diabetes",
        "outcome": "HbA1c of 6.5 % or more",
        "risk": make_risk(),
        "model": make_model(),
        "made_at": "2026-05-04T10:11:12Z",
        "assessed_at": "2026-05-04T10:00:00Z",
        "app_version": "0.1.0",
        "patient": PATIENT,
        "record": "31337",
        "site": "Ward 3, Example Hospital",
        "inputs": INPUTS,
        "bars": BARS,
        "point": CasePoint(name="Locked cut-off", threshold=0.1, reached=True, text="9 false alarms."),
        "reader": READER,
    }
    return CaseFile(**{**facts, **parts})


def make_pictures():
    brightness = np.linspace(0, 1, 40 * 30).reshape(40, 30)
    return (
        CasePicture(title="The film", caption="Small.", png=draw_film(brightness)),
        CasePicture(title="Heat map", caption="No proof.", png=draw_map(brightness, np.eye(7))),
    )


def make_film_case(**parts):
    film = CaseFilm(
        number=1,
        view="AP",
        modality="DX",
        age_years=2.25,
        sex="female",
        acquired_on="2026-05-03",
        rows=40,
        columns=30,
        pixel_sha256="fe" * 32,
        burned_in=False,
        pictures=make_pictures(),
    )
    facts = {
        "kind": "image",
        "condition": "pneumonia",
        "title": "Pneumonia on a film",
        "outcome": "the film was read as showing pneumonia",
        "risk": make_risk(p=0.83, lo=0.7, hi=0.9, n_known=0, n_fields=0, classes=(("bacterial", 0.7), ("viral", 0.3))),
        "inputs": (),
        "bars": None,
        "film": film,
        "not_assessed": ("effusion", "fractures"),
    }
    return make_case(**{**facts, **parts})


def make_hostile(text):
    """Return a case file with this text in every place that a person or a file can fill."""
    return make_case(
        patient=CasePatient(name=text, identifier=text, address=text, contact=text, sex=text, birth_date=text),
        site=text,
        record=text,
        reader=CaseReader(actor=text, reading="unsure", note=text, verdict="overrides", reason=text),
        inputs=(replace(INPUTS[0], label=text, text=text, group=text), *INPUTS[1:]),
        notices=(text,),
    )
