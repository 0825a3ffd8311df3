"""The vocabulary of a record: units, choices, fields and schemas. Data only, nothing is parsed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from medcore.errors import UnknownChoiceError, UnknownNameError, UnknownUnitError

__all__ = ["Choice", "Field", "FieldKind", "Role", "Schema", "Unit"]


class FieldKind(StrEnum):
    """A field holds a number or one of a closed list of choices."""

    NUMBER = "number"
    CHOICE = "choice"


class Role(StrEnum):
    """What a field is for.

    ``INPUT`` goes into the models; ``QUESTION`` decides whether the models apply at all;
    ``AID`` is only used to derive an input (height for BMI, systolic pressure for mean pressure).
    """

    INPUT = "input"
    QUESTION = "question"
    AID = "aid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Another unit of a field: ``canonical = value * factor + offset``, or ``convert`` where that is not linear.

    ``ambiguous`` marks units in which a wrong number can look possible: never guess between them. ``loinc`` is
    the code of the quantity in this unit, where it has one of its own.
    """

    symbol: str
    factor: float = 1.0
    offset: float = 0.0
    aliases: tuple[str, ...] = ()
    ambiguous: bool = False
    loinc: str = ""
    convert: Callable[[float], float] | None = None

    def to_canonical(self, value: float) -> float:
        """Convert ``value`` in this unit to the field's own unit."""
        if self.convert is not None:
            return self.convert(value)
        return value * self.factor + self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of a choice field. ``code`` is what models see, ``word`` what files contain."""

    code: int
    word: str
    label: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that can be known about a patient.

    Ranges are in the field's own unit: ``possible`` blocks outside it, ``usual`` only marks H or L
    (either end may be None; ``usual_by_sex`` overrides it, keyed by the word of the sex field); ``plausible``
    is where ordinary adult values lie, to ask about units where no model has a studied range of the field.
    ``noise_sd`` is the absolute and ``noise_cv`` the relative measurement error (1 SD); for a
    choice both are 0. ``transform`` (``identity``, ``log`` or ``sqrt``), ``log_offset``, spline ``knots``
    (own unit) and ``gap_informative`` (may a model know that the value was blank?) belong to the
    model's encoding; ``mask_rate`` is the share of training values hidden at random so that a blank
    is an everyday case.
    """

    name: str
    label: str
    group: str
    kind: FieldKind = FieldKind.NUMBER
    role: Role = Role.INPUT
    unit: str = ""
    unit_aliases: tuple[str, ...] = ()
    other_units: tuple[Unit, ...] = ()
    possible: tuple[float, float] | None = None
    usual: tuple[float | None, float | None] | None = None
    usual_by_sex: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    plausible: tuple[float, float] | None = None
    decimals: int = 0
    choices: tuple[Choice, ...] = ()
    required: bool = False
    in_form: bool = True
    rarely_known: bool = False
    noise_sd: float = 0.0
    noise_cv: float = 0.0
    loinc: str = ""
    help: str = ""
    paste_names: tuple[str, ...] = ()
    transform: str = "identity"
    log_offset: float = 0.0
    knots: tuple[float, ...] = ()
    gap_informative: bool = True
    mask_rate: float = 0.0
    top_code: float | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """All unit symbols of the field, its own first."""
        own = (self.unit,) if self.unit else ()
        return own + tuple(unit.symbol for unit in self.other_units)

    def find_unit(self, text: str | None) -> Unit:
        """Return the unit named ``text`` (its symbol or an alias; None or empty = the field's own).

        Raises
        ------
        UnknownUnitError
            The field has no such unit.
        """
        wanted = normalise_unit(text or "")
        own = Unit(symbol=self.unit, aliases=self.unit_aliases)
        for unit in (own, *self.other_units):
            names = {normalise_unit(name) for name in (unit.symbol, *unit.aliases)}
            if not wanted or wanted in names:
                return unit
        raise UnknownUnitError(
            f"{self.label}: unit {text!r} is not known here. Use {' or '.join(self.units) or 'no unit'}.",
            field=self.name,
            value=text,
            expected=", ".join(self.units),
        )

    def find_choice(self, text: str | float) -> Choice:
        """Return the choice with this code, word, label or alias.

        Raises
        ------
        UnknownChoiceError
            None of the choices fits.
        """
        wanted = _choice_key(text)
        for choice in self.choices:
            names = (str(choice.code), choice.word, choice.label, *choice.aliases)
            if wanted in {_choice_key(name) for name in names}:
                return choice
        words = ", ".join(choice.word for choice in self.choices)
        raise UnknownChoiceError(
            f"{self.label}: {text!r} is not one of: {words}.",
            field=self.name,
            value=text,
            expected=words,
        )

    def noise_at(self, value: float) -> float:
        """Measurement error (1 SD, own unit) at ``value``."""
        return max(self.noise_sd, self.noise_cv * abs(value))

    def usual_for(self, sex: str | None = None) -> tuple[float | None, float | None]:
        """Usual range, for this sex where the range depends on it."""
        if sex is not None and sex in self.usual_by_sex:
            return self.usual_by_sex[sex]
        return self.usual or (None, None)

    def mark(self, value: float, sex: str | None = None) -> str:
        """Return ``"L"``, ``"H"`` or ``""`` for a value below, above or inside the usual range."""
        lo, hi = self.usual_for(sex)
        if lo is not None and value < lo:
            return "L"
        return "H" if hi is not None and value > hi else ""

    def format(self, value: float) -> str:
        """Write a value as a reader expects it, with its unit: ``"190 mg/dL"`` or the choice's label."""
        if self.kind is FieldKind.CHOICE:
            return self.find_choice(value).label
        number = f"{value:.{self.decimals}f}"
        text = f"{number} {self.unit}".strip()
        return f"{text} or over" if self.top_code is not None and value >= self.top_code else text


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one clinical question, in chart order."""

    fields: tuple[Field, ...]

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Fields the models read, in the order of a model's input columns."""
        return tuple(item for item in self.fields if item.role is Role.INPUT)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the input columns, in order."""
        return tuple(item.name for item in self.inputs)

    def __getitem__(self, name: str) -> Field:
        for item in self.fields:
            if item.name == name:
                return item
        raise UnknownNameError(f"there is no field {name!r}", field=name)

    def __contains__(self, name: object) -> bool:
        return any(item.name == name for item in self.fields)


def normalise_unit(text: str) -> str:
    """Write a unit in one form: lower case, no spaces, micro as ``u``, ``^``, brackets and stars dropped."""
    lowered = text.strip().lower().replace("µ", "u").replace("μ", "u").replace("°", "")
    return "".join(char for char in lowered if char not in " ^*[]{}")


def _choice_key(value: str | float) -> str:
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    text = str(value).strip().lower()
    if text.endswith(".0"):
        text = text[:-2]
    return "".join(char for char in text if char not in " -_/")
