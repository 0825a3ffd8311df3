"""The radiologist's use case: open films, score them, let the reader speak first, then show what the model says.

One rule runs through this module: where the site reads first (the default), **no probability, colour or order of
probability leaves it for a film that nobody has read yet**. A score is sealed inside its :class:`FilmCase`;
:func:`reveal` is the only way to it and refuses until a reading is recorded. Everything is written to the journal
before it can be shown. A film's file name serves its owner's screen only; in the journal a film is a keyed hash of its
pixels.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from medcore import __version__
from medcore.access import Action, Actor, Resource, authorize, describe_actor
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import ConfigError, InputError, MedcoreError, ModelOffError, MovedOnError, UnreadFilmError
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import CAUTION_CODES, film_status, header_reasons, pixel_reasons
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.squash import film_tensor
from medcore.journal import Event, Journal
from medcore.results import Applicability, Interval, ModelFacts, Prediction, Reason, Saliency, Status
from medcore.services.gateway import Gateway
from medcore.services.operating import OperatingPoint, place
from medcore.services.prevalence import restate_risk
from medcore.services.trust.activation import Activation
from medcore.services.trust.reasons import OTHER, REASONS, write_reason

__all__ = [
    "HEAT_MAP",
    "SHAP_MAP",
    "Desk",
    "FilmCase",
    "Finding",
    "OwnReading",
    "Stage",
    "Verdict",
    "can_be_seen",
    "has_map",
    "is_open",
    "judge",
    "make_sample",
    "new_case",
    "note_failure",
    "open_film",
    "read",
    "reveal",
    "score",
    "see",
    "turn",
    "withdraw",
]

MAX_NOTE_LENGTH = 500

HEAT_MAP, SHAP_MAP = "hirescam", "shap"
"""Ways to explain a film: where the score is sensitive, and what each part adds to it."""


class OwnReading(StrEnum):
    """What the reader sees, before the model speaks; the keys 1 to 4 in this order."""

    NORMAL = "normal"
    PNEUMONIA = "pneumonia"
    OTHER = "other"
    UNSURE = "unsure"

    @classmethod
    def of_key(cls, key: int) -> OwnReading:
        """Return the reading of a key, 1 to 4.

        Examples
        --------
        >>> OwnReading.of_key(2).value
        'pneumonia'
        """
        return tuple(cls)[key - 1]


class Stage(StrEnum):
    """How far a film has come. A failed film has no pixels; an open one may still lack its score."""

    WAITING = "waiting"
    OPEN = "open"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the reader makes of the model's answer: agrees, or overrides it.

    ``code`` is one of :data:`medcore.services.trust.reasons.REASONS`, ``reason`` the reader's own words; own words
    alone are another reason.
    """

    agrees: bool
    reason: str = ""
    code: str = ""

    @property
    def text(self) -> str:
        """Reason and own words in one text; empty for an answer that was agreed with."""
        return "" if self.agrees else write_reason(self.code or OTHER, self.reason)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmCase:
    """One film on a reader's desk.

    Attributes
    ----------
    id : str
        Drawn at random; never the file's name.
    number : int
        Place in the order of arrival, from 1.
    name : str
        What the file was called, for its owner's screen only.
    film, tensor : Radiograph and array of float32, shape (size, size), or None
        The pixels, and exactly what the model gets of them.
    error : MedcoreError or None
        Why there are no pixels (stage ``failed``).
    reasons : tuple of Reason
        Why the score is withheld or shown with caution, as far as known.
    status : Status or None
        State of the score; None while it is not there. Says nothing about its value.
    score_error : MedcoreError or None
        Why there is no score although the film is open.
    remarks : tuple of str
        What else the reader should know about this film among the others: duplicates.
    reading, note : OwnReading or None, and str
        The reader's own reading with a remark; ``revised`` when it was changed after the score was seen, ``late``
        when the score was seen before the first one (only where the site does not read first).
    verdict : Verdict or None
        What the reader made of the score.
    turns : int
        Quarter turns clockwise made on the page.
    """

    id: str
    number: int
    name: str
    stage: Stage = Stage.WAITING
    film: Radiograph | None = None
    tensor: np.ndarray | None = None
    error: MedcoreError | None = None
    reasons: tuple[Reason, ...] = ()
    status: Status | None = None
    score_error: MedcoreError | None = None
    remarks: tuple[str, ...] = ()
    reading: OwnReading | None = None
    note: str = ""
    revised: bool = False
    late: bool = False
    seen: bool = False
    verdict: Verdict | None = None
    turns: int = 0
    _answer: Prediction | None = field(default=None, repr=False)
    _maps: Mapping[str, Saliency | MedcoreError] = field(default_factory=dict, repr=False)

    @property
    def pixels(self) -> Radiograph:
        """The film.

        Raises
        ------
        InputError
            It is not open.
        """
        if self.film is None:
            raise InputError(f"film {self.number} is not open")
        return self.film

    @property
    def telling(self) -> tuple[Reason, ...]:
        """The reasons that decide the state: what withholds the score, else every caution."""
        withholding = tuple(reason for reason in self.reasons if reason.code not in CAUTION_CODES)
        return withholding if self.status is Status.WITHHELD and withholding else self.reasons

    @property
    def scored(self) -> bool:
        """Whether the model has answered, with or without a number."""
        return self._answer is not None

    @property
    def unscored(self) -> bool:
        """Whether the film waits for the model."""
        return self.stage is Stage.OPEN and self._answer is None and self.score_error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What may be shown of a film once it has been read; no number where the score is withheld.

    ``p`` and ``interval`` are restated for ``prevalence`` where the site's is known and else on the study's
    mix (``base_rate``). ``patterns`` gives, per positive class, its share (sum 1) if the film is positive.
    ``point`` is the operating point the score has reached. ``saliency`` is the map by the method asked for, None
    until it is there; ``saliency_error`` says why there is none.
    """

    prediction: Prediction
    p: float | None
    interval: Interval | None
    base_rate: float
    prevalence: float | None
    patterns: Mapping[str, float]
    point: OperatingPoint | None
    saliency: Saliency | None = None
    saliency_error: MedcoreError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who reads what with which model. ``facts`` is None where no model is installed: films open all the same.

    ``activation`` says which models may answer here, asked at every use; without it only a recall counts.
    ``who`` says who reads, asked at every use; what runs in the background goes on under the name it began with.
    ``reads_first`` says whether this site wants the own reading before the score, asked at every use.
    """

    condition: FilmCondition
    facts: ModelFacts | None
    who: Callable[[], Actor]
    journal: Journal
    gateway: Gateway
    points: tuple[OperatingPoint, ...] = ()
    activation: Callable[[], Activation] | None = None
    reads_first: Callable[[], bool] = lambda: True

    @property
    def actor(self) -> Actor:
        """Who reads, as of this moment; raises AccessDeniedError where the session is over."""
        return self.who()

    def allow(self, action: Action, resource: Resource) -> None:
        """Return if the reader may do this now; raises AccessDeniedError otherwise."""
        authorize(self.actor, action, resource)

    def admit(self, sha256: str) -> None:
        """Return if a bundle may give scores here; raises ModelOffError otherwise."""
        (self.activation() if self.activation else Activation(journal=self.journal)).require(sha256)

    @property
    def model(self) -> ModelFacts:
        """The model.

        Raises
        ------
        ConfigError
            There is none.
        """
        if self.facts is None:
            raise ConfigError(f"no usable model for {self.condition.title} is installed")
        return self.facts


