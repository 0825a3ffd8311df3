"""What a second model finds and calls more than a first one, on the same patients, at every cut-off of a table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.calls import called_at
from medcore.evaluation.clusters import Z95
from medcore.evaluation.compared import PairedCalls
from medcore.evaluation.prevalence import shift_odds
from medcore.evaluation.validation import (
    FloatArray,
    IntArray,
    check_fraction,
    check_groups,
    check_labels,
    check_probabilities,
    check_two_classes,
)

__all__ = ["pair_calls"]

_MOST_CELLS = 4_000_000


def pair_calls(
    y: ArrayLike,
    p: Mapping[str, ArrayLike],
    cut_offs: ArrayLike,
    *,
    prevalence: float | None = None,
    groups: ArrayLike | None = None,
) -> tuple[PairedCalls, ...]:
    """Limits of the differences in sensitivity and in false-alarm rate of every two models.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; both must occur.
    p : mapping of model id to array-like, shape (n,)
        Probabilities of the same rows.
    cut_offs : array-like, shape (k,)
        Rising, on the risks restated for ``prevalence``.
    prevalence : float, optional
        Outcome rate to stand for, in (0, 1); by default the rate in ``y``.
    groups : array-like, shape (n,), optional
        Patient of each row.

    Returns
    -------
    tuple of PairedCalls
        One per pair, in the order of ``p``.

    Raises
    ------
    InputError
        Unusable arrays, one class only, or a prevalence outside (0, 1).

    Notes
    -----
    With b rows called by the second model only and c by the first only, of n rows of an outcome: 95 % limits
    ``(b - c) / (n + 2) +- z * sqrt(b + c + 1 - (b - c)**2 / (n + 2)) / (n + 2)``, that is the normal limits after
    half a row was added to each of the four cells. Where a patient has several rows, the variance is that of the
    patients' sums wherever it is larger.

    References
    ----------
    Agresti A, Min Y. Stat Med 2005;24:729-740. doi:10.1002/sim.1781
    """
    cuts = check_probabilities(cut_offs, name="cut_offs")
    local = None if prevalence is None else check_fraction(prevalence, name="prevalence")
    labels = check_labels(y)
    codes = check_groups(groups, labels.size)
    places: dict[str, IntArray] = {}
    for name, scores in p.items():
        _, checked = check_two_classes(y, scores)
        restated = checked if local is None else shift_odds(checked, float(labels.mean()), local)
        places[name] = np.searchsorted(cuts, restated, side="right")
    found = []
    for first, second in combinations(places, 2):
        sides = [
            _limits(places[first][rows], places[second][rows], cuts.size, None if codes is None else codes[rows])
            for rows in (labels, ~labels)
        ]
        (found_lo, found_hi), (alarms_lo, alarms_hi) = sides
        found.append(
            PairedCalls(
                first=first,
                second=second,
                found_lo=found_lo,
                found_hi=found_hi,
                alarms_lo=alarms_lo,
                alarms_hi=alarms_hi,
            )
        )
    return tuple(found)


def _limits(first: IntArray, second: IntArray, k: int, codes: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """95 % limits of the share called by the second less that called by the first, at each of k cut-offs."""
    n = first.size
    ones = [called_at(place, k) for place in (first, second, np.minimum(first, second))]
    gain, apart = ones[1] - ones[0], ones[0] + ones[1] - 2.0 * ones[2]
    variance = (apart + 1.0 - gain**2 / (n + 2.0)) / (n + 2.0) ** 2
    if codes is not None:
        variance = np.maximum(variance, _patients_variance(first, second, k, codes, gain / n))
    middle, half = gain / (n + 2.0), Z95 * np.sqrt(variance)
    return np.maximum(-1.0, middle - half), np.minimum(1.0, middle + half)


def _patients_variance(first: IntArray, second: IntArray, k: int, codes: IntArray, gain: FloatArray) -> FloatArray:
    """Variance from the patients' sums of differences around the mean difference."""
    patient = np.unique(codes, return_inverse=True)[1]
    sizes = np.bincount(patient).astype(np.float64)
    m, n = sizes.size, first.size
    apart = np.flatnonzero(first != second)
    order = apart[np.argsort(patient[apart], kind="stable")]
    if not order.size:
        return np.zeros(k)
    starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
    owner = sizes[patient[order][starts]]
    squares, crossed = np.zeros(k), np.zeros(k)
    step = max(1, _MOST_CELLS // order.size)
    for begin in range(0, k, step):
        cut = np.arange(begin, min(k, begin + step))
        change = (second[order, np.newaxis] > cut).astype(np.int8) - (first[order, np.newaxis] > cut).astype(np.int8)
        sums = np.add.reduceat(change, starts, axis=0, dtype=np.int64).astype(np.float64)
        squares[cut], crossed[cut] = (sums * sums).sum(axis=0), owner @ sums
    total = squares - 2.0 * gain * crossed + gain**2 * float(sizes @ sizes)
    return np.maximum(total, 0.0) / n**2 * m / max(1, m - 1)
