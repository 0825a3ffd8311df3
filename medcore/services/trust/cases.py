"""Saving what was shown: a result with its inputs, a film with its finding, both for a patient or for nobody.

Nothing is computed anew. A result without a patient holds no identity: no file name, no free text of the reader.
"""

from __future__ import annotations

import hashlib

from medcore import __version__
from medcore.access import Action, Actor, Resource, describe_actor, who_is
from medcore.access.demo import refuse_real_patient
from medcore.conditions.catalog import find_condition, find_film_condition
from medcore.errors import InputError
from medcore.journal import Event, NewAssessment, Patient, SavedAssessment
from medcore.results import Applicability, Assessment, Prediction, Reason, Status
from medcore.services.bedside.case_parts import find_facts
from medcore.services.bedside.clinic import FormReading
from medcore.services.films.film_file import FILM_MEDIA_TYPE, write_film
from medcore.services.films.reading import FilmCase, Finding
from medcore.services.house import House
from medcore.services.trust.fit import compare_film
from medcore.services.trust.saved_parts import pack_applicability, pack_assessment, pack_film

__all__ = ["confirm_film", "save_assessment", "save_film", "save_unread_film"]


def save_assessment(
    house: House,
    *,
    condition_id: str,
    reading: FormReading,
    assessment: Assessment,
    pseudonym: str | None,
    key: str,
) -> SavedAssessment:
    """Store a patient's result exactly as it was shown; on return it is on disk.

    Parameters
    ----------
    house : House
        Journal and shelf of models.
    condition_id : str
        The clinical question.
    reading, assessment : FormReading and Assessment
        What the form said, and the journalled answer to exactly that.
    pseudonym : str or None
        Whose result it is; None keeps it without a patient.
    key : str
        Drawn once per form: the same answer saved twice with it, for the same patient, is stored once.

    Raises
    ------
    AccessDeniedError
        Who acts may not save, or a demo is about to keep a patient who is not made up.
    InputError
        There is no such patient, or the answer is of another question or was never journalled.
    StorageError
        Nothing was stored.
    """
    house.allow(Action.ASSESS, Resource.RISK)
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    condition = find_condition(condition_id)
    prediction = assessment.prediction
    if prediction.condition != condition.id:
        raise InputError(f"This result is about {prediction.condition}, not {condition.id}.", field="condition")
    if assessment.journal_id is None:
        raise InputError("This result is not in the journal, so it cannot be saved.", field="journal_id")
    _require_made_up(house, actor, pseudonym)
    inputs = dict(reading.record.values)
    new = NewAssessment(
        condition=condition.id,
        model_id=prediction.model_id,
        sha256=prediction.sha256,
        status=prediction.status.value,
        inputs=inputs,
        units={item.name: item.unit for item in condition.schema.fields if item.name in inputs},
        result=pack_assessment(condition, reading, assessment, find_facts(house, prediction)),
        applicability=pack_applicability(prediction.applicability),
        app_version=__version__,
        pseudonym=pseudonym,
        idempotency_key=_name_once(key, str(assessment.journal_id), pseudonym),
    )
    return house.journal.assessments.save(new, by=who_is(actor))


def save_film(
    house: House,
    *,
    case: FilmCase,
    finding: Finding,
    pseudonym: str | None,
    keep_image: bool,
    key: str,
) -> SavedAssessment:
    """Store a film's result exactly as it was shown, with its pixels if wanted; on return both are on disk.

    Parameters
    ----------
    house : House
        Journal and shelf of models.
    case, finding : FilmCase and Finding
        A film that was read, and what was revealed of it.
    pseudonym : str or None
        Whose film it is; None keeps it without a patient.
    keep_image : bool
        Whether the pixels are kept, too, at full depth and without a header.
    key : str
        Drawn once per film: the same finding saved twice with it, for the same patient, is stored once. What a
        first attempt could not store is added by the next.

    Raises
    ------
    AccessDeniedError, InputError, StorageError
        As :func:`save_assessment`; an InputError, too, where the film was not read.
    """
    house.allow(Action.ASSESS, Resource.FILM)
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    if case.reading is None:
        raise InputError(f"Film {case.number} has not been read yet: your own reading comes first.", field="film")
    return _keep_film(house, actor, case, finding, pseudonym=pseudonym, keep_image=keep_image, key=key)


