"""The way in and out over HTTP: the sign-in page, the session's cookie, and what stands in front of every page.

Streamlit's shell, its code and ``/healthz`` hold nothing about anybody and are open; everything else is for
visitors with a session. What the websocket then gives is decided by the guard of each page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from medcore.access.http import COOKIE_NAME, build_cookie, build_end_of_cookie
from medcore.errors import BusyError, LockedOutError, MedcoreError, SignInError
from medcore.ui import provider, runtime
from medcore.ui.addresses import NOT_PAGES, clean_back, is_tls
from medcore.ui.sign_in_page import render_moving_on, render_sign_in

if TYPE_CHECKING:
    from medcore.services.house import House

__all__ = ["ROUTES", "Gate"]

_T = TypeVar("_T")
_OPEN = ("/static/", "/component/", "/_stcore/bidi-components/", "/auth/")
_OPEN_EXACTLY = frozenset(
    {
        "/healthz",
        "/readyz",
        "/sign-in",
        provider.START,
        provider.ENTER,
        "/sign-out",
        "/oauth2callback",
        "/favicon.png",
        "/favicon.ico",
        "/manifest.json",
    }
)
_STATES = ("/_stcore/health", "/_stcore/host-config")
_MOST_BODY_BYTES = 8 * 1024
_OWN_ACCOUNT = "/account"


class Gate:
    """Lets the documents and files of the dashboard through for visitors with a session only.

    A page's address leads to the sign-in and back; anything else gets a short refusal.

    Parameters
    ----------
    app : ASGI application
        The dashboard.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, lead to the sign-in, or refuse."""
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            let_in = await asyncio.to_thread(_may_pass, _read_token(request))
        except MedcoreError as error:
            await _refuse(error)(scope, receive, send)
            return
        if let_in:
            await self._app(scope, receive, send)
        elif request.method in ("GET", "HEAD") and not request.url.path.startswith(NOT_PAGES):
            await _lead_to_sign_in(request)(scope, receive, send)
        else:
            await PlainTextResponse("Sign in first.", status_code=403)(scope, receive, send)


async def show_sign_in(request: Request) -> Response:
    """Show the page; whoever is signed in already goes on."""
    back = clean_back(request.query_params.get("next"))
    token = _read_token(request)
    if not token and request.headers.get("sec-fetch-site") == "cross-site" and "again" not in request.query_params:
        # a link from elsewhere: the browser holds the cookie back once
        return _as_page(render_moving_on(f"/sign-in?again=1&next={quote(back, safe='')}"))
    try:
        if await asyncio.to_thread(_may_pass, token):
            return RedirectResponse(back, status_code=303)
        empty = not await _with_house(_has_accounts)
    except MedcoreError as error:
        return _refuse(error)
    note = "Your session is over. Sign in again; drafts are kept." if token else ""
    if empty:
        note = "There is no account yet. On the server: medcore accounts first"
    answer = _as_page(render_sign_in(back=back, note=note, provider=_find_provider(back)))
    if token:
        answer.headers.append("Set-Cookie", build_end_of_cookie(tls=is_tls(request)))
    return answer


async def take_sign_in(request: Request) -> Response:
    """Check a name and a password, and begin a session."""
    if not _is_from_here(request):
        return PlainTextResponse("Sign in on the page of this server.", status_code=403)
    form = await _read_form(request)
    if form is None:
        return PlainTextResponse("This form cannot be read.", status_code=400)
    name, back = form.get("name", ""), clean_back(form.get("next"))
    address = request.client.host if request.client else ""
    try:
        must_change_password, token = await _with_house(
            lambda house: _sign_in(house, name, form.get("password", ""), address, _read_token(request))
        )
    except MedcoreError as error:
        page = render_sign_in(back=back, name=name[:64], message=error.message, provider=_find_provider(back))
        return _as_page(page, status=_status_of(error), wait_s=_wait_of(error))
    answer = RedirectResponse(_OWN_ACCOUNT if must_change_password else back, status_code=303)
    answer.headers.append("Set-Cookie", build_cookie(token, tls=is_tls(request)))
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def take_sign_out(request: Request) -> Response:
    """End the session of this browser."""
    if not _is_from_here(request):
        return PlainTextResponse("Sign out on the page of this server.", status_code=403)
    token = _read_token(request)
    try:
        await _with_house(lambda house: _sign_out(house, token))
    except MedcoreError as error:
        return _refuse(error)
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.headers.append("Set-Cookie", build_end_of_cookie(tls=is_tls(request)))
    return answer


async def show_way_in(_request: Request) -> Response:
    """Answer a link to the way out, which ends nothing: only the form of a page of this site does."""
    return RedirectResponse("/sign-in", status_code=303)


ROUTES = [
    Route("/sign-in", show_sign_in, methods=["GET"]),
    Route("/sign-in", take_sign_in, methods=["POST"]),
    Route("/sign-out", show_way_in, methods=["GET"]),
    Route("/sign-out", take_sign_out, methods=["POST"]),
    *provider.ROUTES,
]


async def _with_house(use: Callable[[House], _T]) -> _T:
    """Run in a thread: what is looked up there may have to be opened first."""
    return await asyncio.to_thread(lambda: use(runtime.open_house()))


def _may_pass(token: str) -> bool:
    if not runtime.needs_sign_in():
        return True
    from medcore.services.trust.entrance import is_signed_in  # not needed to listen

    return bool(token) and is_signed_in(runtime.open_house(), token)


def _has_accounts(house: House) -> bool:
    from medcore.services.trust.entrance import has_accounts

    return has_accounts(house)


def _sign_in(house: House, name: str, password: str, address: str, old_token: str) -> tuple[bool, str]:
    from medcore.services.trust.entrance import sign_in

    entered = sign_in(house, name, password, address=address, old_token=old_token)
    return entered.must_change_password, entered.token


def _sign_out(house: House, token: str) -> None:
    from medcore.services.trust.entrance import sign_out

    sign_out(house, token)


def _is_open(path: str) -> bool:
    """Say whether a path is for everybody; from a page's address the shell looks for the server's state below it."""
    if path in _OPEN_EXACTLY or path.endswith(_STATES):
        return True
    return path.startswith(_OPEN) and ".." not in path


def _find_provider(back: str) -> str:
    return f"{provider.START}?next={quote(back, safe='')}" if provider.is_configured() else ""


def _lead_to_sign_in(request: Request) -> Response:
    if provider.has_word(request):
        return RedirectResponse(provider.ENTER, status_code=303)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = clean_back(quote(asked, safe="/?&=%+,.:;~-_"))
    answer = RedirectResponse("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='')}", status_code=303)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _read_token(request: Request) -> str:
    return request.cookies.get(COOKIE_NAME, "")


def _is_from_here(request: Request) -> bool:
    """Say whether a form was sent by a page of this site, by what the browser itself says of its origin."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != "null":
        return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    return site == "same-origin"


async def _read_form(request: Request) -> dict[str, str] | None:
    """Return the first value of each field; None for what is no such form or too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY_BYTES:
            return None
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8, errors="strict")
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}


def _refuse(error: MedcoreError) -> HTMLResponse:
    return _as_page(render_sign_in(back="/", message=error.message, has_local=False), status=503, wait_s=5)


def _as_page(html: str, *, status: int = 200, wait_s: int = 0) -> HTMLResponse:
    headers = {"Cache-Control": "no-store"}
    if wait_s:
        headers["Retry-After"] = str(wait_s)
    return HTMLResponse(html, status_code=status, headers=headers)


def _status_of(error: MedcoreError) -> int:
    if isinstance(error, LockedOutError):
        return 429
    return 403 if isinstance(error, SignInError) else 503


def _wait_of(error: MedcoreError) -> int:
    if isinstance(error, LockedOutError):
        return int(error.value) if isinstance(error.value, int | float) else 30
    return 5 if isinstance(error, BusyError) else 0
