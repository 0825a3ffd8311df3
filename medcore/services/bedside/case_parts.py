"""The parts of a case file, written from an assessment, a form or a finding exactly as the pages show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from medcore.conditions.condition import Condition
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import MedcoreError
from medcore.figures.bars import BarChart, rank_bars
from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph
from medcore.records import Field, FieldKind, PatientRecord
from medcore.reports.case_file import (
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
from medcore.results import Assessment, Interval, ModelFacts, Prediction, Saliency, count_of_100, whole_percent
from medcore.services.bedside.clinic import FormReading
from medcore.services.compare.cut_offs import find_locked
from medcore.services.films.reading import SHAP_MAP, FilmCase, Finding
from medcore.services.house import House

__all__ = [
    "compare_patient",
    "describe_bars",
    "describe_film",
    "describe_film_risk",
    "describe_inputs",
    "describe_model",
    "describe_point",
    "describe_reader",
    "describe_risk",
    "find_facts",
    "find_point",
    "say_no_bars",
]

_INTERVAL_WORDS = {
    "sampling": "range: how far the estimate moves when the model is rebuilt from resampled patients",
    "calibration_band": "calibration band: share of positive films among those with scores like this one",
}
_PRETTY_UNITS = {"C": "°C", "F": "°F", "px2": "px²", "kg/m2": "kg/m²", "day": ""}
_BLANK = "not entered"
_MAP_LIMITS = "Shows where the score is sensitive. It may miss small findings and is no proof."
_SHAP_LIMITS = "Orange parts raise the score, blue parts lower it. They say what the network used and are no proof."
_FILM_LIMITS = "Made smaller; not for diagnosis."


def find_facts(house: House, prediction: Prediction) -> ModelFacts | None:
    """Return the facts of the bundle that answered; None where it has been replaced or removed since."""
    try:
        facts = house.catalog.find(prediction.model_id)
    except MedcoreError:
        return None
    return facts if facts.sha256 == prediction.sha256 else None


def describe_risk(condition: Condition, prediction: Prediction, questions: tuple[str, ...]) -> CaseRisk:
    """Describe the answer about a patient, its sentence as the page has it."""
    p, interval = prediction.p_calibrated, prediction.interval
    sentence = "No score."
    if p is not None and interval is not None:
        sentence = condition.sentence(*(f"{whole_percent(value)} %" for value in (p, interval.lo, interval.hi)))
    return _collect_risk(
        prediction, p, interval, sentence, caution=condition.caution if p is not None else "", questions=questions
    )


def describe_film_risk(condition: FilmCondition, case: FilmCase, finding: Finding) -> CaseRisk:
    """Describe the answer about a film that was read."""
    sentence = "No score."
    if finding.p is not None and finding.interval is not None:
        ends = (finding.p, finding.interval.lo, finding.interval.hi)
        p, lo, hi = (f"{whole_percent(value)} %" for value in ends)
        site = _count(finding.prevalence) if finding.prevalence is not None else ""
        sentence = condition.sentence(p, lo, hi, site, _count(finding.base_rate))
    classes = tuple((condition.find_class(word).label, share) for word, share in finding.patterns.items())
    return _collect_risk(
        finding.prediction,
        finding.p,
        finding.interval,
        sentence,
        caution=condition.pattern_caption if classes else "",
        questions=case.remarks,
        prevalence=finding.prevalence,
        classes=classes,
    )


def _collect_risk(
    prediction: Prediction,
    p: float | None,
    interval: Interval | None,
    sentence: str,
    *,
    caution: str = "",
    questions: tuple[str, ...] = (),
    prevalence: float | None = None,
    classes: tuple[tuple[str, float], ...] = (),
) -> CaseRisk:
    applied = prediction.applicability
    ends = (None, None) if p is None or interval is None else (min(interval.lo, p), max(interval.hi, p))
    return CaseRisk(
        state=prediction.status.value,
        p=p,
        lo=ends[0],
        hi=ends[1],
        level=interval.level if interval is not None else 0.90,
        interval_kind=_INTERVAL_WORDS.get(interval.kind, interval.kind) if interval is not None else "",
        prevalence=prevalence,
        sentence=sentence,
        caution=caution,
        reasons=tuple(reason.text for reason in applied.reasons),
        reason_fields=tuple(reason.field or "" for reason in applied.reasons),
        questions=questions,
        n_known=applied.n_known,
        n_fields=applied.n_fields,
        classes=classes,
    )


def _count(share: float) -> str:
    return count_of_100(f"{whole_percent(share)} %").removeprefix("about ")


def describe_inputs(condition: Condition, reading: FormReading) -> Iterable[CaseInput]:
    """Describe every field of the form; a value that could not be read stands with what was wrong about it."""
    wrong = {error.field: error.message for error in reading.errors}
    wrong |= {question.field: question.text for question in reading.unit_questions}
    for item in condition.schema.fields:
        value = reading.record.values.get(item.name)
        if not item.in_form and value is None:
            continue
        described = _describe_input(item, value, reading.record, reading.marks)
        if value is None and item.name in wrong:
            described = replace(described, text=wrong[item.name])
        yield described


def _describe_input(item: Field, value: float | None, record: PatientRecord, marks: Mapping[str, str]) -> CaseInput:
    choice = item.find_choice(value) if value is not None and item.kind is FieldKind.CHOICE else None
    topped = value is not None and item.top_code is not None and value >= item.top_code
    return CaseInput(
        name=item.name,
        label=item.label,
        group=item.group,
        text=_write_value(item, value, record, marks),
        value=value,
        unit=item.unit,
        comparator=record.qualifiers.get(item.name, "") or (">=" if topped and value == item.top_code else ""),
        mark=marks.get(item.name, ""),
        derived=item.name in record.derived,
        loinc=item.loinc,
        word=choice.word if choice else "",
        word_label=choice.label if choice else "",
    )


def _write_value(item: Field, value: float | None, record: PatientRecord, marks: Mapping[str, str]) -> str:
    """Write a value as the page does: comparator, number, unit, mark, and whether it was computed."""
    if value is None:
        return _BLANK
    text = item.format(value)
    if item.unit in _PRETTY_UNITS:
        text = (text.removesuffix(item.unit) + _PRETTY_UNITS[item.unit]).rstrip()
    parts = [record.qualifiers.get(item.name, "") + text, marks.get(item.name, "")]
    parts.append("(derived)" if item.name in record.derived else "")
    return " ".join(part for part in parts if part)


def compare_patient(patient: CasePatient, inputs: Sequence[CaseInput], at: datetime) -> tuple[str, ...]:
    """Say where the form does not fit whom the file is made for; no value stands in the words.

    The age may differ by one year from that of the birth date: it was asked on another day.
    """
    values = {item.name: item for item in inputs if item.value is not None}
    doubts = []
    sex = values.get("sex")
    if sex is not None and patient.sex.lower() in ("female", "male") and sex.word != patient.sex.lower():
        doubts.append("sex")
    age, born = values.get("age_years"), patient.birth_date
    if age is not None and age.value is not None and re.fullmatch(r"\d{4}-\d{2}-\d{2}", born):
        years = at.year - int(born[:4]) - (at.strftime("%m-%d") < born[5:])
        if abs(years - age.value) > 1:
            doubts.append("age")
    return tuple(
        f"The {name} on the form does not fit the patient's record: is this the right patient?" for name in doubts
    )


def describe_bars(condition: Condition, reading: FormReading, assessment: Assessment) -> BarChart | None:
    """Describe what moved the estimate, the six strongest fields and the rest; None without an explanation."""
    explanation = assessment.explanation
    if explanation is None:
        return None
    fields = {item.name: item for item in condition.schema.inputs}
    record, marks = reading.record, assessment.marks
    return rank_bars(
        explanation,
        {name: item.label for name, item in fields.items()},
        {name: _write_value(item, record.values.get(name), record, marks) for name, item in fields.items()},
        condition.bar_notes(record.values, explanation.contributions),
    )


def say_no_bars(assessment: Assessment) -> str:
    """Say why a scored patient has no explanation; empty where there is one or no score."""
    if assessment.explanation is not None or assessment.prediction.p_calibrated is None:
        return ""
    return f"Explanation unavailable: {assessment.explanation_error or 'it could not be computed'}"


def describe_model(
    facts: ModelFacts | None, prediction: Prediction, condition: Condition | FilmCondition
) -> CaseModel | None:
    """Describe the bundle that answered, by its hash alone where it is not on the shelf any more."""
    if not prediction.model_id:
        return None
    if facts is None or facts.sha256 != prediction.sha256:
        return CaseModel(
            model_id=prediction.model_id,
            title=prediction.model_id,
            version="not known",
            sha256=prediction.sha256,
            limits="This bundle is no longer installed.",
        )
    return CaseModel(
        model_id=facts.model_id,
        title=facts.title,
        version=facts.version,
        sha256=facts.sha256,
        created=facts.created,
        source=condition.facts_line,
        n_train=facts.n_train,
        base_rate=facts.base_rate,
        metrics=tuple((name, item.value, item.lo, item.hi) for name, item in facts.metrics.items()),
        not_for=condition.card.not_for,
        limits=condition.card.limits,
    )


def find_point(house: House, prediction: Prediction) -> CasePoint | None:
    """Return the site's locked cut-off; None where there is none or it was chosen for another bundle."""
    locked = find_locked(house, prediction.model_id)
    if locked is None or not locked.holds or locked.sha256 != prediction.sha256:
        return None
    p = prediction.p_calibrated
    return CasePoint(
        name=f"Locked cut-off to {locked.use}",
        threshold=locked.cut_off,
        reached=None if p is None else p >= locked.cut_off,
        text=f"{locked.harm_ratio:g} false alarms are accepted for one case found.",
    )


