"""The pixels of a DICOM film: checked against the header first, then decoded. Runs in the reader's child only.

pydicom reads many contradictory files without complaint, so everything that a decoder relies on is checked here:
sizes, depths, the length of the data, and the size that a compressed stream says of itself. Decoders in use:
pydicom's own (uncompressed, RLE), Pillow (JPEG, JPEG 2000), pyjpegls (JPEG-LS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder

from medcore.errors import UnreadableImageError, UnsupportedImageError
from medcore.imaging.codestreams import Codestream, read_jpeg2000_header, read_jpeg_header
from medcore.imaging.dicom_facts import read_number, read_word
from medcore.imaging.pictures import judge_colour
from medcore.imaging.sizes import check_size

__all__ = ["SYNTAXES", "Pixels", "decode_pixels", "name_syntax"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Syntax:
    """How one transfer syntax is decoded: the words for it, pydicom's plug-in, and whose header is checked."""

    words: str
    plugin: str = ""
    stream: str = ""

    @property
    def native(self) -> bool:
        """Whether values keep all allocated bits, whatever the header says is stored."""
        return self.plugin in {"", "pydicom"}


SYNTAXES: dict[str, _Syntax] = {
    uid.ImplicitVRLittleEndian: _Syntax(words="uncompressed"),
    uid.ExplicitVRLittleEndian: _Syntax(words="uncompressed"),
    uid.ExplicitVRBigEndian: _Syntax(words="uncompressed, big endian"),
    uid.RLELossless: _Syntax(words="RLE", plugin="pydicom"),
    uid.JPEGBaseline8Bit: _Syntax(words="JPEG baseline", plugin="pillow", stream="jpeg"),
    uid.JPEGExtended12Bit: _Syntax(words="JPEG extended", plugin="pillow", stream="jpeg"),
    uid.JPEG2000Lossless: _Syntax(words="JPEG 2000", plugin="pillow", stream="jpeg2000"),
    uid.JPEG2000: _Syntax(words="JPEG 2000", plugin="pillow", stream="jpeg2000"),
    uid.JPEGLSLossless: _Syntax(words="JPEG-LS", plugin="pyjpegls", stream="jpegls"),
    uid.JPEGLSNearLossless: _Syntax(words="JPEG-LS near-lossless", plugin="pyjpegls", stream="jpegls"),
}
"""Transfer syntaxes that are read."""

