"""Raw DICOM values to ``Radiograph.stored`` and its windows: modality LUT, VOI LUT, MONOCHROME1 (PS3.3, C.11).

A linear rescale is not carried out on the pixels: it would round them. The windows are moved to the stored values
instead, which shows exactly the same picture. Inversion happens once, last, to pixels, windows and table together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from medcore.imaging.dicom_facts import read_number, read_numbers, read_word
from medcore.imaging.radiograph import VoiFunction, Window

__all__ = ["Values", "make_values"]

_LARGEST = 1e9
_NAMES = frozenset(
    {
        *("NORMAL", "HARDER", "SOFTER", "LUNG", "LUNGS", "BONE", "MEDIASTINUM", "SOFT", "STANDARD", "DEFAULT", "USER"),
        *("CONTRAST", "SHARP"),
    }
)
_OWN_RANGE = (0.1, 99.9)
_NAMED = {VoiFunction.LINEAR: "linear", VoiFunction.LINEAR_EXACT: "linear exact", VoiFunction.SIGMOID: "sigmoid"}


@dataclass(slots=True)
class Values:
    """A film's values on their way; ``value = slope * stored + intercept`` are the modality's own units."""

    stored: np.ndarray
    bits: int
    slope: float = 1.0
    intercept: float = 0.0
    windows: list[Window] = field(default_factory=list)
    voi_table: np.ndarray | None = None
    steps: list[str] = field(default_factory=list)

    @property
    def top(self) -> int:
        """Largest value that ``bits`` can hold."""
        return (1 << self.bits) - 1

    @property
    def signed(self) -> bool:
        """Whether the modality's units reach below zero."""
        return self.intercept < 0


def make_values(raw: np.ndarray, kept: Dataset, *, bits: int, notes: list[str]) -> Values:
    """Apply everything between decoded pixels and display.

    Parameters
    ----------
    raw : array of int, shape (rows, columns)
        Decoded values, signed if the header says so.
    kept : Dataset
        The admitted header.
    bits : int
        Bits that hold every raw value.
    notes : list of str
        Gets what a reader should know.
    """
    values = _shift(raw, bits)
    _apply_modality(values, kept, notes)
    values.windows = _read_windows(values, kept, notes)
    values.voi_table = _read_voi_table(values, kept, notes)
    _add_own_windows(values, raw, kept, notes)
    if read_word(kept, "PhotometricInterpretation") == "MONOCHROME1":
        _invert(values)
    elif read_word(kept, "PresentationLUTShape") == "INVERSE":
        notes.append("the header asks for an inversion that contradicts its grey scale; it was not applied")
    return values


def _shift(raw: np.ndarray, bits: int) -> Values:
    if raw.dtype.kind == "u":
        return Values(stored=raw.astype(np.uint16), bits=bits, steps=[f"{bits}-bit values"])
    shift = 1 << (bits - 1)
    stored = (raw.astype(np.int32) + shift).astype(np.uint16)
    return Values(stored=stored, bits=bits, intercept=-shift, steps=[f"signed {bits}-bit values, shifted by {shift}"])


def _apply_modality(values: Values, kept: Dataset, notes: list[str]) -> None:
    for item in kept.get("ModalityLUTSequence") or ():
        lut = _Lut.read(item, signed=values.signed)
        if lut is None:
            notes.append("the modality table in the header is damaged and was ignored")
            return
        table = lut.look_up(np.arange(values.top + 1) + int(values.intercept))
        values.stored = table[values.stored]
        values.bits, values.intercept = lut.bits, 0.0
        values.steps.append(f"modality LUT of {len(lut.entries)} entries, {lut.bits} bits")
        return
    _apply_rescale(values, kept, notes)


def _apply_rescale(values: Values, kept: Dataset, notes: list[str]) -> None:
    slope, intercept = read_number(kept, "RescaleSlope"), read_number(kept, "RescaleIntercept")
    if slope is None and intercept is None:
        return
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    if slope == 0 or abs(slope) > _LARGEST or abs(slope) < 1 / _LARGEST or abs(intercept) > _LARGEST:
        notes.append("the rescale slope or intercept in the header is impossible and was ignored")
        return
    values.slope, values.intercept = slope, slope * values.intercept + intercept
    if (slope, intercept) != (1.0, 0.0):
        values.steps.append(f"rescale slope {slope:g}, intercept {intercept:g}: carried by the windows, not the pixels")
    if slope < 0:
        values.stored = (values.top - values.stored.astype(np.int32)).astype(np.uint16)
        values.intercept += slope * values.top
        values.slope = -slope
        values.steps.append("values reversed, as the slope is negative")


def _read_windows(values: Values, kept: Dataset, notes: list[str]) -> list[Window]:
    centers, widths = read_numbers(kept, "WindowCenter"), read_numbers(kept, "WindowWidth")
    word = read_word(kept, "VOILUTFunction") or "LINEAR"
    if word not in VoiFunction.__members__:
        notes.append("the header names an unknown kind of window; linear was assumed")
        word = "LINEAR"
    function = VoiFunction(word)
    names = kept.get("WindowCenterWidthExplanation") or ()
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(centers) != len(widths):
        notes.append("the header has more window centres than widths, or the reverse; the extra ones were ignored")
    windows = []
    for number, (center, width) in enumerate(zip(centers, widths, strict=False)):
        window = _place_window(values, center, width, function)
        if window is None:
            notes.append(f"window {number + 1} of the header is impossible for this film and was ignored")
            continue
        name = names[number].strip().upper() if number < len(names) else ""
        windows.append(replace(window, name=name.capitalize() if name in _NAMES else f"Window {number + 1}"))
    if windows:
        values.steps.append(f"window function {_NAMED[function]}, {len(windows)} from the header")
    return windows


