"""What every request passes before the application sees it: name of the host, size, number, time, headers.

Two plain ASGI classes without any framework. :class:`SecurityHeaders` goes outermost, so that refusals
carry the headers too; :class:`RequestGuard` comes next and needs nothing of the application.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "COOKIE_NAME",
    "MEGABYTE",
    "RequestGuard",
    "RequestLimits",
    "SecurityHeaders",
    "build_cookie",
    "build_end_of_cookie",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE_NAME = "medcore_session"
"""The cookie that holds the token of a session; all tabs of one browser share it."""

MEGABYTE = 1024 * 1024
"""Bytes."""
_WORDS = {
    400: "This request cannot be understood.",
    403: "This server does not answer under that name.",
    408: "The request took too long to arrive. Nothing was kept.",
    413: "The request is too large. Nothing was kept.",
    431: "The request's head is too large.",
    503: "Too many files are being sent at the moment. Try again shortly.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one request, and all uploads together, may take.

    ``upload_paths`` are the beginnings of paths under which files are sent, wherever the application is
    mounted; everything else may send ``body_bytes`` at most.
    """

    body_bytes: int = MEGABYTE
    upload_bytes: int = 51 * MEGABYTE
    upload_paths: tuple[str, ...] = ("/_stcore/upload_file/",)
    uploads_at_once: int = 8
    body_s: float = 120.0
    head_bytes: int = 64 * 1024


def build_cookie(token: str, *, tls: bool) -> str:
    """Return the value of ``Set-Cookie`` for a session's token: not for scripts, not for other sites.

    It goes with the browser; how long it counts is decided here, not there. ``tls``: sent over TLS only.

    Examples
    --------
    >>> build_cookie("abc", tls=True)
    'medcore_session=abc; Path=/; HttpOnly; SameSite=Strict; Secure'
    """
    return f"{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if tls else ''}"


def build_end_of_cookie(*, tls: bool) -> str:
    """Return the value of ``Set-Cookie`` that removes the token from the browser."""
    return f"{build_cookie('', tls=tls)}; Max-Age=0"


class _RefusalError(Exception):
    """The request must not go on; the answer has this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestGuard:
    """Refuses what no page ever sends, and gives every request a number.

    The number is drawn here (a number that comes with the request is not believed), stands in
    ``scope["state"]["request_id"]`` and in the answer's ``X-Request-ID``, and is what a user quotes.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    allowed_hosts : iterable of str
        Names under which the server may be reached, without port; ``*.example.org`` for all names below
        one, ``*`` for every name. Nothing allowed = nothing answered.
    limits : RequestLimits, optional
        Sizes and times.
    """

    def __init__(self, app: App, *, allowed_hosts: Iterable[str], limits: RequestLimits | None = None) -> None:
        self._app = app
        self._allowed = tuple(name.strip().lower().rstrip(".") for name in allowed_hosts)
        self._limits = limits or RequestLimits()
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a refusal."""
        if scope["type"] == "websocket":
            await self._pass_socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._pass_request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_head(scope)
        except _RefusalError:
            await receive()  # the offer to connect
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        _number(scope)
        await self._app(scope, receive, send)

    async def _pass_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = _number(scope)
        answer = _Answer(send, number)
        uploading = False
        try:
            self._check_head(scope)
            most_bytes = self._find_limit(scope)
            uploading = self._take_upload_slot(scope)
            body = answer.body = _Body(receive, most_bytes=most_bytes, most_s=self._limits.body_s)
            await self._app(scope, body.receive, answer.send)
            if body.refusal is not None:
                raise body.refusal
        except _RefusalError as refusal:
            await answer.refuse(refusal.status)
        except Exception:
            if answer.body is None or answer.body.refusal is None:
                raise
            await answer.refuse(answer.body.refusal.status)  # the application stumbled over the refusal
        finally:
            self._uploads -= uploading

    def _check_head(self, scope: Scope) -> None:
        headers = scope.get("headers") or []
        if sum(len(name) + len(value) for name, value in headers) > self._limits.head_bytes:
            raise _RefusalError(431)
        hosts = [value for name, value in headers if name.lower() == b"host"]
        if len(hosts) != 1:
            raise _RefusalError(400)
        if not _is_allowed(hosts[0].decode("latin-1"), self._allowed):
            raise _RefusalError(403)

    def _find_limit(self, scope: Scope) -> int:
        """Return how many bytes may come; refuse at once what announces more."""
        most = self._limits.upload_bytes if self._is_upload(scope) else self._limits.body_bytes
        announced = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if len(announced) > 1 or any(not value.isdigit() for value in announced):
            raise _RefusalError(400)
        if announced and (len(announced[0]) > 18 or int(announced[0]) > most):
            raise _RefusalError(413)
        return most

    def _is_upload(self, scope: Scope) -> bool:
        path = str(scope.get("path", ""))
        return scope["method"] in ("PUT", "POST") and any(part in path for part in self._limits.upload_paths)

    def _take_upload_slot(self, scope: Scope) -> bool:
        if not self._is_upload(scope):
            return False
        if self._uploads >= self._limits.uploads_at_once:
            raise _RefusalError(503)
        self._uploads += 1
        return True


