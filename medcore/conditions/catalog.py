"""Which conditions there are: a plain table, imported on use."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from medcore.conditions.condition import Condition
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import UnknownNameError

__all__ = [
    "CONDITION_MODULES",
    "find_condition",
    "find_film_condition",
    "kind_of",
    "list_conditions",
    "list_film_conditions",
]

#: Name -> module that declares ``CONDITION``. A new disease is one file and one line here.
CONDITION_MODULES: dict[str, str] = {
    "diabetes": "medcore.conditions.diabetes",
    "heart_disease": "medcore.conditions.heart_disease",
    "mortality_180d": "medcore.conditions.mortality_180d",
    "breast_cancer": "medcore.conditions.breast_cancer",
    "pneumonia": "medcore.conditions.pneumonia",
}


def find_condition(name: str) -> Condition:
    """Return the tabular condition of this id or alias.

    Raises
    ------
    UnknownNameError
        There is none; the message lists those there are.

    Examples
    --------
    >>> find_condition("hospital_mortality").id
    'mortality_180d'
    """
    found = _find(name)
    if isinstance(found, Condition):
        return found
    known = ", ".join(item.id for item in list_conditions())
    raise UnknownNameError(
        f"{found.id} is a question about films, not about a table of fields. Known are: {known}.",
        value=name,
        expected=known,
    )


def find_film_condition(name: str) -> FilmCondition:
    """Return the film condition of this id or alias.

    Raises
    ------
    UnknownNameError
        There is none; the message lists those there are.

    Examples
    --------
    >>> find_film_condition("chest_xray").id
    'pneumonia'
    """
    found = _find(name)
    if isinstance(found, FilmCondition):
        return found
    known = ", ".join(item.id for item in list_film_conditions())
    raise UnknownNameError(
        f"{found.id} is a question about a table of fields, not about films. Known are: {known}.",
        value=name,
        expected=known,
    )


def kind_of(name: str) -> str:
    """Return ``"tabular"`` or ``"image"``: what a condition is asked about.

    Raises
    ------
    UnknownNameError
        There is no such condition.
    """
    return _find(name).kind


def list_conditions() -> tuple[Condition, ...]:
    """Return the tabular conditions in the order of the table."""
    return tuple(item for item in map(_load, CONDITION_MODULES) if isinstance(item, Condition))


def list_film_conditions() -> tuple[FilmCondition, ...]:
    """Return the film conditions in the order of the table."""
    return tuple(item for item in map(_load, CONDITION_MODULES) if isinstance(item, FilmCondition))


def _find(name: str) -> Condition | FilmCondition:
    wanted = name.strip().lower().replace("-", "_")
    if wanted in CONDITION_MODULES:
        return _load(wanted)
    for condition in map(_load, CONDITION_MODULES):
        if wanted in condition.aliases:
            return condition
    known = ", ".join(CONDITION_MODULES)
    raise UnknownNameError(f"there is no condition {name!r}. Known are: {known}.", value=name, expected=known)


@cache
def _load(name: str) -> Condition | FilmCondition:
    condition = import_module(CONDITION_MODULES[name]).CONDITION
    if not isinstance(condition, Condition | FilmCondition) or condition.id != name:
        raise UnknownNameError(f"{CONDITION_MODULES[name]} does not declare the condition {name!r}")
    return condition
