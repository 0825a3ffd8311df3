"""Calibrators: Platt's logistic line, fitted so that no row is judged by a line it helped to fit."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from medcore.errors import InputError
from medcore.inference.calibrator import Line

__all__ = ["cross_fit", "fit_line", "fit_pooled"]

_RIDGE = 1e-3
_LEAST_SLOPE = 1e-3
_MAX_STEP = 3.0


def fit_line(score: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Line:
    """Fit ``logit P(y = 1) = slope * score + intercept`` by penalised maximum likelihood.

    Platt, Advances in Large Margin Classifiers, 1999; Newton steps on the standardised score, with a
    tiny ridge so that separable scores keep a finite slope.

    Parameters
    ----------
    score : array, shape (n,)
        Raw scores; higher = more likely.
    y : array, shape (n,)
        Outcomes 0 or 1.
    weight : array, shape (n,), optional
        Case weights.

    Raises
    ------
    InputError
        Only one outcome is present among rows with weight.
    """
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    rate = float(np.average(y, weights=weight))
    if not 0.0 < rate < 1.0:
        raise InputError("a calibration line needs both outcomes")
    mean = float(np.average(score, weights=weight))
    spread = float(np.sqrt(np.average((score - mean) ** 2, weights=weight))) + 1e-12
    design = np.column_stack([(score - mean) / spread, np.ones(len(y))])
    ridge = np.diag([_RIDGE, 1e-9])
    beta = np.array([1.0, float(logit(rate))])
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (weight * (y - p)) - ridge @ beta * [1.0, 0.0]
        hessian = (design * (weight * np.maximum(p * (1.0 - p), 1e-9))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, _MAX_STEP / float(np.abs(step).max(initial=1e-12)))
        beta = beta + step
        if float(np.abs(step).max()) < 1e-9:
            break
    slope = max(float(beta[0]), _LEAST_SLOPE)
    return Line(slope=slope / spread, intercept=float(beta[1]) - slope * mean / spread)


def fit_pooled(versions: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Line:
    """Fit one line to several versions of the same rows, in equal parts.

    Parameters
    ----------
    versions : array, shape (k, n)
        Raw scores of the rows as they are and, say, with fields hidden.
    y : array, shape (n,)
        Outcomes 0 or 1.
    weight : array, shape (n,), optional
        Case weights.
    """
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    k = len(versions)
    return fit_line(versions.ravel(), np.tile(y, k), np.tile(weight / k, k))


def cross_fit(
    versions: np.ndarray, y: np.ndarray, fold: np.ndarray, judged: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return calibrated probabilities, each from a line fitted on the other folds only.

    Parameters
    ----------
    versions : array, shape (k, n)
        Out-of-fold raw scores that teach, in one or more versions of each row (see :func:`fit_pooled`).
    y, fold : arrays, shape (n,)
        Outcomes and the fold of each row.
    judged : array, shape (n,)
        Out-of-fold raw scores to calibrate.
    weight : array, shape (n,), optional
        Rows with weight 0 are calibrated but teach no line.
    """
    weight = np.ones(len(y)) if weight is None else weight
    p = np.empty(len(y))
    for k in np.unique(fold):
        held_out = fold == k
        teaching = ~held_out & (weight > 0)
        line = fit_pooled(versions[:, teaching], y[teaching], weight[teaching])
        p[held_out] = expit(line(judged[held_out]))
    return p
