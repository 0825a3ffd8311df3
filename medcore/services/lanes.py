"""What goes first in the model process.

Lane 0 is for a patient's score and its reasons while somebody types, lane 1 for what somebody waits for but that
takes its time, lane 2 for everything else. The child works on one request of each lane at once; work in a higher lane
pauses between its parts while a lower one is busy (:func:`medcore.workers.checkpoint`). So a long explanation costs a
form no more than the part it is in.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from medcore.workers import find_asker

__all__ = ["LANES", "QUICK_S", "Lanes"]

LANES = 3
"""How many there are."""

QUICK_S = 0.25
"""A model whose answer to one patient takes longer than this does not go before the others."""

_FORM = frozenset({"assess", "ping", "predict"})
_AWAITED = frozenset({"explain_film", "refine", "respond", "score_films"})


class Lanes:
    """Chooses the lane of each request; learns which models answer at once. May be used from any thread.

    Examples
    --------
    >>> lanes = Lanes()
    >>> one = {"model_id": "heart_disease-mlp"}
    >>> lanes.choose("assess", one)  # not known yet: it may have to be loaded first
    1
    >>> lanes.learn("assess", one, 0.02)
    >>> lanes.choose("assess", one)
    0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work_s: dict[tuple[str, str], float] = {}

    def choose(self, op: str, payload: Mapping[str, Any]) -> int:
        """Return the lane of a request of the present asker."""
        if find_asker().background:
            return LANES - 1
        if op in _FORM:
            return 0 if op == "ping" or self._is_quick(op, payload) else 1
        if op == "explain_film" and payload.get("method") == "shap":
            return 2
        return 1 if op in _AWAITED else 2

    def learn(self, op: str, payload: Mapping[str, Any], work_s: object) -> None:
        """Note how long one answer took; the least of late counts, as a wait for others is no fault of the model."""
        if op not in _FORM or not isinstance(work_s, float):
            return
        key = (op, str(payload.get("model_id")))
        with self._lock:
            self._work_s[key] = min(work_s, 1.5 * self._work_s.get(key, work_s))

    def _is_quick(self, op: str, payload: Mapping[str, Any]) -> bool:
        return self._work_s.get((op, str(payload.get("model_id"))), QUICK_S + 1.0) <= QUICK_S
