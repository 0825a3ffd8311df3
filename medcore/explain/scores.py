"""The two kinds of score that can be explained, and how coalitions are turned into calls of them.

A plain score is any function from raw rows to calibrated probabilities. A fieldwise score is one
whose first stage is a sum over fields (every network and every linear model): its masked rows need
not be encoded again, the first stage of all coalitions is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np

from medcore.errors import ExplanationError, InputError
from medcore.workers import checkpoint

__all__ = ["Background", "CoalitionScorer", "FieldwiseScore", "Score", "scorer_for"]

_CHUNK_CELLS = 1_500_000

Score = Callable[[np.ndarray], np.ndarray]
"""Raw rows, float array (n, n_fields) with NaN = blank -> calibrated probabilities (n,)."""


@runtime_checkable
class FieldwiseScore(Protocol):
    """A score that is a function of a sum of per-field terms.

    ``score(X) == finish(field_terms(X).sum(axis=1))``; constants (a bias) belong into ``finish``.
    """

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        """Turn raw rows (n, n_fields) into terms, float array (n, n_fields, n_hidden)."""
        ...

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Turn summed terms (k, n_hidden) into calibrated probabilities (k,). May overwrite ``sums``."""
        ...


class Background:
    """The weighted rows that stand for "field not known to the explanation".

    Parameters
    ----------
    rows : float array, shape (m, n_fields)
        Raw made-up rows, NaN = blank.
    weights : float array, shape (m,), optional
        Non-negative; scaled to sum to 1. Default: equal.

    Raises
    ------
    InputError
        No rows, a shape that does not fit, infinite values, or weights that are negative,
        not finite or all zero.
    """

    __slots__ = ("rows", "weights")

    def __init__(self, rows: np.ndarray, weights: np.ndarray | None = None) -> None:
        self.rows = np.array(rows, dtype=np.float64)
        if self.rows.ndim != 2 or 0 in self.rows.shape or np.isinf(self.rows).any():
            raise InputError(
                f"a background is a table of finite or blank values, not an array of shape {np.shape(rows)}"
            )
        weights = np.ones(len(self.rows)) if weights is None else np.asarray(weights, dtype=np.float64)
        if weights.shape != (len(self.rows),) or not np.isfinite(weights).all() or (weights < 0).any():
            raise InputError("background weights are one non-negative number for each row")
        if weights.sum() <= 0:
            raise InputError("background weights are all zero")
        self.weights = weights / weights.sum()
        self.rows.setflags(write=False)
        self.weights.setflags(write=False)


class CoalitionScorer(Protocol):
    """Scores masked rows: what an explanation of one background needs from a model."""

    def ends(self, row: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the probability of ``row`` and those of all background rows, shape (m,)."""
        ...

    def masked(self, row: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (n_masks, m): ``row`` where the mask is True, else each background row."""
        ...


def scorer_for(score: Score | FieldwiseScore, background: Background) -> CoalitionScorer:
    """Return the fast scorer for a fieldwise score, the general one for any other."""
    if isinstance(score, FieldwiseScore):
        return _FieldwiseScorer(score, background)
    return _RowScorer(score, background)


class _RowScorer:
    """One batched call of the score on all masked rows."""

    def __init__(self, score: Score, background: Background) -> None:
        self._score = score
        self._rows = background.rows.astype(np.float32)
        self._p_rows = _probabilities(score(self._rows), len(self._rows))

    def ends(self, row: np.ndarray) -> tuple[float, np.ndarray]:
        p = _probabilities(self._score(row[None].astype(np.float32)), 1)
        return float(p[0]), self._p_rows

    def masked(self, row: np.ndarray, masks: np.ndarray) -> np.ndarray:
        k, (m, n_fields) = len(masks), self._rows.shape
        batch = np.empty((k, m, n_fields), dtype=np.float32)
        np.copyto(batch, self._rows)
        np.copyto(batch, row.astype(np.float32), where=masks[:, None, :])
        return _probabilities(self._score(batch.reshape(k * m, n_fields)), k * m).reshape(k, m)


class _FieldwiseScorer:
    """First stage of all coalitions by one matrix product, in pieces that stay in the cache."""

    def __init__(self, score: FieldwiseScore, background: Background) -> None:
        self._score = score
        self._terms = np.asarray(score.field_terms(background.rows), dtype=np.float32)
        self._sums = self._terms.sum(axis=1)
        self._p_rows = _probabilities(score.finish(self._sums.copy()), len(self._sums))

    def ends(self, row: np.ndarray) -> tuple[float, np.ndarray]:
        own = np.asarray(self._score.field_terms(row[None]), dtype=np.float32)
        return float(_probabilities(self._score.finish(own.sum(axis=1)), 1)[0]), self._p_rows

    def masked(self, row: np.ndarray, masks: np.ndarray) -> np.ndarray:
        m, n_fields, width = self._terms.shape
        own = np.asarray(self._score.field_terms(row[None]), dtype=np.float32)
        shift = np.ascontiguousarray((own - self._terms).transpose(1, 0, 2)).reshape(n_fields, m * width)
        step = max(1, _CHUNK_CELLS // (m * width))
        sums = np.empty((min(step, len(masks)), m * width), dtype=np.float32)
        base = self._sums.reshape(-1)
        out = np.empty((len(masks), m), dtype=np.float32)
        chosen = masks.astype(np.float32)
        for start in range(0, len(masks), step):
            checkpoint()
            part = chosen[start : start + step]
            block = np.matmul(part, shift, out=sums[: len(part)])
            block += base
            p = self._score.finish(block.reshape(len(part) * m, width))
            out[start : start + step] = _probabilities(p, len(part) * m).reshape(len(part), m)
        return out


def _probabilities(p: np.ndarray, n: int) -> np.ndarray:
    p = np.asarray(p)
    if p.shape != (n,):
        raise ExplanationError(f"the model returned an array of shape {p.shape} for {n} rows")
    if not np.isfinite(p).all():
        raise ExplanationError("the model returned a value that is not a number while it was being explained")
    return p
