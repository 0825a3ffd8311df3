"""The row above form and result: which question, made-up examples, clear with undo."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from medcore.services.house import Condition, FilmCondition, find_condition, list_conditions, list_film_conditions
from medcore.ui import state
from medcore.ui.form import form_fields

__all__ = ["choose_condition", "choose_question", "show_actions"]

_LAST_KEY = "mc_last_condition"
_PARAMETER = "condition"


def choose_condition() -> Condition:
    """Draw the choice of a question about a patient's values and return it."""
    return find_condition(_choose(list_conditions()))


def choose_question() -> Condition | FilmCondition:
    """Draw the choice of any question, those about films among them, and return it."""
    questions: tuple[Condition | FilmCondition, ...] = (*list_conditions(), *list_film_conditions())
    chosen = _choose(questions)
    return next(item for item in questions if item.id == chosen)


def _choose(questions: Sequence[Condition | FilmCondition]) -> str:
    """Draw the choice and return the chosen id; the address follows it, never a value."""
    titles = {item.id: item.title for item in questions}
    kept = st.session_state.get(state.CONDITION_KEY)
    # set anew at every run: a page opened next would otherwise forget what no reader has clicked
    st.session_state[state.CONDITION_KEY] = kept if kept in titles else _find_first(questions)
    chosen = st.selectbox(
        "Clinical question",
        list(titles),
        format_func=titles.__getitem__,
        key=state.CONDITION_KEY,
        label_visibility="collapsed",
    )
    st.session_state[_LAST_KEY] = chosen
    if st.query_params.get(_PARAMETER) != chosen:
        st.query_params[_PARAMETER] = chosen
    return chosen


def show_actions(condition: Condition) -> None:
    """Draw the examples, clear and undo."""
    names = [example.name for example in condition.examples]
    st.menu_button("Made-up example", names, key="example", on_click=_fill_example, args=(condition,))
    last = state.get_undo(condition.id)
    if last is not None and last.action != "paste":
        st.button(f"Undo {last.action}", key="undo", on_click=_undo, args=(condition,))
    st.button("Clear", key="clear", on_click=_clear, args=(condition,))
    example = state.get_draft(condition.id).example
    st.html(f'<p class="mc-example">{escape(f"Made up: {example}") if example else "&nbsp;"}</p>')


def _find_first(questions: Sequence[Condition | FilmCondition]) -> str:
    wanted = st.query_params.get(_PARAMETER) or st.session_state.get(_LAST_KEY)
    for item in questions:
        if wanted in (item.id, *item.aliases):
            return item.id
    return questions[0].id


def _fill_example(condition: Condition) -> None:
    name = st.session_state.get("example")
    chosen = next((item for item in condition.examples if item.name == name), None)
    if chosen is None:
        return
    _empty(condition, "example")
    draft = state.get_draft(condition.id)
    state.put_values(draft, form_fields(condition), chosen.values)
    draft.units.update(chosen.units)
    draft.example = f"{chosen.name}. {chosen.teaches}"


def _clear(condition: Condition) -> None:
    _empty(condition, "clear")


def _empty(condition: Condition, action: str) -> None:
    fields = form_fields(condition)
    state.collect(condition.id, fields)
    state.remember(condition.id, action)
    draft = state.get_draft(condition.id)
    state.put_values(draft, fields, dict.fromkeys((item.name for item in fields), ""))
    draft.values.clear()
    draft.units.clear()
    draft.keep.clear()
    draft.pending.clear()
    draft.paste = draft.example = None
    draft.case = state.new_case()


def _undo(condition: Condition) -> None:
    state.undo(condition.id, form_fields(condition))
