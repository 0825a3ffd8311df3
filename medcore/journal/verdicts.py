"""What readers thought before and after the model's answer: added, never changed; a change of mind is a new one."""

from __future__ import annotations

import secrets
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from medcore.errors import InputError
from medcore.journal.pen import digest_row, find_patient_key, open_json, parse_time, seal_json, spell_time
from medcore.journal.schema import AssessmentRow, PatientRow, VerdictRow
from medcore.journal.stored import NewVerdict, SavedVerdict, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["OPINIONS", "RESPONSES", "Verdicts"]

OPINIONS = ("yes", "no", "unsure")
RESPONSES = ("", "accepted", "overridden")
_TIMES = ("opened_at", "committed_at", "revealed_at", "responded_at")
_NEVER = datetime.min.replace(tzinfo=UTC)
_READ = select(*VerdictRow.__table__.columns, AssessmentRow.pseudonym, AssessmentRow.condition).join(
    AssessmentRow, AssessmentRow.id == VerdictRow.assessment_id
)


class Verdicts:
    """The verdicts of one journal; see ``Journal.verdicts``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, new: NewVerdict, *, by: Who) -> SavedVerdict:
        """Store one verdict with its event.

        Raises
        ------
        InputError
            A word is none of those allowed, the probability is outside 0..1, an override has no reason, or
            there is no such assessment.
        """
        _check(new)
        content = {item.name: _plain(getattr(new, item.name)) for item in fields(new)}
        with self._journal.writing() as pen:
            found = pen.connection.execute(
                select(
                    AssessmentRow.pseudonym, AssessmentRow.condition, AssessmentRow.model_id, AssessmentRow.sha256
                ).where(AssessmentRow.id == new.assessment_id)
            ).first()
            if found is None:
                raise InputError("There is no such assessment here.", field="assessment_id", value=new.assessment_id)
            key = find_patient_key(pen.connection, pen.ring, found.pseudonym)
            name = secrets.token_hex(16)
            values = {
                "id": name,
                "assessment_id": new.assessment_id,
                "model_id": found.model_id,
                "sha256": found.sha256,
                "actor": by.actor,
                "sealed": seal_json(pen.ring, key, content, f"verdict:{name}"),
                "created_at": pen.now_utc,
            }
            pen.connection.execute(insert(VerdictRow), values)
            pen.note(
                by,
                "save_verdict",
                new.response or "opinion",
                digest=digest_row(values),
                patient=found.pseudonym or "",
                target=f"verdict:{name}",
                condition=found.condition,
                model_id=found.model_id,
                sha256=found.sha256,
            )
        return SavedVerdict(
            id=name,
            assessment_id=new.assessment_id,
            condition=found.condition,
            model_id=found.model_id,
            sha256=found.sha256,
            actor=by.actor,
            created_at=parse_time(pen.now_utc),
            verdict=new,
        )

    def list(
        self,
        *,
        assessment_id: str | None = None,
        sha256: str | None = None,
        condition: str | None = None,
        limit: int = 10_000,
    ) -> tuple[SavedVerdict, ...]:
        """Return the newest ``limit`` verdicts, oldest first: of one assessment, model bundle or condition."""
        query = _READ.order_by(VerdictRow.created_at.desc(), VerdictRow.id.desc()).limit(limit)
        for column, value in (
            (VerdictRow.assessment_id, assessment_id),
            (VerdictRow.sha256, sha256),
            (AssessmentRow.condition, condition),
        ):
            if value is not None:
                query = query.where(column == value)
        with self._journal.reading() as (connection, ring):
            keys: dict[str, bytes | None] = {}
            rows = connection.execute(query).all()
            return tuple(sorted((_to_saved(connection, ring, keys, row) for row in reversed(rows)), key=_find_order))


def _find_order(saved: SavedVerdict) -> tuple[datetime, datetime]:
    """Order by the time of storing; what was stored in one transaction by the time of the response, none first."""
    responded = saved.verdict.responded_at if saved.verdict is not None else None
    return saved.created_at, responded or _NEVER


def _check(new: NewVerdict) -> None:
    if new.opinion not in OPINIONS:
        raise InputError(f"opinion is {new.opinion!r}, expected yes, no or unsure", field="opinion", value=new.opinion)
    if new.response not in RESPONSES:
        raise InputError(f"response is {new.response!r}, expected accepted or overridden", field="response")
    for name in ("p_reader", "threshold"):
        value = getattr(new, name)
        if value is not None and not 0.0 <= value <= 1.0:
            raise InputError(f"{name} must lie between 0 and 1", field=name, value=value)
    if new.response == "overridden" and not new.reason.strip():
        raise InputError("Say in a few words why the model was overridden.", field="reason")


def _plain(value: Any) -> Any:
    return spell_time(value) if isinstance(value, datetime) else value


def _to_saved(connection: Connection, ring: Ring, keys: dict[str, bytes | None], row: Any) -> SavedVerdict:
    verdict = None
    if row.pseudonym is not None and row.pseudonym not in keys:
        keys[row.pseudonym] = _find_key(connection, ring, row.pseudonym)
    if row.pseudonym is None or keys[row.pseudonym] is not None:
        content = open_json(ring, keys.get(row.pseudonym), row.sealed, f"verdict:{row.id}")
        times = {name: parse_time(content[name]) if content[name] else None for name in _TIMES}
        verdict = NewVerdict(**{**content, **times})
    return SavedVerdict(
        id=row.id,
        assessment_id=row.assessment_id,
        condition=row.condition,
        model_id=row.model_id,
        sha256=row.sha256,
        actor=row.actor,
        created_at=parse_time(row.created_at),
        verdict=verdict,
    )


def _find_key(connection: Connection, ring: Ring, pseudonym: str) -> bytes | None:
    """Return a patient's key; None once it was destroyed."""
    query = select(PatientRow.patient_key).where(PatientRow.pseudonym == pseudonym)
    sealed = connection.execute(query).scalar()
    return None if sealed is None else ring.open(sealed, f"patient_key:{pseudonym}")
