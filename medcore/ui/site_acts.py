"""What the parts of the site's page share: trying an act and saying how it ended, and who settled something when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.house import House
from medcore.services.trust.site import may_manage
from medcore.ui import clock, wording

__all__ = ["attempt", "is_managing", "say_who", "show_message", "write_moment"]

_MESSAGE_KEY = "mc_site_message"


def attempt(act: Callable[[], object], done: str) -> bool:
    """Do something and keep in words how it ended, for :func:`show_message`; return whether it was done."""
    try:
        act()
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = (wording.as_sentence(error.message), False)
        return False
    st.session_state[_MESSAGE_KEY] = (done, True)
    return True


def show_message() -> None:
    """Draw how the last act ended, once."""
    text, good = st.session_state.pop(_MESSAGE_KEY, ("", True))
    if text:
        kind = 'class="mc-done" role="status"' if good else 'class="mc-error" role="alert"'
        with st.container(key="site_message"):
            st.html(f"<p {kind}>{escape(text)}</p>")


def is_managing(house: House) -> bool:
    """Return whether the visitor may change what the page shows."""
    return may_manage(house)


def write_moment(at: datetime | None) -> str:
    """Write a moment on the reader's clock, to the minute."""
    return clock.write_time(at, clock.local_zone())[:16]


def say_who(actor: str, at: datetime | None) -> str:
    """Return who settled something when, ready for HTML."""
    return f'<span class="mc-quiet">settled by {escape(actor)}, {write_moment(at)}</span>'
