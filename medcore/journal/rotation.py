"""New keys for an existing journal. Every step can be interrupted: the next start finds a state that opens."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import delete, insert, select, update

from medcore.config import Settings
from medcore.errors import StorageError
from medcore.journal import engine
from medcore.journal.event import Event
from medcore.journal.folder import Folder, hold_lock
from medcore.journal.journal import Journal
from medcore.journal.keys import Keys, new_master, new_recovery_key, open_keys, recover, save_keys
from medcore.journal.master import parse_master_key
from medcore.journal.opening import masters_of
from medcore.journal.pen import Pen, open_json
from medcore.journal.schema import IdentifierRow, PatientRow
from medcore.journal.sealing import KEY_BYTES

__all__ = ["Rotated", "recover_keys", "rotate_data_key", "rotate_master_key", "rotate_recovery_key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """Where the master key is now, and what must be shown to a person once."""

    place: str
    recovery_key: str | None = field(default=None, repr=False)


def rotate_master_key(folder: Path, *, settings: Settings, actor: str, new_master_key: str = "") -> Rotated:
    """Wrap the keys with a new master key; the recovery key stays as it is.

    Parameters
    ----------
    folder : Path
        The data folder.
    settings : Settings
        Must still give the present master key.
    actor : str
    new_master_key : str
        64 hexadecimal digits, where the setting holds the master key: put it there afterwards.

    Raises
    ------
    StorageError
        The journal is in use, or its keys cannot be opened.
    """
    place = Folder(folder)
    with _alone(place):
        masters = masters_of(place, settings)
        keys = open_keys(place, masters)
        if settings.master_key:
            if not new_master_key:
                raise StorageError("The master key is in MEDCORE_MASTER_KEY: give the new one with --new-master-key.")
            parse_master_key(new_master_key)
            masters = replace(masters, given=new_master_key)
        keys, _ = new_master(replace(keys, place=masters.choose()), masters)
        save_keys(place, keys)
        masters.drop_others(keys.place, keys.installation, keys.serial)
    _note(folder, replace(settings, master_key=masters.given), actor, "rotate_master_key")
    return Rotated(place=keys.place)


def rotate_recovery_key(folder: Path, *, settings: Settings, actor: str) -> Rotated:
    """Draw a new recovery key; the earlier one opens nothing from now on."""
    place = Folder(folder)
    with _alone(place):
        keys, recovery_key = new_recovery_key(open_keys(place, masters_of(place, settings)))
        save_keys(place, keys)
    _note(folder, settings, actor, "rotate_recovery_key")
    return Rotated(place=keys.place, recovery_key=recovery_key)


def rotate_data_key(folder: Path, *, settings: Settings, actor: str) -> Rotated:
    """Draw a new data key and ring key: the file is encrypted anew, patients' keys are wrapped and indexed anew.

    Earlier data keys stay in ``journal.keys``, under the new ring key, to check the chain of their time. The
    recovery key is a new one, too.
    """
    place = Folder(folder)
    with Journal(folder, settings=settings) as journal:  # finishes what was interrupted, and checks
        journal.open()
    with _alone(place):
        masters = masters_of(place, settings)
        keys = replace(open_keys(place, masters), ring_key=secrets.token_bytes(KEY_BYTES))
        keys = replace(keys, ring=keys.ring.add_key())
        keys, recovery_key = new_recovery_key(keys)
        keys, _ = new_master(keys, masters)
        save_keys(place, keys)
        if not settings.journal_url:
            _encrypt_anew(place, keys)
            keys = replace(keys, ring=replace(keys.ring, database=keys.ring.current))
            save_keys(place, keys)
        masters.drop_others(keys.place, keys.installation, keys.serial)
    with Journal(folder, settings=settings) as journal, journal.writing() as pen:
        _wrap_patients_anew(pen)
        pen.record(Event(actor=actor, action="rotate_data_key", outcome="rotated", n_records=0))
    return Rotated(place=keys.place, recovery_key=recovery_key)


def recover_keys(folder: Path, recovery_key: str, *, settings: Settings, actor: str) -> Rotated:
    """Open the journal with the recovery key and give it a new master key.

    Raises
    ------
    KeysError
        The recovery key is mistyped, replaced, or of another journal.
    """
    place = Folder(folder)
    with _alone(place):
        keys = recover(place, masters_of(place, settings), recovery_key)
    _note(folder, settings, actor, "recover_keys")
    return Rotated(place=keys.place)


@contextlib.contextmanager
def _alone(place: Folder) -> Iterator[None]:
    problem = "The journal is in use: stop the dashboard first. Nothing was changed."
    try:
        with hold_lock(place.use, wait_s=0.5, problem=problem):
            yield
    except OSError as error:
        raise StorageError(f"The journal's keys cannot be changed ({error.strerror}).") from error


def _encrypt_anew(place: Folder, keys: Keys) -> None:
    """Give the file its new key in one SQLite transaction: after a crash it has the old or the new one."""
    from sqlalchemy.exc import SQLAlchemyError

    database = engine.open_file(place.database, keys.ring.key_for("database", keys.ring.database), busy_s=5.0)
    try:
        with database.connect() as connection:
            connection.rollback()
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("PRAGMA journal_mode = DELETE")
            raw.execute(f"PRAGMA rekey = \"x'{keys.ring.key_for('database').hex()}'\"")
            raw.execute("PRAGMA journal_mode = WAL")
    except SQLAlchemyError as error:
        raise engine.explain(error) from error
    finally:
        database.dispose()


def _wrap_patients_anew(pen: Pen) -> None:
    rows = pen.connection.execute(
        select(PatientRow.pseudonym, PatientRow.patient_key, PatientRow.sealed).where(
            PatientRow.patient_key.is_not(None)
        )
    ).all()
    for name, wrapped, sealed in rows:
        if wrapped is None or sealed is None:  # erased
            continue
        key = pen.ring.open(wrapped, f"patient_key:{name}")
        identifiers = open_json(pen.ring, key, sealed, f"patient:{name}")
        pen.connection.execute(
            update(PatientRow)
            .where(PatientRow.pseudonym == name)
            .values(patient_key=pen.ring.seal(key, f"patient_key:{name}"))
        )
        pen.connection.execute(delete(IdentifierRow).where(IdentifierRow.pseudonym == name))
        for kind, text in identifiers.items():
            values = {"pseudonym": name, "kind": kind, "blind_index": pen.ring.blind_indices(kind, text)[0]}
            pen.connection.execute(insert(IdentifierRow), values)


def _note(folder: Path, settings: Settings, actor: str, action: str) -> None:
    with Journal(folder, settings=settings) as journal:
        journal.record(Event(actor=actor, action=action, outcome="done", n_records=0))
