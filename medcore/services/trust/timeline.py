"""What was saved of one patient, in time order along the clinical course, and what is known of it since.

Nothing is computed anew: a saved result keeps the figures, the model and the words it had. What may have changed
since is said beside it: whether its model was replaced, what the reader made of it, how it came out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from medcore.access import Action, Resource, who_is
from medcore.conditions.catalog import find_condition, find_film_condition, kind_of
from medcore.errors import InputError, MedcoreError
from medcore.imaging.radiograph import Radiograph
from medcore.journal import NewVerdict, Patient, SavedAssessment, SavedImage, SavedOutcome
from medcore.records import Field
from medcore.reports.case_file import CaseInput
from medcore.services.bedside.case_parts import describe_inputs
from medcore.services.films.film_file import read_film
from medcore.services.house import House
from medcore.services.trust.recall import find_recall
from medcore.services.trust.saved_parts import restore_reading

__all__ = [
    "MOST_ENTRIES",
    "Entry",
    "Stage",
    "find_stage",
    "open_saved_film",
    "read_timeline",
    "record_outcome",
    "spell_values",
]

MOST_ENTRIES = 100
"""Results a timeline shows, the newest."""


class Stage(StrEnum):
    """The stations of the clinical course, in their order."""

    HISTORY = "History"
    EXAM = "Exam"
    LABS = "Labs"
    IMAGING = "Imaging"
    DIAGNOSIS = "Diagnosis"
    PLAN = "Plan"


_STAGE_OF_FIELD = {
    "systolic_mmhg": Stage.EXAM,
    "resting_ecg": Stage.EXAM,
    "chest_pain_type": Stage.HISTORY,
    "cholesterol_mg_dl": Stage.LABS,
    "fasting_glucose_mg_dl": Stage.LABS,
    "fasting_glucose_over_120": Stage.LABS,
    "fluoroscopy_vessels": Stage.IMAGING,
    "thallium": Stage.IMAGING,
    "coma_support": Stage.EXAM,
    "pao2_mmhg": Stage.LABS,
    "pao2_fio2_mmhg": Stage.LABS,
}
_STAGE_OF_GROUP = {
    "does this patient fit?": Stage.HISTORY,
    "habits": Stage.HISTORY,
    "background": Stage.HISTORY,
    "body": Stage.EXAM,
    "circulation": Stage.EXAM,
    "exercise test": Stage.EXAM,
    "vitals": Stage.EXAM,
    "labs": Stage.LABS,
    "mean of all nuclei": Stage.LABS,
    "standard error": Stage.LABS,
    "worst": Stage.LABS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One saved result on a timeline.

    Attributes
    ----------
    saved : SavedAssessment
        What was stored; ``readable`` is False after an erasure.
    title, outcome_words : str
        The clinical question, and what its outcome is called.
    inputs : mapping of Stage to tuple of CaseInput
        What was known, by station; blanks are left out.
    p, lo, hi : float or None
        The risk as it was shown, 0 to 1; None where it was withheld.
    model, note : str
        Name, version and short hash of the model; what happened to it since, empty where it still serves.
    image : SavedImage or None
        The pixels, where they were kept.
    verdicts : tuple of NewVerdict
        What readers made of it, oldest first.
    outcome : SavedOutcome or None
        Whether it came true, as far as that is known.
    """

    saved: SavedAssessment
    title: str
    outcome_words: str
    is_film: bool
    inputs: Mapping[Stage, tuple[CaseInput, ...]] = field(repr=False)
    p: float | None
    lo: float | None
    hi: float | None
    model: str
    note: str = ""
    image: SavedImage | None = None
    verdicts: tuple[NewVerdict, ...] = ()
    outcome: SavedOutcome | None = None

    @property
    def result(self) -> Mapping[str, Any]:
        """What was shown."""
        return self.saved.result


def read_timeline(house: House, patient: Patient) -> tuple[Entry, ...]:
    """Return what was saved of a patient, newest first; the view is journalled.

    Raises
    ------
    AccessDeniedError
        Who acts may not see patients.
    StorageError
        The journal cannot be read or written.
    """
    actor = house.allow(Action.VIEW, Resource.PATIENT)
    journal = house.journal
    found = journal.assessments.read_all(patient.pseudonym, by=who_is(actor), limit=MOST_ENTRIES)
    images = {image.assessment_id: image for image in journal.images.list(pseudonym=patient.pseudonym)}
    return tuple(_describe(house, saved, images.get(saved.id)) for saved in found)


