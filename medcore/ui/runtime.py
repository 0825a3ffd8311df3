"""What the whole server process shares, opened once under a lock. Holds nothing about a patient."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from medcore.errors import MedcoreError

if TYPE_CHECKING:
    from medcore.services.house import House

__all__ = ["close", "model_state", "open_house", "start_models", "use"]

_log = logging.getLogger(__name__)
_lock = threading.RLock()
_house: House | None = None
_start_error: MedcoreError | None = None


def open_house() -> House:
    """Return the process-wide parts, opening them on first use.

    Raises
    ------
    MedcoreError
        The model folder or the journal cannot be used, or a setting is wrong. The next call tries again.
    """
    global _house
    with _lock:
        if _house is None:
            from medcore.services.house import build_house

            _house = build_house()
        return _house


def use(house: House | None) -> None:
    """Put ``house`` in the place of the real one; None forgets it."""
    global _house, _start_error
    with _lock:
        _house, _start_error = house, None


def start_models() -> None:
    """Start the model process. A failure is kept for :func:`model_state`."""
    global _start_error
    try:
        start = getattr(open_house().gateway, "start", None)
        if start is not None:
            start()
    except MedcoreError as error:
        _start_error = error
        _log.error("the model process did not start: %s", error.code)


def close() -> None:
    """Stop the model process and close the journal, if they were opened."""
    with _lock:
        house = _house
        use(None)
    for part in (house.gateway, house.journal) if house else ():
        closer = getattr(part, "close", None)
        if closer is not None:
            closer()


def model_state() -> str:
    """Return ``"ready"``, ``"starting"`` or ``"failed"``."""
    if _start_error is not None:
        return "failed"
    return "ready" if _house is not None and _house.gateway.ready() else "starting"
