"""Taking over the accounts and sessions of an earlier version, which kept them in ``access.sqlite3``, once."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from medcore.errors import StorageError
from medcore.journal.people import Row, draw_salt, find_salt
from medcore.journal.schema import AccountRow, AttemptsRow, SessionRow

if TYPE_CHECKING:
    from medcore.journal.journal import Journal

__all__ = ["take_over"]

_log = logging.getLogger(__name__)

_APPLICATION_ID = 0x4D454441  # "MEDA"
_FORMAT = 1
_WAIT_S = 5.0
_ROWS = {"accounts": AccountRow, "sessions": SessionRow, "attempts": AttemptsRow}


@dataclass(frozen=True, slots=True)
class _OldPeople:
    """The rows of each table, and the key of the fingerprints in them."""

    rows: dict[str, list[Row]]
    salt: bytes


def take_over(journal: Journal) -> None:
    """Import the file in one transaction and keep it as ``access.sqlite3.imported``; no event tells of it.

    Where there are other accounts already, the file is left alone and the log says so.

    Raises
    ------
    StorageError
        The file is in use, damaged or of another program; nothing was changed.
    """
    path = journal.folder.old_people
    with journal.writing() as pen:
        old = _read(path)
        if old is None:  # another program took it over and put it aside just now
            return
        salt = find_salt(pen.connection, pen.ring)
        n_accounts = pen.connection.execute(select(func.count()).select_from(AccountRow)).scalar()
        if (n_accounts or salt is not None) and salt != old.salt:
            _log.warning("access.sqlite3 was not imported: the journal has accounts already. Move it away.")
            return
        if not n_accounts:  # else it was imported, and this was interrupted before the renaming
            if salt is None:
                draw_salt(pen.connection, pen.ring, old.salt)
            for name, row in _ROWS.items():
                if old.rows[name]:
                    pen.connection.execute(insert(row), old.rows[name])
    with contextlib.suppress(FileNotFoundError):  # another program did so
        path.replace(path.with_name(f"{path.name}.imported"))


def _read(path: Path) -> _OldPeople | None:
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_WAIT_S)
        connection.row_factory = sqlite3.Row
        try:
            return _read_rows(connection, path.name)
        finally:
            connection.close()
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", "") or "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise StorageError(f"{path.name} is in use by an earlier medcore: stop it. Nothing was changed.") from error
        raise StorageError(
            f"{path.name} is damaged or holds no accounts. Move it away; nothing was changed."
        ) from error


def _read_rows(connection: sqlite3.Connection, name: str) -> _OldPeople:
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != _APPLICATION_ID or number != _FORMAT:
        raise StorageError(f"{name} is a database of another program or version. Move it away; nothing was changed.")
    connection.execute("PRAGMA journal_mode = DELETE")  # what stands in its log belongs to it; needs it alone
    rows = {
        table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - own names
        for table in _ROWS
    }
    return _OldPeople(rows, bytes(connection.execute("SELECT salt FROM installation").fetchone()[0]))
