"""The analysis process's own side: reads uploaded tables in batches and takes their figures once they are scored."""

from __future__ import annotations

import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.errors import InputError, TableError, WorkerError
from medcore.evaluation.drift import FieldDrift, drift_table, summarise_field
from medcore.evaluation.recalibration import Recalibration, recalibrate
from medcore.evaluation.subgroups import SubgroupRow
from medcore.inference.applicability import ApplicabilityModel
from medcore.records import FieldKind
from medcore.records.tables import TableChunk, TableLimits, open_table
from medcore.registry.bundle import SealedBundle, open_bundle
from medcore.results import Status
from medcore.services.compare.group_figures import measure_groups
from medcore.services.compare.labels import LABEL_COLUMN, parse_label
from medcore.services.compare.measuring import Measured, measure
from medcore.services.compare.row_checks import judge_rows
from medcore.services.compare.studies import FieldShape, find_study
from medcore.services.compare.upload_figures import divide_rows, measure_blanks, measure_recalibrated
from medcore.services.compare.upload_parts import (
    Coded,
    ReasonCount,
    RowBatch,
    RowError,
    UploadCounts,
    UploadFigures,
    UploadHeader,
)
from medcore.services.frozen_wire import unpack

__all__ = ["Desk", "Upload"]

_MOST_UPLOADS = 3
_BATCH_ROWS = 10_000
_MOST_EXTRA = 12
_MOST_ERRORS = 20
_UNIT = re.compile(r"\s*\[[^\[\]]*\]\s*$")


class Desk:
    """The uploads that are being worked on, and the questions of arrays alone; one method per operation."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def answer_open(self, payload: Mapping[str, Any], blobs: list[bytes]) -> UploadHeader:
        """Look at a table's first line."""
        bundles = [open_bundle(Path(path)) for path in payload["bundles"].values()]
        condition = find_condition(payload["condition"])
        study = find_study(Path(next(iter(payload["bundles"].values()))).parent, condition.id)
        studied = () if study is None else study.fields
        upload = Upload(blobs[0], condition, bundles, int(payload["most_rows"]), studied)
        token = secrets.token_hex(8)
        self._uploads[token] = upload
        while len(self._uploads) > _MOST_UPLOADS:
            self._uploads.popitem(last=False)[1].close()
        return UploadHeader(token=token, extra=upload.extra, missing=upload.missing)

    def answer_next(self, payload: Mapping[str, Any], _: list[bytes]) -> RowBatch:
        """Read some more rows."""
        return self._find(payload).read_batch()

    def answer_finish(self, payload: Mapping[str, Any], blobs: list[bytes]) -> UploadFigures:
        """Take the figures and forget the table."""
        upload = self._find(payload)
        del self._uploads[payload["token"]]
        scores = unpack(Mapping[str, np.ndarray], payload["p"], blobs)
        with upload:
            return upload.take_figures(scores, prevalence=payload["prevalence"])

    def answer_forget(self, payload: Mapping[str, Any], _: list[bytes]) -> None:
        """Drop a table."""
        upload = self._uploads.pop(payload["token"], None)
        if upload is not None:
            upload.close()

    def answer_measure(self, payload: Mapping[str, Any], blobs: list[bytes]) -> Measured:
        """Compute scoreboard, curves and standings."""
        y, p, patients = _rows_of(payload, blobs)
        return measure(y, p, patients=patients, prevalence=payload["prevalence"])

    def answer_groups(self, payload: Mapping[str, Any], blobs: list[bytes]) -> dict[str, tuple[SubgroupRow, ...]]:
        """Compute figures within groups."""
        y, p, patients = _rows_of(payload, blobs)
        coded = unpack(Mapping[str, Coded], payload["attributes"], blobs)
        texts = {name: item.texts() for name, item in coded.items()}
        return measure_groups(y, p, texts, cut_off=payload["cut_off"], patients=patients)

    def answer_recalibrate(self, payload: Mapping[str, Any], blobs: list[bytes]) -> tuple[Recalibration, Measured]:
        """Fit a line to local patients and measure it on those that did not teach it."""
        y, p, patients = _rows_of(payload, blobs)
        line = recalibrate(y, p[""], method=payload["method"], groups=patients)
        return line, measure_recalibrated(
            y, p[""], method=payload["method"], patients=patients, prevalence=payload["prevalence"]
        )

    def _find(self, payload: Mapping[str, Any]) -> Upload:
        upload = self._uploads.get(payload["token"])
        if upload is None:
            raise WorkerError("The uploaded table is no longer in memory. Upload it again.")
        return upload


