"""What the analysis process says about uploaded tables and films: frozen parts that cross its pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medcore.evaluation.drift import FieldDrift
from medcore.evaluation.subgroups import SubgroupRow
from medcore.services.compare.measuring import Measured

__all__ = [
    "Coded",
    "FilmBytes",
    "FilmEntry",
    "FilmFolder",
    "ReasonCount",
    "RowBatch",
    "RowError",
    "UploadCounts",
    "UploadFigures",
    "UploadHeader",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadHeader:
    """First line of a table: columns that no model reads (``extra``) and fields without a column (``missing``)."""

    token: str
    extra: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowBatch:
    """Some more rows: model inputs of those that may be scored, shape (k, n_inputs); ``done`` at the end."""

    X: np.ndarray
    n_read: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """A text per row as its few distinct words and a code per row, shape (n,)."""

    words: tuple[str, ...]
    codes: np.ndarray

    def texts(self) -> np.ndarray:
        """Return the text of each row, shape (n,)."""
        words: np.ndarray = np.asarray(self.words, dtype=str)
        return np.asarray(words[self.codes])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A row that was left out: its id as the file names it, and why."""

    row_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """Why scores were withheld, and for how many rows."""

    text: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCounts:
    """How the rows of a file ended; ``scored + withheld + errors == rows``.

    ``caution`` of the scored ones are unusual for the study; ``duplicate_ids`` patients stand in several rows,
    ``repeated_rows`` rows are exact copies of an earlier one.
    """

    rows: int
    scored: int
    caution: int
    withheld: int
    errors: int
    duplicate_ids: int
    repeated_rows: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UploadFigures:
    """Everything that was found out about a labelled table.

    Attributes
    ----------
    y : ndarray of int, shape (n,)
        Outcome of each scored row.
    patients : ndarray of int, shape (n,), or None
        Patient of each scored row, where some have several.
    attributes : mapping of str to Coded
        What patients may be divided by.
    blanks : mapping of model id to tuple of SubgroupRow
        Figures by the number of blank fields (attribute ``"blank fields"``) and, for each field, where it is blank
        and where it is known (attribute = the field's label).
    drift : tuple of FieldDrift
        Each field against the made-up patients that stand for the study, all readable rows.
    """

    counts: UploadCounts
    errors: tuple[RowError, ...]
    withheld: tuple[ReasonCount, ...]
    measured: Measured
    y: np.ndarray
    patients: np.ndarray | None
    attributes: Mapping[str, Coded]
    blanks: Mapping[str, tuple[SubgroupRow, ...]]
    drift: tuple[FieldDrift, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmEntry:
    """One film of an upload: what it may be called on a screen, its label (1 = has the outcome) and its patient.

    ``label`` is None where there is none to be used; ``error`` then says why. ``patient`` is "" where it is not told.
    """

    name: str
    label: int | None
    patient: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFolder:
    """The films of an upload in order; ``token`` is for taking them out of a ZIP, "" where they are files."""

    token: str
    entries: tuple[FilmEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmBytes:
    """A film's file as int8, shape (n_bytes,), or why there is none."""

    content: np.ndarray
    error: str = ""
