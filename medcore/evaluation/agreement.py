"""How readers and a model agree: shares, Cohen's kappa, quantiles of times, each with a 95 % interval. Pure arithmetic.

Intervals take the readings as independent. Readings by one person are not, so true intervals are somewhat wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from medcore.errors import InputError
from medcore.evaluation.validation import FloatArray
from medcore.results import MetricValue

__all__ = ["cohen_kappa", "quantile_interval"]

_DRAWS = 20_000
_SEED = 20_260_301
_JEFFREYS = 0.5


def cohen_kappa(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> MetricValue:
    """Agreement of two yes/no judgements of the same cases beyond chance.

    Parameters
    ----------
    first, second : array-like of bool, shape (n,)
        What each said of every case.
    level : float, default 0.95
        Level of the interval, a fraction in (0, 1).

    Returns
    -------
    MetricValue
        1 = always the same, 0 = as often as by chance, below 0 = less often. All three are NaN where it is not
        defined: no case, or both always say the same one word.

    Raises
    ------
    InputError
        The two have different lengths, or hold something else than yes and no.

    Notes
    -----
    The interval is the equal-tailed one of the four cells' Dirichlet posterior under Jeffreys' prior (half a
    case in each cell), from 20,000 draws with a fixed seed. Unlike the large-sample interval it stays sensible
    with ten cases and with perfect agreement; it is widened to hold the estimate.

    References
    ----------
    Cohen J. Educ Psychol Meas 1960;20:37-46. doi:10.1177/001316446002000104

    Examples
    --------
    >>> cohen_kappa([1, 1, 0, 0, 1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 1, 0, 1, 0, 1, 0]).value
    0.583...
    """
    a, b = _check_calls(first, "first"), _check_calls(second, "second")
    if a.shape != b.shape:
        raise InputError(f"{a.size} judgements against {b.size}: both must be about the same cases", field="second")
    cells = np.array([np.sum(a & b), np.sum(a & ~b), np.sum(~a & b), np.sum(~a & ~b)], dtype=np.float64)
    value = float(_kappa(cells[np.newaxis])[0]) if a.size else math.nan
    if math.isnan(value):
        return MetricValue(value=math.nan, lo=math.nan, hi=math.nan)
    draws = _kappa(np.random.default_rng(_SEED).dirichlet(cells + _JEFFREYS, _DRAWS))
    lo, hi = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return MetricValue(value=value, lo=min(float(lo), value), hi=max(float(hi), value))


def quantile_interval(values: Sequence[float], q: float, *, level: float = 0.95) -> MetricValue:
    """Quantile of a sample with the interval between two of its ordered values, whatever the distribution.

    Parameters
    ----------
    values : sequence of float
        At least one, finite.
    q : float
        0 to 1 exclusive; .5 is the median.
    level : float, default 0.95
        Least level of the interval, a fraction in (0, 1).

    Returns
    -------
    MetricValue
        ``lo`` is -inf and ``hi`` inf where the sample is too small to bound the quantile on that side.

    Raises
    ------
    InputError
        No value, one that is not finite, or ``q`` outside 0..1.

    References
    ----------
    Conover WJ. Practical Nonparametric Statistics, 3rd ed. Wiley 1999, section 3.2.

    Examples
    --------
    >>> quantile_interval([3, 1, 2, 5, 4, 6, 9, 7, 8, 10], 0.5)
    MetricValue(value=5.5, lo=2.0, hi=9.0)
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not ordered.size or not np.isfinite(ordered).all():
        raise InputError("a quantile needs values, all of them finite", field="values")
    if not 0.0 < q < 1.0:
        raise InputError(f"q is {q}, expected a fraction between 0 and 1", field="q", value=q)
    n, tail = ordered.size, (1 - level) / 2
    below = int(stats.binom.ppf(tail, n, q))  # the largest rank r with P(X < r) <= tail
    above = int(stats.binom.ppf(1 - tail, n, q)) + 1
    return MetricValue(
        value=float(np.quantile(ordered, q)),
        lo=float(ordered[below - 1]) if below >= 1 else -math.inf,
        hi=float(ordered[above - 1]) if above <= n else math.inf,
    )


def _check_calls(calls: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(calls)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must hold yes and no (1 and 0) only", field=name)
    return array.astype(bool)


def _kappa(cells: FloatArray) -> FloatArray:
    """Kappa of tables of shape (k, 4): both yes, first only, second only, both no."""
    shares = cells / cells.sum(axis=1, keepdims=True)
    both, first, second, neither = shares.T
    observed = both + neither
    chance = (both + first) * (both + second) + (second + neither) * (first + neither)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1.0, (observed - chance) / (1.0 - chance), np.nan)
