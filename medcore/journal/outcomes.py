"""Whether what was assessed came true: added, never changed, sealed with the patient's key like the assessment."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from medcore.errors import InputError, KeysError
from medcore.journal.pen import digest_row, find_patient_key, open_json, parse_time, seal_json
from medcore.journal.schema import AssessmentRow, OutcomeRow
from medcore.journal.stored import SavedOutcome, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["Outcomes"]

_ABOUT = (AssessmentRow.pseudonym, AssessmentRow.condition, AssessmentRow.model_id, AssessmentRow.sha256)
_READ = select(*OutcomeRow.__table__.columns, *_ABOUT).join(AssessmentRow, AssessmentRow.id == OutcomeRow.assessment_id)


class Outcomes:
    """The known outcomes of one journal; see ``Journal.outcomes``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def save(self, assessment_id: str, outcome: bool, *, by: Who) -> SavedOutcome:
        """Store whether what was assessed came true, with its event; a correction is saved once more.

        Raises
        ------
        InputError
            There is no such assessment, or the outcome is neither True nor False.
        KeysError
            Its patient was erased.
        """
        if not isinstance(outcome, bool):
            raise InputError("An outcome is yes or no.", field="outcome")
        with self._journal.writing() as pen:
            found = pen.connection.execute(select(*_ABOUT).where(AssessmentRow.id == assessment_id)).first()
            if found is None:
                raise InputError("There is no such assessment here.", field="assessment_id", value=assessment_id)
            key = find_patient_key(pen.connection, pen.ring, found.pseudonym)
            name = secrets.token_hex(16)
            values = {
                "id": name,
                "assessment_id": assessment_id,
                "sealed": seal_json(pen.ring, key, {"outcome": outcome}, f"outcome:{name}"),
                "actor": by.actor,
                "created_at": pen.now_utc,
            }
            pen.connection.execute(insert(OutcomeRow), values)
            pen.note(
                by,
                "save_outcome",
                "saved",
                digest=digest_row(values),
                patient=found.pseudonym or "",
                target=f"outcome:{name}",
                condition=found.condition,
                model_id=found.model_id,
                sha256=found.sha256,
            )
        return SavedOutcome(
            id=name,
            assessment_id=assessment_id,
            condition=found.condition,
            model_id=found.model_id,
            sha256=found.sha256,
            actor=by.actor,
            created_at=parse_time(pen.now_utc),
            outcome=outcome,
        )

    def list(
        self, condition: str | None = None, *, assessment_id: str | None = None, with_earlier: bool = False
    ) -> tuple[SavedOutcome, ...]:
        """Return the newest outcome of each assessment, oldest first.

        Parameters
        ----------
        condition, assessment_id : str, optional
            Of these only.
        with_earlier : bool
            Also those that a later one corrected.
        """
        query = _READ.order_by(OutcomeRow.created_at, OutcomeRow.id)
        if condition is not None:
            query = query.where(AssessmentRow.condition == condition)
        if assessment_id is not None:
            query = query.where(OutcomeRow.assessment_id == assessment_id)
        with self._journal.reading() as (connection, ring):
            keys: dict[str | None, bytes | None] = {}
            rows = connection.execute(query).all()
            saved = [_to_saved(connection, ring, keys, row) for row in rows]
        if with_earlier:
            return tuple(saved)
        newest = {item.assessment_id: item for item in saved}
        return tuple(item for item in saved if newest[item.assessment_id] is item)


def _to_saved(connection: Connection, ring: Ring, keys: dict[str | None, bytes | None], row: Any) -> SavedOutcome:
    outcome = None
    try:
        if row.pseudonym not in keys:
            keys[row.pseudonym] = find_patient_key(connection, ring, row.pseudonym)
        outcome = bool(open_json(ring, keys[row.pseudonym], row.sealed, f"outcome:{row.id}")["outcome"])
    except KeysError as error:
        if error.field != "pseudonym":  # sealed with another key: no erased patient
            raise
    return SavedOutcome(
        id=row.id,
        assessment_id=row.assessment_id,
        condition=row.condition,
        model_id=row.model_id,
        sha256=row.sha256,
        actor=row.actor,
        created_at=parse_time(row.created_at),
        outcome=outcome,
    )
