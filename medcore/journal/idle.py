"""Patients about whom nothing was entered for a while: who they are by pseudonym, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from medcore.journal.pen import parse_time, spell_time
from medcore.journal.schema import AssessmentRow, DraftRow, ImageRow, OutcomeRow, PatientRow, VerdictRow

if TYPE_CHECKING:
    from medcore.journal.journal import Journal

__all__ = ["IdlePatient", "find_idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePatient:
    """A patient and the time of the newest entry: identifiers, result, image, draft, verdict or outcome."""

    pseudonym: str
    last_entry: datetime


def find_idle(journal: Journal, before: datetime) -> tuple[IdlePatient, ...]:
    """Return the patients who are not erased and whose newest entry is older than ``before``, the oldest first."""
    newest: dict[str, str] = {}
    with journal.reading() as (connection, _):
        alive = select(PatientRow.pseudonym, PatientRow.changed_at).where(PatientRow.erased_at.is_(None))
        newest.update((name, at) for name, at in connection.execute(alive))
        for query in (
            select(AssessmentRow.pseudonym, func.max(AssessmentRow.created_at)),
            select(ImageRow.pseudonym, func.max(ImageRow.created_at)),
            select(DraftRow.pseudonym, func.max(DraftRow.changed_at)),
            select(AssessmentRow.pseudonym, func.max(VerdictRow.created_at)).join(
                VerdictRow, VerdictRow.assessment_id == AssessmentRow.id
            ),
            select(AssessmentRow.pseudonym, func.max(OutcomeRow.created_at)).join(
                OutcomeRow, OutcomeRow.assessment_id == AssessmentRow.id
            ),
        ):
            for name, at in connection.execute(query.group_by("pseudonym")):
                if name in newest:
                    newest[name] = max(newest[name], at)
    limit = spell_time(before)
    idle = sorted((at, name) for name, at in newest.items() if at < limit)
    return tuple(IdlePatient(pseudonym=name, last_entry=parse_time(at)) for at, name in idle)
