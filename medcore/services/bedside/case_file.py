"""The case file: collected from what was shown, de-identified if asked, and handed out once it is in the journal.

Nothing is computed anew: the facts are those of the assessment or of the finding. A film's answer is taken through
:func:`medcore.services.films.reading.reveal`, so a film that nobody has read has no case file. The PDF is drawn in
a helper process. The name of a file holds nothing of a patient.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.conditions.catalog import find_condition
from medcore.errors import InputError, MedcoreError
from medcore.journal import Event
from medcore.reports.case_file import (
    CaseFile,
    CaseFilm,
    CaseModel,
    CasePatient,
    CasePoint,
    CaseReader,
    CaseRisk,
    to_json,
)
from medcore.reports.case_html import write_case_html
from medcore.reports.fhir import write_case_fhir
from medcore.reports.fhir_rules import require_valid
from medcore.reports.safe_harbor import deidentify
from medcore.results import Assessment
from medcore.services.bedside.case_parts import (
    compare_patient,
    describe_bars,
    describe_film,
    describe_film_risk,
    describe_inputs,
    describe_model,
    describe_point,
    describe_reader,
    describe_risk,
    find_facts,
    find_point,
    say_no_bars,
)
from medcore.services.bedside.clinic import FormReading
from medcore.services.films.worklist import Worklist
from medcore.services.house import FilmCondition, House
from medcore.workers import Limits, Worker

__all__ = [
    "CaseCopy",
    "CaseFile",
    "CaseFormat",
    "CasePatient",
    "collect_film_case",
    "export_case_file",
    "make_case_file",
    "make_film_case_file",
]

_LIMITS = Limits(memory_bytes=2 * 1024**3, cpu_s=30, request_s=60.0, start_s=60.0, answer_bytes=16 * 1024**2)


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
    facts = find_facts(house, prediction)
    patient, at = patient or CasePatient(), at or datetime.now(UTC)
    inputs = tuple(describe_inputs(condition, reading))
    return CaseFile(
        kind="tabular",
        condition=condition.id,
        title=condition.title,
        outcome=condition.outcome,
        patient=patient,
        risk=describe_risk(condition, prediction, reading.questions),
        inputs=inputs,
        bars=describe_bars(condition, reading, assessment),
        bars_problem=say_no_bars(assessment),
        model=describe_model(facts, prediction, condition),
        point=find_point(house, prediction),
        reader=reader,
        assessed_at=_write_time(assessed_at) if assessed_at else "",
        made_at=_write_time(at),
        notices=compare_patient(patient, inputs, at),
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
    return collect_film_case(
        desk.condition,
        describe_film_risk(desk.condition, case, finding),
        describe_film(case, finding),
        model=describe_model(desk.facts, finding.prediction, desk.condition),
        point=describe_point(finding),
        reader=describe_reader(case, desk.actor.name),
        patient=patient,
        site=site,
        at=at,
    )


def collect_film_case(
    condition: FilmCondition,
    risk: CaseRisk,
    film: CaseFilm,
    *,
    model: CaseModel | None,
    point: CasePoint | None,
    reader: CaseReader | None,
    patient: CasePatient | None = None,
    record: str = "",
    site: str = "",
    notices: tuple[str, ...] = (),
    assessed_at: datetime | None = None,
    at: datetime | None = None,
) -> CaseFile:
    """Put the parts of a film's case file together.

    ``record`` names the saved result, ``notices`` is what this copy must say besides; the times are as in
    :func:`make_case_file`.
    """
    return CaseFile(
        kind="image",
        condition=condition.id,
        title=condition.title,
        outcome=condition.outcome,
        patient=patient or CasePatient(),
        risk=risk,
        film=film,
        model=model,
        point=point,
        reader=reader,
        assessed_at=_write_time(assessed_at) if assessed_at else "",
        made_at=_write_time(at or datetime.now(UTC)),
        record=record,
        site=site,
        app_version=__version__,
        not_assessed=condition.not_assessed,
        notices=(condition.foot_line, *notices),
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
    house.allow(Action.EXPORT, Resource.PATIENT)
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
            **describe_actor(house.actor),
            action="export_case",
            outcome=outcome,
            condition=case.condition,
            model_id=case.model.model_id if case.model else "",
            sha256=case.model.sha256 if case.model else "",
            input_hash=case.content_hash,
            app_version=__version__,
        )
    )


def _write_time(at: datetime) -> str:
    """Write a time in UTC to the second: ``2026-01-02T03:04:05Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
