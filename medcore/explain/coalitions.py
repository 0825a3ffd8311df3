"""Which coalitions of fields are tried, and how their values become Shapley values.

Coalitions come as pairs (a set and its complement), stratified by size: small and large sizes
are taken completely where the budget allows, the middle sizes are sampled without replacement
from a seeded stream. A larger plan of the same seed contains the smaller one. Nothing here knows
a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice
from math import comb

import numpy as np

from medcore.errors import InputError

__all__ = ["CoalitionPlan", "plan_coalitions"]

_N_SPLITS = 16
_LIST_UP_TO = 50_000
_DRAWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoalitionPlan:
    """Pairs of coalitions and the weighted least squares that turns their values into Shapley values.

    Attributes
    ----------
    masks : bool array, shape (n_pairs, n_fields)
        First member of each pair; True = the patient's own value. The other is its complement.
    weights : float64 array, shape (n_pairs,)
        Shapley kernel weight each pair stands for.
    split_inverse : float64 array, shape (1 + 2 * n_splits, n_fields, n_fields)
        Inverse normal matrices: of all pairs, then of both halves of every split.
    split_weights : float64 array, shape (1 + 2 * n_splits, n_pairs)
        Weights that go with them.
    exact : bool
        Every coalition is in the plan: no sampling error.

    Notes
    -----
    Weighted least squares: Lundberg & Lee 2017 (arXiv:1705.07874), equation 8. Pairs: Covert &
    Lee 2021 (arXiv:2012.01536), section 4; with pairs only ``v(S) - v(complement)`` matters, so that
    every interaction of even order drops out. Standard errors: repeated half-samples (McCarthy
    1969, doi:10.2307/1402116): each split puts one half of every sampled stratum against the other,
    with the finite-population factor ``sqrt(1 - n/N)``, hence 0 for complete strata. Least squares fits
    few pairs too well; the errors are scaled by ``1 / (1 - mean leverage)`` as the jackknife does (MacKinnon
    & White 1985, doi:10.1016/0304-4076(85)90158-7), without which they were a third too small at 4 coalitions a field.
    """

    masks: np.ndarray
    weights: np.ndarray
    split_inverse: np.ndarray
    split_weights: np.ndarray
    exact: bool

    @property
    def n_fields(self) -> int:
        """Number of players."""
        return int(self.masks.shape[1])

    @property
    def n_coalitions(self) -> int:
        """Number of coalitions evaluated, without the empty and the full one."""
        return 2 * len(self.masks)

    def solve(self, differences: np.ndarray, total: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Return Shapley values and their standard errors, of one row or of many at once.

        Parameters
        ----------
        differences : float array, shape (..., n_pairs)
            ``v(S) - v(complement of S)``, any unit.
        total : float or float array, shape (...)
            ``v(all fields) - v(no field)``; the values add up to it exactly.

        Returns
        -------
        values, standard_errors : float64 arrays, shape (..., n_fields)
        """
        total = np.asarray(total, dtype=np.float64)
        if self.n_fields == 1:
            return total[..., None].copy(), np.zeros((*total.shape, 1))
        signs = 2.0 * self.masks - 1.0
        moments = (self.split_weights * differences[..., None, :]) @ signs + total[..., None, None]
        free = (self.split_inverse @ moments[..., None])[..., 0]
        tilt = self.split_inverse.sum(axis=2)
        surplus = (total[..., None] - free.sum(axis=-1)) / tilt.sum(axis=1)
        solved = free + tilt * surplus[..., None]
        error = np.sqrt(np.mean(((solved[..., 1::2, :] - solved[..., 2::2, :]) / 2.0) ** 2, axis=-2))
        n_pairs = len(self.masks)
        return solved[..., 0, :], error * n_pairs / max(n_pairs - self.n_fields + 1, 1)


