"""A film as a model sees it: squashed to a square, never padded or cropped. NumPy only.

The films that the models learnt from were squashed by their publisher with an antialiased triangle filter
(Pillow's ``BILINEAR``). The same filter is written here as two banded matrices, one per direction, so that the process
that serves pages needs no imaging library and the arithmetic stays in float32 from window to model. Only the bands
are multiplied: on a film of 1300 x 1600 pixels a tenth of the work of the whole matrices. They are multiplied in
strips so small that they stay in this thread: on a busy machine threads that wait for each other cost a hundredfold.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from medcore.errors import ImageError
from medcore.imaging.display import render
from medcore.imaging.radiograph import Radiograph

__all__ = ["film_tensor", "squash"]

_CACHED_SIDES = 32
_BAND_ROWS = 8
_ONE_THREAD = 1 << 18  # products of a band's weights and columns up to here; OpenBLAS wakes its threads beyond it


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
    pixels = np.asarray(pixels, dtype=np.float32)
    small = _shrink_rows(_shrink_rows(pixels, size).T, size).T
    tensor: np.ndarray = np.clip(np.ascontiguousarray(small), 0.0, 1.0)
    return tensor


def _shrink_rows(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return ``size`` rows, each the weighted mean of the rows below it; the same rows where nothing changes."""
    if len(pixels) == size:
        return pixels
    out = np.empty((size, pixels.shape[1]), dtype=np.float32)
    for made, used, weights in _make_bands(len(pixels), size):
        step = max(1, _ONE_THREAD // weights.size)
        for start in range(0, pixels.shape[1], step):
            columns = slice(start, start + step)
            np.matmul(weights, pixels[used, columns], out=out[made, columns])
    return out


@lru_cache(maxsize=_CACHED_SIDES)
def _make_bands(n_in: int, n_out: int) -> tuple[tuple[slice, slice, np.ndarray], ...]:
    """Return the weights in bands of a few rows: rows made, rows they are made of, float32 weights between them."""
    scale = n_in / n_out
    reach = max(scale, 1.0)
    bands = []
    for start in range(0, n_out, _BAND_ROWS):
        centers = (np.arange(start, min(start + _BAND_ROWS, n_out))[:, None] + 0.5) * scale
        first, end = np.floor(centers - reach + 0.5), np.floor(centers + reach + 0.5)
        used = slice(max(0, int(first[0, 0])), min(n_in, int(end[-1, 0])))
        taps = np.arange(used.start, used.stop)[None, :]
        weights = np.clip(1.0 - np.abs(taps + 0.5 - centers) / reach, 0.0, None)
        weights *= (taps >= first) & (taps < end)
        weights /= weights.sum(axis=1, keepdims=True)
        weights = weights.astype(np.float32)
        weights.flags.writeable = False
        bands.append((slice(start, start + len(weights)), used, weights))
    return tuple(bands)
