"""Free laboratory text to form values: ``"Na 128  Crea 190 umol/l  BP 92/50"``.

Only what is certain is taken: a known name, a number, and either no unit or a known one. Everything
else is handed back as ignored; a name followed by an unknown unit is ignored, not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from medcore.errors import MedcoreError
from medcore.records import Field, FieldKind

__all__ = ["Pasted", "parse_text"]

MAX_CHARS = 4000
_NUMBER = r"[<>≤≥]?\s*[+-]?\d+(?:[.,]\d+)?"
_PRESSURE = re.compile(
    r"(?<!\w)(?:BP|NIBP|blood pressure)\s*[:=]?\s*(\d{2,3})\s*/\s*(\d{2,3})(?:\s*mmHg)?(?!\w)", re.IGNORECASE
)
_UNIT = re.compile(r"\s*((?:[x×]\s*)?10\^?[93]\s*/\s*[µu]?L|/\s*(?:min|[µu]L)|[A-Za-zµ%°][^\s,;]*)", re.IGNORECASE)
#: Words that can only be units; a bare L or H after a value is a laboratory's mark, not litres or hours.
_UNIT_WORDS = frozenset(
    ["mmhg", "kpa", "mg", "g", "mmol", "umol", "µmol", "nmol", "meq", "ml", "dl", "lb", "lbs", "kg", "cm", "mm", "mv"]
)
_SEPARATORS = re.compile(r"[\s,;|]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """Values and units by field, and the pieces of text that were not understood."""

    values: dict[str, str]
    units: dict[str, str]
    ignored: tuple[str, ...]


def parse_text(text: str, fields: Iterable[Field]) -> Pasted:
    """Read what is certain in ``text``; the first mention of a field wins, later ones are ignored."""
    source = unicodedata.normalize("NFKC", text[:MAX_CHARS]).replace("μ", "µ").replace("\n", " ; ")
    form = [item for item in fields if item.in_form]
    values: dict[str, str] = {}
    units: dict[str, str] = {}
    source = _take_pressure(source, form, values)
    names = {name.lower(): item for item in reversed(form) for name in _names(item)}
    left: list[str] = []
    end = 0
    for match in _name_pattern(names).finditer(source):
        if match.start() < end:
            continue
        item = names[re.sub(r"\s+", " ", match["name"].lower())]
        stop = _take(item, source, match.end(), names, values, units)
        if stop is None:
            continue
        left.append(source[end : match.start()])
        end = stop
    left.append(source[end:])
    return Pasted(values=values, units=units, ignored=_pieces(left))


def _names(item: Field) -> set[str]:
    return {item.name, item.label, *item.paste_names}


def _name_pattern(names: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    either = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in longest_first)
    return re.compile(rf"(?<![\w/])(?P<name>{either or '(?!)'})(?!\w)\s*[:=]?\s*", re.IGNORECASE)


def _take(
    item: Field, source: str, start: int, names: dict[str, Field], values: dict[str, str], units: dict[str, str]
) -> int | None:
    """Read the value of ``item`` at ``start``; return where it ends, None when there is none to be sure of."""
    if item.name in values:
        return None
    if item.kind is FieldKind.CHOICE:
        return _take_choice(item, source, start, values)
    number = re.compile(_NUMBER + r"(?![\d.,]*\d)").match(source, start)
    if number is None:
        return None
    unit, stop = _take_unit(item, source, number.end(), names)
    if unit is None:
        return None
    values[item.name] = number[0].replace(" ", "")
    if unit:
        units[item.name] = unit
    return stop


def _take_unit(item: Field, source: str, start: int, names: dict[str, Field]) -> tuple[str | None, int]:
    """Return the unit's symbol (empty = none given, None = a unit this field does not know) and where it ends."""
    found = _UNIT.match(source, start)
    if found is None:
        return "", start
    try:
        return item.find_unit(found[1].lstrip("xX× ")).symbol, found.end()
    except MedcoreError:
        pass
    if _name_pattern(names).match(source, found.start(1)):
        return "", start
    unknown = "/" in found[1] or "%" in found[1] or found[1].lower() in _UNIT_WORDS
    return (None if unknown else ""), start


def _take_choice(item: Field, source: str, start: int, values: dict[str, str]) -> int | None:
    options = {
        name.lower(): choice.word
        for choice in item.choices
        for name in (choice.word, choice.label, *choice.aliases)
        if not name.isdigit()
    }
    longest_first = sorted(options, key=len, reverse=True)
    either = "|".join(re.escape(name) for name in longest_first)
    match = re.compile(rf"({either or '(?!)'})(?!\w)", re.IGNORECASE).match(source, start)
    if match is None:
        return None
    values[item.name] = options[match[1].lower()]
    return match.end()


def _take_pressure(source: str, form: list[Field], values: dict[str, str]) -> str:
    known = {item.name for item in form}
    match = _PRESSURE.search(source)
    if match is None or not {"systolic_mmhg", "diastolic_mmhg"} & known:
        return source
    for name, text in (("systolic_mmhg", match[1]), ("diastolic_mmhg", match[2])):
        if name in known:
            values[name] = text
    return source[: match.start()] + " ; " + source[match.end() :]


def _pieces(left: Iterable[str]) -> tuple[str, ...]:
    pieces: list[str] = []
    for part in left:
        for piece in re.split(r"[;\n|]|\s{2,}", part):
            cleaned = _SEPARATORS.sub(" ", piece).strip(" .,:")
            if cleaned:
                pieces.append(cleaned)
    return tuple(pieces)
