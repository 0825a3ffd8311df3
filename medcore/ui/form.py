"""The form: paste box, fit questions first, then the fields in chart order, two a row.

Draws what the service read from the typed texts; decides nothing about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

import streamlit as st

from medcore.records import Field, FieldKind, Role, UnitQuestion
from medcore.records.paste import read_paste
from medcore.services.bedside import clinic
from medcore.services.bedside.clinic import FormReading
from medcore.services.house import Condition
from medcore.ui import state, units, wording
from medcore.ui.state import Draft
from medcore.ui.wording import escape_markdown

__all__ = ["ask_unit", "form_fields", "show"]

QUESTIONS_TITLE = "Does this patient fit?"
RARE_TITLE = "Rarely available"
_SEGMENTED_CHARS = 14
_WIDE_CHARS = 12
_MAX_CHARS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What a field's row shows beside its input."""

    item: Field
    condition: Condition
    draft: Draft
    reading: FormReading
    sex: str | None

    @property
    def unit(self) -> str:
        return self.draft.units.get(self.item.name, self.item.unit)


def form_fields(condition: Condition) -> tuple[Field, ...]:
    """Return the fields a doctor sees, in chart order."""
    return tuple(item for item in condition.schema.fields if item.in_form)


def show(condition: Condition, studied: Mapping[str, tuple[float, float]]) -> FormReading:
    """Draw the form and return what it says."""
    fields = form_fields(condition)
    draft = state.collect(condition.id, fields)
    reading = clinic.read_form(condition, draft.values, draft.units, studied=studied, keep=draft.kept_fields)
    sex = draft.values.get("sex")
    _show_paste(condition, draft)
    for number, (title, items) in enumerate(_group(fields)):
        rows = [_Row(item=item, condition=condition, draft=draft, reading=reading, sex=sex) for item in items]
        _show_group(f"{condition.id}_{number}", title, rows)
    return reading


def _group(fields: Iterable[Field]) -> list[tuple[str, list[Field]]]:
    """Order the groups: questions, then the chart's groups, then what is rarely known."""
    groups: dict[str, list[Field]] = {}
    rare: list[Field] = []
    for item in fields:
        if item.rarely_known:
            rare.append(item)
        else:
            groups.setdefault(QUESTIONS_TITLE if item.role is Role.QUESTION else item.group, []).append(item)
    first = groups.pop(QUESTIONS_TITLE, [])
    ordered = [(QUESTIONS_TITLE, first), *groups.items(), (RARE_TITLE, rare)]
    return [(title, items) for title, items in ordered if items]


def _show_group(key: str, title: str, rows: list[_Row]) -> None:
    counted = [row.item for row in rows if row.item.role is not Role.AID]
    known = sum(item.name in rows[0].reading.record.values for item in counted)
    if title == RARE_TITLE:
        with st.expander(f"{title} · {known} of {len(counted)}", key=f"rare_{key}"), st.container(key=f"grid_{key}"):
            for row in rows:
                _show_row(row)
        return
    st.html(f'<h2 class="mc-group">{escape(title)}<span>{known} of {len(counted)}</span></h2>')
    with st.container(key=f"grid_{key}"):
        for row in rows:
            _show_row(row)


def _show_row(row: _Row) -> None:
    """Draw label and input, the unit chip, and one piece of HTML with mark, hint, errors and help."""
    with st.container(key=f"{'wide' if _is_wide(row.item) else 'row'}_{row.item.name}"):
        if row.item.kind is FieldKind.CHOICE:
            _show_choice(row.item)
        else:
            _show_number(row)
        st.html(_render_beside(row))
        _show_questions(row)


def _is_wide(item: Field) -> bool:
    return item.kind is FieldKind.CHOICE and max(len(choice.label) for choice in item.choices) > _WIDE_CHARS


def _show_choice(item: Field) -> None:
    words = {choice.word: choice.label for choice in item.choices}
    if sum(map(len, words.values())) <= _SEGMENTED_CHARS:
        st.segmented_control(escape_markdown(item.label), list(words), format_func=words.__getitem__, key=item.name)
        return
    st.selectbox(
        escape_markdown(item.label),
        list(words),
        index=None,
        format_func=words.__getitem__,
        key=item.name,
        placeholder="choose" if item.required else "not known",
    )


def _show_number(row: _Row) -> None:
    item, name = row.item, row.item.name
    derived = ""
    if name in row.reading.derived and not row.draft.values.get(name):
        derived = f"{row.reading.record.values[name]:.{item.decimals}f}"
    st.text_input(escape_markdown(item.label), key=name, placeholder=derived, autocomplete="off", max_chars=_MAX_CHARS)
    if len(item.units) > 1:
        st.button(
            f"{escape_markdown(wording.write_unit(row.unit))} ⇄",
            key=f"{name}__unit",
            on_click=_change_unit,
            args=(row.condition.id, item),
            type="tertiary",
        )


