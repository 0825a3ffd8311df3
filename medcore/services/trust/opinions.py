"""The reader decides first: an opinion before the model's answer opens, and agree or override once it is read.

An opinion stands once it is given: values that change afterwards mark it as revised, another case asks anew. What is
stored is one verdict beside the saved result it is about, with the four times; never as an answer about a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from medcore import __version__
from medcore.access import Action, Actor, Resource, describe_actor, who_is
from medcore.errors import EditConflictError, InputError, OpinionFirstError
from medcore.journal import Event, NewVerdict, SavedAssessment, SavedVerdict
from medcore.results import Assessment
from medcore.services.bedside.clinic import FormReading
from medcore.services.compare.cut_offs import find_locked
from medcore.services.films.reading import FilmCase, Finding, OwnReading, Verdict
from medcore.services.house import House
from medcore.services.trust import cases, site
from medcore.services.trust.reasons import MOST_REASON_CHARS, OTHER, REASONS, write_reason

__all__ = [
    "MOST_REASON_CHARS",
    "OTHER",
    "REASONS",
    "Opinion",
    "Response",
    "SavedVerdict",
    "assign_film",
    "commit",
    "find_cut_off",
    "is_first",
    "keep_film_verdict",
    "keep_verdict",
    "require",
    "word_of_film",
]

_FILM_WORDS = {
    OwnReading.NORMAL: "no",
    OwnReading.PNEUMONIA: "yes",
    OwnReading.OTHER: "no",
    OwnReading.UNSURE: "unsure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a reader thought before the answer: ``yes``, ``no`` or ``unsure``, with a chance (0-1) where one was said.

    ``opened_at`` is when the case was begun, ``committed_at`` when the opinion was given (both UTC).
    """

    word: str
    p: float | None
    opened_at: datetime
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a reader makes of the answer: ``accepted``, or ``overridden`` with one of :data:`REASONS` and a remark."""

    word: str
    code: str = ""
    remark: str = ""

    def __post_init__(self) -> None:
        if self.word not in ("accepted", "overridden"):
            raise InputError("A response is accepted or overridden.", field="response", value=self.word)
        if self.word == "overridden" and self.code not in REASONS:
            raise InputError("Say why the model is overridden: choose a reason.", field="reason")

    @property
    def reason(self) -> str:
        """Reason and remark in one text; empty for an answer that was accepted."""
        return "" if self.word == "accepted" else write_reason(self.code, self.remark)


def is_first(house: House, condition_id: str) -> bool:
    """Return whether this site asks for the reader's opinion before the answer of this question opens."""
    return site.is_read_first(house, condition_id)


def commit(
    house: House, condition_id: str, model_id: str, word: str, *, p: float | None = None, opened_at: datetime
) -> Opinion:
    """Record that an opinion was given, and return it; it cannot be taken back.

    Parameters
    ----------
    word : str
        ``yes``, ``no`` or ``unsure``; empty where ``p`` says it: yes from the model's cut-off on.
    p : float, optional
        The chance the reader gives, 0 to 1.
    opened_at : datetime
        When the case was begun.

    Raises
    ------
    AccessDeniedError
        The role gives no opinions.
    InputError
        The word is none of the three, or the chance is outside 0..1.
    StorageError
        It could not be recorded, so it does not count and the answer stays closed.
    """
    actor = house.allow(Action.SAVE, Resource.VERDICT)
    if p is not None:
        if not 0.0 <= p <= 1.0:
            raise InputError("A chance lies between 0 and 100 %.", field="p_reader", value=p)
        cut_off = find_cut_off(house, model_id)
        word = "yes" if p >= (0.5 if cut_off is None else cut_off) else "no"
    if word not in ("yes", "no", "unsure"):
        raise InputError("An opinion is yes, no or unsure.", field="opinion", value=word)
    _note(house, actor, condition_id)
    return Opinion(word=word, p=p, opened_at=opened_at, committed_at=house.journal.now())


def require(house: House, condition_id: str, opinion: Opinion | None) -> None:
    """Return if the answer may open.

    Raises
    ------
    OpinionFirstError
        This site reads first, and no opinion was given.
    """
    if opinion is None and is_first(house, condition_id):
        raise OpinionFirstError("Say first what you think: the model's answer opens after it.", field="opinion")


