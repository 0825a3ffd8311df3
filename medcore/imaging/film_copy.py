"""The reader's child: what it does with a film that is about to leave. It looks for words, and it writes the copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from medcore.errors import WorkerError
from medcore.imaging.burned_in import find_words
from medcore.imaging.copying import CopyOrder, Region, cover, pack_regions, unpack_regions
from medcore.imaging.dicom_copy import write_copy
from medcore.imaging.handover import unpack_film
from medcore.imaging.preview import draw_crops, draw_preview
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.sizes import hash_pixels
from medcore.workers import Answer

__all__ = ["answer"]


def answer(op: str, payload: Mapping[str, Any], blobs: Sequence[bytes]) -> Answer:
    """Carry out ``look`` or ``copy``, the requests of :class:`medcore.imaging.reader.FilmReader`.

    Raises
    ------
    WorkerError
        The request is not complete.
    """
    try:
        film = unpack_film(payload["film"], blobs)
        covered = _check(unpack_regions(payload["covered"]), film)
        known = payload.get("found")
        found = None if known is None else _check(unpack_regions(known), film)
        order = CopyOrder(**payload["order"]) if op == "copy" else None
    except (KeyError, TypeError) as error:
        raise WorkerError("the film reader was not told everything about the copy") from error
    clean = _blacken(film, covered)
    if order is not None:
        return {}, [write_copy(clean, order)]
    shown = find_words(film) if found is None else found
    return {"found": pack_regions(shown)}, [draw_preview(clean, shown), draw_crops(clean, shown)]


def _check(regions: tuple[Region, ...], film: Radiograph) -> tuple[Region, ...]:
    rows, columns = film.shape
    for region in regions:
        if not (0 <= region.top < region.bottom <= rows and 0 <= region.left < region.right <= columns):
            raise WorkerError("a region does not lie within the film")
    return regions


def _blacken(film: Radiograph, regions: tuple[Region, ...]) -> Radiograph:
    if not regions:
        return film
    stored = cover(film.stored, regions)
    return replace(film, stored=stored, pixel_sha256=hash_pixels(stored))
