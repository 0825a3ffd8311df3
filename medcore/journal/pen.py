"""One writing transaction: what is stored, and the events that say so, together or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from medcore.errors import InputError, KeysError, ReadOnlyError
from medcore.journal import chain
from medcore.journal.event import Event
from medcore.journal.head import Head
from medcore.journal.ring import Ring
from medcore.journal.schema import PatientRow, SiteSettingRow
from medcore.journal.sealing import open_sealed, seal
from medcore.journal.stored import Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "READ_ONLY",
    "Pen",
    "digest_row",
    "erased",
    "find_patient_key",
    "open_json",
    "parse_time",
    "seal_json",
    "spell_time",
]


READ_ONLY = "read_only"
"""Site setting under which nothing is saved; events of reading are still written."""

_SAVING = {"create", "save", "change", "set", "erase"}
"""First words of the actions that change what is kept."""


@dataclass(slots=True)
class Pen:
    """A connection in a writing transaction, the keys, the time, and the end of the chain so far.

    ``read_only`` refuses to note that something was saved, whatever the site's setting says. ``broken``: a part
    of the transaction failed, so none of it may be committed.
    """

    connection: Connection
    ring: Ring
    now: datetime
    last: Head
    read_only: bool = False
    broken: bool = False

    @property
    def now_utc(self) -> str:
        """The time of this transaction, as it is stored."""
        return spell_time(self.now)

    def record(self, event: Event, digest: str = "") -> int:
        """Append one event and return its number."""
        self.last = chain.append(self.connection, self.ring, self.last, replace(event, at=event.at or self.now), digest)
        return self.last.number

    def note(self, by: Who, action: str, outcome: str, *, digest: str = "", **parts: Any) -> int:
        """Append the event of a stored thing.

        Raises
        ------
        ReadOnlyError
            It changes what is kept, and the site is in read-only mode: the transaction is undone.
        """
        if action.partition("_")[0] in _SAVING and action != "set_site_setting":
            self._refuse_in_maintenance()
        event = Event(actor=by.actor, role=by.role, session=by.session, action=action, outcome=outcome, **parts)
        return self.record(event, digest)

    def _refuse_in_maintenance(self) -> None:
        query = select(SiteSettingRow.value).where(SiteSettingRow.name == READ_ONLY)
        if self.read_only or self.connection.execute(query).scalar() == "true":
            raise ReadOnlyError(
                "Medcore is in read-only mode for maintenance: nothing was saved. What you entered stays here; save it "
                "when an administrator has ended the maintenance."
            )


def spell_time(at: datetime) -> str:
    """Return a time as it is stored: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def parse_time(text: str) -> datetime:
    """Read a stored time."""
    return datetime.fromisoformat(text)


def find_patient_key(connection: Connection, ring: Ring, pseudonym: str | None) -> bytes | None:
    """Return the key that a patient's things are sealed with; None for things of no patient.

    Raises
    ------
    InputError
        There is no such patient.
    KeysError
        The patient was erased.
    """
    if pseudonym is None:
        return None
    row = connection.execute(select(PatientRow.patient_key).where(PatientRow.pseudonym == pseudonym)).first()
    if row is None:
        raise InputError(f"There is no patient {pseudonym} here.", field="pseudonym", value=pseudonym)
    if row[0] is None:
        raise erased(pseudonym)
    return ring.open(row[0], f"patient_key:{pseudonym}")


def erased(pseudonym: str) -> KeysError:
    """Return the error for a patient whose data is gone for good."""
    return KeysError(f"The data of patient {pseudonym} was erased and cannot be read any more.", field="pseudonym")


def seal_json(ring: Ring, patient_key: bytes | None, content: Mapping[str, object], purpose: str) -> bytes:
    """Seal JSON with the patient's key, or with the journal's where there is no patient.

    Raises
    ------
    InputError
        A value is no JSON value, or not a finite number.
    """
    plain = _write_json(content)
    return ring.seal(plain, purpose) if patient_key is None else seal(patient_key, plain, purpose)


def open_json(ring: Ring, patient_key: bytes | None, sealed: bytes, purpose: str) -> dict[str, Any]:
    """Open what :func:`seal_json` sealed."""
    plain = ring.open(sealed, purpose) if patient_key is None else open_sealed(patient_key, sealed, purpose)
    return dict(json.loads(plain))


def digest_row(values: Mapping[str, object]) -> str:
    """Return the hash of a stored row that its event signs (hex SHA-256); bytes count as their own hash."""
    plain = {
        name: hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value for name, value in values.items()
    }
    return hashlib.sha256(_write_json(plain)).hexdigest()


def _write_json(content: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError) as error:
        raise InputError(f"What is to be saved cannot be written down ({type(error).__name__}).") from error
