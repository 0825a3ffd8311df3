"""Patients: listed under their pseudonyms, found by an exact identifier, made, changed, opened.

What was typed is stored as it was typed. Who opens, finds or changes whom is in the journal; what was typed to
find somebody is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from medcore import __version__
from medcore.access import Action, Resource, describe_actor, who_is
from medcore.errors import EditConflictError, InputError
from medcore.journal import Event, Patient
from medcore.services.house import House

__all__ = [
    "KINDS",
    "PAGE_SIZE",
    "Kind",
    "Patient",
    "PatientPage",
    "change_patient",
    "check_identifiers",
    "find_patients",
    "list_patients",
    "make_patient",
    "open_patient",
    "refresh_patient",
]

PAGE_SIZE = 20
_FIRST_YEAR = 1880
_PSEUDONYM = re.compile(r"P-[A-Z0-9]{8}")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of identifier: what it is called, and how long it may be."""

    name: str
    label: str
    hint: str
    max_chars: int


KINDS = (
    Kind(name="mrn", label="Record number", hint="of this hospital; only one patient may have it", max_chars=64),
    Kind(name="name", label="Name", hint="as on the chart", max_chars=120),
    Kind(name="birth_date", label="Birth date", hint="year-month-day, for example 1965-03-09", max_chars=10),
)
"""Identifiers a patient may have, all of them optional."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientPage:
    """Some patients of the list, without identifiers; ``after`` begins the next page, None on the last one."""

    patients: tuple[Patient, ...]
    after: str | None


def list_patients(house: House, *, before: str | None = None, limit: int = PAGE_SIZE) -> PatientPage:
    """Return one page of the patients, most recently changed first, without identifiers; journalled.

    Raises
    ------
    AccessDeniedError
        Who acts may not see patients.
    """
    actor = house.allow(Action.VIEW, Resource.PATIENT)
    found = house.journal.patients.list(limit + 1, before=before)
    shown = found[:limit]
    house.journal.record(
        Event(
            **describe_actor(actor),
            action="list_patients",
            outcome="shown",
            n_records=len(shown),
            app_version=__version__,
        )
    )
    return PatientPage(patients=shown, after=shown[-1].pseudonym if len(found) > limit else None)


def find_patients(house: House, text: str) -> tuple[Patient, ...]:
    """Return the patients with exactly this pseudonym, record number, name or birth date; journalled.

    Upper and lower case and spacing do not matter; a part of a name finds nobody.

    Raises
    ------
    InputError
        Nothing was typed.
    AccessDeniedError
        Who acts may not see patients.
    """
    actor = house.allow(Action.VIEW, Resource.PATIENT)
    wanted = _check_text(text.strip(), "search", "Search")
    if not wanted:
        raise InputError("Type a pseudonym, record number, name or birth date.", field="search")
    by, patients = who_is(actor), house.journal.patients
    if _PSEUDONYM.fullmatch(wanted.upper()):
        try:
            return (patients.read(wanted.upper(), by=by),)
        except InputError:  # nobody of that pseudonym; it may be a record number
            pass
    found = {patient.pseudonym: patient for kind in KINDS for patient in patients.find(kind.name, wanted, by=by)}
    return tuple(found.values())


def make_patient(house: House, typed: Mapping[str, str], *, made_up: bool = False) -> Patient:
    """Store a new patient and return it with its pseudonym; identifiers are optional.

    In a demo every patient is marked as made up.

    Raises
    ------
    InputError
        An identifier cannot be used, or another patient has this record number.
    AccessDeniedError
        Who acts may not make patients.
    """
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    clean = check_identifiers(typed)
    return house.journal.patients.create(clean, by=who_is(actor), made_up=made_up or actor.demo)


def open_patient(house: House, pseudonym: str) -> Patient:
    """Return one patient with identifiers; the view is journalled first.

    Raises
    ------
    InputError
        There is no such patient, or the patient's data was erased.
    AccessDeniedError
        Who acts may not see patients.
    """
    actor = house.allow(Action.VIEW, Resource.PATIENT)
    patient = house.journal.patients.read(pseudonym, by=who_is(actor))
    if patient.erased_at is not None:
        raise InputError(f"The data of patient {pseudonym} was erased.", field="pseudonym")
    return patient


def refresh_patient(house: House, patient: Patient) -> Patient:
    """Return the patient as it now is: the same unless somebody changed it since; then the view is journalled.

    Raises
    ------
    InputError, AccessDeniedError
        As :func:`open_patient`.
    """
    house.allow(Action.VIEW, Resource.PATIENT)
    if house.journal.patients.describe(patient.pseudonym).version == patient.version:
        return patient
    return open_patient(house, patient.pseudonym)


def change_patient(house: House, patient: Patient, typed: Mapping[str, str]) -> Patient:
    """Store other identifiers of a patient that was opened before.

    Raises
    ------
    EditConflictError
        Somebody else changed the patient since; ``value`` is the :class:`Patient` as it now is.
    InputError
        An identifier cannot be used, or another patient has this record number.
    AccessDeniedError
        Who acts may not change patients.
    """
    actor = house.allow(Action.SAVE, Resource.PATIENT)
    clean = check_identifiers(typed)
    try:
        return house.journal.patients.update(patient, clean, by=who_is(actor))
    except EditConflictError as error:
        present = open_patient(house, patient.pseudonym)
        raise EditConflictError(error.message, field="version", value=present) from error


def check_identifiers(typed: Mapping[str, str], *, today: date | None = None) -> dict[str, str]:
    """Return the identifiers that were filled in, each checked by its kind.

    Raises
    ------
    InputError
        One is too long, holds half a character, or is no date of birth; ``field`` says which.
    """
    clean: dict[str, str] = {}
    for kind in KINDS:
        text = _check_text(typed.get(kind.name, "").strip(), kind.name, kind.label)
        if len(text) > kind.max_chars:
            raise InputError(f"{kind.label}: at most {kind.max_chars} characters.", field=kind.name)
        if text:
            clean[kind.name] = text
    if "birth_date" in clean:
        _check_birth_date(clean["birth_date"], today or datetime.now(UTC).date())
    return clean


def _check_text(text: str, field: str, label: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{label}: this text holds half a character. Type it again.", field=field) from error
    return text


def _check_birth_date(text: str, today: date) -> None:
    match = _DAY.fullmatch(text)
    try:
        born = date(*map(int, match.groups())) if match else None
    except ValueError:
        born = None
    if born is None:
        raise InputError("Birth date: type year-month-day, for example 1965-03-09.", field="birth_date")
    if born > today:
        raise InputError("Birth date: this day is still to come.", field="birth_date")
    if born.year < _FIRST_YEAR:
        raise InputError(f"Birth date: type a year from {_FIRST_YEAR} on.", field="birth_date")
