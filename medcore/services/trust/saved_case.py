"""The case file of a saved result, of values or of a film: what was shown then, and what is known of it since.

Nothing is computed anew. The newest verdict stands in it, also one that was given after the result was saved, and so
does what happened to its model since.
"""

from __future__ import annotations

from dataclasses import replace

from medcore.conditions.catalog import find_film_condition
from medcore.errors import InputError
from medcore.journal import NewVerdict, Patient
from medcore.reports.case_file import CaseFile, CaseFilm, CaseModel, CaseReader
from medcore.services.bedside.case_file import collect_film_case, make_case_file
from medcore.services.bedside.case_parts import (
    describe_film,
    describe_film_risk,
    describe_model,
    describe_point,
    describe_reader,
    find_facts,
)
from medcore.services.house import House
from medcore.services.trust.fit import compare_film, to_case_patient
from medcore.services.trust.saved_parts import restore_assessment, restore_film, restore_reading
from medcore.services.trust.timeline import Entry, open_saved_film

__all__ = ["make_saved_case_file", "may_have_case_file"]

_RESPONSES = {"accepted": "agrees", "overridden": "overrides"}
_SEXES = {"F": "female", "M": "male"}
_NO_IMAGE = "The image was not kept with this result, so there is no picture."


def may_have_case_file(entry: Entry) -> bool:
    """Whether there is a case file of a saved result: not of what was erased, nor of a film that nobody has read."""
    return entry.saved.readable and (not entry.is_film or bool(entry.result["reader"]["reading"]))


def make_saved_case_file(house: House, entry: Entry, patient: Patient) -> CaseFile:
    """Return the case file of a saved result, with the time it was saved; the view of a kept image is journalled.

    Raises
    ------
    InputError
        The patient was erased, or it is about a film that nobody has read.
    StorageError
        The image that was kept is missing or damaged.
    """
    if not may_have_case_file(entry):
        raise InputError("There is no case file of this: it was erased, or nobody has read the film.", field="kind")
    return _make_film_case(house, entry, patient) if entry.is_film else _make_values_case(house, entry, patient)


def _make_values_case(house: House, entry: Entry, patient: Patient) -> CaseFile:
    saved = entry.saved
    sex = next((item.word for items in entry.inputs.values() for item in items if item.name == "sex"), "")
    case = make_case_file(
        house,
        saved.condition,
        restore_reading(saved),
        restore_assessment(saved),
        patient=to_case_patient(patient, sex=sex),
        reader=_add_verdict(None, entry),
        assessed_at=saved.created_at,
    )
    return replace(case, model=_name_model(case.model, entry), notices=(*case.notices, *_tell_since(entry)))


def _make_film_case(house: House, entry: Entry, patient: Patient) -> CaseFile:
    saved, condition = entry.saved, find_film_condition(entry.saved.condition)
    film = open_saved_film(house, entry) if entry.image is not None else None
    case, finding = restore_film(saved, film)
    model = describe_model(find_facts(house, finding.prediction), finding.prediction, condition)
    doubts = compare_film(film, patient).values() if film is not None else ()
    return collect_film_case(
        condition,
        describe_film_risk(condition, case, finding),
        _describe_unkept(entry) if film is None else describe_film(case, finding),
        model=_name_model(model, entry),
        point=describe_point(finding),
        reader=_add_verdict(_name_reader(describe_reader(case, ""), entry), entry),
        patient=to_case_patient(patient),
        record=saved.id[:8],
        notices=(*doubts, *_tell_since(entry)),
        assessed_at=saved.created_at,
    )


def _describe_unkept(entry: Entry) -> CaseFilm:
    """Describe a film whose pixels were not kept."""
    film, inputs = entry.result["film"], entry.saved.inputs
    return CaseFilm(
        number=0,
        view=film["view"],
        modality=film["modality"],
        age_years=inputs.get("age_years"),
        sex=_SEXES.get(film["sex"], ""),
        acquired_on=film["acquired_on"],
        rows=int(inputs["rows"]),
        columns=int(inputs["columns"]),
        pixel_sha256=film["pixel_sha256"],
        map_problem=_NO_IMAGE,
    )


def _name_reader(reader: CaseReader, entry: Entry) -> CaseReader:
    """Put in who saved it and what the verdict was then."""
    told = entry.result["reader"]
    return replace(reader, actor=_name_actor(entry), verdict=told["verdict"], reason=told["reason"])


def _add_verdict(reader: CaseReader | None, entry: Entry) -> CaseReader | None:
    """Put in the newest response that was stored, and the opinion where there is no own reading of a film."""
    if not entry.verdicts:
        return reader
    answered = [verdict for verdict in entry.verdicts if verdict.response]
    newest: NewVerdict = (answered or entry.verdicts)[-1]
    opinion = f"{newest.opinion} (before the values were changed)" if newest.revised else newest.opinion
    known = reader or CaseReader(actor=_name_actor(entry), reading=opinion)
    if not newest.response:
        return known
    return replace(known, verdict=_RESPONSES[newest.response], reason=newest.reason)


def _name_actor(entry: Entry) -> str:
    return entry.saved.actor.partition(":")[2] or entry.saved.actor


def _name_model(model: CaseModel | None, entry: Entry) -> CaseModel | None:
    """Name a model that is gone as it was named then."""
    title, version = str(entry.result["model_title"]), str(entry.result["model_version"])
    if model is None or model.created or not title:
        return model
    return replace(model, title=title, version=version)


def _tell_since(entry: Entry) -> tuple[str, ...]:
    """Say what happened to the model since, without the words somebody typed."""
    return (entry.note.partition(":")[0].rstrip(".") + ".",) if entry.note else ()
