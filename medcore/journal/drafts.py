"""Forms that are not finished: they survive a lost connection, and two people cannot overwrite each other."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from medcore.errors import EditConflictError, InputError
from medcore.journal.pen import find_patient_key, open_json, parse_time, seal_json
from medcore.journal.schema import DraftRow
from medcore.journal.stored import Draft, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["Drafts", "new_draft"]

_READ = select(*DraftRow.__table__.columns)


def new_draft(condition: str, pseudonym: str | None = None) -> Draft:
    """Return an empty draft with a new number."""
    return Draft(id=secrets.token_hex(16), condition=condition, pseudonym=pseudonym)


class Drafts:
    """The drafts of one journal; see ``Journal.drafts``. Typing is not an event: saving a draft writes none."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def save(self, draft: Draft, values: Mapping[str, str], *, by: Who) -> Draft:
        """Store what was typed so far and return the draft with its new version.

        Raises
        ------
        EditConflictError
            The draft was changed or discarded elsewhere since it was read.
        """
        with self._journal.writing() as pen:
            key = find_patient_key(pen.connection, pen.ring, draft.pseudonym)
            content = {
                "sealed": seal_json(pen.ring, key, values, f"draft:{draft.id}"),
                "actor": by.actor,
                "changed_at": pen.now_utc,
                "version": draft.version + 1,
            }
            fixed = {"id": draft.id, "pseudonym": draft.pseudonym, "condition": draft.condition}
            same = (DraftRow.id == draft.id) & (DraftRow.version == draft.version)
            present = pen.connection.execute(select(DraftRow.version).where(DraftRow.id == draft.id)).scalar()
            if (present or 0) != draft.version:
                raise EditConflictError(
                    "This form was changed in another window or by somebody else since. Nothing was overwritten.",
                    field="version",
                    value=draft.version,
                )
            if present:
                pen.connection.execute(update(DraftRow).where(same).values(content))
            else:
                pen.connection.execute(insert(DraftRow), {**fixed, **content})
            return _to_draft(
                pen.connection, pen.ring, pen.connection.execute(_READ.where(DraftRow.id == draft.id)).one()
            )

    def read(self, draft_id: str, *, by: Who) -> Draft:
        """Return a draft of this actor; to anybody else there is none.

        Raises
        ------
        InputError
            There is none.
        """
        with self._journal.reading() as (connection, ring):
            row = connection.execute(_READ.where(DraftRow.id == draft_id, DraftRow.actor == by.actor)).first()
            if row is None:
                raise InputError("There is no such draft here.", field="draft_id", value=draft_id)
            return _to_draft(connection, ring, row)

    def list(self, *, by: Who, pseudonym: str | None = None) -> tuple[Draft, ...]:
        """Return the drafts of an actor, newest first; of one patient if told."""
        query = _READ.where(DraftRow.actor == by.actor).order_by(DraftRow.changed_at.desc(), DraftRow.id)
        if pseudonym is not None:
            query = query.where(DraftRow.pseudonym == pseudonym)
        with self._journal.reading() as (connection, ring):
            return tuple(_to_draft(connection, ring, row) for row in connection.execute(query).all())

    def discard(self, draft_id: str, *, by: Who) -> None:
        """Remove a draft of this actor, if there is one."""
        with self._journal.writing() as pen:
            pen.connection.execute(delete(DraftRow).where(DraftRow.id == draft_id, DraftRow.actor == by.actor))


def _to_draft(connection: Connection, ring: Ring, row: Any) -> Draft:
    key = find_patient_key(connection, ring, row.pseudonym)
    return Draft(
        id=row.id,
        condition=row.condition,
        values=open_json(ring, key, row.sealed, f"draft:{row.id}"),
        pseudonym=row.pseudonym,
        actor=row.actor,
        changed_at=parse_time(row.changed_at),
        version=row.version,
    )
