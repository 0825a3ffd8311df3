"""Opening a journal: keys, database, tables, head; creating them only where there is nothing yet."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import DatabaseError

from medcore.config import Settings
from medcore.errors import KeysError, StorageError
from medcore.journal import chain, engine, old_file, upgrade
from medcore.journal.folder import Folder, hold_lock
from medcore.journal.head import Head, advance, read_head, reset_head, start_of_chain
from medcore.journal.keys import Keys, create_keys, open_keys, save_keys
from medcore.journal.master import MasterStore
from medcore.journal.schema import InstallationRow
from medcore.journal.sealing import KEY_BYTES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["Opened", "masters_of", "open_parts"]

_LOCK_WAIT_S = 30.0
_GONE = (
    "The journal's database is missing, although events were written into it. Put it back, or `medcore restore` a "
    "backup; nothing was created."
)
_OLD = (
    "The journal is of an earlier version, and its folder cannot be written: start this version once where it can be "
    "written, or read with the earlier one."
)


@dataclass(slots=True)
class Opened:
    """The open parts of a journal."""

    folder: Folder
    keys: Keys
    engine: Engine
    salt: bytes
    identity: tuple[int, int] | None
    held: contextlib.ExitStack

    @property
    def is_file(self) -> bool:
        """Whether the database is the encrypted file rather than a server."""
        return self.identity is not None

    def is_same_file(self) -> bool:
        """Whether the database is still the one that was opened."""
        if self.identity is None:
            return True
        path = self.folder.database
        return path.exists() and _identify(path) == self.identity

    def close(self) -> None:
        """Close every connection and let other programs change the files."""
        self.engine.dispose()
        self.held.close()


def masters_of(folder: Folder, settings: Settings) -> MasterStore:
    """Return where the settings say that the master key is."""
    return MasterStore(folder, settings.master_key, settings.key_store)


def open_parts(
    folder: Folder, settings: Settings, *, busy_s: float, pragmas: tuple[str, ...]
) -> tuple[Opened, str | None]:
    """Open everything; the second value is the recovery key if the journal was created just now.

    Raises
    ------
    StorageError
        Something is missing, damaged, of another program or of a newer version. Nothing was created then.
    """
    folder.create()
    with contextlib.ExitStack() as held:
        problem = "The journal is being restored or given new keys: wait until that is done. Nothing was done."
        held.enter_context(hold_lock(folder.use, shared=True, wait_s=busy_s, problem=problem))
        with hold_lock(folder.lock, wait_s=_LOCK_WAIT_S):
            masters = masters_of(folder, settings)
            old = None if folder.database.exists() else old_file.read_old_file(folder.old)
            recovery_key = None
            if not folder.keys.exists():
                recovery_key = _create_keys(folder, settings, masters, busy_s)
            keys = open_keys(folder, masters)
            if settings.journal_url:
                database = engine.open_server(settings.journal_url, busy_s=busy_s)
            else:
                keys, database = _open_file(folder, keys, busy_s, pragmas)
            held.callback(database.dispose)
            with engine.reading(database) as connection:
                ready = upgrade.find_version(connection) == upgrade.HEAD
            if not ready and folder.aside is not None:
                raise StorageError(_OLD)
            if not ready:
                with engine.writing(database) as connection:
                    _prepare(folder, keys, connection, old)
            with engine.reading(database) as connection:
                salt = _read_salt(keys, connection)
                end = chain.newest(connection, keys.installation)
            _settle(folder, keys, end, database)
        identity = None if settings.journal_url else _identify(folder.database)
        return Opened(folder, keys, database, salt, identity, held.pop_all()), recovery_key


def _create_keys(folder: Folder, settings: Settings, masters: MasterStore, busy_s: float) -> str:
    """Create the keys of a journal that does not exist yet: the head first, so that keys never lack it."""
    if folder.database.exists() and folder.database.stat().st_size:
        if folder.database.read_bytes()[:15] == b"SQLite format 3":
            raise StorageError("The journal's file is not a journal: journal.db is of another program. Move it away.")
        raise KeysError("journal.keys is missing, or journal.db is not a journal. Put it back; nothing was created.")
    if settings.journal_url:
        database = engine.open_server(settings.journal_url, busy_s=busy_s)
        try:
            with engine.reading(database) as connection:
                if upgrade.find_version(connection) is not None:
                    raise KeysError("The server has a journal, but journal.keys is missing here. Put it back.")
        finally:
            database.dispose()
    keys, recovery_key = create_keys(masters)
    reset_head(folder, keys.ring, Head(0, start_of_chain(keys.installation), 1))
    save_keys(folder, keys)
    return recovery_key


def _open_file(folder: Folder, keys: Keys, busy_s: float, pragmas: tuple[str, ...]) -> tuple[Keys, Engine]:
    """Open the encrypted file; finishes a change of its key that was interrupted."""
    if not folder.database.exists() or not folder.database.stat().st_size:
        _refuse_loss(folder, keys)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(folder.database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if folder.database.stat().st_mode & 0o077:
        folder.database.chmod(0o600)
    try:
        return keys, _try_file(folder, keys, busy_s, pragmas)
    except DatabaseError:
        if keys.ring.database == keys.ring.current:
            raise
    keys = replace(keys, ring=replace(keys.ring, database=keys.ring.current))
    database = _try_file(folder, keys, busy_s, pragmas)
    save_keys(folder, keys)
    return keys, database


def _try_file(folder: Folder, keys: Keys, busy_s: float, pragmas: tuple[str, ...]) -> Engine:
    key = keys.ring.key_for("database", keys.ring.database)
    looks_only = folder.aside is not None
    database = engine.open_file(folder.database, key, busy_s=busy_s, pragmas=pragmas, looks_only=looks_only)
    try:
        with engine.reading(database) as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
    except BaseException:
        database.dispose()
        raise
    return database


def _prepare(folder: Folder, keys: Keys, connection: Connection, old: old_file.OldJournal | None) -> None:
    """Create the tables in an empty database, or bring them up to date after a copy was made."""
    if upgrade.find_version(connection) is not None:
        upgrade.upgrade(connection, to=upgrade.HEAD, before=lambda version: _copy(folder, keys, connection, version))
        return
    _refuse_loss(folder, keys)
    upgrade.upgrade(connection, to=upgrade.HEAD)
    salt = old.salt if old else secrets.token_bytes(KEY_BYTES)
    rows = {"salt": salt} | ({"imported": str(len(old.events)).encode()} if old else {})
    for name, value in rows.items():
        connection.execute(
            insert(InstallationRow), {"name": name, "sealed": keys.ring.seal(value, f"installation:{name}")}
        )
    end = Head(0, start_of_chain(keys.installation), 1)
    for event in old.events if old else ():
        end = chain.append(connection, keys.ring, end, event)


def _refuse_loss(folder: Folder, keys: Keys) -> None:
    """Refuse to begin anew where the head remembers events."""
    head = read_head(folder, keys.ring)
    if head is None or head.number > 0:
        raise StorageError(_GONE)


def _copy(folder: Folder, keys: Keys, connection: Connection, version: str) -> None:
    """Copy everything before the tables change: into a schema of its own on a server, else into a file."""
    if connection.dialect.name == "postgresql":
        upgrade.copy_tables(connection, version)
    else:
        _copy_file(folder, keys, version)


def _copy_file(folder: Folder, keys: Keys, version: str) -> None:
    """Copy the encrypted file (the committed state: nothing was written yet)."""
    target = folder.database.with_name(f"journal.db.before-{version}-{secrets.token_hex(4)}")
    key = keys.ring.key_for("database", keys.ring.database)
    source = engine.open_file(folder.database, key, busy_s=1.0)
    try:
        with source.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            raw.execute("VACUUM INTO ?", (str(target),))
    finally:
        source.dispose()


def _read_salt(keys: Keys, connection: Connection) -> bytes:
    row = connection.execute(select(InstallationRow.sealed).where(InstallationRow.name == "salt")).first()
    if row is None:
        raise StorageError("The journal is damaged: its table installation is empty. Restore a backup.")
    return keys.ring.open(row[0], "installation:salt")


def _settle(folder: Folder, keys: Keys, end: Head, database: Engine) -> None:
    """After the commit: bring the head forward, and put an imported file aside."""
    head = read_head(folder, keys.ring)
    if head is not None and head.number == 0 and end.number:
        advance(folder, keys.ring, end)
    if folder.old.exists():
        with engine.reading(database) as connection:
            imported = connection.execute(
                select(InstallationRow.name).where(InstallationRow.name == "imported")
            ).first()
        if imported is not None:
            old_file.put_aside(folder.old)


def _identify(path: os.PathLike[str]) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
