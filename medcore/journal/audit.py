"""Checking the chain, and handing it out as FHIR R4 AuditEvent, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from medcore.journal import chain
from medcore.journal.chain import Finding
from medcore.journal.event import Event
from medcore.journal.head import read_head
from medcore.journal.pen import digest_row
from medcore.journal.schema import AssessmentRow, EventRow, ImageRow, OutcomeRow, SiteSettingRow, VerdictRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal

__all__ = ["Audit", "Finding", "Verification", "check_records", "to_audit_event"]

_RECORDS = {
    "assessment": AssessmentRow.id,
    "verdict": VerdictRow.id,
    "image": ImageRow.id,
    "outcome": OutcomeRow.id,
    "setting": SiteSettingRow.name,
}
"""Where what was saved lies, by the word in its event's target, and the column of its number."""

_BATCH = 2000
_MOST_FINDINGS = 20
_READS = {"view", "find", "export", "verify", "list"}
_FAILURES = {"failed": "8", "error": "8", "refused": "4", "denied": "4", "wrong": "4", "locked": "4"}
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check found. ``head`` is the newest event's digest (hex): write it down elsewhere to compare later."""

    n_events: int
    n_records: int
    head: str
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class Audit:
    """The audit of one journal; see ``Journal.audit``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def verify(self, progress: Callable[[int], object] | None = None) -> Verification:
        """Check every event, every saved record against its event, and the end against ``journal.head``.

        ``progress`` is told from time to time how many events have been checked.

        Raises
        ------
        StorageError
            The journal cannot be read at all.
        """
        opened = self._journal.opened()
        ring, installation = opened.keys.ring, opened.keys.installation
        head = read_head(self._journal.folder, ring)
        with self._journal.reading() as (connection, _):
            n_events, findings = chain.verify_chain(connection, ring, installation, head, progress)
            n_records, more = check_records(connection)
            end = chain.newest(connection, installation)
        return Verification(
            n_events=n_events, n_records=n_records, head=end.mac.hex(), findings=(*findings, *more)[:_MOST_FINDINGS]
        )

    def export(self) -> Iterator[str]:
        """Yield every event, oldest first, as one line of FHIR R4 AuditEvent JSON."""
        with self._journal.reading() as (connection, _):
            for event, mac in chain.iterate_events(connection):
                yield json.dumps(to_audit_event(event, mac.hex()), ensure_ascii=False)


def check_records(connection: Connection) -> tuple[int, list[Finding]]:
    """Compare everything saved, and every site setting, with the digest that its newest event signs."""
    query = select(EventRow.number, EventRow.target, EventRow.digest).where(EventRow.digest != "")
    query = query.order_by(EventRow.number)
    signed = {target: (number, digest) for number, target, digest in connection.execute(query)}
    findings: list[Finding] = []
    n_records = 0
    for kind, key in _RECORDS.items():
        rows = connection.execution_options(yield_per=_BATCH).execute(select(*key.class_.__table__.columns))
        for row in rows:
            n_records += 1
            number, digest = signed.pop(f"{kind}:{row._mapping[key.key]}", (0, ""))
            if digest_row(dict(row._mapping)) != digest:
                text = f"A saved {kind} is not what was written" + (f" (event {number})." if number else ": no event.")
                findings.append(Finding(kind="record", number=number, text=text))
    for target, (number, _) in signed.items():
        text = f"A saved {target.partition(':')[0]} is missing (event {number})."
        findings.append(Finding(kind="record", number=number, text=text))
    return n_records, findings


def to_audit_event(event: Event, mac: str = "") -> dict[str, Any]:
    """Return one event as FHIR R4 AuditEvent. Pseudonyms and model numbers only: the journal knows no names here."""
    assert event.at is not None
    verb = event.action.partition("_")[0]
    agent: dict[str, Any] = {
        "type": {"coding": [_code("http://dicom.nema.org/resources/ontology/DCM", "110153", "Source Role ID")]},
        "who": {"identifier": {"value": event.actor}},
        "requestor": True,
    }
    if event.role:
        agent["role"] = [{"text": event.role}]
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(event.id),
        "type": _code("http://dicom.nema.org/resources/ontology/DCM", "110100", "Application Activity"),
        "subtype": [_code("urn:medcore:action", event.action, event.action.replace("_", " "))],
        "action": _action(verb),
        "recorded": event.at.isoformat(timespec="milliseconds"),
        "outcome": _FAILURES.get(event.outcome.partition(":")[0], "0"),
        "outcomeDesc": event.outcome,
        "agent": [agent],
        "source": {
            "observer": {"display": f"medcore {event.app_version}".strip()},
            "type": [_code("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")],
        },
    }
    if mac:
        resource["meta"] = {"tag": [_code("urn:medcore:audit-chain", mac, "")]}
    entities = list(_entities(event))
    return resource | ({"entity": entities} if entities else {})


def _entities(event: Event) -> Iterator[dict[str, Any]]:
    if event.patient:
        yield {
            "what": {"identifier": {"system": "urn:medcore:pseudonym", "value": event.patient}},
            "type": _code(_ENTITY_TYPE, "1", "Person"),
            "role": _code("http://terminology.hl7.org/CodeSystem/object-role", "1", "Patient"),
        }
    if event.model_id:
        details = [{"type": "sha256", "valueString": event.sha256}] if event.sha256 else []
        if event.condition:
            details.append({"type": "condition", "valueString": event.condition})
        yield {
            "what": {"identifier": {"system": "urn:medcore:model", "value": event.model_id}},
            "type": _code(_ENTITY_TYPE, "2", "System Object"),
        } | ({"detail": details} if details else {})
    if event.target:
        yield {
            "what": {"identifier": {"system": "urn:medcore:record", "value": event.target}},
            "type": _code(_ENTITY_TYPE, "2", "System Object"),
        }


def _action(verb: str) -> str:
    """Return FHIR's letter: create, read, update, delete or execute."""
    if verb in _READS:
        return "R"
    return {"create": "C", "save": "C", "change": "U", "set": "U", "erase": "D", "delete": "D"}.get(verb, "E")


def _code(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code} | ({"display": display} if display else {})
