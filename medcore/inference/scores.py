"""Raw scores of a loaded bundle, whatever its kind: shipped members and bootstrap refits.

Every kind answers the same two questions about raw input rows (n, n_inputs), NaN = blank: the mean
score of the shipped members (n,) and the score of every refit (n, n_refits). Higher = more likely.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from medcore.encoding import Encoding
from medcore.errors import IntegrityError
from medcore.registry.bundle import SealedBundle, load_keras, load_skops
from medcore.workers import checkpoint

__all__ = ["ForestScores", "KerasScores", "KernelScores", "LinearScores", "Scores", "load_scores"]

_KERAS_CHUNK = 8192
_ATTENTION_CHUNK = 256  # every field looks at every other one, in every member: more rows at once take gigabytes
_TREE_CHUNK = 4096


class Scores(Protocol):
    """Raw scores of one model."""

    def main(self, X: np.ndarray) -> np.ndarray:
        """Mean score of the shipped members, shape (n,)."""

    def refits(self, X: np.ndarray) -> np.ndarray:
        """Score of each bootstrap refit, shape (n, n_refits)."""

    def both(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``main`` and ``refits`` of the same rows; what they share is worked out once."""


def load_scores(bundle: SealedBundle) -> Scores:
    """Build the model of a bundle and return its scores.

    Raises
    ------
    IntegrityError
        The model cannot be built, or does not have the parts its kind needs.
    """
    loaders: dict[str, Callable[[SealedBundle], Scores]] = {
        "keras": KerasScores.load,
        "logistic": LinearScores.load,
        "svm": KernelScores.load,
        "forest": ForestScores.load,
    }
    manifest = bundle.manifest
    key = manifest.kind if manifest.kind == "keras" else manifest.recipe
    if key not in loaders:
        raise IntegrityError(f"{manifest.id}: models of kind {key!r} are not known", value=key)
    return loaders[key](bundle)


