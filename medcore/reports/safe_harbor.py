"""De-identification of a case file by the Safe Harbor method: 45 CFR 164.514(b)(2), its 18 identifiers as a table.

One table names **every** fact of a case file and what happens to it; a fact without a row stops the export, so that a
new fact cannot slip through. The other condition of the rule, no actual knowledge that what remains could identify
the person, is a judgement that stays with whoever hands the file on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import get_args, get_type_hints

from medcore.errors import InputError
from medcore.figures.bars import Bar
from medcore.reports.case_file import (
    CaseFile,
    CaseFilm,
    CaseInput,
    CasePatient,
    CaseReader,
    CaseRisk,
)

__all__ = ["IDENTIFIERS", "OLDEST_YEARS", "TABLE", "Action", "deidentify", "list_facts"]

OLDEST_YEARS = 89
"""Ages above it become one group, 90 or over."""

_AGE_FIELDS = frozenset({"age_years"})
_ELDERLY = "90 years or over"
_AGE_WORDS = re.compile(r"\b(age[ds]?|years?|old|born)\b", re.IGNORECASE)
_AGE_REASON = "A reason about the age is left out: it states the age."

IDENTIFIERS: Mapping[int, str] = {
    1: "names",
    2: "geographic subdivisions smaller than a state",
    3: "dates except the year, and ages over 89",
    4: "telephone numbers",
    5: "fax numbers",
    6: "e-mail addresses",
    7: "social security numbers",
    8: "medical record numbers",
    9: "health plan numbers",
    10: "account numbers",
    11: "certificate and licence numbers",
    12: "vehicle identifiers",
    13: "device identifiers and serial numbers",
    14: "web addresses",
    15: "IP addresses",
    16: "biometric identifiers",
    17: "full-face photographs and comparable images",
    18: "any other unique number, characteristic or code",
}
"""Number in 164.514(b)(2)(i), (A) = 1 to (R) = 18, -> what it is."""


class Action(StrEnum):
    """What happens to a fact."""

    KEEP = "keep"
    DROP = "drop"
    YEAR = "year only"
    AGE = "90 or over as one group"
    HUMAN = "only after a person has looked at it"
    PARTS = "see its parts"


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to one fact and for which identifiers; ``why`` says why a fact may stay."""

    action: Action
    numbers: tuple[int, ...] = ()
    why: str = ""


_MODEL = Rule(Action.KEEP, why="of the model, not of a person")
_FIGURE = Rule(Action.KEEP, why="a figure computed by the model")
_WORDS = Rule(Action.KEEP, why="fixed words of the question, without a value")
_FREE = Rule(Action.DROP, tuple(IDENTIFIERS))
_AGES = Rule(Action.AGE, (3,), why="words that may state an age")
_PARTS = Rule(Action.PARTS)


