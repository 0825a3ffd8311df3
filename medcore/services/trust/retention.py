"""How long a site keeps patients, and erasing one of them: the patient's key is destroyed, the audit trail stays valid.

An administrator sees no patients, so erasure is asked for by pseudonym. The rule of the site is off until an
administrator settles a number of days; then patients about whom nothing was entered for longer are erased at the
start of the server and once a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from medcore.access import Action, Resource, describe_actor, who_is
from medcore.errors import InputError
from medcore.journal import Event, SiteSetting, Who
from medcore.journal.idle import IdlePatient, find_idle
from medcore.services.house import House
from medcore.services.trust.site import change

__all__ = [
    "FEWEST_DAYS",
    "REASONS",
    "RETENTION",
    "DryRun",
    "count_copies",
    "erase_patient",
    "find_days",
    "preview",
    "run_rule",
    "set_days",
]

RETENTION = "retention_days"
FEWEST_DAYS = 30
MOST_DAYS = 36_500

REASONS = {
    "request": "the patient asked for it",
    "period": "the legal period is over",
    "mistake": "entered by mistake",
    "order": "ordered by the data protection officer",
}
"""Why a patient may be erased: the word in the audit trail, and what it means."""

_RULE = Who(actor="system:retention", role="rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a rule of so many days would erase at this moment; ``patients`` by pseudonym, the longest idle first."""

    days: int
    patients: tuple[IdlePatient, ...]


def find_days(house: House) -> int | None:
    """Return after how many days without an entry a patient is erased; None = never."""
    found = house.journal.site.get(RETENTION)
    return None if found is None or found.value is None else int(found.value)


def preview(house: House, days: int) -> DryRun:
    """Return what a rule of ``days`` would erase now; nothing is changed.

    Raises
    ------
    AccessDeniedError
        Only an administrator may ask.
    InputError
        Fewer than 30 or more than 36,500 days.
    """
    house.allow(Action.MANAGE, Resource.SITE)
    return DryRun(days=_check_days(days), patients=_find(house, days))


def set_days(house: House, days: int | None, *, seen: DryRun | None = None, version: int) -> SiteSetting:
    """Settle the rule, or switch it off; the preview of exactly this rule must have been seen.

    Raises
    ------
    AccessDeniedError
        Only an administrator may, and nobody in a demo.
    InputError
        The number is impossible, or its preview was not seen or is outdated.
    EditConflictError
        Somebody else changed it since ``version``.
    """
    house.allow(Action.MANAGE, Resource.SITE)
    if days is not None:
        _check_days(days)
        if seen is None or seen.days != days or set(seen.patients) != set(_find(house, days)):
            raise InputError("Look first at what this rule would erase; the list has to be that of now.", field="days")
    return change(house, RETENTION, days, version=version, outcome="off" if days is None else f"days:{days}")


def run_rule(house: House) -> int:
    """Erase whom the site's rule names and return how many; nothing in a demo or where there is no rule.

    For the server itself, at its start and daily: nobody has to be signed in.

    Raises
    ------
    StorageError
        The journal cannot be used, or is in read-only mode.
    """
    days = None if house.settings.demo else find_days(house)
    if days is None:
        return 0
    due = _find(house, days)
    for patient in due:
        house.journal.patients.erase(patient.pseudonym, by=_RULE)
    if due:
        house.journal.record(
            Event(
                actor=_RULE.actor,
                role=_RULE.role,
                action="run_retention",
                outcome=f"days:{days}",
                n_records=len(due),
            )
        )
    return len(due)


def erase_patient(house: House, pseudonym: str, again: str, reason: str) -> None:
    """Erase one patient for good: key, identifiers, drafts and image files; what was saved becomes unreadable.

    Parameters
    ----------
    pseudonym, again : str
        The pseudonym, typed twice: there is no way back.
    reason : str
        A key of :data:`REASONS`.

    Raises
    ------
    AccessDeniedError
        Only who may manage keys may: an administrator.
    InputError
        The two differ, there is no such patient, or the reason is none.
    KeysError
        The patient is erased already.
    """
    actor = house.allow(Action.MANAGE, Resource.KEYS)
    name = pseudonym.strip().upper()
    if not name or name != again.strip().upper():
        raise InputError("Type the same pseudonym twice: the two differ. Nothing was erased.", field="pseudonym")
    if reason not in REASONS:
        raise InputError("Choose why this patient is erased. Nothing was erased.", field="reason")
    house.journal.patients.erase(name, by=who_is(actor))
    house.journal.record(
        Event(**describe_actor(actor), action="erase_reason", outcome=reason, patient=name, target=f"patient:{name}")
    )


def count_copies(house: House) -> int:
    """Return how many copies, made before an upgrade or restore, lie in the data folder: no erasure reaches them."""
    house.allow(Action.MANAGE, Resource.SITE)
    root = house.journal.folder.root
    return sum(1 for pattern in ("journal.db.before-*", "journal.before-restore-*") for _ in root.glob(pattern))


def _find(house: House, days: int) -> tuple[IdlePatient, ...]:
    return find_idle(house.journal, house.journal.now() - timedelta(days=days))


def _check_days(days: int) -> int:
    if isinstance(days, bool) or not isinstance(days, int) or not FEWEST_DAYS <= days <= MOST_DAYS:
        raise InputError(f"The rule takes {FEWEST_DAYS} to {MOST_DAYS:,} whole days.", field="days", value=days)
    return days
