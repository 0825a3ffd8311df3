"""Reading the plain journal of medcore 0.1 once, so that its events and its fingerprints go on."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medcore.errors import StorageError
from medcore.journal.event import Event

__all__ = ["OldJournal", "put_aside", "read_old_file"]

_APPLICATION_ID = 0x4D454443  # "MEDC"
_FORMAT = 1
_NAMES = (
    "at_utc, actor, action, outcome, condition, model_id, sha256, input_hash, n_records, app_version"  # oldest first
)


@dataclass(frozen=True, slots=True)
class OldJournal:
    """Events, oldest first, with fingerprints already keyed, and the key of the fingerprints."""

    events: tuple[Event, ...]
    salt: bytes


def read_old_file(path: Path) -> OldJournal | None:
    """Read the old journal; None if there is none.

    Raises
    ------
    StorageError
        The file is something else; it is left alone.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
        try:
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (number,) = connection.execute("PRAGMA user_version").fetchone()
            if found != _APPLICATION_ID or number != _FORMAT:
                raise StorageError(
                    f"{path.name} is not a journal of an earlier medcore: of another program. Move it away."
                )
            rows = connection.execute(f"SELECT {_NAMES} FROM events ORDER BY id").fetchall()  # noqa: S608 - own names
            (salt,) = connection.execute("SELECT salt FROM installation").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageError(f"{path.name} is damaged or not a journal. Move it away; nothing was changed.") from error
    names = [name.strip() for name in _NAMES.split(",")]
    return OldJournal(tuple(_to_event(dict(zip(names, row, strict=True))) for row in rows), salt)


def put_aside(path: Path) -> None:
    """Rename the imported file; it holds no patient's values and is kept for the record."""
    path.replace(path.with_name(f"{path.name}.imported"))


def _to_event(row: dict[str, object]) -> Event:
    at = datetime.fromisoformat(str(row.pop("at_utc")))
    return Event(at=at, **row)  # type: ignore[arg-type]
