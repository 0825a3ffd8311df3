"""Training many members of one Keras architecture as one stacked model.

All members see the same minibatches; which rows count for whom is a matrix of weights (0 = held
out, 2 = drawn twice by a bootstrap). Adam works element by element, so stacked members learn exactly
as if each were trained alone on its own weights, at a fraction of the time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from medcore.encoding import Encoding
from medcore.models.layers import (
    FieldEncoding,
    FieldTokens,
    MemberLogits,
    StackedAttention,
    StackedDense,
    StackedFeedForward,
    TokenMean,
)

__all__ = ["NetworkPlan", "SchedulePlan", "TrainedStack", "release", "train_stack"]

_WARM_UP_SHARE = 0.05
_LEAST_SPREAD = 1e-3
_SCORE_CHUNK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """Architecture of one member.

    ``kind`` is ``mlp`` (``hidden`` units, relu) or ``attention`` (one token a field of ``width``, ``blocks``
    of ``heads``-head self-attention and a feed-forward of ``2 * width``). Both add a linear path from
    the inputs to the logit, so that a member only has to learn what a logistic regression cannot.
    """

    kind: str
    hidden: tuple[int, ...] = (32, 16)
    width: int = 16
    heads: int = 2
    blocks: int = 1
    dropout: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePlan:
    """How members are trained: AdamW with warm-up and cosine decay over a fixed number of epochs.

    ``smoothing`` draws targets towards one half; ``mask_all_share`` is the share of rows on which all
    maskable fields are hidden together (the everyday case of a doctor without those tests).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    smoothing: float = 0.0
    mask_all_share: float = 0.25


@dataclass(frozen=True, kw_only=True)
class TrainedStack:
    """Trained members, with the standardisation each learnt from its own rows.

    ``mean`` and ``spread`` have shape (members, encoded columns).
    """

    plan: NetworkPlan
    encoding: Encoding
    weights: dict[str, list[np.ndarray]]
    mean: np.ndarray
    spread: np.ndarray
    seconds: float = field(compare=False, default=0.0)

    def scores(self, X: np.ndarray) -> np.ndarray:
        """Return logits of all members, shape (n, members), of raw rows."""
        members = len(self.mean)
        raw = keras.Input((len(self.encoding.fields),), name="record")
        columns = FieldEncoding(self.encoding.to_json())(raw)
        model = keras.Model(raw, _released_branch(self, columns, np.arange(members), "all"))
        _copy_weights(model, self, np.arange(members), "all")
        call = tf.function(lambda rows: model(rows), input_signature=[tf.TensorSpec((None, raw.shape[1]), tf.float32)])
        rows = np.asarray(X, dtype=np.float32)
        return np.concatenate([call(rows[i : i + _SCORE_CHUNK]).numpy() for i in range(0, len(rows), _SCORE_CHUNK)])


