"""All curves of one model, with pointwise 95 % bands, fast enough to be drawn while the reader waits.

No resampling: every band has a closed form. A patient with several rows counts as one (``groups``). At another
prevalence than the study's the risks are restated by an odds shift; sensitivity and specificity stay, observed rates
and predictive values shift with the risks, and net benefit is weighted to the local rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.board import board
from medcore.evaluation.calibration import CalibrationBin, calibration_by_decile, equal_mass_bins
from medcore.evaluation.clusters import Z95, patient_sums, share_limits
from medcore.evaluation.compared import Band, CutOffTable, Histogram, ModelCurves
from medcore.evaluation.prevalence import class_weights, restate, shift_odds
from medcore.evaluation.smooth import smooth_calibration
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_fraction,
    check_groups,
    check_probabilities,
    check_two_classes,
)

__all__ = ["board", "default_cut_offs", "draw_curves", "restate"]

_MOST_POINTS = 400
_MOST_CORNERS = 100
_N_BARS = 40
_PATIENTS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Checked rows, with the prevalence the curves stand for.

    ``p`` is restated, ``studied`` the rate among the rows, ``local`` None when the rate is the rows' own.
    """

    labels: BoolArray
    p_studied: FloatArray
    p: FloatArray
    codes: IntArray | None
    studied: float
    local: float | None

    @property
    def prevalence(self) -> float:
        return self.studied if self.local is None else self.local


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Counts:
    """Calls at each of k cut-offs.

    ``moments[c]`` sums, over patients, the products of the four counts (cases called, others called, cases, others);
    the variance of any figure that is linear in those counts follows from it.
    """

    tp: FloatArray
    fp: FloatArray
    n_cases: int
    n_others: int
    patients_with_case: int
    patients_with_other: int
    moments: FloatArray
    factor: float

    @property
    def sensitivity(self) -> FloatArray:
        return self.tp / self.n_cases

    @property
    def false_alarm_rate(self) -> FloatArray:
        return self.fp / self.n_others

    def variance(self, *influence: FloatArray | float) -> FloatArray:
        """Variance of the sum over rows of the four counts times their influence, shape (k,)."""
        v = np.stack([np.broadcast_to(part, self.tp.shape) for part in influence], axis=1)
        return np.asarray(np.einsum("ki,kij,kj->k", v, self.moments, v), dtype=np.float64) * self.factor


def default_cut_offs() -> FloatArray:
    """Cut-offs of the slider: 0 to 0.1 by 0.001, then to 1 by 0.005; shape (281,)."""
    return np.concatenate((np.arange(100) / 1000.0, np.arange(20, 201) / 200.0))


def draw_curves(
    y: ArrayLike,
    p: ArrayLike,
    *,
    prevalence: float | None = None,
    groups: ArrayLike | None = None,
    cut_offs: ArrayLike | None = None,
) -> ModelCurves:
    """ROC, precision-recall and calibration curves, cut-off table and histogram of one model.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; higher = more likely.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1), taken as known; by default the rate in ``y``.
    groups : array-like, shape (n,), optional
        Patient of each row.
    cut_offs : array-like, shape (k,), optional
        Cut-offs of the table, in [0, 1], on the restated risks; by default :func:`default_cut_offs`. Sorted.

    Returns
    -------
    ModelCurves
        With pointwise 95 % bands; see *Notes*.

    Raises
    ------
    InputError
        Unusable arrays, one class only, a prevalence outside (0, 1) or a cut-off outside [0, 1].

    Notes
    -----
    Sensitivity and specificity at a cut-off: Wilson, for the effective number of patients where one has several rows.
    ROC: vertical band at a fixed false-alarm rate f, Wilson for the variance ``var(Se) + slope**2 * var(f)``; the
    slope is the rise of the curve over the 95 % width of f. Precision: delta method at the cut-off, as Wilson limits
    for the effective number; with ``prevalence`` that rate has no error of its own. Net benefit: normal limits of the
    patients' contributions. Calibration: Wald band of the spline
    (:func:`~medcore.evaluation.smooth.smooth_calibration`), NaN where it has no finite fit; the bins have Wilson
    limits. A figure without any patient behind it is NaN.

    References
    ----------
    ROC band: Hsieh F, Turnbull BW. Ann Stat 1996;24:25-40. doi:10.1214/aos/1033066197; net benefit: Vickers AJ, Elkin
    EB. Med Decis Making 2006;26:565-574. doi:10.1177/0272989X06295361; prevalence: Saerens M et al. Neural
    Comput 2002;14:21-41. doi:10.1162/089976602753284446

    Examples
    --------
    >>> curves = draw_curves([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], cut_offs=[0.3, 0.5])
    >>> curves.table.sensitivity, curves.table.specificity
    (array([1. , 0.5]), array([0.5, 1. ]))
    """
    labels, scores = check_two_classes(y, p)
    studied = float(labels.mean())
    local = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    rows = _Rows(
        labels=labels,
        p_studied=scores,
        p=scores if local is None else shift_odds(scores, studied, local),
        codes=check_groups(groups, labels.size),
        studied=studied,
        local=local,
    )
    cuts = default_cut_offs() if cut_offs is None else np.sort(check_probabilities(cut_offs, name="cut_offs"))
    found, alarms, thresholds = _every_cut_off(rows)
    return ModelCurves(
        roc=_roc(rows, found, alarms, thresholds),
        precision_recall=_precision_recall(rows, found, alarms, thresholds),
        calibration=_calibration(rows),
        bins=_bins(rows),
        table=_table(rows, cuts),
        histogram=_histogram(rows),
    )


