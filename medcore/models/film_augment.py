"""Films made a little different every time they are learnt from.

Geometry: mirror image, turn, zoom, shift, shear and above all another aspect ratio, because in the study healthy and
ill children were filmed at other aspect ratios. Light: exposure, contrast, gamma, equalised histogram. Detail:
blurred, sharpened, made smaller and larger again, noise; the originals of ill children were smaller, and nothing
should be learnt from that. A quarter of the films keep their geometry, and parts of some are covered.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name

from medcore.models.film_recipes import AugmentPlan

__all__ = ["augment", "equalise", "resize_films"]

_CHUNK = 256


def resize_films(films: np.ndarray, size: int) -> torch.Tensor:
    """Return uint8 films (n, 1, size, size) of uint8 films (n, h, w), antialiased."""
    tensor = torch.from_numpy(np.ascontiguousarray(films))[:, None]
    if tensor.shape[-1] == size:
        return tensor
    parts = [
        F.interpolate(part.float(), size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        for part in tensor.split(_CHUNK)
    ]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def equalise(films: torch.Tensor) -> torch.Tensor:
    """Return uint8 films with as many pixels in each range of grey."""
    out = torch.empty_like(films)
    for i, film in enumerate(films):
        counts = torch.bincount(film.flatten().long(), minlength=256).float()
        ranks = (counts.cumsum(0) - counts / 2) / counts.sum() * 255
        out[i] = ranks.round().to(torch.uint8)[film.long()]
    return out


def augment(films: torch.Tensor, equalised: torch.Tensor, random: torch.Generator, plan: AugmentPlan) -> torch.Tensor:
    """Return changed copies, float32 (n, 1, s, s) near 0..1, of uint8 films of the same shape."""
    draw = _Draw(len(films), random)
    mixed = draw.some(plan.level, 0.0, 1.0)
    pictures = films.float() / 255 * (1 - mixed) + equalised.float() / 255 * mixed
    pictures = _move(pictures, draw, plan)
    pictures = _change_detail(pictures, draw, plan)
    pictures = _change_light(pictures, draw, plan)
    pictures = pictures + draw.some(0.3, 0.0, plan.noise) * torch.randn(pictures.shape, generator=random)
    return _cover(pictures, draw, plan.cover)


class _Draw:
    """Random numbers, one per film."""

    def __init__(self, n: int, random: torch.Generator) -> None:
        self.n = n
        self.random = random

    def flat(self, low: float, high: float) -> torch.Tensor:
        """Uniform numbers, shape (n,)."""
        return torch.rand(self.n, generator=self.random) * (high - low) + low

    def each(self, low: float, high: float) -> torch.Tensor:
        """Uniform numbers, shape (n, 1, 1, 1)."""
        return self.flat(low, high).view(-1, 1, 1, 1)

    def some(self, share: float, low: float, high: float) -> torch.Tensor:
        """Uniform numbers for a share of the films and 0 for the others, shape (n, 1, 1, 1)."""
        return torch.where(self.flat(0, 1) < share, self.flat(low, high), torch.zeros(self.n)).view(-1, 1, 1, 1)

    def happens(self, share: float) -> bool:
        """Whether something happens to this batch."""
        return bool(torch.rand(1, generator=self.random) < share)


def _move(pictures: torch.Tensor, draw: _Draw, plan: AugmentPlan) -> torch.Tensor:
    """Mirror, turn, zoom, stretch, shear and shift; three in four films."""
    turn, zoom = draw.flat(-plan.turn, plan.turn), torch.exp(draw.flat(-plan.zoom, plan.zoom))
    aspect, shear = torch.exp(draw.flat(-plan.aspect, plan.aspect)), draw.flat(-plan.shear, plan.shear)
    across, down = draw.flat(-2 * plan.shift, 2 * plan.shift), draw.flat(-2 * plan.shift, 2 * plan.shift)
    mirror = torch.where(draw.flat(0, 1) < 0.5, 1.0, -1.0)
    cosine, sine, wide, high = torch.cos(turn), torch.sin(turn), zoom * aspect, zoom / aspect
    moved = torch.stack(
        [
            torch.stack([cosine * wide * mirror, (shear - sine) * high, across], 1),
            torch.stack([sine * wide * mirror, cosine * high, down], 1),
        ],
        1,
    )
    still = torch.zeros_like(moved)
    still[:, 0, 0], still[:, 1, 1] = mirror, 1.0
    matrix = torch.where((draw.flat(0, 1) < 0.25).view(-1, 1, 1), still, moved)
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    around = "zeros" if draw.happens(0.5) else "border"
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode=around, align_corners=False)


def _change_detail(pictures: torch.Tensor, draw: _Draw, plan: AugmentPlan) -> torch.Tensor:
    """Blur or sharpen; and in some batches make half of the films smaller and as large as before again."""
    pictures = _soften(pictures, draw, plan.detail)
    if draw.happens(plan.detail * 2 / 3):
        side, half = pictures.shape[-1], draw.n // 2
        small = max(8, int(side * float(torch.rand(1, generator=draw.random) * 0.5 + 0.4)))
        coarse = F.interpolate(pictures[:half], size=(small, small), mode="bilinear", antialias=True)
        pictures = torch.cat([F.interpolate(coarse, size=(side, side), mode="bilinear"), pictures[half:]])
    return pictures


def _soften(pictures: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    blurred = F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    return (pictures + (blurred - pictures) * draw.some(share, -1.5, 1.0)).clamp(0, 1)


def _change_light(pictures: torch.Tensor, draw: _Draw, plan: AugmentPlan) -> torch.Tensor:
    pictures = pictures.clamp_min(1e-4) ** torch.exp(draw.each(-plan.gamma, plan.gamma))
    mean = pictures.mean((1, 2, 3), keepdim=True)
    contrast = torch.exp(draw.each(-plan.contrast, plan.contrast))
    return ((pictures - mean) * contrast + mean + draw.each(-plan.brightness, plan.brightness)).clamp(0, 1)


def _cover(pictures: torch.Tensor, draw: _Draw, share: float) -> torch.Tensor:
    """Put a flat grey patch over a part of some films."""
    side = pictures.shape[-1]
    for i in torch.nonzero(draw.flat(0, 1) < share).flatten().tolist():
        shares = torch.rand(5, generator=draw.random)
        high, wide = (int(side * (0.08 + 0.22 * float(part))) for part in shares[:2])
        top, left = int((side - high) * float(shares[2])), int((side - wide) * float(shares[3]))
        pictures[i, :, top : top + high, left : left + wide] = float(shares[4])
    return pictures
