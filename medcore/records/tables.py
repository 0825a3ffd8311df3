"""A CSV file of patients, read in chunks: usable rows as records, every other row as its own typed errors.

Columns are field names; ``name[unit]`` converts a whole column; ``patient_id`` is reserved; empty means
unknown; other columns are listed and ignored. Clean numbers take a vectorised path, and each cell that
is not plainly a number goes through the same parser as the form. A file that cannot be understood as
a table at all is a ``TableError``; nothing else is raised for what a file contains.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import numpy as np

from medcore.errors import FieldError, InputError, OutOfRangeError, TableError
from medcore.records.fields import Field, FieldKind, Schema, Unit
from medcore.records.reading import PatientRecord, cap_value, check_possible, parse_value

__all__ = ["PATIENT_ID", "TableChunk", "TableHeader", "TableLimits", "TableRow", "escape_formula", "open_table"]

PATIENT_ID = "patient_id"

Derive = Callable[[Mapping[str, float]], Mapping[str, float]]

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 65_536
_HEADER = re.compile(r"^\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>.*)\]\s*)?$")
# Numbers of one meaning only; 1,234 is left to the form's parser, which refuses it.
_PLAIN = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15}|\d{1,15},(?:\d{1,2}|\d{4,15})|0,\d{3})", re.ASCII)
_PLAIN_CHARS = b"0123456789.+-"
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER_TEXT = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"PAR1": "a Parquet file",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """How much is read before a file is refused. ``chunk_rows`` is how many rows are in memory at a time."""

    max_rows: int = 1_000_000
    max_columns: int = 1_000
    max_cell_chars: int = 10_000
    max_line_chars: int = 1_000_000
    chunk_rows: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHeader:
    """What the first line says.

    ``columns`` maps a position to the field read from it, ``units`` a field to the unit of its column;
    ``named_units`` are the fields whose unit is written in the header; ``extra`` columns are ignored,
    ``missing`` fields have no column.
    """

    columns: Mapping[int, str]
    units: Mapping[str, Unit]
    extra: tuple[str, ...]
    missing: tuple[str, ...]
    n_columns: int
    delimiter: str
    encoding: str
    id_column: int | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    named_units: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row: its number (from 1, the header not counted), its id, and a record or the errors that forbid one."""

    number: int
    patient_id: str
    record: PatientRecord | None
    errors: tuple[InputError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChunk:
    """Consecutive rows.

    Attributes
    ----------
    schema : Schema
        The form they were read with.
    first_number : int
        Number of the first row, from 1.
    ids : tuple of str
        ``patient_id``, else the row number.
    values : float64 array, shape (n, len(schema.fields))
        Canonical units, choices as codes, NaN = unknown, in the order of ``schema.fields``, derived values included.
        Rows with errors keep what could be read.
    derived : mapping of int to frozenset of str
        Fields that were computed, by position of the row in the chunk.
    qualifiers : mapping of int to mapping
        ``<`` and ``>`` of values at a detection limit, by position.
    errors : mapping of int to tuple of InputError
        What is wrong, by position; a row without an entry is usable.
    kept : mapping of str to tuple of str
        Texts of the columns that were asked for by name.
    """

    schema: Schema
    first_number: int
    ids: tuple[str, ...]
    values: np.ndarray
    derived: Mapping[int, frozenset[str]] = field(default_factory=dict)
    qualifiers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    errors: Mapping[int, tuple[InputError, ...]] = field(default_factory=dict)
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> np.ndarray:
        """Boolean array, shape (n,): the rows without errors."""
        mask = np.ones(len(self), dtype=bool)
        mask[list(self.errors)] = False
        return mask

    @property
    def X(self) -> np.ndarray:  # noqa: N802 - the field's name for a design matrix
        """Model inputs of all rows, shape (n, n_inputs), in the order of ``schema.input_names``."""
        names = [item.name for item in self.schema.fields]
        return self.values[:, [names.index(name) for name in self.schema.input_names]]

    def row(self, position: int) -> TableRow:
        """Return one row of the chunk as an object."""
        errors = self.errors.get(position, ())
        record = None
        if not errors:
            record = PatientRecord(
                values=self.known(position),
                qualifiers=self.qualifiers.get(position, {}),
                derived=self.derived.get(position, frozenset()),
                patient_id=self.ids[position],
            )
        return TableRow(
            number=self.first_number + position, patient_id=self.ids[position], record=record, errors=errors
        )

    def known(self, position: int) -> dict[str, float]:
        """Return the known values of one row, usable or not."""
        values = self.values[position].tolist()
        return {item.name: value for item, value in zip(self.schema.fields, values, strict=True) if value == value}

    def rows(self) -> Iterator[TableRow]:
        """Return all rows of the chunk, one after the other."""
        return (self.row(position) for position in range(len(self)))


class TableReader:
    """An opened table: its header, and its chunks once, in order. Made by :func:`open_table`."""

    def __init__(
        self,
        schema: Schema,
        header: TableHeader,
        lines: Iterator[list[str]],
        derive: Derive | None,
        limits: TableLimits,
    ) -> None:
        self.schema = schema
        self.header = header
        self.duplicate_ids: set[str] = set()
        self.n_rows = 0
        self._lines = lines
        self._derive = derive
        self._limits = limits
        self._seen: set[str] = set()

    def chunks(self) -> Iterator[TableChunk]:
        """Yield the rows in chunks.

        Raises
        ------
        TableError
            There is no row at all, there are too many, or the text cannot be split into cells.
        """
        while rows := self._take():
            chunk = _read_chunk(self.schema, self.header, rows, self.n_rows + 1, self._derive, self._limits)
            self.n_rows += len(rows)
            self._note_duplicates(chunk.ids)
            yield chunk
        if self.n_rows == 0:
            raise TableError("The file has a header and no rows. Add one line per patient.")

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows one by one."""
        for chunk in self.chunks():
            yield from chunk.rows()

    def _take(self) -> list[list[str]]:
        rows: list[list[str]] = []
        for row in self._lines:
            if self.n_rows + len(rows) >= self._limits.max_rows:
                raise TableError(
                    f"The file has more than {self._limits.max_rows:,} rows. Split it into smaller files.",
                    expected=f"at most {self._limits.max_rows} rows",
                )
            rows.append(row)
            if len(rows) == self._limits.chunk_rows:
                break
        return rows

    def _note_duplicates(self, ids: Sequence[str]) -> None:
        if self.header.id_column is None:
            return
        for patient_id in ids:
            (self.duplicate_ids if patient_id in self._seen else self._seen).add(patient_id)


@contextmanager
def open_table(
    source: str | Path | bytes | BinaryIO,
    schema: Schema,
    *,
    derive: Derive | None = None,
    keep: Sequence[str] = (),
    limits: TableLimits | None = None,
) -> Iterator[TableReader]:
    r"""Open a CSV file of patients for streaming.

    Comma, semicolon, tab and bar separate cells; UTF-8 (with or without mark), UTF-16 and Latin-1 are
    recognised; a decimal comma is understood where it is not also the separator.

    Parameters
    ----------
    source : path, bytes or binary file
        The file.
    schema : Schema
        Fields to read.
    derive : callable, optional
        Known values -> values computed from them; an entered value is never replaced.
    keep : sequence of str
        Further columns whose text is kept (``label``); absent ones are an error.
    limits : TableLimits, optional
        Rows, columns and sizes beyond which the file is refused.

    Raises
    ------
    TableError
        The file is empty, no table, too wide, or its header cannot be used (duplicate column, unknown unit, no
        known field).

    Examples
    --------
    >>> from medcore.records import Field, Schema
    >>> schema = Schema((Field(name="age_years", label="Age", group="Fit", unit="years", possible=(0, 120)),))
    >>> with open_table(b"patient_id,age_years\na,71\nb,710\n", schema) as table:
    ...     [(row.patient_id, row.record is not None) for row in table.rows()]
    [('a', True), ('b', False)]
    """
    limits = limits or TableLimits()
    stream, owned = _open(source)
    try:
        sample = stream.read(_SAMPLE_BYTES)
        encoding = _find_encoding(sample)
        text: TextIO = io.TextIOWrapper(
            cast(BinaryIO, _Replay(sample, stream)), encoding=encoding, errors="replace", newline=""
        )
        lines = _read_lines(text, limits.max_line_chars)
        first = next(_skip_blank(lines), None)
        if first is None:
            raise TableError("The file is empty. Its first line must hold the field names.")
        header = _read_header(first, schema, encoding, tuple(keep), limits)
        yield TableReader(schema, header, _split_lines(lines, header.delimiter), derive, limits)
    finally:
        if owned:
            stream.close()


def escape_formula(text: str) -> str:
    """Return a cell text that no spreadsheet runs: a leading ``= + - @`` of anything but a number gets a ``'``.

    Examples
    --------
    >>> escape_formula("=cmd|' /C calc'!A0"), escape_formula("-1.5")
    ("'=cmd|' /C calc'!A0", '-1.5')
    """
    if text.startswith(_FORMULA_START) and not _NUMBER_TEXT.fullmatch(text):
        return f"'{text}"
    return text


class _Replay(io.BufferedIOBase):
    """A byte stream that gives the sample again before the rest of a stream."""

    def __init__(self, sample: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._sample = sample
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        if not self._sample:
            return self._rest.read(-1 if size is None else size)
        out = self._sample if size is None or size < 0 else self._sample[:size]
        self._sample = self._sample[len(out) :]
        return out

    def read1(self, size: int = -1, /) -> bytes:
        """Return what :meth:`read` returns: text is decoded from whole buffers."""
        return self.read(size)


def _open(source: str | Path | bytes | BinaryIO) -> tuple[BinaryIO, bool]:
    if isinstance(source, bytes):
        return io.BytesIO(source), True
    if not isinstance(source, str | Path):
        return source, False
    try:
        return Path(source).open("rb"), True
    except (OSError, ValueError) as error:
        reason = "is a folder" if Path(source).is_dir() else "cannot be opened"
        raise TableError(f"The file {Path(source).name} {reason}. Check its name and your rights.") from error


def _find_encoding(sample: bytes) -> str:
    """Return the text encoding of a sample.

    Raises
    ------
    TableError
        It is no text.
    """
    for signature, kind in _SIGNATURES.items():
        if sample.startswith(signature):
            raise TableError(f"The file is {kind}, not CSV text. Save it as CSV (comma separated) and try again.")
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) > 0.3 * max(len(sample) // 2, 1):
        return "utf-16-le" if odd > even else "utf-16-be"
    controls = sum(sample.count(code) for code in (0, *range(1, 9), *range(14, 27)))
    if controls > 0.05 * len(sample):
        raise TableError("The file is not text. Save the table as CSV (comma separated) and try again.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _read_lines(text: TextIO, longest: int) -> Iterator[str]:
    try:
        while line := text.readline(longest + 1):
            if len(line) > longest:
                raise TableError(f"A line is longer than {longest:,} characters: this is no table of patients.")
            yield line
    except (UnicodeError, OSError) as error:
        raise TableError("The file could not be read to its end. Save it as CSV in UTF-8 and try again.") from error


def _skip_blank(lines: Iterator[str]) -> Iterator[str]:
    return (line for line in lines if line.strip(" \t\r\n,;|\ufeff"))


def _split_lines(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    """Split into cells, lines without any content left out.

    Raises
    ------
    TableError
        A quoted cell never ends or is too large.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            if any(row):
                yield row
    except csv.Error as error:
        raise TableError(
            f"Line {reader.line_num + 1} cannot be split into cells ({error}). Check its quotation marks."
        ) from error


def _read_header(line: str, schema: Schema, encoding: str, keep: tuple[str, ...], limits: TableLimits) -> TableHeader:
    known = {item.name for item in schema.fields} | {PATIENT_ID, *keep}
    delimiter = max(_DELIMITERS, key=lambda mark: sum(_split_head(cell)[0] in known for cell in _cells(line, mark)))
    cells = _cells(line, delimiter)
    if len(cells) > limits.max_columns:
        raise TableError(f"The file has {len(cells):,} columns; at most {limits.max_columns:,} are read.")
    names = [_split_head(cell) for cell in cells]
    _refuse_duplicates([name for name, _ in names if name in known])
    columns = {position: name for position, (name, _) in enumerate(names) if name in schema}
    if not columns:
        raise TableError(
            "The first line holds no field name of this condition. Its columns must be named like "
            f"{', '.join(item.name for item in schema.fields[:3])} (see: medcore conditions)."
        )
    positions = {name: position for position, (name, _) in enumerate(names)}
    absent = [name for name in keep if name not in positions]
    if absent:
        raise TableError(f"The column {absent[0]!r} is missing.", expected=absent[0])
    return TableHeader(
        columns=columns,
        units={name: _find_unit(schema[name], unit) for name, unit in names if name in schema},
        extra=tuple(cells[position].strip() for position, (name, _) in enumerate(names) if name not in known),
        missing=tuple(item.name for item in schema.fields if item.name not in positions),
        n_columns=len(cells),
        delimiter=delimiter,
        encoding=encoding,
        id_column=positions.get(PATIENT_ID),
        kept={name: positions[name] for name in keep},
        named_units=frozenset(name for name, unit in names if name in schema and unit is not None and unit.strip()),
    )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.strip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _split_head(cell: str) -> tuple[str, str | None]:
    match = _HEADER.match(cell.replace("\ufeff", ""))
    return (match["name"].lower(), match["unit"]) if match else (cell.strip().lower(), None)


def _refuse_duplicates(names: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise TableError(f"The column {twice[0]!r} stands twice in the header. Keep one.", field=twice[0])


def _find_unit(item: Field, unit: str | None) -> Unit:
    try:
        return item.find_unit(unit)
    except FieldError as error:
        raise TableError(
            f"The header names the unit {unit!r} for {item.name}. Known are: {', '.join(item.units) or 'none'}.",
            field=item.name,
            value=unit,
            expected=", ".join(item.units),
        ) from error


@dataclass(slots=True)
class _Draft:
    """A chunk in the making."""

    values: np.ndarray
    errors: dict[int, list[InputError]]
    qualifiers: dict[int, dict[str, str]]

    def fail(self, position: int, error: InputError) -> None:
        self.errors.setdefault(position, []).append(error)


def _read_chunk(
    schema: Schema,
    header: TableHeader,
    rows: list[list[str]],
    first_number: int,
    derive: Derive | None,
    limits: TableLimits,
) -> TableChunk:
    draft = _Draft(values=np.full((len(rows), len(schema.fields)), np.nan), errors={}, qualifiers={})
    bad = _check_shapes(rows, header, draft, limits)
    order = {item.name: j for j, item in enumerate(schema.fields)}
    blank = [""] * header.n_columns
    columns = list(zip(*(blank if i in bad else row[: header.n_columns] for i, row in enumerate(rows)), strict=True))
    for position, name in header.columns.items():
        _read_column(schema[name], header.units[name], columns[position], draft, order[name])
    derived = {} if derive is None else _derive_all(schema, draft, derive, bad)
    return TableChunk(
        schema=schema,
        first_number=first_number,
        ids=_read_ids(rows, header, first_number),
        values=draft.values,
        derived=derived,
        qualifiers=draft.qualifiers,
        errors={position: tuple(errors) for position, errors in draft.errors.items()},
        kept={
            name: tuple(row[position].strip() if position < len(row) else "" for row in rows)
            for name, position in header.kept.items()
        },
    )


def _check_shapes(rows: list[list[str]], header: TableHeader, draft: _Draft, limits: TableLimits) -> set[int]:
    """Refuse rows with another number of cells than the header, or with a huge cell."""
    bad = set()
    for i, row in enumerate(rows):
        surplus = len(row) - header.n_columns
        if surplus > 0 and any(cell.strip() for cell in row[header.n_columns :]):
            message = (
                f"The row has {len(row)} cells, the header {header.n_columns}. Is a decimal comma used with comma as "
                "separator?"
            )
        elif surplus < 0:
            message = f"The row has {len(row)} cells, the header {header.n_columns}: it is cut short."
        elif max(map(len, row)) > limits.max_cell_chars:
            message = f"A cell is longer than {limits.max_cell_chars:,} characters."
        else:
            continue
        bad.add(i)
        draft.fail(i, TableError(message))
    return bad


def _read_ids(rows: list[list[str]], header: TableHeader, first_number: int) -> tuple[str, ...]:
    column = header.id_column
    if column is None:
        return tuple(str(first_number + i) for i in range(len(rows)))
    return tuple(
        (row[column].strip()[:200] if column < len(row) else "") or str(first_number + i) for i, row in enumerate(rows)
    )


def _read_column(item: Field, unit: Unit, texts: Sequence[str], draft: _Draft, j: int) -> None:
    """Read one column: plain numbers at once, every other text through the form's parser."""
    odd = range(len(texts)) if item.kind is FieldKind.CHOICE else _read_plain(item, unit, texts, draft.values, j)
    memory: dict[str, tuple[float, str] | FieldError] = {}
    for i in odd:
        text = texts[i]
        if text not in memory:
            memory[text] = _read_cell(item, text, unit)
        result = memory[text]
        if isinstance(result, FieldError):
            draft.fail(i, result)
            continue
        draft.values[i, j] = result[0]
        if result[1]:
            draft.qualifiers.setdefault(i, {})[item.name] = result[1]


def _read_cell(item: Field, text: str, unit: Unit) -> tuple[float, str] | FieldError:
    try:
        parsed = parse_value(item, text, unit.symbol)
    except FieldError as error:
        return error
    return (np.nan, "") if parsed is None else (parsed.value, parsed.qualifier)


def _read_plain(item: Field, unit: Unit, texts: Sequence[str], values: np.ndarray, j: int) -> list[int]:
    """Write all plain in-range numbers into the column; return the positions that need a closer look."""
    filled = [i for i, text in enumerate(texts) if text]
    if unit.convert is not None:
        return filled
    where, numbers = _parse_plain(filled, texts)
    converted = numbers * unit.factor + unit.offset
    lo, hi = item.possible or (-np.inf, np.inf)
    inside = (converted >= lo) & (converted <= hi) & np.isfinite(converted)
    done = np.asarray(where, dtype=np.intp)[inside]
    capped = converted if item.top_code is None else np.minimum(converted, item.top_code)
    values[done, j] = capped[inside] + 0.0
    if len(done) == len(filled):
        return []
    return sorted(set(filled) - set(done.tolist()))


def _parse_plain(filled: list[int], texts: Sequence[str]) -> tuple[list[int], np.ndarray]:
    """Return positions and numbers of the cells that hold digits, sign and point only."""
    cells = [texts[i] for i in filled]
    try:
        if not "".join(cells).encode("ascii").translate(None, _PLAIN_CHARS):
            return filled, np.array(list(map(float, cells)), dtype=np.float64)
    except (UnicodeEncodeError, ValueError):
        pass  # a few cells are odd: look at each
    where = [i for i in filled if _PLAIN.fullmatch(texts[i])]
    return where, np.array([float(texts[i].replace(",", ".")) for i in where], dtype=np.float64)


def _derive_all(schema: Schema, draft: _Draft, derive: Derive, bad: set[int]) -> dict[int, frozenset[str]]:
    """Fill computed values that were not entered; a computed value out of range is the row's error."""
    order = {item.name: j for j, item in enumerate(schema.fields)}
    names = list(order)
    derived: dict[int, frozenset[str]] = {}
    for i, row in enumerate(draft.values.tolist()):
        if i in bad:
            continue
        known = {name: value for name, value in zip(names, row, strict=True) if value == value}
        new = {name: value for name, value in derive(known).items() if name not in known}
        if not new:
            continue
        for name, value in new.items():
            try:
                draft.values[i, order[name]] = cap_value(schema[name], check_possible(schema[name], value))
            except OutOfRangeError as error:
                draft.fail(i, error)
        derived[i] = frozenset(new)
    return derived
