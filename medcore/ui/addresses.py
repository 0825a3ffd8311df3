"""Addresses of this site: which one may be gone back to, and whether the browser came over TLS."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.requests import Request

__all__ = ["NOT_PAGES", "clean_back", "is_tls"]

NOT_PAGES = ("/_stcore/", "/media/", "/app/")
"""Beginnings of paths under which there are files and services, not pages."""

_NOT_BACK = ("/sign-in", "/sign-out", "/oauth2callback", "/auth/", "/static/", "/component/", *NOT_PAGES)
_LONGEST_BACK = 500
_PLAIN = re.compile(r"[!-\[\]-~]+")  # visible ASCII but the backslash, which browsers take for a slash


def clean_back(text: str | None) -> str:
    """Return an address of a page of this site to come back to; anything else is the first page.

    Examples
    --------
    >>> clean_back("/models?condition=diabetes"), clean_back("//evil.example/x"), clean_back("https://evil.example")
    ('/models?condition=diabetes', '/', '/')
    """
    if not text or len(text) > _LONGEST_BACK or not _PLAIN.fullmatch(text):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    local = text.startswith("/") and not text.startswith("//") and not parts.scheme and not parts.netloc
    return text if local and not parts.path.startswith(_NOT_BACK) else "/"


def is_tls(request: Request) -> bool:
    """Say whether the browser sees TLS: here, or at a proxy that the server was told to believe (deployment.md)."""
    return request.url.scheme == "https"
