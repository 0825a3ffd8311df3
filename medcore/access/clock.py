"""A clock for time limits: it never goes back, whatever happens to the machine's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Clock", "SteadyClock"]

Clock = Callable[[], float]
"""Gives the time now, seconds since 1970 (UTC)."""


class SteadyClock:
    """Seconds since 1970 (UTC) that never decrease.

    Follows the wall clock forward. When the wall clock is set back, time goes on with the monotonic
    clock, so that no session and no lock-out becomes longer by it.

    Parameters
    ----------
    wall, monotonic : callable, optional
        Seconds; given by tests.

    Examples
    --------
    >>> times = iter([100.0, 40.0])
    >>> clock = SteadyClock(wall=lambda: next(times), monotonic=iter([0.0, 5.0]).__next__)
    >>> clock()
    105.0
    """

    def __init__(self, *, wall: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._now_s = wall()
        self._mark_s = monotonic()

    def __call__(self) -> float:
        """Return the time now, seconds."""
        with self._lock:
            mark_s = self._monotonic()
            passed_s = max(0.0, mark_s - self._mark_s)
            self._now_s = max(self._now_s + passed_s, self._wall())
            self._mark_s = mark_s
            return self._now_s
