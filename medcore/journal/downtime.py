"""Reading from a data folder that cannot be written: on a copy of the database, which takes looks and sessions only.

Every look needs its event, and a sign-in its session, so that something has to be written. The copy lies in a private
temporary folder, encrypted as the database is. It goes on with the chain of events; whatever else would be stored, and
be lost with the copy, is refused by the database itself. The copy stays when the program ends: it holds the looks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from medcore.journal.folder import Folder

__all__ = ["REFUSED", "allow_looks_only", "is_unwritable", "work_on_copy"]

REFUSED = (
    "The data folder cannot be written, and Medcore was started to read only: nothing was saved. What you entered "
    "stays here; save it when the folder can be written again."
)

_log = logging.getLogger(__name__)
_OPEN = {"events", "sessions", "attempts"}
_SQLITE_OK, _SQLITE_DENY = 0, 1
_WRITES = {9, 18, 23}  # SQLITE_DELETE, SQLITE_INSERT, SQLITE_UPDATE
_LOG_SUFFIX = "-wal"


def is_unwritable(folder: Folder) -> bool:
    """Whether a journal lies in a folder in which this program may not write."""
    return folder.keys.exists() and not os.access(folder.root, os.W_OK)


def work_on_copy(folder: Folder) -> Folder:
    """Copy what changes into a new private folder and return the places with it.

    Raises
    ------
    OSError
        There is no room, or no temporary folder either.
    """
    aside = Path(tempfile.mkdtemp(prefix="medcore-downtime-"))
    written_ahead = folder.database.with_name(folder.database.name + _LOG_SUFFIX)
    for path in (folder.database, written_ahead, folder.head, folder.keys):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path, aside / path.name)
            (aside / path.name).chmod(0o600)
    _log.warning("the data folder cannot be written: looks are recorded in the temporary copy %s", aside.name)
    return replace(folder, aside=aside)


def allow_looks_only(connection: Any) -> None:
    """Make a database connection refuse to store anything but events, sessions and tries to sign in."""

    def decide(action: int, table: str | None, *_: str | None) -> int:
        return _SQLITE_DENY if action in _WRITES and table not in _OPEN else _SQLITE_OK

    connection.set_authorizer(decide)
