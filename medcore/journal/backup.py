"""Copies of a journal that are taken while it is in use, and putting one back after it was checked.

A backup is a folder: the encrypted database, the wrapped keys, the head of that moment, the image files, and
``manifest.json`` with the hash of each. The master key is never in it: keep that, or the recovery key, elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select

from medcore.config import Settings
from medcore.errors import StorageError
from medcore.journal import chain, engine
from medcore.journal.audit import Verification
from medcore.journal.event import Event
from medcore.journal.folder import Folder, hold_lock, write_private
from medcore.journal.head import reset_head
from medcore.journal.journal import Journal
from medcore.journal.keys import recover
from medcore.journal.opening import masters_of
from medcore.journal.schema import ImageRow, SessionRow

__all__ = ["Backup", "back_up", "restore"]

_MANIFEST = "manifest.json"
_FORMAT = 1
_LOST = ("database", "keys", "master", "head", "images")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was copied."""

    folder: Path
    n_events: int
    n_images: int


def back_up(journal: Journal, target: Path, *, actor: str) -> Backup:
    """Copy a journal into a new folder while others use it; the copy is one state of the database.

    Raises
    ------
    StorageError
        The folder exists already, cannot be written, or the journal is in PostgreSQL.
    """
    opened = journal.opened()
    if not opened.is_file:
        raise StorageError("This journal is in PostgreSQL: use pg_dump, and copy journal.keys (docs/journal.md).")
    try:
        target.mkdir(mode=0o700, parents=True)
        copy = Folder(target)
        with opened.engine.connect() as connection:
            connection.rollback()
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("VACUUM INTO ?", (str(copy.database),))
        copy.database.chmod(0o600)
        write_private(copy.keys, journal.folder.keys.read_bytes())
        ring = opened.keys.ring
        database = engine.open_file(copy.database, ring.key_for("database", ring.database), busy_s=1.0)
        try:
            with engine.reading(database) as reader:
                end = chain.newest(reader, opened.keys.installation)
                images = list(reader.execute(select(ImageRow.id)).scalars())
            with database.connect() as connection:
                connection.rollback()
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA journal_mode = DELETE")
        finally:
            database.dispose()
        reset_head(copy, ring, end)
        n_images = _copy_images(journal.folder, copy, images)
        write_private(target / _MANIFEST, json.dumps(_describe(copy, opened.keys.installation), indent=1).encode())
    except OSError as error:
        raise StorageError(f"The backup cannot be written ({error.strerror}): give a new, writable folder.") from error
    journal.record(Event(actor=actor, action="backup", outcome="saved", target=f"backup:{end.number}", n_records=0))
    return Backup(folder=target, n_events=end.number, n_images=n_images)


def restore(
    source: Path, folder: Path, *, settings: Settings, actor: str, recovery_key: str | None = None
) -> tuple[Verification, Path | None]:
    """Check a backup completely and then put it in the place of the present journal, which is set aside.

    Accounts are again what they were then; everybody is signed out.

    Parameters
    ----------
    source : Path
        Folder that :func:`back_up` wrote.
    folder : Path
        The data folder.
    settings : Settings
    actor : str
    recovery_key : str, optional
        Needed where the master key of the backup's time is not at hand.

    Returns
    -------
    verification : Verification
        What the check of the backup found: nothing.
    set_aside : Path or None
        Where the files that were there before are now.

    Raises
    ------
    StorageError
        The backup is incomplete, changed, or of other keys; or the journal is in use. Nothing was replaced.
    """
    place, stage = Folder(folder), Folder(folder / "journal.restore")
    place.create()
    problem = "The journal is in use: stop the dashboard first. Nothing was replaced."
    try:
        with hold_lock(place.use, wait_s=0.5, problem=problem):
            shutil.rmtree(stage.root, ignore_errors=True)
            try:
                _stage(source, place, stage)
                verification = _check(stage, settings, recovery_key)
                set_aside = _swap(place, stage)
            finally:
                shutil.rmtree(stage.root, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"The backup could not be restored ({error.strerror}). Nothing was replaced.") from error
    with Journal(folder, settings=settings) as journal, journal.writing() as pen:
        pen.connection.execute(delete(SessionRow))  # what was signed in then is not signed in now
        pen.record(
            Event(
                actor=actor, action="restore", outcome="restored", target=f"backup:{verification.n_events}", n_records=0
            )
        )
    return verification, set_aside


def _copy_images(source: Folder, copy: Folder, images: list[str]) -> int:
    """Copy the files of the images that the copied database names; those of erased patients are gone."""
    copy.images.mkdir(mode=0o700)
    found = [name for name in images if (source.images / f"{name}.sealed").exists()]
    for name in found:
        write_private(copy.images / f"{name}.sealed", (source.images / f"{name}.sealed").read_bytes())
    return len(found)


def _describe(copy: Folder, installation: str) -> dict[str, object]:
    files = sorted(path for path in copy.root.rglob("*") if path.is_file() and path.name != _MANIFEST)
    return {
        "format": _FORMAT,
        "installation": installation,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {str(path.relative_to(copy.root)): _hash(path) for path in files},
    }


def _stage(source: Path, place: Folder, stage: Folder) -> None:
    try:
        manifest = json.loads((source / _MANIFEST).read_bytes())
        files = {str(name): str(value) for name, value in manifest["files"].items()}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StorageError(f"{source.name} is not a backup of medcore: it has no {_MANIFEST}.") from error
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StorageError(f"{_MANIFEST} of the backup is damaged. Nothing was replaced.") from error
    allowed = {stage.database.name, stage.keys.name, stage.head.name}
    if allowed - set(files):
        raise StorageError("The backup is incomplete. Nothing was replaced.")
    stage.images.mkdir(mode=0o700, parents=True)
    stage.root.chmod(0o700)
    for name, value in files.items():
        inner = Path(name)
        if name not in allowed and (inner.parent != Path(stage.images.name) or inner.suffix != ".sealed"):
            raise StorageError("The backup names a file that does not belong to it. Nothing was replaced.")
        if not (source / inner).is_file() or _hash(source / inner) != value:
            raise StorageError(f"{inner.name} of the backup is missing or was changed. Nothing was replaced.")
        write_private(stage.root / inner, (source / inner).read_bytes())
    if place.master.exists():
        write_private(stage.master, place.master.read_bytes())


def _check(stage: Folder, settings: Settings, recovery_key: str | None) -> Verification:
    if recovery_key is not None:
        recover(stage, masters_of(stage, settings), recovery_key)
    with Journal(stage.root, settings=settings) as journal:
        verification = journal.audit.verify()
    if not verification.ok:
        raise StorageError(f"The backup was changed: {verification.findings[0].text} Nothing was replaced.")
    return verification


def _swap(place: Folder, stage: Folder) -> Path | None:
    """Move what is there aside and the checked files in: renames on one disk only."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = Folder(place.root / f"journal.before-restore-{moment}")
    present = [path for path in place.root.glob("journal.db*") if path.is_file()]
    present += [path for name in _LOST[1:] if (path := getattr(place, name)).exists()]
    if present:
        aside.root.mkdir(mode=0o700)
    for path in present:
        path.rename(aside.root / path.name)
    for name in reversed(_LOST):
        path = getattr(stage, name)
        if path.exists():
            path.rename(getattr(place, name))
    return aside.root if present else None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
