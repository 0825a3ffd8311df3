"""Finding events: by who, what, when, with which model; newest first, page by page from a number, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from medcore.journal.event import COLUMNS, Event, from_row
from medcore.journal.pen import spell_time
from medcore.journal.schema import EventRow

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

__all__ = ["EventFilter", "Words", "count_events", "find_events", "iterate_found", "list_words"]

_TABLE = EventRow.__table__
_READ = select(_TABLE.c.number, *(_TABLE.c[name] for name in COLUMNS), _TABLE.c.mac)
_EQUAL = ("actor", "action", "outcome", "condition", "model_id", "patient")
_WORDS = ("actor", "action", "outcome", "condition", "model_id")
_BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant; what is empty does not matter, the rest must be exactly so.

    ``patient`` is a pseudonym. ``since`` counts itself, ``until`` does not; both have a time zone.
    """

    actor: str = ""
    action: str = ""
    outcome: str = ""
    condition: str = ""
    model_id: str = ""
    patient: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What there is to choose from, in alphabetical order, in events up to the number ``upto``."""

    upto: int = 0
    actor: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    model_id: tuple[str, ...] = ()


def find_events(
    connection: Connection, wanted: EventFilter, *, limit: int, before: int | None = None, after: int | None = None
) -> tuple[Event, ...]:
    """Return events, newest first: the newest of all, the ones just ``before`` a number, or just ``after`` it."""
    query = _narrow(_READ, wanted).limit(limit)
    if before is not None:
        query = query.where(_TABLE.c.number < before)
    if after is not None:
        rows = connection.execute(query.where(_TABLE.c.number > after).order_by(_TABLE.c.number)).all()
        return tuple(_to_event(row) for row in reversed(rows))
    rows = connection.execute(query.order_by(_TABLE.c.number.desc())).all()
    return tuple(_to_event(row) for row in rows)


def iterate_found(connection: Connection, wanted: EventFilter, *, limit: int) -> Iterator[tuple[Event, bytes]]:
    """Yield the newest ``limit`` events with their signatures, newest first."""
    query = _narrow(_READ, wanted).order_by(_TABLE.c.number.desc()).limit(limit)
    for row in connection.execution_options(yield_per=_BATCH).execute(query):
        yield _to_event(row), row[-1]


def count_events(connection: Connection, wanted: EventFilter) -> int:
    """Return how many events are meant."""
    return int(connection.execute(_narrow(select(func.count()).select_from(_TABLE), wanted)).scalar_one())


def list_words(connection: Connection, known: Words) -> Words:
    """Return what there is to choose from; reads only what was written since ``known``."""
    upto = connection.execute(select(func.max(_TABLE.c.number))).scalar() or 0
    if upto == known.upto:
        return known
    query = select(*(_TABLE.c[name] for name in _WORDS)).where(_TABLE.c.number > known.upto).distinct()
    rows = connection.execute(query).all()
    found = {
        name: tuple(sorted({*getattr(known, name), *(row[place] for row in rows)} - {""}))
        for place, name in enumerate(_WORDS)
    }
    return Words(upto=upto, **found)


def _narrow(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    for name in _EQUAL:
        value = getattr(wanted, name)
        if value:
            query = query.where(_TABLE.c[name] == value)
    if wanted.since is not None:
        query = query.where(_TABLE.c.at_utc >= spell_time(wanted.since))
    if wanted.until is not None:
        query = query.where(_TABLE.c.at_utc < spell_time(wanted.until))
    return query


def _to_event(row: Any) -> Event:
    return from_row(row[0], row[1:-1])
