"""Checks at the door of the evaluation room.

Every public function of ``medcore.evaluation`` passes its arguments through these checks once
and works on the clean arrays they return. A check either returns or raises
:class:`~medcore.errors.InputError` quoting the offending value and what was expected; nothing is
repaired, rounded or dropped silently.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcore.errors import InputError

__all__ = [
    "BoolArray",
    "FloatArray",
    "IntArray",
    "check_fraction",
    "check_groups",
    "check_labels",
    "check_level",
    "check_n_bins",
    "check_n_resamples",
    "check_probabilities",
    "check_rng",
    "check_scores",
    "check_threshold",
    "check_thresholds_open",
    "check_two_classes",
    "read_only",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_EXPECTED = "array of numbers, shape (n,)"


def check_scores(y: ArrayLike, p: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Clean a pair of outcomes and predicted probabilities.

    Parameters
    ----------
    y : array-like, shape (n,)
        Observed outcome, 0 (absent) or 1 (present); bool, integer or float.
    p : array-like, shape (n,)
        Predicted probability of the outcome, fraction in [0, 1]; higher = more likely.
        Percentages and log-odds are not accepted.

    Returns
    -------
    tuple of (ndarray of bool, ndarray of float64)
        ``y`` and ``p`` as one-dimensional arrays of equal length.

    Raises
    ------
    InputError
        Not numbers, not one-dimensional, empty, of unequal length, a missing value, an outcome
        other than 0 or 1, or a probability outside [0, 1].
    """
    labels, probabilities = check_labels(y), check_probabilities(p)
    if labels.size != probabilities.size:
        raise InputError(
            f"y has {labels.size} rows but p has {probabilities.size}; give one probability per outcome",
            field="p",
            value=probabilities.size,
            expected=f"{labels.size} rows",
        )
    return labels, probabilities


