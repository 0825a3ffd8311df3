"""The film network while it learns, in PyTorch: twice as fast on a CPU as TensorFlow once two kernels are replaced.

Only training imports this module (extra ``train-image``). What it learns is handed over as plain arrays
(:meth:`FilmNet.folded`), and the released network is a Keras one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import nn

from medcore.models.film_nets import Block, Conv, FoldedWeights, NetPlan, fold
from medcore.models.lite import EPSILON, ConvState

__all__ = ["FilmNet", "convolve_depthwise", "standardise"]

_GAIN, _FLOOR = 0.5, 0.03
_MOMENTUM = 0.01


def standardise(films: torch.Tensor) -> torch.Tensor:
    """Give every film mean 0 and one spread, as :class:`medcore.models.layers.StandardiseFilm` does."""
    centred = films - films.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True).sqrt() + _FLOOR) * _GAIN


class FilmNet(nn.Module):
    """A network of a plan with random weights: films (n, 1, h, w), already looked at, to logits (n, n_classes)."""

    def __init__(self, plan: NetPlan, n_classes: int) -> None:
        super().__init__()
        self.plan = plan
        channels, blocks = 1, []
        n = len(plan.blocks)
        for i, block in enumerate(plan.blocks):
            blocks.append(_TorchBlock(block, channels, plan.normalised, plan.drop_path * i / n))
            channels = block.convs[-1].channels
        self.blocks = nn.ModuleList(blocks)
        self.hidden = nn.Linear(channels, plan.hidden) if plan.hidden else None
        self.dropout = nn.Dropout(plan.dropout)
        self.head = nn.Linear(plan.hidden or channels, n_classes)
        if plan.normalised:
            nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def look(self, films: torch.Tensor) -> torch.Tensor:
        """Do to films (0..1) what the plan does to them first."""
        if self.plan.look == "standardised":
            return standardise(films)
        return (films > 0.5).to(films.dtype) if self.plan.look == "binarised" else films * 2.0 - 1.0

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """Return logits of films that were looked at."""
        maps = films
        for block in self.blocks:
            maps = block(maps)
        features = maps.mean((2, 3)).float()
        if self.hidden is not None:
            features = F.relu(self.hidden(features))
        return torch.as_tensor(self.head(self.dropout(features)))

    def start_from(self, states: Sequence[ConvState]) -> None:
        """Take over pretrained convolutions, one per convolution of the plan."""
        steps = [step for block in self.blocks for step in block.steps]
        with torch.no_grad():
            for step, state in zip(steps, states, strict=True):
                step.conv.weight.copy_(torch.from_numpy(state.kernel))
                step.norm.weight.copy_(torch.from_numpy(state.scale))
                step.norm.bias.copy_(torch.from_numpy(state.shift))
                step.norm.running_mean.copy_(torch.from_numpy(state.mean))
                step.norm.running_var.copy_(torch.from_numpy(state.variance))

    def folded(self) -> FoldedWeights:
        """Return what was learnt as arrays for :func:`medcore.models.film_nets.build_released`."""
        dense = [self.head] if self.hidden is None else [self.hidden, self.head]
        return FoldedWeights(
            convs=tuple(step.folded() for block in self.blocks for step in block.steps),
            dense=tuple((_array(layer.weight).T.copy(), _array(layer.bias)) for layer in dense),
        )


class _TorchBlock(nn.Module):
    """Convolutions in a row, with a skip that is sometimes all that is left while learning."""

    def __init__(self, block: Block, channels: int, normalised: bool, drop: float) -> None:
        super().__init__()
        steps = []
        for conv in block.convs:
            steps.append(_TorchConv(conv, channels, normalised))
            channels = conv.channels
        self.steps = nn.ModuleList(steps)
        self.skip = block.skip
        self.drop = drop if block.skip else 0.0

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        out = maps
        for step in self.steps:
            out = step(out)
        if self.training and self.drop > 0.0:
            kept = torch.rand(len(out), 1, 1, 1, device=out.device) >= self.drop
            out = out * (kept.to(out.dtype) / (1.0 - self.drop))
        return maps + out if self.skip else out


class _TorchConv(nn.Module):
    """One convolution with TensorFlow's "same" padding, normalisation, activation and pooling."""

    def __init__(self, conv: Conv, channels: int, normalised: bool) -> None:
        super().__init__()
        groups = channels if conv.depthwise else 1
        self.spec = conv
        self.conv = nn.Conv2d(channels, conv.channels, conv.kernel, conv.stride, groups=groups, bias=not normalised)
        self.norm = nn.BatchNorm2d(conv.channels, eps=EPSILON, momentum=_MOMENTUM) if normalised else None

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        low, high = _padding(maps.shape[-1], self.spec.kernel, self.spec.stride)
        if self.spec.depthwise:
            out = convolve_depthwise(maps, self.conv.weight, self.spec.stride, low, high)
        elif low == high:
            out = F.conv2d(maps, self.conv.weight, self.conv.bias, self.spec.stride, low)
        else:
            padded = F.pad(maps, (low, high, low, high))
            out = F.conv2d(padded, self.conv.weight, self.conv.bias, self.spec.stride)
        if self.norm is not None:
            out = self.norm(out)
        if self.spec.activation:
            out = F.relu6(out, inplace=True) if self.spec.activation == "relu6" else F.relu(out, inplace=True)
        return F.max_pool2d(out, 2) if self.spec.pool else out

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the kernel in Keras's order of axes, and the bias."""
        kernel = _array(self.conv.weight).astype(np.float64)
        if self.norm is None:
            bias = _array(self.conv.bias)
        else:
            norm = (self.norm.weight, self.norm.bias, self.norm.running_mean, self.norm.running_var)
            scale, shift, mean, variance = (_array(item).astype(np.float64) for item in norm)
            kernel, bias = fold(kernel, scale, shift, mean, variance, EPSILON)
        axes = (2, 3, 0, 1) if self.spec.depthwise else (2, 3, 1, 0)
        return kernel.transpose(axes).astype(np.float32), bias.astype(np.float32)


