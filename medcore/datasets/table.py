"""What every data set becomes: a table in field names and canonical units, with its origin."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from medcore.errors import InputError

__all__ = ["Provenance", "TrainingTable", "shuffle_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where the rows come from. ``sha256`` maps each file read to its checksum (hex)."""

    name: str
    origin: str
    licence: str
    doi: str
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """Rows to learn from.

    Attributes
    ----------
    X : float64 array, shape (n, n_inputs)
        Model inputs in the order of the condition's ``schema.input_names``; NaN = not known,
        choices as codes.
    y : int array, shape (n,)
        1 = has the outcome.
    eligible : bool array, shape (n,)
        Rows on which the clinical question is asked: folds, calibration and every metric use these
        only. The others may help training (known diabetics, say) and never count in a result.
    groups : mapping of str to str array, shape (n,)
        Subgroups to report by (``sex``, ``age_band``, ``site``, ...).
    secondary : mapping of str to int array, shape (n,)
        Other outcomes reported beside the main one, over all rows; -1 = not known.
    target : float array, shape (n,), optional
        What models learn, in [0, 1], where more is known than yes or no (how far a laboratory value lies
        from its cut-off, how long after the horizon a death fell). Never used to judge a model. Default ``y``.
    weight : float array, shape (n,), optional
        Weight of each row in training. Default 1.
    strata : array, shape (n,), optional
        Kept in balance between folds. Default ``y``.
    """

    field_names: tuple[str, ...]
    X: np.ndarray
    y: np.ndarray
    eligible: np.ndarray
    provenance: Provenance
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    secondary: Mapping[str, np.ndarray] = field(default_factory=dict)
    target: np.ndarray | None = None
    weight: np.ndarray | None = None
    strata: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.y)
        optional = (array for array in (self.target, self.weight, self.strata) if array is not None)
        arrays = (self.eligible, *self.groups.values(), *self.secondary.values(), *optional)
        if self.X.shape != (n, len(self.field_names)) or any(len(array) != n for array in arrays):
            raise InputError("the columns of a training table must have one length")


def shuffle_rows(condition_id: str, rows: np.ndarray) -> np.ndarray:
    """Return rows in the order in which a condition's released figures stand: the same for all of its models."""
    return np.random.default_rng(zlib.crc32(condition_id.encode())).permutation(rows)
