"""What medcore answers: frozen, typed results that every page, command and test reads.

Probabilities are fractions in [0, 1]; ``higher = more likely to have the outcome``. Nothing
here computes; an existing object is a valid one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medcore.errors import InputError

__all__ = [
    "Applicability",
    "Assessment",
    "Explanation",
    "Interval",
    "MetricValue",
    "MissingValueGain",
    "ModelFacts",
    "Prediction",
    "Reason",
    "Response",
    "Saliency",
    "Status",
    "count_of_100",
    "rest_of_100",
    "whole_percent",
]


class Status(StrEnum):
    """Whether a model's score may be shown."""

    SCORED = "scored"
    CAUTION = "caution"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a score is shown with caution or withheld, in words for the reader.

    ``code`` is stable for programs (``outside_possible``, ``population``, ``required_missing``,
    ``distance``, ``outside_studied``, ``many_gaps``, ...); ``field`` names the field concerned.
    """

    code: str
    text: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided interval ``lo <= hi`` at ``level`` (0.90 = 90 %).

    ``kind`` is ``"sampling"``: how far the estimate moves when the model is rebuilt from
    resampled patients; it never claims to hold a single patient's true risk. For films it is
    ``"calibration_band"``: the observed rate among validation films with scores like this one (Wilson).
    """

    lo: float
    hi: float
    level: float = 0.90
    kind: str = "sampling"

    def __post_init__(self) -> None:
        if not (0.0 <= self.lo <= self.hi <= 1.0):
            raise InputError(f"interval {self.lo}..{self.hi} is not ordered within 0..1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicability:
    """Whether the model applies to this patient at all.

    ``distance_percentile`` is the percentage (0-100) of out-of-fold training rows that lie nearer
    to the middle of the study population, given how many fields are known; None when unknown.
    """

    status: Status
    reasons: tuple[Reason, ...] = ()
    n_known: int = 0
    n_fields: int = 0
    distance_percentile: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One patient's calibrated risk. ``p_calibrated`` and ``interval`` are None when withheld.

    ``probabilities`` holds one figure per class (sum 1) where a model tells several apart; else None.
    """

    condition: str
    model_id: str
    sha256: str
    applicability: Applicability
    p_calibrated: float | None
    interval: Interval | None
    label: str | None = None
    threshold: float | None = None
    probabilities: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        withheld = self.applicability.status is Status.WITHHELD
        if withheld != (self.p_calibrated is None) or withheld != (self.interval is None):
            raise InputError("a withheld prediction has no number, every other one has")
        if self.p_calibrated is not None and not math.isfinite(self.p_calibrated):
            raise InputError("a prediction must be a finite number")

    @property
    def status(self) -> Status:
        """State of the score: scored, caution or withheld."""
        return self.applicability.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """SHAP values of one prediction in probability units: ``base + sum(contributions) == p``.

    ``standard_error`` is per contribution, from two independent halves of the coalitions.
    ``top_stability`` is the share (0-1) of noise-perturbed copies of the patient whose top five
    fields are the same set; ``worst_error`` the largest standard error; ``sha256`` the bundle that was asked.
    """

    base: float
    contributions: Mapping[str, float]
    standard_error: Mapping[str, float]
    p_calibrated: float
    n_coalitions: int
    top_stability: float | None = None
    sha256: str = ""

    @property
    def worst_error(self) -> float:
        """Largest standard error of a contribution (probability units)."""
        return max(self.standard_error.values(), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saliency:
    """Where in a film the score is sensitive, and whether that map passed its own checks.

    Attributes
    ----------
    method : str
        ``"hirescam"`` or ``"shap"``.
    grid : tuple of rows of float
        Coarse map over the whole film, row 0 at the top, to be enlarged bilinearly. HiResCAM: 0..1,
        higher = raises the score more. SHAP: probability units, positive = raises the score.
    base, p_calibrated : float
        SHAP: score of the blurred film, and of the film; ``base + sum(grid) == p`` within its error.
    deletion, insertion : float
        Mean probability (0-1) while the strongest parts are blurred first, or shown first. A faithful map
        has a low deletion and a high insertion; ``deletion_random`` and ``insertion_random`` are those of
        random orders.
    randomised_similarity : float
        Rank correlation (-1..1) of the map with that of the same network with random weights; near 1 =
        the map does not depend on what was learnt.
    reliable : bool
        Whether the checks were passed; if not, ``reason`` says which failed, in a reader's words.
    sha256 : str
        The bundle that was asked.
    """

    method: str
    grid: tuple[tuple[float, ...], ...]
    p_calibrated: float
    base: float | None = None
    deletion: float | None = None
    insertion: float | None = None
    deletion_random: float | None = None
    insertion_random: float | None = None
    randomised_similarity: float | None = None
    reliable: bool = True
    reason: str | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingValueGain:
    """How far the risk could move if one blank field were known (5th-95th percentile)."""

    field: str
    p_lo: float
    p_hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How the formula answers to one field swept over its studied range. Not a treatment effect.

    ``values`` (canonical unit), ``p``, ``lo``, ``hi`` have equal length; ``measured`` is the
    patient's own value or None, ``noise_sd`` its measurement error in the same unit, ``sha256`` the
    bundle that was asked.
    """

    field: str
    values: tuple[float, ...]
    p: tuple[float, ...]
    lo: tuple[float, ...]
    hi: tuple[float, ...]
    measured: float | None
    noise_sd: float
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A performance figure with its 95 % interval; ``lo`` and ``hi`` are NaN when undefined."""

    value: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a list of models shows about one bundle. ``base_rate`` is the study's outcome rate."""

    model_id: str
    condition: str
    title: str
    recipe: str
    kind: str
    version: str
    sha256: str
    created: str
    default: bool
    trained_on: Mapping[str, object]
    metrics: Mapping[str, MetricValue]
    thresholds: Mapping[str, float]
    base_rate: float
    n_train: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Everything the doctor's page shows about one patient and one model, already journalled."""

    prediction: Prediction
    explanation: Explanation | None
    most_useful_missing: MissingValueGain | None
    marks: Mapping[str, str] = field(default_factory=dict)
    explanation_error: str | None = None
    journal_id: int | None = None


def whole_percent(p: float) -> str:
    """Write a probability as a whole number of per cent, without the sign: ``"41"``, ``"< 1"``, ``"> 99"``."""
    if p < 0.01:
        return "< 1"
    return "> 99" if p > 0.99 else f"{math.floor(100 * p + 0.5)}"


def count_of_100(percent: str) -> str:
    """Say a per cent text as a count of 100 people.

    ``"7 %"`` -> ``"about 7"``, ``"< 1 %"`` -> ``"fewer than 1"``, ``"> 99 %"`` -> ``"more than 99"``.
    """
    number = percent.replace("%", "").strip()
    if number.startswith("<"):
        return f"fewer than {number[1:].strip()}"
    if number.startswith(">"):
        return f"more than {number[1:].strip()}"
    return f"about {number}"


def rest_of_100(percent: str) -> str:
    """Say the other side of a per cent text as a count of 100 people: ``"41 %"`` -> ``"59"``."""
    number = percent.replace("%", "").strip()
    if number.startswith("<"):
        return "more than 99"
    if number.startswith(">"):
        return "fewer than 1"
    return f"{100 - float(number):g}"
