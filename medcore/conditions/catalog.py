"""Which conditions there are: a plain table, imported on use."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from medcore.conditions.condition import Condition
from medcore.errors import UnknownNameError

__all__ = ["CONDITION_MODULES", "find_condition", "list_conditions"]

#: Name -> module that declares ``CONDITION``. A new disease is one file and one line here.
CONDITION_MODULES: dict[str, str] = {
    "diabetes": "medcore.conditions.diabetes",
    "heart_disease": "medcore.conditions.heart_disease",
    "mortality_180d": "medcore.conditions.mortality_180d",
    "breast_cancer": "medcore.conditions.breast_cancer",
}


def find_condition(name: str) -> Condition:
    """Return the condition of this id or alias.

    Raises
    ------
    UnknownNameError
        There is none; the message lists those there are.

    Examples
    --------
    >>> find_condition("hospital_mortality").id
    'mortality_180d'
    """
    wanted = name.strip().lower().replace("-", "_")
    if wanted in CONDITION_MODULES:
        return _load(wanted)
    for condition in list_conditions():
        if wanted in condition.aliases:
            return condition
    known = ", ".join(CONDITION_MODULES)
    raise UnknownNameError(f"there is no condition {name!r}. Known are: {known}.", value=name, expected=known)


def list_conditions() -> tuple[Condition, ...]:
    """Return all conditions in the order of the table."""
    return tuple(_load(name) for name in CONDITION_MODULES)


@cache
def _load(name: str) -> Condition:
    condition = import_module(CONDITION_MODULES[name]).CONDITION
    if not isinstance(condition, Condition) or condition.id != name:
        raise UnknownNameError(f"{CONDITION_MODULES[name]} does not declare the condition {name!r}")
    return condition
