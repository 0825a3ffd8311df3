"""A film on its way from the process that decodes to the one that asked: a JSON header and raw arrays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from medcore.errors import WorkerError
from medcore.imaging.radiograph import Radiograph, View, VoiFunction, Window

__all__ = ["pack_film", "unpack_film"]

_ARRAYS = {"stored", "voi_table"}
_TUPLES = ("provenance", "removed", "notes")


def pack_film(film: Radiograph) -> tuple[dict[str, object], list[bytes]]:
    """Write a film as plain JSON types and raw little-endian 16-bit arrays."""
    header: dict[str, Any] = {
        field.name: getattr(film, field.name) for field in fields(film) if field.name not in _ARRAYS
    }
    header["shape"] = list(film.shape)
    header["windows"] = [[w.center, w.width, w.function.value, w.name] for w in film.windows]
    header["view"] = film.view.value if film.view is not None else None
    header["acquired_on"] = film.acquired_on.isoformat() if film.acquired_on is not None else None
    tables = [] if film.voi_table is None else [film.voi_table]
    return header, [array.astype("<u2", copy=False).tobytes() for array in (film.stored, *tables)]


def unpack_film(header: Mapping[str, Any], blobs: Sequence[bytes]) -> Radiograph:
    """Read what :func:`pack_film` wrote.

    Raises
    ------
    WorkerError
        The message is not a film.
    ImageError
        Its values contradict each other.
    """
    try:
        parts = dict(header)
        rows, columns = parts.pop("shape")
        parts["windows"] = tuple(
            Window(center=float(center), width=float(width), function=VoiFunction(function), name=str(name))
            for center, width, function, name in parts["windows"]
        )
        parts["view"] = View(parts["view"]) if parts["view"] is not None else None
        day = parts["acquired_on"]
        parts["acquired_on"] = dt.date.fromisoformat(day) if day is not None else None
        parts["spacing_mm"] = tuple(parts["spacing_mm"]) if parts["spacing_mm"] is not None else None
        parts.update({name: tuple(parts[name]) for name in _TUPLES})
        stored, *tables = (np.frombuffer(blob, dtype="<u2") for blob in blobs)
        return Radiograph(
            stored=stored.reshape(int(rows), int(columns)), voi_table=tables[0] if tables else None, **parts
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise WorkerError("the film reader sent something that is no film") from error
