"""The scoreboard's metrics for many reweightings of the same rows at once.

A bootstrap resample is a row of whole-number weights. Rows are sorted by score once; each metric is
then a few array passes over a block of resamples, so that a thousand of them cost seconds and not
minutes. With all weights 1 every function equals its plain counterpart, with repeated rows it
equals the plain metric of the repeated data; tests hold both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.calibration import equal_mass_bins, row_log_loss
from medcore.evaluation.intervals import expit, logit
from medcore.evaluation.validation import BoolArray, FloatArray, IntArray, check_threshold, check_two_classes

__all__ = [
    "METRIC_NAMES",
    "N_BINS",
    "SortedRows",
    "compute_calibration_noise",
    "compute_weighted",
    "sort_rows",
]

METRIC_NAMES: tuple[str, ...] = (
    "auroc",
    "auprc",
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "f1",
    "brier",
    "calibration_slope",
    "calibration_intercept",
    "ece",
    "log_loss",
)
"""The metric names used everywhere in medcore, in the order of the tables."""

N_BINS = 10
"""Equal-mass bins of the calibration error."""

_MAX_NEWTON_STEPS = 50
_STEP_TOLERANCE = 1e-9
_LONGEST_STEP = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SortedRows:
    """Outcomes and probabilities in increasing order of probability, with what every metric reuses.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Original position of each sorted row.
    labels, scores, log_odds : ndarray, shape (n,)
        Outcome (bool), probability and its log-odds.
    block_starts : ndarray of int64, shape (k,)
        First row of each run of equal probabilities.
    threshold : float or None
        Cut-off of the threshold metrics; positive when ``p >= threshold``.
    """

    order: IntArray
    labels: BoolArray
    scores: FloatArray
    log_odds: FloatArray
    block_starts: IntArray
    threshold: float | None

    @property
    def has_ties(self) -> bool:
        """Whether any probability occurs more than once."""
        return self.block_starts.size < self.scores.size


def sort_rows(y: ArrayLike, p: ArrayLike, *, threshold: float | None = None) -> SortedRows:
    """Check and sort the rows once.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.
    threshold : float, optional
        Cut-off in [0, 1], needed by the threshold metrics only.

    Returns
    -------
    SortedRows
        Input of :func:`compute_weighted`.

    Raises
    ------
    InputError
        Unusable arrays, one class only, or a cut-off outside [0, 1].
    """
    labels, scores = check_two_classes(y, p)
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    return SortedRows(
        order=order,
        labels=labels[order],
        scores=ordered,
        log_odds=logit(ordered),
        block_starts=np.flatnonzero(np.diff(ordered, prepend=-1.0)),
        threshold=None if threshold is None else check_threshold(threshold),
    )


def compute_weighted(rows: SortedRows, weights: FloatArray, names: Sequence[str] = METRIC_NAMES) -> FloatArray:
    """Metrics of each reweighting.

    Parameters
    ----------
    rows : SortedRows
        From :func:`sort_rows`.
    weights : ndarray of float64, shape (b, n)
        Non-negative weights, one row per resample, columns in the caller's original row order.
    names : sequence of str, default all
        Metrics wanted, out of ``METRIC_NAMES``.

    Returns
    -------
    ndarray of float64, shape (b, len(names))
        NaN where a metric is undefined for a resample (one class only, nobody called positive);
        an infinite calibration slope where the classes are separated.

    Raises
    ------
    InputError
        Unknown name, or a threshold metric without a cut-off.
    """
    table = [_lookup(name, rows) for name in names]
    ordered = weights[:, rows.order]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.column_stack([metric(rows, ordered) for metric in table])


def compute_calibration_noise(rows: SortedRows, weights: FloatArray) -> FloatArray:
    """How far the signed gaps of the calibration bins move by resampling alone.

    Parameters
    ----------
    rows : SortedRows
        From :func:`sort_rows`.
    weights : ndarray of float64, shape (b, n)
        As :func:`compute_weighted`.

    Returns
    -------
    ndarray of float64, shape (b,)
        Sum over bins of ``|gap of the resample - gap of the data|``: the calibration error that
        chance would produce if there were none.
    """
    bins = equal_mass_bins(rows.scores, n_bins=N_BINS)
    gaps = np.zeros((rows.scores.size, N_BINS))
    gaps[np.arange(bins.size), bins] = rows.scores - rows.labels
    resampled = weights[:, rows.order] @ gaps / weights.sum(axis=1, keepdims=True)
    noise: FloatArray = np.abs(resampled - gaps.mean(axis=0)).sum(axis=1)
    return noise


def _lookup(name: str, rows: SortedRows) -> _Metric:
    if name not in _METRICS:
        raise InputError(
            f"{name!r} is not a metric, expected one of {', '.join(METRIC_NAMES)}", field="metric", value=name
        )
    if name in _NEEDS_THRESHOLD and rows.threshold is None:
        raise InputError(f"{name} needs a threshold", field="threshold", expected="a number in [0, 1]")
    return _METRICS[name]


def _auroc(rows: SortedRows, weights: FloatArray) -> FloatArray:
    cases, others = _split(rows, weights)
    below = np.cumsum(others, axis=1)
    below -= 0.5 * others
    area: FloatArray = _row_dot(cases, below) / (cases.sum(axis=1) * others.sum(axis=1))
    return area


def _auprc(rows: SortedRows, weights: FloatArray) -> FloatArray:
    cases, others = _split(rows, weights)
    found = np.cumsum(cases[:, ::-1], axis=1)[:, ::-1]
    called = found + np.cumsum(others[:, ::-1], axis=1)[:, ::-1]
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0.0)
    area: FloatArray = _row_dot(cases, precision) / cases.sum(axis=1)
    return area


def _brier(rows: SortedRows, weights: FloatArray) -> FloatArray:
    return _mean(weights, (rows.scores - rows.labels) ** 2)


def _log_loss(rows: SortedRows, weights: FloatArray) -> FloatArray:
    return _mean(weights, row_log_loss(rows.labels, rows.scores))


def _ece(rows: SortedRows, weights: FloatArray) -> FloatArray:
    """Bins follow each other in score order, so their sums are differences of one running sum."""
    mass = _blocks(rows, weights)
    gap = np.cumsum(_blocks(rows, weights * (rows.scores - rows.labels)), axis=1)
    total = weights.sum(axis=1)
    position = np.cumsum(mass, axis=1)
    position -= 0.5 * mass
    position *= N_BINS
    position /= total[:, np.newaxis]
    edges = np.arange(1.0, N_BINS)
    ends = np.array([np.searchsorted(row, edges) for row in position]) - 1
    at_edges = np.where(ends >= 0, np.take_along_axis(gap, np.maximum(ends, 0), axis=1), 0.0)
    sums = np.diff(at_edges, axis=1, prepend=0.0, append=gap[:, -1:])
    error: FloatArray = np.abs(sums).sum(axis=1) / total
    return error


def _table(rows: SortedRows, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weighted tp, fp, fn, tn at the cut-off, each of shape (b,)."""
    called = rows.scores >= (1.0 if rows.threshold is None else rows.threshold)
    cells = np.column_stack(
        (rows.labels & called, ~rows.labels & called, rows.labels & ~called, ~rows.labels & ~called)
    )
    tp, fp, fn, tn = (weights @ cells.astype(np.float64)).T
    return tp, fp, fn, tn


