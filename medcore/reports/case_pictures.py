"""A film as a small PNG for a case file, plain or with the map of where its score is sensitive. NumPy only."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from medcore.errors import InputError

__all__ = ["draw_film", "draw_map"]

_RAISES = np.array([0xFF, 0xB4, 0x54], dtype=np.float32)
_LOWERS = np.array([0x6C, 0xB6, 0xFF], dtype=np.float32)
_STRENGTH = 0.75
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def draw_film(brightness: np.ndarray, longest_side: int = 640) -> bytes:
    """Return a grey PNG.

    Parameters
    ----------
    brightness : array of float, shape (rows, columns)
        0 = black, 1 = white; row 0 at the top.
    longest_side : int
        The film is made smaller by averaging whole pixels until no side is longer, pixels.

    Examples
    --------
    >>> draw_film(np.zeros((4, 6)))[1:4]
    b'PNG'
    """
    small = _shrink(brightness, longest_side)
    return _write_png(np.round(255 * np.clip(small, 0.0, 1.0)).astype(np.uint8)[..., None])


def draw_map(brightness: np.ndarray, grid: np.ndarray, longest_side: int = 640) -> bytes:
    """Return a colour PNG of a film with a coarse map over it.

    Orange where a part raises the score, blue where it lowers it, stronger where it does more.

    Parameters
    ----------
    brightness : array of float, shape (rows, columns)
        As for :func:`draw_film`.
    grid : array of float, shape (n, m)
        Over the whole film, row 0 at the top; enlarged bilinearly and scaled to its largest absolute value.

    Raises
    ------
    InputError
        The map is empty or holds something that is no number.
    """
    grid = np.asarray(grid, dtype=np.float32)
    if grid.ndim != 2 or not grid.size or not np.isfinite(grid).all():
        raise InputError("the map of a film must be a table of finite numbers", field="grid")
    small = np.clip(_shrink(brightness, longest_side), 0.0, 1.0)[..., None] * 255
    most = float(np.abs(grid).max())
    values = _enlarge(grid / most if most > 0 else grid, small.shape[0], small.shape[1])[..., None]
    hue = np.where(values < 0, _LOWERS, _RAISES)
    share = _STRENGTH * np.abs(values)
    return _write_png(np.round(small * (1 - share) + hue * share).astype(np.uint8))


def _shrink(brightness: np.ndarray, longest_side: int) -> np.ndarray:
    rows, columns = brightness.shape
    factor = max(1, -(-max(rows, columns) // longest_side))
    rows, columns = max(1, rows // factor), max(1, columns // factor)
    kept = np.asarray(brightness, dtype=np.float32)[: rows * factor, : columns * factor]
    if kept.shape != (rows * factor, columns * factor):  # one side is shorter than the factor
        return kept[::factor, ::factor]
    return np.asarray(kept.reshape(rows, factor, columns, factor).mean(axis=(1, 3)))


def _enlarge(grid: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Interpolate between the centres of the grid's cells, as the viewer does."""
    top, down = _find_cells(grid.shape[0], rows)
    left, across = _find_cells(grid.shape[1], columns)
    bottom, right = np.minimum(top + 1, grid.shape[0] - 1), np.minimum(left + 1, grid.shape[1] - 1)
    above = grid[top][:, left] * (1 - across) + grid[top][:, right] * across
    below = grid[bottom][:, left] * (1 - across) + grid[bottom][:, right] * across
    return np.asarray(above * (1 - down[:, None]) + below * down[:, None])


def _find_cells(n_cells: int, n_pixels: int) -> tuple[np.ndarray, np.ndarray]:
    place = np.clip((np.arange(n_pixels) + 0.5) / n_pixels * n_cells - 0.5, 0, n_cells - 1)
    first = np.floor(place).astype(int)
    return first, (place - first).astype(np.float32)


def _write_png(pixels: np.ndarray) -> bytes:
    """Write 8-bit pixels, shape (rows, columns, 1 or 3), without any text chunk."""
    rows, columns, depth = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0 if depth == 1 else 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
