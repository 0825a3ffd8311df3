"""Times as the reader's own clock shows them; what is stored is UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

__all__ = ["end_of", "local_zone", "name_zone", "start_of", "write_time"]


def local_zone() -> tzinfo:
    """Return the browser's time zone; UTC where it does not say, or says one that is not known here."""
    try:
        name = st.context.timezone
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, LookupError):
        return UTC


def name_zone(zone: tzinfo) -> str:
    """Return the zone's name as people know it: ``"Europe/Berlin"``."""
    return getattr(zone, "key", "") or "UTC"


def write_time(at: datetime | None, zone: tzinfo) -> str:
    """Write a stored time on the reader's clock, to the second; empty for none.

    Examples
    --------
    >>> write_time(datetime(2026, 1, 31, 23, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    '2026-02-01 00:30:00'
    """
    return "" if at is None else at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def start_of(day: date | None, zone: tzinfo) -> datetime | None:
    """Return the moment at which a day of the reader begins."""
    return None if day is None else datetime.combine(day, time(), tzinfo=zone)


def end_of(day: date | None, zone: tzinfo) -> datetime | None:
    """Return the moment at which a day of the reader is over; None for the last day of the calendar."""
    return None if day is None or day == date.max else start_of(day + timedelta(days=1), zone)
