"""The case file: collected from what was shown, de-identified if asked, and handed out once it is in the journal.

Nothing is computed anew: the facts are those of the assessment or of the finding. A film's answer is taken through
:func:`medcore.services.reading.reveal`, so a film that nobody has read has no case file. The PDF is drawn in a helper
process. The name of a file holds nothing of a patient.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from medcore import __version__
from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import InputError, MedcoreError
from medcore.figures.bars import rank_bars
from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph
from medcore.journal import Event
from medcore.records import Field, FieldKind, PatientRecord
from medcore.reports.case_file import (
    CaseBar,
    CaseBars,
    CaseFile,
    CaseFilm,
    CaseInput,
    CaseModel,
    CasePatient,
    CasePicture,
    CasePoint,
    CaseReader,
    CaseRisk,
    to_json,
)
from medcore.reports.case_html import write_case_html
from medcore.reports.case_pictures import draw_film, draw_map
from medcore.reports.fhir import write_case_fhir
from medcore.reports.fhir_rules import require_valid
from medcore.reports.safe_harbor import deidentify
from medcore.results import Assessment, Interval, ModelFacts, Prediction, Saliency, count_of_100, whole_percent
from medcore.services.clinic import FormReading
from medcore.services.cut_offs import find_locked
from medcore.services.house import House
from medcore.services.operating import OperatingPoint
from medcore.services.reading import SHAP_MAP, FilmCase, Finding
from medcore.services.worklist import Worklist
from medcore.workers import Limits, Worker

__all__ = ["CaseCopy", "CaseFormat", "export_case_file", "make_case_file", "make_film_case_file"]

_LIMITS = Limits(memory_bytes=2 * 1024**3, cpu_s=30, request_s=60.0, start_s=60.0, answer_bytes=16 * 1024**2)
_INTERVAL_WORDS = {
    "sampling": "range: how far the estimate moves when the model is rebuilt from resampled patients",
    "calibration_band": "calibration band: share of positive films among those with scores like this one",
}
_PRETTY_UNITS = {"C": "°C", "F": "°F", "px2": "px²", "kg/m2": "kg/m²", "day": ""}
_BLANK = "not entered"
_MAP_LIMITS = "Shows where the score is sensitive. It may miss small findings and is no proof."
_SHAP_LIMITS = "Orange parts raise the score, blue parts lower it. They say what the network used and are no proof."
_FILM_LIMITS = "Made smaller; not for diagnosis."


class CaseFormat(StrEnum):
    """How a case file is handed out."""

    PDF = "pdf"
    HTML = "html"
    FHIR = "fhir"


_KINDS = {
    CaseFormat.PDF: ("pdf", "application/pdf"),
    CaseFormat.HTML: ("html", "text/html"),
    CaseFormat.FHIR: ("fhir.json", "application/fhir+json"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCopy:
    """A case file ready to be saved; ``name`` and ``mime`` are for the download, ``content_hash`` stands in it."""

    name: str
    mime: str
    data: bytes
    content_hash: str


def make_case_file(
    house: House,
    condition_id: str,
    reading: FormReading,
    assessment: Assessment,
    *,
    patient: CasePatient | None = None,
    reader: CaseReader | None = None,
    site: str = "",
    assessed_at: datetime | None = None,
    at: datetime | None = None,
) -> CaseFile:
    """Collect the case file of one assessed patient, identified as far as ``patient`` says who it is.

    Parameters
    ----------
    house : House
        Shelf of models and locked cut-offs.
    condition_id : str
        The clinical question.
    reading, assessment : FormReading and Assessment
        What the form said, and the journalled answer to exactly that.
    patient, reader : CasePatient and CaseReader, optional
        Who it is, and what the reader said.
    site : str
        Name of the ward or hospital.
    assessed_at, at : datetime, optional
        When the model answered, and when the file is made (now by default).

    Raises
    ------
    InputError
        The assessment is of another question, or was never journalled.
    """
    condition = find_condition(condition_id)
    prediction = assessment.prediction
    if prediction.condition != condition.id:
        raise InputError(f"this assessment is about {prediction.condition}, not {condition.id}", field="condition")
    if assessment.journal_id is None:
        raise InputError("this assessment is not in the journal, so there is no case file of it", field="journal_id")
    facts = _find_facts(house, prediction)
    return CaseFile(
        kind="tabular",
        condition=condition.id,
        title=condition.title,
        outcome=condition.outcome,
        patient=patient or CasePatient(),
        risk=_describe_risk(condition, prediction, reading.questions),
        inputs=tuple(_describe_inputs(condition, reading)),
        bars=_describe_bars(condition, reading, assessment),
        bars_problem=_say_no_bars(assessment),
        model=_describe_model(facts, prediction, condition),
        point=_find_point(house, prediction),
        reader=reader,
        assessed_at=_write_time(assessed_at) if assessed_at else "",
        made_at=_write_time(at or datetime.now(UTC)),
        record=str(assessment.journal_id),
        site=site,
        app_version=__version__,
    )


def make_film_case_file(
    worklist: Worklist,
    case_id: str,
    *,
    patient: CasePatient | None = None,
    site: str = "",
    at: datetime | None = None,
) -> CaseFile:
    """Collect the case file of one film that has been read; with its map where that is there and reliable.

    Raises
    ------
    UnreadFilmError
        Nobody has read it yet.
    InputError
        There is no such film, or the model has not answered yet.
    """
    case = worklist.case(case_id)
    finding = worklist.reveal(case_id)
    if finding is None:
        raise InputError(f"film {case.number} has no answer yet: there is no case file of it", field="film")
    desk = worklist.desk
    condition = desk.condition
    return CaseFile(
        kind="image",
        condition=condition.id,
        title=condition.title,
        outcome=condition.outcome,
        patient=patient or CasePatient(),
        risk=_describe_film_risk(condition, case, finding),
        film=_describe_film(case, finding),
        model=_describe_model(desk.facts, finding.prediction, condition),
        point=_describe_point(finding.point) if finding.point is not None else None,
        reader=_describe_reader(case, desk.actor),
        made_at=_write_time(at or datetime.now(UTC)),
        site=site,
        app_version=__version__,
        not_assessed=condition.not_assessed,
        notices=(condition.foot_line,),
    )


def export_case_file(
    house: House, case: CaseFile, form: CaseFormat, *, deidentified: bool = False, picture_checked: bool = False
) -> CaseCopy:
    """Write one copy and hand it out; the journal has the export before anybody has the bytes.

    The event holds the (keyed) content hash of the copy, so that a file that turns up later can be recognised here.

    Parameters
    ----------
    form : CaseFormat
        PDF, HTML or FHIR.
    deidentified : bool
        Remove the identifiers of the Safe Harbor list first.
    picture_checked : bool
        Whether a person has found the film's pictures free of burned-in words; else a de-identified copy has none.

    Raises
    ------
    StorageError
        The journal cannot be written: nothing is handed out.
    WorkerError
        The PDF could not be drawn; the attempt is in the journal.
    InputError
        A rule is broken, so there is no copy; the attempt is in the journal.
    """
    how = f"{form.value}_{'deidentified' if deidentified else 'identified'}"
    copy = deidentify(case, picture_checked=picture_checked) if deidentified else case
    try:
        data = _write(copy, form)
    except MedcoreError as error:
        _record(house, copy, f"{how}_{error.code}")
        raise
    _record(house, copy, how)
    suffix, mime = _KINDS[form]
    name = f"medcore-{copy.condition}-{copy.content_hash[:12]}.{suffix}"
    return CaseCopy(name=name, mime=mime, data=data, content_hash=copy.content_hash)


def _write(case: CaseFile, form: CaseFormat) -> bytes:
    if form is CaseFormat.HTML:
        return write_case_html(case).encode()
    if form is CaseFormat.FHIR:
        return json.dumps(require_valid(write_case_fhir(case)), ensure_ascii=True, allow_nan=False, indent=1).encode()
    raw, pictures = to_json(case)
    worker = Worker("medcore.reports.case_child:make_handler", name="case file printer", limits=_LIMITS)
    try:
        _, blobs = worker.request("case_file", raw, pictures)
    finally:
        worker.close()
    return blobs[0]


def _record(house: House, case: CaseFile, outcome: str) -> None:
    house.journal.record(
        Event(
            actor=house.actor,
            action="export_case",
            outcome=outcome,
            condition=case.condition,
            model_id=case.model.model_id if case.model else "",
            sha256=case.model.sha256 if case.model else "",
            input_hash=case.content_hash,
            app_version=__version__,
        )
    )


def _find_facts(house: House, prediction: Prediction) -> ModelFacts | None:
    """Return the facts of the bundle that answered; None where it has been replaced or removed since."""
    try:
        facts = house.catalog.find(prediction.model_id)
    except MedcoreError:
        return None
    return facts if facts.sha256 == prediction.sha256 else None


def _describe_risk(condition: Condition, prediction: Prediction, questions: tuple[str, ...]) -> CaseRisk:
    p, interval = prediction.p_calibrated, prediction.interval
    sentence = "No score."
    if p is not None and interval is not None:
        sentence = condition.sentence(*(f"{whole_percent(value)} %" for value in (p, interval.lo, interval.hi)))
    return _collect_risk(
        prediction, p, interval, sentence, caution=condition.caution if p is not None else "", questions=questions
    )


def _describe_film_risk(condition: FilmCondition, case: FilmCase, finding: Finding) -> CaseRisk:
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


def _describe_inputs(condition: Condition, reading: FormReading) -> Iterable[CaseInput]:
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


def _describe_bars(condition: Condition, reading: FormReading, assessment: Assessment) -> CaseBars | None:
    explanation = assessment.explanation
    if explanation is None:
        return None
    fields = {item.name: item for item in condition.schema.inputs}
    record, marks = reading.record, assessment.marks
    chart = rank_bars(
        explanation,
        {name: item.label for name, item in fields.items()},
        {name: _write_value(item, record.values.get(name), record, marks) for name, item in fields.items()},
        condition.bar_notes(record.values, explanation.contributions),
    )
    bars = tuple(
        CaseBar(field=bar.field, label=bar.label, value=bar.value, points=bar.points, note=bar.note)
        for bar in chart.bars
    )
    return CaseBars(base=chart.base, bars=bars, n_others=chart.n_others, others=chart.others, estimate=chart.estimate)


def _say_no_bars(assessment: Assessment) -> str:
    if assessment.explanation is not None or assessment.prediction.p_calibrated is None:
        return ""
    return f"Explanation unavailable: {assessment.explanation_error or 'it could not be computed'}"


def _describe_model(
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


def _find_point(house: House, prediction: Prediction) -> CasePoint | None:
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


def _describe_point(point: OperatingPoint) -> CasePoint:
    return CasePoint(
        name=point.name,
        threshold=point.threshold,
        reached=point.reached,
        text=(
            f"On the test films it finds {whole_percent(point.sensitivity)} of 100 positive films and calls "
            f"{whole_percent(point.false_calls)} of 100 others."
        ),
    )


def _describe_film(case: FilmCase, finding: Finding) -> CaseFilm:
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
        pictures.append(CasePicture(**_name_map(saliency), png=draw_map(brightness, grid)))
    else:
        problem = f"The heat map is not shown: {saliency.reason or 'it failed its own checks'}."
    return tuple(pictures), problem


def _name_map(saliency: Saliency) -> dict[str, str]:
    if saliency.method == SHAP_MAP:
        return {"title": "SHAP values over the film", "caption": _SHAP_LIMITS}
    return {"title": "Heat map over the film", "caption": _MAP_LIMITS}


def _describe_reader(case: FilmCase, actor: str) -> CaseReader:
    verdict = case.verdict
    return CaseReader(
        actor=actor,
        reading=case.reading.value if case.reading is not None else "",
        revised=case.revised,
        note=case.note,
        verdict="" if verdict is None else "agrees" if verdict.agrees else "overrides",
        reason=verdict.reason if verdict is not None else "",
    )


def _write_time(at: datetime) -> str:
    """Write a time in UTC to the second: ``2026-01-02T03:04:05Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