class KerasScores:
    """A stacked Keras model with the outputs ``main`` (n, members) and ``refits`` (n, n_refits)."""

    def __init__(self, model: Any, *, chunk: int = _KERAS_CHUNK) -> None:
        import keras
        import tensorflow as tf

        self._chunk = chunk
        if len(model.outputs) != 2:
            raise IntegrityError("a tabular Keras bundle has the outputs main and refits")
        signature = [tf.TensorSpec((None, model.inputs[0].shape[1]), tf.float32)]
        main = keras.Model(model.inputs, model.outputs[0])
        refits = keras.Model(model.inputs, model.outputs[1])

        def answer(X: Any) -> Any:
            members, others = model(X)
            return tf.concat([tf.reduce_mean(members, axis=1, keepdims=True), others], axis=1)

        self.model = model
        self._main = tf.function(lambda X: tf.reduce_mean(main(X), axis=1), input_signature=signature)
        self._refits = tf.function(lambda X: refits(X), input_signature=signature)
        self._both = tf.function(answer, input_signature=signature)

    @classmethod
    def load(cls, bundle: SealedBundle) -> KerasScores:
        """Build from a verified bundle."""
        return cls(
            load_keras(bundle), chunk=_ATTENTION_CHUNK if bundle.manifest.recipe == "attention" else _KERAS_CHUNK
        )

    def main(self, X: np.ndarray) -> np.ndarray:
        """Mean logit of the members."""
        return _in_chunks(self._main, X, self._chunk)

    def refits(self, X: np.ndarray) -> np.ndarray:
        """Logit of each refit."""
        return _in_chunks(self._refits, X, self._chunk)

    def both(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both from one call of the network."""
        return _part(_in_chunks(self._both, X, self._chunk))


class LinearScores:
    """Logistic regressions, each behind its own scaler, folded into one matrix per group.

    ``model.skops`` holds ``{"main": [[StandardScaler, LogisticRegression], ...], "refits": [...]}``; between
    the two a blank is 0, the mean of the observed.
    """

    def __init__(self, parts: dict[str, list[Any]], encoding: Encoding) -> None:
        self.encoding = encoding
        main, main_intercepts = _fold_linear(parts["main"])
        self._main, self.intercept = main.mean(axis=1), float(main_intercepts.mean())
        self._refits, self._refit_intercepts = _fold_linear(parts["refits"])
        _require_finite(main, main_intercepts, self._refits, self._refit_intercepts)

    @classmethod
    def load(cls, bundle: SealedBundle) -> LinearScores:
        """Build from a verified bundle."""
        return cls(load_skops(bundle), Encoding.from_json(bundle.manifest.encoding))

    def main(self, X: np.ndarray) -> np.ndarray:
        """Mean logit of the members."""
        return self._main_of(self._columns(X))

    def field_logits(self, X: np.ndarray) -> np.ndarray:
        """Each field's part of the mean logit, shape (n, n_inputs); they and ``intercept`` add up to it."""
        parts = self._columns(X) * self._main
        half = self.encoding.width
        starts = [part.start for part in self.encoding.slices()]
        both = parts[:, :half] + parts[:, half:]
        return np.add.reduceat(both, starts, axis=1)

    def refits(self, X: np.ndarray) -> np.ndarray:
        """Logit of each refit."""
        return self._refits_of(self._columns(X))

    def both(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both from the same encoded columns."""
        columns = self._columns(X)
        return self._main_of(columns), self._refits_of(columns)

    def _main_of(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(columns @ self._main + self.intercept)

    def _refits_of(self, columns: np.ndarray) -> np.ndarray:
        return np.asarray(columns @ self._refits + self._refit_intercepts)

    def _columns(self, X: np.ndarray) -> np.ndarray:
        return np.hstack([self.encoding.encode(X), self.encoding.observed(X)])


class KernelScores:
    """Support vector machines on one shared Nystroem map of made-up centres.

    ``model.skops`` holds ``{"scaler": StandardScaler, "map": Nystroem, "main": [LinearSVC, ...], "refits":
    [...]}``; folded into one kernel product with the centres.
    """

    def __init__(self, parts: dict[str, Any], encoding: Encoding) -> None:
        self.encoding = encoding
        scaler = parts["scaler"]
        self._mean, self._scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
        nystroem = parts["map"]
        self._centers = np.asarray(nystroem.components_, dtype=np.float64)
        self._gamma = float(nystroem.gamma)
        normal = np.asarray(nystroem.normalization_)
        main = np.column_stack([member.coef_.ravel() for member in parts["main"]])
        self._main = normal.T @ main.mean(axis=1)
        self._main_intercept = float(np.mean([float(member.intercept_[0]) for member in parts["main"]]))
        self._refits = normal.T @ np.column_stack([member.coef_.ravel() for member in parts["refits"]])
        self._refit_intercepts = np.array([float(member.intercept_[0]) for member in parts["refits"]])
        _require_finite(self._mean, self._scale, self._centers, normal, main, self._main_intercept)
        _require_finite(self._gamma, self._refits, self._refit_intercepts)

    @classmethod
    def load(cls, bundle: SealedBundle) -> KernelScores:
        """Build from a verified bundle."""
        return cls(load_skops(bundle), Encoding.from_json(bundle.manifest.encoding))

    def main(self, X: np.ndarray) -> np.ndarray:
        """Mean decision value of the members."""
        return _in_chunks(lambda rows: self._main_of(self._kernel(rows)), X, _TREE_CHUNK, None)

    def refits(self, X: np.ndarray) -> np.ndarray:
        """Decision value of each refit."""
        return _in_chunks(lambda rows: self._refits_of(self._kernel(rows)), X, _TREE_CHUNK, None)

    def both(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both from one kernel product."""

        def answer(rows: np.ndarray) -> np.ndarray:
            kernel = self._kernel(rows)
            return np.column_stack([self._main_of(kernel), self._refits_of(kernel)])

        return _part(_in_chunks(answer, X, _TREE_CHUNK, None))

    def _main_of(self, kernel: np.ndarray) -> np.ndarray:
        return np.asarray(kernel @ self._main + self._main_intercept)

    def _refits_of(self, kernel: np.ndarray) -> np.ndarray:
        return np.asarray(kernel @ self._refits + self._refit_intercepts)

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        rows = np.nan_to_num((self.encoding.encode(X, blank=np.nan) - self._mean) / self._scale, copy=False)
        squared = (
            (rows**2).sum(axis=1)[:, None] + (self._centers**2).sum(axis=1)[None, :] - 2.0 * rows @ self._centers.T
        )
        return np.asarray(np.exp(-self._gamma * np.maximum(squared, 0.0)))


class ForestScores:
    """A random forest grown in little bags: trees of one bag share one half-sample of patients.

    The spread between bags, less the noise of the few trees within each, is the sampling spread of the
    whole forest (Sexton and Laake, 2009; Athey, Tibshirani and Wager, 2019). ``model.skops`` holds ``{"forest":
    RandomForestClassifier, "trees_per_bag": int, "fill": array}``; ``fill`` stands for blanks.
    """

    def __init__(self, parts: dict[str, Any], encoding: Encoding) -> None:
        self.encoding = encoding
        self._forest = parts["forest"]
        self._trees_per_bag = int(parts["trees_per_bag"])
        self._fill = np.asarray(parts["fill"], dtype=np.float64)
        if self._fill.shape != (encoding.width,):
            raise IntegrityError("the values that stand for blanks do not fit the encoding")
        _require_finite(self._fill, *(tree.tree_.value for tree in self._forest.estimators_))

    @classmethod
    def load(cls, bundle: SealedBundle) -> ForestScores:
        """Build from a verified bundle."""
        return cls(load_skops(bundle), Encoding.from_json(bundle.manifest.encoding))

    def main(self, X: np.ndarray) -> np.ndarray:
        """Logit of the mean of all trees."""
        return _in_chunks(lambda rows: _logit(self._trees(rows).mean(axis=1)), X, _TREE_CHUNK, None)

    def refits(self, X: np.ndarray) -> np.ndarray:
        """Logit of each bag, drawn in towards the forest by the share of its noise."""
        return _in_chunks(lambda rows: self._bags(self._trees(rows)), X, _TREE_CHUNK, None)

    def both(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both from one walk through the trees."""

        def answer(rows: np.ndarray) -> np.ndarray:
            trees = self._trees(rows)
            return np.column_stack([_logit(trees.mean(axis=1)), self._bags(trees)])

        return _part(_in_chunks(answer, X, _TREE_CHUNK, None))

    def _trees(self, X: np.ndarray) -> np.ndarray:
        Z = self.encoding.encode(X, blank=np.nan)
        rows = np.ascontiguousarray(np.where(np.isnan(Z), self._fill, Z), dtype=np.float32)
        return np.column_stack([tree.tree_.predict(rows)[:, -1] for tree in self._forest.estimators_])

    def _bags(self, trees: np.ndarray) -> np.ndarray:
        trees = trees.reshape(len(trees), -1, self._trees_per_bag)
        bags = trees.mean(axis=2)
        middle = bags.mean(axis=1, keepdims=True)
        between = bags.var(axis=1, ddof=1, keepdims=True)
        within = trees.var(axis=2, ddof=1).mean(axis=1, keepdims=True) / self._trees_per_bag
        share = np.clip(1.0 - within / np.maximum(between, 1e-12), 0.05, 1.0)
        return _logit(middle + np.sqrt(share) * (bags - middle))


def _fold_linear(pairs: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (2 * width, k) on [encoded, observed] columns and the intercepts (k,)."""
    columns, intercepts = [], []
    for scaler, linear in pairs:
        weights = linear.coef_.ravel() / scaler.scale_
        columns.append(np.concatenate([weights, -weights * scaler.mean_]))
        intercepts.append(float(linear.intercept_[0]))
    return np.column_stack(columns), np.array(intercepts)


def _require_finite(*parts: np.ndarray | float) -> None:
    if any(not np.isfinite(part).all() for part in parts):
        raise IntegrityError("the model has weights that are not finite numbers")


def _logit(p: np.ndarray) -> np.ndarray:
    clipped = np.clip(p, 1e-4, 1.0 - 1e-4)
    return np.asarray(np.log(clipped / (1.0 - clipped)))


def _part(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column (n,), and the others."""
    return columns[:, 0], columns[:, 1:]


def _in_chunks(
    call: Callable[[np.ndarray], Any], X: np.ndarray, size: int, dtype: type | None = np.float32
) -> np.ndarray:
    X = np.asarray(X) if dtype is None else np.asarray(X, dtype=dtype)
    if len(X) <= size:
        return np.asarray(call(X), dtype=np.float64)
    parts = []
    for i in range(0, len(X), size):
        checkpoint()
        parts.append(np.asarray(call(X[i : i + size]), dtype=np.float64))
    return np.concatenate(parts)
