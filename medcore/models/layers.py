"""Registered Keras layers. "Stacked" layers hold all members of an ensemble on a leading axis.

A stack of ``E`` members is trained and served as one model: activations have shape
``(E, n, width)``, kernels ``(E, width_in, width_out)``, and one batched product replaces ``E`` small
ones. Normalisation is folded into the first kernels when a model is released, so the models take
raw rows: canonical units, NaN where blank.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from medcore.encoding import LOG_FLOOR, Encoding, apply_transform
from medcore.encoding import FieldEncoding as FieldCode
from medcore.models.layer_names import PACKAGE

__all__ = [
    "FieldEncoding",
    "FieldTokens",
    "MemberLogits",
    "StackedAttention",
    "StackedDense",
    "StackedFeedForward",
    "TokenMean",
    "custom_objects",
]

_EPSILON = 1e-5


@keras.saving.register_keras_serializable(package=PACKAGE)
class FieldEncoding(keras.layers.Layer):
    """Raw rows to encoded columns and their observed mask.

    Input (n, n_inputs), NaN = blank. Output (n, 2 * width): the columns of
    :class:`medcore.encoding.Encoding`, then one column each that is 1 where the source is known
    (always 1 for gap columns).
    """

    def __init__(self, fields: list[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields = fields
        self._encoding = Encoding.from_json(fields)

    def call(self, inputs: Any) -> Any:
        """Encode a batch, field by field (the loop is unrolled when the model is traced)."""
        values: list[Any] = []
        observed: list[Any] = []
        for j, item in enumerate(self._encoding.fields):
            raw = inputs[:, j : j + 1]
            gap = ops.isnan(raw)
            known = 1.0 - ops.cast(gap, "float32")
            columns = _code_columns(item, raw) if item.codes else _number_columns(item, ops.where(gap, 1.0, raw))
            values += [ops.where(gap, 0.0, column) for column in columns]
            observed += [known] * len(columns)
            if item.gap:
                values.append(1.0 - known)
                observed.append(ops.ones_like(known))
        return ops.concatenate(values + observed, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape (n, 2 * width)."""
        return (input_shape[0], 2 * self._encoding.width)

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "fields": self.fields}


class _Stacked(keras.layers.Layer):
    """Base of layers with a leading member axis."""

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "members": self.members}

    def _kernel(self, name: str, fan_in: int, fan_out: int, gain: float = 1.0) -> Any:
        spread = gain * (2.0 / (fan_in + fan_out)) ** 0.5
        return self.add_weight(
            name=name,
            shape=(self.members, fan_in, fan_out),
            initializer=keras.initializers.RandomNormal(stddev=spread),
        )

    def _vector(self, name: str, width: int, initializer: str = "zeros") -> Any:
        return self.add_weight(name=name, shape=(self.members, 1, width), initializer=initializer)


