"""Signing in at the hospital's identity provider (OpenID Connect), through what ``st.login`` is made of.

Streamlit talks to the provider and leaves what it said in a signed cookie. That word is taken once, here, for
a session of ours, and the cookie, which would last for thirty days, is removed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from medcore.access.http import build_cookie
from medcore.errors import AccessDeniedError, ConfigError, MedcoreError
from medcore.ui import runtime
from medcore.ui.addresses import clean_back, is_tls
from medcore.ui.sign_in_page import render_moving_on, render_sign_in

if TYPE_CHECKING:
    from medcore.services.house import House

__all__ = ["ENTER", "ROUTES", "START", "has_word", "is_configured"]

START = "/sign-in/provider"
ENTER = "/sign-in/enter"
_PROVIDER = "default"
_WORDS = ("_streamlit_user", "_streamlit_user_tokens")
_BACK_COOKIE = "medcore_back"
_BACK_S = 600
"""How long somebody may take at the provider and still come back to the same page, seconds."""


def is_configured() -> bool:
    """Say whether ``secrets.toml`` names an identity provider."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets


def has_word(request: Request) -> bool:
    """Say whether the browser brings a provider's word that has not been taken yet."""
    return _WORDS[0] in request.cookies and is_configured()


async def start(request: Request) -> Response:
    """Lead to the provider."""
    from streamlit.errors import Error as StreamlitError
    from streamlit.user_info import generate_login_redirect_url

    if not is_configured():
        return RedirectResponse("/sign-in", status_code=303)
    back = quote(clean_back(request.query_params.get("next")), safe="")
    try:
        answer = RedirectResponse(generate_login_redirect_url(_PROVIDER), status_code=303)
    except StreamlitError:
        message = (
            "The identity provider cannot be used: streamlit[auth] is not installed, or secrets.toml is not whole."
        )
        return HTMLResponse(render_sign_in(back="/", message=message), status_code=503)
    answer.headers.append("Set-Cookie", _write_cookie(_BACK_COOKIE, back, _BACK_S, request))
    return answer


async def enter(request: Request) -> Response:
    """Take the provider's word for a session of ours."""
    if not is_configured():
        return RedirectResponse("/sign-in", status_code=303)
    back = clean_back(unquote(request.cookies.get(_BACK_COOKIE, "")))
    try:
        token = await asyncio.to_thread(_admit, _read_claims(request))
    except MedcoreError as error:
        answer = HTMLResponse(render_sign_in(back=back, message=error.message, provider=START), status_code=403)
    else:
        # the browser comes from the provider: it sends the new cookie only once this site is the origin
        answer = HTMLResponse(render_moving_on(back))
        answer.headers.append("Set-Cookie", build_cookie(token, tls=is_tls(request)))
    answer.headers["Cache-Control"] = "no-store"
    for name in (_BACK_COOKIE, *(name for name in request.cookies if name.startswith(_WORDS))):
        answer.headers.append("Set-Cookie", _write_cookie(name, "", 0, request))
    return answer


ROUTES = [Route(START, start, methods=["GET"]), Route(ENTER, enter, methods=["GET"])]


def _read_claims(request: Request) -> dict[str, Any]:
    """Return what the provider said, as Streamlit signed it; what is not signed with our key is nothing."""
    from streamlit.web.server.starlette.starlette_auth_routes import _get_cookie_value_from_request

    try:
        raw = _get_cookie_value_from_request(request, _WORDS[0])
        claims = json.loads(raw) if raw else None
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise AccessDeniedError("Your identity provider's answer did not arrive. Sign in again.")
    return claims


def _admit(claims: Mapping[str, Any]) -> str:
    from medcore.services.trust.entrance import admit, read_rules

    house: House = runtime.open_house()
    if house.access is None:
        raise AccessDeniedError("Nobody signs in here: this is a demo.")
    if "medcore_oidc" not in st.secrets:
        raise ConfigError("secrets.toml says nothing of who has which role: the table medcore_oidc is missing.")
    return admit(house, claims, read_rules(st.secrets["medcore_oidc"].to_dict())).token


def _write_cookie(name: str, value: str, seconds: int, request: Request) -> str:
    tls = "; Secure" if is_tls(request) else ""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{tls}"