class Upload:
    """One table while it is read. Rows with a label and a score are kept as arrays; texts of other columns as codes."""

    def __init__(
        self,
        content: bytes,
        condition: Condition,
        bundles: list[SealedBundle],
        most_rows: int,
        studied: Sequence[FieldShape] = (),
    ) -> None:
        self._condition = condition
        self._studied = studied
        self._bundle = bundles[0]
        self._limits = TableLimits(max_rows=most_rows, chunk_rows=_BATCH_ROWS)
        self._applicability = _distinct(
            [ApplicabilityModel.from_arrays(b.read_arrays("reference.npz")) for b in bundles]
        )
        self._stack = ExitStack()
        with open_table(content, condition.schema, limits=self._limits) as table:
            found = [_UNIT.sub("", cell).strip().lower() for cell in table.header.extra]
            self.missing = table.header.missing
        if LABEL_COLUMN not in found:
            raise TableError(
                "The column 'label' is missing. Add one with 1 for patients who have the outcome and 0 for the others.",
                field=LABEL_COLUMN,
                expected=LABEL_COLUMN,
            )
        names = [name for name in dict.fromkeys(found) if name and name != LABEL_COLUMN]
        self.extra = tuple(names)
        self._kept = names[:_MOST_EXTRA]
        opened = open_table(
            content, condition.schema, derive=condition.derive, keep=(LABEL_COLUMN, *self._kept), limits=self._limits
        )
        self._table = self._stack.enter_context(opened)
        self._chunks = self._table.chunks()
        self._errors: list[RowError] = []
        self._n_errors = self._n_repeated = 0
        self._withheld: Counter[str] = Counter()
        self._X: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []
        self._states: list[np.ndarray] = []
        self._patients: dict[str, int] = {}
        self._codes: list[np.ndarray] = []
        self._seen: set[int] = set()
        self._words: dict[str, dict[str, int]] = {name: {} for name in self._kept}
        self._texts: dict[str, list[np.ndarray]] = {name: [] for name in self._kept}

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._stack.close()

    def read_batch(self) -> RowBatch:
        """Read the next rows; those with a label and no reason against a score are returned as model inputs.

        Raises
        ------
        TableError
            There is no row at all, or too many.
        """
        chunk = next(self._chunks, None)
        n_inputs = len(self._condition.schema.inputs)
        if chunk is None:
            return RowBatch(X=np.zeros((0, n_inputs)), n_read=self._table.n_rows, done=True)
        labels = self._read_labels(chunk)
        errors, reasons = judge_rows(self._condition, chunk, self._table.header, self._bundle.manifest.studied)
        for i in np.flatnonzero(labels < 0).tolist():
            errors.setdefault(i, (_label_error(chunk.kept[LABEL_COLUMN][i]),))
        self._note_errors(chunk, errors)
        readable = np.ones(len(chunk), dtype=bool)
        readable[list(errors)] = False
        states = self._judge(chunk, readable, reasons)
        self._keep(chunk, readable, states, labels)
        return RowBatch(
            X=chunk.X[readable][states[readable] < _WITHHELD], n_read=self._table.n_rows, done=len(chunk) < _BATCH_ROWS
        )

    def take_figures(self, p: Mapping[str, np.ndarray], *, prevalence: float | None) -> UploadFigures:
        """Measure the models on the rows that were scored.

        Raises
        ------
        InputError
            No row has both a label and a score, or fewer than two of either outcome have.
        """
        states = np.concatenate(self._states) if self._states else np.zeros(0, dtype=np.int8)
        scored = states < _WITHHELD
        counts = self._count(states)
        if not scored.any():
            raise self._nothing_to_measure()
        X, y = np.vstack(self._X), np.concatenate(self._labels).astype(np.int64)
        codes = np.concatenate(self._codes)[scored]
        patients = codes if np.unique(codes).size < codes.size else None
        measured = measure(y[scored], p, patients=patients, prevalence=prevalence)
        texts = {name: np.concatenate(parts)[scored] for name, parts in self._texts.items()}
        words = {name: tuple(known) for name, known in self._words.items()}
        grouped = {key.removeprefix("group_") for key in self._bundle.read_arrays("evaluation.npz")}
        return UploadFigures(
            counts=counts,
            errors=tuple(self._errors),
            withheld=tuple(ReasonCount(text=text, n=n) for text, n in self._withheld.most_common(_MOST_ERRORS)),
            measured=measured,
            y=y[scored],
            patients=patients,
            attributes=divide_rows(X[scored], self._condition.schema, texts, words, grouped),
            blanks=measure_blanks(X[scored], y[scored], p, self._condition.schema),
            drift=self._find_drift(X),
        )

    def _read_labels(self, chunk: TableChunk) -> np.ndarray:
        """Return 1, 0 or -1 (not a label) per row."""
        texts = chunk.kept[LABEL_COLUMN]
        known = {text: parse_label(text) for text in set(texts)}
        return np.array([-1 if known[text] is None else known[text] for text in texts], dtype=np.int8)

    def _note_errors(self, chunk: TableChunk, errors: Mapping[int, Any]) -> None:
        self._n_errors += len(errors)
        for i in sorted(errors)[: max(0, _MOST_ERRORS - len(self._errors))]:
            text = " ".join(error.message for error in errors[i])
            self._errors.append(RowError(row_id=chunk.ids[i], text=text))

    def _judge(self, chunk: TableChunk, readable: np.ndarray, reasons: Mapping[int, Any]) -> np.ndarray:
        """Return the state of each row: 0 scored, 1 caution, 2 withheld."""
        states = np.zeros(len(chunk), dtype=np.int8)
        for i, why in reasons.items():
            if readable[i]:
                states[i] = _WITHHELD
                self._withheld[why[0].text] += 1
        asked = np.flatnonzero(readable & (states == 0))
        if asked.size:
            for model in self._applicability:
                statuses, _ = model.check_many(chunk.X[asked])
                found = np.where(statuses == Status.WITHHELD.value, _WITHHELD, statuses == Status.CAUTION.value)
                states[asked] = np.maximum(states[asked], found)
            self._withheld[_TOO_FAR] += int((states[asked] == _WITHHELD).sum())
        return states

    def _keep(self, chunk: TableChunk, readable: np.ndarray, states: np.ndarray, labels: np.ndarray) -> None:
        X = chunk.X
        named = self._table.header.id_column is not None
        codes = np.zeros(len(chunk), dtype=np.int64)
        for i in np.flatnonzero(readable).tolist():
            codes[i] = self._patients.setdefault(chunk.ids[i], len(self._patients))
            if named:
                row = hash((chunk.ids[i], X[i].tobytes(), int(labels[i])))
                self._n_repeated += row in self._seen
                self._seen.add(row)
        self._X.append(X[readable])
        self._labels.append(labels[readable])
        self._states.append(states[readable])
        self._codes.append(codes[readable])
        for name in self._kept:
            known = self._words[name]
            coded = np.array([known.setdefault(text, len(known)) for text in chunk.kept[name]], dtype=np.int64)
            self._texts[name].append(coded[readable])

    def _count(self, states: np.ndarray) -> UploadCounts:
        return UploadCounts(
            rows=self._table.n_rows,
            scored=int((states < _WITHHELD).sum()),
            caution=int((states == 1).sum()),
            withheld=int((states == _WITHHELD).sum()),
            errors=self._n_errors,
            duplicate_ids=len(self._table.duplicate_ids),
            repeated_rows=self._n_repeated,
        )

    def _find_drift(self, X: np.ndarray) -> tuple[FieldDrift, ...]:
        """Compare the rows with the patients studied, or with made-up ones where no study lies beside the models."""
        items = self._condition.schema.inputs
        made_up = self._bundle.read_arrays("cohort.npz")["X"]
        reference = {
            item.name: summarise_field(item.name, made_up[:, j], is_choice=item.kind is FieldKind.CHOICE)
            for j, item in enumerate(items)
        }
        reference |= {shape.field: shape.summary() for shape in self._studied}
        return drift_table(reference, {item.name: X[:, j] for j, item in enumerate(items)})

    def _nothing_to_measure(self) -> InputError:
        first = self._errors[0].text if self._errors else next(iter(self._withheld), "")
        return InputError(
            f"none of the {self._table.n_rows:,} rows has both a label (0 or 1) and a score: nothing to measure. "
            f"The first reason: {first}",
            field=LABEL_COLUMN,
        )


_WITHHELD = 2
_TOO_FAR = "The combination of values is too far from the study's patients."


def _label_error(text: str) -> TableError:
    what = f"the label {text[:40]!r} is not" if text else "the label is blank, not"
    return TableError(f"{what} 1 (has the outcome) or 0 (has not)", field=LABEL_COLUMN, value=text[:40])


def _distinct(models: list[ApplicabilityModel]) -> list[ApplicabilityModel]:
    """Models of one condition share their statistics: each set is asked once."""
    found: dict[bytes, ApplicabilityModel] = {}
    for model in models:
        key = b"".join(np.ascontiguousarray(part).tobytes() for part in model.to_arrays().values())
        found.setdefault(key, model)
    return list(found.values())


def _rows_of(
    payload: Mapping[str, Any], blobs: list[bytes]
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray | None]:
    y = unpack(np.ndarray, payload["y"], blobs).astype(np.int64)
    return (
        y,
        unpack(Mapping[str, np.ndarray], payload["p"], blobs),
        unpack(np.ndarray | None, payload["patients"], blobs),
    )