def convolve_depthwise(maps: torch.Tensor, kernel: torch.Tensor, stride: int, low: int, high: int) -> torch.Tensor:
    """Convolve each channel (n, c, h, w) with its own kernel (c, 1, k, k); ``low``, ``high`` = zeros around.

    With stride 2 the sides must be even. On a GPU this is PyTorch's own operation.
    """
    if torch.is_autocast_enabled(maps.device.type):
        half = torch.get_autocast_dtype(maps.device.type)
        maps, kernel = maps.to(half), kernel.to(half)
    if maps.device.type != "cpu":
        return F.conv2d(F.pad(maps, (low, high, low, high)), kernel, None, stride, groups=len(kernel))
    return torch.as_tensor(_Depthwise.apply(maps, kernel, stride, low, high))


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution whose gradients avoid two slow paths of the CPU backend (3 to 10 times faster).

    With stride 2 the gradient of the input is a convolution of the spread-out gradient of the output; for
    kernels of 5 x 5 the gradient of the kernel is computed in float32.
    """

    @staticmethod
    def forward(ctx: Any, maps: torch.Tensor, kernel: torch.Tensor, stride: int, low: int, high: int) -> torch.Tensor:
        pad = low
        if low != high:
            maps, pad = F.pad(maps, (low, high, low, high)), 0
        ctx.save_for_backward(maps, kernel)
        ctx.stride, ctx.low, ctx.pad = stride, low, pad
        return F.conv2d(maps, kernel, None, stride, pad, groups=len(kernel))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None, None]:
        maps, kernel = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if ctx.stride == 1:
            of_maps = _plain_gradient(gradient, maps, kernel, ctx, [True, False])[0]
        else:
            of_maps = _spread_gradient(gradient, kernel, ctx.stride, ctx.low)
        if kernel.shape[-1] > 3:
            parts = (gradient.float(), maps.float(), kernel.float())
            of_kernel = _plain_gradient(*parts, ctx, [False, True])[1].to(kernel.dtype)
        else:
            of_kernel = _plain_gradient(gradient, maps, kernel, ctx, [False, True])[1]
        return of_maps, of_kernel, None, None, None


def _plain_gradient(
    gradient: torch.Tensor, maps: torch.Tensor, kernel: torch.Tensor, ctx: Any, wanted: list[bool]
) -> Any:
    stride, pad, n = [ctx.stride] * 2, [ctx.pad] * 2, len(kernel)
    return torch.ops.aten.convolution_backward(
        gradient, maps, kernel, None, stride, pad, [1, 1], False, [0, 0], n, [*wanted, False]
    )


def _spread_gradient(gradient: torch.Tensor, kernel: torch.Tensor, stride: int, low: int) -> torch.Tensor:
    n, channels, rows, columns = gradient.shape
    spread = torch.zeros(n, rows, stride, columns, stride, channels, dtype=gradient.dtype)
    spread[:, :, 0, :, 0] = gradient.permute(0, 2, 3, 1)
    spread = spread.view(n, rows * stride, columns * stride, channels).permute(0, 3, 1, 2)
    before = kernel.shape[-1] - 1 - low
    return F.conv2d(F.pad(spread, (before, low, before, low)), kernel.flip(2, 3), groups=channels)


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow's "same" padding puts them."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy())