def describe_point(finding: Finding) -> CasePoint | None:
    """Describe the cut-off that a film reaches or stays below."""
    point = finding.point
    if point is None:
        return None
    text = (
        f"On the test films it finds {whole_percent(point.sensitivity)} of 100 positive films and calls "
        f"{whole_percent(point.false_calls)} of 100 others."
    )
    if finding.prevalence is not None and finding.prediction.p_calibrated is not None:
        text += f" Compared with the score on the study's mix, {whole_percent(finding.prediction.p_calibrated)} %."
    return CasePoint(name=point.name, threshold=point.threshold, reached=point.reached, text=text)


def describe_film(case: FilmCase, finding: Finding) -> CaseFilm:
    """Describe a film with its pictures."""
    film = case.pixels
    rows, columns = film.shape
    pictures, problem = _draw_pictures(film, finding)
    return CaseFilm(
        number=case.number,
        view=film.view.value if film.view is not None else "",
        modality=film.modality or "",
        age_years=film.age_years,
        sex={"F": "female", "M": "male"}.get(film.sex or "", ""),
        acquired_on=film.acquired_on.isoformat() if film.acquired_on is not None else "",
        rows=rows,
        columns=columns,
        pixel_sha256=film.pixel_sha256,
        burned_in=film.burned_in,
        pictures=pictures,
        map_problem=problem,
    )


