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

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Add the intercept and calibrate."""
        return self._calibrator.probability(sums[:, 0] + self._scores.intercept)


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
        self._head = head[:, :, 0]
        self._flat_head = self._head.reshape(-1) / members
        self._head_bias = float(head_bias.mean())

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        """Return each field's part of the first stage, shape (n, n_fields, members * units + 1).

        The bias is spread evenly over the fields, which saves a pass over every masked row.
        """
        encoded, observed = self._encoding.encode(X), self._encoding.observed(X)
        half = self._encoding.width
        parts = [
            encoded[:, part] @ self._first[part] + observed[:, part] @ self._first[half:][part]
            for part in self._encoding.slices()
        ]
        return (np.stack(parts, axis=1) + self._bias / len(parts)).astype(np.float32)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Run the deeper layers of all members and calibrate their mean. Overwrites ``sums``."""
        linear = sums[:, -1].astype(np.float64)
        members, units = self._shape
        first = sums[:, :-1]
        np.maximum(first, 0.0, out=first)
        if not self._hidden:
            return self._calibrator.probability(first @ self._flat_head + (self._head_bias + linear))
        hidden = first.reshape(len(sums), members, units).transpose(1, 0, 2)
        for kernel, bias in self._hidden:
            hidden = np.matmul(hidden, kernel)
            hidden += bias
            np.maximum(hidden, 0.0, out=hidden)
        deep = np.matmul(hidden, self._head[:, :, None]).mean(axis=0)[:, 0]
        return self._calibrator.probability(deep + (self._head_bias + linear))