def _accuracy(rows: SortedRows, weights: FloatArray) -> FloatArray:
    tp, fp, fn, tn = _table(rows, weights)
    return (tp + tn) / (tp + fp + fn + tn)


def _sensitivity(rows: SortedRows, weights: FloatArray) -> FloatArray:
    tp, _, fn, _ = _table(rows, weights)
    return tp / (tp + fn)


def _specificity(rows: SortedRows, weights: FloatArray) -> FloatArray:
    _, fp, _, tn = _table(rows, weights)
    return tn / (tn + fp)


def _ppv(rows: SortedRows, weights: FloatArray) -> FloatArray:
    tp, fp, _, _ = _table(rows, weights)
    return tp / (tp + fp)


def _npv(rows: SortedRows, weights: FloatArray) -> FloatArray:
    _, _, fn, tn = _table(rows, weights)
    return tn / (tn + fn)


def _f1(rows: SortedRows, weights: FloatArray) -> FloatArray:
    tp, fp, fn, _ = _table(rows, weights)
    return 2.0 * tp / (2.0 * tp + fp + fn)


def _calibration_intercept(rows: SortedRows, weights: FloatArray) -> FloatArray:
    """Log-odds shift that makes the mean risk equal the outcome rate; NaN with one class only."""
    events, total = weights @ rows.labels, weights.sum(axis=1)
    both = (events > 0.0) & (events < total)
    shifts = np.full(total.shape, np.nan)
    if both.any():
        pooled = weights[both].sum(axis=0, keepdims=True)
        start = np.nan_to_num(_newton_shift(rows, pooled, np.zeros(1)))
        shifts[both] = _newton_shift(rows, weights[both], np.repeat(start, int(both.sum())))
    return shifts