def _draw_pictures(film: Radiograph, finding: Finding) -> tuple[tuple[CasePicture, ...], str]:
    """Draw the film and, where it passed its checks, the map over it; else say why there is none."""
    brightness = render(film)
    pictures = [CasePicture(title="The film", caption=_FILM_LIMITS, png=draw_film(brightness))]
    saliency, problem = finding.saliency, ""
    if saliency is None:
        if finding.saliency_error is not None:
            problem = f"There is no heat map: {finding.saliency_error.message}"
    elif saliency.reliable:
        grid = np.array(saliency.grid, dtype=np.float32)
        title, caption = _name_map(saliency)
        pictures.append(CasePicture(title=title, caption=caption, png=draw_map(brightness, grid)))
    else:
        problem = f"The heat map is not shown: {saliency.reason or 'it failed its own checks'}."
    return tuple(pictures), problem


def _name_map(saliency: Saliency) -> tuple[str, str]:
    """Return title and caption of a map."""
    if saliency.method == SHAP_MAP:
        return "SHAP values over the film", _SHAP_LIMITS
    return "Heat map over the film", _MAP_LIMITS


def describe_reader(case: FilmCase, actor: str) -> CaseReader:
    """Describe what the reader of a film said."""
    verdict = case.verdict
    return CaseReader(
        actor=actor,
        reading=case.reading.value if case.reading is not None else "",
        revised=case.revised,
        late=case.late,
        note=case.note,
        verdict="" if verdict is None else "agrees" if verdict.agrees else "overrides",
        reason=verdict.text if verdict is not None else "",
    )
