"""Packing of pixels for the browser: one binary message with a JSON header.

Layout: ``MCV1``, header length (uint32, little endian), header (UTF-8 JSON), spaces up to a multiple of 8,
pixels row by row (uint8 up to 8 bits, else uint16 little endian), then the film's own brightness table
(uint16) where there is one.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from medcore.ui.viewer.film import ViewerFilm

__all__ = ["MAGIC", "describe_film", "pack_film", "pack_tensor"]

MAGIC = b"MCV1"
_PREFIX = struct.Struct("<4sI")
_ALIGN = 8


def pack_film(film: ViewerFilm) -> bytes:
    """Return the film's pixels and table for the browser."""
    wide = film.bits > 8
    parts = [film.stored.astype("<u2" if wide else np.uint8).tobytes()]
    if film.voi_table is not None:
        parts.append(film.voi_table.astype("<u2").tobytes())
    rows, columns = film.stored.shape
    header = {
        "kind": "film",
        "film_id": film.film_id,
        "rows": rows,
        "columns": columns,
        "bits": film.bits,
        "table": film.voi_table is not None,
    }
    return _pack(header, parts)


def pack_tensor(film: ViewerFilm) -> bytes:
    """Return what the model saw of ``film`` for the browser."""
    assert film.tensor is not None
    rows, columns = film.tensor.shape
    header = {"kind": "tensor", "film_id": film.film_id, "rows": rows, "columns": columns, "bits": 8, "table": False}
    return _pack(header, [film.tensor.tobytes()])


def describe_film(film: ViewerFilm) -> dict[str, Any]:
    """Return everything about ``film`` but its pixels."""
    rows, columns = film.stored.shape
    return {
        "film_id": film.film_id,
        "rows": rows,
        "columns": columns,
        "bits": film.bits,
        "windows": [
            {"center": window.center, "width": window.width, "function": window.function, "name": window.name}
            for window in film.windows
        ],
        "spacing_mm": film.spacing_mm,
        "spacing_at": film.spacing_at,
        "lines": film.lines,
        "tensor": film.tensor is not None,
        "heat": None if film.heat is None else np.round(np.asarray(film.heat, dtype=float), 6).tolist(),
        "heat_caption": film.heat_caption,
    }


def _pack(header: dict[str, Any], parts: list[bytes]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(_PREFIX.size + len(text)) % _ALIGN)
    return b"".join([_PREFIX.pack(MAGIC, len(text)), text, *parts])
