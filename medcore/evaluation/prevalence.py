"""Another outcome rate than the study's: risks and rates restated by a shift of the odds.

All of it rests on one assumption, often called label shift: patients with the outcome look alike in both places,
and so do patients without it; only their numbers differ. Sensitivity, specificity and the order of risks then stay,
and the odds of every risk and of every observed rate are multiplied by the ratio of the two prevalence odds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.validation import BoolArray, FloatArray, check_fraction, check_probabilities

__all__ = ["class_weights", "restate", "shift_odds"]


def restate(p: ArrayLike, *, studied: float, local: float) -> FloatArray:
    """Risks of the same patients where the outcome has another prevalence.

    Parameters
    ----------
    p : array-like, shape (n,)
        Probabilities in [0, 1]; 0 and 1 stay.
    studied, local : float
        Outcome rate where ``p`` was made, and where it is to be used; in (0, 1).

    Returns
    -------
    ndarray of float64, shape (n,)
        Probabilities in the same order as ``p``.

    Raises
    ------
    InputError
        A probability outside [0, 1] or a rate outside (0, 1).

    References
    ----------
    Saerens M et al. Neural Comput 2002;14:21-41. doi:10.1162/089976602753284446

    Examples
    --------
    >>> restate([0.62], studied=0.46, local=0.24).round(2)
    array([0.38])
    """
    rates = check_fraction(studied, name="studied"), check_fraction(local, name="local")
    return shift_odds(check_probabilities(p), *rates)


def shift_odds(share: FloatArray, studied: float, local: float) -> FloatArray:
    """As :func:`restate` for arrays already checked; NaN stays NaN, equal rates change nothing."""
    if studied == local:
        return share
    ill = share * (local * (1.0 - studied))
    well = (1.0 - share) * ((1.0 - local) * studied)
    return np.asarray(ill / (ill + well), dtype=np.float64)


def class_weights(labels: BoolArray, local: float | None) -> FloatArray:
    """Weight of each row that gives the outcome the rate ``local``; mean 1, all 1 for None; shape (n,)."""
    if local is None:
        return np.ones(labels.size)
    rate = float(labels.mean())
    return np.where(labels, local / rate, (1.0 - local) / (1.0 - rate))