@keras.saving.register_keras_serializable(package=PACKAGE)
class StackedDense(_Stacked):
    """One dense layer per member: (n, in) or (members, n, in) -> (members, n, units)."""

    def __init__(
        self, members: int, units: int, activation: str | None = None, gain: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(members, **kwargs)
        self.units = units
        self.activation = activation
        self.gain = gain

    def build(self, input_shape: Any) -> None:
        """Create kernel (members, in, units) and bias (members, 1, units)."""
        self.kernel = self._kernel("kernel", int(input_shape[-1]), self.units, self.gain)
        self.bias = self._vector("bias", self.units)

    def call(self, inputs: Any) -> Any:
        """Multiply every member's rows by its kernel."""
        rows = inputs if len(inputs.shape) == 3 else ops.expand_dims(inputs, 0)
        out = ops.matmul(rows, self.kernel) + self.bias
        return getattr(ops, self.activation)(out) if self.activation else out

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape (members, n, units)."""
        return (self.members, input_shape[-2], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        own = {"units": self.units, "activation": self.activation, "gain": self.gain}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=PACKAGE)
class FieldTokens(_Stacked):
    """One token per field: (n, c) or (members, n, c) -> (members, n, tokens, width).

    ``columns`` lists, per field, the input columns that belong to it; each field has its own linear
    map of its columns and its own bias, which is what the token is when the field is blank.
    """

    def __init__(self, members: int, columns: list[list[int]], width: int, **kwargs: Any) -> None:
        super().__init__(members, **kwargs)
        self.columns = columns
        self.width = width
        self._per_token = max(len(group) for group in columns)

    def build(self, input_shape: Any) -> None:
        """Create kernel (members, tokens * columns per token, width) and bias (members, tokens, width)."""
        tokens, per_token = len(self.columns), self._per_token
        index = np.zeros((tokens, per_token), dtype="int32")
        used = np.zeros((tokens, per_token, 1), dtype="float32")
        for t, group in enumerate(self.columns):
            index[t, : len(group)] = group
            used[t, : len(group)] = 1.0
        self._index, self._used = index, used
        normal = keras.initializers.RandomNormal(stddev=0.3)
        self.kernel = self.add_weight(
            name="kernel", shape=(self.members, tokens, per_token, self.width), initializer=normal
        )
        self.bias = self.add_weight(name="bias", shape=(self.members, 1, tokens, self.width), initializer=normal)

    def call(self, inputs: Any) -> Any:
        """Gather each field's columns and map them to its token."""
        rows = inputs if len(inputs.shape) == 3 else ops.expand_dims(inputs, 0)
        gathered = ops.take(rows, self._index.ravel(), axis=2)
        shape = (ops.shape(rows)[0], ops.shape(rows)[1], len(self.columns), self._per_token)
        gathered = ops.reshape(gathered, shape)
        kernel = self.kernel * self._used
        by_token = ops.matmul(ops.transpose(gathered, (0, 2, 1, 3)), kernel)
        return ops.transpose(by_token, (0, 2, 1, 3)) + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape (members, n, tokens, width)."""
        return (self.members, input_shape[-2], len(self.columns), self.width)

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "columns": self.columns, "width": self.width}


@keras.saving.register_keras_serializable(package=PACKAGE)
class StackedAttention(_Stacked):
    """Pre-norm multi-head self-attention over tokens with a residual (Vaswani et al., 2017).

    (members, n, tokens, width) -> the same shape.
    """

    def __init__(self, members: int, heads: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(members, **kwargs)
        self.heads = heads
        self.dropout = dropout
        self._drop = keras.layers.Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """Create the projections, bias-free, and the norm's scale."""
        width = int(input_shape[-1])
        self.scale = self._vector("scale", width, "ones")
        self.qkv = self._kernel("qkv", width, 3 * width)
        self.out = self._kernel("out", width, width, 0.5)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Mix the tokens of each row."""
        shape = ops.shape(inputs)
        tokens, width = int(inputs.shape[2]), int(inputs.shape[3])
        flat = (shape[0], shape[1] * tokens, width)
        normal = _normalise(ops.reshape(inputs, flat)) * self.scale
        qkv = ops.reshape(
            ops.matmul(normal, self.qkv), (shape[0], shape[1], tokens, 3, self.heads, width // self.heads)
        )
        query, key, value = ops.unstack(ops.transpose(qkv, (3, 0, 1, 4, 2, 5)), 3, axis=0)
        logits = ops.matmul(query, ops.swapaxes(key, -1, -2)) * (width // self.heads) ** -0.5
        mixed = ops.transpose(ops.matmul(ops.softmax(logits, axis=-1), value), (0, 1, 3, 2, 4))
        update = ops.reshape(ops.matmul(ops.reshape(mixed, flat), self.out), shape)
        return inputs + self._drop(update, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "heads": self.heads, "dropout": self.dropout}


@keras.saving.register_keras_serializable(package=PACKAGE)
class StackedFeedForward(_Stacked):
    """Pre-norm two-layer perceptron on each token with a residual; shape kept."""

    def __init__(self, members: int, units: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(members, **kwargs)
        self.units = units
        self.dropout = dropout
        self._drop = keras.layers.Dropout(dropout)

    def build(self, input_shape: Any) -> None:
        """Create both kernels, the hidden bias and the norm's scale."""
        width = int(input_shape[-1])
        self.scale = self._vector("scale", width, "ones")
        self.up = self._kernel("up", width, self.units)
        self.bias = self._vector("bias", self.units)
        self.down = self._kernel("down", self.units, width, 0.5)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Transform each token."""
        shape = ops.shape(inputs)
        flat = ops.reshape(inputs, (shape[0], shape[1] * int(inputs.shape[2]), int(inputs.shape[3])))
        hidden = ops.relu(ops.matmul(_normalise(flat) * self.scale, self.up) + self.bias)
        update = ops.reshape(ops.matmul(hidden, self.down), shape)
        return inputs + self._drop(update, training=training)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "units": self.units, "dropout": self.dropout}


@keras.saving.register_keras_serializable(package=PACKAGE)
class TokenMean(_Stacked):
    """Normalise tokens and average them: (members, n, tokens, width) -> (members, n, width)."""

    def build(self, input_shape: Any) -> None:
        """Create the norm's scale."""
        self.scale = self._vector("scale", int(input_shape[-1]), "ones")

    def call(self, inputs: Any) -> Any:
        """Average the normalised tokens of each row."""
        return ops.mean(_normalise(inputs), axis=2) * self.scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape (members, n, width)."""
        return (self.members, input_shape[1], input_shape[-1])


@keras.saving.register_keras_serializable(package=PACKAGE)
class MemberLogits(_Stacked):
    """(members, n, 1) -> (n, members): one uncalibrated logit per member."""

    def call(self, inputs: Any) -> Any:
        """Move the member axis last."""
        return ops.transpose(ops.squeeze(inputs, axis=-1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape (n, members)."""
        return (input_shape[1], self.members)


@keras.saving.register_keras_serializable(package=PACKAGE)
class StandardiseFilm(keras.layers.Layer):
    """Give every film mean 0 and one spread, so that exposure does not matter: (n, h, w, 1) -> the same shape.

    A film's spread is enlarged by ``floor``, so that a blank film stays blank; the result is multiplied by ``gain``.
    """

    def __init__(self, gain: float = 0.5, floor: float = 0.03, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain
        self.floor = floor

    def call(self, inputs: Any) -> Any:
        """Standardise each film by its own mean and spread."""
        centred = inputs - ops.mean(inputs, axis=(1, 2, 3), keepdims=True)
        spread = ops.sqrt(ops.mean(centred * centred, axis=(1, 2, 3), keepdims=True))
        return centred / (spread + self.floor) * self.gain

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "gain": self.gain, "floor": self.floor}


@keras.saving.register_keras_serializable(package=PACKAGE)
class BinariseFilm(keras.layers.Layer):
    """Turn a film to black (0) and white (1) at a threshold: (n, h, w, 1) -> the same shape."""

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def call(self, inputs: Any) -> Any:
        """Compare every pixel with the threshold."""
        return ops.cast(inputs > self.threshold, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to rebuild the layer."""
        return {**super().get_config(), "threshold": self.threshold}


def custom_objects() -> dict[str, type]:
    """Return the registered layers by their registered names."""
    classes = (
        BinariseFilm,
        FieldEncoding,
        FieldTokens,
        MemberLogits,
        StackedAttention,
        StackedDense,
        StackedFeedForward,
        StandardiseFilm,
        TokenMean,
    )
    return {f"{PACKAGE}>{item.__name__}": item for item in classes}


def _code_columns(item: FieldCode, raw: Any) -> list[Any]:
    return [ops.cast(ops.equal(raw, float(code)), "float32") for code in item.codes]


def _number_columns(item: FieldCode, known: Any) -> list[Any]:
    value = _transform(item, known)
    if not item.knots:
        return [value]
    knots = apply_transform(item, np.array(item.knots, dtype=np.float64))
    first, before_last, last = float(knots[0]), float(knots[-2]), float(knots[-1])
    scale = (last - first) ** 2

    def cube(at: float) -> Any:
        return ops.maximum(value - at, 0.0) ** 3

    terms = [
        (
            cube(float(knot))
            - cube(before_last) * ((last - float(knot)) / (last - before_last))
            + cube(last) * ((before_last - float(knot)) / (last - before_last))
        )
        / scale
        for knot in knots[:-2]
    ]
    return [value, *terms]


def _transform(item: FieldCode, known: Any) -> Any:
    if item.transform == "log":
        return ops.log(ops.maximum(known + item.offset, LOG_FLOOR))
    if item.transform == "sqrt":
        return ops.sqrt(ops.maximum(known, 0.0))
    return known


def _normalise(rows: Any) -> Any:
    centered = rows - ops.mean(rows, axis=-1, keepdims=True)
    return centered * ops.rsqrt(ops.mean(centered * centered, axis=-1, keepdims=True) + _EPSILON)
