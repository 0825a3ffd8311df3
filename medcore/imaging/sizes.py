"""Which sizes are read, and the hash of a film's pixels; the same for every file format."""

from __future__ import annotations

import hashlib

import numpy as np

from medcore.errors import ImageSizeError

__all__ = ["MAX_FILE_BYTES", "MAX_PIXELS", "check_size", "hash_pixels"]

MAX_PIXELS = 40_000_000
"""Most pixels of a film: twice the largest detector in use."""

MAX_FILE_BYTES = 200_000_000
"""Largest file: a film of that many pixels in 16 bits, twice over."""

_SMALLEST_SIDE_PX = 64
_LONGEST_RATIO = 3.0


def check_size(rows: int, columns: int) -> None:
    """Refuse a picture that cannot be a film.

    Raises
    ------
    ImageSizeError
        A side below 64 pixels, one side more than three times the other, or more than 40 million pixels.
    """
    size = f"{columns} x {rows} pixels"
    if rows * columns > MAX_PIXELS:
        raise ImageSizeError(f"{size}: larger than {MAX_PIXELS // 1_000_000} million pixels, which is no film")
    if min(rows, columns) < _SMALLEST_SIDE_PX:
        raise ImageSizeError(f"{size}: too small to read (at least {_SMALLEST_SIDE_PX} on each side)")
    if max(rows, columns) > _LONGEST_RATIO * min(rows, columns):
        raise ImageSizeError(f"{size}: too narrow for a film (one side more than three times the other)")


def hash_pixels(stored: np.ndarray) -> str:
    """Return the SHA-256 (hex) of a film's shape and 16-bit values: equal for equal films, whatever the file."""
    rows, columns = stored.shape
    digest = hashlib.sha256(f"{rows}x{columns} ".encode())
    digest.update(np.ascontiguousarray(stored, dtype="<u2").data)
    return digest.hexdigest()
