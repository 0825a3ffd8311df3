"""The ASGI parts around the dashboard: security headers, entrance, a health address, the life of the helper processes.

Importing this module starts nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from streamlit.runtime.pages_manager import PagesManager

from medcore.access.http import MEGABYTE, RequestGuard, RequestLimits, SecurityHeaders
from medcore.ui import entrance, logs, runtime, upkeep
from medcore.ui.shell_files import ShellFiles

__all__ = ["MIDDLEWARE", "ROUTES", "add_headers", "build_csp", "guard_requests", "lifespan", "prepare"]

FIRST_PAGE_WAIT_S = 4.0
"""How long the start of the models waits for a first page, so that the two do not compete."""

DRAWING_S = 0.5
"""What a browser needs to draw a page once it was sent."""

READER_START_DELAY_S = 10.0
"""The first page is drawn by then; the X-ray page starts the film reader at once when it is opened before."""

_LOOPBACK = ("127.0.0.1", "localhost")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def prepare() -> None:
    """Have ready what the pages are made of, before the first one imports it."""
    runtime.prepare()


def build_csp(index_html: str) -> str:
    """Return the Content-Security-Policy for a page shell.

    Inline scripts of the shell are allowed by their hash only; ``blob:`` is how Streamlit loads a
    component's module.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in _INLINE_SCRIPT.findall(index_html)
    )
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: {hashes}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' ws: wss:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _read_shell() -> str:
    return (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")


def add_headers(app: ASGIApp) -> SecurityHeaders:
    """Wrap ``app`` in the security headers, with the policy for Streamlit's own shell."""
    return SecurityHeaders(app, csp=build_csp(_read_shell()))


def guard_requests(app: ASGIApp) -> RequestGuard:
    """Wrap ``app`` in the checks of host, size and time.

    Streamlit itself checks ``server.allowedHosts`` for the websocket only; here it counts for every request.
    """
    upload_bytes = (
        int(streamlit.get_option("server.maxUploadSize")) + 1
    ) * MEGABYTE  # one for the form around the file
    return RequestGuard(
        app,
        allowed_hosts=streamlit.get_option("server.allowedHosts") or _LOOPBACK,
        limits=RequestLimits(upload_bytes=upload_bytes),
    )


async def answer_health(_request: Request) -> JSONResponse:
    """Say that the server answers, and whether the models do."""
    return JSONResponse({"status": "ok", "models": runtime.model_state()})


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Prepare the first page, start the model process after it, then the film reader; stop both with the server.

    The router alone says which pages there are: otherwise Streamlit treats the first visitor of a fresh
    server as one of an app that is nothing but its ``pages/`` folder, and answers "page not found".
    """
    logs.install()
    _refuse_base_path()
    PagesManager.uses_pages_directory = False
    starting = asyncio.create_task(_start_helpers_soon())
    try:
        yield
    finally:
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        await asyncio.to_thread(runtime.close)


def _refuse_base_path() -> None:
    """End a server that is told to live below a path: sign-in, cookie and gate are for whole host names."""
    if str(streamlit.get_option("server.baseUrlPath") or "").strip("/"):
        sys.stderr.write(
            "medcore: server.baseUrlPath is set, and Medcore does not run below a path: its sign-in needs a host name "
            "of its own. Remove the setting and give the proxy a name for Medcore (docs/deployment.md).\n"
        )
        sys.stderr.flush()
        sys.exit(1)


async def _start_helpers_soon() -> None:
    await asyncio.to_thread(runtime.prepare)
    await asyncio.to_thread(runtime.wait_for_page, FIRST_PAGE_WAIT_S)
    await asyncio.sleep(DRAWING_S)
    await asyncio.to_thread(runtime.start_models)
    await asyncio.sleep(READER_START_DELAY_S)
    await asyncio.to_thread(runtime.start_reader)
    await asyncio.gather(upkeep.keep_retention(), upkeep.make_demo_patients())


ROUTES = [
    Route("/healthz", answer_health, methods=["GET"]),
    Route("/readyz", upkeep.answer_ready, methods=["GET"]),
    *entrance.ROUTES,
]
MIDDLEWARE = [
    Middleware(add_headers),
    Middleware(guard_requests),
    Middleware(ShellFiles),  # open to everybody, as in the gate
    Middleware(entrance.Gate),
]
