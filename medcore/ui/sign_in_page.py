"""The page where one signs in, as HTML of its own: no script, so that it works before anything else is loaded."""

from __future__ import annotations

import base64
from functools import cache
from html import escape
from pathlib import Path

__all__ = ["render_moving_on", "render_sign_in"]

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
_HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="referrer" content="same-origin"><meta name="robots" content="noindex">'
)
_PURPOSE = "Decision support for trained readers. It does not replace a diagnosis."


def render_sign_in(
    *, back: str, name: str = "", message: str = "", note: str = "", provider: str = "", has_local: bool = True
) -> str:
    """Return the page.

    Parameters
    ----------
    back : str
        Where to go afterwards: an address of this site, checked before.
    name : str, optional
        The name as typed before; a password is never put into a page.
    message : str, optional
        Why the last attempt failed.
    note : str, optional
        Why there is something to sign in for: a session that is over, an account that is still to be made.
    provider : str, optional
        Address of the identity provider's sign-in; empty without one.
    has_local : bool, optional
        Whether anybody has a password here.
    """
    parts = [f'<p class="note" role="status">{escape(note)}</p>'] if note else []
    if provider:
        parts.append(
            f'<p><a class="go" href="{escape(provider, quote=True)}">Sign in with your hospital account</a></p>'
        )
    if has_local:
        form = _render_form(back=back, name=name, message=message)
        parts.append(
            f"<details{' open' if message else ''}><summary>Account of this server</summary>{form}</details>"
            if provider
            else form
        )
    elif message:
        parts.append(f'<p class="problem" role="alert">{escape(message)}</p>')
    return _render_page("Sign in", "".join(parts))


def render_moving_on(back: str) -> str:
    """Return a page that goes on to ``back`` by itself.

    After a way over another site: the browser then takes this one for the origin and sends the session's cookie.
    """
    address = escape(back, quote=True)
    return _render_page(
        "One moment",
        f'<p class="note">One moment. <a href="{address}">Go on</a></p>',
        head=f'<meta http-equiv="refresh" content="0;url={address}">',
    )


def _render_form(*, back: str, name: str, message: str) -> str:
    problem = f'<p class="problem" id="problem" role="alert">{escape(message)}</p>' if message else ""
    marks = ' aria-invalid="true" aria-describedby="problem"' if message else ""
    first, second = (" autofocus", "") if not name else ("", " autofocus")
    return (
        f'<form method="post" action="/sign-in">{problem}'
        f'<input type="hidden" name="next" value="{escape(back, quote=True)}">'
        f'<label for="name">User name</label><input id="name" name="name" value="{escape(name, quote=True)}"'
        f' autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required{marks}{first}>'
        f'<label for="password">Password</label><input id="password" name="password" type="password"'
        f' autocomplete="current-password" maxlength="256" required{marks}{second}>'
        '<button type="submit">Sign in</button></form>'
        '<p class="quiet">Forgotten the password? An administrator gives you a new one.</p>'
    )


def _render_page(title: str, body: str, *, head: str = "") -> str:
    return (
        f"{_HEAD}{head}<title>{title} · Medcore</title><style>{_read_css()}</style></head><body><main>"
        f'<img src="{_draw_logo()}" alt="Medcore" width="140" height="30"><h1>{title}</h1>{body}'
        f'<p class="quiet foot">{_PURPOSE}</p></main></body></html>'
    )


@cache
def _read_css() -> str:
    return (_ASSETS / "css" / "sign-in.css").read_text(encoding="utf-8")


@cache
def _draw_logo() -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode((_ASSETS / 'logo.svg').read_bytes()).decode()}"
