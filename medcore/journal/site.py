"""What a site has settled, by name: who settled it when, with a version, so that nobody overwrites another's change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from medcore.errors import EditConflictError, InputError
from medcore.journal.pen import digest_row, parse_time
from medcore.journal.schema import SiteSettingRow
from medcore.journal.stored import SiteSetting, Who

if TYPE_CHECKING:
    from medcore.journal.journal import Journal

__all__ = ["Site"]

_READ = select(*SiteSettingRow.__table__.columns)


class Site:
    """The settings of one site; see ``Journal.site``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def get(self, name: str) -> SiteSetting | None:
        """Return what was settled under a name; None if nothing was.

        Raises
        ------
        StorageError
            The journal cannot be read.
        """
        with self._journal.reading() as (connection, _):
            row = connection.execute(_READ.where(SiteSettingRow.name == name)).first()
        return None if row is None else _to_setting(row)

    def list(self, prefix: str = "") -> tuple[SiteSetting, ...]:
        """Return everything whose name begins with ``prefix``, by name."""
        query = _READ.where(SiteSettingRow.name.startswith(prefix, autoescape=True)).order_by(SiteSettingRow.name)
        with self._journal.reading() as (connection, _):
            return tuple(_to_setting(row) for row in connection.execute(query))

    def put(
        self,
        name: str,
        value: Any,
        *,
        version: int,
        by: Who,
        action: str = "set_site_setting",
        outcome: str = "saved",
        **parts: str,
    ) -> SiteSetting:
        """Settle something, with its event in the same transaction; the same change told twice counts once.

        Parameters
        ----------
        name : str
            Such as ``read_first:pneumonia``.
        value : JSON value
            Nothing about a patient.
        version : int
            Of the one that was read; 0 where nothing was settled before.
        by : Who
        action, outcome : str
            What the event says was done.
        **parts : str
            What else it says: ``condition``, ``model_id``, ``sha256``.

        Raises
        ------
        EditConflictError
            Somebody else changed it since.
        InputError
            The name is empty, or the value cannot be written as JSON.
        """
        if not name.strip():
            raise InputError("A site setting needs a name.", field="name")
        text = _spell(value)
        same = SiteSettingRow.name == name
        with self._journal.writing() as pen:
            present = pen.connection.execute(_READ.where(same)).first()
            if present and (present.version, present.value, present.actor) == (version + 1, text, by.actor):
                return _to_setting(present)  # the same click told twice
            if (present.version if present else 0) != version:
                raise EditConflictError(
                    "This setting was changed by somebody else since. Look at it again; nothing was overwritten.",
                    field="version",
                    value=version,
                )
            values = {"value": text, "actor": by.actor, "changed_at": pen.now_utc, "version": version + 1}
            if present:
                pen.connection.execute(update(SiteSettingRow).where(same).values(values))
            else:
                pen.connection.execute(insert(SiteSettingRow), {"name": name, **values})
            digest = digest_row({"name": name, **values})
            pen.note(by, action, outcome, digest=digest, target=f"setting:{name}", n_records=0, **parts)
            return _to_setting(pen.connection.execute(_READ.where(same)).one())


def _spell(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"A site setting cannot be written down ({type(error).__name__}).", field="value") from error


def _to_setting(row: Any) -> SiteSetting:
    return SiteSetting(
        name=row.name,
        value=json.loads(row.value),
        actor=row.actor,
        changed_at=parse_time(row.changed_at),
        version=row.version,
    )
