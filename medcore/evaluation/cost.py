"""Expected cost of acting on a model, over every prevalence and every cost of a miss and a false alarm at once.

A cost curve shows what a ROC curve hides: for which combination of prevalence and costs a model beats calling everybody
or nobody, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.discrimination import roc_curve
from medcore.evaluation.validation import FloatArray, check_fraction, check_probabilities, read_only

__all__ = ["CostCurve", "cost_curve", "probability_cost"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CostCurve:
    """Normalised expected cost of three strategies.

    Attributes
    ----------
    probability_cost : ndarray of float64, shape (k,)
        Share of the worst possible cost that misses can cause, in [0, 1] (:func:`probability_cost`); rising.
    model : ndarray of float64, shape (k,)
        Cost at the model's best cut-off for each point, as a share of the worst possible cost; lower is better.
    threshold : ndarray of float64, shape (k,)
        That cut-off; infinite = call nobody.
    treat_all, treat_none : ndarray of float64, shape (k,)
        Cost of calling everybody, and nobody.
    """

    probability_cost: FloatArray
    model: FloatArray
    threshold: FloatArray
    treat_all: FloatArray
    treat_none: FloatArray

    def __post_init__(self) -> None:
        for values in (self.probability_cost, self.model, self.threshold, self.treat_all, self.treat_none):
            read_only(values)

    @property
    def gain(self) -> FloatArray:
        """Cost saved over the better of calling everybody or nobody, shape (k,); never below 0."""
        return np.minimum(self.treat_all, self.treat_none) - self.model


def cost_curve(y: ArrayLike, p: ArrayLike, *, at: ArrayLike | None = None) -> CostCurve:
    """Cost curve of a model: the lower envelope of the cost lines of all its cut-offs.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Probability in [0, 1]; only the order matters.
    at : array-like, shape (k,), optional
        Rising probability-cost values in [0, 1]; by default 0, 0.01, ..., 1.

    Returns
    -------
    CostCurve
        ``(1 - sensitivity) * x + (1 - specificity) * (1 - x)`` at the cut-off that makes it smallest. The cut-off
        is chosen on the same rows, so a small sample flatters the model; calling all or none is among the
        choices.

    Raises
    ------
    InputError
        Unusable arrays, one class only, or a value of ``at`` outside [0, 1].

    References
    ----------
    Drummond C, Holte RC. Mach Learn 2006;65:95-130. doi:10.1007/s10994-006-8199-5
    """
    curve = roc_curve(y, p)
    x = np.linspace(0.0, 1.0, 101) if at is None else np.sort(check_probabilities(at, name="at"))
    missed, alarms = 1.0 - curve.sensitivity, curve.false_positive_rate
    corners = _lower_corners(alarms, missed)
    cost = np.outer(x, missed[corners]) + np.outer(1.0 - x, alarms[corners])
    best = np.argmin(cost, axis=1)
    return CostCurve(
        probability_cost=x,
        model=cost[np.arange(x.size), best],
        threshold=curve.thresholds[corners][best],
        treat_all=1.0 - x,
        treat_none=x.copy(),
    )


def probability_cost(*, prevalence: float, cost_of_miss: float, cost_of_false_alarm: float) -> float:
    """Place on the cost curve of a prevalence and two costs.

    Parameters
    ----------
    prevalence : float
        Outcome rate, in (0, 1).
    cost_of_miss, cost_of_false_alarm : float
        In any common unit, above 0.

    Returns
    -------
    float
        ``r m / (r m + (1 - r) a)``, in (0, 1).

    Raises
    ------
    InputError
        A prevalence outside (0, 1) or a cost that is not a finite number above 0.

    Examples
    --------
    >>> round(probability_cost(prevalence=0.1, cost_of_miss=9, cost_of_false_alarm=1), 3)
    0.5
    """
    rate = check_fraction(prevalence, name="prevalence")
    for name, cost in (("cost_of_miss", cost_of_miss), ("cost_of_false_alarm", cost_of_false_alarm)):
        if not (np.isfinite(cost) and cost > 0.0):
            raise InputError(f"{name} is {cost!r}, expected a number above 0", field=name, value=cost)
    ill = rate * cost_of_miss
    return ill / (ill + (1.0 - rate) * cost_of_false_alarm)


def _lower_corners(alarms: FloatArray, missed: FloatArray) -> list[int]:
    """Cut-offs that are cheapest for some probability-cost: corners of the ROC curve's hull."""
    kept: list[int] = []
    x, y = alarms.tolist(), missed.tolist()
    for c in range(len(x)):
        while len(kept) > 1 and _above_line(x, y, kept[-2], kept[-1], c):
            kept.pop()
        kept.append(c)
    return kept


def _above_line(x: list[float], y: list[float], a: int, b: int, c: int) -> bool:
    return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) <= 0.0
