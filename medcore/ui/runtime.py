"""What the whole server process shares, opened once under a lock. Holds nothing about a patient."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from medcore.config import read_settings
from medcore.errors import MedcoreError

if TYPE_CHECKING:
    from medcore.services.house import House

__all__ = [
    "close",
    "explain_failure",
    "model_state",
    "needs_sign_in",
    "note_page",
    "open_house",
    "prepare",
    "retry_models",
    "start_journal",
    "start_models",
    "start_reader",
    "use",
    "wait_for_page",
]

_FIRST_PAGE = ("navigation", "theme", "guard", "banner", "header", "drafting", "form", "result")
"""The modules of this room that the page most people begin with needs."""

_log = logging.getLogger(__name__)
_lock = threading.RLock()
_house: House | None = None
_start_error: MedcoreError | None = None
_prepared = False
_page_drawn = threading.Event()


def prepare() -> None:
    """Import what the first page needs and open the house and its journal, once; another caller waits for the end.

    Begun when the port is open, most of it is done before a browser has read its code and asks for the page. What
    cannot be opened is said by the page's guard.
    """
    global _prepared
    with _lock:
        if _prepared:
            return
        for name in _FIRST_PAGE:
            import_module(f"medcore.ui.{name}")
        start_journal()
        gc.collect()
        gc.freeze()  # what stays for good is not looked through again and again
        _prepared = True


def note_page() -> None:
    """Note that a page was sent to a browser."""
    _page_drawn.set()


def wait_for_page(most_s: float) -> None:
    """Return once a page was sent to a browser, or after ``most_s`` seconds."""
    _page_drawn.wait(most_s)


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
            from medcore.services.gateway import use_finder
            from medcore.services.house import build_house
            from medcore.ui.asking import find_session

            use_finder(find_session)
            _house = build_house(served=True)
        return _house


def needs_sign_in() -> bool:
    """Say whether visitors have to sign in; in a demo nothing is opened to know it.

    Raises
    ------
    MedcoreError
        As :func:`open_house`.
    """
    if _house is None and read_settings().demo:
        return False
    return open_house().access is not None


def use(house: House | None) -> None:
    """Put ``house`` in the place of the real one; None forgets it."""
    global _house, _start_error
    with _lock:
        _house, _start_error = house, None


def start_models() -> None:
    """Start the model process unless it is started already. A failure is kept for :func:`model_state`."""
    global _start_error
    try:
        start = getattr(open_house().gateway, "start", None)
        if start is not None:
            start()
        _start_error = None
    except MedcoreError as error:
        _start_error = error
        _log.error("the model process did not start: %s", error.code)


def start_journal() -> None:
    """Open the journal before the first click needs it; what is wrong with it is said then."""
    with contextlib.suppress(MedcoreError):
        opener = getattr(open_house().journal, "open", None)
        if opener is not None:
            opener()


def start_reader() -> None:
    """Start the process that opens films unless it is started already; returns at once."""
    with contextlib.suppress(MedcoreError):  # the first film says why
        start = getattr(open_house().reader, "start", None)
        if start is not None:
            start()


def close() -> None:
    """Stop the helper processes and close the journal, if they were opened."""
    with _lock:
        house = _house
        use(None)
    for part in (house.gateway, house.reader, house.analysis, house.access, house.journal) if house else ():
        closer = getattr(part, "close", None)
        if closer is not None:
            closer()


def model_state() -> str:
    """Return ``"ready"``, ``"starting"`` or ``"failed"``; a failure passes by itself once a start succeeds."""
    house = _house
    if house is not None and house.gateway.ready():
        return "ready"
    return "failed" if _find_failure() is not None else "starting"


def explain_failure() -> str:
    """Say in plain words why there are no models and what to do; empty unless the state is ``"failed"``."""
    failure = _find_failure()
    if failure is None:
        return ""
    reason = failure.message[:1].upper() + failure.message[1:].rstrip(".")
    return (
        f"{reason}. It is tried again by itself every few seconds while this page is open. If it lasts, tell "
        "whoever looks after this server: `medcore verify` names the model that is broken, the server's log the rest."
    )


def retry_models() -> None:
    """Try to start the models again after a failure, without waiting."""
    start_models()
    house = _house
    if house is not None and house.gateway.failure is not None:
        house.gateway.retry()


def _find_failure() -> MedcoreError | None:
    house = _house
    if _start_error is not None or house is None:
        return _start_error
    return house.gateway.failure
