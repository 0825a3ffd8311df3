"""Whether a patient is one the question may be asked of, before any model is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from medcore.records import Schema
from medcore.results import Reason

__all__ = ["Question", "find_reasons"]


class Question(Protocol):
    """What eligibility needs of a condition."""

    @property
    def schema(self) -> Schema:
        """Fields of the question."""

    @property
    def population_limits(self) -> Callable[[Mapping[str, float]], tuple[Reason, ...]]:
        """Reasons why the model must not be used for a patient."""


def find_reasons(question: Question, values: Mapping[str, float]) -> tuple[Reason, ...]:
    """Return every reason to withhold: population limits first, then required fields that are blank.

    Parameters
    ----------
    question : Question
        A condition.
    values : mapping
        Known values in canonical units, derived ones included.
    """
    missing = tuple(
        Reason(
            code="required_missing",
            field=item.name,
            text=f"{item.label} is needed before there can be a score.",
        )
        for item in question.schema.fields
        if item.required and item.name not in values
    )
    return (*question.population_limits(values), *missing)