def _place_window(values: Values, center: float, width: float, function: VoiFunction) -> Window | None:
    """Move a window from the modality's units to stored values; None if it is invalid or misses the film."""
    if not (math.isfinite(center) and math.isfinite(width)) or abs(center) > _LARGEST or width > _LARGEST:
        return None
    if width <= 0 or (function is VoiFunction.LINEAR and width < 1):
        return None
    if values.slope != 1.0 and function is VoiFunction.LINEAR:
        center, width, function = center - 0.5, max(width - 1.0, 1e-6 * values.slope), VoiFunction.LINEAR_EXACT
    center, width = (center - values.intercept) / values.slope, width / values.slope
    reach = width / 2 if function is not VoiFunction.SIGMOID else width
    if center + reach < int(values.stored.min()) or center - reach > int(values.stored.max()):
        return None
    return Window(center=center, width=width, function=function)


def _read_voi_table(values: Values, kept: Dataset, notes: list[str]) -> np.ndarray | None:
    items = list(kept.get("VOILUTSequence") or ())
    if not items:
        return None
    if len(items) > 1:
        notes.append("the film has several VOI tables; the first is shown")
    lut = _Lut.read(items[0], signed=values.signed)
    if lut is None:
        notes.append("the VOI table in the header is damaged and was ignored")
        return None
    own = values.slope * np.arange(values.top + 1) + values.intercept
    brightness = lut.look_up(np.rint(np.clip(own, -_LARGEST, _LARGEST)).astype(np.int64)).astype(np.float64)
    values.steps.append(f"VOI LUT of {len(lut.entries)} entries")
    return np.rint(brightness * (65535 / ((1 << lut.bits) - 1))).astype(np.uint16)


def _add_own_windows(values: Values, raw: np.ndarray, kept: Dataset, notes: list[str]) -> None:
    """Add the film's own range, first if the header gives no way to show the film, and the whole range last."""
    whole = Window(center=2.0 ** (values.bits - 1), width=2.0**values.bits, name="Whole range")
    low, high = _find_range(values, raw, read_number(kept, "PixelPaddingValue"))
    own = Window(
        center=(low + high) / 2, width=max(high - low, 1.0), function=VoiFunction.LINEAR_EXACT, name="This film"
    )
    given = bool(values.windows) or values.voi_table is not None
    if not given and values.bits > 8:
        notes.append("the header has no usable window: the film's own range is shown")
        values.steps.append("window from the film's own values")
        values.windows = [own, whole]
    elif not given:
        values.windows = [whole, own]
    else:
        values.windows += [own, whole]


def _find_range(values: Values, raw: np.ndarray, padding: float | None) -> tuple[float, float]:
    """Return the range of nearly all values, padding aside, from every fourth row and column."""
    sample, sample_raw = values.stored[::4, ::4], raw[::4, ::4]
    real = sample[sample_raw != padding] if padding is not None else sample
    low, high = np.percentile(real if real.size else sample, _OWN_RANGE)
    return float(np.floor(low)), float(np.ceil(high))


def _invert(values: Values) -> None:
    """Turn MONOCHROME1 (higher = darker) round: pixels, windows and table, so that the picture is inverted once."""
    values.stored = (values.top - values.stored.astype(np.int32)).astype(np.uint16)
    values.windows = [
        replace(window, center=values.top - window.center + (1.0 if window.function is VoiFunction.LINEAR else 0.0))
        for window in values.windows
    ]
    if values.voi_table is not None:
        values.voi_table = np.ascontiguousarray(65535 - values.voi_table[::-1])
    values.steps.append("inverted (MONOCHROME1), windows mirrored")


@dataclass(frozen=True, slots=True)
class _Lut:
    """A DICOM look-up table: ``entries[value - first]``, ends held beyond it."""

    entries: np.ndarray
    first: int
    bits: int

    def look_up(self, numbers: np.ndarray) -> np.ndarray:
        """Return uint16 entries for whole numbers."""
        return np.take(self.entries, numbers - self.first, mode="clip")

    @classmethod
    def read(cls, item: Dataset, *, signed: bool) -> _Lut | None:
        """Read a table from its sequence item; None when descriptor and data do not fit."""
        descriptor = read_numbers(item, "LUTDescriptor")
        if len(descriptor) != 3 or not all(math.isfinite(number) for number in descriptor):
            return None
        count, first, bits = (int(number) for number in descriptor)
        count = count or 65536
        first = first - 65536 if signed and first > 32767 else first
        entries = _read_entries(item.get("LUTData"), count)
        if entries is None or not 8 <= bits <= 16:
            return None
        return cls(entries=entries, first=first, bits=max(bits, int(entries.max()).bit_length()))


def _read_entries(data: Any, count: int) -> np.ndarray | None:
    if isinstance(data, bytes):
        kind = "u1" if len(data) in {count, count + count % 2} and count != 1 else "<u2"
        if len(data) < count * np.dtype(kind).itemsize:
            return None
        return np.frombuffer(data, dtype=kind, count=count).astype(np.uint16)
    numbers = [int(number) & 0xFFFF for number in data] if hasattr(data, "__iter__") else []
    return np.array(numbers, dtype=np.uint16) if len(numbers) == count else None
