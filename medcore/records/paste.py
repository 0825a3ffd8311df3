"""Free laboratory text, as pasted from a chart, split into fields. Nothing is converted and nothing guessed.

``Na 128  Crea 190 umol/l  K 4,1  BP 120/70, HR: 95/min`` gives the fields it names, in the order of
the text, and the snippets that mean nothing here. What cannot be read without a guess is ignored and
shown as such: a name with an unknown word before it ("urine Na 20", "LDL chol 120"), a range, a value
given twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from medcore.errors import FieldError
from medcore.records.fields import Field, FieldKind, Schema

__all__ = ["PasteResult", "PastedValue", "read_paste"]

MAX_CHARS = 20_000

_NUMBER = (
    r"(?P<sign>[<>≤≥]=?\s*)?(?P<number>[+-]?\d+(?:[.,]\d+)*)(?:\s*/\s*(?P<second>\d+(?:[.,]\d+)?)(?![\d/]|[.,]\d))?"
)
_SEPARATOR = r"\s*(?:[:=]|\bis\b|\bof\b)?\s*"
# Two words of a name stand one or two blanks apart at most, on one line.
_NAME = r"(?P<unknown>[^\W\d_][\w./+%²₂'-]{0,40}(?:[ ](?!\s)[^\W\d_][\w./+%²₂'-]{0,40}){0,5}?)"
_RANGE_FOLLOWS = re.compile(r"\s*(?:-|–|to\b|bis\b)\s*\d")
# A unit-like word right after a value that no field of this form uses.
_FOREIGN_UNIT = re.compile(
    r"\s*(?:[µumnkp]?(?:mol|eq|osm|g|l|u|iu|cal|kat)/(?:l|dl|ml|h|hr|d|day|min|kg|24h)|[mk]?l/min|mosm/kg|mm/h|ng|pg)(?![\w/])",
    re.IGNORECASE,
)
_PLAIN_UNIT = re.compile(r"\s?(?:%|mmhg|kpa|/min|bpm|ml|cm|kg|sec|s|l)(?![\w/])", re.IGNORECASE)
# "L" and "s" are left out: after a value they are as often a mark (low) or a word.
_FOREIGN_PLAIN_UNIT = re.compile(r"\s?(?:%|mmhg|kpa|ml|cm|kg)(?![\w/])", re.IGNORECASE)
_RANGE_REST = re.compile(r"\s*(?:-|–|to\b|bis\b)\s*\d+(?:[.,]\d+)?")
# Words that may stand before a name without changing what it means.
_HARMLESS_WORDS = """
    serum plasma s p blood lab labs result results vitals vital today now current latest admission patient pt has had
    with and the his her on at a arterial abg resting level total
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_PRESSURES = frozenset({"bp", "nibp", "abp", "blood pressure", "art bp", "rr", "pressure"})
_PRESSURE_FIELDS = ("systolic_mmhg", "diastolic_mmhg")
_AGE = re.compile(
    r"(?<![\w.,/])(?P<value>\d{1,3})\s*-?\s*(?:yo|y/o|y\.o\.|yrs?\s*old|years?\s*old|years?[- ]old)(?!\w)",
    re.IGNORECASE,
)
_SEX = re.compile(r"(?<![\w-])(?P<value>female|male)(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedValue:
    """One understood value: the field, its text as a form would take it, and the unit if one was written."""

    field: str
    text: str
    unit: str | None
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PasteResult:
    """What a pasted text holds: understood values and snippets left aside."""

    understood: tuple[PastedValue, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Hit:
    """Values found at one place of the text, or none where the snippet means nothing here."""

    start: int
    end: int
    values: tuple[PastedValue, ...]


def read_paste(schema: Schema, text: str) -> PasteResult:
    """Read free text.

    Parameters
    ----------
    schema : Schema
        The form; fields with ``in_form=False`` are not filled from text.
    text : str
        At most 20,000 characters are read.

    Returns
    -------
    PasteResult
        Values are texts, not yet validated: they go through the same parsing as typed ones, which also asks
        where a value without a unit would be ordinary in another one.

    Examples
    --------
    >>> from medcore.records import Field, Schema
    >>> sodium = Field(name="sodium", label="Sodium", group="Labs", unit="mmol/L", paste_names=("na",))
    >>> result = read_paste(Schema((sodium,)), "Na 128  K 4,1")
    >>> result.understood[0].text, result.ignored
    ('128', ('K 4,1',))
    """
    clean = unicodedata.normalize("NFKC", text[:MAX_CHARS]).replace("−", "-").replace("μ", "µ")
    reader = _Reader(schema)
    hits = reader.scan(clean)
    understood, repeated = _drop_contradictions(value for hit in hits for value in hit.values)
    ignored = [clean[hit.start : hit.end].strip() for hit in hits if not hit.values]
    return PasteResult(
        understood=understood,
        ignored=tuple(dict.fromkeys([*ignored, *repeated])),
    )


class _Reader:
    """The names and units of one form, compiled."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.fields = [item for item in schema.fields if item.in_form]
        self.names = _collect_names(self.fields)
        known = "|".join(_pattern(name) for name in sorted({*self.names, *_PRESSURES}, key=len, reverse=True))
        self.numbers = re.compile(
            rf"(?<![\w.])(?:(?P<name>{known}){_SEPARATOR}|{_NAME}(?:\s*[:=]\s*|\s+)){_NUMBER}", re.IGNORECASE
        )
        self.words = re.compile(
            rf"(?<![\w.])(?P<name>{known})\s*[:=]?\s*(?P<word>[^\W\d_][\w'-]*(?:[ /-][^\W\d_][\w'-]*){{0,4}})",
            re.IGNORECASE,
        )

    def scan(self, text: str) -> list[_Hit]:
        """Find values from left to right; no part of the text is used twice."""
        hits = self._scan_choices(text)
        hits += self._scan_bare(text, hits)
        position = 0
        while match := self.numbers.search(text, position):
            overlap = [hit.end for hit in hits if hit.start < match.end() and match.start() < hit.end]
            if overlap:
                position = max(overlap)
                continue
            hit = self._read_number(text, match)
            hits.append(hit)
            position = max(hit.end, match.start() + 1)
        return sorted(hits, key=lambda hit: hit.start)

    def _scan_choices(self, text: str) -> list[_Hit]:
        hits: list[_Hit] = []
        for match in self.words.finditer(text):
            item = self.names.get(_key(match["name"]))
            if (
                item is None
                or item.kind is not FieldKind.CHOICE
                or _last_word(text, match.start()) not in ("", *_HARMLESS)
            ):
                continue
            found = _find_choice(item, match["word"])
            if found is None:
                continue
            word, length = found
            end = match.start("word") + length
            value = PastedValue(field=item.name, text=word, unit=None, snippet=text[match.start() : end])
            hits.append(_Hit(match.start(), end, (value,)))
        return hits

    def _scan_bare(self, text: str, taken: Iterable[_Hit]) -> list[_Hit]:
        """Read "58 yo" and "male": the value stands without the field's name here."""
        spans = [(hit.start, hit.end) for hit in taken]
        found = []
        for name, pattern in (("age_years", _AGE), ("sex", _SEX)):
            if name not in self.schema:
                continue
            for match in pattern.finditer(text):
                if any(start < match.end() and match.start() < end for start, end in spans):
                    continue
                value = PastedValue(field=name, text=match["value"].lower(), unit=None, snippet=match.group())
                found.append(_Hit(match.start(), match.end(), (value,)))
        return found

    def _read_number(self, text: str, match: re.Match[str]) -> _Hit:
        ignored = _Hit(match.start(), _end_of_ignored(text, match.end()), ())
        name = self._resolve_name(match)
        if name is None or _RANGE_FOLLOWS.match(text, match.end()):
            return ignored
        if match["second"] is not None:
            return self._read_pair(text, match, name) or ignored
        item = self.names.get(name)
        if item is None:
            return ignored
        unit, end = _read_unit(item, text, match.end(), name)
        if unit is None and (not _ends_cleanly(text, end) or _names_in_units(item, name)):
            return ignored
        value = PastedValue(
            field=item.name,
            text=f"{(match['sign'] or '').strip()}{match['number']}",
            unit=unit,
            snippet=text[match.start() : end].strip(),
        )
        return _Hit(match.start(), end, (value,))

    def _resolve_name(self, match: re.Match[str]) -> str | None:
        """Known name, allowing harmless words before it; None where any other word stands there."""
        if match["name"] is not None:
            return _key(match["name"])
        words = _key(match["unknown"]).split(" ")
        for first in range(1, len(words)):
            name = " ".join(words[first:])
            if (name in self.names or name in _PRESSURES) and set(words[:first]) <= _HARMLESS:
                return name
        return None

    def _read_pair(self, text: str, match: re.Match[str], name: str) -> _Hit | None:
        """Read ``120/70``: systolic and diastolic pressure, of which a form may have the first only."""
        item = self.names.get(name)
        is_pressure = name in _PRESSURES or (item is not None and item.name == "systolic_mmhg")
        wanted = [field for field in _PRESSURE_FIELDS if field in self.schema]
        if not is_pressure or not wanted:
            return None
        unit, end = _read_unit(self.schema[wanted[0]], text, match.end(), name)
        if unit is None and not _ends_cleanly(text, end):
            return None
        texts = dict(zip(_PRESSURE_FIELDS, (match["number"], match["second"]), strict=True))
        snippet = text[match.start() : end].strip()
        values = [PastedValue(field=field, text=texts[field], unit=unit, snippet=snippet) for field in wanted]
        return _Hit(match.start(), end, tuple(values))


def _end_of_ignored(text: str, end: int) -> int:
    """Take the rest of a range and the unit into an ignored snippet, so that it reads as it was written."""
    rest = _RANGE_REST.match(text, end)
    end = rest.end() if rest else end
    unit = _FOREIGN_UNIT.match(text, end) or _PLAIN_UNIT.match(text, end)
    return unit.end() if unit else end


def _collect_names(fields: Iterable[Field]) -> dict[str, Field]:
    """Names of the fields; a name that two fields claim belongs to neither."""
    claims: dict[str, set[str]] = {}
    by_name = {item.name: item for item in fields}
    for item in by_name.values():
        for name in (item.name, item.label, *item.paste_names):
            claims.setdefault(_key(name), set()).add(item.name)
    return {name: by_name[next(iter(owners))] for name, owners in claims.items() if len(owners) == 1}


def _key(name: str) -> str:
    return re.sub(r"\s+", " ", name.strip().lower())


def _pattern(name: str) -> str:
    return r"\s+".join(re.escape(word) for word in name.split(" ")) + (r"(?![^\W\d_])" if name[-1].isalpha() else "")


def _last_word(text: str, end: int) -> str:
    """Return the word right before a position, on the same line and without a separator between."""
    match = re.search(r"(?P<number>\d\s?)?(?P<word>[^\W\d_][\w'/%-]*)[ ]$", text[:end])
    return "" if match is None or match["number"] else match["word"].lower()


def _find_choice(item: Field, words: str) -> tuple[str, int] | None:
    """Return the longest start of ``words`` that is a choice, and its length in characters."""
    ends = [match.end() for match in re.finditer(r"[\w']+(?=$|[ /-])", words)]
    for end in reversed(ends):
        try:
            return item.find_choice(words[:end]).word, end
        except FieldError:
            continue
    return None


def _read_unit(item: Field, text: str, start: int, name: str) -> tuple[str | None, int]:
    """Return the longest unit of the field at a position, and where the text goes on.

    A unit may carry the analyte ("mmol/L urea"): where the text names that analyte, only such units fit.
    """
    rest = text[start : start + 24].replace("µ", "u")
    best: tuple[str | None, int] = (None, start)
    for written, unit in _names_in_units(item, name) or _written_units(item):
        pattern = r"\s*".join(re.escape(char) for char in written.replace("µ", "u") if char != " ")
        match = re.match(rf"\s*{pattern}(?![\w/^])", rest, re.IGNORECASE)
        if match and start + match.end() > best[1]:
            best = (unit, start + match.end())
    return best


def _written_units(item: Field) -> list[tuple[str, str]]:
    if not item.unit:
        own = [(alias, "") for alias in item.unit_aliases]
        return own + [(name, unit.symbol) for unit in item.other_units for name in (unit.symbol, *unit.aliases)]
    return [(name, unit) for unit in item.units for name in (unit, *_unit_names(item, unit))]


def _names_in_units(item: Field, name: str) -> list[tuple[str, str]]:
    suffix = f" {name}"
    return [(unit.removesuffix(suffix), unit) for unit in item.units if unit.endswith(suffix)]


def _unit_names(item: Field, symbol: str) -> tuple[str, ...]:
    if symbol == item.unit:
        return item.unit_aliases
    return next(unit.aliases for unit in item.other_units if unit.symbol == symbol)


def _ends_cleanly(text: str, end: int) -> bool:
    """Whether what follows a value without unit is no unit of something else and no part of a number."""
    if _FOREIGN_UNIT.match(text, end) or _FOREIGN_PLAIN_UNIT.match(text, end):
        return False
    rest = text[end : end + 1]
    return not rest or not (rest.isalnum() or rest in "/%_")


def _drop_contradictions(values: Iterable[PastedValue]) -> tuple[tuple[PastedValue, ...], list[str]]:
    """Keep one of equal repeats; a field given two different values is taken from neither."""
    by_field: dict[str, list[PastedValue]] = {}
    for value in values:
        by_field.setdefault(value.field, []).append(value)
    kept, repeated = [], []
    for same in by_field.values():
        if len({(value.text.replace(",", "."), value.unit) for value in same}) == 1:
            kept.append(same[0])
        else:
            repeated += [f"{value.snippet} (given twice)" for value in same]
    return tuple(kept), repeated
