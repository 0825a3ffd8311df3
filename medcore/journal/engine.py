"""One door to both back ends: an encrypted SQLite file (SQLCipher) or a PostgreSQL database by URL."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcore.errors import ConfigError, ReadOnlyError, StorageError
from medcore.journal import downtime

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["explain", "load_cipher", "open_file", "open_server", "reading", "writing"]

_POOL_SIZE = 4
_CONNECT_TIMEOUT_S = 10
_CHAIN_LOCK = 0x4D454443  # "MEDC": one number for all writers of a PostgreSQL journal
_BUSY_PAUSE_S = 0.01
_REASONS = (
    ("SQLITE_BUSY", "The journal is locked by another program"),
    ("SQLITE_LOCKED", "The journal is locked by another program"),
    ("SQLITE_READONLY", "The journal is read-only"),
    ("SQLITE_FULL", "The disk or the journal is full"),
    ("SQLITE_NOTADB", "The journal's file is damaged, is not a journal, or belongs to other keys"),
    ("SQLITE_CORRUPT", "The journal's file is damaged"),
    ("SQLITE_CANTOPEN", "The journal's file cannot be opened"),
    ("SQLITE_IOERR", "The journal's disk failed"),
    ("53100", "The disk of the journal's server is full"),
    ("25006", "The journal's server is read-only"),
    ("55P03", "The journal is locked by another program"),
    ("28", "The journal's server refused the user or the password"),
    ("3D", "The journal's server has no such database"),
    ("57P", "The journal's server was stopped or restarted"),
    ("08", "The journal's server cannot be reached"),
)


def load_cipher() -> Any:
    """Return SQLCipher's DB-API module, bound to its own library whatever was loaded before it.

    TensorFlow exports the symbols of a plain SQLite. A SQLCipher loaded after it would take those, know no
    ``PRAGMA key`` and write plain text without a word; so it is told to look at itself first.

    Raises
    ------
    StorageError
        What was loaded does not encrypt.
    """
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        from sqlcipher3 import dbapi2
    finally:
        sys.setdlopenflags(flags)
    probe = dbapi2.connect(":memory:")
    try:
        encrypts = probe.execute("PRAGMA cipher_version").fetchone()
    finally:
        probe.close()
    if not encrypts:
        raise StorageError(
            "The journal's library does not encrypt in this process: another SQLite was loaded before it. Nothing "
            "was written. Start medcore anew; if it lasts, install it in an environment of its own."
        )
    return dbapi2


def open_file(
    path: Path, key: bytes, *, busy_s: float, pragmas: tuple[str, ...] = (), looks_only: bool = False
) -> Engine:
    """Return the engine of an existing or empty encrypted file (write-ahead log, every commit on disk).

    Parameters
    ----------
    path : Path
    key : bytes
        32 bytes, used as they are: the file holds no password-derived key.
    busy_s : float
        How long to wait for another program that writes, seconds.
    pragmas : tuple of str
        Further settings of each connection.
    looks_only : bool
        Refuse to store anything but events and sessions; see :mod:`medcore.journal.downtime`.
    """
    import sqlalchemy

    dbapi2 = load_cipher()

    def connect() -> Any:
        connection = dbapi2.connect(str(path), timeout=busy_s, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA cipher_log_level = NONE")
            connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            for pragma in (
                "synchronous = FULL",
                "foreign_keys = ON",
                "secure_delete = ON",
                "cipher_memory_security = OFF",
            ):
                connection.execute(f"PRAGMA {pragma}")
            _use_write_ahead_log(connection, busy_s, dbapi2.OperationalError)
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
            if looks_only:
                downtime.allow_looks_only(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    engine = sqlalchemy.create_engine(
        "sqlite://",
        module=dbapi2,
        creator=connect,
        poolclass=sqlalchemy.QueuePool,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        hide_parameters=True,
    )

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _is_writing(connection) else "BEGIN")

    return engine


def open_server(url: str, *, busy_s: float) -> Engine:
    """Return the engine of a PostgreSQL database; a connection that died is replaced before its next use.

    Raises
    ------
    ConfigError
        The address is not one of PostgreSQL.
    """
    import sqlalchemy

    scheme, mark, rest = url.partition("://")
    if scheme not in ("postgresql", "postgresql+psycopg") or not mark:
        raise ConfigError("MEDCORE_JOURNAL_URL must begin with postgresql://", field="journal_url")
    try:
        engine = sqlalchemy.create_engine(
            f"postgresql+psycopg://{rest}",
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "options": f"-c lock_timeout={int(busy_s * 1000)}"},
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise ConfigError("A journal in PostgreSQL needs the extra: pip install -e '.[postgres]'") from error
    except (sqlalchemy.exc.ArgumentError, ValueError):  # whose text may quote a password
        raise ConfigError("MEDCORE_JOURNAL_URL cannot be read as an address", field="journal_url") from None

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if _is_writing(connection):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CHAIN_LOCK})")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run one transaction as the only writer; committed at the end, undone on any exception."""
    with engine.connect() as connection:
        connection = connection.execution_options(medcore_writing=True)
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that sees one state of the database."""
    with engine.connect() as connection, connection.begin():
        yield connection


def explain(error: Exception) -> StorageError:
    """Return a driver's error as one sentence without the statement, its values or the address."""
    origin = getattr(error, "orig", None) or error
    name = str(getattr(origin, "sqlite_errorname", "") or getattr(origin, "sqlstate", "") or "")
    if name == "SQLITE_AUTH" or "not authorized" in str(origin):
        return ReadOnlyError(downtime.REFUSED)
    if "append-only" in str(origin):
        return StorageError("The journal is append-only. Nothing was done.")
    for prefix, text in _REASONS:
        if name.startswith(prefix):
            return StorageError(f"{text}. Nothing was done.")
    if not name and type(origin).__module__.startswith("psycopg"):
        return StorageError("The journal's server cannot be reached. Nothing was done.")
    return StorageError(f"The journal could not be used ({name or type(origin).__name__}). Nothing was done.")


def _is_writing(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("medcore_writing"))


def _use_write_ahead_log(connection: Any, busy_s: float, busy: type[Exception]) -> None:
    """Switch the file's mode; here SQLite does not wait by itself for another program that opens it just now."""
    end = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except busy as error:
            if not str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY") or time.monotonic() > end:
                raise
            time.sleep(_BUSY_PAUSE_S)
