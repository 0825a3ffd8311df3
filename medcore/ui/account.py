"""One's own account: who one is here, the password, where one is signed in, signing out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.house import House
from medcore.services.trust import accounts_desk as desk
from medcore.services.trust import entrance
from medcore.ui import visitor
from medcore.ui.clock import local_zone

__all__ = ["leave", "show", "write_sessions", "write_time"]

_MESSAGE_KEY = "mc_account_message"
_RULES = "At least 12 characters. Three or four unusual words are good; nobody asks for signs or digits."


def show(house: House) -> None:
    """Draw the page."""
    own = desk.read_own(house)
    with st.container(key="account"):
        st.html(_write_head(own))
        if house.access is None:
            st.html('<p class="mc-text">Nobody signs in here: this is a demo, which has no accounts.</p>')
            return
        _show_message()
        if own.has_password:
            _show_password(house, own)
        if not own.must_change_password:
            _show_sessions(house, own)
        with st.container(key="account_leave", horizontal=True):
            st.button("Sign out", key="leave", type="secondary", on_click=_sign_out, args=(house,))
            if not own.must_change_password:
                st.button("Sign out everywhere", key="leave_all", on_click=_sign_out_everywhere, args=(house,))


def leave() -> None:
    """Sign out; the page of the entry in the top bar."""
    try:
        entrance.sign_out(visitor.enter(), visitor.read_token())
        st.rerun()
    except MedcoreError:
        st.html(
            '<section class="mc-door" role="status"><p>You are signed out.</p>'
            '<p><a class="mc-go" href="sign-in" target="_self">Sign in</a></p></section>'
        )


def write_time(seconds: float) -> str:
    """Return a time (seconds since 1970, UTC) as text in the browser's time zone."""
    return datetime.fromtimestamp(seconds, local_zone()).strftime("%Y-%m-%d %H:%M")


def write_sessions(sessions: tuple[desk.SessionFacts, ...], *, here: str = "") -> str:
    """Return open sessions as an HTML table; ``here`` is the one that shows it."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(item.id[:6])}{' (this one)' if item.id == here else ''}</th>"
        f"<td>{write_time(item.started_s)}</td><td>{write_time(item.used_s)}</td><td>{write_time(item.ends_s)}</td></tr>"
        for item in sessions
    )
    head = "".join(f"<th scope='col'>{word}</th>" for word in ("Session", "Began", "Last used", "Ends if unused"))
    return f'<table class="mc-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _write_head(own: desk.OwnAccount) -> str:
    roles = ", ".join(own.roles) or "no role: ask an administrator"
    first = (
        '<p class="mc-warn"><span>You signed in with a one-time password. Choose your own now; everything else opens '
        "afterwards.</span></p>"
        if own.must_change_password
        else ""
    )
    return f'<h2>{escape(own.name)}</h2><p class="mc-quiet">{escape(roles)}</p>{first}'


def _show_password(house: House, own: desk.OwnAccount) -> None:
    title = "Choose your password" if own.must_change_password else "Change password"
    st.html(f"<h3>{title}</h3>")
    with st.form("password_form", clear_on_submit=True, enter_to_submit=True):
        st.text_input(
            "One-time password" if own.must_change_password else "Password now",
            type="password",
            key="old_password",
            autocomplete="current-password",
            max_chars=256,
        )
        st.text_input(
            "New password", type="password", key="new_password", autocomplete="new-password", max_chars=256, help=_RULES
        )
        st.text_input(
            "New password again", type="password", key="new_password_again", autocomplete="new-password", max_chars=256
        )
        st.html(f'<p class="mc-quiet">{_RULES}</p>')
        sent = st.form_submit_button("Save password", type="primary")
    if sent:
        _change_password(house)


def _change_password(house: House) -> None:
    old, new, again = (
        st.session_state.get(key) or "" for key in ("old_password", "new_password", "new_password_again")
    )
    try:
        desk.change_password(house, old, new, again)
        st.session_state[_MESSAGE_KEY] = "Your password is changed. Other browsers where you were signed in are out."
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    st.rerun()


def _show_sessions(house: House, own: desk.OwnAccount) -> None:
    st.html(f"<h3>Where you are signed in</h3>{write_sessions(desk.list_own_sessions(house), here=own.session_id)}")


def _show_message() -> None:
    message = st.session_state.pop(_MESSAGE_KEY, "")
    if message:
        st.html(f'<p class="mc-done" role="status">{escape(message)}</p>')


def _sign_out(house: House) -> None:
    _attempt(lambda: entrance.sign_out(house, visitor.read_token()))


def _sign_out_everywhere(house: House) -> None:
    _attempt(lambda: desk.end_own_sessions(house))


def _attempt(act: Callable[[], object]) -> None:
    try:
        act()
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = error.message