def make_sample() -> Radiograph:
    """Draw the film with which a newcomer can try the page; made by code, of nobody."""
    return make_phantom()


def new_case(number: int, name: str) -> FilmCase:
    """Return a film that has just arrived."""
    return FilmCase(id=secrets.token_hex(8), number=number, name=name)


def open_film(desk: Desk, case: FilmCase, film: Radiograph) -> FilmCase:
    """Put a decoded film into its case, with every reason against a score that needs no model; journalled."""
    desk.allow(Action.ASSESS, Resource.FILM)
    tensor = film_tensor(film)
    reasons = (*header_reasons(film, desk.condition.limits), *pixel_reasons(tensor))
    opened = replace(case, stage=Stage.OPEN, film=film, tensor=tensor, error=None, score_error=None, reasons=reasons)
    _record(desk, "open_film", "opened", opened)
    if film_status(reasons) is Status.WITHHELD:
        return _seal(desk, opened, _withhold(desk, reasons))
    return opened


def note_failure(desk: Desk, case: FilmCase, error: MedcoreError) -> FilmCase:
    """Say why a film could not be opened; journalled by the kind of error only."""
    _record(desk, "open_film", error.code, case)
    return replace(case, stage=Stage.FAILED, error=error)


def score(desk: Desk, cases: Sequence[FilmCase]) -> tuple[FilmCase, ...]:
    """Score open films in one call and seal the answers; each is journalled first.

    Raises
    ------
    MedcoreError
        The model process failed, no model is installed or it is off here, or the journal could not be written.
    """
    model = desk.model
    desk.admit(model.sha256)
    tensors = np.stack([case.tensor for case in cases if case.tensor is not None])
    answers = desk.gateway.score_films(model.model_id, tensors, [case.reasons for case in cases])
    for sha256 in {answer.sha256 for answer in answers} - {model.sha256}:  # replaced since
        desk.admit(sha256)
    return tuple(_seal(desk, case, answer) for case, answer in zip(cases, answers, strict=True))


