"""Closed-form intervals shared by the metrics, and the few special functions they need.

A proportion gets the Wilson score interval, never the Wald one, because counts in clinical
subgroups are small and rates lie near 0 or 1. All functions are two-sided and vectorised.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.validation import FloatArray, check_level
from medcore.results import MetricValue

__all__ = ["expit", "logit", "normal_quantile", "normal_two_sided_p", "wilson_interval", "wilson_limits"]

_EPS = float(np.finfo(np.float64).eps)


def wilson_interval(count: int, n: int, *, level: float = 0.95) -> MetricValue:
    """Proportion ``count / n`` with its Wilson score interval.

    Parameters
    ----------
    count : int
        Number of successes, 0 <= count <= n.
    n : int
        Number of independent trials. With ``n == 0`` all three figures are NaN.
    level : float, default 0.95
        Confidence level, a fraction in (0, 1).

    Returns
    -------
    MetricValue
        Proportion and limits, fractions in [0, 1].

    Raises
    ------
    InputError
        ``count`` outside 0..n, or ``level`` outside (0, 1).

    Notes
    -----
    Rows of the same patient are not independent trials; use the patient bootstrap for those.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> wilson_interval(20, 20).lo  # 20 of 20 found still allows a miss in six
    0.8388...
    """
    if not 0 <= count <= n:
        raise InputError(f"count is {count}, expected a whole number in 0..{n}", field="count", value=count)
    lo, hi = wilson_limits(np.array([float(count)]), np.array([float(n)]), level=level)
    value = count / n if n else math.nan
    return MetricValue(value=value, lo=float(lo[0]), hi=float(hi[0]))


def wilson_limits(counts: FloatArray, totals: FloatArray, *, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Wilson limits of many proportions at once.

    Parameters
    ----------
    counts, totals : ndarray of float64, shape (k,)
        Successes and trials. Not checked; a total of 0 gives NaN.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    tuple of (ndarray, ndarray)
        Lower and upper limits in [0, 1], shape (k,).
    """
    z2 = normal_quantile(0.5 + check_level(level) / 2.0) ** 2
    n = np.where(totals > 0, totals, np.nan)
    share = counts / n
    centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n)
    half = np.sqrt(z2 * (share * (1.0 - share) / n + z2 / (4.0 * n * n))) / (1.0 + z2 / n)
    lo = np.where(counts <= 0, np.where(totals > 0, 0.0, np.nan), centre - half)
    hi = np.where(counts >= totals, np.where(totals > 0, 1.0, np.nan), centre + half)
    return lo, hi


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution; ``probability`` in (0, 1)."""
    return NormalDist().inv_cdf(probability)


def normal_two_sided_p(z: float) -> float:
    """Probability that a standard normal lies at least as far from zero as ``z``."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def expit(x: FloatArray) -> FloatArray:
    """Logistic function 1 / (1 + exp(-x)), free of overflow; log-odds in, probability out."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def logit(p: ArrayLike) -> FloatArray:
    """Log-odds of probabilities, which are first kept 2.2e-16 away from 0 and 1 (log-odds +-36)."""
    inside = np.clip(np.asarray(p, dtype=np.float64), _EPS, 1.0 - _EPS)
    return np.log(inside) - np.log1p(-inside)
