"""What the viewer shows: one film with its windows, texts, heat map and, beside it, a prior film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medcore.errors import ImageError
from medcore.imaging.radiograph import Radiograph, Window

__all__ = ["ViewerFilm"]

_PLACES = {None, "detector", "patient"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewerFilm:
    """One film as the viewer takes it.

    Attributes
    ----------
    film_id : str
        Names the film in the browser: equal names mean equal pixels, which are sent once per session. The
        reader's window, zoom and rulers are kept under it.
    stored : array of uint16, shape (rows, columns)
        Pixels as in :class:`~medcore.imaging.radiograph.Radiograph`: higher = brighter, below ``2 ** bits``.
    windows : tuple of Window
        Offered by name, the first is the default.
    voi_table : array of uint16, shape (2 ** bits,), or None
        The film's own table (brightness 0..65535); the default way to show it where present.
    spacing_mm : (row, column) or None
        Distance of pixel centres in mm; ``spacing_at`` is ``"detector"``, ``"patient"`` or None (unknown).
    lines : tuple of str
        Texts of the upper left corner.
    tensor : array of uint8, shape (n, n), or None
        What the model was given, 0 = black; shown beside the film, enlarged without smoothing.
    heat : rows of float, or None
        Coarse map over the whole film, row 0 at the top; only what is above 0 is shown, scaled to its maximum.
    heat_caption : str
        With a map: the line under it. Without one: why there is none; when empty, H asks for the map.
    prior : ViewerFilm or None
        An earlier film of the same child, to be put beside.
    """

    film_id: str
    stored: np.ndarray
    bits: int
    windows: tuple[Window, ...]
    voi_table: np.ndarray | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_at: str | None = None
    lines: tuple[str, ...] = ()
    tensor: np.ndarray | None = None
    heat: np.ndarray | Sequence[Sequence[float]] | None = None
    heat_caption: str = ""
    prior: ViewerFilm | None = None

    def __post_init__(self) -> None:
        if not self.film_id:
            raise ImageError("a film in the viewer needs a name")
        if self.stored.dtype != np.uint16 or self.stored.ndim != 2 or not self.stored.size:
            raise ImageError("a film must be one grey picture with 16-bit values")
        if not 1 <= self.bits <= 16 or not self.windows:
            raise ImageError("a film needs 1 to 16 bits and at least one window")
        if self.voi_table is not None and self.voi_table.shape != (1 << self.bits,):
            raise ImageError("the film's brightness table does not cover its values")
        if self.tensor is not None and (self.tensor.dtype != np.uint8 or self.tensor.ndim != 2):
            raise ImageError("what the model saw must be one grey picture with 8-bit values")
        self._check_spacing()
        self._check_heat()

    def _check_spacing(self) -> None:
        if self.spacing_at not in _PLACES:
            raise ImageError("pixel spacing holds at the detector or in the patient")
        if self.spacing_mm is not None and not all(np.isfinite(mm) and mm > 0 for mm in self.spacing_mm):
            raise ImageError("pixel spacing must be above 0 mm")

    def _check_heat(self) -> None:
        if self.heat is None:
            return
        grid = np.asarray(self.heat, dtype=float)
        if grid.ndim != 2 or not grid.size or not np.isfinite(grid).all():
            raise ImageError("a heat map must be a grid of finite numbers")

    @classmethod
    def of(cls, radiograph: Radiograph, **more: Any) -> ViewerFilm:
        """Return ``radiograph`` for the viewer, named by the hash of its pixels; ``more`` are further attributes."""
        return cls(
            **{"film_id": radiograph.pixel_sha256, **more},
            stored=radiograph.stored,
            bits=radiograph.bits,
            windows=radiograph.windows,
            voi_table=radiograph.voi_table,
            spacing_mm=radiograph.spacing_mm,
            spacing_at=radiograph.spacing_at,
        )
