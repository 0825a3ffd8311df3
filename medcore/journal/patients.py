"""Patients under pseudonyms: found through a keyed hash of an identifier, erased by destroying their key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from medcore.errors import EditConflictError, InputError
from medcore.journal.pen import Pen, erased, find_patient_key, open_json, parse_time, seal_json
from medcore.journal.schema import DraftRow, IdentifierRow, ImageRow, PatientRow
from medcore.journal.sealing import KEY_BYTES
from medcore.journal.stored import Patient, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["UNIQUE_KIND", "Patients"]

UNIQUE_KIND = "mrn"
"""The kind of identifier (medical record number) that only one patient may have."""

_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that are mistaken for another
_PSEUDONYM_CHARS = 8
_TABLE = PatientRow.__table__
_READ = select(
    *(_TABLE.c[name] for name in ("pseudonym", "made_up", "created_at", "changed_at", "erased_at", "version")),
    _TABLE.c.patient_key,
    _TABLE.c.sealed,
)


class Patients:
    """The patients of one journal; see ``Journal.patients``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def create(self, identifiers: Mapping[str, str], *, by: Who, made_up: bool = False) -> Patient:
        """Store a new patient and return it with its pseudonym.

        Raises
        ------
        InputError
            An identifier is empty, or another patient has this record number.
        """
        clean = _check(identifiers)
        with self._journal.writing() as pen:
            _refuse_twin(pen, clean, "")
            pseudonym = _draw_pseudonym(pen.connection)
            key = secrets.token_bytes(KEY_BYTES)
            values = {
                "pseudonym": pseudonym,
                "patient_key": pen.ring.seal(key, f"patient_key:{pseudonym}"),
                "sealed": seal_json(pen.ring, key, clean, f"patient:{pseudonym}"),
                "made_up": int(made_up),
                "created_at": pen.now_utc,
                "changed_at": pen.now_utc,
                "erased_at": None,
                "version": 1,
            }
            pen.connection.execute(insert(PatientRow), values)
            _index(pen, pseudonym, clean)
            pen.note(by, "create_patient", "saved", patient=pseudonym)
        now = parse_time(pen.now_utc)
        return Patient(
            pseudonym=pseudonym, identifiers=clean, made_up=made_up, created_at=now, changed_at=now, version=1
        )

    def read(self, pseudonym: str, *, by: Who) -> Patient:
        """Return one patient with identifiers; the view is recorded first.

        Raises
        ------
        InputError
            There is no such patient.
        """
        with self._journal.writing() as pen:
            patient = _find(pen.connection, pen.ring, pseudonym)
            pen.note(by, "view_patient", "erased" if patient.erased_at else "shown", patient=pseudonym)
        return patient

    def describe(self, pseudonym: str) -> Patient:
        """Return what is known of a patient without the identifiers: no view of a person, so no event.

        Raises
        ------
        InputError
            There is no such patient.
        """
        with self._journal.reading() as (connection, _):
            return _to_patient(_find_row(connection, pseudonym), {})

    def find(self, kind: str, text: str, *, by: Who) -> tuple[Patient, ...]:
        """Return the patients with exactly this identifier; upper and lower case and spacing do not matter.

        The search is recorded with the number found, not with the text.
        """
        with self._journal.writing() as pen:
            query = select(IdentifierRow.pseudonym).where(
                IdentifierRow.kind == kind, IdentifierRow.blind_index.in_(pen.ring.blind_indices(kind, text))
            )
            names = sorted(pen.connection.execute(query).scalars())
            found = tuple(_find(pen.connection, pen.ring, name) for name in names)
            one = found[0].pseudonym if len(found) == 1 else ""
            pen.note(by, "find_patient", f"found:{len(found)}", patient=one, n_records=len(found))
        return found

    def list(self, limit: int = 100, *, made_up: bool | None = None, before: str | None = None) -> tuple[Patient, ...]:
        """Return patients without their identifiers, most recently changed first.

        ``before`` is the pseudonym of the last one already listed.
        """
        query = _READ.order_by(PatientRow.changed_at.desc(), PatientRow.pseudonym).limit(limit)
        if made_up is not None:
            query = query.where(PatientRow.made_up == int(made_up))
        if before is not None:
            at = select(PatientRow.changed_at).where(PatientRow.pseudonym == before).scalar_subquery()
            same = (PatientRow.changed_at == at) & (PatientRow.pseudonym > before)
            query = query.where((PatientRow.changed_at < at) | same)
        with self._journal.reading() as (connection, _):
            return tuple(_to_patient(row, {}) for row in connection.execute(query))

    def update(self, patient: Patient, identifiers: Mapping[str, str], *, by: Who) -> Patient:
        """Store other identifiers of a patient that was read before.

        Raises
        ------
        EditConflictError
            Somebody else changed the patient since: read it again.
        """
        clean, name = _check(identifiers), patient.pseudonym
        with self._journal.writing() as pen:
            key = find_patient_key(pen.connection, pen.ring, name)
            _refuse_twin(pen, clean, name)
            values = {
                "sealed": seal_json(pen.ring, key, clean, f"patient:{name}"),
                "changed_at": pen.now_utc,
                "version": patient.version + 1,
            }
            condition = (PatientRow.pseudonym == name) & (PatientRow.version == patient.version)
            if not pen.connection.execute(update(PatientRow).where(condition).values(values)).rowcount:
                raise EditConflictError(
                    f"Patient {name} was changed by somebody else since. Open it again; nothing was overwritten.",
                    field="version",
                    value=patient.version,
                )
            pen.connection.execute(delete(IdentifierRow).where(IdentifierRow.pseudonym == name))
            _index(pen, name, clean)
            pen.note(by, "change_patient", "saved", patient=name)
            return _find(pen.connection, pen.ring, name)

    def erase(self, pseudonym: str, *, by: Who) -> None:
        """Destroy the patient's key, identifiers, drafts and image files; events and counts stay.

        What was sealed with the key cannot be read any more, here; backups made before still hold the key.
        """
        with self._journal.writing() as pen:
            find_patient_key(pen.connection, pen.ring, pseudonym)
            values = {
                "patient_key": None,
                "sealed": None,
                "erased_at": pen.now_utc,
                "changed_at": pen.now_utc,
                "version": PatientRow.version + 1,
            }
            pen.connection.execute(update(PatientRow).where(PatientRow.pseudonym == pseudonym).values(values))
            pen.connection.execute(delete(IdentifierRow).where(IdentifierRow.pseudonym == pseudonym))
            pen.connection.execute(delete(DraftRow).where(DraftRow.pseudonym == pseudonym))
            images = pen.connection.execute(select(ImageRow.id).where(ImageRow.pseudonym == pseudonym)).scalars().all()
            pen.note(by, "erase_patient", "erased", patient=pseudonym)
        for name in images:
            (self._journal.folder.images / f"{name}.sealed").unlink(missing_ok=True)
        opened = self._journal.opened()
        if opened.is_file:  # the old pages leave the write-ahead log too
            with opened.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                connection.rollback()
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _check(identifiers: Mapping[str, str]) -> dict[str, str]:
    clean = {kind: text.strip() for kind, text in identifiers.items()}
    for kind, text in clean.items():
        if not kind or not text:
            raise InputError(f"The patient's {kind or 'identifier'} is empty: leave it out, or fill it in.", field=kind)
    return clean