_GREY = {"MONOCHROME1", "MONOCHROME2"}
_COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """Decoded values and how many bits hold them; ``colour`` marks a real colour picture, read as luminance."""

    raw: np.ndarray
    bits: int
    colour: bool
    steps: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The image description of a header, checked."""

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    planar: int
    vr: str


def name_syntax(transfer_syntax: str) -> str:
    """Name a transfer syntax for a message: ``"JPEG Lossless, Non-Hierarchical (Process 14)"``."""
    name = uid.UID(transfer_syntax).name
    return name if name != transfer_syntax else "one that is not in the standard"


def decode_pixels(kept: Dataset, transfer_syntax: str, *, overlays: bool) -> Pixels:
    """Check and decode the pixels of an admitted data set.

    Raises
    ------
    UnreadableImageError, UnsupportedImageError, ImageSizeError
        The header or the data are incomplete, contradictory, or of a kind that is not read.
    """
    syntax = SYNTAXES.get(transfer_syntax)
    if syntax is None:
        raise UnsupportedImageError(
            f"its pixels are coded as {name_syntax(transfer_syntax)}, which is not read here; export it uncompressed"
        )
    layout = _check_layout(kept)
    data = _find_data(kept)
    if not syntax.plugin:
        _check_length(layout, len(data))
    elif layout.high_bit != layout.stored - 1:
        raise UnreadableImageError(f"bit {layout.high_bit} cannot be the highest of {layout.stored} in coded pixels")
    else:
        _check_stream(data, syntax, layout)
    array = _run_decoder(data, transfer_syntax, syntax, layout)
    steps = (f"DICOM, {syntax.words}",)
    if layout.samples == 3:
        return _make_grey(array, layout, steps)
    raw, bits, notes = _cut_bits(array, layout, overlays=overlays)
    return Pixels(raw=raw, bits=bits, colour=False, steps=steps, notes=notes)


def _need(kept: Dataset, keyword: str, words: str) -> int:
    number = read_number(kept, keyword)
    if number is None or number != int(number):
        raise UnreadableImageError(f"its header does not give {words}")
    return int(number)


def _check_layout(kept: Dataset) -> _Layout:
    rows, columns = _need(kept, "Rows", "the number of rows"), _need(kept, "Columns", "the number of columns")
    frames = read_number(kept, "NumberOfFrames")
    if frames is not None and frames > 1:
        raise UnsupportedImageError(f"it holds {frames:.0f} pictures (frames); only single films are read")
    if rows < 1 or columns < 1 or (frames is not None and frames < 1):
        raise UnreadableImageError(f"its header gives {columns} x {rows} pixels, which is no picture")
    check_size(rows, columns)
    layout = _Layout(
        rows=rows,
        columns=columns,
        samples=_need(kept, "SamplesPerPixel", "the samples per pixel"),
        photometric=read_word(kept, "PhotometricInterpretation"),
        allocated=_need(kept, "BitsAllocated", "the bits per value"),
        stored=_need(kept, "BitsStored", "the bits stored"),
        high_bit=int(read_number(kept, "HighBit") or (read_number(kept, "BitsStored") or 0) - 1),
        signed=read_number(kept, "PixelRepresentation") == 1,
        planar=int(read_number(kept, "PlanarConfiguration") or 0),
        vr=kept["PixelData"].VR if "PixelData" in kept else "",
    )
    _check_colours(layout)
    _check_depth(layout)
    return layout


def _check_colours(layout: _Layout) -> None:
    if not layout.photometric:
        raise UnreadableImageError("its header does not say how values become grey (photometric interpretation)")
    if layout.photometric not in _GREY | _COLOURS:
        known = layout.photometric == "PALETTE COLOR"
        raise UnsupportedImageError(
            "it is a colour picture with a palette, not a radiograph"
            if known
            else "its header names an unknown way from values to grey (photometric interpretation)"
        )
    if layout.samples != (1 if layout.photometric in _GREY else 3):
        raise UnreadableImageError(f"its header contradicts itself: {layout.samples} samples per pixel do not fit")
    if layout.samples == 3 and (layout.allocated, layout.signed) != (8, False):
        raise UnsupportedImageError("it is a colour picture of more than 8 bits, not a radiograph")


def _check_depth(layout: _Layout) -> None:
    if layout.allocated not in {8, 16}:
        raise UnsupportedImageError(f"its values take {layout.allocated} bits each; 8 and 16 are read")
    if not 1 <= layout.stored <= layout.allocated:
        raise UnreadableImageError(f"its header contradicts itself: {layout.stored} bits in {layout.allocated}")
    if layout.stored < 8:
        raise UnsupportedImageError(f"its values have only {layout.stored} bits; films have 8 to 16")
    if not layout.stored - 1 <= layout.high_bit < layout.allocated:
        raise UnreadableImageError(f"its header contradicts itself: highest bit {layout.high_bit} of {layout.stored}")


def _find_data(kept: Dataset) -> bytes:
    data: Any = kept.get("PixelData")
    if not isinstance(data, bytes) or not data:
        raise UnreadableImageError("it holds no picture (no pixel data)")
    return data


def _check_length(layout: _Layout, length: int) -> None:
    expected = layout.rows * layout.columns * layout.samples * layout.allocated // 8
    if layout.photometric == "YBR_FULL_422":
        expected = expected // 3 * 2
    if length < expected:
        share = f"{100 * length // expected} %"
        raise UnreadableImageError(f"its pixel data end too soon ({share} are there); copy or export it again")
    if length > expected + expected % 2:
        raise UnreadableImageError("its pixel data are longer than rows and columns allow; export it again")


def _check_stream(data: bytes, syntax: _Syntax, layout: _Layout) -> None:
    """Compare what a compressed stream says of itself with the header, before a decoder believes either."""
    frame = get_frame(data, 0, number_of_frames=1)
    if not syntax.stream:
        return
    stream: Codestream = read_jpeg2000_header(frame) if syntax.stream == "jpeg2000" else read_jpeg_header(frame)
    if (stream.rows, stream.columns, stream.components) != (layout.rows, layout.columns, layout.samples):
        raise UnreadableImageError(
            f"its header gives {layout.columns} x {layout.rows} pixels, its compressed picture "
            f"{stream.columns} x {stream.rows}; export it again"
        )
    if stream.kind != syntax.stream:
        raise UnsupportedImageError(f"its header promises {syntax.words}, its picture is coded as {stream.words}")
    if syntax.stream == "jpeg" and stream.bits != 8:
        raise UnsupportedImageError(f"its picture is a JPEG of {stream.bits} bits, which is not read here")
    if stream.bits > layout.allocated:
        raise UnreadableImageError(f"its header contradicts itself: {stream.bits} bits in {layout.allocated}")


def _run_decoder(data: bytes, transfer_syntax: str, syntax: _Syntax, layout: _Layout) -> np.ndarray:
    options: dict[str, Any] = {
        "index": 0,
        "raw": layout.samples == 1,
        "decoding_plugin": syntax.plugin,
        "rows": layout.rows,
        "columns": layout.columns,
        "samples_per_pixel": layout.samples,
        "photometric_interpretation": layout.photometric,
        "number_of_frames": 1,
        "bits_allocated": layout.allocated,
        "bits_stored": layout.allocated if syntax.native else layout.stored,  # native bits are cut below
        "pixel_representation": int(layout.signed),
        "planar_configuration": layout.planar,
        "pixel_keyword": "PixelData",
        "pixel_vr": layout.vr if layout.vr in {"OB", "OW"} else "OW",
    }
    array: np.ndarray = get_decoder(uid.UID(transfer_syntax)).as_array(data, **options)[0]
    expected = (layout.rows, layout.columns, 3)[: 2 if layout.samples == 1 else 3]
    if array.shape != expected:
        raise UnreadableImageError("its picture does not have the size that its header gives")
    return array


def _cut_bits(array: np.ndarray, layout: _Layout, *, overlays: bool) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Bring native values to their stored bits; values that need more bits than declared keep them."""
    notes: tuple[str, ...] = ()
    shift = layout.high_bit + 1 - layout.stored
    if shift:
        array = array >> shift
    if layout.signed:
        half = 1 << (layout.stored - 1)
        inside = -half <= int(array.min()) and int(array.max()) < half
        if inside:
            return array, layout.stored, notes
        folded = ((array.astype(np.int32) + half) & (2 * half - 1)) - half
        return folded.astype(np.int16), layout.stored, (*notes, "bits above the stored ones were cleared")
    top = int(array.max())
    if top < 1 << layout.stored:
        return array, layout.stored, notes
    if overlays:
        return array & ((1 << layout.stored) - 1), layout.stored, ("overlay bits in the pixels were cleared",)
    return array, top.bit_length(), ("values need more bits than the header says; all of them were kept",)


def _make_grey(rgb: np.ndarray, layout: _Layout, steps: tuple[str, ...]) -> Pixels:
    verdict = judge_colour(rgb)
    if verdict == "grey":
        return Pixels(raw=rgb[..., 0], bits=8, colour=False, steps=(*steps, "colours equal: read as grey"))
    luminance = np.rint(rgb.astype(np.float32) @ _LUMINANCE).astype(np.uint8)
    done = (*steps, f"{layout.photometric}: luminance (ITU-R BT.601)")
    notes = () if verdict == "tinted" else ("a colour picture, shown as grey",)
    return Pixels(raw=luminance, bits=8, colour=verdict == "colour", steps=done, notes=notes)
