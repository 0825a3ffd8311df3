"""Whether patients look like those a model was trained on, field by field.

Works from a summary of the training values, so no training row needs to travel with a model. A shift of the fields says
that patients differ, not that the model is wrong for them: only their outcomes can tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcore.errors import InputError
from medcore.evaluation.validation import FloatArray, read_only

__all__ = [
    "DriftVerdict",
    "FieldDrift",
    "FieldSummary",
    "drift_table",
    "field_drift",
    "population_stability",
    "summarise_field",
]

_MOST_BINS = 10
_VALUES_PER_BIN = 10
_FEWEST = 20
_SOME, _LARGE = 0.10, 0.25
_BLANK_WORDS = ("", "nan", "None", "NaN", "<NA>")


class DriftVerdict(StrEnum):
    """How far a field has moved, by its population stability index."""

    LITTLE = "little"
    SOME = "some"
    LARGE = "large"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FieldSummary:
    """How one field was distributed among the patients a model was trained on.

    Attributes
    ----------
    field : str
        Its name.
    n, n_blank : int
        Rows, and rows in which it was blank.
    values : ndarray, shape (k,)
        A number: rising values. A choice: its codes, as text.
    shares : ndarray of float64, shape (k,)
        A number: share of known values at or below each of ``values``, ending in 1. A choice: share of each code.
    is_choice : bool
        Whether the field is a choice.
    """

    field: str
    n: int
    n_blank: int
    values: NDArray[np.generic]
    shares: FloatArray
    is_choice: bool

    def __post_init__(self) -> None:
        read_only(self.values)
        read_only(self.shares)

    @property
    def n_known(self) -> int:
        """Rows with a value."""
        return self.n - self.n_blank


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDrift:
    """One field in new patients against the training population.

    Attributes
    ----------
    field : str
        Its name.
    psi : float
        Population stability index over bins of the training values; 0 = the same shares.
    psi_by_chance : float
        What it stays below in 95 % of samples of these sizes when nothing has moved.
    ks : float
        Largest distance between the two cumulated distributions, in [0, 1]; NaN for a choice.
    p_value : float
        Of no difference: Kolmogorov-Smirnov's for a number, chi-squared for a choice. In large samples tiny shifts are
        "significant"; read ``psi`` first.
    n, n_reference : int
        Rows with a value.
    share_blank, share_blank_reference : float
        Fractions of rows without one.
    verdict : DriftVerdict
        Little below 0.1 or what chance alone gives, some up to 0.25, large from there; too few with under
        20 values on either side.
    """

    field: str
    psi: float
    psi_by_chance: float
    ks: float
    p_value: float
    n: int
    n_reference: int
    share_blank: float
    share_blank_reference: float
    verdict: DriftVerdict


def summarise_field(
    field: str, values: ArrayLike, *, is_choice: bool = False, most_points: int | None = 201
) -> FieldSummary:
    """Summarise one field of the training rows.

    Parameters
    ----------
    field : str
        Its name.
    values : array-like, shape (n,)
        Numbers with NaN for blank; for a choice also text, with "" for blank.
    is_choice : bool, default False
        Whether the values are codes without an order.
    most_points : int or None, default 201
        A number with more distinct values is kept as that many quantiles, so that no patient's value can be
        told; distances then err by at most ``1 / (most_points - 1)``. None keeps every distinct value.

    Returns
    -------
    FieldSummary

    Raises
    ------
    InputError
        Not one-dimensional, empty, an infinite value, or text in a numeric field.
    """
    known, n = _known(field, values, is_choice=is_choice)
    names, counts = np.unique(known, return_counts=True)
    shares = counts / max(1, known.size)
    if not is_choice:
        shares = np.cumsum(counts) / max(1, known.size)
        if most_points is not None and names.size > most_points:
            place = np.unique(np.searchsorted(shares, np.linspace(0.0, 1.0, most_points) - 1e-12))
            names, shares = names[place], shares[place]
    return FieldSummary(
        field=field, n=n, n_blank=n - known.size, values=names, shares=shares.astype(np.float64), is_choice=is_choice
    )


def field_drift(reference: FieldSummary, values: ArrayLike) -> FieldDrift:
    """Compare new values of a field with the training population.

    Parameters
    ----------
    reference : FieldSummary
        From :func:`summarise_field`.
    values : array-like, shape (n,)
        New values, coded as there; blank where unknown.

    Returns
    -------
    FieldDrift
        Bins are the tenths of the training values (fewer and wider ones below 100 values, so that each expects ten),
        or the choices; a choice unknown in training is a bin of its own.
        NaN figures where either side has no value.

    Raises
    ------
    InputError
        As :func:`summarise_field`.

    References
    ----------
    Index and its usual limits: Siddiqi N. Credit Risk Scorecards, Wiley 2006, chapter 8; its distribution by chance:
    Yurdakul B, Naranjo J. J Risk Model Valid 2020;14:89-100. doi:10.21314/JRMV.2020.227; Kolmogorov-Smirnov:
    Stephens MA. J R Stat Soc B 1970;32:115-122. doi:10.1111/j.2517-6161.1970.tb00821.x
    """
    known, n_rows = _known(reference.field, values, is_choice=reference.is_choice)
    n, n_reference = known.size, reference.n_known
    psi = by_chance = ks = p_value = math.nan
    if n and n_reference:
        old, new = _choice_shares(reference, known) if reference.is_choice else _binned_shares(reference, known)
        psi = population_stability(old, new, n_old=n_reference, n_new=n)
        by_chance = _psi_by_chance(old.size, n, n_reference)
        if reference.is_choice:
            p_value = _chi_squared(old * n_reference, new * n)
        else:
            ks, p_value = _kolmogorov_smirnov(reference, known)
    return FieldDrift(
        field=reference.field,
        psi=psi,
        psi_by_chance=by_chance,
        ks=ks,
        p_value=p_value,
        n=n,
        n_reference=n_reference,
        share_blank=1.0 - n / n_rows,
        share_blank_reference=reference.n_blank / reference.n,
        verdict=_verdict(psi, by_chance, min(n, n_reference)),
    )


def drift_table(reference: Mapping[str, FieldSummary], values: Mapping[str, ArrayLike]) -> tuple[FieldDrift, ...]:
    """Compare every field of the reference, in its order; a field without new values counts as blank throughout.

    Parameters
    ----------
    reference : mapping of field name to FieldSummary
        The training population.
    values : mapping of field name to array-like, shape (n,)
        New patients; further fields are ignored.

    Returns
    -------
    tuple of FieldDrift

    Raises
    ------
    InputError
        No values at all, unequal lengths, or as :func:`field_drift`.
    """
    lengths = {name: np.shape(column)[0] if np.ndim(column) else 0 for name, column in values.items()}
    if not lengths or len(set(lengths.values())) > 1:
        raise InputError(
            f"the fields have {sorted(set(lengths.values()))} rows, expected one number of rows for all",
            field="values",
            value=lengths,
        )
    blank = np.full(next(iter(lengths.values())), np.nan)
    return tuple(field_drift(summary, values.get(name, blank)) for name, summary in reference.items())


def population_stability(old: FloatArray, new: FloatArray, *, n_old: int, n_new: int) -> float:
    """Compute the population stability index of two sets of shares, each adding up to 1.

    A share of nothing counts as half a patient, because the index would otherwise be infinite.
    """
    a, b = np.maximum(new, 0.5 / n_new), np.maximum(old, 0.5 / n_old)
    return float(np.sum((a - b) * np.log(a / b)))


def _known(field: str, values: ArrayLike, *, is_choice: bool) -> tuple[NDArray[np.generic], int]:
    """Values that are not blank, and the number of rows."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise InputError(
            f"{field} has shape {array.shape}, expected one column with at least one row",
            field=field,
            value=array.shape,
            expected="(n,)",
        )
    if is_choice:
        text = np.array([_code(value) for value in array.tolist()])
        return text[~np.isin(text, _BLANK_WORDS)], array.size
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{field} cannot be read as numbers ({error}); blanks are written as NaN",
            field=field,
            expected="numbers",
        ) from error
    if np.isinf(numbers).any():
        raise InputError(f"{field} has an infinite value, expected finite numbers", field=field, value=math.inf)
    return numbers[~np.isnan(numbers)], array.size


