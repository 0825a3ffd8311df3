"""The journal: one append-only SQLite table of events, without inputs and without results' numbers.

Services write the event first and show the result afterwards. Every failure to write is a
:class:`~medcore.errors.StorageError`, and then the action is refused. Rows cannot be changed or
removed through SQL: triggers abort it. Inputs are kept as a keyed hash only, with a key drawn
once per installation, so that the same patient typed twice can be recognised here and nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from medcore.errors import StorageError

__all__ = ["Event", "Journal", "open_journal"]

_FILE_NAME = "journal.sqlite3"
_APPLICATION_ID = 0x4D454443  # "MEDC"
_FORMAT = 1
_SALT_BYTES = 32
_BUSY_PAUSE_S = 0.01
_COLUMNS = (
    "at_utc",
    "actor",
    "action",
    "outcome",
    "condition",
    "model_id",
    "sha256",
    "input_hash",
    "n_records",
    "app_version",
)
_CREATE = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_utc TEXT NOT NULL,
    actor TEXT NOT NULL CHECK (actor <> ''),
    action TEXT NOT NULL CHECK (action <> ''),
    outcome TEXT NOT NULL CHECK (outcome <> ''),
    condition TEXT NOT NULL,
    model_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    n_records INTEGER NOT NULL,
    app_version TEXT NOT NULL
);
CREATE TABLE installation (salt BLOB NOT NULL);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN NEW.id IN (SELECT id FROM events)
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER installation_no_update BEFORE UPDATE ON installation
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER installation_no_delete BEFORE DELETE ON installation
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was done.

    ``action`` and ``outcome`` are short stable words (``predict``, ``scored``); ``actor`` is
    ``local:<user>`` for commands and the page's user otherwise; ``input_hash`` is a fingerprint of the
    input, never the input itself, and is stored keyed (HMAC-SHA256), so that the stored text differs.
    ``n_records`` counts the patients concerned.
    ``at`` (UTC) and ``id`` are given by the journal.
    """

    actor: str
    action: str
    outcome: str
    condition: str = ""
    model_id: str = ""
    sha256: str = ""
    input_hash: str = ""
    n_records: int = 1
    app_version: str = ""
    at: datetime | None = None
    id: int | None = None


def _read_clock() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The journal of one installation. All methods may be called from any thread.

    Parameters
    ----------
    folder : Path
        The data folder of the settings; created (mode 0700) together with the file (mode 0600) on
        first use, not before.
    clock : callable, optional
        Gives the time of an event, in UTC.
    busy_s : float, optional
        How long to wait for another program that holds the file, seconds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
    ...     journal.record(Event(actor="local:doctest", action="predict", outcome="scored"))
    1
    """

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = _read_clock, busy_s: float = 5.0) -> None:
        self.path = Path(folder) / _FILE_NAME
        self._clock = clock
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._salt = b""

    def record(self, event: Event) -> int:
        """Write one event durably and return its number.

        Raises
        ------
        StorageError
            It could not be written; the action must be refused.
        """
        event = replace(event, at=event.at or self._clock())
        names = ", ".join(_COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))
        with self._locked() as connection:
            self._check_same_file()
            event = replace(event, input_hash=self._key(event.input_hash))
            cursor = connection.execute(f"INSERT INTO events ({names}) VALUES ({marks})", _to_row(event))  # noqa: S608 - own names
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def events(self, limit: int = 100) -> tuple[Event, ...]:
        """Return the newest ``limit`` events, newest first.

        Raises
        ------
        StorageError
            The journal cannot be read.
        """
        names = ", ".join(("id", *_COLUMNS))
        with self._locked() as connection:
            rows = connection.execute(f"SELECT {names} FROM events ORDER BY id DESC LIMIT ?", (limit,)).fetchall()  # noqa: S608 - own names
        return tuple(_from_row(row) for row in rows)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.Error as error:
                raise StorageError(_explain(error)) from error
            except OSError as error:
                raise StorageError(f"The journal cannot be written ({error.strerror}). Nothing was done.") from error

    def _open(self) -> sqlite3.Connection:
        _create_private(self.path)
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            _prepare(connection)
            _use_write_ahead_log(connection, self._busy_s)
            (self._salt,) = connection.execute("SELECT salt FROM installation").fetchone()
        except BaseException:
            connection.close()
            raise
        self._identity = _identify(self.path)
        return connection

    def _key(self, fingerprint: str) -> str:
        return hmac.new(self._salt, fingerprint.encode(), hashlib.sha256).hexdigest() if fingerprint else ""

    def _check_same_file(self) -> None:
        """Refuse to write into a file that was removed or replaced under us: the event would be lost."""
        if not self.path.exists() or _identify(self.path) != self._identity:
            assert self._connection is not None
            self._connection.close()
            self._connection = None
            raise StorageError("The journal's file was removed or replaced while in use. Nothing was done.")


def open_journal(folder: Path) -> Journal:
    """Open the journal of a data folder and make sure that it can be used.

    Raises
    ------
    StorageError
        It cannot.
    """
    journal = Journal(folder)
    journal.events(1)
    return journal


def _create_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file; refuse any file that is not a journal of this format."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables and not found:
            for statement in _statements(_CREATE):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute("INSERT INTO installation VALUES (?)", (secrets.token_bytes(_SALT_BYTES),))
        elif found != _APPLICATION_ID:
            raise StorageError("The journal's file is a database of another program. Move it away or set MEDCORE_DATA.")
        elif number != _FORMAT:
            raise StorageError(
                f"The journal has format {number}, this version of medcore reads {_FORMAT}. Update medcore."
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _use_write_ahead_log(connection: sqlite3.Connection, busy_s: float) -> None:
    """Switch the file's mode; here SQLite does not wait by itself for another program that opens it just now."""
    end = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_BUSY_PAUSE_S)


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements, so that they stay inside one transaction (``executescript`` commits)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _to_row(event: Event) -> tuple[object, ...]:
    assert event.at is not None
    at_utc = event.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return (at_utc, *(getattr(event, name) for name in _COLUMNS[1:]))


def _from_row(row: tuple[object, ...]) -> Event:
    number, at_utc, *rest = row
    named = dict(zip(_COLUMNS[1:], rest, strict=True))
    return Event(id=number, at=datetime.fromisoformat(str(at_utc)), **named)  # type: ignore[arg-type]


def _explain(error: sqlite3.Error) -> str:
    name = str(getattr(error, "sqlite_errorname", "") or "")
    for prefix, text in (
        ("SQLITE_BUSY", "The journal is locked by another program"),
        ("SQLITE_LOCKED", "The journal is locked by another program"),
        ("SQLITE_READONLY", "The journal is read-only"),
        ("SQLITE_FULL", "The disk or the journal is full"),
        ("SQLITE_NOTADB", "The journal's file is not a journal"),
        ("SQLITE_CORRUPT", "The journal's file is damaged"),
        ("SQLITE_CANTOPEN", "The journal's file cannot be opened"),
        ("SQLITE_IOERR", "The journal's disk failed"),
        ("SQLITE_CONSTRAINT_TRIGGER", "The journal is append-only"),
    ):
        if name.startswith(prefix):
            return f"{text}. Nothing was done."
    return f"The journal could not be used ({name or type(error).__name__}). Nothing was done."