def read(desk: Desk, case: FilmCase, reading: OwnReading, note: str = "") -> FilmCase:
    """Record the reader's own reading; journalled by its code only.

    A reading that is changed after the score was seen is marked as revised, a first one given beside it as late.

    Raises
    ------
    InputError
        The film is not open, so there is nothing to read.
    StorageError
        It could not be journalled: the reading does not count and the score stays closed.
    """
    desk.allow(Action.ASSESS, Resource.FILM)
    if case.stage is not Stage.OPEN:
        raise InputError(f"film {case.number} cannot be read: it is not open")
    late = case.late or (case.seen and case.reading is None)
    revised = not late and (case.revised or (case.seen and reading is not case.reading))
    mark = "_late" if late else "_revised" if revised else ""
    _record(desk, "read_film", f"{reading.value}{mark}", case)
    return replace(case, reading=reading, note=note.strip()[:MAX_NOTE_LENGTH], revised=revised, late=late)


def judge(desk: Desk, case: FilmCase, verdict: Verdict) -> FilmCase:
    """Record whether the reader agrees with the model; journalled as ``agree`` or ``override`` only.

    Raises
    ------
    UnreadFilmError
        The film was not read yet, and this site reads first.
    InputError
        There is no score to judge, or an override without a reason.
    """
    desk.allow(Action.SAVE, Resource.VERDICT)
    _require_reading(desk, case)
    if case._answer is None or case._answer.p_calibrated is None:
        raise InputError(f"film {case.number} has no score to agree with")
    own = verdict.reason.strip()[:MAX_NOTE_LENGTH]
    code = "" if verdict.agrees else verdict.code or (OTHER if own else "")
    if not verdict.agrees and code not in REASONS:
        raise InputError("say why you override the score: choose a reason", field="reason")
    _record(desk, "judge_film", "agree" if verdict.agrees else "override", case, case._answer)
    return replace(case, verdict=replace(verdict, reason=own, code=code))


def is_open(desk: Desk, case: FilmCase) -> bool:
    """Whether a film's score may be seen: after the own reading, or as soon as it is there if the site says so."""
    return case.reading is not None or not desk.reads_first()


def reveal(desk: Desk, case: FilmCase, prevalence: float | None = None, method: str = HEAT_MAP) -> Finding | None:
    """Return what the model says about a film that has been read; None while there is no answer yet.

    ``method`` says which map the finding carries.

    Raises
    ------
    UnreadFilmError
        The film was not read yet, and this site reads first.
    """
    desk.allow(Action.VIEW, Resource.FILM)
    _require_reading(desk, case)
    answer = case._answer
    if answer is None:
        return None
    base_rate = desk.facts.base_rate if desk.facts is not None else 0.0
    p, interval = _restate(answer, base_rate, prevalence)
    saliency = case._maps.get(method)
    return Finding(
        prediction=answer,
        p=p,
        interval=interval,
        base_rate=base_rate,
        prevalence=prevalence,
        patterns=_share_patterns(answer, desk.condition.positive),
        point=place(desk.points, answer.p_calibrated),
        saliency=saliency if isinstance(saliency, Saliency) else None,
        saliency_error=saliency if isinstance(saliency, MedcoreError) else None,
    )


def withdraw(desk: Desk, case: FilmCase) -> FilmCase:
    """Take the number away from a film whose model was switched off or recalled since; the reading stays.

    Raises
    ------
    StorageError
        The journal cannot be read.
    """
    answer = case._answer
    if answer is None or answer.p_calibrated is None:
        return case
    try:
        desk.admit(answer.sha256)
    except ModelOffError as error:
        return replace(case, status=None, verdict=None, _answer=None, _maps={}, score_error=error)
    return case


