"""Whether ten in a hundred patients with a risk of 10 % have the outcome.

Brier score and its decomposition, log loss, recalibration slope and intercept, expected calibration
error and the binned curve. Figures read the probabilities themselves: scores, ranks or percentages
are not accepted. A slope computed on rows the calibrator was fitted to is 1 by construction and
says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.intervals import expit, logit, normal_quantile, wilson_limits
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_level,
    check_n_bins,
    check_scores,
    check_two_classes,
)
from medcore.results import MetricValue

__all__ = [
    "BrierDecomposition",
    "CalibrationBin",
    "CalibrationFit",
    "brier",
    "brier_decomposition",
    "brier_skill",
    "calibration_by_decile",
    "calibration_curve",
    "calibration_fit",
    "calibration_intercept",
    "calibration_slope",
    "equal_mass_bins",
    "expected_calibration_error",
    "fit_logistic",
    "is_separated",
    "log_loss",
    "row_log_loss",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrierDecomposition:
    """Parts of the Brier score: ``brier == reliability - resolution + uncertainty + within_bin``.

    Attributes
    ----------
    brier : float
        Mean squared error of the probabilities, in [0, 1]; lower is better.
    reliability : float
        Mean squared gap between a bin's mean risk and its outcome rate; lower is better.
    resolution : float
        Mean squared gap between a bin's outcome rate and the overall rate; higher is better.
    uncertainty : float
        ``rate * (1 - rate)``: a property of the patients, not of the model.
    within_bin : float
        Variance minus twice the covariance inside bins; 0 when each distinct p is its own bin.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """One group of patients with similar risk.

    Attributes
    ----------
    index : int
        Position from 1 (lowest risk).
    n, n_events : int
        Patients and outcomes in the bin.
    p_lo, p_hi, mean_p : float
        Smallest, largest and mean predicted probability, fractions.
    observed, lo, hi : float
        Observed outcome rate with its Wilson limits, fractions.
    """

    index: int
    n: int
    n_events: int
    p_lo: float
    p_hi: float
    mean_p: float
    observed: float
    lo: float
    hi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFit:
    """Logistic recalibration with Wald intervals.

    Attributes
    ----------
    slope : MetricValue
        Coefficient of logit(p); 1 is ideal, below 1 = risks too extreme, above 1 = too timid.
    intercept : MetricValue
        Calibration in the large, log-odds, slope held at 1; 0 is ideal, below 0 = risks too high.
    """

    slope: MetricValue
    intercept: MetricValue


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared error of the probabilities.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone is accepted.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.

    Returns
    -------
    float
        In [0, 1]; lower is better. Always saying the outcome rate r scores r * (1 - r).

    Raises
    ------
    InputError
        Unusable arrays.

    References
    ----------
    Brier GW. Mon Weather Rev 1950;78:1-3.
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2

    Examples
    --------
    >>> brier([0, 1], [0.25, 0.75])
    0.0625
    """
    labels, scores = check_scores(y, p)
    return float(np.mean((scores - labels) ** 2))


def brier_skill(y: ArrayLike, p: ArrayLike) -> float:
    """Share of the Brier score of "always say the outcome rate" that the model removes.

    Parameters and errors as :func:`brier`, but both outcomes must occur. Returns a value of at most
    1; 0 = no better than the outcome rate, negative = worse.
    """
    labels, scores = check_two_classes(y, p)
    rate = float(labels.mean())
    return 1.0 - brier(labels, scores) / (rate * (1.0 - rate))


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean negative log-likelihood of the outcomes, in nats.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone is accepted.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely. Values are kept 2.2e-16 away from 0 and 1, so
        a certain and wrong prediction costs 36 nats, not infinity.

    Returns
    -------
    float
        Not negative; lower is better.

    Raises
    ------
    InputError
        Unusable arrays.

    References
    ----------
    Good IJ. J R Stat Soc B 1952;14:107-114. doi:10.1111/j.2517-6161.1952.tb00104.x
    """
    labels, scores = check_scores(y, p)
    return float(np.mean(row_log_loss(labels, scores)))


