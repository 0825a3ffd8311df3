"""Forms that were not finished: kept while they are typed, offered again after a reload or a lost connection."""

from __future__ import annotations

from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.house import Condition, House, find_condition
from medcore.services.trust.drafts import DraftKeeper, FormContent, OpenForm, discard_form, list_forms
from medcore.ui import banner, clock, state
from medcore.ui.form import form_fields

__all__ = ["drop", "keep", "keep_last", "offer"]

_KEEPER_KEY = "mc_draft_keeper"
_OFFERS_KEY = "mc_draft_offers"
_MESSAGE_KEY = "mc_draft_message"
_AGAIN_KEY = "mc_draft_taken_up"
_SHOWN = 3


def keep(house: House, condition: Condition) -> None:
    """Keep what the form says now, a moment later and in the background; made-up examples are not kept."""
    keeper = _get_keeper()
    keeper.note(house, condition.id, banner.get_pseudonym(), _read_content(condition.id))
    if keeper.problem:
        st.html(f'<p class="mc-quiet" role="status">This form is not kept as a draft: {escape(keeper.problem)}</p>')


def keep_last() -> None:
    """Keep, under the name it was begun with, what the form says in the run in which the session ran out."""
    keeper: DraftKeeper | None = st.session_state.get(_KEEPER_KEY)
    shown = state.shown_condition()
    if keeper is None or shown is None:
        return
    state.collect(shown, form_fields(find_condition(shown)))
    keeper.note_last(shown, banner.get_pseudonym(), _read_content(shown))


def _read_content(condition_id: str) -> FormContent:
    draft = state.get_draft(condition_id)
    values = {} if draft.example else dict(draft.values)
    return FormContent(values=values, units=dict(draft.units), keep=dict(draft.keep))


def drop(house: House, condition_id: str) -> None:
    """Remove the draft of a form that was saved."""
    _get_keeper().drop(house, condition_id, banner.get_pseudonym())


def offer(house: House, condition: Condition) -> None:
    """Draw the forms this reader has not finished, while the present one is empty."""
    if st.session_state.pop(_AGAIN_KEY, False):  # another question, or another patient: the whole page
        st.rerun()
    if state.get_draft(condition.id).values:
        st.session_state.pop(_OFFERS_KEY, None)
        return
    message = st.session_state.pop(_MESSAGE_KEY, "")
    if message:
        st.html(f'<p class="mc-error" role="alert">{escape(message)}</p>')
    for form in _find_offers(house)[:_SHOWN]:
        with st.container(key=f"draft_{form.id}", horizontal=True, vertical_alignment="center"):
            st.html(_describe(form))
            st.button("Go on", key=f"draft_open_{form.id}", on_click=_take_up, args=(house, form))
            st.button("Discard", key=f"draft_drop_{form.id}", on_click=_discard, args=(house, form), type="tertiary")


def _get_keeper() -> DraftKeeper:
    keeper: DraftKeeper = st.session_state.setdefault(_KEEPER_KEY, DraftKeeper())
    return keeper


def _find_offers(house: House) -> tuple[OpenForm, ...]:
    """Return the forms to offer, read once while the form stays empty; those of the open patient only, if any."""
    pseudonym = banner.get_pseudonym()
    last = st.session_state.get(_OFFERS_KEY)
    if last is not None and last[0] == pseudonym:
        forms: tuple[OpenForm, ...] = last[1]
        return forms
    try:
        found = list_forms(house)
    except MedcoreError:
        return ()
    own = _get_keeper().ids
    offers = tuple(form for form in found if form.id not in own and pseudonym in (None, form.pseudonym))
    st.session_state[_OFFERS_KEY] = (pseudonym, offers)
    return offers


def _describe(form: OpenForm) -> str:
    at = clock.write_time(form.changed_at, clock.local_zone())[:16]
    whose = f" · {form.pseudonym}" if form.pseudonym else ""
    n = len(form.content.values)
    return (
        f'<p class="mc-ask">Not finished: {escape(find_condition(form.condition).title)}{escape(whose)} · '
        f"{n} value{'s' if n > 1 else ''} · {escape(at)}</p>"
    )


def _take_up(house: House, form: OpenForm) -> None:
    """Put a form back on the page, with its patient; refused in words where the patient cannot be opened."""
    if form.pseudonym != banner.get_pseudonym():
        banner.open_by(house, form.pseudonym or "")
        if banner.get_pseudonym() != form.pseudonym:
            return
    st.session_state[state.CONDITION_KEY] = form.condition
    fields = form_fields(find_condition(form.condition))
    state.collect(form.condition, fields)
    draft = state.get_draft(form.condition)
    draft.case = state.new_case()
    draft.units.update(form.content.units)
    draft.keep.update(form.content.keep)
    state.put_values(draft, fields, form.content.values)
    _get_keeper().adopt(form)
    st.session_state.pop(_OFFERS_KEY, None)
    st.session_state[_AGAIN_KEY] = True


def _discard(house: House, form: OpenForm) -> None:
    try:
        discard_form(house, form)
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = error.message
    st.session_state.pop(_OFFERS_KEY, None)
