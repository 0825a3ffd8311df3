"""Made-up patients that look like a study, drawn from summaries and never copied from it.

A Gaussian copula: each field keeps its own distribution (means of at most 50 slices of the sorted
values, shares of the choices), the dependence between fields and between blanks is a matrix of rank
correlations. No drawn row equals a training row; made-up patients stand for plausible combinations,
nothing else may be learnt from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm, rankdata

from medcore.errors import InputError
from medcore.records import Field, FieldKind, Schema

__all__ = ["CohortModel", "draw_cohort", "fit_cohort"]

_N_SLICES = 50
_LEAST_IN_SLICE = 5
_STRONGEST = 0.98
_MAX_ROUNDS = 60
_ORDERED = (("diastolic_mmhg", "systolic_mmhg"), ("hdl_mg_dl", "total_cholesterol_mg_dl"))
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortModel:
    """Summaries from which made-up patients are drawn.

    Attributes
    ----------
    schema : Schema
        Its inputs are the columns.
    at, value : tuple of float arrays
        Per field: for a number, probabilities and the quantiles there; for a choice, cumulated shares
        and the codes, ordered along the main axis of the data.
    gap_rate : float array, shape (n_fields,)
        Share of blanks.
    correlation : float array, shape (2 * n_fields, 2 * n_fields)
        Of the latent normal variables: values first, then gaps (high = blank).
    """

    schema: Schema
    at: tuple[np.ndarray, ...]
    value: tuple[np.ndarray, ...]
    gap_rate: np.ndarray
    correlation: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``n`` rows, shape (n, n_fields), NaN = blank, without any check against training rows."""
        roots, axes = np.linalg.eigh(self.correlation)
        latent = rng.standard_normal((n, len(roots))) @ (axes * np.sqrt(np.maximum(roots, 0.0))).T
        share = ndtr(latent)
        n_fields = len(self.gap_rate)
        X = np.column_stack([self._column(index, share[:, index]) for index in range(n_fields)])
        X = np.where(share[:, n_fields:] > 1.0 - self.gap_rate, np.nan, X)
        return _recompute_bmi(X, self.schema)

    def _column(self, index: int, share: np.ndarray) -> np.ndarray:
        item, at, value = self.schema.inputs[index], self.at[index], self.value[index]
        if not len(value):
            return np.full(len(share), np.nan)
        if item.kind is FieldKind.CHOICE:
            return np.asarray(value[np.minimum(np.searchsorted(at, share), len(value) - 1)])
        drawn = np.round(np.interp(share, at, value), item.decimals)
        return np.asarray(np.clip(drawn, *(item.possible or (-np.inf, np.inf))))