def brier_decomposition(y: ArrayLike, p: ArrayLike, *, n_bins: int | None = None) -> BrierDecomposition:
    """Split the Brier score into reliability, resolution and uncertainty.

    Parameters
    ----------
    y, p
        As :func:`brier`.
    n_bins : int, optional
        Number of equal-mass bins. By default each distinct probability is a bin of its own, which
        is Murphy's exact three-part form but overstates both parts for continuous p.

    Returns
    -------
    BrierDecomposition
        Parts that add up to the Brier score to rounding.

    Raises
    ------
    InputError
        Unusable arrays, or ``n_bins`` below 1.

    References
    ----------
    Murphy AH. J Appl Meteorol 1973;12:595-600.
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2;
    within-bin terms: Stephenson DB et al. Weather Forecast 2008;23:752-757.
    doi:10.1175/2007WAF2006116.1
    """
    labels, scores = check_scores(y, p)
    bins = np.unique(scores, return_inverse=True)[1] if n_bins is None else equal_mass_bins(scores, n_bins=n_bins)
    size = np.bincount(bins).astype(np.float64)
    kept = np.maximum(size, 1.0)
    mean_p = np.bincount(bins, weights=scores) / kept
    observed = np.bincount(bins, weights=labels) / kept
    rate, share = float(labels.mean()), size / scores.size
    inside = scores - mean_p[bins]
    return BrierDecomposition(
        brier=float(np.mean((scores - labels) ** 2)),
        reliability=float(share @ (mean_p - observed) ** 2),
        resolution=float(share @ (observed - rate) ** 2),
        uncertainty=rate * (1.0 - rate),
        within_bin=float(np.mean(inside**2) - 2.0 * np.mean(inside * (labels - observed[bins]))),
    )


