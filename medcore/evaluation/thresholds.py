"""What happens to patients at one cut-off: counts, rates with intervals, and how to choose it.

A row is positive when ``p >= threshold``. A rate whose denominator is zero is NaN, never 0 or 1:
with nobody called positive there is no positive predictive value. A cut-off chosen on some rows
must be judged on others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.discrimination import RocCurve, roc_curve
from medcore.evaluation.intervals import normal_quantile, wilson_interval
from medcore.evaluation.validation import check_level, check_scores, check_threshold
from medcore.results import MetricValue

__all__ = [
    "Confusion",
    "CutOff",
    "OperatingPoint",
    "choose_by_sensitivity",
    "choose_by_specificity",
    "choose_by_youden",
    "confusion",
    "operating_point",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts of a two-by-two table and the figures that follow from them.

    Attributes
    ----------
    tp, fp, fn, tn : int
        Cases found, false alarms, cases missed, non-cases left alone; not negative.

    Raises
    ------
    InputError
        A negative count, or an empty table.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    def __post_init__(self) -> None:
        counts = (self.tp, self.fp, self.fn, self.tn)
        if min(counts) < 0 or sum(counts) == 0:
            raise InputError(f"counts {counts} must not be negative nor all zero", field="confusion", value=counts)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def sensitivity(self) -> float:
        """Cases found among all cases, tp / (tp + fn); higher is better."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Non-cases left alone among all non-cases, tn / (tn + fp); higher is better."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def ppv(self) -> float:
        """Cases among those called positive, tp / (tp + fp); depends on the outcome rate."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def npv(self) -> float:
        """Non-cases among those called negative, tn / (tn + fn); depends on the outcome rate."""
        return _ratio(self.tn, self.tn + self.fn)

    @property
    def accuracy(self) -> float:
        """Rows called correctly, (tp + tn) / n; misleading when the outcome is rare."""
        return _ratio(self.tp + self.tn, self.n)

    @property
    def f1(self) -> float:
        """Harmonic mean of ppv and sensitivity, 2 tp / (2 tp + fp + fn); higher is better."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float:
        """Matthews correlation in [-1, 1], higher is better; 0 when a margin is empty.

        Matthews BW. Biochim Biophys Acta 1975;405:442-451. doi:10.1016/0005-2795(75)90109-9
        """
        margins = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(margins) if margins else 0.0

    @property
    def lr_positive(self) -> float:
        """Odds multiplier of a positive call, sensitivity / (1 - specificity); infinite without false alarms."""
        return _quotient(self.sensitivity, 1.0 - self.specificity)

    @property
    def lr_negative(self) -> float:
        """Odds multiplier of a negative call, (1 - sensitivity) / specificity; lower is better."""
        return _quotient(1.0 - self.sensitivity, self.specificity)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Everything about one cut-off, with intervals for independent rows.

    Attributes
    ----------
    threshold : float
        Cut-off in [0, 1]; positive when ``p >= threshold``.
    counts : Confusion
        The two-by-two table; also gives ``f1`` and ``mcc``.
    sensitivity, specificity, ppv, npv, accuracy : MetricValue
        Fractions with Wilson intervals; NaN where the denominator is zero.
    lr_positive, lr_negative : MetricValue
        Likelihood ratios with log-scale intervals.
    """

    threshold: float
    counts: Confusion
    sensitivity: MetricValue
    specificity: MetricValue
    ppv: MetricValue
    npv: MetricValue
    accuracy: MetricValue
    lr_positive: MetricValue
    lr_negative: MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """A cut-off chosen from data: positive when ``p >= threshold``; fractions in [0, 1]."""

    threshold: float
    sensitivity: float
    specificity: float


def confusion(y: ArrayLike, p: ArrayLike, *, threshold: float) -> Confusion:
    """Two-by-two table at a cut-off.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; one class alone is accepted.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.
    threshold : float
        Cut-off in [0, 1]; a row is positive when ``p >= threshold``.

    Returns
    -------
    Confusion
        The four counts.

    Raises
    ------
    InputError
        Unusable arrays, or a cut-off outside [0, 1].

    Examples
    --------
    >>> confusion([1, 1, 0, 0], [0.9, 0.2, 0.6, 0.1], threshold=0.5)
    Confusion(tp=1, fp=1, fn=1, tn=1)
    """
    labels, scores = check_scores(y, p)
    called = scores >= check_threshold(threshold)
    tp, fp = int((labels & called).sum()), int((~labels & called).sum())
    n_pos = int(labels.sum())
    return Confusion(tp=tp, fp=fp, fn=n_pos - tp, tn=labels.size - n_pos - fp)


def operating_point(y: ArrayLike, p: ArrayLike, *, threshold: float, level: float = 0.95) -> OperatingPoint:
    """Give counts, rates and likelihood ratios at a cut-off, with intervals.

    Parameters
    ----------
    y, p, threshold
        As :func:`confusion`.
    level : float, default 0.95
        Confidence level in (0, 1).

    Returns
    -------
    OperatingPoint
        Rates with Wilson intervals, likelihood ratios with log-scale intervals.

    Raises
    ------
    InputError
        Unusable arrays, or a cut-off or level outside its range.

    Notes
    -----
    The intervals take rows as independent. With several rows per patient use
    ``scoreboard.evaluate(..., groups=patients)``.

    References
    ----------
    Simel DL et al. J Clin Epidemiol 1991;44:763-770 (likelihood ratios).
    doi:10.1016/0895-4356(91)90128-V
    """
    table = confusion(y, p, threshold=threshold)
    check_level(level)
    return OperatingPoint(
        threshold=float(threshold),
        counts=table,
        sensitivity=wilson_interval(table.tp, table.tp + table.fn, level=level),
        specificity=wilson_interval(table.tn, table.tn + table.fp, level=level),
        ppv=wilson_interval(table.tp, table.tp + table.fp, level=level),
        npv=wilson_interval(table.tn, table.tn + table.fn, level=level),
        accuracy=wilson_interval(table.tp + table.tn, table.n, level=level),
        lr_positive=_lr_interval(table.lr_positive, (table.tp, table.fn), (table.fp, table.tn), level),
        lr_negative=_lr_interval(table.lr_negative, (table.fn, table.tp), (table.tn, table.fp), level),
    )


def choose_by_youden(y: ArrayLike, p: ArrayLike) -> CutOff:
    """Cut-off with the largest sensitivity + specificity - 1; of equals the highest.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.

    Returns
    -------
    CutOff
        One of the observed scores. It weighs a miss and a false alarm per class equally, which is
        seldom what a clinic wants; prefer a harm ratio (see ``decision``).

    Raises
    ------
    InputError
        Unusable arrays, or one class only.

    References
    ----------
    Youden WJ. Cancer 1950;3:32-35.
    doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3
    """
    curve = roc_curve(y, p)
    gain = curve.sensitivity[1:] - curve.false_positive_rate[1:]
    return _cut_off(curve, 1 + int(np.argmax(gain)))


def choose_by_sensitivity(y: ArrayLike, p: ArrayLike, *, at_least: float) -> CutOff:
    """Highest cut-off that still finds the wanted share of cases, hence the best specificity.

    Parameters
    ----------
    y, p
        As :func:`choose_by_youden`.
    at_least : float
        Wanted sensitivity, a fraction in [0, 1].

    Returns
    -------
    CutOff
        One of the observed scores, with sensitivity >= ``at_least`` on these rows.

    Raises
    ------
    InputError
        Unusable arrays, one class only, or ``at_least`` outside [0, 1].
    """
    wanted = check_threshold(at_least, name="at_least")
    curve = roc_curve(y, p)
    return _cut_off(curve, 1 + int(np.argmax(curve.sensitivity[1:] >= wanted - _ROUNDING)))


def choose_by_specificity(y: ArrayLike, p: ArrayLike, *, at_least: float) -> CutOff:
    """Lowest cut-off that still leaves the wanted share of non-cases alone.

    Parameters
    ----------
    y, p
        As :func:`choose_by_youden`.
    at_least : float
        Wanted specificity, a fraction in [0, 1].

    Returns
    -------
    CutOff
        One of the observed scores, with specificity >= ``at_least`` on these rows.

    Raises
    ------
    InputError
        Unusable arrays, one class only, ``at_least`` outside [0, 1], or no observed score reaches
        it because a non-case has the highest score.
    """
    wanted = check_threshold(at_least, name="at_least")
    curve = roc_curve(y, p)
    enough = np.flatnonzero(1.0 - curve.false_positive_rate[1:] >= wanted - _ROUNDING)
    if enough.size == 0:
        best = 1.0 - float(curve.false_positive_rate[1])
        raise InputError(
            f"no observed score reaches a specificity of {wanted:g}; the highest is {best:g}",
            field="at_least",
            value=at_least,
            expected=f"at most {best:g}",
        )
    return _cut_off(curve, 1 + int(enough[-1]))


_ROUNDING = 1e-12


def _cut_off(curve: RocCurve, point: int) -> CutOff:
    return CutOff(
        threshold=float(curve.thresholds[point]),
        sensitivity=float(curve.sensitivity[point]),
        specificity=1.0 - float(curve.false_positive_rate[point]),
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _quotient(top: float, bottom: float) -> float:
    if bottom:
        return top / bottom
    return math.inf if top > 0.0 else math.nan


def _lr_interval(value: float, cases: tuple[int, int], others: tuple[int, int], level: float) -> MetricValue:
    """Log-scale limits of (a/cases)/(b/others); half a patient is added to each cell if one is empty."""
    if math.isnan(value):
        return MetricValue(value=math.nan, lo=math.nan, hi=math.nan)
    extra = 0.5 if 0 in (cases[0], others[0]) else 0.0
    a, b = cases[0] + extra, others[0] + extra
    n_cases, n_others = sum(cases) + 2 * extra, sum(others) + 2 * extra
    centre = math.log(a / n_cases) - math.log(b / n_others)
    half = normal_quantile(0.5 + level / 2.0) * math.sqrt(1.0 / a - 1.0 / n_cases + 1.0 / b - 1.0 / n_others)
    lo, hi = math.exp(centre - half), math.exp(centre + half)
    return MetricValue(value=value, lo=min(lo, value), hi=max(hi, value))
