"""Groups of patients whom a model judges for the same reasons: k-means on their SHAP values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcore.errors import InputError

__all__ = ["PatientGroups", "find_groups"]

_STARTS = 8
_STEPS = 100
_JUDGED = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatientGroups:
    """Patients in groups, ordered from the highest mean risk contribution to the lowest.

    Attributes
    ----------
    label : int array, shape (n,)
        Group of each patient, from 0.
    silhouette : float
        Mean silhouette, -1 to 1; above about .5 the groups are apart, below about .25 they run into each other.
    """

    label: np.ndarray
    silhouette: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.label.max()) + 1


def find_groups(values: np.ndarray, *, most: int = 6, seed: int = 0) -> PatientGroups:
    """Group patients by their SHAP values; the number of groups is the one with the best silhouette.

    Parameters
    ----------
    values : float array, shape (n, n_fields)
        SHAP values, probability units: fields are comparable as they are and need no scaling.
    most : int
        Largest number of groups tried; the smallest is 2.
    seed : int
        Of the starts.

    Notes
    -----
    Lloyd's k-means (1982, doi:10.1109/TIT.1982.1056489) with k-means++ starts (Arthur & Vassilvitskii 2007), best of
    eight; silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) on at most 500 of the patients.

    Raises
    ------
    InputError
        Fewer than 20 patients, or all have the same contributions.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) < 20:
        raise InputError(f"groups are formed from 20 patients or more, not {len(values)}")
    if float(values.var(axis=0).sum()) < 1e-12:
        raise InputError("all patients have the same contributions: there are no groups")
    rng = np.random.default_rng(seed)
    judged = rng.permutation(len(values))[:_JUDGED]
    gaps = np.sqrt(_squared(values[judged], values[judged]))
    best, best_score = np.zeros(len(values), dtype=np.int64), -2.0
    for k in range(2, min(most, len(values) // 10) + 1):
        label = _k_means(values, k, rng)
        score = _silhouette(gaps, label[judged])
        if score > best_score + 1e-3:
            best, best_score = label, score
    sums = np.array([values[best == g].sum(axis=1).mean() for g in range(best.max() + 1)])
    order = np.argsort(np.argsort(-sums, kind="stable"), kind="stable")
    return PatientGroups(label=order[best], silhouette=best_score)


def _k_means(values: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    best, best_spread = np.zeros(len(values), dtype=np.int64), np.inf
    for _ in range(_STARTS):
        label, spread = _lloyd(values, _start(values, k, rng))
        if spread < best_spread:
            best, best_spread = label, spread
    return np.asarray(np.unique(best, return_inverse=True)[1])


def _start(values: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    centers = [values[rng.integers(len(values))]]
    while len(centers) < k:
        gap = _squared(values, np.array(centers)).min(axis=1)
        share = gap / gap.sum() if gap.sum() > 0 else np.full(len(gap), 1.0 / len(gap))
        centers.append(values[rng.choice(len(values), p=share)])
    return np.array(centers)


def _lloyd(values: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, float]:
    label = np.full(len(values), -1)
    for _ in range(_STEPS):
        gap = _squared(values, centers)
        new = gap.argmin(axis=1)
        if (new == label).all():
            break
        label = new
        for g in range(len(centers)):
            if (label == g).any():
                centers[g] = values[label == g].mean(axis=0)
    return label, float(_squared(values, centers).min(axis=1).sum())


def _silhouette(gaps: np.ndarray, label: np.ndarray) -> float:
    groups = np.unique(label)
    if len(groups) < 2:
        return -1.0
    sums = np.column_stack([gaps[:, label == g].sum(axis=1) for g in groups])
    counts = np.array([(label == g).sum() for g in groups])
    own = np.searchsorted(groups, label)
    at = np.arange(len(label))
    inside = sums[at, own] / np.maximum(counts[own] - 1, 1)
    means = sums / counts
    means[at, own] = np.inf
    outside = means.min(axis=1)
    score = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(counts[own] > 1, score, 0.0).mean())


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    gap = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2.0 * a @ b.T
    return np.asarray(np.maximum(gap, 0.0))
