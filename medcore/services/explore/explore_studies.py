"""Which patients an analyst can look at a model with: the bundle's made-up ones, public slides, or a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.datasets.breast_cancer import load_breast_cancer_table
from medcore.errors import InputError, TableError
from medcore.inference.eligibility import find_reasons
from medcore.records import Field
from medcore.records.tables import TableChunk, TableLimits, open_table
from medcore.registry import Catalog
from medcore.results import ModelFacts
from medcore.services.training.evaluation import LABEL_COLUMN, parse_label

__all__ = [
    "MOST_ROWS",
    "Origin",
    "Study",
    "made_up_study",
    "offered_origins",
    "read_upload",
    "wisconsin_study",
]

MOST_ROWS = 2000
"""More rows of a file than this are not explained; the first ones are taken."""

_DEFAULT_ROWS = {"attention": 200}
_USUAL_ROWS = 500
_MOST_FILE_BYTES = 20_000_000


class Origin(StrEnum):
    """Where the explained patients come from."""

    MADE_UP = "made-up patients"
    WISCONSIN = "Wisconsin slides"
    UPLOAD = "uploaded file"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """Patients to explain one model on.

    Attributes
    ----------
    X : float64 array, shape (n, n_inputs)
        Raw rows, NaN = blank.
    ids : tuple of str
        What each patient is called.
    y : int array, shape (n,), optional
        Outcomes, where known.
    note : str
        What was left out, for the reader; empty if nothing was.
    n_available : int
        Patients there would have been.
    """

    facts: ModelFacts
    origin: Origin
    X: np.ndarray
    ids: tuple[str, ...]
    n_available: int
    y: np.ndarray | None = None
    note: str = ""

    @property
    def condition(self) -> Condition:
        """The clinical question."""
        return find_condition(self.facts.condition)

    @property
    def inputs(self) -> tuple[Field, ...]:
        """The model's inputs, in the order of the columns."""
        return self.condition.schema.inputs

    @property
    def key(self) -> str:
        """Name of this model on these rows (hex SHA-256)."""
        hashed = hashlib.sha256(self.facts.sha256.encode())
        hashed.update(np.ascontiguousarray(self.X, dtype="<f8").tobytes())
        hashed.update(b"" if self.y is None else np.ascontiguousarray(self.y, dtype="<i8").tobytes())
        return hashed.hexdigest()


def offered_origins(condition_id: str) -> tuple[Origin, ...]:
    """Return the patients a condition's models can be explored on."""
    if condition_id == "breast_cancer":
        return tuple(Origin)
    return (Origin.MADE_UP, Origin.UPLOAD)


def made_up_study(catalog: Catalog, model_id: str, n_rows: int | None = None) -> Study:
    """Return the bundle's made-up patients: the first 500, or 200 for attention models, which are slow to explain.

    Raises
    ------
    InputError
        The model has no made-up patients: it is about films.
    """
    facts = catalog.find(model_id)
    if facts.kind.endswith("image"):
        raise InputError(f"{model_id} is about films: this page explains models of tables", field="model")
    cohort = np.asarray(catalog.bundle(model_id).read_arrays("cohort.npz")["X"], dtype=np.float64)
    wanted = n_rows or _DEFAULT_ROWS.get(facts.recipe, _USUAL_ROWS)
    X = cohort[:wanted]
    return Study(
        facts=facts,
        origin=Origin.MADE_UP,
        X=X,
        ids=tuple(f"made-up {i + 1}" for i in range(len(X))),
        n_available=len(cohort),
        note="" if len(X) == len(cohort) else f"the first {len(X)} of {len(cohort)}, because this model is slow",
    )


def wisconsin_study(catalog: Catalog, model_id: str) -> Study:
    """Return the 569 public slides that scikit-learn brings along, with their diagnoses.

    The model has learned from these very slides: what is seen is how it uses them, not how good it is.
    """
    facts = catalog.find(model_id)
    table = load_breast_cancer_table()
    names = list(table.field_names)
    wanted = find_condition(facts.condition).schema.input_names
    if not set(wanted) <= set(names):
        raise InputError(f"{model_id} has other inputs than the Wisconsin slides", field="model")
    columns = [names.index(name) for name in wanted]
    rows = np.arange(len(table.y))[: _DEFAULT_ROWS.get(facts.recipe)]
    return Study(
        facts=facts,
        origin=Origin.WISCONSIN,
        X=table.X[rows][:, columns],
        ids=tuple(f"slide {i + 1}" for i in rows),
        y=table.y[rows],
        n_available=len(table.y),
        note="the model was trained on them" + _part(len(rows), len(table.y)),
    )


def read_upload(catalog: Catalog, model_id: str, content: bytes) -> Study:
    """Read a CSV file of patients; a column ``label`` (1 or 0) gives outcomes. Nothing is stored.

    Raises
    ------
    TableError
        The file is too large, is no table, or none of its rows can be used.
    """
    facts = catalog.find(model_id)
    condition = find_condition(facts.condition)
    if len(content) > _MOST_FILE_BYTES:
        raise TableError(f"The file is larger than {_MOST_FILE_BYTES // 1_000_000} MB. Take a part of its rows.")
    most = _DEFAULT_ROWS.get(facts.recipe, MOST_ROWS)
    limits = TableLimits(chunk_rows=MOST_ROWS)
    with open_table(content, condition.schema, limits=limits) as table:
        labelled = LABEL_COLUMN in table.header.extra
    kept = (LABEL_COLUMN,) if labelled else ()
    picked = _Picked()
    with open_table(content, condition.schema, derive=condition.derive, keep=kept, limits=limits) as table:
        for chunk in table.chunks():
            picked.add(chunk, condition, most)
            if len(picked.rows) == most:
                break
    if not picked.rows:
        raise TableError(
            "None of the file's rows can be explained: each has a value that cannot be used, lacks a required one, or "
            "is not a patient this model is for."
        )
    labels = [parse_label(text) for text in picked.labels]
    known = labelled and None not in labels
    return Study(
        facts=facts,
        origin=Origin.UPLOAD,
        X=np.array(picked.rows),
        ids=tuple(picked.ids),
        y=np.array(labels, dtype=np.int64) if known else None,
        n_available=picked.n_seen,
        note=picked.describe(most, labelled and not known),
    )


@dataclass(slots=True)
class _Picked:
    """Rows taken from a file so far, and how many could not be."""

    rows: list[np.ndarray] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    n_seen: int = 0
    n_unread: int = 0
    n_outside: int = 0

    def add(self, chunk: TableChunk, condition: Condition, most: int) -> None:
        """Take the rows of a chunk that the model is meant for, until there are ``most``."""
        X = chunk.X
        texts = chunk.kept.get(LABEL_COLUMN, ("",) * len(chunk))
        for i, usable in enumerate(chunk.usable):
            if len(self.rows) == most:
                return
            self.n_seen += 1
            if not usable:
                self.n_unread += 1
            elif find_reasons(condition, chunk.known(i)) or condition.cross_check(chunk.known(i)).errors:
                self.n_outside += 1
            else:
                self.rows.append(X[i])
                self.ids.append(chunk.ids[i])
                self.labels.append(texts[i])

    def describe(self, most: int, bad_labels: bool) -> str:
        """Say what was left out."""
        parts = (
            f"the first {most} rows that can be explained" if len(self.rows) == most else "",
            f"{self.n_unread} rows with values that cannot be used left out" if self.n_unread else "",
            f"{self.n_outside} rows this model gives no score for left out" if self.n_outside else "",
            "labels not used: some are neither 1 nor 0" if bad_labels else "",
        )
        return "; ".join(text for text in parts if text)


def _part(n: int, n_all: int) -> str:
    return f"; the first {n} of {n_all}" if n < n_all else ""