def see(desk: Desk, case: FilmCase, method: str = HEAT_MAP) -> FilmCase:
    """Compute where the score of a read film is sensitive (``HEAT_MAP``) or how its parts add up to it (``SHAP_MAP``).

    A failure is kept beside the score, never in its place.

    Raises
    ------
    UnreadFilmError
        The film was not read yet, and this site reads first: where a model looks is a hint, too.
    MovedOnError
        The reader went on before it was there.
    StorageError
        It could not be journalled.
    """
    _require_reading(desk, case)
    answer = case._answer
    if answer is None or answer.p_calibrated is None or case.tensor is None:
        raise InputError(f"film {case.number} has no score to explain")
    try:
        saliency: Saliency | MedcoreError = desk.gateway.explain_film(answer.model_id, case.tensor, method)
    except MovedOnError:  # nothing failed: it may be asked for again
        raise
    except MedcoreError as error:
        saliency = error
    outcome = saliency.code if isinstance(saliency, MedcoreError) else "explained"
    _record(desk, "explain_film", outcome, case, answer)
    return replace(case, _maps={**case._maps, method: saliency})


def has_map(case: FilmCase, method: str = HEAT_MAP) -> bool:
    """Whether a map has been computed, or was tried in vain."""
    return method in case._maps


def can_be_seen(desk: Desk, case: FilmCase, method: str = HEAT_MAP) -> bool:
    """Whether a map may be computed and is not there: an open film with a number, not tried yet."""
    answer = case._answer
    scored = answer is not None and answer.p_calibrated is not None
    return scored and not has_map(case, method) and is_open(desk, case)


def turn(desk: Desk, case: FilmCase) -> FilmCase:
    """Turn a film a quarter clockwise. Its score, made on other pixels, is dropped with the verdict; the reading stays.

    Raises
    ------
    InputError
        The film is not open.
    StorageError
        It could not be journalled.
    """
    desk.allow(Action.ASSESS, Resource.FILM)
    before = case.pixels
    stored = np.ascontiguousarray(np.rot90(before.stored, -1))
    turned = replace(
        before,
        stored=stored,
        spacing_mm=before.spacing_mm[::-1] if before.spacing_mm else None,
        pixel_sha256=hash_pixels(stored),
        provenance=(*before.provenance, "turned a quarter clockwise by the reader"),
    )
    _record(desk, "turn_film", "turned", case)
    fresh = replace(case, status=None, verdict=None, _answer=None, _maps={}, score_error=None, turns=case.turns + 1)
    return open_film(desk, fresh, turned)


def hash_pixels(stored: np.ndarray) -> str:
    """Return the hash of pixels and their shape, as ``Radiograph.pixel_sha256`` holds it."""
    return hashlib.sha256(repr(stored.shape).encode() + stored.tobytes()).hexdigest()


def _require_reading(desk: Desk, case: FilmCase) -> None:
    if not is_open(desk, case):
        raise UnreadFilmError(f"film {case.number} has not been read yet: your own reading comes first")


def _seal(desk: Desk, case: FilmCase, answer: Prediction) -> FilmCase:
    _record(desk, "score_film", answer.status.value, case, answer)
    return replace(case, status=answer.status, reasons=answer.applicability.reasons, score_error=None, _answer=answer)


def _withhold(desk: Desk, reasons: tuple[Reason, ...]) -> Prediction:
    """Return the answer to a film that no model needs to see."""
    return Prediction(
        condition=desk.condition.id,
        model_id=desk.facts.model_id if desk.facts else "",
        sha256=desk.facts.sha256 if desk.facts else "",
        applicability=Applicability(status=Status.WITHHELD, reasons=reasons),
        p_calibrated=None,
        interval=None,
    )


def _restate(answer: Prediction, base_rate: float, prevalence: float | None) -> tuple[float | None, Interval | None]:
    """Restate probability and band for the site's share of positive films, where it is known."""
    p, band = answer.p_calibrated, answer.interval
    if p is None or band is None or prevalence is None:
        return p, band
    low, middle, high = (restate_risk(value, base_rate, prevalence) for value in (band.lo, p, band.hi))
    return middle, replace(band, lo=low, hi=high)


def _share_patterns(answer: Prediction, positive: Sequence[str]) -> dict[str, float]:
    if answer.p_calibrated is None or not answer.probabilities:
        return {}
    shares = {name: answer.probabilities.get(name, 0.0) for name in positive}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total > 0 and len(shares) > 1 else {}


def _record(desk: Desk, action: str, outcome: str, case: FilmCase, answer: Prediction | None = None) -> None:
    desk.journal.record(
        Event(
            **describe_actor(desk.actor),
            action=action,
            outcome=outcome,
            condition=desk.condition.id,
            model_id=answer.model_id if answer else "",
            sha256=answer.sha256 if answer else "",
            input_hash=case.film.pixel_sha256 if case.film else "",
            app_version=__version__,
        )
    )
