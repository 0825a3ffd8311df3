"""A smooth calibration curve with its band, and how far it lies from the diagonal.

The outcome's log-odds are a restricted cubic spline of logit(p): a curve that bends in the middle and runs straight
in the tails, where few patients are. It needs no bins and no bandwidth, and its band has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.calibration import fit_logistic, is_separated
from medcore.evaluation.clusters import Z95, patient_sums
from medcore.evaluation.intervals import expit, logit
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_groups,
    check_probabilities,
    check_two_classes,
    read_only,
)

__all__ = ["CalibrationDistance", "SmoothCalibration", "calibration_distance", "smooth_calibration", "spline_basis"]

_FEW_ROWS = 100
_KNOTS_FEW = (0.10, 0.50, 0.90)
_KNOTS = (0.05, 0.35, 0.65, 0.95)
_NEAREST = 1e-4
_N_POINTS = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothCalibration:
    """Observed outcome rate as a smooth function of the predicted risk.

    Attributes
    ----------
    p, observed, lo, hi : ndarray of float64, shape (k,)
        Predicted risk (rising), the rate observed there, and pointwise 95 % limits; fractions. All three are NaN where
        no curve exists: all risks equal, or risks that separate the outcomes.
    n_knots : int
        Knots of the spline; 0 = a straight line in the log-odds, or no curve.
    """

    p: FloatArray
    observed: FloatArray
    lo: FloatArray
    hi: FloatArray
    n_knots: int

    def __post_init__(self) -> None:
        for values in (self.p, self.observed, self.lo, self.hi):
            read_only(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationDistance:
    """Distance between predicted risk and smooth observed rate over the patients; fractions, lower is better.

    Attributes
    ----------
    ici : float
        Mean absolute distance (integrated calibration index).
    e50, e90, e_max : float
        Its median, 90th percentile and maximum.
    """

    ici: float
    e50: float
    e90: float
    e_max: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    knots: FloatArray
    centre: float
    scale: float
    beta: FloatArray
    covariance: FloatArray

    def design(self, x: FloatArray) -> FloatArray:
        return _design((x - self.centre) / self.scale, self.knots)


def smooth_calibration(
    y: ArrayLike, p: ArrayLike, *, groups: ArrayLike | None = None, at: ArrayLike | None = None
) -> SmoothCalibration:
    """Smooth calibration curve by logistic regression on a restricted cubic spline of logit(p).

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; kept 1e-4 away from 0 and 1 in the regression.
    groups : array-like, shape (n,), optional
        Patient of each row; the band then uses the patient-wise sandwich covariance.
    at : array-like, shape (k,), optional
        Rising risks at which the curve is wanted; by default about 100 over the range of ``p``, half of them evenly
        spaced and half at quantiles.

    Returns
    -------
    SmoothCalibration
        Curve with its Wald band, computed on the log-odds scale. Knots at the 5th, 35th, 65th and 95th percentile of
        logit(p) (10th, 50th, 90th with fewer than 100 rows); where those coincide or the spline has no finite
        fit, a straight line; where that has none either, NaN.

    Raises
    ------
    InputError
        Unusable arrays, or one class only.

    References
    ----------
    Harrell FE. Regression Modeling Strategies, 2nd ed., 2015, sections 2.4.4-2.4.6 and 10.11.
    doi:10.1007/978-3-319-19425-7; Van Calster B et al. J Clin Epidemiol 2016;74:167-176.
    doi:10.1016/j.jclinepi.2015.12.005
    """
    labels, scores = check_two_classes(y, p)
    codes = check_groups(groups, labels.size)
    points = _points(scores) if at is None else np.sort(check_probabilities(at, name="at"))
    fit = _fit(labels, _log_odds(scores), codes)
    if fit is None:
        nothing = np.full(points.size, np.nan)
        return SmoothCalibration(p=points, observed=nothing, lo=nothing.copy(), hi=nothing.copy(), n_knots=0)
    design = fit.design(_log_odds(points))
    middle = design @ fit.beta
    half = Z95 * np.sqrt(np.einsum("ij,jk,ik->i", design, fit.covariance, design))
    return SmoothCalibration(
        p=points, observed=expit(middle), lo=expit(middle - half), hi=expit(middle + half), n_knots=fit.knots.size
    )


def calibration_distance(y: ArrayLike, p: ArrayLike) -> CalibrationDistance:
    """How far predicted risks lie from the smooth calibration curve, over the patients.

    Parameters
    ----------
    y, p
        As :func:`smooth_calibration`.

    Returns
    -------
    CalibrationDistance
        All NaN where there is no curve. Chance keeps these above 0 in small samples.

    Raises
    ------
    InputError
        As :func:`smooth_calibration`.

    References
    ----------
    Austin PC, Steyerberg EW. Stat Med 2019;38:4051-4065. doi:10.1002/sim.8281
    """
    labels, scores = check_two_classes(y, p)
    x = _log_odds(scores)
    fit = _fit(labels, x, None)
    if fit is None:
        return CalibrationDistance(ici=np.nan, e50=np.nan, e90=np.nan, e_max=np.nan)
    gap = np.abs(expit(fit.design(x) @ fit.beta) - scores)
    e50, e90 = np.quantile(gap, [0.5, 0.9])
    return CalibrationDistance(ici=float(gap.mean()), e50=float(e50), e90=float(e90), e_max=float(gap.max()))


def spline_basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Non-linear columns of a restricted cubic spline: k knots give k - 2 columns, shape (n, k - 2).

    Scaled by the squared distance of the outer knots, as is usual, so that columns have the unit of ``x``.
    """
    last, before = knots[-1], knots[-2]
    columns = []
    for knot in knots[:-2]:
        cubes = (
            _cube(x - knot)
            - _cube(x - before) * (last - knot) / (last - before)
            + _cube(x - last) * (before - knot) / (last - before)
        )
        columns.append(cubes / (last - knots[0]) ** 2)
    return np.column_stack(columns)


