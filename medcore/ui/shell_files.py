"""The code, styles and fonts that a browser needs before it can show anything: Streamlit's own files, from memory.

A page is about a hundred of them. Streamlit sends each through its sessions, its mount and a thread that reads the
disk; here the same bytes cost half of that. All other requests go on to Streamlit.
"""

from __future__ import annotations

from pathlib import Path

import streamlit
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ShellFiles"]

_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}
_MOST_BYTES = 1024 * 1024
"""Larger files (maps, code editors) are rare and not kept."""

_PARTS = frozenset({b"range", b"if-none-match", b"if-modified-since", b"if-range"})
"""Headers of a request for less than the whole file; Streamlit answers those."""

_Headers = list[tuple[bytes, bytes]]


class ShellFiles:
    """Answers ``GET /static/...`` for the files that were there when the server started; their names hold their hash.

    Parameters
    ----------
    app : ASGI application
        Streamlit, which answers everything else.
    folder : pathlib.Path, optional
        Where ``static/`` lies; default: in the installed Streamlit.
    """

    def __init__(self, app: ASGIApp, folder: Path | None = None) -> None:
        self._app = app
        folder = folder or Path(streamlit.__file__).parent / "static"
        self._paths = {
            f"/{path.relative_to(folder).as_posix()}": path
            for path in (folder / "static").rglob("*")
            if path.suffix in _TYPES and path.stat().st_size <= _MOST_BYTES
        }
        self._kept: dict[str, tuple[_Headers, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        found = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        headers, body = found
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    def _find(self, scope: Scope) -> tuple[_Headers, bytes] | None:
        name: str = scope["path"]
        path = self._paths.get(name)
        if path is None or any(header in _PARTS for header, _ in scope["headers"]):
            return None
        if name not in self._kept:
            try:
                body = path.read_bytes()
            except OSError:  # an update is under way: Streamlit says what it finds
                return None
            headers = {
                "content-type": _TYPES[path.suffix],
                "content-length": str(len(body)),
                "cache-control": "public, immutable, max-age=31536000",
            }
            self._kept[name] = [(key.encode(), value.encode()) for key, value in headers.items()], body
        return self._kept[name]
