"""A film as a model sees it: squashed to a square, never padded or cropped. NumPy only.

The films that the models learnt from were squashed by their publisher with an antialiased triangle filter
(Pillow's ``BILINEAR``). The same filter is written here as two matrices, one per direction, so that the process
that serves pages needs no imaging library and the arithmetic stays in float32 from window to model.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from medcore.errors import ImageError
from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph

__all__ = ["film_tensor", "squash"]

_CACHED_SHAPES = 32


def film_tensor(film: Radiograph, size: int = 224) -> np.ndarray:
    """Return what a model sees of a film: its default rendering, squashed.

    Returns
    -------
    array of float32, shape (size, size)
        0 = black, 1 = white.
    """
    return squash(render(film), size)


def squash(pixels: np.ndarray, size: int = 224) -> np.ndarray:
    """Resize to ``size`` x ``size`` whatever the aspect ratio.

    Parameters
    ----------
    pixels : array of float32, shape (rows, columns)
        Brightness in [0, 1].
    size : int
        Side of the result in pixels.

    Returns
    -------
    array of float32, shape (size, size)
        Each output pixel is the triangle-weighted mean of the input below it; equal to Pillow's
        ``resize(..., BILINEAR)`` but for the rounding to whole grey levels there.
    """
    if pixels.ndim != 2 or not pixels.size:
        raise ImageError("only a grey picture can be squashed")
    rows, columns = pixels.shape
    down, across = _make_weights(rows, size), _make_weights(columns, size)
    pixels = np.asarray(pixels, dtype=np.float32)
    out: np.ndarray = (down @ pixels) @ across.T if rows >= columns else down @ (pixels @ across.T)
    np.clip(out, 0.0, 1.0, out=out)
    return out


@lru_cache(maxsize=_CACHED_SHAPES)
def _make_weights(n_in: int, n_out: int) -> np.ndarray:
    """Return float32 weights of shape (n_out, n_in), each row summing to 1; the identity where nothing changes."""
    scale = n_in / n_out
    reach = max(scale, 1.0)
    centers = (np.arange(n_out)[:, None] + 0.5) * scale
    taps = np.arange(n_in)[None, :]
    weights = np.clip(1.0 - np.abs(taps + 0.5 - centers) / reach, 0.0, None)
    weights *= (taps >= np.floor(centers - reach + 0.5)) & (taps < np.floor(centers + reach + 0.5))
    weights /= weights.sum(axis=1, keepdims=True)
    weights = weights.astype(np.float32)
    weights.flags.writeable = False
    return weights
