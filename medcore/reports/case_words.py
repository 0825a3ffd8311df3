"""The words and small tables that the printed, the HTML and the FHIR case file share. Pure text."""

from __future__ import annotations

import math
import re

from medcore.figures.bars import BarChart
from medcore.reports.case_file import CaseFile, CaseFilm, CaseRisk
from medcore.results import whole_percent

__all__ = [
    "show_text",
    "write_age",
    "write_cut_off",
    "write_film_line",
    "write_hash_line",
    "write_model_lines",
    "write_moved",
    "write_patient_line",
    "write_percent",
    "write_point",
    "write_points",
    "write_range",
    "write_reader_lines",
    "write_state_line",
    "write_time",
]

_METRIC_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}
_SHOWN_AS = "\ufffd"
_HIDDEN = (
    *(code for code in range(0x20) if chr(code) not in "\t\n\r"),
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # they turn the direction of text
    *range(0xD800, 0xE000),  # halves of characters
)
_SHOWN = {**dict.fromkeys(_HIDDEN, _SHOWN_AS), **dict.fromkeys(map(ord, "\t\n\r"), " ")}


def show_text(text: str) -> str:
    """Return a text in one line that can be shown safely: control and direction characters become question marks.

    Examples
    --------
    >>> show_text(f"Ann{chr(0x202E)} B.") == f"Ann{chr(0xFFFD)} B."
    True
    """
    return text.translate(_SHOWN)


def write_time(text: str) -> str:
    """Write an ISO time in UTC for people; anything else as it is.

    Examples
    --------
    >>> write_time("2026-01-02T03:04:05Z"), write_time("2026")
    ('2026-01-02 03:04 UTC', '2026')
    """
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):\d{2}Z", text)
    return f"{found[1]} {found[2]} UTC" if found else text


def write_percent(p: float) -> str:
    """Write a probability: ``"41 %"``, ``"< 1 %"``."""
    return f"{whole_percent(p)} %"


def write_range(risk: CaseRisk) -> str:
    """Write the interval's ends, ``"33 to 50 %"``, one text where both read the same; empty without a number."""
    if risk.lo is None or risk.hi is None:
        return ""
    lo, hi = whole_percent(risk.lo), whole_percent(risk.hi)
    return f"{lo} %" if lo == hi else f"{lo} to {hi} %"


def write_points(points: float) -> str:
    """Write percentage points with their sign: ``"+9"``, ``"−4"``, ``"0"``."""
    whole = math.floor(abs(points) + 0.5)
    return "0" if whole == 0 else f"{'+' if points > 0 else '−'}{whole}"


def write_patient_line(case: CaseFile) -> str:
    """Write whose case it is in one line; says so where that is not known or was removed."""
    patient = case.patient
    parts = [patient.name, f"no. {patient.identifier}" if patient.identifier else ""]
    if patient.birth_date:
        parts.append(f"born {patient.birth_date}")
    parts += [patient.sex, patient.address, patient.contact]
    if patient.deidentified:
        parts.insert(0, "De-identified copy")
    elif not patient.name and not patient.identifier:
        parts.insert(0, "Patient not named: write the name here before it goes into a record")
    return show_text(" · ".join(part for part in parts if part))


def write_state_line(risk: CaseRisk) -> str:
    """Write how complete the form was; empty for a film."""
    return f"{risk.n_known} of {risk.n_fields} fields entered" if risk.n_fields else ""


def write_moved(bars: BarChart) -> str:
    """Write from where to where the bars lead: ``"from 37 % to > 99 %"``."""
    return f"from {write_percent(bars.base / 100)} to {write_percent(bars.estimate / 100)}"


def write_point(case: CaseFile) -> str:
    """Write the operating point and on which side of it the case lies."""
    point = case.point
    if point is None:
        return "None is set for this model."
    side = {True: "reached", False: "not reached", None: "no score to compare"}[point.reached]
    text = f"{point.name}: {write_cut_off(point.threshold)} or more, {side}."
    return f"{text} {point.text}".strip()