class _Body:
    """Counts what arrives, and stops when it is too much or too slow."""

    def __init__(self, receive: Receive, *, most_bytes: int, most_s: float) -> None:
        self._receive = receive
        self._left_bytes = most_bytes
        self._end_s = time.monotonic() + most_s
        self._complete = False
        self.refusal: _RefusalError | None = None

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()  # waits for the browser to go; that may take long
        if self.refusal is not None:
            raise self.refusal
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._end_s - time.monotonic()))
        except TimeoutError:
            raise self._refuse(408) from None
        if message["type"] == "http.request":
            self._left_bytes -= len(message.get("body", b""))
            if self._left_bytes < 0:
                raise self._refuse(413)
        self._complete = not message.get("more_body", False)
        return message

    def _refuse(self, status: int) -> _RefusalError:
        self.refusal = _RefusalError(status)
        return self.refusal


class _Answer:
    """Adds the number to the answer; drops the application's own answer once the body was refused."""

    def __init__(self, send: Send, number: str) -> None:
        self._send = send
        self._number = number
        self._started = False
        self.body: _Body | None = None

    async def send(self, message: Message) -> None:
        if self.body is not None and self.body.refusal is not None and not self._started:
            return
        if message["type"] == "http.response.start":
            self._started = True
            message = {**message, "headers": _set(message.get("headers", []), {"X-Request-ID": self._number})}
        await self._send(message)

    async def refuse(self, status: int) -> None:
        if self._started:
            return
        self._started = True
        text = f"{_WORDS[status]} (request {self._number})".encode()
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(text)),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "X-Request-ID": self._number,
            "Connection": "close",
        }
        if status == 503:
            headers["Retry-After"] = "5"
        await self._send({"type": "http.response.start", "status": status, "headers": _set([], headers)})
        await self._send({"type": "http.response.body", "body": text})


class SecurityHeaders:
    """Adds the security headers to every HTTP answer, in the place of the application's own of the same name.

    Parameters
    ----------
    app : ASGI application
        What is wrapped.
    csp : str
        The Content-Security-Policy; should hold ``frame-ancestors``.
    hsts : bool, optional
        Tell browsers to use TLS only; right behind a proxy that ends TLS, wrong without.
    """

    def __init__(self, app: App, *, csp: str, hsts: bool = False) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": csp,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if hsts:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the headers added to the start of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _set(message.get("headers", []), self._headers)}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _number(scope: Scope) -> str:
    number = secrets.token_hex(6)
    scope.setdefault("state", {})["request_id"] = number
    return number


def _set(headers: Iterable[tuple[bytes, bytes]], new: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers with ``new`` ones in the place of those of the same names."""
    names = {name.lower().encode("latin-1") for name in new}
    kept = [(name, value) for name, value in headers if name.lower() not in names]
    return kept + [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in new.items()]


def _is_allowed(host: str, patterns: Iterable[str]) -> bool:
    name = _parse_host(host)
    return bool(name) and any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


def _parse_host(host: str) -> str:
    """Return the name in a Host header, lower case, without port; empty if it is anything but name and port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is none
        name = (parts.hostname or "").rstrip(".")
    except ValueError:
        return ""
    more = parts.username is not None or parts.password is not None or parts.path or parts.query or parts.fragment
    blank = any(sign.isspace() or not sign.isprintable() for sign in host)
    return "" if more or blank or host.endswith("?") or host.endswith("#") else name
