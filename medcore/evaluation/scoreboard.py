"""One table per model: the thirteen agreed figures, each with a 95 % interval.

``evaluate`` is what cards, pages, the command line and release checks call, so that a name always
means the same computation. Each figure carries the interval that kept its promise best in our
simulations (``docs/methods.md``); those that need resampling share one set of patient resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.calibration import calibration_intercept, calibration_slope, is_separated
from medcore.evaluation.discrimination import auroc_interval
from medcore.evaluation.intervals import logit, wilson_interval
from medcore.evaluation.resampling import bootstrap_statistic, calibration_error_limits, percentile_limits
from medcore.evaluation.thresholds import operating_point
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_groups,
    check_threshold,
    check_two_classes,
)
from medcore.evaluation.weighted import METRIC_NAMES, compute_calibration_noise, compute_weighted, sort_rows
from medcore.results import MetricValue

__all__ = ["METRIC_NAMES", "evaluate"]

_PROPORTIONS = frozenset({"accuracy", "sensitivity", "specificity", "ppv", "npv"})
_RECALIBRATION = frozenset({"calibration_intercept", "calibration_slope"})
_LEVEL = 0.95
_MIN_PER_CLASS = 2


def evaluate(
    y: ArrayLike,
    p: ArrayLike,
    *,
    threshold: float,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> dict[str, MetricValue]:
    """All agreed metrics of one model on labelled patients, with 95 % intervals.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Calibrated probability in [0, 1]; higher = more likely. Rows the model or its calibrator
        was fitted to make every figure too good.
    threshold : float
        Cut-off in [0, 1]; a row is positive when ``p >= threshold``.
    groups : array-like, shape (n,), optional
        Patient of each row, when a patient may have several.
    rng : numpy.random.Generator
        Source of randomness; advanced. The same seed gives the same limits.
    n_resamples : int, default 1000
        Bootstrap resamples, at least 2.

    Returns
    -------
    dict of str to MetricValue
        Keys are ``METRIC_NAMES`` in that order. Higher is better, except brier, ece and log_loss
        (lower) and calibration_slope (1 is ideal) and calibration_intercept (0 is ideal, log-odds).
        A predictive value nobody qualifies for is NaN; the slope of perfectly separated classes is
        infinite; limits that cannot be given are NaN.

    Raises
    ------
    InputError
        Unusable arguments, or one class only.

    Notes
    -----
    Intervals: auroc DeLong on the log-odds scale, clustered when ``groups`` is given; auprc, f1,
    brier, log_loss percentile bootstrap of patients; ece :func:`calibration_error_limits`. The five
    proportions and the calibration slope and intercept have Wilson and Wald intervals for
    independent rows and the bootstrap with ``groups``. Where every resample gives exactly 0 or 1
    the limits are Wilson's for the patients concerned. Sources are with each function.

    Examples
    --------
    >>> board = evaluate([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.9], threshold=0.5, rng=np.random.default_rng(1))
    >>> board["sensitivity"].value, round(board["sensitivity"].lo, 2)
    (1.0, 0.34)
    """
    labels, scores = check_two_classes(y, p)
    cut, codes = check_threshold(threshold), check_groups(groups, labels.size)
    rows = sort_rows(labels, scores, threshold=cut)

    def statistic(weights: FloatArray) -> FloatArray:
        noise = compute_calibration_noise(rows, weights)
        return np.column_stack((compute_weighted(rows, weights, sampled), noise))

    sampled = _sampled_names(grouped=codes is not None)
    values = compute_weighted(rows, np.ones((1, labels.size)))[0]
    draws = bootstrap_statistic(statistic, labels.size, groups=codes, rng=rng, n_resamples=n_resamples)
    limits = _closed_form(labels, scores, cut, codes)
    limits |= _bootstrapped(dict(zip(METRIC_NAMES, values, strict=True)), sampled, draws, labels, scores >= cut, codes)
    return {
        name: MetricValue(value=float(value), lo=limits[name][0], hi=limits[name][1])
        for name, value in zip(METRIC_NAMES, values, strict=True)
    }


def _sampled_names(*, grouped: bool) -> tuple[str, ...]:
    """Metrics whose limits come from the bootstrap."""
    closed = {"auroc"} if grouped else {"auroc", *_PROPORTIONS, *_RECALIBRATION}
    return tuple(name for name in METRIC_NAMES if name not in closed)


def _closed_form(
    labels: BoolArray, scores: FloatArray, cut: float, codes: IntArray | None
) -> dict[str, tuple[float, float]]:
    limits = {"auroc": _auroc_limits(labels, scores, codes)}
    if codes is None:
        point = operating_point(labels, scores, threshold=cut, level=_LEVEL)
        for name in _PROPORTIONS:
            limits[name] = _pair(getattr(point, name))
        limits["calibration_intercept"] = _pair(calibration_intercept(labels, scores, level=_LEVEL))
        limits["calibration_slope"] = _slope_limits(labels, scores)
    return limits


def _auroc_limits(labels: BoolArray, scores: FloatArray, codes: IntArray | None) -> tuple[float, float]:
    if min(int(labels.sum()), int((~labels).sum())) < _MIN_PER_CLASS:
        return math.nan, math.nan
    return _pair(auroc_interval(labels, scores, groups=codes, level=_LEVEL))


def _slope_limits(labels: BoolArray, scores: FloatArray) -> tuple[float, float]:
    if is_separated(labels, logit(scores)):
        return math.nan, math.nan
    return _pair(calibration_slope(labels, scores, level=_LEVEL))


def _bootstrapped(
    values: Mapping[str, float],
    names: tuple[str, ...],
    draws: FloatArray,
    labels: BoolArray,
    called: BoolArray,
    codes: IntArray | None,
) -> dict[str, tuple[float, float]]:
    limits: dict[str, tuple[float, float]] = {}
    for column, name in enumerate(names):
        drawn, value = draws[:, column], float(values[name])
        if name == "ece":
            limits[name] = calibration_error_limits(value, drawn, draws[:, -1], level=_LEVEL)
        elif name in _CONCERNED and value in (0.0, 1.0):
            limits[name] = _boundary_limits(value, _n_concerned(name, labels, called, codes))
        else:
            limits[name] = percentile_limits(drawn, level=_LEVEL)
    return limits


def _boundary_limits(value: float, n: int) -> tuple[float, float]:
    """Wilson limits of none or all of ``n`` patients, where every resample says 0 or 1 too."""
    return _pair(wilson_interval(round(value * n), n, level=_LEVEL))


def _n_concerned(name: str, labels: BoolArray, called: BoolArray, codes: IntArray | None) -> int:
    """Patients a metric rests on: the fewest in any of the groups of rows it needs."""
    patients = np.arange(labels.size) if codes is None else codes
    return min(np.unique(patients[rows]).size for rows in _CONCERNED[name](labels, called))


def _pair(interval: MetricValue) -> tuple[float, float]:
    return interval.lo, interval.hi


_CONCERNED: Mapping[str, Callable[[BoolArray, BoolArray], tuple[BoolArray, ...]]] = MappingProxyType(
    {
        "auprc": lambda labels, called: (labels, ~labels),
        "accuracy": lambda labels, called: (labels | ~labels,),
        "sensitivity": lambda labels, called: (labels,),
        "specificity": lambda labels, called: (~labels,),
        "ppv": lambda labels, called: (called,),
        "npv": lambda labels, called: (~called,),
        "f1": lambda labels, called: (labels,),
    }
)