def train_stack(
    plan: NetworkPlan,
    schedule: SchedulePlan,
    encoding: Encoding,
    X: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    *,
    mask_rates: np.ndarray,
    seed: int,
) -> TrainedStack:
    """Train one member per row of ``weights``.

    Parameters
    ----------
    X : array, shape (n, n_inputs)
        Raw rows, NaN = blank.
    target : array, shape (n,)
        What to learn, in [0, 1]; 1 = has the outcome.
    weights : array, shape (members, n)
        Weight of each row for each member; 0 = held out.
    mask_rates : array, shape (n_inputs,)
        Share of rows on which a field is hidden at random (see ``Field.mask_rate``).
    seed : int
        Seeds initial weights, dropout, masks and the order of rows.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    value, observed = encoding.encode(X), encoding.observed(X)
    mean, spread = _standardise(value, observed, weights, _is_gap(encoding))
    network = _build_network(plan, len(weights), encoding)
    batches = _Batches(value, observed, target, weights, encoding, mask_rates)
    _fit(network, batches, schedule, mean, spread, np.random.default_rng(seed))
    learnt = {layer.name: layer.get_weights() for layer in network.layers if layer.get_weights()}
    return TrainedStack(
        plan=plan,
        encoding=encoding,
        weights=learnt,
        mean=mean,
        spread=spread,
        seconds=time.perf_counter() - started,
    )


def release(stack: TrainedStack, main: np.ndarray, refits: np.ndarray) -> keras.Model:
    """Return the model to ship: raw rows in, logits of the ``main`` and the ``refits`` members out."""
    raw = keras.Input((len(stack.encoding.fields),), name="record")
    columns = FieldEncoding(stack.encoding.to_json(), name="encoding")(raw)
    outputs = [_released_branch(stack, columns, chosen, name) for name, chosen in (("main", main), ("refits", refits))]
    model = keras.Model(raw, outputs, name="risk")
    _copy_weights(model, stack, main, "main")
    _copy_weights(model, stack, refits, "refits")
    return model


class _Batches:
    """Rows of a training run as tensors, with random masking of fields."""

    def __init__(
        self,
        value: np.ndarray,
        observed: np.ndarray,
        target: np.ndarray,
        weights: np.ndarray,
        encoding: Encoding,
        mask_rates: np.ndarray,
    ) -> None:
        self.used = np.flatnonzero(weights.sum(axis=0) > 0)
        balance = len(self.used) / weights.sum(axis=1)
        self.value = tf.constant(value, tf.float32)
        self.observed = tf.constant(observed, tf.float32)
        self.target = tf.constant(target, tf.float32)
        self.weight = tf.constant((weights * balance[:, None]).T, tf.float32)
        self.mask_rates = tf.constant(mask_rates, tf.float32)
        self.any_mask = bool((mask_rates > 0).any())
        self.field_of = np.repeat(np.arange(len(encoding.fields)), [item.width for item in encoding.fields])
        self.gap = tf.constant(_is_gap(encoding), tf.float32)

    def take(self, index: Any, mask_all_share: float) -> tuple[Any, Any, Any, Any]:
        """Return value, observed, target and weights (members, rows) of some rows, fields hidden at random."""
        value, observed = tf.gather(self.value, index), tf.gather(self.observed, index)
        if self.any_mask:
            hidden = tf.gather(self._hide(tf.shape(index)[0], mask_all_share), self.field_of, axis=1)
            value = value * (1.0 - hidden) + hidden * self.gap
            observed = tf.where(self.gap > 0, observed, observed * (1.0 - hidden))
        return value, observed, tf.gather(self.target, index), tf.transpose(tf.gather(self.weight, index))

    def _hide(self, rows: Any, mask_all_share: float) -> Any:
        fields = self.mask_rates.shape[0]
        alone = tf.cast(tf.random.uniform((rows, fields)) < self.mask_rates, tf.float32)
        together = tf.cast(tf.random.uniform((rows, 1)) < mask_all_share, tf.float32)
        return tf.maximum(alone, together * tf.cast(self.mask_rates > 0, tf.float32))


def _fit(
    network: keras.Model,
    batches: _Batches,
    schedule: SchedulePlan,
    mean: np.ndarray,
    spread: np.ndarray,
    rng: np.random.Generator,
) -> None:
    per_epoch = max(1, len(batches.used) // schedule.batch_size)
    optimizer = _optimizer(schedule, per_epoch * schedule.epochs, network)
    center = tf.constant(mean[:, None, :], tf.float32)
    scale = tf.constant(1.0 / spread[:, None, :], tf.float32)
    variables = network.trainable_variables

    @tf.function
    def step(index: Any) -> None:
        value, observed, target, weight = batches.take(index, schedule.mask_all_share)
        target = target * (1.0 - schedule.smoothing) + 0.5 * schedule.smoothing
        with tf.GradientTape() as tape:
            logits = tf.transpose(network((value[None] - center) * scale * observed[None], training=True))
            loss = tf.nn.sigmoid_cross_entropy_with_logits(tf.broadcast_to(target, tf.shape(logits)), logits)
            total = tf.reduce_sum(tf.reduce_mean(weight * loss, axis=1))
        optimizer.apply(tape.gradient(total, variables), variables)

    for _ in range(schedule.epochs):
        order = rng.permutation(batches.used)[: per_epoch * schedule.batch_size]
        for index in order.reshape(per_epoch, -1):
            step(tf.constant(index))


def _optimizer(schedule: SchedulePlan, steps: int, network: keras.Model) -> keras.optimizers.Optimizer:
    warm_up = max(1, int(_WARM_UP_SHARE * steps))
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warm_up),
        warmup_target=schedule.learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(
        learning_rate=rate, weight_decay=schedule.weight_decay, beta_2=0.99, epsilon=1e-8
    )
    free = [item for item in network.trainable_variables if item.name in {"bias", "scale"}]
    optimizer.exclude_from_weight_decay(var_list=free)
    optimizer.build(network.trainable_variables)
    return optimizer


def _build_network(plan: NetworkPlan, members: int, encoding: Encoding) -> keras.Model:
    """Return the training form: standardised columns (members, n, width) -> logits (n, members)."""
    columns = keras.Input(batch_shape=(members, None, encoding.width), name="columns")
    groups = [list(range(part.start, part.stop)) for part in encoding.slices()]
    return keras.Model(columns, _branch(plan, members, columns, groups, ""))


def _branch(plan: NetworkPlan, members: int, columns: Any, groups: list[list[int]], prefix: str) -> Any:
    hidden = columns
    if plan.kind == "attention":
        hidden = FieldTokens(members, groups, plan.width, name=f"{prefix}tokens")(hidden)
        for block in range(plan.blocks):
            hidden = StackedAttention(members, plan.heads, plan.dropout, name=f"{prefix}attention_{block}")(hidden)
            hidden = StackedFeedForward(members, 2 * plan.width, plan.dropout, name=f"{prefix}feed_{block}")(hidden)
        hidden = TokenMean(members, name=f"{prefix}pool")(hidden)
    else:
        for depth, units in enumerate(plan.hidden):
            hidden = StackedDense(members, units, "relu", name=f"{prefix}hidden_{depth}")(hidden)
            if plan.dropout:
                hidden = keras.layers.Dropout(plan.dropout, name=f"{prefix}dropout_{depth}")(hidden)
    deep = StackedDense(members, 1, gain=0.3, name=f"{prefix}head")(hidden)
    linear = StackedDense(members, 1, gain=0.0, name=f"{prefix}linear")(columns)
    total = keras.layers.Add(name=f"{prefix}sum")([deep, linear])
    return MemberLogits(members, name=prefix.rstrip("_") or "logits")(total)


def _released_branch(stack: TrainedStack, columns: Any, chosen: np.ndarray, name: str) -> Any:
    width = stack.encoding.width
    groups = [
        [*range(part.start, part.stop), *range(width + part.start, width + part.stop)]
        for part in stack.encoding.slices()
    ]
    quiet = NetworkPlan(**{**_as_dict(stack.plan), "dropout": 0.0})
    return _branch(quiet, len(chosen), columns, groups, f"{name}_")


def _copy_weights(model: keras.Model, stack: TrainedStack, chosen: np.ndarray, name: str) -> None:
    for layer_name, weights in stack.weights.items():
        layer = model.get_layer(f"{name}_{layer_name}")
        picked = [weight[chosen] for weight in weights]
        if layer_name in {"hidden_0", "linear"}:
            picked[0] = _fold_dense(picked[0], stack.mean[chosen], stack.spread[chosen])
        elif layer_name == "tokens":
            picked[0] = _fold_tokens(picked[0], stack, chosen)
        layer.set_weights(picked)


def _fold_dense(kernel: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Fold ``(value - mean) / spread * observed`` into a kernel on [value, observed] columns."""
    scaled = kernel / spread[:, :, None]
    return np.concatenate([scaled, -scaled * mean[:, :, None]], axis=1)