def confirm_film(house: House, case: FilmCase, patient: Patient) -> None:
    """Record that who acts says a film is this patient's although its header does not fit; nothing where it does.

    The event says what does not fit (``number``, ``age``), never the values.

    Raises
    ------
    AccessDeniedError
        Who acts may not save.
    StorageError
        It could not be recorded, so it does not count.
    """
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    doubts = compare_film(case.pixels, patient)
    if not doubts:
        return
    event = Event(
        **describe_actor(actor),
        action="confirm_patient",
        outcome=f"despite_{'_'.join(sorted(doubts))}",
        patient=patient.pseudonym,
        input_hash=case.pixels.pixel_sha256,
        app_version=__version__,
    )
    house.journal.record(event)


def save_unread_film(
    house: House, condition_id: str, *, case: FilmCase, pseudonym: str | None, key: str
) -> SavedAssessment:
    """Store a film that nobody has read yet, with its pixels and without a score; on return both are on disk.

    Parameters
    ----------
    house, pseudonym, key :
        As :func:`save_film`.
    condition_id : str
        The question about films that it is kept under; no model is asked.
    case : FilmCase
        An open film.

    Raises
    ------
    AccessDeniedError, InputError, StorageError
        As :func:`save_film`; an InputError, too, where the film was read: then its result is saved.
    """
    house.allow(Action.ASSESS, Resource.FILM)
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    if case.reading is not None:
        raise InputError(f"Film {case.number} has been read: save its result.", field="film")
    reason = Reason(code="unread", text="Nobody has read this film, so no model was asked.")
    prediction = Prediction(
        condition=find_film_condition(condition_id).id,
        model_id="",
        sha256="",
        applicability=Applicability(status=Status.WITHHELD, reasons=(reason,)),
        p_calibrated=None,
        interval=None,
    )
    finding = Finding(
        prediction=prediction, p=None, interval=None, base_rate=0.0, prevalence=None, patterns={}, point=None
    )
    return _keep_film(house, actor, case, finding, pseudonym=pseudonym, keep_image=True, key=key)


def _keep_film(
    house: House,
    actor: Actor,
    case: FilmCase,
    finding: Finding,
    *,
    pseudonym: str | None,
    keep_image: bool,
    key: str,
) -> SavedAssessment:
    """Store a film's result, and its pixels if wanted."""
    _require_made_up(house, actor, pseudonym)
    prediction, film = finding.prediction, case.pixels
    condition = find_film_condition(prediction.condition)
    rows, columns = film.shape
    inputs = {"rows": float(rows), "columns": float(columns)}
    if film.age_years is not None:
        inputs["age_years"] = film.age_years
    units = {"rows": "px", "columns": "px", "age_years": "years"}
    result = pack_film(condition, case, finding, find_facts(house, prediction), named=pseudonym is not None)
    new = NewAssessment(
        condition=condition.id,
        model_id=prediction.model_id,
        sha256=prediction.sha256,
        status=prediction.status.value,
        inputs=inputs,
        units={name: units[name] for name in inputs},
        result=result,
        applicability=pack_applicability(prediction.applicability),
        app_version=__version__,
        pseudonym=pseudonym,
        idempotency_key=_name_once(key, f"{case.turns} {finding.prevalence}", pseudonym),
    )
    by = who_is(actor)
    saved = house.journal.assessments.save(new, by=by)
    if keep_image and not house.journal.images.list(assessment_id=saved.id):
        house.journal.images.save(
            write_film(film),
            by=by,
            media_type=FILM_MEDIA_TYPE,
            file_name=case.name if pseudonym is not None else "",
            pseudonym=pseudonym,
            assessment_id=saved.id,
        )
    return saved


def _name_once(key: str, shown: str, pseudonym: str | None) -> str:
    """Return the journal's idempotency key of one answer, saved for one patient."""
    if not key:
        raise InputError("A result is saved under a key that was drawn for its form.", field="key")
    return hashlib.sha256("\0".join((key, shown, pseudonym or "")).encode()).hexdigest()


def _require_made_up(house: House, actor: Actor, pseudonym: str | None) -> None:
    if actor.demo and pseudonym is not None:
        refuse_real_patient(actor, made_up=house.journal.patients.describe(pseudonym).made_up)
