"""Accounts and sessions in one SQLite file of the data folder, readable by its owner only.

Every failure is a :class:`~medcore.errors.StorageError`, and then nobody gets in: there is no way
around the store. Several processes may use the file at once.
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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from medcore.access.records import Account, Attempts, Session, Source
from medcore.access.roles import Role
from medcore.errors import AccountError, StorageError

__all__ = ["SqliteStore"]

_FILE_NAME = "access.sqlite3"
_APPLICATION_ID = 0x4D454441  # "MEDA"
_FORMAT = 1
_SALT_BYTES = 32
_BUSY_PAUSE_S = 0.01
_TABLES = (
    """CREATE TABLE accounts (
        id TEXT PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, roles TEXT NOT NULL,
        password_hash TEXT NOT NULL, disabled INTEGER NOT NULL, must_change_password INTEGER NOT NULL,
        one_time_until_s REAL, not_before_s REAL NOT NULL, created_s REAL NOT NULL, version INTEGER NOT NULL,
        UNIQUE (source, key))""",
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL REFERENCES accounts (id),
        started_s REAL NOT NULL, used_s REAL NOT NULL, ended TEXT NOT NULL)""",
    "CREATE INDEX sessions_of_account ON sessions (account_id)",
    "CREATE TABLE attempts (key TEXT PRIMARY KEY, count INTEGER NOT NULL, last_s REAL NOT NULL, wait_s REAL NOT NULL)",
    "CREATE TABLE installation (salt BLOB NOT NULL)",
)
_ACCOUNT = (
    "id, source, key, name, roles, password_hash, disabled, must_change_password, one_time_until_s, not_before_s,"
    " created_s, version"
)
_SESSION = "id, token_hash, account_id, started_s, used_s, ended"