def _fold_tokens(kernel: np.ndarray, stack: TrainedStack, chosen: np.ndarray) -> np.ndarray:
    parts = stack.encoding.slices()
    widest = max(part.stop - part.start for part in parts)
    folded = np.zeros((len(chosen), len(parts), 2 * widest, kernel.shape[-1]), dtype=np.float32)
    for t, part in enumerate(parts):
        size = part.stop - part.start
        mean, spread = stack.mean[chosen, part], stack.spread[chosen, part]
        folded[:, t, : 2 * size] = _fold_dense(kernel[:, t, :size], mean, spread)
    return folded


def _standardise(
    value: np.ndarray, observed: np.ndarray, weights: np.ndarray, gap: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of observed values per member; gap columns are left as they are."""
    total = weights @ observed + 1e-9
    mean = weights @ (observed * value) / total
    spread = np.sqrt(np.maximum(weights @ (observed * value**2) / total - mean**2, _LEAST_SPREAD**2))
    mean[:, gap], spread[:, gap] = 0.0, 1.0
    return mean, spread


def _is_gap(encoding: Encoding) -> np.ndarray:
    flags = [[False] * (item.width - item.gap) + [True] * item.gap for item in encoding.fields]
    return np.array([flag for group in flags for flag in group], dtype=bool)


def _as_dict(plan: NetworkPlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__slots__}
