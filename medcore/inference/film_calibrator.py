"""From a film model's class logits to a calibrated probability, its band, and the pattern below it.

The headline score of a film sets the classes that count as positive against the others: log-sum-exp of
the former less that of the latter. A line on the log-odds scale (Platt, 1999) turns it into a probability. The
band says what was observed among the validation films whose scores were nearest (Wilson, 1927).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, logit, logsumexp, ndtri, softmax

from medcore.errors import InputError, IntegrityError

__all__ = ["FilmCalibrator", "fit_film_calibrator", "headline_score"]

_MAX_LOGIT = 30.0
_GRID = 61
_LEAST_NEIGHBOURS = 60
_RIDGE = 1e-3
_MAX_STEP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCalibrator:
    """Calibration of one film bundle.

    Attributes
    ----------
    classes : tuple of str
        Class words in the order of the logits. ``positive`` are those that make the headline.
    slope, intercept : float
        ``logit p = slope * score + intercept``; the slope is positive, so ranks are kept.
    temperature : float
        Divides the logits before they are compared with others of the same side (positive or not).
    offsets : tuple of float
        Added to each class's logit after that.
    band_logit, band_lo, band_hi : tuple of float
        The band as a table over logit p, interpolated between its rows.
    level : float
        Nominal level of the band.
    n_band : int
        Number of validation films behind every row of the band.
    """

    classes: tuple[str, ...]
    positive: tuple[str, ...]
    slope: float
    intercept: float
    band_logit: tuple[float, ...]
    band_lo: tuple[float, ...]
    band_hi: tuple[float, ...]
    temperature: float = 1.0
    offsets: tuple[float, ...] = ()
    level: float = 0.90
    n_band: int = 0

    def __post_init__(self) -> None:
        if not self.offsets:
            object.__setattr__(self, "offsets", (0.0,) * len(self.classes))
        _check_classes(self.classes, self.positive)
        numbers = (self.slope, self.intercept, self.temperature, *self.offsets, *self.band_logit)
        sound = all(map(math.isfinite, numbers)) and self.slope > 0.0 and self.temperature > 0.0
        if not sound or not 0.0 < self.level < 1.0 or len(self.offsets) != len(self.classes):
            raise IntegrityError("a film calibrator needs a positive slope, a positive temperature and finite numbers")
        lengths = {len(self.band_logit), len(self.band_lo), len(self.band_hi)}
        if len(lengths) != 1 or len(self.band_logit) < 2 or not (np.diff(self.band_logit) > 0.0).all():
            raise IntegrityError("the calibration band of a film calibrator is not a table over rising scores")
        if not all(0.0 <= lo <= hi <= 1.0 for lo, hi in zip(self.band_lo, self.band_hi, strict=True)):
            raise IntegrityError("the calibration band of a film calibrator is not ordered within 0..1")

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> FilmCalibrator:
        """Rebuild from :meth:`to_json`.

        Raises
        ------
        IntegrityError
            Parts are missing or not numbers.
        """
        try:
            band = [[float(value) for value in row] for row in raw["band"]]
            return cls(
                classes=tuple(map(str, raw["classes"])),
                positive=tuple(map(str, raw["positive"])),
                slope=float(raw["slope"]),
                intercept=float(raw["intercept"]),
                temperature=float(raw["temperature"]),
                offsets=tuple(float(value) for value in raw["offsets"]),
                band_logit=tuple(row[0] for row in band),
                band_lo=tuple(row[1] for row in band),
                band_hi=tuple(row[2] for row in band),
                level=float(raw["level"]),
                n_band=int(raw["n_band"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise IntegrityError("the film calibrator of the bundle is incomplete") from error

    def to_json(self) -> dict[str, Any]:
        """Describe the calibrator in plain JSON types; ``band`` has rows of logit p, lo, hi."""
        band = zip(self.band_logit, self.band_lo, self.band_hi, strict=True)
        return {
            "classes": list(self.classes),
            "positive": list(self.positive),
            "slope": self.slope,
            "intercept": self.intercept,
            "temperature": self.temperature,
            "offsets": list(self.offsets),
            "band": [list(row) for row in band],
            "level": self.level,
            "n_band": self.n_band,
        }

    def score(self, logits: np.ndarray) -> np.ndarray:
        """Return headline scores, shape (n,), of class logits, shape (n, n_classes)."""
        return headline_score(logits, self.classes, self.positive)

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,), of headline scores, shape (n,)."""
        return np.asarray(expit(self._logit(score)))

    def band(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the observed rate among films with scores like this one, ``lo <= p <= hi``.

        Parameters
        ----------
        p : array, shape (n,)
            Calibrated probabilities.
        """
        p = np.asarray(p, dtype=np.float64)
        at = np.clip(logit(p), -_MAX_LOGIT, _MAX_LOGIT)
        lo = np.interp(at, self.band_logit, self.band_lo)
        hi = np.interp(at, self.band_logit, self.band_hi)
        return np.minimum(lo, p), np.maximum(hi, p)

    def pattern(self, logits: np.ndarray) -> np.ndarray:
        """Return one probability per class, shape (n, n_classes); the positive ones add up to p.

        Parameters
        ----------
        logits : array, shape (n, n_classes)
        """
        logits = np.asarray(logits, dtype=np.float64)
        p = self.probability(self.score(logits))
        scaled = logits / self.temperature + np.asarray(self.offsets)
        is_positive = _mask(self.classes, self.positive)
        out = np.empty(logits.shape)
        for side, share in ((is_positive, p), (~is_positive, 1.0 - p)):
            out[:, side] = share[:, None] * softmax(scaled[:, side], axis=1)
        return out

    def _logit(self, score: np.ndarray) -> np.ndarray:
        score = np.asarray(score, dtype=np.float64)
        return np.clip(self.slope * score + self.intercept, -_MAX_LOGIT, _MAX_LOGIT)


def headline_score(logits: np.ndarray, classes: Sequence[str], positive: Sequence[str]) -> np.ndarray:
    """Return the score that sets positive classes against the others, shape (n,); higher = more likely.

    Examples
    --------
    >>> headline_score(np.array([[0.0, 0.0, 1.0]]), ("normal", "bacterial", "viral"), ("bacterial", "viral"))
    array([1.31326169])
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or logits.shape[1] != len(classes):
        raise InputError(f"logits have shape {logits.shape}, expected (n, {len(classes)})")
    is_positive = _mask(classes, positive)
    return np.asarray(logsumexp(logits[:, is_positive], axis=1) - logsumexp(logits[:, ~is_positive], axis=1))


def fit_film_calibrator(
    logits: np.ndarray,
    y: np.ndarray,
    *,
    classes: Sequence[str],
    positive: Sequence[str],
    groups: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    level: float = 0.90,
) -> FilmCalibrator:
    """Fit line, pattern and band on validation films, which the network has not learnt from.

    Parameters
    ----------
    logits : array, shape (n, n_classes)
    y : int array, shape (n,)
        Class of each film, as an index into ``classes``.
    classes, positive : sequences of str
        Class words in the order of the logits, and those that make the headline.
    groups : array, shape (n,), optional
        Patient of each film; the band then counts patients, not films, as independent.
    weight : array, shape (n,), optional
        Weight of each film in the line and the pattern (the band counts films as they are).
    level : float
        Nominal level of the band.

    Raises
    ------
    InputError
        Shapes do not fit, logits are not finite, or one side is absent.
    """
    logits, y = np.asarray(logits, dtype=np.float64), np.asarray(y)
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    score = headline_score(logits, classes, positive)
    if y.shape != score.shape or weight.shape != score.shape or not np.isfinite(logits).all():
        raise InputError("a film calibrator needs one class and finite logits for every film")
    is_positive = _mask(classes, positive)
    outcome = is_positive[y].astype(np.float64)
    if not 0.0 < float(weight @ outcome) < float(weight.sum()):
        raise InputError("a film calibrator needs films of both outcomes")
    slope, intercept = _fit_line(score, outcome, weight)
    temperature, offsets = _fit_pattern(logits, y, is_positive, weight)
    at = np.clip(slope * score + intercept, -_MAX_LOGIT, _MAX_LOGIT)
    table, n_band = _fit_band(at, outcome, groups, level)
    return FilmCalibrator(
        classes=tuple(classes),
        positive=tuple(positive),
        slope=slope,
        intercept=intercept,
        temperature=temperature,
        offsets=offsets,
        band_logit=tuple(table[0].tolist()),
        band_lo=tuple(table[1].tolist()),
        band_hi=tuple(table[2].tolist()),
        level=level,
        n_band=n_band,
    )


def _check_classes(classes: Sequence[str], positive: Sequence[str]) -> None:
    if len(set(classes)) != len(classes) or not set(positive) < set(classes) or not positive:
        raise IntegrityError("the positive classes of a film model are some, and not all, of its classes")


def _mask(classes: Sequence[str], positive: Sequence[str]) -> np.ndarray:
    return np.array([word in positive for word in classes])


def _fit_line(score: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Platt's line by Newton steps on the standardised score, with his targets drawn in from 0 and 1."""
    n_events, n_others = float(weight @ y), float(weight @ (1.0 - y))
    target = np.where(y > 0, (n_events + 1.0) / (n_events + 2.0), 1.0 / (n_others + 2.0))
    mean = float(np.average(score, weights=weight))
    spread = float(np.sqrt(np.average((score - mean) ** 2, weights=weight))) + 1e-12
    design = np.column_stack([(score - mean) / spread, np.ones(len(y))])
    beta = _newton(design, target, weight, np.array([1.0, float(logit(n_events / (n_events + n_others)))]))
    slope = max(float(beta[0]), 1e-3)
    return slope / spread, float(beta[1]) - slope * mean / spread


def _newton(design: np.ndarray, target: np.ndarray, weight: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Weighted logistic regression on fractional targets, with a tiny ridge on all but the last column."""
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 1e-9
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (weight * (target - p)) - ridge * beta
        curvature = weight * np.maximum(p * (1.0 - p), 1e-9)
        step = np.linalg.solve((design * curvature[:, None]).T @ design + np.diag(ridge), gradient)
        step *= min(1.0, _MAX_STEP / float(np.abs(step).max(initial=1e-12)))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return beta


def _fit_pattern(
    logits: np.ndarray, y: np.ndarray, is_positive: np.ndarray, weight: np.ndarray
) -> tuple[float, tuple[float, ...]]:
    """Temperature and class offsets that make the classes of one side likely, among films of that side."""
    columns = np.flatnonzero(is_positive)
    rows = is_positive[y]
    offsets = np.zeros(len(is_positive))
    if len(columns) < 2 or len(np.unique(y[rows])) < 2:
        return 1.0, tuple(offsets.tolist())
    own, truth, w = logits[rows][:, columns], np.searchsorted(columns, y[rows]), weight[rows]
    log_scale = 0.0
    free = np.zeros(len(columns))
    onehot = np.eye(len(columns))[truth]
    for _ in range(500):  # plain gradient steps: two or three numbers, a convex likelihood in the inverse temperature
        scale = math.exp(log_scale)
        gap = w[:, None] * (onehot - np.exp(log_softmax(own * scale + free, axis=1)))
        free += gap.sum(axis=0) / w.sum() * 2.0
        log_scale += float((gap * (own - own.mean(axis=1, keepdims=True))).sum()) * scale / float(w.sum()) * 0.5
        log_scale = min(max(log_scale, -3.0), 3.0)
    offsets[columns] = free - free[0]
    return math.exp(-log_scale), tuple(offsets.tolist())


def _fit_band(at: np.ndarray, y: np.ndarray, groups: np.ndarray | None, level: float) -> tuple[np.ndarray, int]:
    """Observed rate among the films nearest in score, with Wilson limits, made to rise with the score."""
    order = np.argsort(at, kind="stable")
    at, y = at[order], y[order]
    group = np.arange(len(at)) if groups is None else np.asarray(groups)[order]
    k = min(len(at), max(_LEAST_NEIGHBOURS, len(at) // 10))
    z = float(ndtri(0.5 + level / 2.0))
    lowest, highest = float(at[0]), float(at[-1])
    grid = np.linspace(lowest, max(highest, lowest + 1e-3), _GRID)
    rows = np.empty((3, _GRID))
    for j, x in enumerate(grid):
        start = _nearest_run(at, x, k)
        near = slice(start, start + k)
        rows[:, j] = x, *_wilson(float(y[near].mean()), len(np.unique(group[near])), z)
    rows[1] = np.maximum.accumulate(rows[1])
    rows[2] = np.minimum.accumulate(rows[2][::-1])[::-1]
    rows[1] = np.minimum(rows[1], rows[2])
    return rows, k


def _nearest_run(at: np.ndarray, x: float, k: int) -> int:
    """Start of the run of ``k`` sorted values that are nearest to ``x``."""
    last = len(at) - k
    starts = np.arange(last + 1)
    farthest = np.maximum(x - at[starts], at[starts + k - 1] - x)
    return int(np.argmin(farthest))


def _wilson(rate: float, n: int, z: float) -> tuple[float, float]:
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
