"""PNG and JPEG to :class:`Radiograph`. Runs in the reader's child process only: it loads Pillow.

Rules, each recorded in ``provenance``: 8-bit grey as it is; 1-bit as black and white; 16-bit grey at full depth;
palette and CMYK through RGB; transparency over black; equal colour channels as the grey they are, nearly equal
ones as luminance (ITU-R BT.601); the EXIF orientation is applied. A real colour picture is read as luminance
too and marked ``photometric="RGB"``. All text in the file is dropped.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from medcore.errors import ImageSizeError, UnreadableImageError, UnsupportedImageError
from medcore.imaging.radiograph import Radiograph, Window
from medcore.imaging.sizes import MAX_PIXELS, check_size, hash_pixels

__all__ = ["judge_colour", "read_picture"]

_TINT_LEVELS = 24
_TINT_SHARE = 0.01
_STRIPE_ROWS = 512
_ORIENTATION = 0x0112
_TURNS = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored and turned by 90 degrees",
    6: "turned clockwise by 90 degrees",
    7: "mirrored and turned by 270 degrees",
    8: "turned clockwise by 270 degrees",
}
_MOVES: dict[int, tuple[bool, tuple[int, ...]]] = {  # whether to transpose, then which axes to reverse
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}
_TEXT_KEYS = {
    "exif": "EXIF block",
    "comment": "comment",
    "xmp": "XMP block",
    "XML:com.adobe.xmp": "XMP block",
    "Raw profile type exif": "EXIF block",
    "photoshop": "Photoshop block",
    "icc_profile": "colour profile",
}
_HARMLESS_KEYS = {
    *("dpi", "gamma", "srgb", "chromaticity", "aspect", "interlace", "transparency", "jfif", "jfif_version"),
    *("jfif_unit", "jfif_density", "adobe", "adobe_transform", "progressive", "progression", "mpoffset", "loop"),
    *("default_image", "duration", "blend", "disposal", "bbox"),
}


@dataclass(slots=True)
class _Draft:
    """A picture on its way to grey, with what was done to it."""

    stored: np.ndarray
    bits: int = 8
    colour: bool = False
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_picture(data: bytes, kind: str) -> Radiograph:
    """Decode a PNG or JPEG.

    Parameters
    ----------
    data : bytes
        The whole file.
    kind : str
        ``"PNG"`` or ``"JPEG"``, as recognised from the content.

    Raises
    ------
    UnreadableImageError, UnsupportedImageError, ImageSizeError
        The file is damaged, animated, or of a size that is not read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with _open(data, kind) as image:
            check_size(image.height, image.width)
            if getattr(image, "n_frames", 1) > 1:
                raise UnsupportedImageError("it holds several pictures (an animation); only single films are read")
            orientation, damaged = _read_orientation(image)
            removed = _name_texts(image)
            draft = _convert(image, data, kind)
    draft.notes += ["its EXIF block is damaged and was ignored"] if damaged else []
    _turn(draft, orientation)
    draft.notes += _find_tail(data, kind)
    return Radiograph(
        stored=np.ascontiguousarray(draft.stored, dtype=np.uint16),
        bits=draft.bits,
        windows=(Window(center=2.0 ** (draft.bits - 1), width=2.0**draft.bits, name="Whole range"),),
        format=kind,
        photometric="RGB" if draft.colour else "MONOCHROME2",
        pixel_sha256=hash_pixels(draft.stored),
        provenance=tuple(draft.steps),
        removed=removed,
        notes=tuple(draft.notes),
    )


def judge_colour(rgb: np.ndarray) -> str:
    """Say what a colour array of uint8, shape (rows, columns, 3), really is.

    Returns
    -------
    str
        ``"grey"`` (channels equal), ``"tinted"`` (at most 1 % of pixels differ by more than 24 of 255
        levels between channels) or ``"colour"``.
    """
    widest, tinted = 0, 0
    for start in range(0, rgb.shape[0], _STRIPE_ROWS):
        stripe = rgb[start : start + _STRIPE_ROWS]
        red, green, blue = stripe[..., 0], stripe[..., 1], stripe[..., 2]
        spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
        widest = max(widest, int(spread.max()))
        tinted += int(np.count_nonzero(spread > _TINT_LEVELS))
    if not widest:
        return "grey"
    return "tinted" if tinted <= _TINT_SHARE * rgb.shape[0] * rgb.shape[1] else "colour"


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageSizeError(f"it is larger than {MAX_PIXELS // 1_000_000} million pixels") from error


