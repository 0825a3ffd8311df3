"""What one clinical question is: population, outcome, fields, wording, examples and data.

A condition is declared once, in its own file, and everything else (forms, training, reports,
commands) is driven by the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medcore.datasets.table import TrainingTable
from medcore.errors import FieldError
from medcore.records import Schema
from medcore.results import Reason

__all__ = ["CardText", "Condition", "Example", "Findings", "PrevalencePolicy"]

Values = Mapping[str, float]


def _moves_alone(_field: str, _value: float, _values: Values) -> dict[str, float]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A made-up patient for one click: texts as a doctor would type them (units in ``units``).

    ``expects`` is the state it is made to reach: ``"scored"``, ``"withheld"``, ``"unit_question"``
    (the page asks about a unit before it scores) or ``"wide"`` (scored, with a wide range).
    """

    name: str
    teaches: str
    values: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    expects: str = "scored"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrevalencePolicy:
    """Whether a local prevalence may restate the risk (label shift), and why or why not."""

    allowed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardText:
    """The parts of a model card that are not computed."""

    purpose: str
    population: str
    not_for: str
    limits: str
    contact: str = "The maintainers, through the project's issue tracker."


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What cross-checks say about known values: contradictions (block) and things to ask about."""

    errors: tuple[FieldError, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One clinical question.

    ``derive`` returns derived values (BMI from height and weight) that are not already entered;
    ``cross_check`` finds contradictions; ``population_limits`` gives the reasons why the model must
    not be used for this patient; ``sentence`` writes the result for the reader from three texts
    such as ``"41 %"``, ``"33 %"``, ``"50 %"`` (Markdown bold allowed); ``bar_notes`` gives, per field,
    the note that must stand beside a misleading bar; ``caution`` is set where every score of the
    condition carries a caution in words. ``linked_change(field, value, values)`` gives the other
    fields that move with a swept one (waist with BMI); ``masked_checks`` names sets of inputs that
    are hidden together to check the calibration without them.
    """

    id: str
    title: str
    outcome: str
    outcome_short: str
    schema: Schema
    aliases: tuple[str, ...] = ()
    kind: str = "tabular"
    derive: Callable[[Values], dict[str, float]]
    cross_check: Callable[[Values], Findings]
    population_limits: Callable[[Values], tuple[Reason, ...]]
    sentence: Callable[[str, str, str], str]
    bar_notes: Callable[[Values, Mapping[str, float]], dict[str, str]]
    load_training: Callable[[Path], TrainingTable]
    examples: tuple[Example, ...]
    prevalence: PrevalencePolicy
    swept_fields: tuple[str, ...]
    card: CardText
    facts_line: str
    references: tuple[str, ...]
    masked_checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    caution: str = ""
    linked_change: Callable[[str, float, Values], dict[str, float]] = _moves_alone
