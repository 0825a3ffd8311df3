"""What medcore is told about a patient: fields with units and ranges, and how text becomes values."""

from medcore.records.fields import Choice, Field, FieldKind, Role, Schema, Unit
from medcore.records.reading import (
    PatientRecord,
    Reading,
    UnitQuestion,
    parse_value,
    read_record,
)

__all__ = [
    "Choice",
    "Field",
    "FieldKind",
    "PatientRecord",
    "Reading",
    "Role",
    "Schema",
    "Unit",
    "UnitQuestion",
    "parse_value",
    "read_record",
]
