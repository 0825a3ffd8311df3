"""Whether a higher risk goes to the patients who have the outcome.

ROC and precision-recall curves, their areas, and DeLong's variance, interval and paired test in
O(n log n). These look at the order of the scores only: a strictly increasing change of ``p`` alters
nothing here, so a good figure says nothing about calibration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.intervals import normal_quantile, normal_two_sided_p, wilson_interval
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_groups,
    check_level,
    check_probabilities,
    check_two_classes,
    read_only,
)
from medcore.results import MetricValue

__all__ = [
    "DelongTest",
    "PrCurve",
    "RocCurve",
    "auprc",
    "auroc",
    "auroc_interval",
    "delong_covariance",
    "delong_test",
    "perfect_ranking_interval",
    "pr_curve",
    "roc_curve",
    "structural_components",
]

_NO_SPREAD = 1e-18


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RocCurve:
    """Sensitivity against false-positive rate, one point per distinct score.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (k,)
        Decreasing cut-offs; a row is positive when ``p >= threshold``. The first is infinite.
    sensitivity, false_positive_rate : ndarray of float64, shape (k,)
        Non-decreasing fractions from 0 to 1.
    """

    thresholds: FloatArray
    sensitivity: FloatArray
    false_positive_rate: FloatArray

    def __post_init__(self) -> None:
        for values in (self.thresholds, self.sensitivity, self.false_positive_rate):
            read_only(values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrCurve:
    """Precision (ppv) against recall (sensitivity), one point per distinct score.

    Attributes
    ----------
    thresholds : ndarray of float64, shape (k,)
        Decreasing cut-offs; a row is positive when ``p >= threshold``.
    precision, recall : ndarray of float64, shape (k,)
        Fractions in [0, 1]; recall is non-decreasing and ends at 1, where precision is the
        outcome rate.
    """

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray

    def __post_init__(self) -> None:
        for values in (self.thresholds, self.precision, self.recall):
            read_only(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelongTest:
    """Two correlated AUROCs compared on the same rows.

    Attributes
    ----------
    auroc_a, auroc_b : float
        Areas in [0, 1]; higher is better.
    difference : MetricValue
        ``auroc_a - auroc_b`` with its Wald interval.
    z, p_value : float
        Two-sided test of no difference. Equal rankings give z = 0 and p = 1.
    """

    auroc_a: float
    auroc_b: float
    difference: MetricValue
    z: float
    p_value: float


def roc_curve(y: ArrayLike, p: ArrayLike) -> RocCurve:
    """Receiver operating characteristic at every distinct score.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.

    Returns
    -------
    RocCurve
        Points from (0, 0) to (1, 1).

    Raises
    ------
    InputError
        Unusable arrays, or one class only.
    """
    labels, scores = check_two_classes(y, p)
    thresholds, tp, fp = _cumulative_counts(labels, scores)
    return RocCurve(
        thresholds=np.concatenate(([np.inf], thresholds)),
        sensitivity=np.concatenate(([0.0], tp / tp[-1])),
        false_positive_rate=np.concatenate(([0.0], fp / fp[-1])),
    )


def pr_curve(y: ArrayLike, p: ArrayLike) -> PrCurve:
    """Precision and recall at every distinct score; arguments and errors as :func:`roc_curve`."""
    labels, scores = check_two_classes(y, p)
    thresholds, tp, fp = _cumulative_counts(labels, scores)
    return PrCurve(thresholds=thresholds, precision=tp / (tp + fp), recall=tp / tp[-1])


def auroc(y: ArrayLike, p: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a case scores above a non-case, ties counting half.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Score in [0, 1]; higher = more likely. Only the order matters.

    Returns
    -------
    float
        Fraction in [0, 1]; higher is better, 0.5 = no better than chance.

    Raises
    ------
    InputError
        Unusable arrays, or one class only.

    References
    ----------
    Hanley JA, McNeil BJ. Radiology 1982;143:29-36. doi:10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    labels, scores = check_two_classes(y, p)
    n_pos = int(labels.sum())
    n_neg = labels.size - n_pos
    rank_sum = float(_midranks(scores)[labels].sum())
    return (rank_sum - n_pos * (n_pos + 1) / 2.0) / (n_pos * n_neg)


def auprc(y: ArrayLike, p: ArrayLike) -> float:
    """Average precision: precision at each distinct score weighted by the recall gained there.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Score in [0, 1]; higher = more likely. Only the order matters.

    Returns
    -------
    float
        Fraction in (0, 1]; higher is better. Chance level is the outcome rate, so figures from
        groups with different rates must not be compared. No linear interpolation between points.

    Raises
    ------
    InputError
        Unusable arrays, or one class only.

    References
    ----------
    Davis J, Goadrich M. ICML 2006:233-240. doi:10.1145/1143844.1143874
    """
    curve = pr_curve(y, p)
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def delong_covariance(y: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """AUROC of several scores on the same rows, and DeLong's covariance of those areas.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; at least two of each.
    scores : array-like, shape (k, n)
        One row of probabilities per model.

    Returns
    -------
    tuple of (ndarray, ndarray)
        Areas, shape (k,), and their covariance matrix, shape (k, k).

    Raises
    ------
    InputError
        Unusable arrays, or fewer than two rows of either outcome.

    Notes
    -----
    Structural components come from midranks, so the cost is O(k n log n), not O(n_pos * n_neg).
    Rows are taken as independent: with several rows per patient use the patient bootstrap.

    References
    ----------
    DeLong ER et al. Biometrics 1988;44:837-845. doi:10.2307/2531595;
    Sun X, Xu W. IEEE Signal Process Lett 2014;21:1389-1393. doi:10.1109/LSP.2014.2337313
    """
    labels, rows = _score_rows(y, scores)
    n_pos = int(labels.sum())
    n_neg = labels.size - n_pos
    if min(n_pos, n_neg) < 2:
        raise InputError(
            f"y has {n_pos} cases and {n_neg} non-cases; DeLong's variance needs at least 2 of each",
            field="y",
            value=min(n_pos, n_neg),
            expected="at least 2 of each outcome",
        )
    cases, controls = zip(*(structural_components(labels, row) for row in rows), strict=True)
    above, below = np.vstack(cases), np.vstack(controls)
    covariance = np.atleast_2d(np.cov(above)) / n_pos + np.atleast_2d(np.cov(below)) / n_neg
    return above.mean(axis=1), covariance


def auroc_interval(y: ArrayLike, p: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95) -> MetricValue:
    """AUROC with DeLong's interval, computed on the log-odds scale and mapped back.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; at least two of each.
    p : array-like, shape (n,)
        Score in [0, 1]; higher = more likely.
    groups : array-like, shape (n,), optional
        Patient of each row; rows of one patient may be alike, as in Obuchowski's extension.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    MetricValue
        Fractions in [0, 1], higher is better. The log-odds scale keeps the limits inside (0, 1)
        and holds its coverage near 1. A perfect ranking has no variance to estimate; it gets
        :func:`perfect_ranking_interval`.

    Raises
    ------
    InputError
        Unusable arrays, or fewer than two rows of either outcome.

    References
    ----------
    As :func:`delong_covariance`; several rows per patient: Obuchowski NA. Biometrics
    1997;53:567-578. doi:10.2307/2533958; log-odds scale: Pepe MS. The Statistical Evaluation of Medical
    Tests, Oxford 2003, section 5.2.
    """
    check_level(level)
    labels, scores = check_two_classes(y, p)
    codes = check_groups(groups, labels.size)
    areas, covariance = delong_covariance(labels, scores[np.newaxis, :])
    area = float(areas[0])
    variance = float(covariance[0, 0]) if codes is None else _clustered_variance(labels, scores, codes)
    if variance < _NO_SPREAD:
        return perfect_ranking_interval(area, *_units(labels, codes), level=level)
    centre = math.log(area / (1.0 - area))
    half = normal_quantile(0.5 + level / 2.0) * math.sqrt(variance) / (area * (1.0 - area))
    return MetricValue(value=area, lo=_logistic(centre - half), hi=_logistic(centre + half))


def perfect_ranking_interval(area: float, n_pos: int, n_neg: int, *, level: float = 0.95) -> MetricValue:
    """Honest limits for an AUROC of exactly 0, 0.5 or 1 whose estimated variance is zero.

    Parameters
    ----------
    area : float
        The AUROC, a fraction in [0, 1].
    n_pos, n_neg : int
        Number of patients with the outcome and without.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    MetricValue
        Wilson limits for ``min(n_pos, n_neg)`` disjoint case/non-case pairs. AUROC averages over
        all pairs and varies no more than over the disjoint ones, so the limits are conservative.

    References
    ----------
    Hoeffding W. J Am Stat Assoc 1963;58:13-30, section 5 (U-statistics by disjoint pairs).
    doi:10.1080/01621459.1963.10500830
    """
    pairs = min(n_pos, n_neg)
    limits = wilson_interval(round(area * pairs), pairs, level=level)
    return MetricValue(value=area, lo=min(limits.lo, area), hi=max(limits.hi, area))


def delong_test(y: ArrayLike, p_a: ArrayLike, p_b: ArrayLike, *, level: float = 0.95) -> DelongTest:
    """Paired test that two models rank the same rows equally well.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; at least two of each.
    p_a, p_b : array-like, shape (n,)
        Scores of the two models on the same rows in the same order, in [0, 1].
    level : float, default 0.95
        Confidence level of the difference's interval, in (0, 1).

    Returns
    -------
    DelongTest
        Difference ``a - b`` with interval, z and two-sided p.

    Raises
    ------
    InputError
        Unusable arrays, unequal lengths, or fewer than two rows of either outcome.

    Notes
    -----
    Not for nested models judged on the data they were fitted to; there the test is too timid.

    References
    ----------
    As :func:`delong_covariance`.
    """
    check_level(level)
    labels, first = check_two_classes(y, p_a)
    _, second = check_two_classes(y, p_b)
    areas, covariance = delong_covariance(labels, np.vstack((first, second)))
    gap = float(areas[0] - areas[1])
    error = math.sqrt(max(0.0, float(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])))
    half = normal_quantile(0.5 + level / 2.0) * error
    z = _z_score(gap, error)
    return DelongTest(
        auroc_a=float(areas[0]),
        auroc_b=float(areas[1]),
        difference=MetricValue(value=gap, lo=gap - half, hi=gap + half),
        z=z,
        p_value=normal_two_sided_p(z),
    )


def _cumulative_counts(labels: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distinct scores, decreasing, with true and false positives at ``p >= score``."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], labels[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)
    tp = np.cumsum(hits, dtype=np.float64)[last]
    return ordered[last], tp, last + 1.0 - tp


def _midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; tied values share the mean of their ranks."""
    _, code, size = np.unique(values, return_inverse=True, return_counts=True)
    end = np.cumsum(size)
    middle: FloatArray = end - (size - 1) / 2.0
    return middle[code]