def _cube(x: FloatArray) -> FloatArray:
    above = np.maximum(x, 0.0)
    return above * above * above


def _fit(labels: BoolArray, x: FloatArray, codes: IntArray | None) -> _Fit | None:
    """Fit the spline, else a line, else nothing."""
    if is_separated(labels, x):
        return None
    centre, scale = float(x.mean()), float(x.std())
    z = (x - centre) / scale
    shares = _KNOTS_FEW if x.size < _FEW_ROWS else _KNOTS
    knots = np.asarray(np.quantile(z, shares), dtype=np.float64)
    choices = [knots] if np.unique(knots).size == knots.size else []
    for chosen in [*choices, np.zeros(0)]:
        try:
            design = _design(z, chosen)
            beta, covariance = fit_logistic(design, labels, offset=np.zeros_like(z))
        except InputError:
            continue
        if codes is not None:
            covariance = _sandwich(design, labels, beta, covariance, codes)
        if np.isfinite(covariance).all():
            return _Fit(knots=chosen, centre=centre, scale=scale, beta=beta, covariance=covariance)
    return None


def _design(z: FloatArray, knots: FloatArray) -> FloatArray:
    line = np.column_stack((np.ones_like(z), z))
    return line if knots.size == 0 else np.column_stack((line, spline_basis(z, knots)))


def _sandwich(
    design: FloatArray, labels: BoolArray, beta: FloatArray, covariance: FloatArray, codes: IntArray
) -> FloatArray:
    """Patient-wise robust covariance of the coefficients, shape (k, k)."""
    scores = patient_sums(design * (labels - expit(design @ beta))[:, np.newaxis], codes)
    meat = scores.T @ scores * (scores.shape[0] / max(1, scores.shape[0] - 1))
    robust: FloatArray = covariance @ meat @ covariance
    return robust


def _log_odds(p: FloatArray) -> FloatArray:
    return logit(np.clip(p, _NEAREST, 1.0 - _NEAREST))


def _points(scores: FloatArray) -> FloatArray:
    low, high = float(scores.min()), float(scores.max())
    even = np.linspace(low, high, _N_POINTS)
    return np.unique(np.concatenate((even, np.quantile(scores, np.linspace(0.0, 1.0, _N_POINTS + 1)))))
