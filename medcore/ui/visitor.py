"""Who this browser is: its token, and the shared parts as this visitor may use them."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from medcore.access.http import COOKIE_NAME
from medcore.errors import SessionRevokedError
from medcore.services.house import House
from medcore.services.trust import entrance
from medcore.ui import runtime

__all__ = ["ACCOUNT_KEY", "enter", "has_session", "look_again", "read_token", "sign_in_address"]

ACCOUNT_KEY = "mc_account"


def read_token() -> str:
    """Return the token that the browser sent when this tab connected; empty without one or outside a page."""
    return str(st.context.cookies.get(COOKIE_NAME, ""))


def enter() -> House:
    """Return the shared parts for this visitor.

    What the tab remembers belongs to one account: when another one comes in over the same connection,
    everything is forgotten first.

    Raises
    ------
    SessionExpiredError, SessionRevokedError
        Nobody is signed in any more, or nobody ever was.
    MedcoreError
        The parts cannot be opened, or the session cannot be looked up: nobody is let in.
    """
    house = entrance.bind(runtime.open_house(), read_token)
    account_id = house.actor.account_id
    if st.session_state.get(ACCOUNT_KEY, account_id) != account_id:
        st.session_state.clear()
    st.session_state[ACCOUNT_KEY] = account_id
    return house


def look_again(house: House) -> entrance.Actor:
    """Return who the visitor is now, without keeping the session open by asking.

    Raises
    ------
    SessionExpiredError, SessionRevokedError
        Nobody is signed in any more, or somebody else is.
    StorageError
        It could not be looked up.
    """
    actor = entrance.look_up(house, read_token())
    if st.session_state.get(ACCOUNT_KEY, actor.account_id) != actor.account_id:
        raise SessionRevokedError("Somebody else has signed in here since. Reload the page.")
    return actor


def has_session() -> bool:
    """Say whether the visitor signed in here, and can sign out."""
    return bool(st.session_state.get(ACCOUNT_KEY))


def sign_in_address() -> str:
    """Return where to sign in and come back to this page, relative to it; the address holds no value of a patient."""
    page = urlsplit(st.context.url or "").path.strip("/").rpartition("/")[2]
    query = urlencode(st.query_params.to_dict())
    return f"sign-in?next={quote(f'/{page}' + (f'?{query}' if query else ''), safe='')}"