def _read_orientation(image: Image.Image) -> tuple[int, bool]:
    """Return the EXIF orientation (1 = upright) and whether the block is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - the parser of EXIF raises whatever its reader of TIFF raises
        return 1, True
    return (value, False) if isinstance(value, int) and value in _TURNS else (1, False)


def _name_texts(image: Image.Image) -> tuple[str, ...]:
    names = {_TEXT_KEYS.get(str(key), "text entry") for key in image.info if key not in _HARMLESS_KEYS}
    return tuple(sorted(names))


def _convert(image: Image.Image, data: bytes, kind: str) -> _Draft:
    """Load the pixels and make them grey by the rules of this module."""
    _load(image)
    mode = image.mode
    if mode.startswith("I"):
        return _take_deep(image)
    if mode in {"1", "L"}:
        steps = ["1 bit: black and white"] if mode == "1" else ["8-bit grey"]
        return _Draft(stored=np.asarray(image.convert("L")), steps=steps)
    draft = _take_colour(image)
    if kind == "PNG" and data[24:25] == b"\x10":
        draft.notes.append("16 bits per colour were read as 8")
    return draft


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except (OSError, SyntaxError, EOFError) as error:
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise UnreadableImageError("it ends before the picture does; copy or export it again") from error
        raise


def _take_deep(image: Image.Image) -> _Draft:
    """Keep 16-bit grey; files that hold 10-, 12- or 14-bit values in 16 bits are read at that depth."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise UnsupportedImageError("its values need more than 16 bits")
    stored = values.astype(np.uint16)
    top = int(stored.max())
    bits = next(bits for bits in (10, 12, 14, 16) if top < 1 << bits)
    draft = _Draft(stored=stored, bits=bits, steps=["16-bit grey"])
    if bits < 16:
        draft.steps.append(f"no value above {top}: read as {bits} bits")
        draft.notes.append(f"a 16-bit picture that holds {bits}-bit values")
    return draft


def _take_colour(image: Image.Image) -> _Draft:
    steps = [f"{image.mode} picture"]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() == (255, 255):
            steps.append("opaque throughout: transparency dropped")
        else:
            ground = Image.new("RGBA", image.size, (0, 0, 0, 255))
            image = Image.alpha_composite(ground, image)
            steps.append("transparent parts shown black")
    image = image.convert("RGB")
    verdict = judge_colour(np.asarray(image))
    if verdict == "grey":
        return _Draft(stored=np.asarray(image.getchannel(0)), steps=[*steps, "colours equal: read as grey"])
    luminance = np.asarray(image.convert("L"))
    if verdict == "tinted":
        return _Draft(stored=luminance, steps=[*steps, "colours nearly equal: luminance (ITU-R BT.601)"])
    notes = ["a colour picture, shown as grey"]
    return _Draft(stored=luminance, colour=True, steps=[*steps, "luminance (ITU-R BT.601)"], notes=notes)


def _turn(draft: _Draft, orientation: int) -> None:
    if orientation not in _TURNS:
        return
    transposed, flips = _MOVES[orientation]
    turned = draft.stored.T if transposed else draft.stored
    draft.stored = np.ascontiguousarray(np.flip(turned, flips))
    draft.steps.append(f"{_TURNS[orientation]}, as its EXIF orientation says")


def _find_tail(data: bytes, kind: str) -> list[str]:
    """Say when something else hangs on to the picture: it was not looked at and is not kept."""
    end = data.rfind(b"IEND") + 8 if kind == "PNG" else data.rfind(b"\xff\xd9") + 2
    if (kind == "PNG" and end < 8) or (kind == "JPEG" and end < 2):
        return []
    rest = len(data[end:].strip(b"\x00"))
    return ["data behind the end of the picture were ignored"] if rest else []
