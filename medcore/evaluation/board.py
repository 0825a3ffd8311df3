"""The figures that summarise one model, with 95 % limits in closed form.

As :func:`medcore.evaluation.scoreboard.evaluate` without a cut-off and without resampling, for pages where a reader
waits: the same values, limits from each patient's influence on the figure. At another prevalence than the study's the
mean figures are weighted to it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.calibration import equal_mass_bins, fit_logistic, is_separated, row_log_loss
from medcore.evaluation.clusters import (
    Z95,
    log_scale_interval,
    logit_scale_interval,
    patient_sums,
    variance_of_sum,
)
from medcore.evaluation.discrimination import auroc, auroc_interval
from medcore.evaluation.intervals import expit, logit, wilson_interval
from medcore.evaluation.prevalence import class_weights, shift_odds
from medcore.evaluation.resampling import calibration_error_limits
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_fraction,
    check_groups,
    check_rng,
    check_two_classes,
)
from medcore.results import MetricValue

__all__ = ["BOARD_NAMES", "auprc_interval", "board", "mean_influence"]

BOARD_NAMES = ("auroc", "auprc", "brier", "log_loss", "ece", "calibration_slope", "calibration_intercept")
"""Names of the figures, in the order of the table."""

_N_DRAWS = 2000
_SEED = 20060131


def board(
    y: ArrayLike,
    p: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    prevalence: float | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, MetricValue]:
    """Seven figures of one model with 95 % limits, in milliseconds.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Calibrated probability in [0, 1]; higher = more likely.
    groups : array-like, shape (n,), optional
        Patient of each row; limits are then patient-wise.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1), taken as known; by default the rate in ``y``. Risks are restated for
        it. AUROC, slope and intercept are the study's: an odds shift does not change them.
    rng : numpy.random.Generator, optional
        For the limits of the calibration error only; by default one with a fixed seed.

    Returns
    -------
    dict of str to MetricValue
        Keys ``BOARD_NAMES``. NaN limits where they cannot be given; the slope is infinite (NaN) where risks separate
        the outcomes (are all equal).

    Raises
    ------
    InputError
        Unusable arrays, one class only, or a prevalence outside (0, 1).

    Notes
    -----
    auroc: DeLong on the log-odds scale. auprc: :func:`auprc_interval`. brier, log_loss: normal limits of the patients'
    contributions on the log scale. ece: the gaps of the ten bins are redrawn 2,000 times from their normal
    distribution, then :func:`medcore.evaluation.resampling.calibration_error_limits`. Slope and intercept: Wald,
    with the patient-wise sandwich variance when ``groups`` is given.

    Examples
    --------
    >>> round(board([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.9])["brier"].value, 3)
    0.125
    """
    labels, scores = check_two_classes(y, p)
    codes = check_groups(groups, labels.size)
    local = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    restated = scores if local is None else shift_odds(scores, float(labels.mean()), local)
    return {
        "auroc": _auroc(labels, scores, codes),
        "auprc": auprc_interval(labels, scores, groups=codes, prevalence=local),
        "brier": _mean(labels, (restated - labels) ** 2, local, codes),
        "log_loss": _mean(labels, row_log_loss(labels, restated), local, codes),
        "ece": _calibration_error(labels, scores, restated, local, codes, rng),
        "calibration_slope": _slope(labels, scores, codes),
        "calibration_intercept": _intercept(labels, scores, codes),
    }


def auprc_interval(
    y: ArrayLike, p: ArrayLike, *, groups: ArrayLike | None = None, prevalence: float | None = None
) -> MetricValue:
    """Average precision with limits from each patient's influence on it, on the log-odds scale.

    Parameters
    ----------
    y, p, groups, prevalence
        As :func:`board`.

    Returns
    -------
    MetricValue
        With ``prevalence`` every precision is the one at that rate. An average precision of exactly 1
        has no variance to estimate; its limits are Wilson's for the smaller class.

    Raises
    ------
    InputError
        As :func:`board`.

    Notes
    -----
    Precision at a case's score s is ``r S1 / (r S1 + (1 - r) S0)``, with S1 and S0 the shares of cases and others at
    or above s and r the outcome rate. A row moves the average through S1 or S0 at all scores at or below its own,
    through its own precision if it is a case, and through r unless that is given.

    References
    ----------
    Log-odds scale: Boyd K et al. ECML PKDD 2013:451-466. doi:10.1007/978-3-642-40994-3_29; influence: Hampel FR. J
    Am Stat Assoc 1974;69:383-393. doi:10.1080/01621459.1974.10482962
    """
    labels, scores = check_two_classes(y, p)
    codes = check_groups(groups, labels.size)
    local = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    value, influence = _auprc_influence(labels, scores, local)
    variance = variance_of_sum(influence, codes)
    if not 0.0 < value < 1.0 or variance <= 0.0:
        fewest = min(int(labels.sum()), int((~labels).sum()))
        limits = wilson_interval(round(value * fewest), fewest)
        return MetricValue(value=value, lo=min(value, limits.lo), hi=max(value, limits.hi))
    return logit_scale_interval(value, variance)


def mean_influence(labels: BoolArray, rows: FloatArray, local: float | None) -> tuple[float, FloatArray]:
    """Mean of a figure of each row at a prevalence, and each row's influence on it.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        Outcomes; both occur.
    rows : ndarray of float64, shape (n,)
        The figure of each row, such as its squared error.
    local : float or None
        Outcome rate to stand for, known; None = the rate among the rows.

    Returns
    -------
    tuple of (float, ndarray of shape (n,))
        The influence adds up to 0. With a given rate cases and others are centred apart, because their numbers are
        no longer random.
    """
    weights = class_weights(labels, local) / labels.size
    value = float(weights @ rows)
    if local is None:
        return value, weights * (rows - value)
    middle = np.where(labels, rows[labels].mean(), rows[~labels].mean())
    return value, weights * (rows - middle)


def _auroc(labels: BoolArray, scores: FloatArray, codes: IntArray | None) -> MetricValue:
    if min(int(labels.sum()), int((~labels).sum())) > 1:
        return auroc_interval(labels, scores, groups=codes)
    return MetricValue(value=auroc(labels, scores), lo=math.nan, hi=math.nan)


def _mean(labels: BoolArray, rows: FloatArray, local: float | None, codes: IntArray | None) -> MetricValue:
    value, influence = mean_influence(labels, rows, local)
    return log_scale_interval(value, variance_of_sum(influence, codes))


def _auprc_influence(labels: BoolArray, scores: FloatArray, local: float | None) -> tuple[float, FloatArray]:
    cases, others = np.sort(scores[labels]), np.sort(scores[~labels])
    rate = float(labels.mean()) if local is None else local
    case_share = 1.0 - np.searchsorted(cases, cases, side="left") / cases.size
    other_share = 1.0 - np.searchsorted(others, cases, side="left") / others.size
    hits, alarms = rate * case_share, (1.0 - rate) * other_share
    called = hits + alarms
    precision = hits / called
    value = float(precision.mean())
    by_case, by_other = rate * alarms / called**2, -(1.0 - rate) * hits / called**2
    influence = np.empty(labels.size)
    own = precision[np.searchsorted(cases, scores[labels], side="left")] - value
    through = _sum_up_to(cases, by_case, scores[labels]) - float(by_case @ case_share) / cases.size
    influence[labels] = (own + through) / cases.size
    through = _sum_up_to(cases, by_other, scores[~labels]) - float(by_other @ other_share) / cases.size
    influence[~labels] = through / others.size
    if local is None:
        by_rate = float(np.mean(case_share * other_share / called**2))
        influence += by_rate * (labels - rate) / labels.size
    return value, influence


def _sum_up_to(cases: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """Mean over cases of ``values`` where the case's score is at most ``at``."""
    sums = np.append(0.0, np.cumsum(values)) / cases.size
    return np.asarray(sums[np.searchsorted(cases, at, side="right")], dtype=np.float64)