def _every_cut_off(rows: _Rows) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cases found and false alarms at each distinct risk, highest first."""
    order = np.argsort(-rows.p, kind="stable")
    ordered = rows.p[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)
    found = np.cumsum(rows.labels[order], dtype=np.float64)[last]
    return found, last + 1.0 - found, ordered[last]


def _count(rows: _Rows, cuts: FloatArray) -> _Counts:
    """Count calls at rising cut-offs, ``p >= cut``."""
    position = np.searchsorted(cuts, rows.p, side="right")
    n_cases = int(rows.labels.sum())
    n_others = rows.labels.size - n_cases
    tp, fp = (_called(position[members], cuts.size) for members in (rows.labels, ~rows.labels))
    codes = rows.codes
    if codes is None:
        moments, factor, units = _row_moments(tp, fp, n_cases, n_others), 1.0, (n_cases, n_others)
    else:
        m = int(codes.max()) + 1
        moments, factor = _patient_moments(rows.labels, position, codes, cuts.size), m / max(1, m - 1)
        units = np.unique(codes[rows.labels]).size, np.unique(codes[~rows.labels]).size
    return _Counts(
        tp=tp,
        fp=fp,
        n_cases=n_cases,
        n_others=n_others,
        patients_with_case=units[0],
        patients_with_other=units[1],
        moments=moments,
        factor=factor,
    )


def _called(position: IntArray, k: int) -> FloatArray:
    """Rows at or above each cut-off, from how many cut-offs lie at or below each row."""
    per_step = np.bincount(position, minlength=k + 1)
    return np.cumsum(per_step[::-1])[::-1][1:].astype(np.float64)


def _row_moments(tp: FloatArray, fp: FloatArray, n_cases: int, n_others: int) -> FloatArray:
    moments = np.zeros((tp.size, 4, 4))
    moments[:, 0, 0] = moments[:, 0, 2] = moments[:, 2, 0] = tp
    moments[:, 1, 1] = moments[:, 1, 3] = moments[:, 3, 1] = fp
    moments[:, 2, 2], moments[:, 3, 3] = n_cases, n_others
    return moments


def _patient_moments(labels: BoolArray, position: IntArray, codes: IntArray, k: int) -> FloatArray:
    """Sum over patients of the products of their four counts, shape (k, 4, 4); some patients at a time."""
    moments = np.zeros((k, 4, 4))
    order = np.argsort(codes, kind="stable")
    labels, position, codes = labels[order], position[order], codes[order]
    for first in range(0, int(codes[-1]) + 1, _PATIENTS_AT_ONCE):
        start, stop = np.searchsorted(codes, (first, first + _PATIENTS_AT_ONCE))
        cell = (codes[start:stop] - first) * (k + 1) + position[start:stop]
        size = int(codes[stop - 1]) + 1 - first
        counts = np.empty((k, 4, size))
        for place, members in enumerate((labels[start:stop], ~labels[start:stop])):
            per_step = np.bincount(cell[members], minlength=size * (k + 1)).reshape(size, k + 1)
            called = np.cumsum(per_step[:, ::-1], axis=1)[:, ::-1]
            counts[:, place] = called[:, 1:].T
            counts[:, place + 2] = called[:, 0]
        moments += counts @ counts.transpose(0, 2, 1)
    return moments


def _sensitivity_variance(counts: _Counts) -> FloatArray:
    return counts.variance(1.0 / counts.n_cases, 0.0, -counts.sensitivity / counts.n_cases, 0.0)


def _false_alarm_variance(counts: _Counts) -> FloatArray:
    return counts.variance(0.0, 1.0 / counts.n_others, 0.0, -counts.false_alarm_rate / counts.n_others)


def _table(rows: _Rows, cuts: FloatArray) -> CutOffTable:
    counts = _count(rows, cuts)
    units = np.full(cuts.size, float(counts.patients_with_case)), np.full(cuts.size, float(counts.patients_with_other))
    sens_lo, sens_hi = share_limits(counts.sensitivity, _sensitivity_variance(counts), units[0])
    alarm_lo, alarm_hi = share_limits(counts.false_alarm_rate, _false_alarm_variance(counts), units[1])
    gained, half = _net_benefit(rows, counts, cuts)
    return CutOffTable(
        cut_off=cuts,
        sensitivity=counts.sensitivity,
        sensitivity_lo=sens_lo,
        sensitivity_hi=sens_hi,
        specificity=1.0 - counts.false_alarm_rate,
        specificity_lo=1.0 - alarm_hi,
        specificity_hi=1.0 - alarm_lo,
        net_benefit=gained,
        net_benefit_lo=gained - half,
        net_benefit_hi=gained + half,
    )


def _net_benefit(rows: _Rows, counts: _Counts, cuts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Net benefit and half the width of its 95 % limits; NaN at cut-offs 0 and 1."""
    inside = np.where((cuts > 0.0) & (cuts < 1.0), cuts, np.nan)
    odds, rate = inside / (1.0 - inside), rows.prevalence
    gained = counts.sensitivity * rate - counts.false_alarm_rate * (1.0 - rate) * odds
    if rows.local is None:
        n = rows.labels.size
        variance = counts.variance(1.0 / n, -odds / n, -gained / n, -gained / n)
    else:
        per_case, per_other = rate / counts.n_cases, (1.0 - rate) * odds / counts.n_others
        variance = counts.variance(
            per_case, -per_other, -per_case * counts.sensitivity, per_other * counts.false_alarm_rate
        )
    return gained, Z95 * np.sqrt(np.maximum(variance, 0.0))


