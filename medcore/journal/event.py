"""One line of the journal, and the bytes its chain is computed over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["COLUMNS", "Event", "canonical_bytes", "from_row", "to_row"]

COLUMNS = (
    "at_utc",
    "actor",
    "role",
    "session",
    "action",
    "outcome",
    "patient",
    "target",
    "condition",
    "model_id",
    "sha256",
    "input_hash",
    "n_records",
    "app_version",
)
"""What an event says, in the order in which it is signed; the number comes before, the digest after."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was done.

    ``action`` and ``outcome`` are short stable words (``predict``, ``scored``); ``actor`` is
    ``local:<user>`` for commands and the page's user otherwise, ``role`` and ``session`` (a public
    number, never the token) what they acted with; ``patient`` is a pseudonym and ``target`` what was acted on, as
    ``kind:id``. ``input_hash`` is a fingerprint of the
    input, never the input itself, and is stored keyed (HMAC-SHA256), so that the stored text differs.
    ``n_records`` counts the patients concerned.
    ``at`` (UTC) and ``id`` are given by the journal; ``id`` orders events, not the time.
    """

    actor: str
    action: str
    outcome: str
    role: str = ""
    session: str = ""
    patient: str = ""
    target: str = ""
    condition: str = ""
    model_id: str = ""
    sha256: str = ""
    input_hash: str = ""
    n_records: int = 1
    app_version: str = ""
    at: datetime | None = None
    id: int | None = None


def to_row(event: Event) -> tuple[str | int, ...]:
    """Return the values of ``COLUMNS``; the event must have its time."""
    assert event.at is not None
    at_utc = event.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return (at_utc, *(getattr(event, name) for name in COLUMNS[1:]))


def from_row(number: int, row: Sequence[object]) -> Event:
    """Return the event with this number from the values of ``COLUMNS``."""
    at_utc, *rest = row
    named = dict(zip(COLUMNS[1:], rest, strict=True))
    return Event(id=number, at=datetime.fromisoformat(str(at_utc)), **named)  # type: ignore[arg-type]


def canonical_bytes(number: int, row: Sequence[str | int], digest: str, key_id: int) -> bytes:
    """Return one unambiguous spelling of a row: a JSON array in ASCII without spaces."""
    return _encode([number, *row, digest, key_id]).encode("ascii")
