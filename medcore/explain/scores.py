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

_CHUNK_CELLS = 524_288  # 2 MB: what a core keeps near without too many small calls
_KEPT_CELLS = 4_000_000  # 16 MB a model

Score = Callable[[np.ndarray], np.ndarray]
"""Raw rows, float array (n, n_fields) with NaN = blank -> calibrated probabilities (n,)."""


@runtime_checkable
class FieldwiseScore(Protocol):
    """A score that is a function of a sum of per-field terms.

    ``score(X)`` is ``finish`` of ``field_terms(X).sum(axis=1)``; constants (a bias) belong into either.
    """

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        """Turn raw rows (n, n_fields) into terms, float array (n, n_fields, n_hidden)."""
        ...

    def finish(self, rest: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Turn sums ``rest + own[:, None]`` into calibrated probabilities (k, m).

        ``rest`` (k, m, n_hidden) is read only: it may be used for the next patient as well; ``own`` is (k, n_hidden).
        """
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
    """Scores masked rows of several patients: what explanations against one background need from a model.

    Attributes
    ----------
    p_rows : float array, shape (m,)
        Probabilities of the background rows.
    """

    p_rows: np.ndarray

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        """Turn patients (n, n_fields) into what :meth:`ends` and :meth:`masked` take, first axis n."""
        ...

    def ends(self, patients: np.ndarray) -> np.ndarray:
        """Return the probabilities of the patients themselves, shape (n,)."""
        ...

    def masked(self, patients: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Return probabilities, shape (n, n_masks, m): the patient where the mask is True, else each background row."""
        ...


def scorer_for(score: Score | FieldwiseScore, background: Background) -> CoalitionScorer:
    """Return the fast scorer for a fieldwise score, the general one for any other."""
    if isinstance(score, FieldwiseScore):
        return _FieldwiseScorer(score, background)
    return _RowScorer(score, background)


class _RowScorer:
    """One batched call of the score on all masked rows of a patient."""

    def __init__(self, score: Score, background: Background) -> None:
        self._score = score
        self._rows = background.rows.astype(np.float32)
        self.p_rows = _probabilities(score(self._rows), (len(self._rows),))

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.float32)

    def ends(self, patients: np.ndarray) -> np.ndarray:
        return _probabilities(self._score(patients), (len(patients),))

    def masked(self, patients: np.ndarray, masks: np.ndarray) -> np.ndarray:
        k, (m, n_fields) = len(masks), self._rows.shape
        out = np.empty((len(patients), k, m), dtype=np.float32)
        for i, row in enumerate(patients):
            checkpoint()
            batch = np.where(masks[:, None, :], row, self._rows).reshape(k * m, n_fields)
            out[i] = _probabilities(self._score(batch), (k * m,)).reshape(k, m)
        return out


class _FieldwiseScorer:
    """The first stage of a masked row is a sum: a part of the patient and a part of the background.

    That of the background is the same for all patients. It is computed once for the coalitions that every explanation
    begins with, else once for all patients of a call, in pieces that stay in the processor's cache.
    """

    def __init__(self, score: FieldwiseScore, background: Background) -> None:
        self._score = score
        terms = self.prepare(background.rows)
        m, n_fields, self._width = terms.shape
        self._terms = np.ascontiguousarray(terms.transpose(1, 0, 2)).reshape(n_fields, m * self._width)
        self._kept: dict[bytes, np.ndarray] = {}
        self.p_rows = self.ends(terms)

    def prepare(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._score.field_terms(rows), dtype=np.float32)

    def ends(self, patients: np.ndarray) -> np.ndarray:
        sums = patients.sum(axis=1)
        nothing = np.zeros((len(sums), 1, self._width), dtype=np.float32)
        return _probabilities(self._score.finish(nothing, sums), (len(sums), 1))[:, 0]

    def masked(self, patients: np.ndarray, masks: np.ndarray) -> np.ndarray:
        own = masks.astype(np.float32) @ patients
        m = len(self.p_rows)
        out = np.empty((len(patients), len(masks), m), dtype=np.float32)
        step = max(1, _CHUNK_CELLS // (m * self._width))
        kept = self._find_kept(masks)
        for start in range(0, len(masks), step):
            piece = slice(start, start + step)
            rest = self._rest(masks[piece]) if kept is None else kept[piece]
            for i in range(len(patients)):
                checkpoint()
                out[i, piece] = _probabilities(self._score.finish(rest, own[i, piece]), (len(rest), m))
        return out

    def _rest(self, masks: np.ndarray) -> np.ndarray:
        """Return the background's part of masked rows, shape (n_masks, m, n_hidden)."""
        return np.asarray((~masks).astype(np.float32) @ self._terms).reshape(len(masks), -1, self._width)

    def _find_kept(self, masks: np.ndarray) -> np.ndarray | None:
        """Return the background's part for the coalitions every explanation begins with, None for any others."""
        key = masks.tobytes()
        if not self._kept and masks.shape[0] * self._terms.shape[1] <= _KEPT_CELLS:
            self._kept = {key: self._rest(masks)}
        return self._kept.get(key)


def _probabilities(p: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    p = np.asarray(p)
    if p.shape != shape:
        raise ExplanationError(f"the model returned an array of shape {p.shape} where {shape} was asked for")
    if not np.isfinite(p).all():
        raise ExplanationError("the model returned a value that is not a number while it was being explained")
    return p