def find_cut_off(house: House, model_id: str) -> float | None:
    """Return the cut-off a model's answer is a yes from: the one locked here for this bundle, else the bundle's own."""
    locked = find_locked(house, model_id)
    if locked is not None and locked.holds:
        return locked.cut_off
    known = house.catalog.find(model_id).thresholds
    return known.get("default", next(iter(known.values())) if len(known) == 1 else None)


def keep_verdict(
    house: House,
    *,
    condition_id: str,
    reading: FormReading,
    assessment: Assessment,
    opinion: Opinion,
    response: Response | None,
    revealed_at: datetime,
    revised: bool,
    pseudonym: str | None,
    key: str,
) -> SavedVerdict:
    """Store the result and what the reader thought before and after it; on return both are on disk.

    Without a response (None) what is stored is that an opinion was given and the answer shown. A response that comes
    later is another verdict with the same opinion; the agreement report takes the two for one reading.

    A remark is kept only with a patient: a result of nobody holds no free text.

    Parameters
    ----------
    revealed_at : datetime
        When the answer was first shown.
    revised : bool
        Whether the values changed after the opinion was given.
    pseudonym, key : str or None, str
        As :func:`medcore.services.trust.cases.save_assessment`.

    Raises
    ------
    AccessDeniedError, InputError, StorageError
        Nothing was stored, or the result only.
    """
    actor = house.allow(Action.SAVE, Resource.VERDICT)
    prediction = assessment.prediction
    if prediction.p_calibrated is None:
        raise InputError("There is no score to agree with.", field="response")
    saved = cases.save_assessment(
        house, condition_id=condition_id, reading=reading, assessment=assessment, pseudonym=pseudonym, key=key
    )
    cut_off = find_cut_off(house, prediction.model_id)
    new = NewVerdict(
        assessment_id=saved.id,
        opinion=opinion.word,
        p_reader=opinion.p,
        called=None if cut_off is None else prediction.p_calibrated >= cut_off,
        threshold=cut_off,
        revised=revised,
        opened_at=opinion.opened_at,
        committed_at=opinion.committed_at,
        revealed_at=revealed_at,
        **_describe(house, response, pseudonym),
    )
    return house.journal.verdicts.add(new, by=who_is(actor))


def keep_film_verdict(
    house: House,
    *,
    case: FilmCase,
    finding: Finding,
    opinion: Opinion,
    revealed_at: datetime,
    pseudonym: str | None,
    key: str,
    earlier: Sequence[SavedVerdict] = (),
) -> SavedVerdict:
    """Store a film's result and what its reader thought before and after it; as :func:`keep_verdict`.

    Without agree or override the response is empty. With a patient, what was stored of this film without one
    (``earlier``) is assigned first, see :func:`assign_film`.

    Raises
    ------
    InputError
        The film has no score, or was first read beside it: that reading is no opinion before the answer.
    """
    actor = house.allow(Action.SAVE, Resource.VERDICT)
    answer = finding.prediction
    if answer.p_calibrated is None or case.late:
        raise InputError(f"Film {case.number} has no reading before its score to keep.", field="film")
    if pseudonym is not None and earlier:
        saved = assign_film(house, case=case, finding=finding, earlier=earlier, pseudonym=pseudonym, key=key)
    else:
        saved = _save_film(house, case, finding, pseudonym, keep_image=False, key=key)
    cut_off = find_cut_off(house, answer.model_id)
    new = NewVerdict(
        assessment_id=saved.id,
        opinion=opinion.word,
        called=None if cut_off is None else answer.p_calibrated >= cut_off,
        threshold=cut_off,
        revised=case.revised,
        opened_at=opinion.opened_at,
        committed_at=opinion.committed_at,
        revealed_at=revealed_at,
        **_describe(house, _respond(case.verdict), pseudonym),
    )
    return house.journal.verdicts.add(new, by=who_is(actor))


