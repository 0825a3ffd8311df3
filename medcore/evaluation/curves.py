"""All curves of one model, with pointwise 95 % bands, fast enough to be drawn while the reader waits.

No resampling: every band has a closed form. A patient with several rows calls as one (``groups``). At another
prevalence than the study's the risks are restated by an odds shift; sensitivity and specificity stay, observed rates
and predictive values shift with the risks, and net benefit is weighted to the local rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.board import board
from medcore.evaluation.calibration import CalibrationBin, calibration_by_decile, equal_mass_bins
from medcore.evaluation.calls import CallCounter, Calls, called_at
from medcore.evaluation.clusters import Z95, patient_sums, share_limits
from medcore.evaluation.compared import Band, CutOffTable, Histogram, ModelCurves
from medcore.evaluation.prevalence import class_weights, restate, shift_odds
from medcore.evaluation.smooth import smooth_calibration
from medcore.evaluation.thinning import thin_precision, thin_roc
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

_N_BARS = 40


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
    counter: CallCounter

    @property
    def prevalence(self) -> float:
        return self.studied if self.local is None else self.local


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
    codes = check_groups(groups, labels.size)
    restated = scores if local is None else shift_odds(scores, studied, local)
    rows = _Rows(
        labels=labels,
        p_studied=scores,
        p=restated,
        codes=codes,
        studied=studied,
        local=local,
        counter=CallCounter(labels, restated, codes),
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


def _table(rows: _Rows, cuts: FloatArray) -> CutOffTable:
    calls = rows.counter.count(cuts)
    units = np.full(cuts.size, float(calls.patients_with_case)), np.full(cuts.size, float(calls.patients_with_other))
    sens_lo, sens_hi = share_limits(calls.sensitivity, calls.sensitivity_variance, units[0])
    alarm_lo, alarm_hi = share_limits(calls.false_alarm_rate, calls.false_alarm_variance, units[1])
    gained, half = _net_benefit(rows, calls, cuts)
    return CutOffTable(
        cut_off=cuts,
        sensitivity=calls.sensitivity,
        sensitivity_lo=sens_lo,
        sensitivity_hi=sens_hi,
        specificity=1.0 - calls.false_alarm_rate,
        specificity_lo=1.0 - alarm_hi,
        specificity_hi=1.0 - alarm_lo,
        net_benefit=gained,
        net_benefit_lo=gained - half,
        net_benefit_hi=gained + half,
    )


def _net_benefit(rows: _Rows, calls: Calls, cuts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Net benefit and half the width of its 95 % limits; NaN at cut-offs 0 and 1."""
    inside = np.where((cuts > 0.0) & (cuts < 1.0), cuts, np.nan)
    odds, rate = inside / (1.0 - inside), rows.prevalence
    gained = calls.sensitivity * rate - calls.false_alarm_rate * (1.0 - rate) * odds
    if rows.local is None:
        n = rows.labels.size
        variance = calls.variance(1.0 / n, -odds / n, -gained / n, -gained / n)
    else:
        per_case, per_other = rate / calls.n_cases, (1.0 - rate) * odds / calls.n_others
        variance = calls.variance(
            per_case, -per_other, -per_case * calls.sensitivity, per_other * calls.false_alarm_rate
        )
    return gained, Z95 * np.sqrt(variance)


def _roc(rows: _Rows, found: FloatArray, alarms: FloatArray, thresholds: FloatArray) -> Band:
    x, y = np.append(0.0, alarms / alarms[-1]), np.append(0.0, found / found[-1])
    kept = thin_roc(x, y)
    calls = rows.counter.count(thresholds[kept[1:] - 1][::-1])
    false_alarm = np.append(0.0, calls.false_alarm_rate[::-1])
    sensitivity = np.append(0.0, calls.sensitivity[::-1])
    slope = _slope(false_alarm, x, y, calls.false_alarm_variance[::-1], calls.patients_with_other)
    variance = np.append(0.0, calls.sensitivity_variance[::-1]) + slope
    lo, hi = share_limits(sensitivity, variance, np.full(kept.size, float(calls.patients_with_case)))
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
    kept = thin_precision(found, found + alarms)
    calls = rows.counter.count(thresholds[kept][::-1])
    called = calls.tp + calls.fp
    precision = calls.tp / called
    if rows.local is None:
        variance = calls.variance((1.0 - precision) / called, -precision / called, 0.0, 0.0)
    else:
        tp, fp = np.maximum(calls.tp, 0.5), np.maximum(calls.fp, 0.5)
        log_odds = calls.variance(1.0 / tp, -1.0 / fp, -1.0 / calls.n_cases, 1.0 / calls.n_others)
        variance = log_odds * (precision * (1.0 - precision)) ** 2
    lo, hi = share_limits(precision, variance, _patients_called(rows, thresholds[kept][::-1], called))
    shifted = (shift_odds(values, rows.studied, rows.prevalence)[::-1].copy() for values in (precision, lo, hi))
    y, lo, hi = shifted
    return Band(x=calls.sensitivity[::-1].copy(), y=y, lo=lo, hi=hi)


def _patients_called(rows: _Rows, cuts: FloatArray, called: FloatArray) -> FloatArray:
    """Distinct patients with a call at each rising cut-off."""
    if rows.codes is None:
        return called
    highest = np.zeros(int(rows.codes.max()) + 1)
    np.maximum.at(highest, rows.codes, rows.p)
    return called_at(np.searchsorted(cuts, highest, side="right"), cuts.size)


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
