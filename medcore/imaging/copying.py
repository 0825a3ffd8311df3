"""What both sides know of a film's copy: regions to look at or to blacken, and how the copy is to be written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from medcore.errors import WorkerError

__all__ = ["CopyOrder", "Look", "Region", "cover", "pack_regions", "unpack_regions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of a film, in its own pixels; ``bottom`` and ``right`` are the first row and column outside."""

    top: int
    left: int
    bottom: int
    right: int

    def touches(self, other: Region) -> bool:
        """Whether two regions overlap or meet."""
        return (
            self.top <= other.bottom
            and other.top <= self.bottom
            and self.left <= other.right
            and other.left <= self.right
        )

    def join(self, other: Region) -> Region:
        """Return the smallest region around both."""
        return Region(
            top=min(self.top, other.top),
            left=min(self.left, other.left),
            bottom=max(self.bottom, other.bottom),
            right=max(self.right, other.right),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a person is shown before a film may leave: regions in which words may stand, and pictures of both (PNG)."""

    found: tuple[Region, ...]
    preview: bytes
    crops: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOrder:
    """How a copy is to be written.

    Attributes
    ----------
    key : str
        Secret of one reader's list: equal identifiers become equal new ones within it, and mean nothing outside.
    fallback : str
        Names the film where its header had no identifier.
    number : int
        Place of the film on the list.
    cleaned : bool
        Whether a person has looked at the pixels for words, or had regions blackened.
    keep_patient : bool
        Keep age (90 for all above 89) and sex.
    """

    key: str
    fallback: str
    number: int = 1
    cleaned: bool = False
    keep_patient: bool = False


def cover(stored: np.ndarray, regions: Iterable[Region]) -> np.ndarray:
    """Return a copy of the pixels with these regions at the film's darkest value.

    Examples
    --------
    >>> cover(np.array([[7, 9], [0, 8]], np.uint16), [Region(top=0, left=0, bottom=1, right=2)]).tolist()
    [[0, 0], [0, 8]]
    """
    covered = stored.copy()
    for region in regions:
        covered[region.top : region.bottom, region.left : region.right] = stored.min()
    return covered


def pack_regions(regions: Iterable[Region]) -> list[list[int]]:
    """Write regions as plain numbers: top, left, bottom, right."""
    return [list(astuple(region)) for region in regions]


def unpack_regions(rows: object) -> tuple[Region, ...]:
    """Read what :func:`pack_regions` wrote.

    Raises
    ------
    WorkerError
        It is something else.
    """
    if not isinstance(rows, Sequence):
        raise WorkerError("regions must be lists of four numbers")
    try:
        made = []
        for row in rows:
            top, left, bottom, right = (int(value) for value in row)
            made.append(Region(top=top, left=left, bottom=bottom, right=right))
        return tuple(made)
    except (TypeError, ValueError) as error:
        raise WorkerError("regions must be lists of four numbers") from error