def write_cut_off(threshold: float) -> str:
    """Write a cut-off in per cent with one decimal at most: ``"12.5 %"``."""
    return f"{round(100 * threshold, 1):g} %"


def write_film_line(film: CaseFilm) -> str:
    """Write the facts of a film's header in one line."""
    parts = [f"Film {film.number}" if film.number else "Film", film.modality]
    parts.append(f"view {film.view}" if film.view else "view not stated")
    parts.append("age not stated" if film.age_years is None else f"age {write_age(film.age_years)}")
    parts += [film.sex, f"taken {film.acquired_on}" if film.acquired_on else ""]
    parts.append(f"{film.rows} x {film.columns} pixels")
    parts.append(f"pixel hash {film.pixel_sha256[:16]}" if film.pixel_sha256 else "")
    return show_text(" · ".join(part for part in parts if part))


def write_age(years: float) -> str:
    """Write an age: months below two years, ``"90 years or over"`` for the oldest group.

    Examples
    --------
    >>> write_age(0.75), write_age(4.9), write_age(90)
    ('9 months', '4 years', '90 years or over')
    """
    if years < 2:
        months = math.floor(12 * years)
        return f"{months} month{'' if months == 1 else 's'}"
    return "90 years or over" if years >= 90 else f"{math.floor(years)} years"


def write_reader_lines(case: CaseFile) -> tuple[str, ...]:
    """Write what the reader said, one line a fact; one line saying so where there is nothing."""
    reader = case.reader
    if reader is None:
        return ("No opinion is recorded.",)
    revised = " (changed after the model's answer was seen)" if reader.revised else ""
    revised = " (first given beside the model's answer)" if reader.late else revised
    lines = [
        f"Own reading: {reader.reading}{revised}" if reader.reading else "",
        f"Note: {reader.note}" if reader.note else "",
        f"Verdict on the model's answer: {reader.verdict}" if reader.verdict else "Verdict: none yet",
        f"Reason: {reader.reason}" if reader.reason else "",
        f"Recorded by {reader.actor}" if reader.actor else "",
    ]
    return tuple(show_text(line) for line in lines if line)


def write_model_lines(case: CaseFile) -> tuple[tuple[str, str], ...]:
    """Write the model facts as (name, text), the hash last."""
    model = case.model
    if model is None:
        return (("Model", "none is installed for this question"),)
    people = "films" if case.kind == "image" else "patients"
    made = f", made {model.created}" if model.created else ""
    rate = "" if model.base_rate is None else f"; {write_percent(model.base_rate)} of them had the outcome"
    n = f"{model.n_train:,} {people}{rate}" if model.n_train else ""
    figures = "; ".join(_write_metric(*metric) for metric in model.metrics if metric[0] in _METRIC_NAMES)
    facts = (
        ("Model", f"{model.title} ({model.model_id}), version {model.version}{made}"),
        ("Learnt from", "; ".join(part for part in (model.source, n) if part)),
        ("Performance there", f"{figures} (95 % intervals)" if figures else ""),
        ("Not for", model.not_for),
        ("Limits", model.limits),
        ("SHA-256", model.sha256),
    )
    return tuple((name, show_text(text)) for name, text in facts if text)


def write_hash_line(case: CaseFile) -> str:
    """Write what this file was made by, when, and its content hash."""
    record = f" · record {case.record}" if case.record else ""
    return show_text(
        f"Medcore {case.app_version} · made {write_time(case.made_at)}{record} · content {case.content_hash}"
    )


def _write_metric(name: str, value: float, lo: float, hi: float) -> str:
    title = _METRIC_NAMES[name]
    if not math.isfinite(value):
        return f"{title} not known"
    if not (math.isfinite(lo) and math.isfinite(hi)):
        return f"{title} {_write_figure(value)}"
    return f"{title} {_write_figure(value)} ({_write_figure(lo)} to {_write_figure(hi)})"


def _write_figure(value: float) -> str:
    text = f"{abs(value):.3f}"
    return f"−{text}" if value < 0 and float(text) else text
