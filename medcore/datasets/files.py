"""Read a public data file only if it is the one that was checked, and split it into columns."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from medcore.errors import TableError

__all__ = ["age_band", "code_column", "null_outside", "number_column", "read_checked", "read_columns"]

_BLANKS = frozenset({"", "?", "NA", "nan", "missing"})


def read_checked(path: Path, sha256: str, origin: str) -> bytes:
    """Return the bytes of a data file after comparing its SHA-256.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Checksum (hex) of the file this code was written for.
    origin : str
        Where the file can be had, for the message.

    Raises
    ------
    TableError
        The file is absent, unreadable or not that one; the message says what to do.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"The training data file {path.name} is not in {path.parent}. Get it from {origin} "
            "and name its folder with --data.",
            value=str(path),
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise TableError(
            f"The training data file {path.name} is not the one this version was checked with "
            f"(its SHA-256 starts {found[:8]}, expected {sha256[:8]}). Get the original from {origin}.",
            value=found,
            expected=sha256,
        )
    return content


def read_columns(content: bytes, names: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Split (gzipped) CSV bytes into columns of text; ``names`` where the file has no header."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8"))) if row]
    if names is None:
        names, rows = rows[0], rows[1:]
    return {name: [row[j].strip() for row in rows] for j, name in enumerate(names)}


def number_column(texts: Iterable[str], decimals: int | None = None) -> np.ndarray:
    """Return texts as float64, NaN where blank, rounded where the source stored short floats."""
    column = np.array([math.nan if text in _BLANKS else float(text) for text in texts], dtype=np.float64)
    return column if decimals is None else np.round(column, decimals)


def code_column(texts: Iterable[str], codes: dict[str, int]) -> np.ndarray:
    """Return texts as the codes of a choice field (float64), NaN where blank.

    Raises
    ------
    TableError
        A text has no code.
    """
    texts = list(texts)
    unknown = sorted(set(texts) - set(codes) - _BLANKS)
    if unknown:
        raise TableError(f"the data hold unknown categories: {', '.join(unknown)}", value=unknown)
    return np.array([codes.get(text, math.nan) for text in texts], dtype=np.float64)


def null_outside(column: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """Return the column with values outside ``lo..hi`` as NaN: they are artefacts, not findings."""
    return np.where((column >= lo) & (column <= hi), column, math.nan)


def age_band(ages: np.ndarray, edges: Sequence[int]) -> np.ndarray:
    """Name the age group of each age: ``under 45``, ``45-64``, ..., ``80+`` for edges 45, 65, 80."""
    names = [f"under {edges[0]}"]
    names += [f"{lo}-{hi - 1}" for lo, hi in pairwise(edges)]
    names.append(f"{edges[-1]}+")
    return np.array(names)[np.searchsorted(np.asarray(edges), ages, side="right")]
