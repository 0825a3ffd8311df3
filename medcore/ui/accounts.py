"""The accounts of this server: who may come in, with which roles, who is here now. Auditors see, administrators act."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.house import House
from medcore.services.trust import accounts_desk as desk
from medcore.ui.account import write_sessions, write_time

__all__ = ["show"]

_MESSAGE_KEY = "mc_accounts_message"
_NUMBER_KEY = "mc_accounts_form"
_CHOSEN_KEY = "chosen_account"
_SEEN_KEY = "mc_accounts_seen"
_PASSWORD_KEY = "mc_accounts_password"  # noqa: S105 - the name of a place


def show(house: House) -> None:
    """Draw the page."""
    try:
        _note_look(house)
        people = desk.list_people(house)
    except MedcoreError as error:
        st.html(f'<p class="mc-text">{escape(error.message)}</p>')
        return
    managing = desk.may_manage(house)
    with st.container(key="accounts"):
        _show_message()
        _show_password()
        with st.container(key="accounts_list"):
            st.html(_write_people(people))
        with st.container(key="accounts_side"):
            if managing:
                _show_new(house)
            _show_one(house, people, managing=managing)


def _note_look(house: House) -> None:
    """Record each opening of the page and each account that is looked at, not every click."""
    opened = _CHOSEN_KEY not in st.session_state  # what the page asks is forgotten when it is left
    chosen = st.session_state.get(_CHOSEN_KEY)
    if opened or st.session_state.get(_SEEN_KEY) != chosen:
        desk.note_look(house, chosen or "")
        st.session_state[_SEEN_KEY] = chosen


def _write_people(people: tuple[desk.Person, ...]) -> str:
    head = "".join(f"<th scope='col'>{word}</th>" for word in ("Name", "Roles", "Account", "Signed in", "Made"))
    rows = "".join(_write_person(person) for person in people)
    n_open = sum(person.n_sessions for person in people)
    caption = f"{_count(len(people), 'account')}, {_count(n_open, 'open session')}"
    return (
        f'<div class="mc-scroll"><table class="mc-table mc-models"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _write_person(person: desk.Person) -> str:
    facts = person.facts
    cells = (
        ", ".join(facts.roles) or "none",
        _describe_state(facts),
        _count(person.n_sessions, "session") if person.n_sessions else "no",
        write_time(facts.created_s)[:10],
    )
    return f"<tr><th scope='row'>{escape(facts.name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _describe_state(facts: desk.AccountFacts) -> str:
    if facts.disabled:
        return "switched off"
    if facts.must_change_password:
        return "one-time password, not used yet"
    return "identity provider" if facts.source != "local" else "on"


def _show_new(house: House) -> None:
    st.html("<h2>New account</h2>")
    number = st.session_state.get(_NUMBER_KEY, 0)  # of the form: a new one is empty
    with st.form("new_account", enter_to_submit=True):
        st.text_input("User name", key=f"new_name_{number}", max_chars=64, autocomplete="off")
        st.multiselect("Roles", desk.list_roles(), key=f"new_roles_{number}")
        st.form_submit_button("Make the account", type="primary", on_click=_create, args=(house, number))


def _create(house: House, number: int) -> None:
    name = str(st.session_state.get(f"new_name_{number}") or "")
    roles = list(st.session_state.get(f"new_roles_{number}") or [])
    if _attempt(lambda: _keep(desk.create_account(house, name, roles))):
        st.session_state[_NUMBER_KEY] = number + 1


def _show_one(house: House, people: tuple[desk.Person, ...], *, managing: bool) -> None:
    names = {person.facts.id: person.facts.name for person in people}
    chosen = st.selectbox(
        "Look at one account", list(names), format_func=names.__getitem__, key=_CHOSEN_KEY, index=None,
        placeholder="Choose a name",
    )  # fmt: skip
    person = next((person for person in people if person.facts.id == chosen), None)
    if person is None:
        return
    st.html(f'<p class="mc-quiet">{escape(_describe_state(person.facts))}</p>')
    if managing:
        _show_controls(house, person.facts)
    sessions = desk.list_sessions(house, person.facts.id)
    st.html(f"<h3>Open sessions</h3>{write_sessions(sessions) if sessions else '<p>None.</p>'}")
    if sessions and managing:
        with st.container(key="accounts_sessions", horizontal=True):
            for item in sessions:
                st.button(f"End {item.id[:6]}", key=f"end_{item.id}", on_click=_end, args=(house, item.id))
            if len(sessions) > 1:
                st.button("End all", key="end_all", on_click=_end_all, args=(house, person.facts))


def _show_controls(house: House, facts: desk.AccountFacts) -> None:
    local = facts.source == "local"
    key = f"roles_{facts.id}"
    if local:
        st.multiselect("Roles", desk.list_roles(), default=list(facts.roles), key=key)
    else:
        st.html('<p class="mc-quiet">Roles and password come from the identity provider.</p>')
    with st.container(key="accounts_controls", horizontal=True):
        if local:
            st.button("Save roles", key="save_roles", on_click=_save_roles, args=(house, facts, key))
            st.button("New one-time password", key="reset_password", on_click=_reset, args=(house, facts))
        if facts.disabled:
            st.button("Switch on", key="switch_on", on_click=_switch_on, args=(house, facts))
        else:
            st.button("Switch off", key="switch_off", on_click=_switch_off, args=(house, facts))


def _save_roles(house: House, facts: desk.AccountFacts, key: str) -> None:
    roles = list(st.session_state.get(key) or [])
    done = f"{facts.name}: {', '.join(sorted(roles))}. This counts at once."
    if not _attempt(lambda: desk.set_roles(house, facts.id, roles), done):
        st.session_state.pop(key, None)


def _reset(house: House, facts: desk.AccountFacts) -> None:
    _attempt(lambda: _keep(desk.reset_password(house, facts.id)))


def _switch_off(house: House, facts: desk.AccountFacts) -> None:
    _attempt(lambda: desk.switch_off(house, facts.id), f"{facts.name} is switched off and signed out.")


def _switch_on(house: House, facts: desk.AccountFacts) -> None:
    _attempt(lambda: desk.switch_on(house, facts.id), f"{facts.name} is switched on.")


def _end(house: House, session_id: str) -> None:
    _attempt(lambda: desk.end_session(house, session_id), "The session is ended.")


def _end_all(house: House, facts: desk.AccountFacts) -> None:
    _attempt(lambda: desk.end_sessions(house, facts.id), f"All sessions of {facts.name} are ended.")


def _attempt(act: Callable[[], object], done: str = "") -> bool:
    try:
        act()
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = (error.message, False)
        return False
    st.session_state[_MESSAGE_KEY] = (done, True)
    return True


def _keep(password: desk.OneTimePassword) -> None:
    st.session_state[_PASSWORD_KEY] = (password.user_name, password.password)


def _show_message() -> None:
    text, good = st.session_state.pop(_MESSAGE_KEY, ("", True))
    if text:
        kind = 'class="mc-done" role="status"' if good else 'class="mc-error" role="alert"'
        st.html(f"<p {kind}>{escape(text)}</p>")


def _show_password() -> None:
    """Show a new one-time password until the administrator has it; it is kept nowhere else."""
    kept = st.session_state.get(_PASSWORD_KEY)
    if kept is None:
        return
    name, password = kept
    with st.container(key="accounts_password"):
        st.html(
            f'<p class="mc-text">One-time password for <b>{escape(name)}</b>. It is shown this once, works for three '
            "days and is changed at the first sign-in. Hand it over in person.</p>"
            f'<p class="mc-once">{escape(password)}</p>'
        )
        st.button("Done, hide it", key="password_done", on_click=lambda: st.session_state.pop(_PASSWORD_KEY, None))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
