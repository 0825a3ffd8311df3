"""The case file: everything that was shown about one patient or film, as plain frozen facts.

Nothing here draws, computes a risk or reads a clock. Probabilities are fractions in [0, 1], higher = more likely;
times are UTC in ISO 8601. :attr:`CaseFile.content_hash` covers every fact, pictures too.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medcore.errors import InputError
from medcore.figures.bars import BarChart

__all__ = [
    "NOTICE",
    "STATES",
    "CaseFile",
    "CaseFilm",
    "CaseInput",
    "CaseModel",
    "CasePatient",
    "CasePicture",
    "CasePoint",
    "CaseReader",
    "CaseRisk",
    "from_json",
    "to_json",
]

NOTICE = "Decision support, not a diagnosis."
"""Stands on every page and in every record."""

STATES = {"scored": "Scored", "caution": "Caution", "withheld": "Withheld"}
"""State of a score -> its word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePatient:
    """Whose case it is; every entry may be empty. ``birth_date`` is ISO 8601, ``sex`` as the record has it.

    ``deidentified`` says that the identifiers were removed, so that an empty name is not taken for a missing one.
    """

    name: str = ""
    identifier: str = ""
    birth_date: str = ""
    sex: str = ""
    address: str = ""
    contact: str = ""
    deidentified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """One field of the form.

    Attributes
    ----------
    text : str
        The value as a reader sees it, with unit, mark and how it came about; ``"not entered"`` for a blank.
    value : float or None
        In ``unit``, the field's own; a choice's code; None for a blank.
    comparator : str
        ``"<"``, ``">"``, ``">="`` or empty: how the true value lies to ``value``.
    mark : str
        ``"L"``, ``"H"`` or empty: below or above the usual range.
    derived : bool
        Whether it was computed from other values.
    word : str
        Of a choice: its stable word; empty for a number.
    """

    name: str
    label: str
    group: str
    text: str
    value: float | None
    unit: str = ""
    comparator: str = ""
    mark: str = ""
    derived: bool = False
    loinc: str = ""
    word: str = ""
    word_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRisk:
    """The answer of the model; ``p``, ``lo`` and ``hi`` are None where it is withheld.

    Attributes
    ----------
    state : str
        ``"scored"``, ``"caution"`` or ``"withheld"``.
    p, lo, hi, level : float or None
        Risk as shown, its interval and the level of that (0.90 = 90 %); ``lo <= p <= hi``.
    interval_kind : str
        What the interval means, in words.
    prevalence : float or None
        Share with the outcome the risk is restated for; None = as in the study.
    sentence, caution : str
        The result in words, and what every score of this question is to be read with.
    reasons, questions : tuple of str
        Why the state is what it is, and what the reader was asked to check.
    reason_fields : tuple of str
        The field each reason is about; empty where it is about none. As long as ``reasons``.
    classes : tuple of (str, float)
        Shares of the positive classes (sum 1), for films.
    """

    state: str
    p: float | None = None
    lo: float | None = None
    hi: float | None = None
    level: float = 0.90
    interval_kind: str = ""
    prevalence: float | None = None
    sentence: str = ""
    caution: str = ""
    reasons: tuple[str, ...] = ()
    reason_fields: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    n_known: int = 0
    n_fields: int = 0
    classes: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        figures = (self.p, self.lo, self.hi)
        if self.state not in STATES:
            raise InputError(f"a case has no state {self.state!r}", field="state", expected=", ".join(STATES))
        if any((value is None) != (self.state == "withheld") for value in figures):
            raise InputError("a withheld case has no number, every other one has all three", field="p")
        if self.p is not None and self.lo is not None and self.hi is not None:
            ordered = 0.0 <= self.lo <= self.p <= self.hi <= 1.0
            if not ordered:
                raise InputError(f"risk {self.p} and range {self.lo}..{self.hi} are not ordered within 0..1", field="p")
        if len(self.reasons) != len(self.reason_fields):
            raise InputError("every reason needs its field or an empty text", field="reason_fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePicture:
    """A PNG, at most a few hundred kilobytes, with what it shows in words. ``of_film`` = shows pixels of a film."""

    title: str
    caption: str
    png: bytes
    of_film: bool = True

    def __post_init__(self) -> None:
        if not self.png.startswith(b"\x89PNG\r\n\x1a\n"):
            raise InputError("a picture of a case file must be a PNG", field="png")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilm:
    """What is known about a film: header facts, and a hash of its pixels. ``acquired_on`` is ISO 8601.

    ``number`` is its place on the reader's list, 0 for a saved film, which is on none.
    """

    number: int
    view: str = ""
    modality: str = ""
    age_years: float | None = None
    sex: str = ""
    acquired_on: str = ""
    rows: int = 0
    columns: int = 0
    pixel_sha256: str = ""
    burned_in: bool | None = None
    pictures: tuple[CasePicture, ...] = ()
    map_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseModel:
    """Which model answered. ``base_rate`` is the study's share with the outcome; ``metrics`` (name, value, lo, hi)."""

    model_id: str
    title: str
    version: str
    sha256: str
    created: str = ""
    source: str = ""
    n_train: int = 0
    base_rate: float | None = None
    metrics: tuple[tuple[str, float, float, float], ...] = ()
    not_for: str = ""
    limits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePoint:
    """A cut-off on the calibrated risk and on which side of it the case lies (None = no score)."""

    name: str
    threshold: float
    reached: bool | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReader:
    """What the reader said: own reading, then whether they agree; notes are free text.

    ``late`` marks an own reading that was first given beside the model's answer, not before it.
    """

    actor: str = ""
    reading: str = ""
    revised: bool = False
    late: bool = False
    note: str = ""
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """Everything about one assessed patient or film.

    Attributes
    ----------
    kind : str
        ``"tabular"`` or ``"image"``.
    record : str
        Number of the assessment in the journal; empty where there is none.
    assessed_at, made_at : str
        UTC, ISO 8601: when the model answered (empty = not known) and when this file was made.
    bars_problem : str
        Why there is no explanation, where there is none although there is a score.
    notices : tuple of str
        What was changed or left out of this copy.
    """

    kind: str
    condition: str
    title: str
    outcome: str
    risk: CaseRisk
    model: CaseModel | None
    made_at: str
    app_version: str
    patient: CasePatient = field(default_factory=CasePatient)
    assessed_at: str = ""
    record: str = ""
    site: str = ""
    inputs: tuple[CaseInput, ...] = ()
    bars: BarChart | None = None
    bars_problem: str = ""
    film: CaseFilm | None = None
    point: CasePoint | None = None
    reader: CaseReader | None = None
    not_assessed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("tabular", "image"):
            raise InputError(f"a case file has no kind {self.kind!r}", field="kind", expected="tabular, image")

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of every fact in canonical JSON, a picture by the SHA-256 of its bytes."""
        text = json.dumps(_hashable(self), sort_keys=True, separators=(",", ":"), allow_nan=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def known(self) -> tuple[CaseInput, ...]:
        """The inputs that were entered or derived."""
        return tuple(item for item in self.inputs if item.value is not None)


_ADAPTER: TypeAdapter[CaseFile] = TypeAdapter(CaseFile)


def to_json(case: CaseFile) -> tuple[dict[str, Any], list[bytes]]:
    """Return the facts in plain JSON types and, apart, the bytes of the pictures in their order."""
    raw = asdict(case)
    pictures: list[bytes] = []
    for picture in (raw["film"] or {}).get("pictures", ()):
        pictures.append(picture["png"])
        picture["png"] = None
    return raw, pictures


def from_json(raw: dict[str, Any], pictures: list[bytes]) -> CaseFile:
    """Read the facts back.

    Raises
    ------
    InputError
        They are incomplete or of the wrong type.
    """
    holders = list((raw.get("film") or {}).get("pictures", ()))
    if len(holders) != len(pictures):
        raise InputError("the pictures of the case file do not fit its facts", field="pictures")
    film = raw.get("film")
    if film:
        put_in = [{**holder, "png": png} for holder, png in zip(holders, pictures, strict=True)]
        raw = {**raw, "film": {**film, "pictures": put_in}}
    try:
        return _ADAPTER.validate_python(raw)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(f"the facts of the case file are wrong at {where!r}", field=where) from None


def _hashable(value: object) -> object:
    """Write facts as JSON types; -0.0 as 0 and a value that is no number by its name."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, tuple):
        return [_hashable(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: _hashable(getattr(value, item.name)) for item in fields(value)}  # type: ignore[arg-type]
    if isinstance(value, float) and not isinstance(value, bool):
        return (value + 0.0) if math.isfinite(value) else str(value)
    return value
