"""What a batch needs of a film and no more: the model's view of it, what speaks against a score, and its hash.

The process that decodes makes it, so that none of the film's full-size pixels has to leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medcore.errors import WorkerError
from medcore.imaging.quality import FilmLimits, header_reasons, pixel_reasons
from medcore.imaging.radiograph import Radiograph, View
from medcore.imaging.squash import film_tensor
from medcore.results import Reason
from medcore.workers import Answer

__all__ = ["SquashedFilm", "answer", "pack_order", "squash_film", "unpack_squashed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SquashedFilm:
    """A film without its pixels.

    Attributes
    ----------
    tensor : array of float32, shape (size, size)
        What a model sees of it, see :func:`medcore.imaging.squash.film_tensor`.
    reasons : tuple of Reason
        What its header and plain pixels say against a score, see :mod:`medcore.imaging.quality`.
    pixel_sha256 : str
        As ``Radiograph.pixel_sha256``.
    """

    tensor: np.ndarray
    reasons: tuple[Reason, ...]
    pixel_sha256: str


def squash_film(film: Radiograph, size: int, limits: FilmLimits) -> SquashedFilm:
    """Keep of a film what a model with these limits and this side of its input in pixels needs."""
    tensor = film_tensor(film, size)
    reasons = (*header_reasons(film, limits), *pixel_reasons(tensor))
    return SquashedFilm(tensor=tensor, reasons=reasons, pixel_sha256=film.pixel_sha256)


def pack_order(size: int, limits: FilmLimits) -> dict[str, object]:
    """Write what is wanted as plain JSON types."""
    sets = {name: sorted(getattr(limits, name)) for name in ("views", "modalities", "body_parts")}
    return {"size": size, "limits": {**asdict(limits), "age_years": list(limits.age_years), **sets}}


def answer(film: Radiograph, order: Mapping[str, Any]) -> Answer:
    """Do in the child what :func:`pack_order` asked for."""
    wanted = dict(order["limits"])
    limits = FilmLimits(
        age_years=tuple(wanted.pop("age_years")),
        views=frozenset(View(view) for view in wanted.pop("views")),
        modalities=frozenset(wanted.pop("modalities")),
        body_parts=frozenset(wanted.pop("body_parts")),
        **wanted,
    )
    made = squash_film(film, int(order["size"]), limits)
    header = {
        "size": len(made.tensor),
        "reasons": [[reason.code, reason.text, reason.field] for reason in made.reasons],
        "pixel_sha256": made.pixel_sha256,
    }
    return header, [made.tensor.astype("<f4", copy=False).tobytes()]


def unpack_squashed(header: Mapping[str, Any], blobs: Sequence[bytes]) -> SquashedFilm:
    """Read what :func:`answer` wrote.

    Raises
    ------
    WorkerError
        The message is something else.
    """
    try:
        size = int(header["size"])
        tensor = np.frombuffer(blobs[0], dtype="<f4").reshape(size, size)
        reasons = tuple(Reason(code=code, text=text, field=field) for code, text, field in header["reasons"])
        return SquashedFilm(tensor=tensor, reasons=reasons, pixel_sha256=str(header["pixel_sha256"]))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise WorkerError("the film reader sent something that is no squashed film") from error
