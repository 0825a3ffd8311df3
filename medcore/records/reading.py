"""From what was typed to a validated :class:`PatientRecord`: numbers, units, choices and ranges.

Nothing is guessed: a value that looks like another unit becomes a :class:`UnitQuestion`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from medcore.errors import FieldError, NotANumberError, OutOfRangeError
from medcore.records.fields import Field, FieldKind, Schema, Unit

__all__ = [
    "ParsedValue",
    "PatientRecord",
    "Reading",
    "UnitQuestion",
    "cap_value",
    "check_possible",
    "find_unit_question",
    "is_blank",
    "parse_value",
    "read_record",
]

_BLANK_WORDS = frozenset({"", "na", "n/a", "nan", "none", "null", "unknown", "?", "-", "--"})
_NUMBER = re.compile(r"^(?P<sign>[<>≤≥]=?)?\s*(?P<number>[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?)$")
# 1,234 is 1234 to one reader and 1.234 to another: never guess. 0,123 has one meaning.
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_RANGE_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedValue:
    """A value in the field's own unit; ``qualifier`` is ``"<"``, ``">"`` or ``""`` as typed."""

    value: float
    qualifier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRecord:
    """One patient as the models see it: known values in canonical units, choices as codes.

    ``qualifiers`` keeps ``<`` and ``>`` of values at a detection limit; ``derived`` names fields
    that were computed from others. A blank field is simply absent.
    """

    values: Mapping[str, float]
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()
    patient_id: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        object.__setattr__(self, "qualifiers", MappingProxyType(dict(self.qualifiers)))

    def to_row(self, schema: Schema) -> np.ndarray:
        """Return the model's input row, shape (n_inputs,), float64, NaN where blank."""
        return np.array([self.values.get(name, math.nan) for name in schema.input_names], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of a set of typed values: the record of all usable ones, and what was wrong."""

    record: PatientRecord
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitQuestion:
    """A value that is not seen in its unit but would be ordinary in another one: ask, never convert."""

    field: str
    value: float
    unit: str
    other_unit: str
    converted: float
    text: str


def parse_value(item: Field, text: str | float | None, unit: str | None = None) -> ParsedValue | None:
    """Turn what was typed for one field into a value in the field's own unit.

    Accepts ``5,4``, ``5.4``, ``<0.2`` (taken at the limit and marked), full-width digits and spaces
    around; a blank, ``NA``, ``?`` or ``unknown`` means not known and gives None.

    Raises
    ------
    NotANumberError, UnknownUnitError, UnknownChoiceError, OutOfRangeError
        Each names the field, the value, what is possible, and the unit.
    """
    cleaned = _clean(text)
    if is_blank(item, cleaned):
        return None
    if item.kind is FieldKind.CHOICE:
        return ParsedValue(value=float(item.find_choice(cleaned).code))
    chosen = item.find_unit(unit)
    sign, number = _split_number(item, cleaned)
    value = _convert(chosen, number)
    value = check_possible(item, value, shown=cleaned, unit=chosen.symbol)
    return ParsedValue(value=cap_value(item, value) + 0.0, qualifier=sign)


def is_blank(item: Field, text: str) -> bool:
    """Whether a cleaned text means "not known" in this field; ``none`` can be an answer of a choice."""
    word = text.lower()
    if word not in _BLANK_WORDS:
        return False
    return not (word and any(word in {choice.word, *choice.aliases} for choice in item.choices))


def cap_value(item: Field, value: float) -> float:
    """Return the value, or the field's ``top_code`` where that is lower."""
    return value if item.top_code is None else min(value, item.top_code)


def check_possible(item: Field, value: float, *, shown: str | None = None, unit: str | None = None) -> float:
    """Return ``value`` if it lies in the field's possible range.

    Raises
    ------
    OutOfRangeError
        It does not, or is not finite.
    """
    if item.possible is None:
        lo, hi = -math.inf, math.inf
    else:
        lo, hi = item.possible
    slack = _RANGE_SLACK * max(1.0, abs(value)) if math.isfinite(value) else 0.0
    if math.isfinite(value) and lo - slack <= value <= hi + slack:
        return min(max(value, lo), hi)
    shown = f"{value:g}" if shown is None else shown
    unit = item.unit if unit is None else unit
    raise OutOfRangeError(
        f"{item.label} {f'{shown} {unit}'.strip()}: possible values are {lo:g} to {hi:g} {item.unit}".rstrip()
        + f". {_suggest_unit(item, value, unit)}",
        field=item.name,
        value=shown,
        expected=f"{lo:g} to {hi:g} {item.unit}".strip(),
    )


def read_record(
    schema: Schema,
    raw: Mapping[str, str | float | None],
    units: Mapping[str, str] | None = None,
    patient_id: str | None = None,
) -> Reading:
    """Read all typed values of one patient. Errors are collected, the usable values kept.

    Keys of ``raw`` that are not fields of the schema are ignored. ``units`` names the unit of a
    field where it is not its own.
    """
    units = units or {}
    values: dict[str, float] = {}
    qualifiers: dict[str, str] = {}
    errors: list[FieldError] = []
    for item in schema.fields:
        try:
            parsed = parse_value(item, raw.get(item.name), units.get(item.name))
        except FieldError as error:
            errors.append(error)
            continue
        if parsed is None:
            continue
        values[item.name] = parsed.value
        if parsed.qualifier:
            qualifiers[item.name] = parsed.qualifier
    record = PatientRecord(values=values, qualifiers=qualifiers, patient_id=patient_id)
    return Reading(record=record, errors=tuple(errors))


def find_unit_question(
    item: Field, text: str | float | None, unit: str | None, studied: tuple[float, float]
) -> UnitQuestion | None:
    """Ask about a likely unit mix-up: the number lies outside ``studied`` but inside it in another unit.

    Asked before the possible range blocks; the value itself is never changed here.
    """
    try:
        _, number = _split_number(item, _clean(text))
        current = item.find_unit(unit)
    except FieldError:
        return None
    lo, hi = studied
    if lo <= _convert(current, number) <= hi:
        return None
    for symbol in item.units:
        other = item.find_unit(symbol)
        if other.symbol == current.symbol:
            continue
        converted = _convert(other, number)
        if lo <= converted <= hi:
            return UnitQuestion(
                field=item.name,
                value=number,
                unit=current.symbol,
                other_unit=other.symbol,
                converted=converted,
                text=(
                    f"{item.label} {number:g} {current.symbol} is not seen. "
                    f"Did you mean {number:g} {other.symbol} ({item.format(converted)})?"
                ),
            )
    return None


def _suggest_unit(item: Field, value: float, unit: str) -> str:
    if unit == item.unit and math.isfinite(value) and item.possible is not None:
        lo, hi = item.possible
        for other in item.other_units:
            if lo <= _convert(other, value) <= hi:
                return f"Check the decimal and the unit: is it {other.symbol}?"
    return "Check the decimal and the unit."


def _convert(unit: Unit, number: float) -> float:
    try:
        return unit.to_canonical(number)
    except (ValueError, OverflowError, ZeroDivisionError):
        return math.nan


def _clean(text: str | float | None) -> str:
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return ""
    return unicodedata.normalize("NFKC", str(text)).replace("−", "-").strip()


def _split_number(item: Field, text: str) -> tuple[str, float]:
    match = _NUMBER.match(text)
    if match is not None and _THOUSANDS.fullmatch(match["number"]):
        plain = match["number"].replace(",", "")
        raise NotANumberError(
            f"{item.label}: {text!r} can mean {plain} or {match['number'].replace(',', '.')}. "
            "Type it with a decimal point, or without a separator.",
            field=item.name,
            value=text,
            expected="a number without a thousands separator",
        )
    number = float(match["number"].replace(",", ".")) if match else math.nan
    if match is None or not math.isfinite(number):
        raise NotANumberError(
            f"{item.label}: {text!r} is not a number. Type for example 5.4 or <0.2, or leave it blank.",
            field=item.name,
            value=text,
            expected=f"a number in {item.unit}" if item.unit else "a number",
        )
    sign = (match["sign"] or "")[:1].replace("≤", "<").replace("≥", ">")
    return sign, number + 0.0
