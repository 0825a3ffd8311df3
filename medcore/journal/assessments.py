"""Saved results: never changed, sealed with the patient's key, signed by the event that saved them."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from medcore.errors import EditConflictError, InputError
from medcore.journal.pen import digest_row, find_patient_key, open_json, parse_time, seal_json
from medcore.journal.schema import AssessmentRow, PatientRow
from medcore.journal.stored import NewAssessment, SavedAssessment, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["SIGNED", "Assessments"]

SIGNED = tuple(column.name for column in AssessmentRow.__table__.columns)
"""Columns that the event's digest covers: all of them."""

_SEALED = ("inputs", "units", "result", "applicability")
_REFINED = ("explanation", "map", "reader")
"""Parts of a result that may be made exact, or be added, while it stands: with others it is the same result."""

_READ = select(*AssessmentRow.__table__.columns)
_INSERT = insert(AssessmentRow)


class Assessments:
    """The saved results of one journal; see ``Journal.assessments``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def save(self, new: NewAssessment, *, by: Who) -> SavedAssessment:
        """Store one result with its event, in one transaction; on return it is on disk.

        Saving again with the same idempotency key returns what was stored the first time; the parts of ``result``
        called ``explanation``, ``map`` and ``reader`` may have become others since.

        Raises
        ------
        EditConflictError
            The idempotency key was used for something else.
        InputError
            There is no such patient, or a value cannot be written down.
        StorageError
            Nothing was stored.
        """
        content: dict[str, Any] = {name: dict(getattr(new, name)) for name in _SEALED}
        hashed = _hash(new, content)
        key_text = new.idempotency_key or secrets.token_hex(16)
        with self._journal.writing() as pen:
            earlier = self._find_earlier(pen.connection, pen.ring, by.actor, key_text, hashed)
            if earlier is not None:
                return earlier
            patient_key = find_patient_key(pen.connection, pen.ring, new.pseudonym)
            name = secrets.token_hex(16)
            sealed = seal_json(pen.ring, patient_key, {**content, "hash": hashed}, f"assessment:{name}")
            values = {
                "id": name,
                "pseudonym": new.pseudonym,
                "condition": new.condition,
                "model_id": new.model_id,
                "sha256": new.sha256,
                "status": new.status,
                "sealed": sealed,
                "content_hash": hashlib.sha256(sealed).hexdigest(),
                "actor": by.actor,
                "app_version": new.app_version,
                "created_at": pen.now_utc,
                "idempotency_key": key_text,
            }
            pen.connection.execute(_INSERT, values)
            pen.note(
                by,
                "save_assessment",
                new.status,
                digest=digest_row(values),
                patient=new.pseudonym or "",
                target=f"assessment:{name}",
                condition=new.condition,
                model_id=new.model_id,
                sha256=new.sha256,
                app_version=new.app_version,
            )
        return SavedAssessment(
            id=name,
            pseudonym=new.pseudonym,
            condition=new.condition,
            model_id=new.model_id,
            sha256=new.sha256,
            status=new.status,
            **content,
            app_version=new.app_version,
            actor=by.actor,
            created_at=parse_time(pen.now_utc),
        )

    def read(self, assessment_id: str, *, by: Who) -> SavedAssessment:
        """Return one saved result; the view is recorded first.

        Raises
        ------
        InputError
            There is none of that number.
        """
        with self._journal.writing() as pen:
            row = pen.connection.execute(_READ.where(AssessmentRow.id == assessment_id)).first()
            if row is None:
                raise InputError("There is no such assessment here.", field="assessment_id", value=assessment_id)
            saved = _to_saved(pen.connection, pen.ring, row)
            pen.note(
                by,
                "view_assessment",
                "shown" if saved.readable else "erased",
                patient=saved.pseudonym or "",
                target=f"assessment:{saved.id}",
                condition=saved.condition,
                model_id=saved.model_id,
                sha256=saved.sha256,
            )
        return saved

    def read_all(self, pseudonym: str, *, by: Who, limit: int = 100) -> tuple[SavedAssessment, ...]:
        """Return the saved results of one patient with what they hold, newest first; one view is recorded."""
        query = _READ.where(AssessmentRow.pseudonym == pseudonym)
        query = query.order_by(AssessmentRow.created_at.desc(), AssessmentRow.id).limit(limit)
        with self._journal.writing() as pen:
            rows = pen.connection.execute(query).all()
            found = tuple(_to_saved(pen.connection, pen.ring, row) for row in rows)
            pen.note(by, "view_timeline", "shown", patient=pseudonym, n_records=len(found))
        return found

    def list(
        self, limit: int = 100, *, pseudonym: str | None = None, sha256: str | None = None, condition: str | None = None
    ) -> tuple[SavedAssessment, ...]:
        """Return results without what they hold (no inputs, no numbers), newest first.

        Of one patient, of one model bundle (to find what a recalled model touched), or of one condition.
        """
        query = _READ.order_by(AssessmentRow.created_at.desc(), AssessmentRow.id).limit(limit)
        for column, value in (
            (AssessmentRow.pseudonym, pseudonym),
            (AssessmentRow.sha256, sha256),
            (AssessmentRow.condition, condition),
        ):
            if value is not None:
                query = query.where(column == value)
        with self._journal.reading() as (connection, _):
            gone = set(
                connection.execute(select(PatientRow.pseudonym).where(PatientRow.patient_key.is_(None))).scalars()
            )
            return tuple(_to_line(row, readable=row.pseudonym not in gone) for row in connection.execute(query))

    @staticmethod
    def _find_earlier(
        connection: Connection, ring: Ring, actor: str, key_text: str, hashed: str
    ) -> SavedAssessment | None:
        condition = (AssessmentRow.actor == actor) & (AssessmentRow.idempotency_key == key_text)
        row = connection.execute(_READ.where(condition)).first()
        if row is None:
            return None
        content = _open(connection, ring, row)
        if content is None or content["hash"] != hashed:
            raise EditConflictError(
                "This form was already saved with other values. Begin a new one; nothing was overwritten.",
                field="idempotency_key",
            )
        return _to_line(row, readable=True, **{name: content[name] for name in _SEALED})


def _hash(new: NewAssessment, content: dict[str, Any]) -> str:
    """Return what tells one result from another under the same idempotency key."""
    settled = {name: value for name, value in content["result"].items() if name not in _REFINED}
    facts = {"condition": new.condition, "model": new.sha256, "patient": new.pseudonym}
    return digest_row({**content, "result": settled, **facts})


def _to_saved(connection: Connection, ring: Ring, row: Any) -> SavedAssessment:
    content = _open(connection, ring, row)
    parts = {} if content is None else {name: content[name] for name in _SEALED}
    return _to_line(row, readable=content is not None, **parts)


def _open(connection: Connection, ring: Ring, row: Any) -> dict[str, Any] | None:
    """Return what an assessment holds; None after its patient was erased."""
    if row.pseudonym is None:
        return open_json(ring, None, row.sealed, f"assessment:{row.id}")
    sealed = connection.execute(select(PatientRow.patient_key).where(PatientRow.pseudonym == row.pseudonym)).scalar()
    if sealed is None:
        return None
    key = ring.open(sealed, f"patient_key:{row.pseudonym}")
    return open_json(ring, key, row.sealed, f"assessment:{row.id}")


def _to_line(row: Any, *, readable: bool, **content: Any) -> SavedAssessment:
    return SavedAssessment(
        id=row.id,
        pseudonym=row.pseudonym,
        condition=row.condition,
        model_id=row.model_id,
        sha256=row.sha256,
        status=row.status,
        app_version=row.app_version,
        actor=row.actor,
        created_at=parse_time(row.created_at),
        readable=readable,
        **content,
    )