def _refuse_twin(pen: Pen, clean: Mapping[str, str], own: str) -> None:
    if UNIQUE_KIND not in clean:
        return
    query = select(IdentifierRow.pseudonym).where(
        IdentifierRow.kind == UNIQUE_KIND,
        IdentifierRow.blind_index.in_(pen.ring.blind_indices(UNIQUE_KIND, clean[UNIQUE_KIND])),
        IdentifierRow.pseudonym != own,
    )
    twin = pen.connection.execute(query).scalar()
    if twin is not None:
        raise InputError(f"Patient {twin} already has this record number: open that one.", field=UNIQUE_KIND)


def _draw_pseudonym(connection: Connection) -> str:
    while True:
        name = "P-" + "".join(secrets.choice(_LETTERS) for _ in range(_PSEUDONYM_CHARS))
        if connection.execute(select(PatientRow.pseudonym).where(PatientRow.pseudonym == name)).first() is None:
            return name


def _index(pen: Pen, pseudonym: str, clean: Mapping[str, str]) -> None:
    rows = [
        {"pseudonym": pseudonym, "kind": kind, "blind_index": pen.ring.blind_indices(kind, text)[0]}
        for kind, text in clean.items()
    ]
    if rows:
        pen.connection.execute(insert(IdentifierRow), rows)


def _find_row(connection: Connection, pseudonym: str) -> Any:
    row = connection.execute(_READ.where(PatientRow.pseudonym == pseudonym)).first()
    if row is None:
        raise InputError(f"There is no patient {pseudonym} here.", field="pseudonym", value=pseudonym)
    return row


def _find(connection: Connection, ring: Ring, pseudonym: str) -> Patient:
    row = _find_row(connection, pseudonym)
    if row.sealed is None:
        return _to_patient(row, {})
    if row.patient_key is None:
        raise erased(pseudonym)
    key = ring.open(row.patient_key, f"patient_key:{pseudonym}")
    return _to_patient(row, open_json(ring, key, row.sealed, f"patient:{pseudonym}"))


def _to_patient(row: Any, identifiers: Mapping[str, str]) -> Patient:
    return Patient(
        pseudonym=row.pseudonym,
        identifiers=identifiers,
        made_up=bool(row.made_up),
        created_at=parse_time(row.created_at),
        changed_at=parse_time(row.changed_at),
        erased_at=parse_time(row.erased_at) if row.erased_at else None,
        version=row.version,
    )
