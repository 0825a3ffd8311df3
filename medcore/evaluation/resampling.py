"""Bootstrap intervals that resample patients, not rows.

Rows of one patient are drawn together, so repeated films or visits do not make an interval look
narrower than it is. The random generator is always an argument: the same seed gives the same
limits. Named metrics run as blocks of weights; any other function of (y, p) runs row by row on the
same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_groups,
    check_level,
    check_n_resamples,
    check_rng,
    check_scores,
    check_two_classes,
)
from medcore.evaluation.weighted import compute_calibration_noise, compute_weighted, sort_rows
from medcore.results import MetricValue

__all__ = [
    "Metric",
    "bootstrap_difference",
    "bootstrap_draws",
    "bootstrap_interval",
    "bootstrap_statistic",
    "calibration_error_limits",
    "ece_interval",
    "percentile_limits",
    "resample_weights",
]

Metric = str | Callable[[BoolArray, FloatArray], float]
"""A name out of ``METRIC_NAMES``, or a function of (y as bool, p) returning one number."""

_BLOCK_ELEMENTS = 250_000
_MIN_DEFINED = 0.9


def resample_weights(
    n: int, *, groups: IntArray | None, rng: np.random.Generator, n_resamples: int
) -> Iterator[FloatArray]:
    """Draw resamples of patients as weights, in blocks of bounded memory.

    Parameters
    ----------
    n : int
        Number of rows.
    groups : ndarray of int64, shape (n,), or None
        Patient code 0..m-1 of each row; None = each row is a patient.
    rng : numpy.random.Generator
        Source of randomness; advanced.
    n_resamples : int
        Number of resamples.

    Yields
    ------
    ndarray of float64, shape (b, n)
        How often each row occurs in each of ``b`` resamples; rows of one patient share a count.
    """
    n_units = n if groups is None else int(groups.max()) + 1
    block = max(1, _BLOCK_ELEMENTS // n)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        drawn = rng.integers(0, n_units, size=(size, n_units))
        drawn += n_units * np.arange(size)[:, np.newaxis]
        counts = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
        yield (counts if groups is None else counts[:, groups]).astype(np.float64)


def bootstrap_statistic(
    statistic: Callable[[FloatArray], FloatArray],
    n: int,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> FloatArray:
    """Draws of any statistic that can be written in row weights.

    Parameters
    ----------
    statistic : callable
        Maps weights, shape (b, n), to values, shape (b, k).
    n : int
        Number of rows.
    groups : array-like, shape (n,), optional
        Patient of each row; rows of one patient are drawn together.
    rng : numpy.random.Generator
        Source of randomness; advanced.
    n_resamples : int, default 1000
        Number of resamples, at least 2.

    Returns
    -------
    ndarray of float64, shape (n_resamples, k)
        One row per resample.

    Raises
    ------
    InputError
        Unusable groups, generator or number of resamples.
    """
    codes = check_groups(groups, n)
    blocks = resample_weights(n, groups=codes, rng=check_rng(rng), n_resamples=check_n_resamples(n_resamples))
    return np.concatenate([statistic(weights) for weights in blocks])


def bootstrap_draws(
    metric: Metric,
    y: ArrayLike,
    p: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    threshold: float | None = None,
) -> FloatArray:
    """Values of a metric on resampled patients.

    Parameters
    ----------
    metric : str or callable
        A name out of ``METRIC_NAMES`` (fast), or any function of (y, p).
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.
    groups, rng, n_resamples
        As :func:`bootstrap_statistic`.
    threshold : float, optional
        Cut-off in [0, 1] of the named threshold metrics.

    Returns
    -------
    ndarray of float64, shape (n_resamples,)
        NaN where the metric is undefined on a resample.

    Raises
    ------
    InputError
        Unusable arguments, or an unknown metric name.
    """
    labels, scores = check_two_classes(y, p)
    statistic = _as_statistic(metric, labels, scores, threshold)
    return bootstrap_statistic(statistic, labels.size, groups=groups, rng=rng, n_resamples=n_resamples)[:, 0]


def bootstrap_interval(
    metric: Metric,
    y: ArrayLike,
    p: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    threshold: float | None = None,
    level: float = 0.95,
) -> MetricValue:
    """Metric with its patient-wise percentile interval.

    Parameters
    ----------
    metric, y, p, groups, rng, n_resamples, threshold
        As :func:`bootstrap_draws`.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    MetricValue
        Value on all rows and :func:`percentile_limits` of the draws. The name ``"ece"`` is handed
        to :func:`ece_interval`, because percentile limits of that figure miss the truth.

    Raises
    ------
    InputError
        Unusable arguments, or an unknown metric name.

    References
    ----------
    Efron B, Tibshirani RJ. An Introduction to the Bootstrap, 1993, chapter 13.
    doi:10.1201/9780429246593; patients as units: Field CA, Welsh AH. J R Stat Soc B
    2007;69:369-390. doi:10.1111/j.1467-9868.2007.00593.x

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> bootstrap_interval("auroc", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], rng=rng).value
    0.75
    """
    check_level(level)
    if metric == "ece":
        return ece_interval(y, p, groups=groups, rng=rng, n_resamples=n_resamples, level=level)
    labels, scores = check_two_classes(y, p)
    statistic = _as_statistic(metric, labels, scores, threshold)
    draws = bootstrap_statistic(statistic, labels.size, groups=groups, rng=rng, n_resamples=n_resamples)
    lo, hi = percentile_limits(draws[:, 0], level=level)
    return MetricValue(value=float(statistic(np.ones((1, labels.size)))[0, 0]), lo=lo, hi=hi)


def bootstrap_difference(
    metric: Metric,
    y: ArrayLike,
    p_a: ArrayLike,
    p_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    threshold: float | None = None,
    level: float = 0.95,
) -> MetricValue:
    """Paired difference ``metric(p_a) - metric(p_b)`` with its patient-wise percentile interval.

    Parameters
    ----------
    metric, y, groups, rng, n_resamples, threshold, level
        As :func:`bootstrap_interval`.
    p_a, p_b : array-like, shape (n,)
        Probabilities of two models for the same rows in the same order.

    Returns
    -------
    MetricValue
        Difference in the metric's own unit; both models see the same resamples.

    Raises
    ------
    InputError
        Unusable arguments, unequal lengths, or an unknown metric name.
    """
    check_level(level)
    labels, first = check_two_classes(y, p_a)
    second = check_scores(y, p_b)[1]
    of_a = _as_statistic(metric, labels, first, threshold)
    of_b = _as_statistic(metric, labels, second, threshold)

    def gap(weights: FloatArray) -> FloatArray:
        return of_a(weights) - of_b(weights)

    draws = bootstrap_statistic(gap, labels.size, groups=groups, rng=rng, n_resamples=n_resamples)
    lo, hi = percentile_limits(draws[:, 0], level=level)
    return MetricValue(value=float(gap(np.ones((1, labels.size)))[0, 0]), lo=lo, hi=hi)


def ece_interval(
    y: ArrayLike,
    p: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> MetricValue:
    """Calibration error over ten equal-mass bins with :func:`calibration_error_limits`.

    Parameters and errors as :func:`bootstrap_interval`. Fraction in [0, 1]; lower is better.
    """
    rows = sort_rows(y, p)

    def statistic(weights: FloatArray) -> FloatArray:
        return np.column_stack((compute_weighted(rows, weights, ("ece",)), compute_calibration_noise(rows, weights)))

    draws = bootstrap_statistic(statistic, rows.scores.size, groups=groups, rng=rng, n_resamples=n_resamples)
    value = float(compute_weighted(rows, np.ones((1, rows.scores.size)), ("ece",))[0, 0])
    lo, hi = calibration_error_limits(value, draws[:, 0], draws[:, 1], level=level)
    return MetricValue(value=value, lo=lo, hi=hi)


def calibration_error_limits(
    value: float, draws: FloatArray, noise: FloatArray, *, level: float = 0.95
) -> tuple[float, float]:
    """Limits for a calibration error, which chance pushes up in the data and again in resamples.

    Parameters
    ----------
    value : float
        The error measured, in [0, 1].
    draws : ndarray of float64, shape (b,)
        The error on resamples.
    noise : ndarray of float64, shape (b,)
        From :func:`medcore.evaluation.weighted.compute_calibration_noise` on the same resamples.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    tuple of (float, float)
        The wider of two corrections of the percentile limits on either side: reflected about
        ``value`` (basic bootstrap), and shifted by the mean bias of the draws; kept in [0, 1] and
        stretched to contain ``value``. The lower limit is 0 when chance alone reaches ``value``
        in more than ``1 - level`` of the resamples: perfect calibration is then not excluded.

    Raises
    ------
    InputError
        ``level`` outside (0, 1).

    References
    ----------
    Davison AC, Hinkley DV. Bootstrap Methods and their Application, 1997, section 5.2.
    doi:10.1017/CBO9780511802843
    """
    lo, hi = percentile_limits(draws, level=level)
    bias = float(draws.mean()) - value
    below, above = min(2.0 * value - hi, lo - bias, value), max(2.0 * value - lo, hi - bias, value)
    not_excluded = float(np.mean(noise >= value)) > 1.0 - level
    return 0.0 if not_excluded else max(0.0, below), min(1.0, above)


def percentile_limits(draws: FloatArray, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile limits as order statistics, rounded outwards.

    Parameters
    ----------
    draws : ndarray of float64, shape (b,)
        Bootstrap values; NaN = undefined on that resample; infinities are allowed.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    tuple of (float, float)
        Limits; (NaN, NaN) when fewer than nine draws in ten are defined, because an interval over
        the lucky resamples alone would mislead.

    Raises
    ------
    InputError
        ``level`` outside (0, 1).
    """
    tail = (1.0 - check_level(level)) / 2.0
    defined = np.sort(draws[~np.isnan(draws)])
    if defined.size == 0 or defined.size < _MIN_DEFINED * draws.size:
        return math.nan, math.nan
    last = defined.size - 1
    return float(defined[math.floor(tail * last)]), float(defined[math.ceil((1.0 - tail) * last)])


def _as_statistic(
    metric: Metric, labels: BoolArray, scores: FloatArray, threshold: float | None
) -> Callable[[FloatArray], FloatArray]:
    """Express a metric as a function of row weights, shape (b, n) to (b, 1)."""
    if isinstance(metric, str):
        rows, names = sort_rows(labels, scores, threshold=threshold), (metric,)
        return lambda weights: compute_weighted(rows, weights, names)
    return lambda weights: np.array([[_on_repeated_rows(metric, labels, scores, row)] for row in weights])


def _on_repeated_rows(
    metric: Callable[[BoolArray, FloatArray], float], labels: BoolArray, scores: FloatArray, weights: FloatArray
) -> float:
    rows = np.repeat(np.arange(labels.size), weights.astype(np.int64))
    try:
        return float(metric(labels[rows], scores[rows]))
    except InputError:
        return math.nan
