"""What can be said against scoring a film before any model has seen it: its header and its plain pixels.

Every finding is a ``Reason`` whose text completes "No score: ..." or "Caution: ..."; :func:`film_status` says
which of the two. A film that is not scored is shown all the same. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medcore.errors import ImageError
from medcore.imaging.radiograph import Radiograph, View
from medcore.imaging.squash import film_tensor
from medcore.results import Reason, Status

__all__ = [
    "CAUTION_CODES",
    "WITHHOLDING_CODES",
    "FilmLimits",
    "film_status",
    "header_reasons",
    "name_age",
    "pixel_reasons",
]

CAUTION_CODES = frozenset(
    {
        *("age_unknown", "view_unknown", "modality_unknown", "body_part_unknown", "no_header", "burned_in"),
        *("phantom", "unusual", "mirrored"),
    }
)
"""Codes that let a score stand, with a caution beside it."""

WITHHOLDING_CODES = frozenset(
    {
        *("age", "view", "modality", "body_part", "species", "colour", "size", "blank", "exposure", "inverted"),
        *("distance", "orientation", "not_chest"),
    }
)
"""Codes that withhold the score. A code in neither set withholds as well."""

_SMALLEST_SIDE_PX = 160
_BLANK_SPREAD = 0.12
_LEAST_SPREAD = 0.25
_DARKEST_MEAN = 0.15
_BRIGHTEST_MEAN = 0.90
_MOST_BLACK = 0.60
_MOST_WHITE = 0.25
_BLACK, _WHITE = 0.004, 0.996
_INVERTED_BY = 0.10
_PLAIN_FORMATS = {"PNG", "JPEG"}
_PHANTOM = "PHANTOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmLimits:
    """The films a model knows.

    ``age_years`` is a range of completed years, both ends included: (1, 5) ends on the sixth birthday.
    ``modalities`` and ``body_parts`` are the DICOM words; ``modality_word`` and ``subject`` are what the
    limits are called in sentences.
    """

    age_years: tuple[int, int] = (1, 5)
    views: frozenset[View] = frozenset({View.AP, View.PA})
    modalities: frozenset[str] = frozenset({"CR", "DX", "RG"})
    body_parts: frozenset[str] = frozenset({"CHEST"})
    modality_word: str = "plain radiographs"
    subject: str = "chest films"

    def __post_init__(self) -> None:
        low, high = self.age_years
        if not 0 <= low <= high or not (self.views and self.modalities and self.body_parts):
            raise ImageError("limits of a film model must name an age range, views, modalities and body parts")

    @property
    def age_text(self) -> str:
        """The age range in words: ``"1-5 years"``."""
        return f"{self.age_years[0]}-{self.age_years[1]} years"


def header_reasons(film: Radiograph, limits: FilmLimits) -> tuple[Reason, ...]:
    """Compare what is known about a film with what the model knows.

    Examples
    --------
    >>> from medcore.imaging.phantom import make_phantom
    >>> [reason.code for reason in header_reasons(make_phantom(rows=300, columns=250), FilmLimits())]
    ['phantom', 'age_unknown']
    """
    return (*_judge_picture(film), *_judge_kind(film, limits), *_judge_age(film, limits))


def pixel_reasons(film: Radiograph | np.ndarray) -> tuple[Reason, ...]:
    """Judge the pixels alone: nothing on the film, badly exposed, or black and white exchanged.

    Parameters
    ----------
    film : Radiograph, or array of float32, shape (n, n)
        A film, or its tensor as ``squash.film_tensor`` gives it (0 = black, 1 = white).

    Returns
    -------
    tuple of Reason
        At most one of ``blank``, ``exposure`` and ``inverted``. On 5,216 good films of children
        none appears on at least 98 of 100 (measured in the tests); whether a picture shows a chest at
        all is a question for the model's own gate.
    """
    tensor = film_tensor(film) if isinstance(film, Radiograph) else np.asarray(film, dtype=np.float32)
    for judge in (_judge_spread, _judge_exposure, _judge_polarity):
        reason = judge(tensor)
        if reason is not None:
            return (reason,)
    return ()


def film_status(reasons: Iterable[Reason]) -> Status:
    """Say what the reasons together mean for the score.

    Examples
    --------
    >>> film_status([Reason(code="age_unknown", text="age not in the header")]).value
    'caution'
    """
    codes = {reason.code for reason in reasons}
    if codes - CAUTION_CODES:
        return Status.WITHHELD
    return Status.CAUTION if codes else Status.SCORED


def name_age(age_years: float) -> str:
    """Say an age as it is said on a ward.

    Examples
    --------
    >>> name_age(9.4), name_age(1.2), name_age(0.7), name_age(0.02), name_age(1.0)
    ('9 years', '14 months', '8 months', '7 days', '12 months')
    """
    if age_years >= 2:
        return f"{math.floor(age_years)} years"
    months = math.floor(age_years * 12 + 1e-6)
    if months >= 1:
        return f"{months} month{'s' if months > 1 else ''}"
    days = math.floor(age_years * 365.25 + 1e-6)
    return f"{days} day{'' if days == 1 else 's'}"


def _judge_picture(film: Radiograph) -> list[Reason]:
    reasons = []
    if film.format == _PHANTOM:
        reasons.append(Reason(code="phantom", text="a synthetic picture drawn by code, not a patient"))
    if film.photometric == "RGB":
        reasons.append(Reason(code="colour", text="a colour picture, not a radiograph"))
    if film.animal:
        reasons.append(Reason(code="species", text="the header says that the patient is an animal"))
    if min(film.shape) < _SMALLEST_SIDE_PX:
        rows, columns = film.shape
        reasons.append(Reason(code="size", text=f"only {columns} x {rows} pixels: too coarse to judge"))
    if film.burned_in:
        reasons.append(
            Reason(code="burned_in", text="the header says that words are written into the picture", field="burned_in")
        )
    return reasons


def _judge_kind(film: Radiograph, limits: FilmLimits) -> list[Reason]:
    """Judge modality, body part and view; a picture without a header gets one sentence for all three."""
    if film.format == _PHANTOM:
        return []
    if film.format in _PLAIN_FORMATS:
        text = f"a {film.format} file says neither view nor body part"
        return [Reason(code="no_header", text=text)]
    found = (_judge_modality(film, limits), _judge_body_part(film, limits), _judge_view(film, limits))
    return [reason for reason in found if reason is not None]


def _judge_modality(film: Radiograph, limits: FilmLimits) -> Reason | None:
    if film.modality is None or film.modality == "OT":
        return Reason(code="modality_unknown", text="the header does not say how the film was made", field="modality")
    if film.modality not in limits.modalities:
        text = f"the header says {film.modality}; the model knows {limits.modality_word}"
        return Reason(code="modality", text=text, field="modality")
    return None


def _judge_body_part(film: Radiograph, limits: FilmLimits) -> Reason | None:
    if film.body_part is None or film.body_part == "OTHER":
        return Reason(code="body_part_unknown", text="body part not in the header", field="body_part")
    if film.body_part not in limits.body_parts:
        text = f"the header says {film.body_part.lower()}; the model knows {limits.subject}"
        return Reason(code="body_part", text=text, field="body_part")
    return None


def _judge_view(film: Radiograph, limits: FilmLimits) -> Reason | None:
    if film.view is None:
        return Reason(code="view_unknown", text="view not in the header", field="view")
    if film.view not in limits.views:
        word = "a lateral view" if film.view is View.LATERAL else "not a frontal view"
        known = "frontal views" if all(view.frontal for view in limits.views) else "other views"
        return Reason(code="view", text=f"the header says {word}; the model knows {known}", field="view")
    return None


def _judge_age(film: Radiograph, limits: FilmLimits) -> list[Reason]:
    if film.age_years is None:
        text = f"age not in the header; the model knows {limits.age_text}"
        return [Reason(code="age_unknown", text=text, field="age_years")]
    low, high = limits.age_years
    if low <= film.age_years < high + 1:
        return []
    text = f"age {name_age(film.age_years)}; the model knows {limits.age_text}"
    return [Reason(code="age", text=text, field="age_years")]


def _judge_spread(tensor: np.ndarray) -> Reason | None:
    if not np.isfinite(tensor).all():
        return Reason(code="blank", text="the picture holds no usable values")
    low, high = np.percentile(tensor, [1, 99])
    if high - low < _BLANK_SPREAD:
        return Reason(code="blank", text="the picture is blank: one brightness all over")
    if high - low < _LEAST_SPREAD:
        return Reason(code="exposure", text="almost no contrast")
    return None


def _judge_exposure(tensor: np.ndarray) -> Reason | None:
    mean = float(tensor.mean())
    if mean < _DARKEST_MEAN or float((tensor <= _BLACK).mean()) > _MOST_BLACK:
        return Reason(code="exposure", text="far too dark as displayed: most of the picture is black")
    if mean > _BRIGHTEST_MEAN or float((tensor >= _WHITE).mean()) > _MOST_WHITE:
        return Reason(code="exposure", text="far too bright as displayed: large parts are plain white")
    return None


def _judge_polarity(tensor: np.ndarray) -> Reason | None:
    """On a frontal film air lies beside the trunk and the spine in the middle, so the rim is the darker part."""
    columns = tensor.shape[1]
    edge, corner = max(1, columns // 28), max(1, columns * 2 // 15)
    sides = float(np.concatenate([tensor[:, :edge], tensor[:, -edge:]]).mean())
    corners = float(np.concatenate([tensor[:corner, :corner], tensor[:corner, -corner:]]).mean())
    middle = float(tensor[:, columns * 3 // 8 : columns * 5 // 8].mean())
    if (sides + corners) / 2 - middle > _INVERTED_BY:
        return Reason(code="inverted", text="black and white seem to be exchanged")
    return None