def _code(value: object) -> str:
    """Text of a choice; 1, 1.0 and "1" are the same code."""
    return f"{float(value):g}" if isinstance(value, int | float) else str(value).strip()


def _choice_shares(reference: FieldSummary, known: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
    codes, counts = np.unique(known, return_counts=True)
    every = np.union1d(reference.values.astype(str), codes.astype(str))
    old, new = np.zeros(every.size), np.zeros(every.size)
    old[np.searchsorted(every, reference.values.astype(str))] = reference.shares
    new[np.searchsorted(every, codes.astype(str))] = counts / known.size
    return old, new


def _binned_shares(reference: FieldSummary, known: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
    """Shares in the bins of the training values; equal values stay together, so there may be fewer bins."""
    n_bins = max(2, min(_MOST_BINS, min(known.size, reference.n_known) // _VALUES_PER_BIN))
    wanted = np.arange(1, n_bins) / n_bins
    edges = np.unique(reference.values[np.searchsorted(reference.shares, wanted - 1e-12)]).astype(np.float64)
    edges = edges[edges < float(reference.values[-1])]
    old = _share_at_or_below(reference, edges)
    new = np.searchsorted(np.sort(known), edges, side="right") / known.size
    return (np.diff(cumulated, prepend=0.0, append=1.0) for cumulated in (old, new))  # type: ignore[return-value]


def _share_at_or_below(reference: FieldSummary, at: FloatArray) -> FloatArray:
    place = np.searchsorted(reference.values.astype(np.float64), at, side="right")
    return np.asarray(np.append(0.0, reference.shares)[place], dtype=np.float64)


def _kolmogorov_smirnov(reference: FieldSummary, known: NDArray[np.generic]) -> tuple[float, float]:
    """Largest distance of the step functions, and Stephens' p value."""
    ordered = np.sort(known.astype(np.float64))
    at = np.union1d(reference.values.astype(np.float64), ordered)
    new = np.searchsorted(ordered, at, side="right") / ordered.size
    distance = float(np.max(np.abs(new - _share_at_or_below(reference, at))))
    root = math.sqrt(known.size * reference.n_known / (known.size + reference.n_known))
    from scipy import special

    return distance, float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance))


def _chi_squared(old: FloatArray, new: FloatArray) -> float:
    """P value of equal shares in two rows of counts; 1 when there is only one choice."""
    expected = np.outer((old.sum(), new.sum()), old + new) / (old.sum() + new.sum())
    distance = float(np.sum((np.vstack((old, new)) - expected) ** 2 / expected))
    from scipy import special

    return float(special.chdtrc(old.size - 1, distance)) if old.size > 1 else 1.0


def _psi_by_chance(n_bins: int, n: int, n_reference: int) -> float:
    from scipy import special

    return float(special.chdtri(n_bins - 1, 0.05)) * (1.0 / n + 1.0 / n_reference) if n_bins > 1 else 0.0


def _verdict(psi: float, by_chance: float, fewest: int) -> DriftVerdict:
    if fewest < _FEWEST:
        return DriftVerdict.TOO_FEW
    if psi < _SOME or psi <= by_chance:
        return DriftVerdict.LITTLE
    return DriftVerdict.SOME if psi < _LARGE else DriftVerdict.LARGE