def _newton_shift(rows: SortedRows, weights: FloatArray, start: FloatArray) -> FloatArray:
    """Newton's method for one coefficient, all resamples together; still moving at the end = NaN."""
    shift, moving = start.copy(), np.ones(start.shape, dtype=np.bool_)
    events = weights @ rows.labels
    for _ in range(_MAX_NEWTON_STEPS):
        mean = expit(shift[:, np.newaxis] + rows.log_odds)
        mean_sum = _row_dot(weights, mean)
        mean *= 1.0 - mean
        step = _bounded((events - mean_sum) / _row_dot(weights, mean))
        shift += step
        moving = ~(np.abs(step) <= _STEP_TOLERANCE)
        if not moving.any():
            break
    return np.where(moving, np.nan, shift)


def _calibration_slope(rows: SortedRows, weights: FloatArray) -> FloatArray:
    """Coefficient of the log-odds, fitted on a standardised scale; infinite when separated."""
    solvable = _overlapping(rows, weights)
    slopes = np.where(solvable, np.nan, _separated_slope(rows, weights))
    if solvable.any():
        spread = float(rows.log_odds.std())
        z = (rows.log_odds - rows.log_odds.mean()) / spread
        pooled = weights[solvable].sum(axis=0, keepdims=True)
        start = np.nan_to_num(_newton_line(z, rows.labels, pooled, _start(z, rows.labels)))
        fitted = _newton_line(z, rows.labels, weights[solvable], np.repeat(start, int(solvable.sum()), axis=0))
        slopes[solvable] = fitted[:, 1] / spread
    return slopes


def _newton_line(z: FloatArray, labels: BoolArray, weights: FloatArray, start: FloatArray) -> FloatArray:
    """Newton's method for intercept and slope, shape (b, 2); still moving at the end = NaN."""
    beta, moving = start.copy(), np.ones(start.shape[0], dtype=np.bool_)
    powers = np.column_stack((np.ones_like(z), z, z * z))
    observed = (weights * labels) @ powers[:, :2]
    for _ in range(_MAX_NEWTON_STEPS):
        mean = expit(beta[:, :1] + beta[:, 1:] * z)
        expected = weights * mean
        gradient = observed - expected @ powers[:, :2]
        expected *= 1.0 - mean
        step = _bounded(_solve_two(expected @ powers, gradient))
        beta += step
        moving = ~np.all(np.abs(step) <= _STEP_TOLERANCE * (1.0 + np.abs(beta)), axis=1)
        if not moving.any():
            break
    return np.where(moving[:, np.newaxis], np.nan, beta)


