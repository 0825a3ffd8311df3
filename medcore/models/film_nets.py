"""What a film network is made of: one plan, from which both the network that learns and the released one are built.

A released network has no batch normalisation: it is folded into the convolutions (Jacob et al., CVPR 2018),
which changes nothing in what the network answers and makes it smaller and faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medcore.errors import InputError

if TYPE_CHECKING:
    import keras

__all__ = ["Block", "Conv", "FoldedWeights", "NetPlan", "build_released", "cnn_plan", "fold"]

CNN_CHANNELS = (32, 64, 128)
CNN_HIDDEN = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """One convolution with "same" padding: ``activation`` is ``"relu"``, ``"relu6"`` or ``""``.

    ``pool`` is followed by 2 x 2 max-pooling; ``depthwise`` keeps the number of channels.
    """

    kernel: int
    channels: int
    stride: int = 1
    depthwise: bool = False
    activation: str = ""
    pool: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Convolutions in a row; with ``skip`` their input is added to their output."""

    convs: tuple[Conv, ...]
    skip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPlan:
    """A film network: blocks, mean over the last maps, an optional hidden layer, and one logit per class.

    Attributes
    ----------
    hidden : int
        Units of the hidden layer, 0 = none.
    normalised : bool
        Whether every convolution is followed by batch normalisation while it learns.
    look : str
        What the network does to a film first: ``"standardised"`` (mean 0, one spread per film, so that exposure
        does not matter), ``"binarised"`` (black and white) or ``"scaled"`` (-1 to 1).
    dropout, drop_path : float
        Shares of features and of whole blocks left out at random while it learns.
    """

    blocks: tuple[Block, ...]
    hidden: int = 0
    normalised: bool = True
    look: str = "standardised"
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        if self.look not in {"standardised", "binarised", "scaled"}:
            raise InputError(f"there is no way to look at a film called {self.look!r}")

    @property
    def convs(self) -> Iterator[Conv]:
        """All convolutions in order."""
        return (conv for block in self.blocks for conv in block.convs)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldedWeights:
    """Weights of a released network, in the order of its plan.

    ``convs`` are kernels (rows, columns, in, out; depthwise: rows, columns, channels, 1) with their biases;
    ``dense`` are kernels (in, out) with their biases, the logits last.
    """

    convs: tuple[tuple[np.ndarray, np.ndarray], ...]
    dense: tuple[tuple[np.ndarray, np.ndarray], ...]


def cnn_plan(*, binarised: bool = False) -> NetPlan:
    """Return the textbook network: 32, 64 and 128 filters of 3 x 3 with max-pooling, 512 units, dropout."""
    convs = tuple(Conv(kernel=3, channels=n, activation="relu", pool=n < CNN_CHANNELS[-1]) for n in CNN_CHANNELS)
    return NetPlan(
        blocks=(Block(convs=convs),),
        hidden=CNN_HIDDEN,
        normalised=False,
        look="binarised" if binarised else "scaled",
        dropout=0.5,
    )


def fold(
    kernel: np.ndarray, scale: np.ndarray, shift: np.ndarray, mean: np.ndarray, variance: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fold batch normalisation into the kernel (channels out first) before it; returns kernel and bias.

    Examples
    --------
    >>> one = np.ones(1)
    >>> kernel, bias = fold(np.full((1, 1, 1, 1), 3.0), 2 * one, one, 4 * one, one - 0.25, 0.25)
    >>> float(kernel.ravel()[0]), float(bias[0])
    (6.0, -7.0)
    """
    factor = scale / np.sqrt(variance + epsilon)
    return kernel * factor.reshape(-1, *([1] * (kernel.ndim - 1))), shift - mean * factor


def build_released(plan: NetPlan, members: Sequence[FoldedWeights], size: int = 224) -> keras.Model:
    """Build the Keras network of a plan: films (n, size, size, 1), 0..1, to logits, features and maps.

    ``maps`` are the last maps of all members one after the other, ``features`` their mean, ``logits`` one number
    per class: the mean of what the members say.

    Raises
    ------
    InputError
        Several members of a plan with a hidden layer, whose mean is not one linear layer.
    """
    if len(members) > 1 and plan.hidden:
        raise InputError("members with a hidden layer have no common last layer")
    import keras

    films = keras.Input((size, size, 1), name="films")
    seen = _look(plan.look)(films)
    found = [_apply_blocks(plan, seen, weights, f"member{k}_") for k, weights in enumerate(members)]
    maps = found[0] if len(found) == 1 else keras.layers.Concatenate(name="maps")(found)
    features = keras.layers.GlobalAveragePooling2D(name="mean")(maps)
    logits = features
    dense_parts = _join_heads(members)
    for k, parts in enumerate(dense_parts):
        last = k == len(dense_parts) - 1
        dense = keras.layers.Dense(
            len(parts[1]), activation=None if last else "relu", name="class" if last else "hidden"
        )
        logits = dense(logits)
        dense.set_weights(list(parts))
    return keras.Model(films, {"logits": logits, "features": features, "maps": maps}, name="film_network")


def _join_heads(members: Sequence[FoldedWeights]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return dense layers over the features of all members that give the mean of their logits."""
    if len(members) == 1:
        return members[0].dense
    kernels, biases = zip(*(weights.dense[-1] for weights in members), strict=True)
    return ((np.concatenate(kernels) / np.float32(len(members)), np.mean(biases, axis=0)),)


def _apply_blocks(plan: NetPlan, maps: Any, weights: FoldedWeights, name: str) -> Any:
    import keras

    steps = iter(weights.convs)
    for i, block in enumerate(plan.blocks):
        before = maps
        for j, conv in enumerate(block.convs):
            maps = _apply(conv, maps, next(steps), f"{name}block{i}_{j}")
        if block.skip:
            maps = keras.layers.Add(name=f"{name}block{i}_sum")([before, maps])
    return maps


def _look(look: str) -> Any:
    import keras

    from medcore.models.layers import BinariseFilm, StandardiseFilm

    if look == "standardised":
        return StandardiseFilm(name="look")
    if look == "binarised":
        return BinariseFilm(name="look")
    return keras.layers.Rescaling(2.0, -1.0, name="look")


def _apply(conv: Conv, maps: Any, weights: Sequence[np.ndarray], name: str) -> Any:
    import keras

    if conv.depthwise:
        layer = keras.layers.DepthwiseConv2D(conv.kernel, strides=conv.stride, padding="same", name=name)
    else:
        layer = keras.layers.Conv2D(conv.channels, conv.kernel, strides=conv.stride, padding="same", name=name)
    maps = layer(maps)
    layer.set_weights(list(weights))
    if conv.activation:
        maps = keras.layers.ReLU(6.0 if conv.activation == "relu6" else None, name=f"{name}_relu")(maps)
    if conv.pool:
        maps = keras.layers.MaxPooling2D(2, name=f"{name}_pool")(maps)
    return maps
