"""The pages in the top bar: only those the visitor may open, grouped, with the visitor's own account at the end.

All other pages stay at their addresses, out of sight: their guard says in one sentence why they are closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from medcore.errors import MedcoreError, SessionError
from medcore.services.house import Page
from medcore.services.trust.entrance import offered_pages
from medcore.ui import account, runtime, visitor

__all__ = ["arrange", "list_pages", "navigate", "run"]

_ROOT = Path(__file__).resolve().parents[2]
_START_ADDRESS = "start"
_LEAVE = "leave"
_FEW = 4
"""As many pages stand beside each other without being folded into groups."""

_PLACES: dict[Page, tuple[str, str, str]] = {
    Page.RISK: ("", "Risk", "pages/clinical/risk.py"),
    Page.XRAY: ("", "X-ray", "pages/clinical/xray.py"),
    Page.PATIENTS: ("", "Patients", "pages/clinical/patients.py"),
    Page.MODELS: ("", "Models", "pages/governance/models.py"),
    Page.COMPARE: ("Analysis", "Compare", "pages/analysis/compare.py"),
    Page.EXPLORE: ("Analysis", "Explore", "pages/analysis/explore.py"),
    Page.AGREEMENT: ("Analysis", "Agreement", "pages/governance/agreement.py"),
    Page.AUDIT: ("Site", "Audit", "pages/governance/audit.py"),
    Page.ACCOUNTS: ("Site", "Accounts", "pages/governance/accounts.py"),
    Page.SITE: ("Site", "Settings", "pages/governance/site.py"),
    Page.ACCOUNT: ("", "Account", "pages/governance/account.py"),
}
"""Group, title and file of every page."""

_START = {
    "clinician": Page.RISK,
    "radiologist": Page.XRAY,
    "analyst": Page.COMPARE,
    "auditor": Page.AUDIT,
    "administrator": Page.SITE,
}
"""What somebody of one role comes for."""


@cache
def list_pages() -> tuple[Page, ...]:
    """Return the pages that are built, in the order of the top bar."""
    return tuple(page for page, (_, _, file) in _PLACES.items() if (_ROOT / file).is_file())


def arrange(offered: tuple[Page, ...], name: str, *, roles: frozenset[str]) -> tuple[Page, dict[str, list[Page]]]:
    """Return the first page and the groups of the top bar; the group without a name stands open.

    Parameters
    ----------
    offered : tuple of Page
        What the visitor may open; at least one.
    name : str
        The visitor's name, under which the own account stands.
    roles : frozenset of str
        The visitor's roles: the first page is the one this role comes for.
    """
    pages = [page for page in list_pages() if page in offered]
    start = next((_START[role] for role in _START if role in roles and _START[role] in pages), pages[0])
    groups: dict[str, list[Page]] = {"": []}
    others = [page for page in pages if page is not Page.ACCOUNT]
    for page in others:
        groups.setdefault(_PLACES[page][0] if len(others) > _FEW else "", []).append(page)
    for title in [title for title, members in groups.items() if title and len(members) == 1]:
        groups[""] += groups.pop(title)
    if Page.ACCOUNT in pages:
        groups.setdefault(name, []).append(Page.ACCOUNT)
    return start, groups


def navigate() -> StreamlitPage:
    """Draw the top bar for this visitor and return the page of the address."""
    offered, name, roles = _identify()
    if not any(page in offered for page in list_pages()):
        return st.navigation(list(_make_pages(list_pages()[0], ()).values()), position="hidden")
    start, groups = arrange(offered, name, roles=roles)
    made = _make_pages(start, [page for members in groups.values() for page in members])
    shown: dict[str, list[StreamlitPage]] = {
        title: [made[page] for page in members] for title, members in groups.items()
    }
    if _LEAVE in made and name in shown:
        shown[name].append(made[_LEAVE])
    listed = [page for members in shown.values() for page in members]
    shown[""] += [page for page in made.values() if page not in listed]
    return st.navigation(dict(shown), position="top")


def run() -> None:
    """Draw the top bar and the page of the address.

    A session that ends while the page is drawn leads to the notice of the page's guard, not to a failure.
    """
    try:
        navigate().run()
    except SessionError:
        st.rerun()
    finally:
        runtime.note_page()


def _identify() -> tuple[tuple[Page, ...], str, frozenset[str]]:
    """Return the pages, name and roles of the visitor; nothing for somebody whose page's guard will say why."""
    try:
        house = visitor.enter()
        actor, offered = house.actor, offered_pages(house)
    except MedcoreError:
        return (), "", frozenset()
    return offered, actor.name.partition(":")[2] or actor.name, frozenset(actor.roles)


def _make_pages(start: Page, shown: Iterable[Page]) -> dict[str, StreamlitPage]:
    """Return all pages by address: the first page at the site's own address, and out of sight under its name."""
    made = {
        str(page): st.Page(
            _ROOT / file,
            title=title,
            url_path=_START_ADDRESS if page is start else str(page),
            default=page is start,
            visibility="visible" if page in shown else "hidden",
        )
        for page, (_, title, file) in _PLACES.items()
        if page in list_pages()
    }
    _, title, file = _PLACES[start]
    made[_START_ADDRESS] = st.Page(_ROOT / file, title=title, url_path=str(start), visibility="hidden")
    made[_LEAVE] = st.Page(
        account.leave,
        title="Sign out",
        url_path=_LEAVE,
        visibility="visible" if visitor.has_session() else "hidden",
    )
    return made