def assign_film(
    house: House,
    *,
    case: FilmCase,
    finding: Finding,
    earlier: Sequence[SavedVerdict],
    pseudonym: str,
    key: str,
    keep_image: bool = False,
) -> SavedAssessment:
    """Save a film for a patient, and store for the patient what its reader thought of it while it was nobody's.

    Nothing that was stored is changed: each verdict is stored once more, with its own times, beside the patient's
    result, and an event says that the film was assigned. Doing it again stores nothing twice.

    Parameters
    ----------
    earlier : sequence of SavedVerdict
        The reader's verdicts on this film that were stored without a patient, oldest first.
    pseudonym, key, keep_image : str, str and bool
        As :func:`medcore.services.trust.cases.save_film`.

    Raises
    ------
    AccessDeniedError, InputError, StorageError
        Nothing was stored, or the film's result without the verdicts.
    """
    actor = house.allow(Action.SAVE, Resource.VERDICT)
    saved = _save_film(house, case, finding, pseudonym, keep_image=keep_image, key=key)
    journal = house.journal
    with journal.writing():
        known = {item.verdict.repeats for item in journal.verdicts.list(assessment_id=saved.id) if item.verdict}
        missing = [item for item in earlier if item.id not in known]
        for item in missing:
            if item.verdict is not None:
                present = case.verdict if item is missing[-1] else None
                journal.verdicts.add(_carry(item.verdict, item.id, saved.id, present), by=who_is(actor))
        if missing:
            _note_assigned(house, actor, case, saved)
    return saved


def _save_film(
    house: House, case: FilmCase, finding: Finding, pseudonym: str | None, *, keep_image: bool, key: str
) -> SavedAssessment:
    def save(name: str) -> SavedAssessment:
        return cases.save_film(
            house, case=case, finding=finding, pseudonym=pseudonym, keep_image=keep_image, key=name
        )  # fmt: skip

    try:
        return save(key)
    except EditConflictError:  # saved before the verdict: the film as it is now is another result
        return save(f"{key} {case.reading} {case.verdict}")


def _carry(verdict: NewVerdict, number: str, assessment_id: str, present: Verdict | None) -> NewVerdict:
    """Return a verdict as the patient's; the reader's own words, kept only with a patient, are put back."""
    same = present is not None and not present.agrees and verdict.reason_code == present.code != ""
    reason = present.text if same and present is not None else verdict.reason
    return replace(verdict, assessment_id=assessment_id, repeats=number, reason=reason)


def _note_assigned(house: House, actor: Actor, case: FilmCase, saved: SavedAssessment) -> None:
    event = Event(
        **describe_actor(actor),
        action="assign_film",
        outcome="assigned",
        patient=saved.pseudonym or "",
        target=f"assessment:{saved.id}",
        condition=saved.condition,
        model_id=saved.model_id,
        sha256=saved.sha256,
        input_hash=case.pixels.pixel_sha256,
        app_version=__version__,
    )
    house.journal.record(event)


def word_of_film(reading: OwnReading) -> str:
    """Return what an own reading says about the finding the model looks for.

    Examples
    --------
    >>> word_of_film(OwnReading.OTHER)
    'no'
    """
    return _FILM_WORDS[reading]


def _respond(verdict: Verdict | None) -> Response | None:
    """Return the response that a film's verdict is."""
    if verdict is None:
        return None
    if verdict.agrees:
        return Response(word="accepted")
    return Response(word="overridden", code=verdict.code, remark=verdict.reason)


def _describe(house: House, response: Response | None, pseudonym: str | None) -> dict[str, Any]:
    """Return what a verdict says about the response; a remark only with a patient."""
    if response is None:
        return {"response": "", "responded_at": None}
    coded = response.word == "overridden"
    return {
        "response": response.word,
        "reason": response.reason if pseudonym is not None or not coded else REASONS[response.code],
        "reason_code": response.code if coded else "",
        "responded_at": house.journal.now(),
    }


def _note(house: House, actor: Actor, condition_id: str) -> None:
    event = Event(
        **describe_actor(actor),
        action="commit_opinion",
        outcome="given",
        condition=condition_id,
        app_version=__version__,
    )
    house.journal.record(event)