def record_outcome(house: House, entry: Entry, outcome: bool) -> SavedOutcome:
    """Store whether what was assessed came true; a correction is stored once more.

    Raises
    ------
    AccessDeniedError
        Who acts may not save.
    """
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    return house.journal.outcomes.save(entry.saved.id, outcome, by=who_is(actor))


def open_saved_film(house: House, entry: Entry) -> Radiograph:
    """Return the pixels kept with a film's result; the view is journalled.

    Raises
    ------
    InputError
        None were kept, or their file is damaged.
    StorageError
        The file is missing or was changed.
    """
    actor = house.allow(Action.VIEW, Resource.PATIENT)
    if entry.image is None:
        raise InputError("The image was not kept with this result.", field="image")
    _, data = house.journal.images.read(entry.image.id, by=who_is(actor))
    return read_film(data)


def spell_values(entry: Entry) -> dict[str, str]:
    """Return the texts that put a saved form back on the page: what was derived is left to be derived again.

    A number is written in the field's own unit with ten digits, so that the same result comes out.
    """
    condition = find_condition(entry.saved.condition)
    qualifiers: Mapping[str, str] = entry.result.get("qualifiers", {})
    derived = set(entry.result.get("derived", ()))
    texts = {}
    for name, value in entry.saved.inputs.items():
        item = condition.schema[name]
        if name in derived or not item.in_form:
            continue
        texts[name] = item.find_choice(value).word if item.choices else f"{qualifiers.get(name, '')}{value:.10g}"
    return texts


def find_stage(item: Field) -> Stage:
    """Return the station of the clinical course at which a field is found out."""
    if item.name in _STAGE_OF_FIELD:
        return _STAGE_OF_FIELD[item.name]
    group = item.group.casefold()
    return next((stage for start, stage in _STAGE_OF_GROUP.items() if group.startswith(start)), Stage.HISTORY)


def _describe(house: House, saved: SavedAssessment, image: SavedImage | None) -> Entry:
    is_film = kind_of(saved.condition) == "image"
    condition = find_film_condition(saved.condition) if is_film else find_condition(saved.condition)
    title, words = condition.title, condition.outcome_short
    model, note = _describe_model(house, saved)
    if not saved.readable:
        return Entry(
            saved=saved,
            title=title,
            outcome_words=words,
            is_film=is_film,
            inputs={},
            p=None,
            lo=None,
            hi=None,
            model=model,
            note=note,
        )
    p, lo, hi = _find_risk(saved, is_film)
    verdicts = house.journal.verdicts.list(assessment_id=saved.id)
    outcomes = house.journal.outcomes.list(assessment_id=saved.id)
    return Entry(
        saved=saved,
        title=title,
        outcome_words=words,
        is_film=is_film,
        inputs={} if is_film else _sort_inputs(saved),
        p=p,
        lo=lo,
        hi=hi,
        model=model,
        note=note,
        image=image,
        verdicts=tuple(item.verdict for item in verdicts if item.verdict is not None),
        outcome=outcomes[-1] if outcomes else None,
    )


def _find_risk(saved: SavedAssessment, is_film: bool) -> tuple[float | None, float | None, float | None]:
    result: Mapping[str, Any] = saved.result
    if is_film:
        shown = result["shown"]
        return shown["p"], shown["lo"], shown["hi"]
    band = result["interval"]
    return result["p"], band and band["lo"], band and band["hi"]


def _sort_inputs(saved: SavedAssessment) -> dict[Stage, tuple[CaseInput, ...]]:
    condition = find_condition(saved.condition)
    known = [item for item in describe_inputs(condition, restore_reading(saved)) if item.value is not None]
    return {stage: tuple(item for item in known if find_stage(condition.schema[item.name]) is stage) for stage in Stage}


def _describe_model(house: House, saved: SavedAssessment) -> tuple[str, str]:
    """Return which model answered, and what happened to it since; a recall comes first."""
    if not saved.model_id:
        return "no model", ""
    known: Mapping[str, Any] = saved.result
    title = known.get("model_title") or saved.model_id
    words = f"{title} {known.get('model_version') or ''}".strip() + f" ({saved.sha256[:6]})"
    recall = find_recall(house, saved.sha256)
    if recall is not None and recall.recalled:
        return words, f"This model was recalled since: {recall.reason}"
    try:
        present = house.catalog.find(saved.model_id)
    except MedcoreError:
        return words, "This model is no longer installed."
    if present.sha256 != saved.sha256:
        return words, f"This model was replaced since, by version {present.version} ({present.sha256[:6]})."
    return words, ""
