"""The audit chain: each event is signed together with the one before it, in the transaction of what it records.

``mac = HMAC-SHA256(key, mac of the event before + this event)``, the key derived from the data key, which
the database does not hold. The number, not the time, orders events.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from medcore.errors import KeysError
from medcore.journal.event import COLUMNS, Event, canonical_bytes, from_row, to_row
from medcore.journal.head import Head, start_of_chain
from medcore.journal.ring import Ring
from medcore.journal.schema import EventRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Finding", "append", "newest", "read_events", "verify_chain"]

_TABLE = EventRow.__table__
_READ = select(_TABLE.c.number, *(_TABLE.c[name] for name in COLUMNS), _TABLE.c.digest, _TABLE.c.key_id, _TABLE.c.mac)
_NEWEST = select(_TABLE.c.number, _TABLE.c.mac, _TABLE.c.key_id).order_by(_TABLE.c.number.desc()).limit(1)
_INSERT = insert(EventRow)
_BATCH = 5000
_MOST_FINDINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. ``kind``: ``changed``, ``missing``, ``truncated``, ``head``, ``record``."""

    kind: str
    number: int
    text: str


def newest(connection: Connection, installation: str) -> Head:
    """Return number, digest and key of the newest event; number 0 in an empty journal."""
    row = connection.execute(_NEWEST).first()
    return Head(0, start_of_chain(installation), 1) if row is None else Head(row[0], row[1], row[2])


def append(connection: Connection, ring: Ring, last: Head, event: Event, digest: str = "") -> Head:
    """Insert one event after ``last`` and return the new end; the caller commits and then moves the head file.

    ``digest`` signs what the event records: the hash of the stored row.
    """
    number, key_id, row = last.number + 1, ring.current, to_row(event)
    mac = _sign(ring.key_for("audit", key_id), last.mac, canonical_bytes(number, row, digest, key_id))
    values = dict(zip(COLUMNS, row, strict=True))
    connection.execute(_INSERT, {"number": number, **values, "digest": digest, "key_id": key_id, "mac": mac})
    return Head(number, mac, key_id)


def read_events(
    connection: Connection, *, limit: int, patient: str | None = None, before: int | None = None
) -> tuple[Event, ...]:
    """Return events, newest first."""
    query = _READ.order_by(_TABLE.c.number.desc()).limit(limit)
    if patient is not None:
        query = query.where(_TABLE.c.patient == patient)
    if before is not None:
        query = query.where(_TABLE.c.number < before)
    return tuple(from_row(row[0], row[1:-3]) for row in connection.execute(query))


def iterate_events(connection: Connection) -> Iterator[tuple[Event, bytes]]:
    """Yield every event with its digest, oldest first."""
    result = connection.execution_options(yield_per=_BATCH).execute(_READ.order_by(_TABLE.c.number))
    for row in result:
        yield from_row(row[0], row[1:-3]), row[-1]


def verify_chain(
    connection: Connection,
    ring: Ring,
    installation: str,
    head: Head | None,
    progress: Callable[[int], object] | None = None,
) -> tuple[int, list[Finding]]:
    """Check every event against its signature and the whole against the head.

    ``progress`` is told every few thousand events how many have been checked.

    Returns
    -------
    n_events : int
    findings : list of Finding
        Empty = nothing was edited, removed, reordered or cut off. At most 20.
    """
    findings: list[Finding] = []
    mac, expected, at_head = start_of_chain(installation), 1, None
    keys: dict[int, bytes] = {}
    n_events = 0
    for row in connection.execution_options(yield_per=_BATCH).execute(_READ.order_by(_TABLE.c.number)):
        number, digest, key_id, stored = row[0], row[-3], row[-2], row[-1]
        n_events += 1
        if number != expected and len(findings) < _MOST_FINDINGS:
            findings.append(_missing(expected, number))
        try:
            key = keys.get(key_id) or keys.setdefault(key_id, ring.key_for("audit", key_id))
            computed = _sign(key, mac, canonical_bytes(number, row[1:-3], digest, key_id))
        except KeysError:
            computed = b""
        if not hmac.compare_digest(computed, stored) and number == expected and len(findings) < _MOST_FINDINGS:
            text = f"Event {number} is not what was written, or not in its place."
            findings.append(Finding(kind="changed", number=number, text=text))
        if head is not None and number == head.number:
            at_head = stored
        mac, expected = stored, number + 1
        if progress is not None and n_events % _BATCH == 0:
            progress(n_events)
    return n_events, findings + _compare_with_head(head, at_head, expected - 1)


def _compare_with_head(head: Head | None, at_head: bytes | None, last: int) -> list[Finding]:
    if head is None:
        text = "journal.head is missing or damaged: whether the newest events were cut off cannot be told."
        return [Finding(kind="head", number=last, text=text)]
    if head.number > last:
        text = f"The newest events are gone: {head.number} were written, the last one left is {last}."
        return [Finding(kind="truncated", number=last + 1, text=text)]
    if head.number and (at_head is None or not hmac.compare_digest(at_head, head.mac)):
        text = f"Event {head.number} is not the one that journal.head remembers: the end was cut off and written anew."
        return [Finding(kind="truncated", number=head.number, text=text)]
    return []


def _missing(expected: int, found: int) -> Finding:
    if found < expected:
        return Finding(kind="missing", number=found, text=f"Event {found} comes twice.")
    names = f"Event {expected} is" if found == expected + 1 else f"Events {expected} to {found - 1} are"
    return Finding(kind="missing", number=expected, text=f"{names} missing.")


def _sign(key: bytes, before: bytes, content: bytes) -> bytes:
    return hmac.digest(key, before + content, hashlib.sha256)