def _roc(rows: _Rows, found: FloatArray, alarms: FloatArray, thresholds: FloatArray) -> Band:
    x, y = np.append(0.0, alarms / alarms[-1]), np.append(0.0, found / found[-1])
    kept = _thin_roc(x, y)
    counts = _count(rows, thresholds[kept[1:] - 1][::-1])
    false_alarm = np.append(0.0, counts.false_alarm_rate[::-1])
    sensitivity = np.append(0.0, counts.sensitivity[::-1])
    slope = _slope(false_alarm, x, y, _false_alarm_variance(counts)[::-1], counts.patients_with_other)
    variance = np.append(0.0, _sensitivity_variance(counts)[::-1]) + slope
    lo, hi = share_limits(sensitivity, variance, np.full(kept.size, float(counts.patients_with_case)))
    return Band(x=false_alarm, y=sensitivity, lo=lo, hi=hi)


def _slope(at: FloatArray, x: FloatArray, y: FloatArray, variance: FloatArray, units: int) -> FloatArray:
    """Variance that the false-alarm rate lends the sensitivity: slope squared times its own variance.

    The slope is the rise of the whole curve over the 95 % width of the false-alarm rate: no bandwidth to choose.
    """
    least = (at * units + 0.5) / (units + 1.0)
    own = np.maximum(np.append(0.0, variance), least * (1.0 - least) / (units + 1.0) * (at * (1.0 - at) == 0.0))
    width = Z95 * np.sqrt(own)
    left, right = np.maximum(0.0, at - width), np.minimum(1.0, at + width)
    rise = np.interp(right, x, y) - np.interp(left, x, y)
    slope = np.divide(rise, right - left, out=np.zeros_like(rise), where=right > left)
    return np.asarray(slope * slope * own, dtype=np.float64)


def _precision_recall(rows: _Rows, found: FloatArray, alarms: FloatArray, thresholds: FloatArray) -> Band:
    kept = _thin_precision(found, found + alarms)
    counts = _count(rows, thresholds[kept][::-1])
    called = counts.tp + counts.fp
    precision = counts.tp / called
    if rows.local is None:
        variance = counts.variance((1.0 - precision) / called, -precision / called, 0.0, 0.0)
    else:
        tp, fp = np.maximum(counts.tp, 0.5), np.maximum(counts.fp, 0.5)
        log_odds = counts.variance(1.0 / tp, -1.0 / fp, -1.0 / counts.n_cases, 1.0 / counts.n_others)
        variance = np.maximum(log_odds, 0.0) * (precision * (1.0 - precision)) ** 2
    lo, hi = share_limits(precision, variance, _patients_called(rows, thresholds[kept][::-1], called))
    shifted = (shift_odds(values, rows.studied, rows.prevalence)[::-1].copy() for values in (precision, lo, hi))
    y, lo, hi = shifted
    return Band(x=counts.sensitivity[::-1].copy(), y=y, lo=lo, hi=hi)


def _patients_called(rows: _Rows, cuts: FloatArray, called: FloatArray) -> FloatArray:
    """Distinct patients with a call at each rising cut-off."""
    if rows.codes is None:
        return called
    highest = np.zeros(int(rows.codes.max()) + 1)
    np.maximum.at(highest, rows.codes, rows.p)
    return _called(np.searchsorted(cuts, highest, side="right"), cuts.size)


