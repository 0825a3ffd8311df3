"""A film as a small grey picture for a list. NumPy and the standard library only: no picture library is loaded."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

__all__ = ["draw_thumbnail"]

_GREY_8 = (8, 0, 0, 0, 0)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def draw_thumbnail(tensor: np.ndarray, factor: int = 4) -> str:
    """Return a data address of a PNG.

    Parameters
    ----------
    tensor : array of float32, shape (n, n)
        A film squashed to a square, 0 = black, 1 = white; whoever shows the picture stretches it back.
    factor : int
        How many pixels become one, each way; what is left over at the right and below is dropped.

    Examples
    --------
    >>> draw_thumbnail(np.zeros((8, 8), np.float32))[:22]
    'data:image/png;base64,'
    """
    side = tensor.shape[0] // factor
    blocks = tensor[: side * factor, : side * factor].reshape(side, factor, side, factor).mean(axis=(1, 3))
    grey = np.clip(np.round(blocks * 255), 0, 255).astype(np.uint8)
    return f"data:image/png;base64,{base64.b64encode(_write_png(grey)).decode()}"


def _write_png(grey: np.ndarray) -> bytes:
    rows, columns = grey.shape
    lines = b"".join(b"\0" + line.tobytes() for line in grey)
    head = struct.pack(">II", columns, rows) + bytes(_GREY_8)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