def _rows(prefix: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {f"{prefix}{name}": rule for names, rule in rules.items() for name in names.split()}


TABLE: Mapping[str, Rule] = {
    **_rows(
        "",
        {
            "kind condition title outcome not_assessed": _WORDS,
            "risk model patient inputs bars film point reader": _PARTS,
            "made_at assessed_at": Rule(Action.YEAR, (3,)),
            "record": Rule(Action.DROP, (8, 18)),
            "site": Rule(Action.DROP, (2,)),
            "app_version bars_problem": _MODEL,
            "notices": Rule(Action.KEEP, why="written by Medcore about this copy"),
        },
    ),
    **_rows(
        "patient.",
        {
            "name": Rule(Action.DROP, (1,)),
            "identifier": Rule(Action.DROP, (7, 8, 9, 10, 11, 12, 18)),
            "birth_date": Rule(Action.YEAR, (3,), why="the year too goes where it shows an age over 89"),
            "sex": Rule(Action.KEEP, why="not among the identifiers"),
            "address": Rule(Action.DROP, (2,)),
            "contact": Rule(Action.DROP, (4, 5, 6, 14, 15)),
            "deidentified": Rule(Action.KEEP, why="says that the identifiers are gone"),
        },
    ),
    **_rows(
        "inputs.",
        {
            "name label group unit mark derived loinc word word_label": _WORDS,
            "value text comparator": Rule(Action.AGE, (3,), why="measurements are no identifiers; an age may be"),
        },
    ),
    **_rows(
        "risk.",
        {
            "state p lo hi level interval_kind prevalence n_known n_fields classes reason_fields": _FIGURE,
            "sentence caution": _WORDS,
            "reasons questions": _AGES,
        },
    ),
    **_rows("bars.", {"base n_others others estimate": _FIGURE, "bars": _PARTS}),
    **_rows("bars.bars.", {"field label": _WORDS, "points": _FIGURE, "value note": _AGES}),
    **_rows(
        "film.",
        {
            "number view modality rows columns map_problem": Rule(Action.KEEP, why="technical facts of the film"),
            "age_years": Rule(Action.AGE, (3,)),
            "sex": Rule(Action.KEEP, why="not among the identifiers"),
            "acquired_on": Rule(Action.YEAR, (3,)),
            "pixel_sha256": Rule(Action.DROP, (18,)),
            "burned_in": Rule(Action.KEEP, why="what the header says; never trusted in place of a look"),
            "pictures": _PARTS,
        },
    ),
    **_rows("film.pictures.", {"title caption of_film": _WORDS, "png": Rule(Action.HUMAN, (1, 3, 8, 16, 17))}),
    **_rows(
        "model.",
        {"model_id title version sha256 created source n_train base_rate metrics not_for limits": _MODEL},
    ),
    **_rows("point.", {"name threshold reached text": _MODEL}),
    **_rows(
        "reader.",
        {
            "reading revised late verdict": Rule(Action.KEEP, why="words of a closed list"),
            "actor": Rule(Action.DROP, (18,), why="not the patient's, but it tells the ward"),
            "note reason": _FREE,
        },
    ),
}
"""Path of a fact in a case file -> its rule."""


def list_facts(kind: type = CaseFile, prefix: str = "") -> Iterator[str]:
    """Yield the path of every fact that a case file can hold."""
    hints = get_type_hints(kind)
    for item in fields(kind):
        yield f"{prefix}{item.name}"
        for inner in _list_types(hints[item.name]):
            if is_dataclass(inner):
                yield from list_facts(inner, f"{prefix}{item.name}.")


def deidentify(case: CaseFile, *, picture_checked: bool = False) -> CaseFile:
    """Return a copy without the 18 identifiers, with a notice for everything that was there and is left out.

    Parameters
    ----------
    case : CaseFile
        Any case file; not changed.
    picture_checked : bool
        Whether a person has looked at the film's pictures and found no name, number or date burned into them. Without
        that the pictures are left out, whatever the file's header says.

    Raises
    ------
    InputError
        The case file holds a fact that the table does not name: nothing is exported.
    """
    unknown = sorted(set(list_facts()) - set(TABLE))
    if unknown:
        raise InputError(f"no rule says what to do with {unknown[0]}, so nothing was exported", field=unknown[0])
    elderly = _is_elderly(case)
    notices = [*case.notices, *_list_notices(case, elderly=elderly, picture_checked=picture_checked)]
    copy = replace(
        case,
        made_at=case.made_at[:4],
        assessed_at=case.assessed_at[:4],
        record="",
        site="",
        patient=CasePatient(
            birth_date="" if elderly else case.patient.birth_date[:4], sex=case.patient.sex, deidentified=True
        ),
        film=_clean_film(case.film, picture_checked=picture_checked),
        reader=_clean_reader(case.reader),
    )
    if elderly:
        copy = _hide_age(copy)
    return replace(copy, notices=tuple(dict.fromkeys(notices)))


def _list_types(hint: object) -> Iterator[type]:
    """Yield the classes inside ``X``, ``X | None`` or ``tuple[X, ...]``."""
    parts = get_args(hint)
    for part in parts or (hint,):
        if get_args(part):
            yield from _list_types(part)
        elif isinstance(part, type):
            yield part


def _is_elderly(case: CaseFile) -> bool:
    ages = [item.value for item in case.inputs if item.name in _AGE_FIELDS]
    ages.append(case.film.age_years if case.film is not None else None)
    ages.append(_age_by_birth(case))
    return any(age is not None and age > OLDEST_YEARS for age in ages)


def _age_by_birth(case: CaseFile) -> float | None:
    """Return the age reached in the file's year, where both years can be read."""
    born, made = case.patient.birth_date[:4], case.made_at[:4]
    return float(int(made) - int(born)) if born.isdecimal() and made.isdecimal() else None


def _list_notices(case: CaseFile, *, elderly: bool, picture_checked: bool) -> Iterator[str]:
    yield "De-identified by the Safe Harbor method (45 CFR 164.514(b)(2)): names, numbers, places and days removed."
    if case.reader is not None and (case.reader.note or case.reader.reason):
        yield "The reader's free text is left out: it may hold a name."
    if elderly:
        yield "Ages over 89 stand as 90 or over."
    if case.film is not None and case.film.pictures:
        if picture_checked:
            yield "A person looked at the pictures and found no name, number or date burned into them."
        else:
            yield "The film's pictures are left out: nobody has checked them for burned-in words."


def _clean_film(film: CaseFilm | None, *, picture_checked: bool) -> CaseFilm | None:
    if film is None:
        return None
    pictures = film.pictures if picture_checked else tuple(item for item in film.pictures if not item.of_film)
    old = film.age_years is not None and film.age_years > OLDEST_YEARS
    return replace(
        film,
        age_years=90.0 if old else film.age_years,
        acquired_on=film.acquired_on[:4],
        pixel_sha256="",
        pictures=pictures,
    )


def _clean_reader(reader: CaseReader | None) -> CaseReader | None:
    return None if reader is None else replace(reader, actor="", note="", reason="")


def _hide_age(case: CaseFile) -> CaseFile:
    """Put the age into its one group, in the inputs, the bars and every sentence that might state it."""
    bars = case.bars
    if bars is not None:
        bars = replace(bars, bars=tuple(_hide_bar(bar) for bar in bars.bars))
    return replace(
        case, inputs=tuple(_hide_input(item) for item in case.inputs), bars=bars, risk=_hide_reasons(case.risk)
    )


def _hide_input(item: CaseInput) -> CaseInput:
    if item.name not in _AGE_FIELDS or item.value is None or item.value <= OLDEST_YEARS:
        return item
    return replace(item, value=90.0, text=_ELDERLY, comparator=">=")


def _hide_bar(bar: Bar) -> Bar:
    if bar.field in _AGE_FIELDS:
        return replace(bar, value=_ELDERLY, note="")
    return replace(bar, note="") if _may_state_age(bar.note) else bar


def _hide_reasons(risk: CaseRisk) -> CaseRisk:
    reasons = tuple(
        _AGE_REASON if name in _AGE_FIELDS or _may_state_age(text) else text
        for text, name in zip(risk.reasons, risk.reason_fields, strict=True)
    )
    questions = tuple(_AGE_REASON if _may_state_age(text) else text for text in risk.questions)
    return replace(risk, reasons=reasons, questions=questions)


def _may_state_age(text: str) -> bool:
    return _AGE_WORDS.search(text) is not None