class SqliteStore:
    """The store of one installation. All methods may be called from any thread.

    Parameters
    ----------
    folder : Path
        The data folder; created (mode 0700) together with the file (mode 0600) on first use.
    busy_s : float, optional
        How long to wait for another process, seconds.
    """

    def __init__(self, folder: Path, *, busy_s: float = 5.0) -> None:
        self.path = Path(folder) / _FILE_NAME
        self._busy_s = busy_s
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._salt = b""

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold everybody else off, in this and in other processes: all or nothing is written.

        Raises
        ------
        StorageError
            It could not be written, and nothing was.
        """
        with self._using() as connection:
            if connection.in_transaction:  # inside another one, which decides
                yield
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                if self._connection is connection and connection.in_transaction:  # else it is closed, and undone
                    connection.execute("ROLLBACK")
                raise

    def blind(self, text: str) -> str:
        """Return HMAC-SHA256 of ``text`` under a key drawn once for this installation."""
        with self._using():
            return hmac.new(self._salt, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()

    def list_accounts(self) -> tuple[Account, ...]:
        """Return all accounts, by name."""
        return tuple(map(_to_account, self._ask(f"SELECT {_ACCOUNT} FROM accounts ORDER BY name, id")))  # noqa: S608

    def find_account(self, source: Source, key: str) -> Account | None:
        """Return the account with that key, or None; a key that is no text (half a character) is nobody's."""
        if not key.isascii() and key.encode(errors="ignore").decode() != key:
            return None
        rows = self._ask(f"SELECT {_ACCOUNT} FROM accounts WHERE source = ? AND key = ?", source.value, key)  # noqa: S608
        return _to_account(rows[0]) if rows else None

    def get_account(self, account_id: str) -> Account | None:
        """Return the account with that id, or None."""
        rows = self._ask(f"SELECT {_ACCOUNT} FROM accounts WHERE id = ?", account_id)  # noqa: S608 - own names
        return _to_account(rows[0]) if rows else None

    def add_account(self, account: Account) -> None:
        """Add one.

        Raises
        ------
        AccountError
            There is one with that key.
        """
        with self.writing():
            if self.find_account(account.source, account.key):
                raise AccountError("There is an account of that name already.", field="name", value=account.name)
            marks = ", ".join("?" * 12)
            self._ask(f"INSERT INTO accounts ({_ACCOUNT}) VALUES ({marks})", *_from_account(account))  # noqa: S608

    def save_account(self, account: Account) -> Account:
        """Replace the account of the same id and version, and return it with its new version.

        Raises
        ------
        AccountError
            Another change came first.
        """
        saved = replace(account, version=account.version + 1)
        with self.writing():
            present = self.get_account(account.id)
            if present is None or present.version != account.version:
                raise AccountError("The account was changed by somebody else just now. Look at it again.")
            sets = ", ".join(f"{name} = ?" for name in _ACCOUNT.split(", "))
            self._ask(f"UPDATE accounts SET {sets} WHERE id = ?", *_from_account(saved), account.id)  # noqa: S608
        return saved

    def read_attempts(self, key: str) -> Attempts:
        """Return what was tried under ``key``."""
        rows = self._ask("SELECT count, last_s, wait_s FROM attempts WHERE key = ?", key)
        return Attempts(count=rows[0][0], last_s=rows[0][1], wait_s=rows[0][2]) if rows else Attempts()

    def write_attempts(self, key: str, attempts: Attempts) -> None:
        """Replace what was tried under ``key``; a count of 0 removes it."""
        if attempts.count <= 0:
            self._ask("DELETE FROM attempts WHERE key = ?", key)
        else:
            values = (key, attempts.count, attempts.last_s, attempts.wait_s)
            self._ask("INSERT OR REPLACE INTO attempts (key, count, last_s, wait_s) VALUES (?, ?, ?, ?)", *values)

    def forget_attempts(self, before_s: float) -> None:
        """Remove what was last tried before that time."""
        self._ask("DELETE FROM attempts WHERE last_s < ?", before_s)

    def add_session(self, session: Session) -> None:
        """Add one."""
        values = (session.id, session.token_hash, session.account_id, session.started_s, session.used_s, session.ended)
        self._ask(f"INSERT INTO sessions ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?)", *values)  # noqa: S608 - own names

    def find_session(self, token_hash: str) -> Session | None:
        """Return the session of that token, or None."""
        rows = self._ask(f"SELECT {_SESSION} FROM sessions WHERE token_hash = ?", token_hash)  # noqa: S608 - own names
        return _to_session(rows[0]) if rows else None

    def list_sessions(self, account_id: str | None = None) -> tuple[Session, ...]:
        """Return the sessions of one account or of all, newest first, ended ones included."""
        where, values = ("WHERE account_id = ?", (account_id,)) if account_id is not None else ("", ())
        order = "ORDER BY started_s DESC, id"
        return tuple(map(_to_session, self._ask(f"SELECT {_SESSION} FROM sessions {where} {order}", *values)))  # noqa: S608

    def use_session(self, session_id: str, used_s: float) -> None:
        """Note that it is in use."""
        self._ask("UPDATE sessions SET used_s = max(used_s, ?) WHERE id = ? AND ended = ''", used_s, session_id)

    def end_session(self, session_id: str, why: str) -> bool:
        """End it unless it has ended; say whether this call did."""
        with self._using() as connection:
            changed = connection.execute(
                "UPDATE sessions SET ended = ? WHERE id = ? AND ended = ''", (why, session_id)
            ).rowcount
        return bool(changed)

    def forget_sessions(self, before_s: float) -> None:
        """Remove those that started before that time."""
        self._ask("DELETE FROM sessions WHERE started_s < ?", before_s)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._using() as connection:
            return connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                self._check_same_file()
                yield self._connection
            except sqlite3.Error as error:
                raise StorageError(_explain(error)) from error
            except OSError as error:
                raise StorageError(
                    f"The accounts cannot be read or written ({error.strerror}). Nobody is let in."
                ) from error

    def _open(self) -> sqlite3.Connection:
        _create_private(self.path)
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            _prepare(connection)
            _use_write_ahead_log(connection, self._busy_s)
            (self._salt,) = connection.execute("SELECT salt FROM installation").fetchone()
        except BaseException:
            connection.close()
            raise
        self._identity = _identify(self.path)
        return connection

    def _check_same_file(self) -> None:
        if not self.path.exists() or _identify(self.path) != self._identity:
            assert self._connection is not None
            self._connection.close()
            self._connection = None
            raise StorageError(
                "The file of accounts was removed or replaced while in use. Nobody is let in; try again."
            )


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
    """Create the tables in an empty file; refuse any file that is not ours or of another format."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (found,) = connection.execute("PRAGMA application_id").fetchone()
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables and not found:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_FORMAT}")
            connection.execute("INSERT INTO installation VALUES (?)", (secrets.token_bytes(_SALT_BYTES),))
        elif found != _APPLICATION_ID:
            raise StorageError(
                "The file of accounts is a database of another program. Move it away or set MEDCORE_DATA."
            )
        elif number != _FORMAT:
            raise StorageError(f"The accounts have format {number}, this medcore reads {_FORMAT}. Update medcore.")
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


def _from_account(account: Account) -> tuple[object, ...]:
    return (
        account.id,
        account.source.value,
        account.key,
        account.name,
        " ".join(sorted(account.roles)),
        account.password_hash,
        account.disabled,
        account.must_change_password,
        account.one_time_until_s,
        account.not_before_s,
        account.created_s,
        account.version,
    )


def _to_account(row: tuple[Any, ...]) -> Account:
    words = set(str(row[4]).split())
    return Account(
        id=row[0],
        source=Source(row[1]),
        key=row[2],
        name=row[3],
        roles=frozenset(role for role in Role if role.value in words),  # a word that is no role grants nothing
        password_hash=row[5],
        disabled=bool(row[6]),
        must_change_password=bool(row[7]),
        one_time_until_s=row[8],
        not_before_s=row[9],
        created_s=row[10],
        version=row[11],
    )


def _to_session(row: tuple[Any, ...]) -> Session:
    return Session(id=row[0], token_hash=row[1], account_id=row[2], started_s=row[3], used_s=row[4], ended=row[5])


def _explain(error: sqlite3.Error) -> str:
    name = str(getattr(error, "sqlite_errorname", "") or "")
    for prefix, text in (
        ("SQLITE_BUSY", "The file of accounts is locked by another program"),
        ("SQLITE_LOCKED", "The file of accounts is locked by another program"),
        ("SQLITE_READONLY", "The file of accounts is read-only"),
        ("SQLITE_FULL", "The disk is full"),
        ("SQLITE_NOTADB", "The file of accounts is damaged or of another program"),
        ("SQLITE_CORRUPT", "The file of accounts is damaged"),
        ("SQLITE_CANTOPEN", "The file of accounts cannot be opened"),
        ("SQLITE_IOERR", "The disk of the accounts failed"),
    ):
        if name.startswith(prefix):
            return f"{text}. Nobody is let in and nothing was changed."
    return f"The accounts cannot be used ({name or type(error).__name__}). Nobody is let in and nothing was changed."
