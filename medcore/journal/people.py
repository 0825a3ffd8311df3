"""Accounts, sessions and counts of attempts, as rows: the access room says what they mean.

They are written under the lock of the chain, so that a change and the event that tells of it can be one
transaction; they are read without it. Nothing about a patient is in them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from medcore.journal.schema import AccountRow, AttemptsRow, InstallationRow, SessionRow
from medcore.journal.sealing import KEY_BYTES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["People", "Row", "draw_salt", "find_salt", "fingerprint"]

Row = dict[str, Any]
"""One row by the names of its columns."""

_SALT_NAME = "people_salt"
_PURPOSE = f"installation:{_SALT_NAME}"

_ACCOUNTS = select(*AccountRow.__table__.columns)
_SESSIONS = select(*SessionRow.__table__.columns)
_ATTEMPTS = select(*AttemptsRow.__table__.columns).where(AttemptsRow.key == bindparam("key"))
_ALL_ACCOUNTS = _ACCOUNTS.order_by(AccountRow.name, AccountRow.id)
_ACCOUNT = _ACCOUNTS.where(AccountRow.id == bindparam("id"))
_ACCOUNT_BY_KEY = _ACCOUNTS.where(AccountRow.source == bindparam("source"), AccountRow.key == bindparam("key"))
_SESSION = _SESSIONS.where(SessionRow.token_hash == bindparam("token_hash"))
_NEWEST_SESSIONS = _SESSIONS.order_by(SessionRow.started_s.desc(), SessionRow.id)
_SALT = select(InstallationRow.sealed).where(InstallationRow.name == _SALT_NAME)


class People:
    """Who may come in and who is in; see ``Journal.people``. Rows are mappings by the columns of ``schema.py``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold every other writer off; events that are recorded meanwhile belong to the same transaction."""
        with self._journal.writing():
            yield

    def read_salt(self) -> bytes:
        """Return the key of fingerprints, drawn at the first use."""
        with self._journal.reading() as (connection, ring):
            found = find_salt(connection, ring)
        if found is not None:
            return found
        with self._journal.writing() as pen:
            found = find_salt(pen.connection, pen.ring)
            return found if found is not None else draw_salt(pen.connection, pen.ring)

    def list_accounts(self) -> tuple[Row, ...]:
        """Return all accounts, by name."""
        return self._read(_ALL_ACCOUNTS)

    def find_account(self, source: str, key: str) -> Row | None:
        """Return the account of that source and key, or None."""
        return next(iter(self._read(_ACCOUNT_BY_KEY, source=source, key=key)), None)

    def get_account(self, account_id: str) -> Row | None:
        """Return the account of that id, or None."""
        return next(iter(self._read(_ACCOUNT, id=account_id)), None)

    def add_account(self, values: Mapping[str, object]) -> None:
        """Insert one."""
        with self._journal.writing() as pen:
            pen.connection.execute(insert(AccountRow), dict(values))

    def replace_account(self, values: Mapping[str, object], *, version: int) -> bool:
        """Replace the account of the same id if it is still of that version; say whether it was."""
        same = (AccountRow.id == values["id"], AccountRow.version == version)
        with self._journal.writing() as pen:
            return bool(pen.connection.execute(update(AccountRow).where(*same).values(dict(values))).rowcount)

    def read_attempts(self, key: str) -> Row | None:
        """Return what was tried under a key, or None."""
        return next(iter(self._read(_ATTEMPTS, key=key)), None)

    def write_attempts(self, values: Mapping[str, object]) -> None:
        """Replace what was tried under the key of ``values``."""
        with self._journal.writing() as pen:
            pen.connection.execute(delete(AttemptsRow).where(AttemptsRow.key == values["key"]))
            pen.connection.execute(insert(AttemptsRow), dict(values))

    def remove_attempts(self, key: str) -> None:
        """Remove what was tried under a key."""
        with self._journal.writing() as pen:
            pen.connection.execute(delete(AttemptsRow).where(AttemptsRow.key == key))

    def forget_attempts(self, before_s: float) -> None:
        """Remove what was last tried before that time, seconds since 1970."""
        with self._journal.writing() as pen:
            pen.connection.execute(delete(AttemptsRow).where(AttemptsRow.last_s < before_s))

    def add_session(self, values: Mapping[str, object]) -> None:
        """Insert one."""
        with self._journal.writing() as pen:
            pen.connection.execute(insert(SessionRow), dict(values))

    def find_session(self, token_hash: str) -> Row | None:
        """Return the session of that token, or None."""
        return next(iter(self._read(_SESSION, token_hash=token_hash)), None)

    def list_sessions(self, account_id: str | None = None) -> tuple[Row, ...]:
        """Return the sessions of one account or of all, newest first."""
        query = _NEWEST_SESSIONS
        return self._read(query if account_id is None else query.where(SessionRow.account_id == account_id))

    def use_session(self, session_id: str, used_s: float) -> None:
        """Note that it is in use, unless it has ended or a later use is noted."""
        same = (SessionRow.id == session_id, SessionRow.ended == "", SessionRow.used_s < used_s)
        with self._journal.writing() as pen:
            pen.connection.execute(update(SessionRow).where(*same).values(used_s=used_s))

    def end_session(self, session_id: str, why: str) -> bool:
        """End it unless it has ended; say whether this call did."""
        same = (SessionRow.id == session_id, SessionRow.ended == "")
        with self._journal.writing() as pen:
            return bool(pen.connection.execute(update(SessionRow).where(*same).values(ended=why)).rowcount)

    def forget_sessions(self, before_s: float) -> None:
        """Remove those that started before that time, seconds since 1970."""
        with self._journal.writing() as pen:
            pen.connection.execute(delete(SessionRow).where(SessionRow.started_s < before_s))

    def _read(self, query: Select[Any], **values: object) -> tuple[Row, ...]:
        self._journal.check_same_file()
        with self._journal.reading() as (connection, _):
            return tuple(dict(row._mapping) for row in connection.execute(query, values))


def fingerprint(salt: bytes, text: str) -> str:
    """Return HMAC-SHA256 of a text (hex)."""
    return hmac.new(salt, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def draw_salt(connection: Connection, ring: Ring, salt: bytes | None = None) -> bytes:
    """Store the key of fingerprints, a new one unless given; it is never changed afterwards."""
    salt = salt or secrets.token_bytes(KEY_BYTES)
    connection.execute(insert(InstallationRow), {"name": _SALT_NAME, "sealed": ring.seal(salt, _PURPOSE)})
    return salt


def find_salt(connection: Connection, ring: Ring) -> bytes | None:
    """Return the key of fingerprints, or None before it is drawn."""
    sealed = connection.execute(_SALT).scalar()
    return None if sealed is None else ring.open(sealed, _PURPOSE)
