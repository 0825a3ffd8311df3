"""The files of the data folder: their names, private creation, durable replacement, and locks between programs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcore.errors import StorageError

__all__ = ["Folder", "hold_lock", "sync_folder", "write_private"]

_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Folder:
    """The places inside one data folder. Every name begins with ``journal``, but for an earlier version's accounts.

    ``aside`` is where what changes lies instead, while the folder itself cannot be written.
    """

    root: Path
    aside: Path | None = None

    @property
    def _changing(self) -> Path:
        return self.aside or self.root

    @property
    def database(self) -> Path:
        """The encrypted database."""
        return self._changing / "journal.db"

    @property
    def keys(self) -> Path:
        """The data keys, wrapped."""
        return self.root / "journal.keys"

    @property
    def master(self) -> Path:
        """The master key, where no keyring and no setting holds it."""
        return self.root / "journal.master"

    @property
    def head(self) -> Path:
        """The number and signature of the newest event, outside the database."""
        return self._changing / "journal.head"

    @property
    def lock(self) -> Path:
        """Held alone while files are created or changed in form."""
        return self._changing / "journal.lock"

    @property
    def use(self) -> Path:
        """Held shared by every program that has the journal open."""
        return self._changing / "journal.use"

    @property
    def old(self) -> Path:
        """The plain journal of an earlier version."""
        return self.root / "journal.sqlite3"

    @property
    def old_people(self) -> Path:
        """The accounts of an earlier version, in a file of their own."""
        return self.root / "access.sqlite3"

    @property
    def images(self) -> Path:
        """Saved images, one encrypted file each."""
        return self.root / "journal-images"

    def create(self) -> None:
        """Create the folder for its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Write a whole file durably, for its owner only: after a crash the old or the new one is there, never a part."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def hold_lock(path: Path, *, shared: bool = False, wait_s: float = 30.0, problem: str = "") -> Iterator[None]:
    """Hold a file's lock; the system frees it when the program ends, however it ends.

    Raises
    ------
    StorageError
        Another program held it for all of ``wait_s``.
    """
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise StorageError(
                        problem or "The journal is locked by another program. Nothing was done."
                    ) from error
                time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)
