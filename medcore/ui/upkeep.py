"""What the server does without a visitor: saying whether it is ready, the daily retention run, a demo's patients."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse

from medcore.errors import MedcoreError
from medcore.ui import runtime

if TYPE_CHECKING:
    from medcore.services.trust.readiness import Readiness

__all__ = ["DAY_S", "answer_ready", "keep_retention", "make_demo_patients", "run_retention"]

DAY_S = 86_400.0
_FRESH_S = 2.0
"""An answer about readiness serves this long, so that asking often costs the journal nothing."""

_READY_S = 1.0
"""How often it is asked whether the models are ready for a demo's patients."""

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_last: tuple[float, Readiness] | None = None


async def answer_ready(_request: Request) -> JSONResponse:
    """Say whether models, journal and disk let this server work: 200, or 503 with the part that does not."""
    try:
        found = await asyncio.to_thread(_look)
    except MedcoreError as error:
        return JSONResponse({"status": "not_ready", "reason": error.code}, status_code=503)
    parts = {"models": found.models, "journal": found.journal, "disk": found.disk}
    status = "ready" if found.ready else "not_ready"
    return JSONResponse({"status": status, **parts}, status_code=200 if found.ready else 503)


async def keep_retention() -> None:
    """Apply the site's retention rule now and then once a day, until cancelled."""
    while True:
        await asyncio.to_thread(run_retention)
        await asyncio.sleep(DAY_S)


def run_retention() -> int:
    """Apply the site's retention rule; a failure is logged by its kind and tried again the next day."""
    from medcore.services.trust.retention import run_rule  # not needed to listen, as below

    try:
        return run_rule(runtime.open_house())
    except MedcoreError as error:
        _log.error("the retention run failed: %s", error.code)
        return 0


async def make_demo_patients() -> None:
    """Fill a demo with its made-up patients once the models are ready; a failure is logged and tried at the next start.

    Cancelled, it stops before the next result.
    """
    stopped = threading.Event()
    try:
        while await asyncio.to_thread(_waits_for_models):
            await asyncio.sleep(_READY_S)
        await asyncio.to_thread(_fill, stopped)
    finally:
        stopped.set()


def _waits_for_models() -> bool:
    """Return whether this is a demo whose models are not ready yet."""
    try:
        house = runtime.open_house()
    except MedcoreError:  # the pages say why
        return False
    return house.settings.demo and not house.gateway.ready()


def _fill(stopped: threading.Event) -> None:
    from medcore.services.trust.demo_patients import fill_demo

    try:
        house = runtime.open_house()
    except MedcoreError:
        return
    try:
        fill_demo(house, go_on=lambda: not stopped.is_set())
    except MedcoreError as error:
        _log.error("the demo's patients were not made: %s", error.code)


def _look() -> Readiness:
    from medcore.services.trust.readiness import check_readiness

    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] > _FRESH_S:
            _last = time.monotonic(), check_readiness(runtime.open_house())
        return _last[1]
