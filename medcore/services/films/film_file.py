"""A film as a saved case keeps it: the pixels at full depth and how to show them, no name and no header.

The bytes are an ``.npz`` archive of NumPy (a format that holds no code): ``stored``, ``voi_table`` where there is
one, and ``facts`` as JSON. They are meant to be encrypted by the journal.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from dataclasses import asdict
from typing import Any

import numpy as np

from medcore.errors import MedcoreError, UnreadableImageError
from medcore.imaging.radiograph import Radiograph, View, VoiFunction, Window

__all__ = ["FILM_MEDIA_TYPE", "read_film", "write_film"]

FILM_MEDIA_TYPE = "application/x-medcore-film"
_FORMAT = 1
_ARRAYS = ("stored", "voi_table")
_KEYS = ("instance_key", "study_key", "patient_key", "number_key")  # mean nothing outside the process that made them
_TEXTS = ("provenance", "removed", "notes")


def write_film(film: Radiograph) -> bytes:
    """Return a film as bytes; the same pixels, windows and facts come back from :func:`read_film`."""
    facts: dict[str, Any] = {
        "windows": [asdict(window) for window in film.windows],
        "view": film.view.value if film.view is not None else None,
        "acquired_on": film.acquired_on.isoformat() if film.acquired_on is not None else None,
    }
    for name in Radiograph.__dataclass_fields__:
        if name not in (*facts, *_ARRAYS, *_KEYS):
            facts[name] = getattr(film, name)
    text = json.dumps({"format_number": _FORMAT, **facts}).encode()
    arrays = {"stored": film.stored, "facts": np.frombuffer(text, dtype=np.uint8)}
    if film.voi_table is not None:
        arrays["voi_table"] = film.voi_table
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return out.getvalue()


def read_film(data: bytes) -> Radiograph:
    """Return the film that :func:`write_film` wrote.

    Raises
    ------
    UnreadableImageError
        These bytes are no film of this kind, or of a newer version.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(arrays.pop("facts").tobytes())
        if facts.pop("format_number") != _FORMAT:
            raise UnreadableImageError("This film was saved by a newer version of medcore. Update it here first.")
        return _build(facts, arrays)
    except MedcoreError:
        raise
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableImageError("The saved film cannot be read: its file is damaged.") from error


def _build(facts: dict[str, Any], arrays: dict[str, Any]) -> Radiograph:
    day, view = facts.pop("acquired_on"), facts.pop("view")
    windows = [Window(**{**window, "function": VoiFunction(window["function"])}) for window in facts.pop("windows")]
    spacing = facts.pop("spacing_mm")
    lists: dict[str, Any] = {name: tuple(facts.pop(name)) for name in _TEXTS}
    return Radiograph(
        **arrays,
        **facts,
        **lists,
        windows=tuple(windows),
        view=View(view) if view else None,
        acquired_on=dt.date.fromisoformat(day) if day else None,
        spacing_mm=(spacing[0], spacing[1]) if spacing else None,
    )
