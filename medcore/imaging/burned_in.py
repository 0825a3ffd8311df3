"""Where words may be burned into a film's pixels: a search that asks a person, never one that decides.

Burned-in words are thin strokes of one even brightness with sharp edges, of like height and in a row. The search
takes what is narrow and stands out at three scales (morphological top hats, bright on dark and dark on bright),
keeps the pieces that look like letters, and joins neighbours to lines. Single bold letters, such as side markers, are
found as well: whether an R names a side or a person is for the reader to say. Runs in the reader's child process.

No search proves that a film is free of words; ``docs/deidentification.md`` says how often this one fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from medcore.imaging.copying import Region
from medcore.imaging.radiograph import Radiograph

__all__ = ["MOST_REGIONS", "find_words"]

MOST_REGIONS = 40
"""Most regions that are reported; where there are more, the nearest are joined."""

_WORKING_SIDE_PX = 3000
_SCALES = 4
_HAT_PX = 9
_SMALLEST_HEIGHT_PX, _TALLEST_PX, _LONGEST_PX = 6, 64, 400
_LEAST_CONTRAST, _BOLD_CONTRAST = 0.15, 0.25
_LEAST_SHARPNESS = 0.6
_THICKEST_STROKE = 0.02
_NOISE_FACTOR = 7.0
_LEAST_FILL, _MOST_FILL = 0.10, 0.92
_MOST_SPREAD, _MOST_SPREAD_SMALL, _SMALL_PX = 0.36, 0.55, 14
_MARGIN = 0.35
_MOST_PIECES = 4000
_ALIKE = 1.9


@dataclass(frozen=True, slots=True)
class _Piece:
    """One connected piece of strokes: its rectangle, and how far it stands out (share of the film's range)."""

    top: int
    left: int
    bottom: int
    right: int
    contrast: float
    fill: float

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def size(self) -> int:
        return max(self.height, self.width)


def find_words(film: Radiograph) -> tuple[Region, ...]:
    """Return the regions of a film in which words may stand, from top to bottom; empty where none was found.

    Examples
    --------
    >>> from medcore.imaging.phantom import make_phantom
    >>> find_words(make_phantom(rows=300, columns=250))
    ()
    """
    values = _scale(film.stored)
    factor = max(1, -(-max(values.shape) // _WORKING_SIDE_PX))
    found: list[Region] = []
    for _ in range(_SCALES):
        view = _shrink(values, factor)
        if factor > 1 and _HAT_PX * factor > _THICKEST_STROKE * max(values.shape):
            break
        found += [_enlarge(region, factor, film.shape) for region in _search(view)]
        factor *= 2
    return _merge(found)


def _scale(stored: np.ndarray) -> np.ndarray:
    """Return float32 values with the film's usual range as the unit."""
    low, high = np.percentile(stored[::4, ::4], (0.5, 99.5))
    span = max(1.0, float(high - low))
    scaled: np.ndarray = (stored.astype(np.float32) - np.float32(low)) / np.float32(span)
    return np.clip(scaled, -0.5, 1.5, out=scaled)


def _shrink(values: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return values
    rows, columns = (side // factor * factor for side in values.shape)
    blocks = values[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor)
    smaller: np.ndarray = blocks.mean(axis=(1, 3), dtype=np.float32)
    return smaller


def _search(view: np.ndarray) -> Iterator[Region]:
    """Yield lines and bold letters of one scale."""
    edges = ndimage.maximum_filter(view, size=3) - ndimage.minimum_filter(view, size=3)
    for values in (view, -view):
        hat = values - ndimage.grey_opening(values, size=(_HAT_PX, _HAT_PX))
        noise = float(np.median(hat))
        strong = hat > max(_LEAST_CONTRAST, _NOISE_FACTOR * noise)
        pieces = _list_pieces(strong, hat, values, edges)
        for along in (0, 1):
            yield from _join_lines(pieces, view.shape, along)
        yield from (_grow(piece) for piece in pieces if _is_bold(piece, view.shape))


def _list_pieces(strong: np.ndarray, hat: np.ndarray, values: np.ndarray, edges: np.ndarray) -> list[_Piece]:
    """Return the connected pieces that have the size, the evenness, the sharp edges and the fill of letters."""
    labels, count = ndimage.label(strong, structure=np.ones((3, 3), dtype=bool))
    if not count:
        return []
    flat = labels[strong]
    area = np.bincount(flat, minlength=count + 1)
    mean = np.bincount(flat, hat[strong], count + 1) / np.maximum(area, 1)
    level = np.bincount(flat, values[strong], count + 1) / np.maximum(area, 1)
    square = np.bincount(flat, values[strong].astype(np.float64) ** 2, count + 1) / np.maximum(area, 1)
    spread = np.sqrt(np.maximum(square - level**2, 0)) / np.maximum(mean, 1e-6)
    steep = np.sqrt(np.bincount(flat, edges[strong] ** 2, count + 1) / np.maximum(area, 1)) / np.maximum(mean, 1e-6)
    pieces = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        piece = _Piece(
            box[0].start,
            box[1].start,
            box[0].stop,
            box[1].stop,
            float(mean[number]),
            float(area[number]) / ((box[0].stop - box[0].start) * (box[1].stop - box[1].start)),
        )
        most = _MOST_SPREAD_SMALL if min(piece.height, piece.width) < _SMALL_PX else _MOST_SPREAD
        if spread[number] <= most and steep[number] >= _LEAST_SHARPNESS and _is_letter(piece):
            pieces.append(piece)
    return sorted(pieces, key=lambda piece: -piece.contrast)[:_MOST_PIECES]


def _is_letter(piece: _Piece) -> bool:
    """Whether a piece has the size of a letter, or of several that touch."""
    short, long = sorted((piece.height, piece.width))
    return (
        long >= _SMALLEST_HEIGHT_PX
        and short <= _TALLEST_PX
        and long <= _LONGEST_PX
        and _LEAST_FILL <= piece.fill <= _MOST_FILL
    ) or (long >= _SMALLEST_HEIGHT_PX and short <= _HAT_PX and long <= _TALLEST_PX)


def _is_bold(piece: _Piece, shape: tuple[int, ...]) -> bool:
    """Whether a piece alone is worth a look: a bold letter, or a word whose letters touch."""
    short, long = sorted((piece.height, piece.width))
    if piece.contrast < _BOLD_CONTRAST:
        return False
    letter = short >= 6 and long >= max(10, 0.01 * max(shape)) and long <= 2.5 * short and piece.fill <= 0.75
    word = short >= 6 and 2.5 * short < long <= 25 * short and 0.25 <= piece.fill <= 0.85
    return letter or word


def _join_lines(pieces: list[_Piece], shape: tuple[int, ...], along: int) -> Iterator[Region]:
    """Yield rows (``along`` 1) or columns (0) of at least three pieces of like size."""
    if len(pieces) < 3:
        return
    canvas = np.zeros(shape, dtype=bool)
    for piece in pieces:
        reach = round(0.7 * piece.size) + 1
        ahead = (0, reach) if along else (reach, 0)
        canvas[
            max(0, piece.top - ahead[0]) : piece.bottom + ahead[0],
            max(0, piece.left - ahead[1]) : piece.right + ahead[1],
        ] = True
    groups, _ = ndimage.label(canvas)
    members: dict[int, list[_Piece]] = {}
    for piece in pieces:
        members.setdefault(int(groups[piece.top, piece.left]), []).append(piece)
    for group in members.values():
        yield from _split_line(group, along)


def _split_line(group: list[_Piece], along: int) -> Iterator[Region]:
    """Yield the part of a group whose pieces are alike in height and stand on one line."""
    across = [piece.height if along else piece.width for piece in group]
    usual = float(np.median(across))
    middle = float(np.median([_middle(piece, along) for piece in group]))
    line = [
        piece
        for piece, height in zip(group, across, strict=True)
        if usual / _ALIKE <= height <= usual * _ALIKE and abs(_middle(piece, along) - middle) <= 1.2 * usual
    ]
    if len(line) >= 3:
        region = _grow(line[0])
        for piece in line[1:]:
            region = region.join(_grow(piece))
        yield region


def _middle(piece: _Piece, along: int) -> float:
    return (piece.top + piece.bottom) / 2 if along else (piece.left + piece.right) / 2


def _grow(piece: _Piece) -> Region:
    margin = round(_MARGIN * min(piece.size, _TALLEST_PX)) + 1
    return Region(
        top=piece.top - margin, left=piece.left - margin, bottom=piece.bottom + margin, right=piece.right + margin
    )


def _enlarge(region: Region, factor: int, shape: tuple[int, int]) -> Region:
    rows, columns = shape
    return Region(
        top=max(0, region.top * factor),
        left=max(0, region.left * factor),
        bottom=min(rows, region.bottom * factor),
        right=min(columns, region.right * factor),
    )


def _merge(found: list[Region]) -> tuple[Region, ...]:
    """Join what touches until nothing does, and the nearest where there are too many."""
    merged: list[Region] = []
    for region in found:
        touching = [other for other in merged if other.touches(region)]
        while touching:
            for other in touching:
                merged.remove(other)
                region = region.join(other)
            touching = [other for other in merged if other.touches(region)]
        merged.append(region)
    merged.sort(key=lambda region: (region.top, region.left))
    while len(merged) > MOST_REGIONS:
        pairs = [(_area(a.join(b)) - _area(a) - _area(b), i) for i, (a, b) in enumerate(pairwise(merged))]
        place = min(pairs)[1]
        merged[place : place + 2] = [merged[place].join(merged[place + 1])]
    return tuple(merged)


def _area(region: Region) -> int:
    return (region.bottom - region.top) * (region.right - region.left)
