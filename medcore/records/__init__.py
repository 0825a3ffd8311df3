"""What medcore is told about a patient: fields with units and ranges, and how text becomes values."""

from medcore.records.fields import Choice, Field, FieldKind, Role, Schema, Unit
from medcore.records.paste import PastedValue, PasteResult, read_paste
from medcore.records.reading import (
    PatientRecord,
    Reading,
    UnitQuestion,
    find_unit_question,
    parse_value,
    read_record,
)
from medcore.records.tables import TableChunk, TableHeader, TableLimits, TableRow, escape_formula, open_table

__all__ = [
    "Choice",
    "Field",
    "FieldKind",
    "PasteResult",
    "PastedValue",
    "PatientRecord",
    "Reading",
    "Role",
    "Schema",
    "TableChunk",
    "TableHeader",
    "TableLimits",
    "TableRow",
    "Unit",
    "UnitQuestion",
    "escape_formula",
    "find_unit_question",
    "open_table",
    "parse_value",
    "read_paste",
    "read_record",
]
