"""What the SHAP values of many patients say together: how much each field moves the risk, and which fields act jointly.

Pure arrays in, frozen results out; no model is asked. All contributions are in probability units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcore.errors import InputError

__all__ = ["FieldWeights", "find_interactions", "mean_contributions", "rank_distance", "shuffle_weights"]

_FINE, _COARSE = 10, 4
_LEAST_ROWS = 60
_LEAST_CELL = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FieldWeights:
    """How much each field matters, with an interval; higher = more.

    ``value``, ``lo`` and ``hi`` are float64 arrays, shape (n_fields,).
    """

    value: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


def mean_contributions(
    values: np.ndarray, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> FieldWeights:
    """Return the mean absolute contribution of each field with a bootstrap interval over patients.

    Parameters
    ----------
    values : float array, shape (n, n_fields)
        SHAP values, probability units.
    n_resamples : int
        Bootstrap resamples of patients; the interval is their percentiles.
    level : float
        Of the interval.
    seed : int
        Of the resamples.

    Notes
    -----
    Source: Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9. The interval says how far other patients of this
    kind would have moved the mean; the model and its background stay.

    Examples
    --------
    >>> import numpy as np
    >>> mean_contributions(np.array([[0.1, 0.0], [-0.3, 0.0]])).value.tolist()
    [0.2, 0.0]
    """
    size = np.abs(_as_values(values))
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(size), np.full(len(size), 1.0 / len(size)), size=n_resamples)
    means = counts @ size / len(size)
    tail = (1.0 - level) / 2.0
    lo, hi = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return FieldWeights(value=size.mean(axis=0), lo=lo, hi=hi)


def find_interactions(X: np.ndarray, values: np.ndarray, is_choice: np.ndarray) -> np.ndarray:
    """Estimate how strongly each pair of fields acts together, from SHAP values alone.

    Parameters
    ----------
    X, values : float arrays, shape (n, n_fields)
        Raw rows, NaN = blank, and their SHAP values.
    is_choice : bool array, shape (n_fields,)
        Fields that hold codes.

    Returns
    -------
    float64 array, shape (n_fields, n_fields)
        Symmetric, diagonal 0, probability units: the typical size (root mean square) of what the two
        contributions hold that depends on both fields.

    Notes
    -----
    A field without interactions has a contribution that follows from its own value. What is left of it after a
    curve of its own value (straight lines between ten quantiles; codes and blanks on their own) is averaged
    in cells of its own value (four bins) by the other's (four bins). The variance between cells, less what as many
    cells of noise would give (the adjusted R squared), is the part that goes with the other field; the
    square roots of both directions are added, because SHAP shares a joint effect out equally (Lundberg et al.
    2020, doi:10.1038/s42256-019-0138-9, section on interaction values). It is an estimate, not the exact interaction
    index: an effect that the two share with a third field they are correlated with can count here as well.

    Raises
    ------
    InputError
        Arrays do not fit, or fewer than 60 patients.
    """
    X, values = np.asarray(X, dtype=np.float64), _as_values(values)
    if X.shape != values.shape or len(is_choice) != X.shape[1]:
        raise InputError("interactions need one contribution for each value")
    n, n_fields = X.shape
    if n < _LEAST_ROWS:
        raise InputError(f"interactions are estimated from {_LEAST_ROWS} patients or more, not {n}")
    bins = [_bin(X[:, j], _COARSE, choice=bool(is_choice[j])) for j in range(n_fields)]
    rests = [values[:, j] - _own_curve(X[:, j], values[:, j], choice=bool(is_choice[j])) for j in range(n_fields)]
    joint = np.zeros((n_fields, n_fields))
    for i in range(n_fields):
        for j in range(n_fields):
            if i != j:
                joint[i, j] = np.sqrt(_between_cells(rests[i], bins[i] * (bins[j].max() + 1) + bins[j]))
    return joint + joint.T


def shuffle_weights(change: np.ndarray, *, level: float = 0.95) -> FieldWeights:
    """Return mean and range over repeats of what shuffling each field changed, (n_repeats, n_fields) in.

    The range is that of a Student interval over the repeats: it covers the shuffling, not the patients.
    """
    from scipy.stats import t

    change = _as_values(change)
    middle = change.mean(axis=0)
    if len(change) < 2:
        return FieldWeights(value=middle, lo=middle, hi=middle)
    half = t.ppf((1.0 + level) / 2.0, len(change) - 1) * change.std(axis=0, ddof=1) / np.sqrt(len(change))
    return FieldWeights(value=middle, lo=middle - half, hi=middle + half)


def rank_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how many places each field stands lower in ``second`` than in ``first`` (negative = higher).

    Examples
    --------
    >>> import numpy as np
    >>> rank_distance(np.array([3.0, 2.0, 1.0]), np.array([1.0, 3.0, 2.0])).tolist()
    [2, -1, -1]
    """
    places = [np.argsort(np.argsort(-np.asarray(part), kind="stable"), kind="stable") for part in (first, second)]
    return np.asarray(places[1] - places[0])


def _as_values(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
        raise InputError(f"contributions are a table of finite numbers, not an array of shape {values.shape}")
    return values


def _bin(column: np.ndarray, n_bins: int, *, choice: bool) -> np.ndarray:
    """Return the bin of each value, from 0; blanks are a bin of their own."""
    known = ~np.isnan(column)
    bins = np.zeros(len(column), dtype=np.int64)
    if not known.any():
        return bins
    if choice or len(np.unique(column[known])) <= n_bins:
        bins[known] = 1 + np.unique(column[known], return_inverse=True)[1]
    else:
        cuts = np.unique(np.quantile(column[known], np.linspace(0, 1, n_bins + 1)[1:-1]))
        bins[known] = 1 + np.searchsorted(cuts, column[known], side="right")
    return np.asarray(np.unique(bins, return_inverse=True)[1])


def _own_curve(column: np.ndarray, phi: np.ndarray, *, choice: bool) -> np.ndarray:
    """Return the part of a contribution that follows from the field's own value, shape (n,)."""
    known = ~np.isnan(column)
    out = np.full(len(phi), phi[~known].mean() if (~known).any() else 0.0)
    levels = np.unique(column[known])
    if choice or len(levels) <= _FINE:
        for level in levels:
            here = column == level
            out[here] = phi[here].mean()
        return out
    knots = np.unique(np.quantile(column[known], np.linspace(0, 1, _FINE + 1)))
    hats = np.column_stack([np.interp(column[known], knots, unit) for unit in np.eye(len(knots))])
    weights, *_ = np.linalg.lstsq(hats, phi[known], rcond=None)
    out[known] = hats @ weights
    return out


def _between_cells(rest: np.ndarray, cells: np.ndarray) -> float:
    """Return the variance of ``rest`` between cells beyond chance (adjusted R squared times variance), at least 0."""
    cells = np.unique(cells, return_inverse=True)[1]
    counts = np.bincount(cells)
    large = (counts >= _LEAST_CELL)[cells]
    n, n_cells = int(large.sum()), int((counts >= _LEAST_CELL).sum())
    if n_cells < 2 or n <= n_cells:
        return 0.0
    rest, cells = rest[large] - rest[large].mean(), cells[large]
    total = float(rest @ rest)
    sums = np.bincount(cells, weights=rest, minlength=len(counts))
    kept = np.maximum(counts, 1)
    within = total - float((sums**2 / kept).sum())
    beyond = total / (n - 1) - within / (n - n_cells)
    return max(beyond, 0.0)