def _calibration(rows: _Rows) -> Band:
    curve = smooth_calibration(rows.labels, rows.p_studied, groups=rows.codes)
    x, y, lo, hi = (
        shift_odds(values, rows.studied, rows.prevalence).copy()
        for values in (curve.p, curve.observed, curve.lo, curve.hi)
    )
    return Band(x=x, y=y, lo=lo, hi=hi)


def _bins(rows: _Rows) -> tuple[CalibrationBin, ...]:
    """Tenths of the rows; counts are the study's, rates are restated."""
    tenths = calibration_by_decile(rows.labels, rows.p_studied)
    if rows.local is None and rows.codes is None:
        return tenths
    place = np.unique(equal_mass_bins(rows.p_studied), return_inverse=True)[1]
    weights = class_weights(rows.labels, rows.local)
    mean_p = np.bincount(place, weights=weights * rows.p) / np.bincount(place, weights=weights)
    size = np.array([float(part.n) for part in tenths])
    observed = np.array([part.observed for part in tenths])
    lo, hi = np.array([part.lo for part in tenths]), np.array([part.hi for part in tenths])
    if rows.codes is not None:
        lo, hi = _clustered_bins(rows.labels, place, rows.codes, observed, size)
    low, high = np.array([part.p_lo for part in tenths]), np.array([part.p_hi for part in tenths])
    p_lo, p_hi, rate, lo, hi = (
        shift_odds(values, rows.studied, rows.prevalence) for values in (low, high, observed, lo, hi)
    )
    return tuple(
        replace(
            part,
            p_lo=float(p_lo[i]),
            p_hi=float(p_hi[i]),
            mean_p=float(mean_p[i]),
            observed=float(rate[i]),
            lo=float(lo[i]),
            hi=float(hi[i]),
        )
        for i, part in enumerate(tenths)
    )


def _clustered_bins(
    labels: BoolArray, place: IntArray, codes: IntArray, observed: FloatArray, size: FloatArray
) -> tuple[FloatArray, FloatArray]:
    members = place[:, np.newaxis] == np.arange(size.size)
    sums = patient_sums(members * (labels - observed[place])[:, np.newaxis] / size[place][:, np.newaxis], codes)
    m = sums.shape[0]
    units = np.array([float(np.unique(codes[column]).size) for column in members.T])
    return share_limits(observed, (sums * sums).sum(axis=0) * (m / max(1, m - 1)), units)


def _histogram(rows: _Rows) -> Histogram:
    edges = np.linspace(0.0, 1.0, _N_BARS + 1)
    events, others = (np.histogram(rows.p[members], bins=edges)[0] for members in (rows.labels, ~rows.labels))
    return Histogram(edges=edges, events=events.astype(np.float64), others=others.astype(np.float64))


def _thin_roc(x: FloatArray, y: FloatArray) -> IntArray:
    """At most 400 points: ends, corners of the upper hull, then evenly along the curve."""
    bends = np.diff(x, 2) * 1.0, np.diff(y, 2) * 1.0
    corner = np.concatenate(([True], (np.abs(bends[0]) > 1e-15) | (np.abs(bends[1]) > 1e-15), [True]))
    points = np.flatnonzero(corner)
    if points.size <= _MOST_POINTS:
        return points
    hull = _hull(x[points], y[points])
    hull = hull[np.linspace(0, hull.size - 1, min(hull.size, _MOST_CORNERS)).astype(np.int64)]
    way = x[points] + y[points]
    even = np.searchsorted(way, np.linspace(0.0, 2.0, _MOST_POINTS - hull.size))
    return points[np.unique(np.concatenate((hull, np.minimum(even, points.size - 1))))]


def _hull(x: FloatArray, y: FloatArray) -> IntArray:
    """Find the upper convex hull of a rising curve (monotone chain)."""
    kept: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for i in range(len(xs)):
        while len(kept) > 1 and _turns_up(xs, ys, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    return np.array(kept, dtype=np.int64)


def _turns_up(x: list[float], y: list[float], a: int, b: int, c: int) -> bool:
    return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0.0


def _thin_precision(found: FloatArray, called: FloatArray) -> IntArray:
    """At most 400 points: close together where few are called and the curve jumps, else evenly in recall."""
    k = found.size
    if k <= _MOST_POINTS:
        return np.arange(k)
    half = _MOST_POINTS // 2
    early = np.searchsorted(called, np.geomspace(1.0, called[-1], half))
    even = np.searchsorted(found, np.linspace(1.0, found[-1], half))
    return np.unique(np.minimum(np.concatenate(([0], early, even[:-1], [k - 1])), k - 1))