def check_two_classes(y: ArrayLike, p: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """As :func:`check_scores`, and both outcomes must occur.

    Raises
    ------
    InputError
        As :func:`check_scores`, or all outcomes are the same so the metric is undefined.
    """
    labels, probabilities = check_scores(y, p)
    n_pos = int(labels.sum())
    if n_pos in (0, labels.size):
        raise InputError(
            f"all {labels.size} outcomes are {int(labels[0])}; this metric needs at least one 0 and one 1",
            field="y",
            value=int(labels[0]),
            expected="both 0 and 1",
        )
    return labels, probabilities


def check_labels(y: ArrayLike, *, name: str = "y") -> BoolArray:
    """Clean an array of outcomes coded 0 or 1; return it as bool, shape (n,)."""
    values = _numeric(y, name)
    wrong = (values != 0.0) & (values != 1.0)
    if wrong.any():
        raise _at(name, values, wrong, "outcomes coded 0 or 1")
    labels: BoolArray = values == 1.0
    return labels


def check_probabilities(p: ArrayLike, *, name: str = "p") -> FloatArray:
    """Clean an array of probabilities in [0, 1]; return it as float64, shape (n,)."""
    values = _numeric(p, name)
    wrong = (values < 0.0) | (values > 1.0)
    if wrong.any():
        raise _at(name, values, wrong, "probabilities in [0, 1]")
    return values


def check_groups(groups: ArrayLike | None, n: int) -> IntArray | None:
    """Turn patient labels into codes 0..n_patients-1.

    Parameters
    ----------
    groups : array-like, shape (n,), or None
        One label per row naming its patient (integers or text). None = every row is a patient.
    n : int
        Number of rows expected.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        None when no label was given, or when every row is its own patient.

    Raises
    ------
    InputError
        Wrong length, more than one dimension, a missing label, or labels that cannot be compared.
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InputError(
            f"groups has shape {labels.shape}, expected ({n},): one patient label per row",
            field="groups",
            value=labels.shape,
            expected=f"({n},)",
        )
    codes, n_groups = _codes(labels)
    return None if n_groups == n else codes


def check_threshold(threshold: float, *, name: str = "threshold") -> float:
    """Return a cut-off (or other fraction) in [0, 1] as float; positive means ``p >= threshold``."""
    return _bounded(threshold, name, closed=True)


def check_thresholds_open(thresholds: ArrayLike) -> FloatArray:
    """Return threshold probabilities strictly between 0 and 1, where the odds t/(1-t) exist."""
    values = _numeric(thresholds, "thresholds")
    wrong = (values <= 0.0) | (values >= 1.0)
    if wrong.any():
        raise _at("thresholds", values, wrong, "values strictly between 0 and 1")
    return values


def check_level(level: float) -> float:
    """Return a confidence level strictly between 0 and 1 (0.95 = 95 %)."""
    return _bounded(level, "level", closed=False)


def check_fraction(value: float, *, name: str) -> float:
    """Return a fraction strictly between 0 and 1, such as a prevalence."""
    return _bounded(value, name, closed=False)


def check_n_resamples(n_resamples: int) -> int:
    """Return the number of bootstrap resamples, at least 2."""
    return _count(n_resamples, "n_resamples", minimum=2)


def check_n_bins(n_bins: int) -> int:
    """Return the number of bins, at least 1."""
    return _count(n_bins, "n_bins", minimum=1)


def check_rng(rng: np.random.Generator) -> np.random.Generator:
    """Return ``rng``; seeds and legacy generators are refused so that the caller owns the seed."""
    if not isinstance(rng, np.random.Generator):
        raise InputError(
            f"rng is {type(rng).__name__}, expected a numpy.random.Generator such as numpy.random.default_rng(seed)",
            field="rng",
            value=rng,
            expected="numpy.random.Generator",
        )
    return rng


def read_only(values: NDArray[np.generic]) -> None:
    """Forbid writing into an array held by a frozen result."""
    values.setflags(write=False)


def _numeric(values: ArrayLike, name: str) -> FloatArray:
    array = _as_array(values, name)
    if array.ndim != 1:
        raise InputError(
            f"{name} has shape {array.shape}, expected one dimension (n,)",
            field=name,
            value=array.shape,
            expected="(n,)",
        )
    if array.size == 0:
        raise InputError(f"{name} is empty, expected at least one row", field=name, value=0)
    missing = ~np.isfinite(array)
    if missing.any():
        raise _at(name, array, missing, "finite numbers without gaps")
    return array


def _as_array(values: ArrayLike, name: str) -> FloatArray:
    try:
        raw = (
            np.ma.filled(values.astype(np.float64), np.nan)
            if isinstance(values, np.ma.MaskedArray)
            else np.asarray(values)
        )
        if raw.dtype.kind not in "biufO":
            raise TypeError(f"values of type {raw.dtype}")
        return np.array(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{name} cannot be read as numbers ({error}), expected an {_EXPECTED}",
            field=name,
            expected=_EXPECTED,
        ) from error


def _codes(labels: NDArray[np.generic]) -> tuple[IntArray, int]:
    if labels.dtype.kind == "f" and np.isnan(labels.astype(np.float64)).any():
        raise InputError("groups has a missing label (NaN)", field="groups", value=float("nan"))
    try:
        names, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise InputError(f"groups mixes labels that cannot be compared ({error})", field="groups") from error
    return codes.astype(np.int64), names.size


def _bounded(value: float, name: str, *, closed: bool) -> float:
    interval = "[0, 1]" if closed else "(0, 1)"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    inside = 0.0 <= number <= 1.0 if closed else 0.0 < number < 1.0
    if not inside:
        raise InputError(
            f"{name} is {value!r}, expected a number in {interval}",
            field=name,
            value=value,
            expected=f"a number in {interval}",
        )
    return number


def _count(value: int, name: str, *, minimum: int) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < minimum:
        raise InputError(
            f"{name} is {value!r}, expected a whole number of at least {minimum}",
            field=name,
            value=value,
            expected=f"a whole number >= {minimum}",
        )
    return int(value)


def _at(name: str, values: FloatArray, wrong: BoolArray, expected: str) -> InputError:
    row = int(np.argmax(wrong))
    value = float(values[row])
    return InputError(
        f"{name}[{row}] is {value:g}, expected {expected} ({int(wrong.sum())} such rows)",
        field=name,
        value=value,
        expected=expected,
    )
