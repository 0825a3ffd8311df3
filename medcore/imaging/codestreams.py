"""What a compressed picture says of itself: size, components and depth, read from its first bytes.

Only headers are parsed (ISO/IEC 10918-1 for JPEG, 14495-1 for JPEG-LS, 15444-1 for JPEG 2000); nothing is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from medcore.errors import UnreadableImageError

__all__ = ["Codestream", "read_jpeg2000_header", "read_jpeg_header"]

_DAMAGED = "its compressed picture is damaged at the start; copy or export it again"
_SIZ = b"\xff\x4f\xff\x51"
_SIZ_FIELDS = struct.Struct(">HHIIIIIIIIH")
_MAX_TILES = 4096
_HUFFMAN_LOSSY = {0xC0, 0xC1, 0xC2}
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, 0xFF, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codestream:
    """Header of a compressed picture. ``kind`` is ``jpeg``, ``jpegls``, ``jpeg2000`` or ``other``."""

    kind: str
    words: str
    rows: int
    columns: int
    components: int
    bits: int


def read_jpeg_header(data: bytes) -> Codestream:
    """Read the frame header of a JPEG or JPEG-LS stream.

    Raises
    ------
    UnreadableImageError
        There is none.
    """
    if data[:2] != b"\xff\xd8":
        raise UnreadableImageError(_DAMAGED)
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise UnreadableImageError(_DAMAGED)
        marker = data[position + 1]
        if marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _FRAME_MARKERS:
            return _read_frame(marker, data[position + 4 : position + 2 + length])
        position += 2 + max(length, 2)
    raise UnreadableImageError(_DAMAGED)


def _read_frame(marker: int, fields: bytes) -> Codestream:
    if len(fields) < 6:
        raise UnreadableImageError(_DAMAGED)
    bits, rows, columns, components = struct.unpack_from(">BHHB", fields)
    if marker == 0xF7:
        kind, words = "jpegls", "JPEG-LS"
    elif marker in _HUFFMAN_LOSSY:
        kind, words = "jpeg", "JPEG"
    else:
        kind, words = "other", "lossless or arithmetic JPEG"
    return Codestream(kind=kind, words=words, rows=rows, columns=columns, components=components, bits=bits)


def read_jpeg2000_header(data: bytes) -> Codestream:
    """Read the size header of a JPEG 2000 stream, bare or wrapped in JP2 boxes.

    Raises
    ------
    UnreadableImageError
        There is none, its components are subsampled, or it is cut into more tiles than a film ever is.
    """
    start = data.find(_SIZ, 0, 1 << 16)
    if start < 0 or len(data) < start + 4 + _SIZ_FIELDS.size + 3:
        raise UnreadableImageError(_DAMAGED)
    _, _, right, bottom, left, top, tile_width, tile_height, _, _, count = _SIZ_FIELDS.unpack_from(data, start + 4)
    parts = data[start + 4 + _SIZ_FIELDS.size :][: 3 * count]
    columns, rows = right - left, bottom - top
    if not (tile_width and tile_height) or len(parts) != 3 * count or not count or columns < 1 or rows < 1:
        raise UnreadableImageError(_DAMAGED)
    tiles = -(-right // tile_width) * -(-bottom // tile_height)
    if tiles > _MAX_TILES or any(parts[1::3].strip(b"\x01")) or any(parts[2::3].strip(b"\x01")):
        raise UnreadableImageError(_DAMAGED)
    bits = max(part & 0x7F for part in parts[::3]) + 1
    return Codestream(kind="jpeg2000", words="JPEG 2000", rows=rows, columns=columns, components=count, bits=bits)
