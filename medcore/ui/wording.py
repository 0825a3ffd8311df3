"""Numbers and values in the words of the pages. Pure text, no Streamlit, no HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date

from medcore.records import Field, FieldKind, PatientRecord
from medcore.results import Interval, MissingValueGain, ModelFacts, Prediction, whole_percent

__all__ = [
    "RANGE_MEANING",
    "TOO_WIDE",
    "as_sentence",
    "describe_value",
    "escape_markdown",
    "is_too_wide",
    "list_words",
    "lower_first",
    "write_copy_text",
    "write_gain",
    "write_percent",
    "write_points",
    "write_range",
    "write_unit",
    "write_usual",
]

TOO_WIDE = "too wide to tell low from high"
RANGE_MEANING = (
    "90 % range: how far the estimate moves when the model is rebuilt from resampled patients. "
    "It does not cover a hospital unlike the study's."
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$:<>^-])")
_WIDE = 0.30
_MANY_BLANKS = 8
_PRETTY_UNITS = {"C": "°C", "F": "°F", "px2": "px²", "kg/m2": "kg/m²", "day": ""}


def write_percent(p: float) -> str:
    """Write a probability as a whole per cent: ``"41 %"``, ``"< 1 %"``, ``"> 99 %"``."""
    return f"{_whole(p)} %"


def write_range(interval: Interval) -> str:
    """Write both ends: ``"33–50 %"``; one text where both ends read the same."""
    lo, hi = _whole(interval.lo), _whole(interval.hi)
    if lo == hi:
        return f"{lo} %"
    joint = "–" if lo.isdigit() and hi.isdigit() else " to "
    return f"{lo}{joint}{hi} %"


def is_too_wide(interval: Interval) -> bool:
    """Whether the range spans more than 30 percentage points."""
    return interval.hi - interval.lo > _WIDE


def write_points(change: float) -> str:
    """Write a change of probability in percentage points with its sign: ``"+9"``, ``"−4"``, ``"0"``."""
    whole = _round(100 * abs(change))
    if whole == 0:
        return "0"
    return f"{'+' if change > 0 else '−'}{whole}"


def describe_value(item: Field, record: PatientRecord, marks: Mapping[str, str]) -> str:
    """Write a known value with unit, mark and how it came about; ``"not entered"`` for a blank."""
    value = record.values.get(item.name)
    if value is None:
        return "not entered"
    text = item.format(value)
    if item.unit in _PRETTY_UNITS:
        text = (text.removesuffix(item.unit) + write_unit(item.unit)).rstrip()
    parts = [record.qualifiers.get(item.name, "") + text, marks.get(item.name, "")]
    if item.name in record.derived:
        parts.append("(derived)")
    return " ".join(part for part in parts if part)


def write_unit(unit: str) -> str:
    """Write a unit as people print it: ``"°C"``, ``"kg/m²"``."""
    return _PRETTY_UNITS.get(unit, unit)


def write_usual(item: Field, sex: str | None, unit: str) -> str:
    """Write the usual range, ``"135–145"``, ``"< 200"`` or nothing (other unit, or it depends on a sex not given)."""
    lo, hi = item.usual_for(sex)
    depends = bool(item.usual_by_sex) and sex is None
    if item.kind is FieldKind.CHOICE or depends or (unit and unit != item.unit):
        return ""
    if lo is not None and hi is not None:
        return f"{lo:g}–{hi:g}"
    if hi is not None:
        return f"< {hi:g}"
    return f"≥ {lo:g}" if lo is not None else ""


def write_gain(gain: MissingValueGain, label: str, p: float) -> str:
    """Write what knowing a blank field could do: ``"albumin (41 → 36–47 %)"``."""
    ends = write_range(Interval(lo=min(gain.p_lo, gain.p_hi), hi=max(gain.p_lo, gain.p_hi)))
    return f"{lower_first(label)} ({_whole(p)} → {ends})"


def write_copy_text(
    prediction: Prediction, facts: ModelFacts, outcome: str, blanks: Iterable[str], today: date, *, caution: str = ""
) -> str:
    """Write the line for the patient's notes: the result never leaves the page without its ``caution``.

    Holds no input value, apart from one that is itself the reason of a caution.
    """
    head = f"Medcore {prediction.condition} v{facts.version} ({prediction.sha256[:6]}) {today.isoformat()}:"
    if prediction.p_calibrated is None or prediction.interval is None:
        body, caution = "no score.", ""
    else:
        ends = write_range(prediction.interval).removesuffix(" %").replace("–", "-")
        body = f"{outcome} {write_percent(prediction.p_calibrated)} (90 % range {ends})."
    reasons = " ".join(reason.text for reason in prediction.applicability.reasons)
    state = f"State: {prediction.status}{f': {reasons}' if reasons else '.'}"
    known = f"{prediction.applicability.n_known}/{prediction.applicability.n_fields} fields"
    missing = list_words(blanks)
    fields = f"{known}; not entered: {missing}." if missing else f"{known}."
    return " ".join(filter(None, (head, body, state, fields, caution, "Decision support, not a diagnosis.")))


def list_words(words: Iterable[str], limit: int = _MANY_BLANKS) -> str:
    """Join with commas, the rest counted: ``"albumin, urea and 3 more"``."""
    items = list(words)
    shown = ", ".join(items[:limit])
    rest = len(items) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown


def lower_first(text: str) -> str:
    """Lower the first letter unless the word is an abbreviation or holds a capital or digit (``PaO2``, ``ST``)."""
    word = text.split(" ", 1)[0]
    if len(word) > 1 and word[1:] == word[1:].lower() and word.isalpha():
        return text[:1].lower() + text[1:]
    return text


def _whole(p: float) -> str:
    return whole_percent(p) if math.isfinite(p) else "?"


def _round(value: float) -> int:
    return math.floor(value + 0.5)


def as_sentence(message: str) -> str:
    """Write a message with a capital and a full stop: ``"the bundle is broken"`` -> ``"The bundle is broken."``."""
    text = message.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def escape_markdown(text: str) -> str:
    """Escape Markdown so that a label reads as written."""
    return _MARKDOWN.sub(r"\\\1", text)