def calibration_fit(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> CalibrationFit:
    """Calibration slope and calibration-in-the-large by logistic regression.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1], at least two distinct values; log-odds are limited to +-36.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    CalibrationFit
        Slope from ``logit(P(y=1)) = a + b * logit(p)``; intercept from
        ``logit(P(y=1)) = a + logit(p)``; each with its Wald interval.

    Raises
    ------
    InputError
        Unusable arrays, one class only, all probabilities equal, or p separates the classes
        perfectly so that the slope is infinite.

    References
    ----------
    Cox DR. Biometrika 1958;45:562-565. doi:10.1093/biomet/45.3-4.562;
    Van Calster B et al. J Clin Epidemiol 2016;74:167-176. doi:10.1016/j.jclinepi.2015.12.005
    """
    return CalibrationFit(
        slope=calibration_slope(y, p, level=level), intercept=calibration_intercept(y, p, level=level)
    )


def calibration_slope(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> MetricValue:
    """Slope of the outcome's log-odds on logit(p); arguments and errors as :func:`calibration_fit`."""
    labels, scores = check_two_classes(y, p)
    x = logit(scores)
    if is_separated(labels, x):
        raise InputError(
            "p separates the outcomes perfectly (or is constant), so the calibration slope has no finite value",
            field="p",
            expected="overlapping probabilities of cases and non-cases",
        )
    spread = float(x.std())
    design = np.column_stack((np.ones_like(x), (x - x.mean()) / spread))
    beta, covariance = fit_logistic(design, labels, offset=np.zeros_like(x))
    return _wald(float(beta[1]) / spread, float(covariance[1, 1]) / spread**2, level)


def calibration_intercept(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> MetricValue:
    """Calibration in the large: log-odds to add to every logit(p) so that the mean risk is right.

    Parameters and level as :func:`calibration_fit`; constant or perfectly separating
    probabilities are accepted. 0 is ideal; below 0 = risks too high on average.
    """
    labels, scores = check_two_classes(y, p)
    x = logit(scores)
    beta, covariance = fit_logistic(np.ones((x.size, 1)), labels, offset=x)
    return _wald(float(beta[0]), float(covariance[0, 0]), level)


def equal_mass_bins(p: ArrayLike, *, n_bins: int = 10) -> IntArray:
    """Assign each probability to one of ``n_bins`` groups of about equal size.

    Parameters
    ----------
    p : array-like, shape (n,)
        Probabilities in [0, 1].
    n_bins : int, default 10
        Number of groups, at least 1.

    Returns
    -------
    ndarray of int64, shape (n,)
        Bin 0..n_bins-1, by mid-rank: ``floor(n_bins * (midrank - 0.5) / n)``. Equal values share a
        bin whatever their order, so with many ties some bins stay empty.

    Raises
    ------
    InputError
        Unusable array, or ``n_bins`` below 1.
    """
    _, scores = check_scores(np.zeros(np.shape(p)), p)
    _, code, size = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - size / 2.0
    return np.floor(check_n_bins(n_bins) * middle / scores.size).astype(np.int64)[code]


def expected_calibration_error(y: ArrayLike, p: ArrayLike, *, n_bins: int = 10) -> float:
    """Mean absolute gap between mean risk and outcome rate over equal-mass bins.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone is accepted.
    p : array-like, shape (n,)
        Probability in [0, 1].
    n_bins : int, default 10
        Number of equal-mass bins (:func:`equal_mass_bins`).

    Returns
    -------
    float
        In [0, 1]; lower is better. Chance alone keeps it above 0: a perfectly calibrated model
        scores about ``0.8 * sqrt(n_bins * r * (1 - r) / n)`` at an outcome rate near r.

    Raises
    ------
    InputError
        Unusable arrays, or ``n_bins`` below 1.

    References
    ----------
    Naeini MP et al. AAAI 2015:2901-2907. doi:10.1609/aaai.v29i1.9602; equal-mass bins:
    Nixon J et al. CVPR Workshops 2019. arXiv:1904.01685
    """
    labels, scores = check_scores(y, p)
    gap = np.bincount(equal_mass_bins(scores, n_bins=n_bins), weights=scores - labels)
    return float(np.abs(gap).sum() / scores.size)


def calibration_curve(
    y: ArrayLike,
    p: ArrayLike,
    *,
    n_bins: int = 10,
    strategy: Literal["equal_mass", "equal_width"] = "equal_mass",
    level: float = 0.95,
) -> tuple[CalibrationBin, ...]:
    """Observed outcome rate against mean risk in bins, with a Wilson band.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone is accepted.
    p : array-like, shape (n,)
        Probability in [0, 1].
    n_bins : int, default 10
        Number of bins, at least 1.
    strategy : {"equal_mass", "equal_width"}, default "equal_mass"
        Bins of about equal size, or of equal width on the probability axis.
    level : float, default 0.95
        Confidence level of the band, in (0, 1).

    Returns
    -------
    tuple of CalibrationBin
        Non-empty bins in order of increasing risk.

    Raises
    ------
    InputError
        Unusable arrays, unknown strategy, ``n_bins`` below 1 or ``level`` outside (0, 1).

    References
    ----------
    Van Calster B et al. BMC Med 2019;17:230. doi:10.1186/s12916-019-1466-7
    """
    labels, scores = check_scores(y, p)
    bins = _assign_bins(scores, check_n_bins(n_bins), strategy)
    size = np.bincount(bins).astype(np.float64)
    events = np.bincount(bins, weights=labels).astype(np.float64)
    lo, hi = wilson_limits(events, size, level=level)
    return tuple(
        _bin(index, labels[bins == b], scores[bins == b], float(lo[b]), float(hi[b]))
        for index, b in enumerate(np.flatnonzero(size), start=1)
    )


def calibration_by_decile(y: ArrayLike, p: ArrayLike, *, level: float = 0.95) -> tuple[CalibrationBin, ...]:
    """Tenths of the patients by predicted risk, as shown on the model card.

    :func:`calibration_curve` with ten equal-mass bins; arguments and errors as there.
    """
    return calibration_curve(y, p, n_bins=10, strategy="equal_mass", level=level)


def is_separated(labels: BoolArray, x: FloatArray) -> bool:
    """Whether one cut on ``x`` splits the two classes (ties at the cut allowed): no finite slope."""
    cases, others = x[labels], x[~labels]
    return bool(others.max() <= cases.min() or cases.max() <= others.min())


def row_log_loss(labels: BoolArray, scores: FloatArray) -> FloatArray:
    """Negative log-likelihood of each row, nats; arrays already checked, shape (n,)."""
    x = logit(scores)
    return np.logaddexp(0.0, np.where(labels, -x, x))


def fit_logistic(design: FloatArray, labels: BoolArray, *, offset: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximum-likelihood logistic regression by Newton's method with step halving.

    Parameters
    ----------
    design : ndarray of float64, shape (n, k)
        Full-rank design matrix.
    labels : ndarray of bool, shape (n,)
        Outcomes, not separable by the design.
    offset : ndarray of float64, shape (n,)
        Fixed part of the log-odds.

    Returns
    -------
    tuple of (ndarray, ndarray)
        Coefficients, shape (k,), and their covariance, shape (k, k).

    Raises
    ------
    InputError
        No finite maximum was reached.
    """
    beta = np.zeros(design.shape[1])
    for _ in range(_MAX_NEWTON_STEPS):
        gradient, hessian = _derivatives(design, labels, offset, beta)
        step = _solve(hessian, gradient)
        beta = _halve_until_better(design, labels, offset, beta, step)
        if float(np.max(np.abs(step))) < _STEP_TOLERANCE:
            hessian = _derivatives(design, labels, offset, beta)[1]
            return beta, np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    raise _no_maximum()


_MAX_NEWTON_STEPS = 100
_STEP_TOLERANCE = 1e-9
_MAX_HALVINGS = 60
_ROUNDING = 1e-12


def _derivatives(
    design: FloatArray, labels: BoolArray, offset: FloatArray, beta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    mean = expit(design @ beta + offset)
    gradient: FloatArray = design.T @ (labels - mean)
    hessian: FloatArray = (design * (mean * (1.0 - mean))[:, np.newaxis]).T @ design
    return gradient, hessian


def _solve(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.solve(hessian, gradient), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise _no_maximum() from error


def _halve_until_better(
    design: FloatArray, labels: BoolArray, offset: FloatArray, beta: FloatArray, step: FloatArray
) -> FloatArray:
    """Newton step, halved until the deviance no longer rises: the likelihood is concave."""
    start = _deviance(design, labels, offset, beta)
    limit = start + _ROUNDING * (1.0 + start)
    for _ in range(_MAX_HALVINGS):
        if _deviance(design, labels, offset, beta + step) <= limit:
            return beta + step
        step = step / 2.0
    return beta


def _deviance(design: FloatArray, labels: BoolArray, offset: FloatArray, beta: FloatArray) -> float:
    eta = design @ beta + offset
    return float(np.logaddexp(0.0, np.where(labels, -eta, eta)).sum())


def _no_maximum() -> InputError:
    return InputError("the recalibration regression has no finite solution for these probabilities", field="p")


def _wald(value: float, variance: float, level: float) -> MetricValue:
    half = normal_quantile(0.5 + check_level(level) / 2.0) * math.sqrt(variance)
    return MetricValue(value=value, lo=value - half, hi=value + half)


def _assign_bins(scores: FloatArray, n_bins: int, strategy: str) -> IntArray:
    if strategy == "equal_mass":
        return equal_mass_bins(scores, n_bins=n_bins)
    if strategy == "equal_width":
        return np.minimum(np.floor(scores * n_bins), n_bins - 1).astype(np.int64)
    raise InputError(
        f"strategy is {strategy!r}, expected 'equal_mass' or 'equal_width'",
        field="strategy",
        value=strategy,
        expected="'equal_mass' or 'equal_width'",
    )


def _bin(index: int, labels: BoolArray, scores: FloatArray, lo: float, hi: float) -> CalibrationBin:
    return CalibrationBin(
        index=index,
        n=labels.size,
        n_events=int(labels.sum()),
        p_lo=float(scores.min()),
        p_hi=float(scores.max()),
        mean_p=float(np.clip(scores.mean(), scores.min(), scores.max())),
        observed=float(labels.mean()),
        lo=lo,
        hi=hi,
    )
