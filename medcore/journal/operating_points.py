"""Cut-offs that a site chose, each locked to the exact model bundle it was chosen for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from medcore.errors import EditConflictError, InputError
from medcore.journal.pen import parse_time
from medcore.journal.schema import OperatingPointRow
from medcore.journal.stored import OperatingPoint, Who

if TYPE_CHECKING:
    from medcore.journal.journal import Journal

__all__ = ["OperatingPoints"]

_KEY = ("condition", "sha256", "name")
_READ = select(*OperatingPointRow.__table__.columns)


class OperatingPoints:
    """The operating points of one journal; see ``Journal.operating_points``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def save(self, point: OperatingPoint, *, by: Who) -> OperatingPoint:
        """Store a point: ``version`` 0 for a new one, else that of the one that was read.

        Raises
        ------
        EditConflictError
            Somebody else changed it since.
        InputError
            The threshold is not between 0 and 1.
        """
        if not 0.0 < point.threshold < 1.0:
            raise InputError("A threshold must lie between 0 and 1.", field="threshold", value=point.threshold)
        with self._journal.writing() as pen:
            values: dict[str, Any] = {
                "model_id": point.model_id,
                "threshold": point.threshold,
                "reason": point.reason,
                "actor": by.actor,
                "changed_at": pen.now_utc,
                "version": point.version + 1,
            }
            same = [OperatingPointRow.__table__.c[name] == getattr(point, name) for name in _KEY]
            present = pen.connection.execute(_READ.where(*same)).first()
            if (present.version if present else 0) != point.version:
                raise EditConflictError(
                    "This operating point was changed by somebody else since. Open it again; nothing was overwritten.",
                    field="version",
                    value=point.version,
                )
            if present:
                pen.connection.execute(update(OperatingPointRow).where(*same).values(values))
            else:
                pen.connection.execute(
                    insert(OperatingPointRow), {**{name: getattr(point, name) for name in _KEY}, **values}
                )
            pen.note(
                by,
                "set_operating_point",
                f"{point.name}={point.threshold:.6g}",
                target=f"operating_point:{point.condition}",
                condition=point.condition,
                model_id=point.model_id,
                sha256=point.sha256,
            )
            return _to_point(pen.connection.execute(_READ.where(*same)).one())

    def list(self, *, condition: str | None = None, sha256: str | None = None) -> tuple[OperatingPoint, ...]:
        """Return the points of a condition or of one model bundle, by name."""
        query = _READ.order_by(OperatingPointRow.condition, OperatingPointRow.sha256, OperatingPointRow.name)
        if condition is not None:
            query = query.where(OperatingPointRow.condition == condition)
        if sha256 is not None:
            query = query.where(OperatingPointRow.sha256 == sha256)
        with self._journal.reading() as (connection, _):
            return tuple(_to_point(row) for row in connection.execute(query))


def _to_point(row: Any) -> OperatingPoint:
    values = dict(row._mapping)
    return OperatingPoint(**{**values, "changed_at": parse_time(values["changed_at"])})
