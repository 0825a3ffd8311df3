"""Variances of figures whose rows may belong to the same patient.

A figure is written as its value plus a sum of small contributions, one per row (its influence). Contributions are
added up within each patient, and the variance of the figure is the sum of the squares. With one row per patient this is
the ordinary large-sample variance.
"""

from __future__ import annotations

import math

import numpy as np

from medcore.evaluation.intervals import normal_quantile, wilson_limits
from medcore.evaluation.validation import FloatArray, IntArray
from medcore.results import MetricValue

__all__ = ["Z95", "log_scale_interval", "logit_scale_interval", "patient_sums", "share_limits", "variance_of_sum"]

Z95 = normal_quantile(0.975)
"""Quantile of the normal distribution behind every 95 % interval."""

_MOST_ROWS = 1e12


def patient_sums(contributions: FloatArray, codes: IntArray | None) -> FloatArray:
    """Contributions added up per patient: shape (n,) or (n, k) becomes (m,) or (m, k); None = one row per patient."""
    if codes is None:
        return contributions
    if contributions.ndim == 1:
        return np.bincount(codes, weights=contributions).astype(np.float64)
    return np.column_stack([np.bincount(codes, weights=column) for column in contributions.T])


def variance_of_sum(contributions: FloatArray, codes: IntArray | None) -> float:
    """Variance of the sum of contributions that are centred on zero.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n,)
        Influence of each row on the figure, in the figure's unit; adds up to 0.
    codes : ndarray of int64, shape (n,), or None
        Patient 0..m-1 of each row.

    Returns
    -------
    float
        Sum of squares per patient times m / (m - 1).

    References
    ----------
    Liang KY, Zeger SL. Biometrika 1986;73:13-22. doi:10.1093/biomet/73.1.13;
    Rogers W. Stata Tech Bull 1993;13:19-23 (the factor m / (m - 1)).
    """
    sums = patient_sums(contributions, codes)
    return float(sums @ sums) * sums.size / max(1, sums.size - 1)


def share_limits(share: FloatArray, variance: FloatArray, units: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Wilson limits for shares whose variance is not the binomial one.

    Parameters
    ----------
    share, variance : ndarray of float64, shape (k,)
        Estimated fractions and their variances.
    units : ndarray of float64, shape (k,)
        Patients behind each share, used where it is exactly 0 or 1 and its estimated variance is nothing.

    Returns
    -------
    tuple of (ndarray, ndarray)
        95 % limits: Wilson's for the effective number of patients ``share * (1 - share) / variance``. NaN where there
        is nobody.

    References
    ----------
    Korn EL, Graubard BI. Surv Methodol 1998;24:193-201 (effective sample size).
    """
    binomial = share * (1.0 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.minimum(binomial / variance, _MOST_ROWS)
    inside = (share > 0.0) & (share < 1.0)
    n = np.where(units > 0.0, np.where(inside, effective, units), 0.0)
    return wilson_limits(np.where(n > 0.0, share, 0.0) * n, n)


def logit_scale_interval(value: float, variance: float) -> MetricValue:
    """95 % limits of a fraction strictly between 0 and 1, symmetric in its log-odds."""
    half = Z95 * math.sqrt(variance) / (value * (1.0 - value))
    centre = math.log(value / (1.0 - value))
    lo, hi = (0.5 * (1.0 + math.tanh(0.5 * x)) for x in (centre - half, centre + half))
    return MetricValue(value=value, lo=lo, hi=hi)


def log_scale_interval(value: float, variance: float) -> MetricValue:
    """95 % limits of a figure above 0, symmetric in its logarithm; NaN limits for 0."""
    if not value > 0.0:
        return MetricValue(value=value, lo=math.nan, hi=math.nan)
    factor = math.exp(min(700.0, Z95 * math.sqrt(variance) / value))
    return MetricValue(value=value, lo=value / factor, hi=value * factor)