@lru_cache(maxsize=64)
def plan_coalitions(n_fields: int, n_coalitions: int, seed: int = 0) -> CoalitionPlan:
    """Choose about ``n_coalitions`` coalitions (a few more only where that is below four per field).

    Parameters
    ----------
    n_fields : int
        Number of players, 1 to 62.
    n_coalitions : int
        Budget, without the empty and the full coalition. From ``2**n_fields - 2`` on, every
        coalition is taken and the result is exact.
    seed : int
        Start of the stream of sampled coalitions.

    Raises
    ------
    InputError
        No fields, more than 62, or a budget below 2.
    """
    if not 1 <= n_fields <= 62:
        raise InputError(f"an explanation needs 1 to 62 fields, not {n_fields}")
    if n_coalitions < 2:
        raise InputError(f"an explanation needs at least 2 coalitions, not {n_coalitions}")
    sizes = range(1, n_fields // 2 + 1)
    stock = [_n_pairs(n_fields, size) for size in sizes]
    mass = [n / (comb(n_fields, size) * size * (n_fields - size)) for size, n in zip(sizes, stock, strict=True)]
    taken = _allocate(stock, mass, n_coalitions // 2)
    parts = [_subsets(n_fields, size, n, seed) for size, n in zip(sizes, taken, strict=True)]
    masks = np.concatenate([*parts, np.zeros((0, n_fields), dtype=bool)])
    masks.setflags(write=False)
    weights = np.concatenate([np.full(n, m / n) for m, n in zip(mass, taken, strict=True)] or [np.zeros(0)])
    split_weights = weights * _splits(stock, taken, seed)
    return CoalitionPlan(
        masks=masks,
        weights=weights,
        split_weights=split_weights,
        split_inverse=_inverses(masks, split_weights),
        exact=list(taken) == stock,
    )


def _n_pairs(n_fields: int, size: int) -> int:
    return comb(n_fields, size) // (2 if 2 * size == n_fields else 1)


def _allocate(stock: list[int], mass: list[float], n_pairs: int) -> list[int]:
    """Share pairs out; strata whose share exceeds their stock are taken completely, single fields always.

    Shares go by the square root of the kernel mass, between the kernel itself and leverage scores, which
    are level over sizes (Musco & Witter 2024, arXiv:2410.01917): as good as either from 13 to 30 fields.
    """
    whole, share = np.array(stock), np.sqrt(np.array(mass))
    full = np.arange(len(stock)) == 0
    while not full.all():
        wanted = max(n_pairs - whole[full].sum(), 0) * share / share[~full].sum()
        if not (more := ~full & (wanted >= whole)).any():
            taken = np.where(full, whole, np.minimum(2 * np.maximum(wanted // 2, 1), whole))
            return [int(n) for n in taken]
        full |= more
    return stock


def _subsets(n_fields: int, size: int, n: int, seed: int) -> np.ndarray:
    """Return the first ``n`` subsets of the seeded stream of this size, shape (n, n_fields)."""
    rng = np.random.default_rng((seed, n_fields, size))
    stock = _n_pairs(n_fields, size)
    if stock <= _LIST_UP_TO:
        listed = np.array(list(islice(combinations(range(n_fields), size), stock)))
        chosen = listed if n == stock else listed[rng.permutation(stock)[:n]]
        return _as_masks(chosen, n_fields)
    found: dict[bytes, np.ndarray] = {}
    while len(found) < n:
        order = np.argsort(rng.random((_DRAWS_AT_ONCE, n_fields)), axis=1)[:, :size]
        for mask in _as_masks(order, n_fields):
            if 2 * size == n_fields and not mask[0]:
                mask = ~mask
            found.setdefault(mask.tobytes(), mask)
    return np.array(list(found.values())[:n])


def _as_masks(members: np.ndarray, n_fields: int) -> np.ndarray:
    masks = np.zeros((len(members), n_fields), dtype=bool)
    np.put_along_axis(masks, members, True, axis=1)
    return masks


def _splits(stock: list[int], taken: list[int], seed: int) -> np.ndarray:
    """Return factors (1 + 2 * n_splits, n_pairs): 1, then 1 +/- sign * sqrt(1 - n/N) for each split."""
    rng = np.random.default_rng((seed, len(stock), sum(taken)))
    parts = [np.zeros((_N_SPLITS, 0))]
    for n_all, n in zip(stock, taken, strict=True):
        coin = rng.choice([-1.0, 1.0], size=(_N_SPLITS, (n + 1) // 2))
        signs = np.stack([coin, -coin], axis=2).reshape(_N_SPLITS, -1)[:, :n]
        parts.append(signs * np.sqrt(1.0 - n / n_all))
    signs = np.concatenate(parts, axis=1)
    halves = np.stack([1.0 + signs, 1.0 - signs], axis=1).reshape(2 * _N_SPLITS, -1)
    return np.concatenate([np.ones((1, halves.shape[1])), halves])


def _inverses(masks: np.ndarray, split_weights: np.ndarray) -> np.ndarray:
    """Inverse normal matrices. Adding a matrix of ones changes nothing under the constraint and makes them regular."""
    signs = 2.0 * masks - 1.0
    normal = np.array([(signs.T * weights) @ signs for weights in split_weights]) + 1.0
    return np.linalg.pinv(normal, hermitian=True)