def structural_components(labels: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per case, the share of non-cases below it; per non-case, the share of cases above it; arrays already checked."""
    n_pos = int(labels.sum())
    n_neg = labels.size - n_pos
    together = _midranks(scores)
    above = (together[labels] - _midranks(scores[labels])) / n_neg
    below = 1.0 - (together[~labels] - _midranks(scores[~labels])) / n_pos
    return above, below


def _clustered_variance(labels: BoolArray, scores: FloatArray, codes: IntArray) -> float:
    """Variance of the AUROC from each patient's summed influence."""
    above, below = structural_components(labels, scores)
    area = float(above.mean())
    influence = np.empty(labels.size)
    influence[labels] = (above - area) / above.size
    influence[~labels] = (below - area) / below.size
    per_patient = np.bincount(codes, weights=influence)
    return float(per_patient @ per_patient) * per_patient.size / max(1, per_patient.size - 1)


def _units(labels: BoolArray, codes: IntArray | None) -> tuple[int, int]:
    """Count patients with a case row and with a non-case row."""
    if codes is None:
        return int(labels.sum()), int((~labels).sum())
    return np.unique(codes[labels]).size, np.unique(codes[~labels]).size


def _score_rows(y: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    table = np.asarray(scores)
    if table.ndim != 2 or table.shape[0] == 0:
        raise InputError(
            f"scores has shape {table.shape}, expected (k, n): one row per model",
            field="scores",
            value=table.shape,
            expected="(k, n)",
        )
    rows = np.vstack([check_probabilities(row, name="scores") for row in table])
    labels, _ = check_two_classes(y, rows[0])
    return labels, rows


def _logistic(x: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * x))


def _z_score(gap: float, error: float) -> float:
    if error > 0.0:
        return gap / error
    return 0.0 if gap == 0.0 else math.copysign(math.inf, gap)
