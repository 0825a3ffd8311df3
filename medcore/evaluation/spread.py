"""How far a model's figures move from one fold of the cross-validation to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.calibration import brier, calibration_intercept, calibration_slope, log_loss
from medcore.evaluation.discrimination import auprc, auroc
from medcore.evaluation.validation import BoolArray, FloatArray, check_two_classes

__all__ = ["FoldSpread", "fold_spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldSpread:
    """One metric over the folds.

    Attributes
    ----------
    metric : str
        Its name.
    values : tuple of float
        One per fold, in the order of the folds' labels; NaN where the fold is too small or one-sided for it.
    minimum, median, maximum : float
        Over the folds that have a value; NaN if none has.
    """

    metric: str
    values: tuple[float, ...]
    minimum: float
    median: float
    maximum: float


def fold_spread(y: ArrayLike, p: ArrayLike, folds: ArrayLike) -> dict[str, FoldSpread]:
    """Compute the summary figures within each fold.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : array-like, shape (n,)
        Out-of-fold probability in [0, 1].
    folds : array-like, shape (n,)
        Fold of each row, a number or a name.

    Returns
    -------
    dict of str to FoldSpread
        Keys auroc, auprc, brier, log_loss, calibration_slope, calibration_intercept. The spread shows chance
        between small sets of patients more than the instability of a model; it is no confidence interval.

    Raises
    ------
    InputError
        Unusable arrays, one class only, or folds of another length.
    """
    labels, scores = check_two_classes(y, p)
    fold = np.asarray(folds)
    if fold.shape != labels.shape:
        raise InputError(
            f"folds has shape {fold.shape}, expected ({labels.size},): one fold per row",
            field="folds",
            value=fold.shape,
            expected=f"({labels.size},)",
        )
    members = [fold == name for name in np.unique(fold)]
    return {
        name: _spread(name, [_value(metric, labels[rows], scores[rows]) for rows in members])
        for name, metric in _METRICS.items()
    }


def _value(metric: Callable[[BoolArray, FloatArray], float], labels: BoolArray, scores: FloatArray) -> float:
    try:
        return metric(labels, scores)
    except InputError:  # one outcome only, or separated: the figure does not exist in this fold
        return math.nan


def _spread(name: str, values: list[float]) -> FoldSpread:
    known = [value for value in values if not math.isnan(value)]
    low, middle, high = (min(known), float(np.median(known)), max(known)) if known else (math.nan,) * 3
    return FoldSpread(metric=name, values=tuple(values), minimum=low, median=middle, maximum=high)


_METRICS: Mapping[str, Callable[[BoolArray, FloatArray], float]] = MappingProxyType(
    {
        "auroc": auroc,
        "auprc": auprc,
        "brier": brier,
        "log_loss": log_loss,
        "calibration_slope": lambda labels, scores: calibration_slope(labels, scores).value,
        "calibration_intercept": lambda labels, scores: calibration_intercept(labels, scores).value,
    }
)
