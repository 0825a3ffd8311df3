"""What a site settles for everybody: its name, how common a finding is here, and where the reader decides first.

Each value is kept in the journal with who settled it when. Where nothing was settled, the environment's setting
or the default of the product counts.
"""

from __future__ import annotations

from typing import Any

from medcore.access import Action, Resource, who_is
from medcore.conditions.catalog import find_condition, find_film_condition, list_conditions, list_film_conditions
from medcore.errors import AccessDeniedError, InputError, UnknownNameError
from medcore.journal import SiteSetting
from medcore.journal.pen import READ_ONLY
from medcore.services.house import House

__all__ = [
    "PREVALENCE",
    "READ_FIRST",
    "READ_ONLY",
    "SITE_NAME",
    "SiteSetting",
    "change",
    "find_prevalence",
    "is_read_first",
    "is_read_only",
    "list_questions",
    "may_manage",
    "read_setting",
    "set_prevalence",
    "set_read_first",
    "set_read_only",
    "set_site_name",
    "site_name",
]

SITE_NAME = "site_name"
READ_FIRST = "read_first:"
PREVALENCE = "prevalence:"
MOST_NAME_CHARS = 80


def list_questions() -> tuple[tuple[str, str], ...]:
    """Return id and title of every question there is, films last."""
    forms = [(item.id, item.title) for item in list_conditions()]
    return (*forms, *((item.id, item.title) for item in list_film_conditions()))


def read_setting(house: House, name: str) -> SiteSetting | None:
    """Return what was settled under a name; None if nothing was."""
    return house.journal.site.get(name)


def change(house: House, name: str, value: Any, *, version: int, **parts: str) -> SiteSetting:
    """Settle something, if the actor may.

    Raises
    ------
    AccessDeniedError
        Only an administrator may, and nobody in a demo.
    EditConflictError
        Somebody else changed it since ``version``.
    """
    actor = house.allow(Action.MANAGE, Resource.SITE)
    return house.journal.site.put(name, value, version=version, by=who_is(actor), **parts)


def may_manage(house: House) -> bool:
    """Return whether whoever acts may change the site's settings."""
    try:
        house.allow(Action.MANAGE, Resource.SITE)
    except AccessDeniedError:
        return False
    return True


def site_name(house: House) -> str:
    """Return the name of the site; empty where none was given."""
    found = read_setting(house, SITE_NAME)
    return str(found.value) if found else ""


def set_site_name(house: House, name: str, *, version: int) -> SiteSetting:
    """Give the site a name, or none.

    Raises
    ------
    InputError
        It is longer than 80 characters or has a line break.
    """
    clean = name.strip()
    if len(clean) > MOST_NAME_CHARS or not clean.isprintable():
        raise InputError(f"A site's name has at most {MOST_NAME_CHARS} characters on one line.", field="site_name")
    return change(house, SITE_NAME, clean, version=version)


def is_read_first(house: House, condition_id: str) -> bool:
    """Return whether readers commit to an opinion before the model's answer opens; default: on for films only.

    Raises
    ------
    UnknownNameError
        There is no such question.
    """
    found = read_setting(house, READ_FIRST + _check(condition_id))
    return bool(found.value) if found else _is_film(condition_id)


def set_read_first(house: House, condition_id: str, on: bool, *, version: int) -> SiteSetting:
    """Settle whether readers of a question decide first."""
    name = READ_FIRST + _check(condition_id)
    return change(house, name, bool(on), version=version, outcome="on" if on else "off", condition=condition_id)


def is_read_only(house: House) -> bool:
    """Return whether the site is in maintenance: everything can be read, nothing is saved."""
    if house.settings.read_only:
        return True
    found = read_setting(house, READ_ONLY)
    return bool(found and found.value)


def set_read_only(house: House, on: bool, *, version: int) -> SiteSetting:
    """Begin or end the maintenance.

    Raises
    ------
    InputError
        It was begun with ``MEDCORE_READ_ONLY``: only a start without that ends it.
    """
    if house.settings.read_only:
        raise InputError("The server was started with MEDCORE_READ_ONLY=on: start it without to end the maintenance.")
    return change(house, READ_ONLY, bool(on), version=version, outcome="on" if on else "off")


def find_prevalence(house: House, condition_id: str) -> float | None:
    """Return how common the finding is at this site, a fraction; None where nobody has said.

    What was settled on the site's page counts, then the environment's setting.
    """
    found = read_setting(house, PREVALENCE + _check(condition_id))
    if found is not None:
        return None if found.value is None else float(found.value)
    return house.settings.prevalence.get(condition_id)


def set_prevalence(house: House, condition_id: str, prevalence: float | None, *, version: int) -> SiteSetting:
    """Settle how common the finding is here, a fraction; None = it is not known.

    Raises
    ------
    InputError
        It is not strictly between 0 and 1.
    """
    name = PREVALENCE + _check(condition_id)
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        raise InputError(
            "How common a finding is must lie between 0 and 100 %, both excluded.", field="prevalence", value=prevalence
        )
    outcome = "unknown" if prevalence is None else f"{prevalence:.6g}"
    return change(house, name, prevalence, version=version, outcome=outcome, condition=condition_id)


def _check(condition_id: str) -> str:
    if not _is_film(condition_id):
        find_condition(condition_id)
    return condition_id


def _is_film(condition_id: str) -> bool:
    try:
        find_film_condition(condition_id)
    except UnknownNameError:
        return False
    return True