def _solve_two(moments: FloatArray, gradient: FloatArray) -> FloatArray:
    """Solve [[h0, h1], [h1, h2]] x = g per row; ``moments`` holds h0, h1, h2."""
    h0, h1, h2 = moments.T
    g0, g1 = gradient.T
    scaled = np.column_stack((h2 * g0 - h1 * g1, h0 * g1 - h1 * g0))
    solution: FloatArray = scaled / (h0 * h2 - h1 * h1)[:, np.newaxis]
    return solution


def _bounded(step: FloatArray) -> FloatArray:
    return np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)


def _start(z: FloatArray, labels: BoolArray) -> FloatArray:
    """Coefficients of the linear discriminant: near the solution and cheap."""
    rate = float(labels.mean())
    slope = float((z[labels].mean() - z[~labels].mean()) / max(float(z.var()), 1e-12))
    return np.array([[float(logit(rate)), float(np.clip(slope, -_LONGEST_STEP, _LONGEST_STEP))]])


def _overlapping(rows: SortedRows, weights: FloatArray) -> BoolArray:
    """Resamples with both classes whose log-odds overlap, so that a finite slope exists."""
    lowest_case, highest_case, lowest_other, highest_other = _extremes(rows, weights)
    return (lowest_case < highest_other) & (lowest_other < highest_case)


def _separated_slope(rows: SortedRows, weights: FloatArray) -> FloatArray:
    """Limit of the slope where classes do not overlap: +inf, -inf, or NaN when it has none."""
    lowest_case, highest_case, lowest_other, highest_other = _extremes(rows, weights)
    above = (lowest_case >= highest_other) & (highest_case > lowest_other)
    below = (lowest_other >= highest_case) & (highest_other > lowest_case)
    return np.where(above, np.inf, np.where(below, -np.inf, np.nan))


def _extremes(rows: SortedRows, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Smallest and largest log-odds present per class and resample; NaN when a class is absent."""
    limits: list[FloatArray] = []
    for members in (rows.labels, ~rows.labels):
        present, x = weights[:, members] > 0.0, rows.log_odds[members]
        some = present.any(axis=1)
        limits.append(np.where(some, x[np.argmax(present, axis=1)], np.nan))
        limits.append(np.where(some, x[::-1][np.argmax(present[:, ::-1], axis=1)], np.nan))
    return limits[0], limits[1], limits[2], limits[3]


def _split(rows: SortedRows, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weight of cases and of non-cases in each run of equal probabilities, shape (b, k)."""
    cases = weights * rows.labels
    return _blocks(rows, cases), _blocks(rows, weights - cases)


def _blocks(rows: SortedRows, values: FloatArray) -> FloatArray:
    if not rows.has_ties:
        return values
    return np.add.reduceat(values, rows.block_starts, axis=1)


def _mean(weights: FloatArray, values: FloatArray) -> FloatArray:
    average: FloatArray = (weights @ values) / weights.sum(axis=1)
    return average


def _row_dot(a: FloatArray, b: FloatArray) -> FloatArray:
    products: FloatArray = np.einsum("ij,ij->i", a, b)
    return products


_Metric = Callable[[SortedRows, FloatArray], FloatArray]

_METRICS: Mapping[str, _Metric] = MappingProxyType(
    {
        "auroc": _auroc,
        "auprc": _auprc,
        "accuracy": _accuracy,
        "sensitivity": _sensitivity,
        "specificity": _specificity,
        "ppv": _ppv,
        "npv": _npv,
        "f1": _f1,
        "brier": _brier,
        "calibration_slope": _calibration_slope,
        "calibration_intercept": _calibration_intercept,
        "ece": _ece,
        "log_loss": _log_loss,
    }
)
_NEEDS_THRESHOLD = frozenset({"accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"})
