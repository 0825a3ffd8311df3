"""How long a model takes for one case, measured beside the page and kept for every user of this server."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cache

from medcore.errors import MedcoreError
from medcore.results import ModelFacts
from medcore.services.compare.comparing import measure_milliseconds
from medcore.services.house import House

__all__ = ["Stopwatch", "find_stopwatch"]

_WAIT_S = 120.0
_STEP_S = 0.5


class Stopwatch:
    """Measures in a thread of its own, a bundle at most once; ``known`` is keyed by the bundle's hash."""

    def __init__(self) -> None:
        self.known: dict[str, float] = {}
        self._tried: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def read(self, models: Sequence[ModelFacts]) -> dict[str, float]:
        """Return what is known so far, by model id."""
        return {facts.model_id: self.known[facts.sha256] for facts in models if facts.sha256 in self.known}

    def start(self, house: House, models: Sequence[ModelFacts]) -> bool:
        """Measure what has not been tried, unless that is under way; return whether something is."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return True
            due = [facts for facts in models if facts.sha256 not in self._tried]
            if not due or house.gateway.failure is not None:
                return False
            self._tried.update(facts.sha256 for facts in due)
            self._thread = threading.Thread(target=self._measure, args=(house, due), daemon=True)
            self._thread.start()
            return True

    def _measure(self, house: House, models: Sequence[ModelFacts]) -> None:
        end = time.monotonic() + _WAIT_S
        while not house.gateway.ready() and house.gateway.failure is None and time.monotonic() < end:
            time.sleep(_STEP_S)
        for facts in models:
            try:
                found = measure_milliseconds(house.gateway, house.catalog, [facts.model_id])
            except MedcoreError:
                continue
            if facts.model_id in found:
                self.known[facts.sha256] = found[facts.model_id]


@cache
def find_stopwatch() -> Stopwatch:
    """Return the one clock of this server."""
    return Stopwatch()