def _calibration_error(
    labels: BoolArray,
    scores: FloatArray,
    restated: FloatArray,
    local: float | None,
    codes: IntArray | None,
    rng: np.random.Generator | None,
) -> MetricValue:
    """Ten bins of equal numbers of rows; their gaps are nearly normal and nearly independent."""
    source = np.random.default_rng(_SEED) if rng is None else check_rng(rng)
    place = np.unique(equal_mass_bins(scores), return_inverse=True)[1]
    n_bins = int(place.max()) + 1
    weights = class_weights(labels, local) / labels.size
    gap = np.bincount(place, weights=weights * (restated - labels))
    value = float(np.abs(gap).sum())
    mean = gap / np.bincount(place, weights=weights)
    apart = np.zeros((labels.size, n_bins))
    apart[np.arange(labels.size), place] = weights * (restated - labels - mean[place])
    sums = patient_sums(apart, codes)
    covariance = sums.T @ sums
    noise = source.multivariate_normal(np.zeros(n_bins), covariance, size=_N_DRAWS, method="eigh")
    draws = np.abs(gap + noise).sum(axis=1)
    lo, hi = calibration_error_limits(value, draws, np.abs(noise).sum(axis=1))
    return MetricValue(value=value, lo=lo, hi=hi)


def _slope(labels: BoolArray, scores: FloatArray, codes: IntArray | None) -> MetricValue:
    x = logit(scores)
    if is_separated(labels, x):
        return MetricValue(value=_separated_slope(labels, x), lo=math.nan, hi=math.nan)
    spread = float(x.std())
    design = np.column_stack((np.ones_like(x), (x - x.mean()) / spread))
    beta, variance = _fit(design, labels, np.zeros_like(x), codes)
    return _wald(float(beta[1]) / spread, float(variance[1, 1]) / spread**2)


def _separated_slope(labels: BoolArray, x: FloatArray) -> float:
    if x.min() == x.max():
        return math.nan
    return math.inf if x[labels].mean() > x[~labels].mean() else -math.inf


def _intercept(labels: BoolArray, scores: FloatArray, codes: IntArray | None) -> MetricValue:
    x = logit(scores)
    beta, variance = _fit(np.ones((x.size, 1)), labels, x, codes)
    return _wald(float(beta[0]), float(variance[0, 0]))


def _fit(
    design: FloatArray, labels: BoolArray, offset: FloatArray, codes: IntArray | None
) -> tuple[FloatArray, FloatArray]:
    beta, covariance = fit_logistic(design, labels, offset=offset)
    if codes is None:
        return beta, covariance
    residual = labels - expit(design @ beta + offset)
    sums = patient_sums(design * residual[:, np.newaxis], codes)
    meat = sums.T @ sums * (sums.shape[0] / max(1, sums.shape[0] - 1))
    return beta, covariance @ meat @ covariance


def _wald(value: float, variance: float) -> MetricValue:
    half = Z95 * math.sqrt(variance)
    return MetricValue(value=value, lo=value - half, hi=value + half)
