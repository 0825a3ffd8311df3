"""The auditor's use case: look through the trail, check that nothing was done to it, hand it out.

Everything here is itself an event, written before anything is shown. The trail holds no name and no value of a patient.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.errors import InputError, StorageError
from medcore.journal import Event
from medcore.journal.audit import to_audit_event
from medcore.journal.search import EventFilter, Words, count_events, find_events, iterate_found, list_words
from medcore.records import escape_formula

if TYPE_CHECKING:
    from medcore.journal.audit import Finding
    from medcore.services.house import House

__all__ = [
    "MOST_EXPORTED",
    "PAGE_SIZE",
    "AuditCheck",
    "AuditFile",
    "AuditFormat",
    "AuditPage",
    "Event",
    "EventFilter",
    "Words",
    "check",
    "export",
    "list_choices",
    "look",
    "parse_pseudonym",
]

PAGE_SIZE = 50
MOST_EXPORTED = 20_000
"""Events in one file: what a browser's download holds without trouble. The command line exports all."""

_PSEUDONYM = re.compile(r"P-[A-Z2-9]{8}")
_CSV_HEAD = (
    "number", "at_utc", "actor", "role", "session", "action", "outcome", "patient", "target", "condition", "model_id",
    "sha256", "n_records", "app_version", "signature",
)  # fmt: skip


class AuditFormat(StrEnum):
    """How events leave: one FHIR R4 AuditEvent a line, or one row each."""

    FHIR = "fhir"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """One page of events, newest first, and whether there are others on either side."""

    events: tuple[Event, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """What a check of the whole trail found; ``seconds`` is how long it took, ``head`` signs the newest event (hex)."""

    n_events: int
    n_records: int
    head: str
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFile:
    """A file of events for download; ``n_left_out`` older ones had no room."""

    name: str
    mime: str
    data: bytes
    n_events: int
    n_left_out: int


def look(house: House, wanted: EventFilter, *, before: int | None = None, after: int | None = None) -> AuditPage:
    """Return one page of events, the look itself among them: the newest, or those next to an event's number.

    Raises
    ------
    AccessDeniedError
        The role may not see the trail.
    StorageError
        The look could not be recorded, or the journal cannot be read.
    """
    _note(house, Action.VIEW, "view_audit", "shown", wanted.patient)
    with house.journal.reading() as (connection, _):
        found = find_events(connection, wanted, limit=PAGE_SIZE + 1, before=before, after=after)
    more = len(found) > PAGE_SIZE
    if after is not None:
        return AuditPage(events=found[-PAGE_SIZE:], has_newer=more, has_older=True)
    return AuditPage(events=found[:PAGE_SIZE], has_newer=before is not None, has_older=more)


def list_choices(house: House, known: Words | None = None) -> Words:
    """Return the actors, actions, outcomes, conditions and models there are; reads only what is new since ``known``."""
    house.allow(Action.VIEW, Resource.AUDIT)
    with house.journal.reading() as (connection, _):
        return list_words(connection, known or Words())


def check(house: House, progress: Callable[[float], object] | None = None) -> AuditCheck:
    """Check every event and every saved record against its signature; the check itself becomes an event.

    ``progress`` is told the share that is done, 0 to 1. In a trail whose end was cut off nothing can be
    written any more: then the check is the only thing that goes on without its event.

    Raises
    ------
    AccessDeniedError
        The role may not check the trail.
    StorageError
        The journal cannot be read at all.
    """
    house.allow(Action.VERIFY, Resource.AUDIT)
    newest = max((event.id or 0 for event in house.journal.events(1)), default=0)

    def tell(n_done: int) -> None:
        if progress is not None:
            progress(min(1.0, n_done / max(1, newest)))

    start = time.perf_counter()
    found = house.journal.audit.verify(tell)
    seconds = time.perf_counter() - start
    outcome = "intact" if found.ok else f"findings:{len(found.findings)}"
    with nullcontext() if found.ok else suppress(StorageError):
        _note(house, Action.VERIFY, "verify_audit", outcome)
    return AuditCheck(
        n_events=found.n_events,
        n_records=found.n_records,
        head=found.head,
        findings=found.findings,
        seconds=seconds,
    )


def export(house: House, wanted: EventFilter, form: AuditFormat) -> AuditFile:
    """Write the events meant into a file, newest first, at most :data:`MOST_EXPORTED`; journalled first.

    Raises
    ------
    AccessDeniedError
        The role may not hand out the trail.
    StorageError
        The export could not be recorded, or the journal cannot be read.
    """
    _note(house, Action.EXPORT, "export_audit", form.value, wanted.patient)
    with house.journal.reading() as (connection, _):
        n_events = count_events(connection, wanted)
        found = iterate_found(connection, wanted, limit=MOST_EXPORTED)
        text = _write_fhir(found) if form is AuditFormat.FHIR else _write_csv(found)
    stamp = house.journal.now().strftime("%Y%m%dT%H%M%SZ")
    suffix, mime = ("ndjson", "application/fhir+ndjson") if form is AuditFormat.FHIR else ("csv", "text/csv")
    return AuditFile(
        name=f"medcore-audit-{stamp}.{suffix}",
        mime=mime,
        data=text.encode(),
        n_events=min(n_events, MOST_EXPORTED),
        n_left_out=max(0, n_events - MOST_EXPORTED),
    )


def parse_pseudonym(text: str) -> str:
    """Return a typed pseudonym as it is stored; empty for an empty text.

    Raises
    ------
    InputError
        It is none. The text is not repeated: it may be a name.

    Examples
    --------
    >>> parse_pseudonym(" p-7kq2mwxa ")
    'P-7KQ2MWXA'
    """
    word = text.strip().upper()
    if word and not _PSEUDONYM.fullmatch(word):
        raise InputError(
            "A pseudonym looks like P-7KQ2MWXA. The trail knows no names and no record numbers.", field="pseudonym"
        )
    return word


def _write_fhir(found: Iterable[tuple[Event, bytes]]) -> str:
    return "".join(f"{json.dumps(to_audit_event(event, mac.hex()), ensure_ascii=False)}\n" for event, mac in found)


def _write_csv(found: Iterable[tuple[Event, bytes]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV_HEAD)
    for event, mac in found:
        at = "" if event.at is None else event.at.isoformat(timespec="milliseconds")
        facts = (getattr(event, name) for name in _CSV_HEAD[2:-1])
        writer.writerow([event.id, at, *(escape_formula(str(fact)) for fact in facts), mac.hex()])
    return out.getvalue()


def _note(house: House, action: Action, name: str, outcome: str, patient: str = "") -> None:
    """Check that this may be done and write that it is."""
    actor = house.allow(action, Resource.AUDIT)
    event = Event(
        **describe_actor(actor), action=name, outcome=outcome, patient=patient, n_records=0, app_version=__version__
    )
    house.journal.record(event)
