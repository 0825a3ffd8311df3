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
        self._shape = (members, units)
        depths = range(1, sum(name.startswith("main_hidden_") for name in layers))
        self._hidden = [layers[f"main_hidden_{depth}"] for depth in depths]
        head, head_bias = layers["main_head"]
        self._head = head / members
        self._flat_head = self._head.reshape(-1)
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
        (k, m), (members, units) = rest.shape[:2], self._shape
        linear = rest[:, :, -1] + own[:, -1:]
        own = own[:, :-1]
        rest = np.maximum(rest[:, :, :-1], -own[:, None])
        if self._hidden:
            rest = rest.reshape(k * m, members, units).transpose(1, 0, 2)
            own = own.reshape(k, members, units).transpose(1, 0, 2)
            for kernel, bias in self._hidden:
                own = own @ kernel + bias
                rest = (rest @ kernel).reshape(members, k, m, -1)
                rest = np.maximum(rest, -own[:, :, None], out=rest).reshape(members, k * m, -1)
            deep = ((rest @ self._head).reshape(members, k, m) + own @ self._head).sum(axis=0)
        else:
            deep = rest @ self._flat_head + (own @ self._flat_head)[:, None]
        return self._calibrator.probability((deep + linear).astype(np.float64) + self._head_bias)