def _render_beside(row: _Row) -> str:
    item, name = row.item, row.item.name
    mark = row.reading.marks.get(name, "")
    chips = len(item.units) > 1
    usual = wording.write_usual(item, row.sex, row.unit)
    needed = item.required and name not in row.reading.record.values
    hints = [usual if chips else f"{usual} {wording.write_unit(item.unit)}".strip(), "needed" if needed else ""]
    if name in row.reading.derived and not row.draft.values.get(name):
        hints = ["derived"]
    if row.reading.record.qualifiers.get(name) == "<":
        hints.append("below limit")
    shown = f"<b>{mark}</b> " if mark else ""
    errors = "".join(
        f'<p class="mc-error" role="alert">{escape(error.message)}</p>'
        for error in row.reading.errors
        if error.field == name
    )
    help_text = f'<span class="mc-help" role="note">{escape(item.help)}</span>' if item.help else ""
    return (
        f'<span class="mc-hint">{shown}{escape(" · ".join(hint for hint in hints if hint))}</span>'
        f'<div class="mc-msg">{errors}</div>{help_text}'
    )


def _show_questions(row: _Row) -> None:
    for question in row.reading.unit_questions:
        if question.field == row.item.name:
            ask_unit(row.condition, question)
    if row.item.name in row.draft.pending:
        _ask_conversion(row)


def ask_unit(condition: Condition, question: UnitQuestion, place: str = "") -> None:
    """Ask whether a value was meant in another unit; ``place`` tells a second copy of the question apart."""
    name, item = question.field, condition.schema[question.field]
    with st.container(key=f"ask_{name}{place}", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-ask" role="alert">{escape(question.text)}</p>')
        st.button("Yes", key=f"{name}__yes{place}", on_click=_accept_unit, args=(condition.id, question))
        st.button("No, keep", key=f"{name}__keep{place}", on_click=_keep_unit, args=(condition.id, item))


def _ask_conversion(row: _Row) -> None:
    item = row.item
    text, wanted = row.draft.values.get(item.name, ""), row.draft.pending[item.name]
    converted = units.convert_text(item, text, row.unit, wanted)
    with st.container(key=f"convert_{item.name}", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-ask">{escape(item.label)}: convert {escape(text)} or keep {escape(text)}?</p>')
        if converted is not None:
            st.button(
                f"Convert: {escape_markdown(converted)} {escape_markdown(wording.write_unit(wanted))}",
                key=f"{item.name}__convert",
                on_click=_apply_unit,
                args=(row.condition, item, converted),
            )
        st.button(
            f"Keep: {escape_markdown(text)} {escape_markdown(wording.write_unit(wanted))}",
            key=f"{item.name}__keepnumber",
            on_click=_apply_unit,
            args=(row.condition, item, text),
        )
        st.button("Cancel", key=f"{item.name}__cancel", on_click=_cancel_unit, args=(row.condition.id, item))


def _change_unit(condition_id: str, item: Field) -> None:
    draft = state.get_draft(condition_id)
    wanted = units.next_unit(item, draft.units.get(item.name, item.unit))
    if st.session_state.get(item.name):
        draft.pending[item.name] = wanted
    else:
        draft.units[item.name] = wanted


def _apply_unit(condition: Condition, item: Field, text: str) -> None:
    draft = state.get_draft(condition.id)
    draft.units[item.name] = draft.pending.pop(item.name)
    state.put_values(draft, (item,), {item.name: text})


def _cancel_unit(condition_id: str, item: Field) -> None:
    state.get_draft(condition_id).pending.pop(item.name, None)


def _accept_unit(condition_id: str, question: UnitQuestion) -> None:
    state.get_draft(condition_id).units[question.field] = question.other_unit


def _keep_unit(condition_id: str, item: Field) -> None:
    draft = state.get_draft(condition_id)
    draft.keep[item.name] = st.session_state.get(item.name) or ""


def _show_paste(condition: Condition, draft: Draft) -> None:
    with st.container(key="paste_row"):
        st.text_input(
            "Paste results",
            key=state.PASTE_KEY,
            placeholder="Na 128  Crea 190 umol/l  BP 92/50 … then Enter (Alt+P)",
            on_change=_read_paste,
            args=(condition,),
            autocomplete="off",
        )
        report = draft.paste
        if report is None:
            return
        pieces = [f"<li>{escape(piece)}</li>" for piece in report.ignored]
        shown = (
            f"<details><summary>ignored {len(report.ignored)}</summary><ul>{pieces}</ul></details>" if pieces else ""
        )
        with st.container(key="paste_report", horizontal=True, vertical_alignment="center"):
            st.html(f'<div class="mc-pasted" role="status">understood {report.understood} {shown}</div>')
            last = state.get_undo(condition.id)
            if last is not None and last.action == "paste":
                st.button("Undo paste", key="undo_paste", on_click=_undo, args=(condition,), type="tertiary")


def _read_paste(condition: Condition) -> None:
    text = st.session_state.get(state.PASTE_KEY) or ""
    if not text.strip():
        return
    pasted = read_paste(condition.schema, text)
    values = {item.field: item.text for item in pasted.understood}
    state.remember(condition.id, "paste")
    draft = state.get_draft(condition.id)
    state.put_values(draft, form_fields(condition), values)
    for item in pasted.understood:
        draft.pending.pop(item.field, None)
        draft.keep.pop(item.field, None)
        if item.unit is not None:
            draft.units[item.field] = item.unit
    draft.paste = state.PasteReport(understood=len(values), ignored=pasted.ignored)
    st.session_state[state.PASTE_KEY] = ""


def _undo(condition: Condition) -> None:
    state.undo(condition.id, form_fields(condition))