def draw_cohort(
    X: np.ndarray,
    schema: Schema,
    n: int = 500,
    rng: np.random.Generator | None = None,
    *,
    keep: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Draw made-up patients that look like the rows given.

    Parameters
    ----------
    X : float array, shape (n_rows, n_inputs)
        Training rows, NaN = blank, choices as codes.
    schema : Schema
        Its inputs are the columns.
    n : int
        Rows to draw.
    rng : numpy Generator, optional
        Source of randomness; default: seed 0.
    keep : callable, optional
        Raw rows (k, n_inputs) -> bool (k,): which drawn rows are sane, beyond the rules built in
        (possible ranges, diastolic below systolic, HDL below total cholesterol, no day beyond 24 hours;
        BMI is recomputed from weight and height).

    Returns
    -------
    float64 array, shape (n, n_inputs)
        Rounded as each field is recorded. None equals a training row (in single precision).

    Raises
    ------
    InputError
        Shapes do not fit, fewer than 20 rows, or so few possible combinations that nothing new can be drawn.
    """
    rng = rng or np.random.default_rng(0)
    X = np.asarray(X, dtype=np.float64)
    model = fit_cohort(X, schema)
    seen = set(_keys(X))
    kept: list[np.ndarray] = []
    for _ in range(_MAX_ROUNDS):
        drawn = model.draw(n, rng)
        fine = _sane(drawn, schema) & np.array([key not in seen for key in _keys(drawn)])
        kept.extend(drawn[fine if keep is None else fine & keep(drawn)])
        if len(kept) >= n:
            cohort = np.array(kept[:n])
            assert not seen.intersection(_keys(cohort))
            return cohort
    raise InputError(f"only {len(kept)} of {n} made-up patients differ from every training row and make sense")


def fit_cohort(X: np.ndarray, schema: Schema) -> CohortModel:
    """Summarise training rows; parameters and errors as :func:`draw_cohort`."""
    X = np.asarray(X, dtype=np.float64)
    items = schema.inputs
    if X.ndim != 2 or X.shape[1] != len(items) or len(X) < 20 or np.isinf(X).any():
        raise InputError(f"training rows of shape {X.shape} do not fit {len(items)} inputs, or are fewer than 20")
    scores = np.column_stack([_number_scores(X[:, j]) for j in range(len(items))])
    axis = _main_axis(scores[:, [item.kind is FieldKind.NUMBER for item in items]], len(X))
    marginals = [_marginal(item, X[:, j], axis) for j, item in enumerate(items)]
    for j, item in enumerate(items):
        if item.kind is FieldKind.CHOICE:
            scores[:, j] = _choice_scores(X[:, j], marginals[j][1], marginals[j][0])
    gaps = np.isnan(X)
    gap_rate = gaps.mean(axis=0)
    gap_scores = np.column_stack([_gap_scores(gaps[:, j], gap_rate[j]) for j in range(len(items))])
    return CohortModel(
        schema=schema,
        at=tuple(at for at, _ in marginals),
        value=tuple(value for _, value in marginals),
        gap_rate=gap_rate,
        correlation=_latent_correlation(np.hstack([scores, gap_scores])),
    )


def _marginal(item: Field, column: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(column)
    seen = column[known]
    if not len(seen):
        return np.zeros(0), np.zeros(0)
    if item.kind is FieldKind.CHOICE:
        codes = np.unique(seen)
        place = [float(axis[known][seen == code].mean()) for code in codes]
        codes = codes[np.argsort(place, kind="stable")]
        return np.cumsum([float(np.mean(seen == code)) for code in codes]), codes
    slices = np.array_split(np.sort(seen), int(np.clip(len(seen) // _LEAST_IN_SLICE, 1, _N_SLICES)))
    ends = np.cumsum([len(part) for part in slices]) / len(seen)
    middles = ends - np.diff(ends, prepend=0.0) / 2
    return middles, np.array([float(part.mean()) for part in slices])


def _number_scores(column: np.ndarray) -> np.ndarray:
    """Return normal scores of the ranks (ties share theirs), NaN where blank."""
    known = ~np.isnan(column)
    out = np.full(len(column), np.nan)
    if known.any():
        out[known] = ndtri((rankdata(column[known]) - 0.5) / known.sum())
    return out


def _main_axis(scores: np.ndarray, n: int) -> np.ndarray:
    """Return the first principal component of the numbers' normal scores (blank = middle), shape (n,)."""
    if not scores.shape[1]:
        return np.zeros(n)
    filled = np.nan_to_num(scores)
    return np.asarray(filled @ np.linalg.eigh(filled.T @ filled)[1][:, -1])


def _choice_scores(column: np.ndarray, codes: np.ndarray, cumulated: np.ndarray) -> np.ndarray:
    """Return the mean of the latent normal variable within each choice, NaN where blank."""
    out = np.full(len(column), np.nan)
    below = norm.pdf(ndtri(np.concatenate([[0.0], np.minimum(cumulated, 1.0)])))
    shares = np.diff(cumulated, prepend=0.0)
    for index, code in enumerate(codes):
        out[column == code] = (below[index] - below[index + 1]) / max(float(shares[index]), 1e-12)
    return out


def _gap_scores(gap: np.ndarray, rate: float) -> np.ndarray:
    if not 0.0 < rate < 1.0:
        return np.zeros(len(gap))
    height = float(norm.pdf(ndtri(rate)))
    return np.where(gap, height / rate, -height / (1.0 - rate))


def _latent_correlation(scores: np.ndarray) -> np.ndarray:
    """Return the correlation of the latent variables from scores that are their means given what was seen.

    For such scores ``cov(s, t) = rho var(s) var(t)`` to first order (exactly if one is continuous:
    Olsson, Drasgow & Dorans 1982, doi:10.1007/BF02294164), so that grouping does not weaken it.
    """
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    pairs = known.T.astype(np.float64) @ known
    n = np.maximum(pairs, 1.0)
    mean_i = (filled.T @ known) / n
    covariance = (filled.T @ filled) / n - mean_i * mean_i.T
    variance = np.maximum(np.diag(covariance), 0.0)
    scale = np.outer(variance, variance)
    raw = np.where((scale > 1e-9) & (pairs >= 20), covariance / np.maximum(scale, 1e-9), 0.0)
    raw = np.clip(raw, -_STRONGEST, _STRONGEST)
    np.fill_diagonal(raw, 1.0)
    roots, axes = np.linalg.eigh((raw + raw.T) / 2)
    positive = (axes * np.maximum(roots, 1e-4)) @ axes.T
    size = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(size, size))


def _recompute_bmi(X: np.ndarray, schema: Schema) -> np.ndarray:
    names = schema.input_names
    if {"bmi_kg_m2", "weight_kg", "height_cm"} <= set(names):
        bmi, weight, height = (names.index(name) for name in ("bmi_kg_m2", "weight_kg", "height_cm"))
        derived = np.round(X[:, weight] / (X[:, height] / 100.0) ** 2, schema["bmi_kg_m2"].decimals)
        X[:, bmi] = np.where(np.isnan(derived), X[:, bmi], derived)
    return X


def _sane(X: np.ndarray, schema: Schema) -> np.ndarray:
    names = schema.input_names
    fine = ~np.isnan(X).all(axis=1)
    for item, column in zip(schema.inputs, X.T, strict=True):
        if item.possible is not None:
            fine &= np.isnan(column) | ((column >= item.possible[0]) & (column <= item.possible[1]))
        if item.required:
            fine &= ~np.isnan(column)
    for low, high in _ORDERED:
        if low in names and high in names:
            fine &= ~(X[:, names.index(low)] >= X[:, names.index(high)])
    if {"sleep_hours", "sedentary_min_per_day"} <= set(names):
        awake = _DAY_MIN - 60.0 * X[:, names.index("sleep_hours")]
        fine &= ~(X[:, names.index("sedentary_min_per_day")] > awake)
    return np.asarray(fine)


def _keys(X: np.ndarray) -> list[bytes]:
    """Return one key per row; equal keys = equal values and equal blanks, as stored in single precision."""
    single = np.nan_to_num(X.astype(np.float32), nan=-1e30) + np.float32(0.0)
    return [row.tobytes() for row in single]
