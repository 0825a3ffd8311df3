"""How many patients are called at each of many cut-offs, and the variance of whatever follows from those counts.

Every rate at a cut-off is a function of four counts: cases called, others called, cases, others. The sums over patients
of their products are kept per cut-off, so that sensitivity, precision and net benefit get their variance from one
place, whether a patient has one row or several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medcore.evaluation.validation import BoolArray, FloatArray, IntArray

__all__ = ["CallCounter", "Calls", "called_at"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calls:
    """Calls at each of k cut-offs.

    Attributes
    ----------
    tp, fp : ndarray of float64, shape (k,)
        Cases and others called.
    n_cases, n_others : int
        Rows of either outcome.
    patients_with_case, patients_with_other : int
        Distinct patients behind them.
    moments : ndarray of float64, shape (k, 4, 4)
        Sum over patients of the products of (cases called, others called, cases, others).
    factor : float
        m / (m - 1) for m patients with several rows, else 1.
    """

    tp: FloatArray
    fp: FloatArray
    n_cases: int
    n_others: int
    patients_with_case: int
    patients_with_other: int
    moments: FloatArray
    factor: float

    @property
    def sensitivity(self) -> FloatArray:
        """Share of cases called, shape (k,)."""
        return self.tp / self.n_cases

    @property
    def false_alarm_rate(self) -> FloatArray:
        """Share of others called, shape (k,)."""
        return self.fp / self.n_others

    @property
    def sensitivity_variance(self) -> FloatArray:
        """Variance of the sensitivity, shape (k,)."""
        return self.variance(1.0 / self.n_cases, 0.0, -self.sensitivity / self.n_cases, 0.0)

    @property
    def false_alarm_variance(self) -> FloatArray:
        """Variance of the false-alarm rate, shape (k,)."""
        return self.variance(0.0, 1.0 / self.n_others, 0.0, -self.false_alarm_rate / self.n_others)

    def variance(self, *influence: FloatArray | float) -> FloatArray:
        """Variance of a figure from its derivatives in the four counts, each a number or of shape (k,)."""
        v = np.stack([np.broadcast_to(part, self.tp.shape) for part in influence], axis=1)
        found = np.einsum("ki,kij,kj->k", v, self.moments, v) * self.factor
        return np.maximum(np.asarray(found, dtype=np.float64), 0.0)


class CallCounter:
    """Counts calls ``p >= cut`` at any rising cut-offs; sorts the rows of each patient once.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        Outcomes; both occur.
    p : ndarray of float64, shape (n,)
        Probabilities.
    codes : ndarray of int64, shape (n,), or None
        Patient 0..m-1 of each row; None = each row is a patient.

    Notes
    -----
    When a row is called after ``a`` others of its patient, the square of the patient's count grows by ``2 a + 1`` and
    its product with another count by that count. These steps, added up over the rows called, give all moments without a
    table of patients by cut-offs.
    """

    def __init__(self, labels: BoolArray, p: FloatArray, codes: IntArray | None) -> None:
        self._labels, self._p, self._codes = labels, p, codes
        self._steps: FloatArray | None = None
        self._fixed = np.zeros((2, 2))
        n_cases = int(labels.sum())
        self._patients = n_cases, labels.size - n_cases
        if codes is not None:
            self._patients = np.unique(codes[labels]).size, np.unique(codes[~labels]).size
            self._steps, self._fixed = _growth(labels, p, codes)

    def count(self, cuts: FloatArray) -> Calls:
        """Count calls at rising cut-offs, shape (k,)."""
        position = np.searchsorted(cuts, self._p, side="right")
        labels, k = self._labels, cuts.size
        tp, fp = called_at(position[labels], k), called_at(position[~labels], k)
        n_cases = int(labels.sum())
        m = labels.size if self._codes is None else int(self._codes.max()) + 1
        return Calls(
            tp=tp,
            fp=fp,
            n_cases=n_cases,
            n_others=labels.size - n_cases,
            patients_with_case=self._patients[0],
            patients_with_other=self._patients[1],
            moments=self._moments(position, tp, fp),
            factor=1.0 if self._codes is None else m / max(1, m - 1),
        )

    def _moments(self, position: IntArray, tp: FloatArray, fp: FloatArray) -> FloatArray:
        moments = np.zeros((tp.size, 4, 4))
        if self._steps is None:
            zero = np.zeros_like(tp)
            parts = [tp, zero, fp, tp, zero, zero, fp]
            moments[:, 2, 2], moments[:, 3, 3] = self._patients
        else:
            parts = [called_at(position, tp.size, weights=step) for step in self._steps]
            moments[:, 2:, 2:] = self._fixed
        for (i, j), part in zip(_PLACES, parts, strict=True):
            moments[:, i, j] = moments[:, j, i] = part
        return moments


_PLACES = ((0, 0), (0, 1), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3))


def called_at(position: IntArray, k: int, *, weights: FloatArray | None = None) -> FloatArray:
    """Sum of weights of the rows at or above each of k cut-offs.

    Parameters
    ----------
    position : ndarray of int64, shape (n,)
        How many of the rising cut-offs lie at or below each row.
    k : int
        Number of cut-offs.
    weights : ndarray of float64, shape (n,), optional
        By default each row counts 1.

    Returns
    -------
    ndarray of float64, shape (k,)
    """
    per_step = np.bincount(position, weights=weights, minlength=k + 1)
    return np.cumsum(per_step[::-1])[::-1][1:].astype(np.float64)


def _growth(labels: BoolArray, p: FloatArray, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Find what each row adds to the moments when it is called, shape (7, n), and the moments that never change."""
    order = np.lexsort((-p, codes))
    hit, patient = labels[order], codes[order]
    cases = np.bincount(codes, weights=labels)
    others = np.bincount(codes, weights=~labels)
    start = np.cumsum(cases + others) - (cases + others)
    before = np.append(0.0, np.cumsum(hit))
    a = before[1:] - before[start.astype(np.int64)][patient]
    b = np.arange(1.0, hit.size + 1.0) - start[patient] - a
    steps = np.empty((7, hit.size))
    steps[:, order] = (
        np.where(hit, 2.0 * a - 1.0, 0.0),
        np.where(hit, b, a),
        np.where(hit, 0.0, 2.0 * b - 1.0),
        np.where(hit, cases[patient], 0.0),
        np.where(hit, others[patient], 0.0),
        np.where(hit, 0.0, cases[patient]),
        np.where(hit, 0.0, others[patient]),
    )
    return steps, np.array([[cases @ cases, cases @ others], [cases @ others, others @ others]])
