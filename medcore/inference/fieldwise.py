"""Scores in additive form: a sum of per-field terms, then whatever is not additive.

Explanations mask many fields of one patient at once. In this form a masked row is a sum of terms
computed once per field, so the first (widest) stage of a network costs one small matrix product.
"""

from __future__ import annotations

import numpy as np

from medcore.encoding import Encoding
from medcore.inference.calibrator import Calibrator
from medcore.inference.scores import KerasScores, LinearScores, Scores

__all__ = ["FieldwiseLogistic", "FieldwiseNetwork", "make_fieldwise"]


def make_fieldwise(
    scores: Scores, encoding: Encoding, calibrator: Calibrator
) -> FieldwiseLogistic | FieldwiseNetwork | None:
    """Return the additive form of a score; None where a model has none worth using."""
    if isinstance(scores, LinearScores):
        return FieldwiseLogistic(scores, calibrator)
    if isinstance(scores, KerasScores):
        hidden = [layer for layer in scores.model.layers if layer.name.startswith("main_hidden_")]
        if hidden and all(layer.activation == "relu" for layer in hidden):
            return FieldwiseNetwork(scores, encoding, calibrator)
    return None


class FieldwiseLogistic:
    """A logistic regression: one term a field."""

    def __init__(self, scores: LinearScores, calibrator: Calibrator) -> None:
        self._scores = scores
        self._calibrator = calibrator

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        """Return each field's part of the logit, shape (n, n_fields, 1)."""
        return np.asarray(self._scores.field_logits(X)[:, :, None])

    def finish(self, rest: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Add the intercept and calibrate, shape (k, m)."""
        return self._calibrator.probability(rest[:, :, 0] + (own + self._scores.intercept))


class FieldwiseNetwork:
    """A stacked MLP: the pre-activations of all members' first layers, and their linear paths' mean."""

    def __init__(self, scores: KerasScores, encoding: Encoding, calibrator: Calibrator) -> None:
        layers = {layer.name: layer.get_weights() for layer in scores.model.layers}
        kernel, bias = layers["main_hidden_0"]
        linear, linear_bias = layers["main_linear"]
        members, columns, units = kernel.shape
        first = kernel.transpose(1, 0, 2).reshape(columns, members * units)
        self._encoding = encoding
        self._calibrator = calibrator
        self._first = np.hstack([first, linear.mean(axis=0)]).astype(np.float32)
        self._bias = np.append(bias.reshape(-1), linear_bias.mean()).astype(np.float32)
        depths = range(1, sum(name.startswith("main_hidden_") for name in layers))
        deeper = [layers[f"main_hidden_{depth}"] for depth in depths]
        self._hidden = [(kernel, bias.reshape(-1)) for kernel, bias in deeper]
        head, head_bias = layers["main_head"]
        self._head = head.reshape(-1) / members
        if not deeper:
            self._head = np.append(self._head, np.float32(0.0))  # the linear path's column is added by itself
        self._head_bias = float(head_bias.mean())

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        """Return each field's part of the first stage, shape (n, n_fields, members * units + 1).

        The bias is spread evenly over the fields, which saves a pass over every masked row.
        """
        half = self._encoding.width
        terms = self._encoding.encode(X).astype(np.float32)[:, :, None] * self._first[:half]
        terms += self._encoding.observed(X).astype(np.float32)[:, :, None] * self._first[half:]
        starts = [part.start for part in self._encoding.slices()]
        return np.asarray(np.add.reduceat(terms, starts, axis=1) + self._bias / np.float32(len(starts)))

    def finish(self, rest: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Run the deeper layers of all members and calibrate their mean, shape (k, m).

        ``relu(rest + own)`` is ``max(rest, -own) + own``: one pass over the many numbers, and ``own`` goes on
        through the next layer by itself.
        """
        linear = rest[:, :, -1] + own[:, -1:]
        rest = np.maximum(rest, -own[:, None])
        for kernel, bias in self._hidden:
            columns = slice(kernel.shape[0] * kernel.shape[1])
            rest, own = _each_member(rest[:, :, columns], kernel), _each_member(own[:, columns], kernel) + bias
            np.maximum(rest, -own[:, None], out=rest)
        deep = rest @ self._head + (own @ self._head)[:, None]
        return self._calibrator.probability((deep + linear).astype(np.float64) + self._head_bias)


def _each_member(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the products (..., members * after) of (..., members * before) with a kernel (members, before, after)."""
    members, before, after = kernel.shape
    out = np.empty((values.size // (members * before), members, after), dtype=np.float32)
    np.matmul(values.reshape(-1, members, before).transpose(1, 0, 2), kernel, out=out.transpose(1, 0, 2))
    return out.reshape(*values.shape[:-1], members * after)
