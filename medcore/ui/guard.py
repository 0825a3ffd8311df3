"""What every page does first: get the shared parts for this visitor, or say in one sentence why not and stop."""

from __future__ import annotations

import contextlib
from html import escape
from typing import NoReturn

import streamlit as st

from medcore.errors import MedcoreError, SessionError, SessionExpiredError, StorageError
from medcore.results import ModelFacts
from medcore.services.house import Condition, FilmCondition, House, Page, authorize_page
from medcore.services.trust.site import is_read_only
from medcore.ui import theme, visitor

__all__ = ["find_film_model", "find_model", "open_house", "recheck", "stop_with"]

_FIRST_PAGE = Page.ACCOUNT


def open_house(page: str) -> House:
    """Return the shared parts as this visitor may use them, with the models as they now are.

    Whoever is not signed in, or whose session is over, sees one sentence and where to sign in; whose role
    may not open the page sees one sentence. Nothing else is drawn.

    Parameters
    ----------
    page : str
        The page's address, a value of ``Page``.
    """
    try:
        house = visitor.enter()
    except SessionError as error:
        _ask_to_sign_in(error)
    except MedcoreError as error:
        stop_with("Medcore cannot start", error.message)
    try:
        actor = house.actor
        authorize_page(actor, Page(page))
    except SessionError as error:
        _ask_to_sign_in(error)
    except MedcoreError as error:
        if page != _FIRST_PAGE and house.access is not None and house.actor.must_change_password:
            stop_with("Choose your password first", error.message, link=("Your account", str(_FIRST_PAGE)))
        stop_with("This page is not open to you", error.message)
    if actor.demo:
        theme.show_demo_notice()
    _say_read_only(house)
    house.catalog.refresh()
    return house


def _say_read_only(house: House) -> None:
    """Say on every page that nothing is saved while it is so; a journal that cannot be read speaks for itself later."""
    with contextlib.suppress(StorageError):
        if is_read_only(house):
            st.html(
                '<p class="mc-warn" role="status">Maintenance: everything can be read, nothing is saved until it is '
                "over. What you enter stays on the page.</p>"
            )


def recheck(house: House, page: str, *, timer: bool = False) -> None:
    """At the beginning of a part that runs without its page: go on only if the page is still open to the visitor.

    Otherwise the whole page runs again, and its guard says why.

    Parameters
    ----------
    house : House
    page : str
        The page's address, a value of ``Page``.
    timer : bool, optional
        The part runs again by itself: that is no use of the session and does not keep it open.
    """
    try:
        authorize_page(visitor.look_again(house) if timer else house.actor, Page(page))
    except MedcoreError as error:
        _keep_what_was_typed(error)
        st.rerun()


def _keep_what_was_typed(error: MedcoreError) -> None:
    """Keep the form as a draft of whoever's session has just run out: what came with this very run, too."""
    if isinstance(error, SessionExpiredError):
        from medcore.ui import drafting  # most pages have no form

        drafting.keep_last()


def find_model(house: House, condition: Condition) -> ModelFacts:
    """Return the model the condition uses; without one show why, with every refused bundle, and end the page."""
    try:
        return house.catalog.default(condition.id)
    except MedcoreError as error:
        problems = [f"{name}: {problem.message}" for name, problem in house.catalog.problems.items()]
        stop_with("No model for this question", error.message, problems)


def find_film_model(house: House, condition: FilmCondition) -> ModelFacts | None:
    """Return the model the question about films uses; None without one: films open all the same."""
    try:
        return house.catalog.default(condition.id)
    except MedcoreError:
        return None


def stop_with(
    title: str, message: str, details: list[str] | None = None, *, link: tuple[str, str] | None = None
) -> NoReturn:
    """Show one problem and end the page; ``link`` is a text and an address of this site."""
    items = "".join(f"<li>{escape(text)}</li>" for text in details or [])
    st.html(
        f'<section class="mc-problem" role="alert"><h2>{escape(title)}</h2><p>{escape(message)}</p>'
        f"{f'<ul>{items}</ul>' if items else ''}{_write_link(link)}</section>"
    )
    st.stop()


def _ask_to_sign_in(error: SessionError) -> NoReturn:
    _keep_what_was_typed(error)
    st.html(
        f'<section class="mc-door" role="status"><p>{escape(error.message)}</p>'
        f"{_write_link(('Sign in', visitor.sign_in_address()))}</section>"
    )
    st.stop()


def _write_link(link: tuple[str, str] | None) -> str:
    if link is None:
        return ""
    text, address = link
    return f'<p><a class="mc-go" href="{escape(address, quote=True)}" target="_self">{escape(text)}</a></p>'
