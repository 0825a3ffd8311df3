"""Whether a new model is better, not worse, or whether we cannot tell.

Every comparison is paired: both models judge the same patients and the same resamples. ``gain`` is
always oriented so that above 0 means the new model is better. "Not worse" is a claim about a margin
fixed beforehand; a difference that is merely not significant supports nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.decision import net_benefit_statistic
from medcore.evaluation.resampling import bootstrap_difference, bootstrap_statistic, percentile_limits
from medcore.evaluation.validation import check_level, check_scores, check_threshold, check_two_classes
from medcore.evaluation.weighted import compute_weighted, sort_rows
from medcore.results import MetricValue

__all__ = [
    "McNemarTest",
    "NonInferiority",
    "PairedComparison",
    "Verdict",
    "compare_auroc",
    "compare_brier",
    "compare_metric",
    "compare_net_benefit",
    "is_non_inferior",
    "mcnemar",
    "non_inferiority",
    "verdict",
]

_ORIENTATION: Mapping[str, int] = MappingProxyType(
    {
        "auroc": 1,
        "auprc": 1,
        "accuracy": 1,
        "sensitivity": 1,
        "specificity": 1,
        "ppv": 1,
        "npv": 1,
        "f1": 1,
        "brier": -1,
        "ece": -1,
        "log_loss": -1,
    }
)


class Verdict(StrEnum):
    """What a paired interval and a margin allow one to say about the new model."""

    BETTER = "better"
    NOT_WORSE = "not_worse"
    WORSE = "worse"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """One metric of two models on the same patients.

    Attributes
    ----------
    metric : str
        Name of the metric.
    new, reference : float
        Its value for each model, in the metric's own direction.
    gain : MetricValue
        Improvement with its interval; above 0 = the new model is better, whatever the metric.
    """

    metric: str
    new: float
    reference: float
    gain: MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class NonInferiority:
    """A paired comparison judged against a margin.

    Attributes
    ----------
    comparison : PairedComparison
        Values and gain.
    margin : float
        Largest loss that would still be accepted, in the metric's unit, above 0.
    is_non_inferior : bool
        Whether the lower limit of the gain lies above ``-margin``.
    verdict : Verdict
        Better, not worse, worse, or cannot tell.
    """

    comparison: PairedComparison
    margin: float
    is_non_inferior: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemarTest:
    """Disagreements of two models about the same rows at a cut-off.

    Attributes
    ----------
    only_a, only_b : int
        Rows that only model A (only model B) called correctly.
    p_value : float
        Two-sided mid-p value of equal accuracy; 1 when the models never disagree.
    p_exact : float
        Two-sided exact binomial p value; never below the mid-p value.
    """

    only_a: int
    only_b: int
    p_value: float
    p_exact: float


def compare_metric(
    metric: str,
    y: ArrayLike,
    p_new: ArrayLike,
    p_reference: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    threshold: float | None = None,
    level: float = 0.95,
) -> PairedComparison:
    """Paired gain in one metric with its patient-bootstrap interval.

    Parameters
    ----------
    metric : str
        A name out of ``METRIC_NAMES`` that has a better end: not the calibration slope or
        intercept.
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p_new, p_reference : array-like, shape (n,)
        Probabilities of the two models for the same rows in the same order, in [0, 1].
    groups : array-like, shape (n,), optional
        Patient of each row; rows of one patient are drawn together.
    rng : numpy.random.Generator
        Source of randomness; advanced.
    n_resamples : int, default 1000
        Number of resamples, at least 2.
    threshold : float, optional
        Cut-off of the threshold metrics, the same for both models.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    PairedComparison
        Values and oriented gain.

    Raises
    ------
    InputError
        Unusable arguments, or a metric without a better end.
    """
    sign = _orientation(metric)
    difference = bootstrap_difference(
        metric,
        y,
        p_new,
        p_reference,
        groups=groups,
        rng=rng,
        n_resamples=n_resamples,
        threshold=threshold,
        level=level,
    )
    return PairedComparison(
        metric=metric,
        new=_value(metric, y, p_new, threshold),
        reference=_value(metric, y, p_reference, threshold),
        gain=difference if sign > 0 else _mirrored(difference),
    )


def compare_auroc(
    y: ArrayLike,
    p_new: ArrayLike,
    p_reference: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> PairedComparison:
    """Gain in AUROC, new minus reference; arguments and errors as :func:`compare_metric`."""
    return compare_metric("auroc", y, p_new, p_reference, groups=groups, rng=rng, n_resamples=n_resamples, level=level)


def compare_brier(
    y: ArrayLike,
    p_new: ArrayLike,
    p_reference: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> PairedComparison:
    """Gain in Brier score, reference minus new; arguments and errors as :func:`compare_metric`."""
    return compare_metric("brier", y, p_new, p_reference, groups=groups, rng=rng, n_resamples=n_resamples, level=level)


def compare_net_benefit(
    y: ArrayLike,
    p_new: ArrayLike,
    p_reference: ArrayLike,
    *,
    threshold: float,
    prevalence: float | None = None,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
    level: float = 0.95,
) -> PairedComparison:
    """Gain in net benefit at one threshold probability.

    Parameters
    ----------
    y, p_new, p_reference, groups, rng, n_resamples, level
        As :func:`compare_metric`.
    threshold : float
        Threshold probability strictly between 0 and 1.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1); by default the rate in ``y``.

    Returns
    -------
    PairedComparison
        Metric ``"net_benefit"``, true positives per patient; times 1,000 = net cases per 1,000.

    Raises
    ------
    InputError
        Unusable arguments.
    """
    check_level(level)
    of_new = net_benefit_statistic(y, p_new, thresholds=[threshold], prevalence=prevalence)
    of_reference = net_benefit_statistic(y, p_reference, thresholds=[threshold], prevalence=prevalence)
    n = check_scores(y, p_new)[0].size
    draws = bootstrap_statistic(
        lambda weights: of_new(weights) - of_reference(weights), n, groups=groups, rng=rng, n_resamples=n_resamples
    )
    lo, hi = percentile_limits(draws[:, 0], level=level)
    once = np.ones((1, n))
    new, reference = float(of_new(once)[0, 0]), float(of_reference(once)[0, 0])
    gain = MetricValue(value=new - reference, lo=lo, hi=hi)
    return PairedComparison(metric="net_benefit", new=new, reference=reference, gain=gain)


def non_inferiority(comparison: PairedComparison, *, margin: float) -> NonInferiority:
    """Judge a paired comparison against a margin fixed beforehand.

    Parameters
    ----------
    comparison : PairedComparison
        From :func:`compare_metric` and its kin.
    margin : float
        Largest acceptable loss, in the metric's unit, above 0.

    Returns
    -------
    NonInferiority
        With a 95 % interval this is a one-sided test at 2.5 %.

    Raises
    ------
    InputError
        A margin that is not above 0.

    References
    ----------
    Piaggio G et al. (CONSORT). JAMA 2012;308:2594-2604. doi:10.1001/jama.2012.87802
    """
    return NonInferiority(
        comparison=comparison,
        margin=margin,
        is_non_inferior=is_non_inferior(comparison.gain.lo, margin),
        verdict=verdict(comparison.gain, margin=margin),
    )


def is_non_inferior(lower: float, margin: float) -> bool:
    """Whether a gain's lower limit lies above ``-margin``; an undefined limit (NaN) does not.

    Raises
    ------
    InputError
        A margin that is not a finite number above 0.
    """
    if not (math.isfinite(margin) and margin > 0.0):
        raise InputError(f"margin is {margin!r}, expected a number above 0", field="margin", value=margin)
    return lower > -margin


def verdict(gain: MetricValue, *, margin: float) -> Verdict:
    """Put a gain into words: better, not worse by the margin, worse, or cannot tell.

    ``WORSE`` means the whole interval lies below 0 and non-inferiority is not shown.

    Raises
    ------
    InputError
        A margin that is not a finite number above 0.
    """
    not_worse = is_non_inferior(gain.lo, margin)
    if gain.lo > 0.0:
        return Verdict.BETTER
    if not_worse:
        return Verdict.NOT_WORSE
    return Verdict.WORSE if gain.hi < 0.0 else Verdict.CANNOT_TELL


def mcnemar(y: ArrayLike, p_a: ArrayLike, p_b: ArrayLike, *, threshold: float) -> McNemarTest:
    """Paired test that two models are equally accurate at a cut-off.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone compares sensitivities (or specificities).
    p_a, p_b : array-like, shape (n,)
        Probabilities of the two models for the same rows, in [0, 1].
    threshold : float
        Cut-off in [0, 1]; positive when ``p >= threshold``.

    Returns
    -------
    McNemarTest
        Disagreements, mid-p and exact p.

    Raises
    ------
    InputError
        Unusable arrays, unequal lengths, or a cut-off outside [0, 1].

    Notes
    -----
    Rows are taken as independent patients.

    References
    ----------
    McNemar Q. Psychometrika 1947;12:153-157. doi:10.1007/BF02295996; mid-p: Fagerland MW et al.
    BMC Med Res Methodol 2013;13:91. doi:10.1186/1471-2288-13-91
    """
    cut = check_threshold(threshold)
    labels, first = check_scores(y, p_a)
    _, second = check_scores(y, p_b)
    right_a, right_b = (first >= cut) == labels, (second >= cut) == labels
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    exact, at_count = _binomial_tail(min(only_a, only_b), only_a + only_b)
    p_exact = min(1.0, 2.0 * exact)
    return McNemarTest(
        only_a=only_a,
        only_b=only_b,
        p_exact=p_exact,
        p_value=1.0 if only_a == only_b else 2.0 * exact - at_count,
    )


def _binomial_tail(count: int, trials: int) -> tuple[float, float]:
    """P(X <= count) and P(X = count) for a fair coin, in whole-number arithmetic."""
    ways = total = 1
    for k in range(1, count + 1):
        ways = ways * (trials - k + 1) // k
        total += ways
    return total / 2**trials, ways / 2**trials


def _orientation(metric: str) -> int:
    if metric not in _ORIENTATION:
        raise InputError(
            f"{metric!r} has no better end, expected one of {', '.join(_ORIENTATION)}",
            field="metric",
            value=metric,
        )
    return _ORIENTATION[metric]


def _mirrored(difference: MetricValue) -> MetricValue:
    return MetricValue(value=-difference.value, lo=-difference.hi, hi=-difference.lo)


def _value(metric: str, y: ArrayLike, p: ArrayLike, threshold: float | None) -> float:
    labels, scores = check_two_classes(y, p)
    rows = sort_rows(labels, scores, threshold=threshold)
    return float(compute_weighted(rows, np.ones((1, labels.size)), (metric,))[0, 0])
