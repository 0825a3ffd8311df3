"""Several tests at once: p values adjusted so that one chance finding among many is not mistaken for a result."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.validation import FloatArray, check_probabilities

__all__ = ["adjust_benjamini_hochberg", "adjust_holm"]


def adjust_holm(p_values: ArrayLike) -> FloatArray:
    """Holm's adjusted p values: the chance of any false finding in the family stays below the level.

    Parameters
    ----------
    p_values : array-like, shape (k,)
        Unadjusted p values of all tests made, in [0, 1].

    Returns
    -------
    ndarray of float64, shape (k,)
        Adjusted p values in the order given, never below the unadjusted ones.

    Raises
    ------
    InputError
        No p value, a missing one, or one outside [0, 1].

    References
    ----------
    Holm S. Scand J Stat 1979;6:65-70.

    Examples
    --------
    >>> adjust_holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = check_probabilities(p_values, name="p_values")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def adjust_benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Benjamini and Hochberg's adjusted p values: of the findings below a level, at most that share is false.

    Parameters, returned shape and errors as :func:`adjust_holm`. For screening many fields, not for a claim.

    References
    ----------
    Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300. doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    values = check_probabilities(p_values, name="p_values")
    order = np.argsort(-values, kind="stable")
    steps = values[order] * values.size / np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted
