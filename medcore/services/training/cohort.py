"""Scoring a file of patients: chunk by chunk, each row scored, withheld or an error of its own.

Every chunk is written to the journal before its rows are handed out. The counts of the four
states add up to the rows of the file. Nothing is printed here.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medcore import __version__
from medcore.access import Actor, describe_actor, make_local_actor
from medcore.api import Model, load_from
from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.config import Settings, read_settings
from medcore.errors import ExplanationError, MedcoreError, StorageError, TableError, UnknownNameError
from medcore.journal import Event, Journal, open_journal
from medcore.records.tables import TableChunk, TableHeader, TableLimits, escape_formula, open_table
from medcore.registry import Catalog
from medcore.results import ModelFacts, Reason, Status
from medcore.services.compare.row_checks import judge_rows

__all__ = [
    "Cohort",
    "Counts",
    "Row",
    "RowSink",
    "choose_model",
    "describe_errors",
    "open_cohort",
    "write_csv",
]

Row = dict[str, Any]
"""One result in plain JSON types; the command line's contract says which keys."""

_ERROR = "error"
_TEXT_COLUMNS = frozenset({"id", "reasons", "error"})
_CONTRIBUTION = "contribution:"
_LIMITS = TableLimits(max_rows=20_000_000)  # a file on disk is read chunk by chunk: only time bounds it


class Counts(Counter[str]):
    """How many rows ended in which state; all four together are the rows of the file."""

    def __str__(self) -> str:
        states = (Status.SCORED.value, Status.CAUTION.value, Status.WITHHELD.value, _ERROR)
        return f"{self.total()} rows: " + ", ".join(f"{self[state]} {state}" for state in states)

    @property
    def n_usable(self) -> int:
        """Rows that could be read."""
        return self.total() - self[_ERROR]


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """One model, ready to score files for one actor."""

    model: Model
    condition: Condition
    journal: Journal
    actor: Actor

    def score(
        self, source: Path, *, explain: bool = False, counts: Counts, note: Callable[[str], None] = lambda _: None
    ) -> Iterator[list[Row]]:
        """Score a CSV file; yields the rows of each chunk after the chunk is in the journal.

        ``counts`` is kept up to date; ``note`` is told what the reader of the result should know.

        Raises
        ------
        TableError
            The file cannot be read as a table.
        StorageError
            The journal could not be written: the chunk is not handed out.
        """
        with open_table(source, self.condition.schema, derive=self.condition.derive, limits=_LIMITS) as table:
            if table.header.extra:
                note(f"{source.name}: columns ignored: {', '.join(table.header.extra)}")
            for chunk in table.chunks():
                rows = self.score_chunk(chunk, table.header, explain=explain)
                self.write_event("predict_file", rows, chunk)
                counts.update(row["status"] for row in rows)
                yield rows
            if table.duplicate_ids:
                note(f"{source.name}: {len(table.duplicate_ids)} patient_id values stand in more than one row")

    def score_chunk(self, chunk: TableChunk, header: TableHeader, *, explain: bool = False) -> list[Row]:
        """Return one row of plain JSON types per patient of a chunk, in order."""
        errors, reasons = judge_rows(self.condition, chunk, header, self.model.risk_model.manifest.studied)
        asked = [i for i in range(len(chunk)) if i not in errors and i not in reasons]
        answers = self._ask(chunk, asked, explain=explain)
        rows = []
        for i, row_id in enumerate(chunk.ids):
            if i in errors:
                rows.append(describe_errors(row_id, errors[i]))
            elif i in reasons:
                rows.append(self._describe(row_id, Status.WITHHELD.value, None, reasons[i], explain=explain))
            else:
                rows.append({"id": row_id, **answers[i]})
        return rows

    def write_event(self, action: str, rows: Sequence[Row], chunk: TableChunk) -> None:
        """Write down that a chunk was scored, with its counts and a fingerprint, never its values."""
        facts = self.model.facts
        outcome = Counts(row["status"] for row in rows)
        self.journal.record(
            Event(
                **describe_actor(self.actor),
                action=action,
                outcome=" ".join(f"{state}:{n}" for state, n in sorted(outcome.items())),
                condition=self.condition.id,
                model_id=facts.model_id,
                sha256=facts.sha256,
                input_hash=hashlib.sha256(np.ascontiguousarray(chunk.values).tobytes()).hexdigest(),
                n_records=len(rows),
                app_version=__version__,
            )
        )

    def _ask(self, chunk: TableChunk, asked: Sequence[int], *, explain: bool) -> dict[int, Row]:
        if not asked:
            return {}
        X = chunk.X[list(asked)]
        statuses, _ = self.model.risk_model.applicability.check_many(X)
        batch = self.model.risk_model.risk(X)
        answers = {}
        for k, i in enumerate(asked):
            status = str(statuses[k])
            plain = status == Status.SCORED.value
            reasons = () if plain else self.model.risk_model.applicability.check(X[k]).reasons
            numbers = (float(batch.p[k]), float(batch.lo[k]), float(batch.hi[k]))
            answer = self._describe("", status, numbers, reasons, explain=explain)
            if explain and answer["p"] is not None:
                answer |= self._explain(chunk, i)
            answers[i] = {key: value for key, value in answer.items() if key != "id"}
        return answers

    def _describe(
        self,
        row_id: str,
        status: str,
        numbers: tuple[float, float, float] | None,
        reasons: Sequence[Reason],
        *,
        explain: bool,
    ) -> Row:
        withheld = status == Status.WITHHELD.value or numbers is None
        p, lo, hi = (None, None, None) if withheld else numbers  # type: ignore[misc]
        facts = self.model.facts
        row: Row = {
            "id": row_id,
            "status": status,
            "p": p,
            "lo": lo,
            "hi": hi,
            "level": self.model.risk_model.calibrator.level,
            "label": self._label(p),
            "model": facts.model_id,
            "sha256": facts.sha256,
            "reasons": [{"code": reason.code, "field": reason.field, "text": reason.text} for reason in reasons],
        }
        return {**row, "contributions": None, "base": None} if explain else row

    def _label(self, p: float | None) -> str | None:
        threshold = self.model.facts.thresholds.get("default")
        if p is None or threshold is None:
            return None
        return "positive" if p >= threshold else "negative"

    def _explain(self, chunk: TableChunk, position: int) -> Row:
        try:
            record = chunk.row(position).record
            assert record is not None
            explanation = self.model.explain(record)
        except ExplanationError as error:
            return {"explanation_error": error.message}
        return {"contributions": dict(explanation.contributions), "base": explanation.base}


@contextmanager
def open_cohort(
    condition_id: str, *, model_id: str | None = None, settings: Settings | None = None
) -> Iterator[Cohort]:
    """Open a condition's default model, or another one of its models, together with the journal.

    Raises
    ------
    UnknownNameError
        There is no such condition, no such model, or the model answers another question.
    ArtifactError
        The bundle is refused.
    StorageError
        The journal cannot be used.
    """
    settings = settings or read_settings()
    condition = find_condition(condition_id)
    catalog = Catalog(settings.models_dir)
    facts = choose_model(catalog, condition.id, model_id)
    with open_journal(settings.data_dir) as journal:
        model = load_from(catalog, facts.model_id)
        yield Cohort(model=model, condition=condition, journal=journal, actor=make_local_actor())


def choose_model(catalog: Catalog, condition_id: str, model_id: str | None) -> ModelFacts:
    """Return the named model, or the condition's default.

    Raises
    ------
    UnknownNameError
        There is no such model, or it answers another question.
    ArtifactError
        It is refused.
    """
    facts = catalog.find(model_id) if model_id else catalog.default(condition_id)
    if facts.condition != condition_id:
        raise UnknownNameError(
            f"the model {facts.model_id} answers {facts.condition}, not {condition_id}", field="model", value=model_id
        )
    return facts


class RowSink(Protocol):
    """Takes finished rows."""

    def __call__(self, rows: Sequence[Row]) -> None:
        """Write some rows."""


@contextmanager
def write_csv(path: Path, field_names: Sequence[str] = ()) -> Iterator[RowSink]:
    """Write a CSV file completely or not at all, readable by its owner only.

    Parameters
    ----------
    path : Path
        The file; replaced only when everything was written.
    field_names : sequence of str
        Fields whose contributions get a column each.

    Raises
    ------
    StorageError
        The file cannot be written there.
    """
    if path.exists() and not path.is_file():
        raise StorageError(f"{path.name} is not a file that can be replaced", field="out")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerow(_columns(field_names))
                yield lambda rows: writer.writerows(_cells(row, field_names) for row in rows)
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror})", field="out") from error


def _columns(field_names: Sequence[str]) -> list[str]:
    fixed = ["id", "status", "p", "lo", "hi", "level", "label", "model", "sha256", "reasons", "error"]
    return fixed + (["base", *(f"{_CONTRIBUTION}{name}" for name in field_names)] if field_names else [])


def _cells(row: Mapping[str, Any], field_names: Sequence[str]) -> list[str]:
    contributions = row.get("contributions") or {}
    flat = {
        **row,
        "reasons": " ".join(reason["text"] for reason in row.get("reasons", ())),
        **{f"{_CONTRIBUTION}{name}": value for name, value in contributions.items()},
    }
    return [_write_cell(column, flat.get(column)) for column in _columns(field_names)]


def _write_cell(column: str, value: object) -> str:
    if value is None:
        return ""
    return escape_formula(str(value)) if column in _TEXT_COLUMNS else str(value)


def describe_errors(row_id: str, errors: Sequence[MedcoreError]) -> Row:
    """Return the row of something that cannot be read."""
    first = errors[0] if errors else TableError("The row cannot be read.")
    return {
        "id": row_id,
        "status": _ERROR,
        "error": " ".join(error.message for error in errors) or first.message,
        "code": first.code,
        "field": first.field,
    }
