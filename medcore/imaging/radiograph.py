"""One film in memory: pixels at full depth, how to show them, and what may be known about the child.

A :class:`Radiograph` holds nothing that identifies a person: no name, number, birth date, address,
institution or free text. ``patient_key``, ``study_key`` and ``number_key`` are hashes salted anew in every process;
they serve to put films of one child side by side, to warn of another child's film, and mean nothing outside it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from medcore.errors import ImageError

__all__ = ["Radiograph", "View", "VoiFunction", "Window"]


class VoiFunction(StrEnum):
    """How a window turns stored values into brightness (DICOM PS3.3, C.11.2.1.3)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


class View(StrEnum):
    """Direction of the beam; ``OTHER`` stands for obliques, decubitus and anything else named."""

    AP = "AP"
    PA = "PA"
    LATERAL = "LATERAL"
    OTHER = "OTHER"

    @property
    def frontal(self) -> bool:
        """Whether the film is a frontal one."""
        return self in {View.AP, View.PA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One way to show a film: ``center`` and ``width`` in units of ``Radiograph.stored``.

    ``width`` is at least 1 for LINEAR and above 0 otherwise.
    """

    center: float
    width: float
    function: VoiFunction = VoiFunction.LINEAR
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Radiograph:
    """One film.

    Attributes
    ----------
    stored : array of uint16, shape (rows, columns)
        Values after the modality LUT table, shifted to start at or above 0, in MONOCHROME2 sense: higher =
        brighter. A linear rescale is carried by the windows, not by the values. Read-only, C order, row 0 at
        the top.
    bits : int
        Every value is below ``2 ** bits`` (1-16).
    windows : tuple of Window
        Ways to show the film, the default first; never empty.
    voi_table : array of uint16, shape (2 ** bits,), or None
        The film's own VOI LUT, stored value -> brightness 0..65535; the default way where present.
    spacing_mm : (row, column) or None
        Distance of pixel centres in millimetres. ``spacing_at`` says where it holds: ``"detector"``
        (magnified, for most films) or ``"patient"``; None when unknown.
    photometric : str
        What the file declares, before inversion: ``MONOCHROME1`` or ``MONOCHROME2``; ``RGB`` for a real colour
        picture, which is held as luminance.
    view, body_part, age_years, sex, laterality, modality
        From the header; None when it does not say. ``sex`` is ``"F"``, ``"M"`` or None.
    burned_in : bool or None
        Whether the header says that words are burned into the pixels; None when it does not say.
    animal : bool
        Whether the header says that the patient is an animal.
    acquired_on : datetime.date or None
        Day of the film, kept in memory only, to put a prior beside the current film.
    instance_key, study_key, patient_key, number_key : str
        Salted hashes (hex) of the header's identifiers; empty when the header has none. ``number_key`` is of the
        patient's number alone: :func:`medcore.imaging.reader.is_number` compares a record's with it.
    pixel_sha256 : str
        Hash of ``stored`` and its shape: equal for films with the same pixels.
    provenance : tuple of str
        Every transform from file to ``stored``, in order, in words.
    removed : tuple of str
        Names of the identifying header entries that were dropped (never their values).
    notes : tuple of str
        What a reader should know: ``"named .jpg, but the content is PNG"``.
    """

    stored: np.ndarray
    bits: int
    windows: tuple[Window, ...]
    format: str
    photometric: str
    pixel_sha256: str
    voi_table: np.ndarray | None = None
    spacing_mm: tuple[float, float] | None = None
    spacing_at: str | None = None
    transfer_syntax: str | None = None
    modality: str | None = None
    view: View | None = None
    body_part: str | None = None
    age_years: float | None = None
    sex: str | None = None
    laterality: str | None = None
    burned_in: bool | None = None
    animal: bool = False
    acquired_on: dt.date | None = None
    instance_key: str = ""
    study_key: str = ""
    patient_key: str = ""
    number_key: str = ""
    provenance: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.stored.dtype != np.uint16 or self.stored.ndim != 2 or not self.stored.size:
            raise ImageError("a film must be one grey picture with 16-bit values")
        if not 1 <= self.bits <= 16 or not self.windows:
            raise ImageError("a film needs 1 to 16 bits and at least one window")
        if self.voi_table is not None and self.voi_table.shape != (1 << self.bits,):
            raise ImageError("the film's brightness table does not cover its values")
        self.stored.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.stored.shape
        return rows, columns
