"""Whether acting on the model is better for patients than treating all of them, or none.

Net benefit, the decision curve with its two reference strategies, counts per 1,000 patients at any
prevalence, and the cut-off that follows from how many false alarms one missed case is worth. A
prevalence other than the study's keeps sensitivity and specificity and reweights everything else;
that is right only if the new patients differ in how many are ill, not in how they are ill.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.resampling import bootstrap_statistic, percentile_limits
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    check_fraction,
    check_level,
    check_threshold,
    check_thresholds_open,
    check_two_classes,
    read_only,
)

__all__ = [
    "DecisionCurve",
    "PerThousand",
    "decision_curve",
    "harm_ratio_threshold",
    "net_benefit",
    "net_benefit_band",
    "net_benefit_statistic",
    "per_thousand",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit of three strategies over threshold probabilities.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (k,)
        Threshold probabilities, strictly between 0 and 1.
    model, treat_all, treat_none : ndarray of float64, shape (k,)
        Net benefit in true positives per patient, at most the prevalence; higher is better;
        times 1,000 = net cases found per 1,000. ``treat_none`` is 0.
    prevalence : float
        Outcome rate the curve stands for, a fraction.
    """

    thresholds: FloatArray
    model: FloatArray
    treat_all: FloatArray
    treat_none: FloatArray
    prevalence: float

    def __post_init__(self) -> None:
        for values in (self.thresholds, self.model, self.treat_all, self.treat_none):
            read_only(values)

    @property
    def useful(self) -> BoolArray:
        """Thresholds at which the model beats both treating all and treating none, shape (k,)."""
        return self.model > np.maximum(self.treat_all, self.treat_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerThousand:
    """What happens to 1,000 patients; counts are not rounded.

    Attributes
    ----------
    found, missed, false_alarms, left_alone : float
        Patients per 1,000; the four add up to 1,000.
    ppv, npv : float
        Fractions at this prevalence; NaN when nobody is called positive (negative).
    alarms_per_case_found : float
        Positive calls for each case found, at least 1; infinite when none is found.
    """

    found: float
    missed: float
    false_alarms: float
    left_alone: float
    ppv: float
    npv: float
    alarms_per_case_found: float


def net_benefit(y: ArrayLike, p: ArrayLike, *, thresholds: ArrayLike, prevalence: float | None = None) -> FloatArray:
    """Net benefit of treating when ``p >= threshold``.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Calibrated probability in [0, 1]; higher = more likely. Scores are not accepted: the
        threshold is both a cut-off and a statement of preference.
    thresholds : array-like, shape (k,)
        Threshold probabilities strictly between 0 and 1; the odds t/(1-t) are the harm of a false
        alarm relative to the benefit of a case found.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1); by default the rate in ``y``.

    Returns
    -------
    ndarray of float64, shape (k,)
        ``sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * t / (1 - t)``; in net
        true positives per patient, higher is better, at most the prevalence, may be negative.

    Raises
    ------
    InputError
        Unusable arrays, one class only, a threshold or prevalence outside (0, 1).

    References
    ----------
    Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574. doi:10.1177/0272989X06295361

    Examples
    --------
    >>> net_benefit([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], thresholds=[0.5])
    array([0.])
    """
    labels, scores = check_two_classes(y, p)
    cuts = check_thresholds_open(thresholds)
    rate = _prevalence(labels, prevalence)
    sensitivity = _share_at_least(scores[labels], cuts)
    false_positive_rate = _share_at_least(scores[~labels], cuts)
    return sensitivity * rate - false_positive_rate * (1.0 - rate) * cuts / (1.0 - cuts)


def decision_curve(
    y: ArrayLike, p: ArrayLike, *, thresholds: ArrayLike | None = None, prevalence: float | None = None
) -> DecisionCurve:
    """Net benefit of the model beside treating all and treating none.

    Parameters
    ----------
    y, p, prevalence
        As :func:`net_benefit`.
    thresholds : array-like, shape (k,), optional
        Threshold probabilities in (0, 1); by default 0.01, 0.02, ..., 0.99.

    Returns
    -------
    DecisionCurve
        Three curves on the same thresholds.

    Raises
    ------
    InputError
        As :func:`net_benefit`.

    References
    ----------
    Vickers AJ et al. Diagn Progn Res 2019;3:18. doi:10.1186/s41512-019-0064-7
    """
    labels, scores = check_two_classes(y, p)
    cuts = check_thresholds_open(np.arange(1, 100) / 100.0 if thresholds is None else thresholds)
    rate = _prevalence(labels, prevalence)
    return DecisionCurve(
        thresholds=cuts,
        model=net_benefit(labels, scores, thresholds=cuts, prevalence=rate),
        treat_all=rate - (1.0 - rate) * cuts / (1.0 - cuts),
        treat_none=np.zeros_like(cuts),
        prevalence=rate,
    )


def net_benefit_band(
    y: ArrayLike,
    p: ArrayLike,
    *,
    thresholds: ArrayLike,
    prevalence: float | None = None,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Pointwise patient-bootstrap limits of the net benefit.

    Parameters
    ----------
    y, p, thresholds, prevalence
        As :func:`net_benefit`. A given prevalence is taken as known without error.
    groups, rng, n_resamples
        As :func:`medcore.evaluation.resampling.bootstrap_statistic`.
    level : float, default 0.95
        Confidence level in (0, 1), at each threshold by itself.

    Returns
    -------
    tuple of (ndarray, ndarray)
        Lower and upper limits, shape (k,).

    Raises
    ------
    InputError
        Unusable arguments.

    References
    ----------
    Vickers AJ et al. BMC Med Inform Decis Mak 2008;8:53. doi:10.1186/1472-6947-8-53
    """
    check_level(level)
    statistic = net_benefit_statistic(y, p, thresholds=thresholds, prevalence=prevalence)
    draws = bootstrap_statistic(statistic, np.size(p), groups=groups, rng=rng, n_resamples=n_resamples)
    limits = np.array([percentile_limits(column, level=level) for column in draws.T])
    return limits[:, 0], limits[:, 1]


def net_benefit_statistic(
    y: ArrayLike, p: ArrayLike, *, thresholds: ArrayLike, prevalence: float | None = None
) -> Callable[[FloatArray], FloatArray]:
    """Net benefit as a function of row weights, for the bootstrap.

    Parameters and errors as :func:`net_benefit`.

    Returns
    -------
    callable
        Maps weights, shape (b, n), to net benefit, shape (b, k); NaN where a class is absent and
        a prevalence was given.
    """
    labels, scores = check_two_classes(y, p)
    cuts = check_thresholds_open(thresholds)
    rate = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    called = scores[:, np.newaxis] >= cuts
    hits, alarms = (called & labels[:, np.newaxis]) * 1.0, (called & ~labels[:, np.newaxis]) * 1.0
    odds = cuts / (1.0 - cuts)

    def statistic(weights: FloatArray) -> FloatArray:
        total = weights.sum(axis=1, keepdims=True)
        events = (weights @ labels)[:, np.newaxis]
        per_case = 1.0 / total if rate is None else _inverse(events, rate)
        per_other = 1.0 / total if rate is None else _inverse(total - events, 1.0 - rate)
        gained: FloatArray = weights @ hits * per_case - weights @ alarms * per_other * odds
        return gained

    return statistic


def harm_ratio_threshold(false_alarms_per_missed_case: float) -> float:
    """Cut-off that follows from a preference: ``1 / (1 + ratio)``.

    Parameters
    ----------
    false_alarms_per_missed_case : float
        How many false alarms are as bad as one missed case; finite, above 0.

    Returns
    -------
    float
        Threshold probability in (0, 1); 9 false alarms per miss give 0.1.

    Raises
    ------
    InputError
        A ratio that is not a finite number above 0.

    References
    ----------
    Pauker SG, Kassirer JP. N Engl J Med 1975;293:229-234. doi:10.1056/NEJM197507312930505
    """
    ratio = _positive(false_alarms_per_missed_case, "false_alarms_per_missed_case")
    return 1.0 / (1.0 + ratio)


def per_thousand(*, sensitivity: float, specificity: float, prevalence: float) -> PerThousand:
    """Natural frequencies: of 1,000 patients, how many are found, missed and falsely alarmed.

    Parameters
    ----------
    sensitivity, specificity : float
        Fractions in [0, 1].
    prevalence : float
        Outcome rate among the 1,000, in (0, 1).

    Returns
    -------
    PerThousand
        Unrounded counts and the predictive values at this prevalence.

    Raises
    ------
    InputError
        A fraction outside its range.

    References
    ----------
    Hoffrage U, Gigerenzer G. Acad Med 1998;73:538-540. doi:10.1097/00001888-199805000-00024
    """
    sens = check_threshold(sensitivity, name="sensitivity")
    spec = check_threshold(specificity, name="specificity")
    ill = 1000.0 * check_fraction(prevalence, name="prevalence")
    well = 1000.0 - ill
    found, false_alarms = sens * ill, (1.0 - spec) * well
    alarms, quiet = found + false_alarms, 1000.0 - found - false_alarms
    return PerThousand(
        found=found,
        missed=ill - found,
        false_alarms=false_alarms,
        left_alone=well - false_alarms,
        ppv=found / alarms if alarms > 0.0 else math.nan,
        npv=(well - false_alarms) / quiet if quiet > 0.0 else math.nan,
        alarms_per_case_found=alarms / found if found > 0.0 else math.inf,
    )


def _prevalence(labels: BoolArray, prevalence: float | None) -> float:
    return float(labels.mean()) if prevalence is None else check_fraction(prevalence, name="prevalence")


def _share_at_least(scores: FloatArray, cuts: FloatArray) -> FloatArray:
    below = np.searchsorted(np.sort(scores), cuts, side="left")
    return 1.0 - below / scores.size


def _inverse(count: FloatArray, share: float) -> FloatArray:
    """``share / count``, NaN where the count is zero."""
    return share / np.where(count > 0.0, count, np.nan)


def _positive(value: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0.0):
        raise InputError(f"{name} is {value!r}, expected a number above 0", field=name, value=value)
    return number
