"""The timeline of the open patient: saved results along the clinical course, newest first, each to be opened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from medcore.errors import MedcoreError
from medcore.imaging.radiograph import Radiograph
from medcore.services.house import House, find_condition
from medcore.services.trust.fit import to_case_patient
from medcore.services.trust.patients import Patient
from medcore.services.trust.saved_case import make_saved_case_file, may_have_case_file
from medcore.services.trust.timeline import (
    MOST_ENTRIES,
    Entry,
    Stage,
    open_saved_film,
    read_timeline,
    record_outcome,
    spell_values,
)
from medcore.ui import case_file, clock, findings, state, wording
from medcore.ui.form import form_fields
from medcore.ui.viewer import ViewerFilm
from medcore.ui.viewer import show as show_viewer

__all__ = ["forget", "show"]

_READ_KEY = "mc_timeline"
_OPEN_KEY = "mc_timeline_open"
_FILM_KEY = "mc_timeline_film"
_PROBLEM_KEY = "mc_timeline_problem"
_GO_KEY = "mc_timeline_go"
_RISK_PAGE = "pages/clinical/risk.py"
_FRESH_S = 30.0
_NAMED = 3
_VIEWER_HEIGHT = 460
_STATES = {"scored": "Scored", "caution": "Caution", "withheld": "Withheld"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The timeline as it was read a moment ago; read again after a while, so that each look is one view."""

    pseudonym: str
    entries: tuple[Entry, ...]
    at: float


def forget() -> None:
    """Read the timeline anew at the next look: something was saved."""
    st.session_state.pop(_READ_KEY, None)


def show(house: House, patient: Patient) -> None:
    """Draw the timeline of a patient."""
    if st.session_state.pop(_GO_KEY, False):
        _go_to_form()
    try:
        entries = _read(house, patient)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    problem = st.session_state.pop(_PROBLEM_KEY, "")
    if problem:
        st.html(f'<p class="mc-error" role="alert">{escape(problem)}</p>')
    if not entries:
        st.html(
            '<section class="mc-empty"><p class="mc-title">Nothing was saved of this patient yet</p>'
            '<p class="mc-quiet">A result saved on the pages Risk or X-ray while this patient is open appears here, '
            "with its values, its model and, once known, its outcome.</p></section>"
        )
        return
    stations = "".join(f"<span>{stage}</span>" for stage in Stage)
    st.html(f'<div class="mc-course" aria-hidden="true">{stations}</div>')
    for entry in entries:
        _show_entry(house, patient, entry)
    if len(entries) == MOST_ENTRIES:
        st.html(f'<p class="mc-quiet">The newest {MOST_ENTRIES} results are shown.</p>')


def _read(house: House, patient: Patient) -> tuple[Entry, ...]:
    last: _Read | None = st.session_state.get(_READ_KEY)
    now = time.monotonic()
    if last is not None and last.pseudonym == patient.pseudonym and now - last.at < _FRESH_S:
        return last.entries
    entries = read_timeline(house, patient)
    st.session_state[_READ_KEY] = _Read(pseudonym=patient.pseudonym, entries=entries, at=now)
    return entries


def _show_entry(house: House, patient: Patient, entry: Entry) -> None:
    number = entry.saved.id
    is_open = st.session_state.get(_OPEN_KEY) == number
    with st.container(key=f"entry_{number}"):
        st.html(_render_entry(entry, clock.write_time(entry.saved.created_at, clock.local_zone())[:16]))
        if not entry.saved.readable:
            return
        with st.container(key=f"entry_row_{number}", horizontal=True, vertical_alignment="center"):
            st.button("Close" if is_open else "Open", key=f"entry_open_{number}", on_click=_toggle, args=(number,))
            _show_outcome(house, entry)
        if is_open:
            with st.container(key=f"entry_more_{number}"):
                _show_film(house, patient, entry) if entry.is_film else _show_values(house, patient, entry)


def _toggle(number: str) -> None:
    is_open = st.session_state.get(_OPEN_KEY) == number
    st.session_state[_OPEN_KEY] = None if is_open else number
    st.session_state.pop(_FILM_KEY, None)


def _render_entry(entry: Entry, at: str) -> str:
    saved = entry.saved
    by = saved.actor.partition(":")[2] or saved.actor
    facts = f"{escape(at)} · by <bdi>{escape(by)}</bdi> · no. {saved.id[:8]}"
    head = f"<header><b>{escape(entry.title)}</b><span>{facts}</span></header>"
    note = f'<p class="mc-warn">{escape(entry.note)}</p>' if entry.note else ""
    if not saved.readable:
        return f'<article class="mc-entry">{head}<p class="mc-quiet">What it held was erased.</p>{note}</article>'
    cells = "".join(f"<div><h3>{stage}</h3>{_render_cell(entry, stage) or '<p>–</p>'}</div>" for stage in Stage)
    return f'<article class="mc-entry">{head}<div class="mc-stages">{cells}</div>{note}</article>'


def _render_cell(entry: Entry, stage: Stage) -> str:
    if stage is Stage.DIAGNOSIS:
        return _render_diagnosis(entry)
    if stage is Stage.PLAN:
        return _render_plan(entry)
    if entry.is_film:
        return _render_film(entry) if stage is Stage.IMAGING else ""
    items = sorted(entry.inputs.get(stage, ()), key=lambda item: not item.mark)
    lines = "".join(f"<li>{escape(item.label)} <b>{escape(item.text)}</b></li>" for item in items[:_NAMED])
    more = f"<li>and {len(items) - _NAMED} more</li>" if len(items) > _NAMED else ""
    return f"<ul>{lines}{more}</ul>" if lines else ""


def _render_film(entry: Entry) -> str:
    film = entry.result["film"]
    parts = [film["modality"], film["view"], film["acquired_on"], "image kept" if entry.image else "image not kept"]
    return f"<p>{escape(' · '.join(part for part in parts if part))}</p>"


def _render_diagnosis(entry: Entry) -> str:
    status = _STATES.get(entry.saved.status, entry.saved.status)
    risk = ""
    if entry.p is not None and entry.lo is not None and entry.hi is not None:
        ends = f"{wording.write_percent(entry.lo)} to {wording.write_percent(entry.hi)}"
        risk = f"<strong>{escape(wording.write_percent(entry.p))}</strong> <small>{escape(ends)}</small>"
    reader = entry.result.get("reader", {}).get("reading", "")
    own = f"<p>Reader: {escape(findings.READING_WORDS.get(reader, reader))}</p>" if reader else ""
    return f"<p>{risk} {escape(status)}</p>{own}<p><small>{escape(entry.model)}</small></p>"


def _render_plan(entry: Entry) -> str:
    lines = []
    told = entry.result.get("reader", {}).get("verdict", "")
    if told and not entry.verdicts:
        lines.append(f"<p>Reader {escape(told)}</p>")
    answered = {verdict.committed_at for verdict in entry.verdicts if verdict.response}
    for verdict in entry.verdicts:
        if not verdict.response and verdict.committed_at in answered:
            continue
        said = {"accepted": "accepted the result", "overridden": "overrode it"}.get(verdict.response, "no response")
        first = f"thought {verdict.opinion}" if verdict.opinion else ""
        why = f": {verdict.reason}" if verdict.reason else ""
        lines.append(f"<p>Reader {escape(', '.join(part for part in (first, said) if part))}{escape(why)}</p>")
    if entry.outcome is not None and entry.outcome.outcome is not None:
        lines.append(f"<p>Outcome: <b>{'yes' if entry.outcome.outcome else 'no'}</b></p>")
    return "".join(lines)


def _show_outcome(house: House, entry: Entry) -> None:
    """Draw how it came out, or ask."""
    number, known = entry.saved.id, entry.outcome.outcome if entry.outcome is not None else None
    outcome = escape(entry.outcome_words)
    asked = (
        f"Known by now: {outcome}?" if known is None else f"{outcome}: <b>{'yes' if known else 'no'}</b>. Correct it:"
    )
    st.html(f'<p class="mc-quiet">{asked}</p>')
    for word, value in (("Yes", True), ("No", False)):
        if value is not known:
            st.button(
                word,
                key=f"outcome_{word}_{number}",
                on_click=_note_outcome,
                args=(house, entry, value),
                type="tertiary",
            )


def _note_outcome(house: House, entry: Entry, outcome: bool) -> None:
    try:
        record_outcome(house, entry, outcome)
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = f"Not saved. {error.message}"
    forget()


def _show_values(house: House, patient: Patient, entry: Entry) -> None:
    """Draw the values as they were, the sentence, and what can be done with them."""
    st.html(_render_sentence(entry) + _render_values(entry))
    st.button("Put these values into the form", key=f"refill_{entry.saved.id}", on_click=_refill, args=(entry,))
    _offer_case_file(house, patient, entry)


def _offer_case_file(house: House, patient: Patient, entry: Entry) -> None:
    if not may_have_case_file(entry):
        st.html('<p class="mc-quiet">Nobody has read this film, so there is no case file of it.</p>')
        return
    st.html('<h3 class="mc-small">Case file</h3>')
    case_file.show(
        house,
        lambda who: make_saved_case_file(house, entry, patient),
        subject=f"saved {entry.saved.id} {len(entry.verdicts)}",
        has_picture=entry.image is not None,
        patient=to_case_patient(patient),
    )


def _render_values(entry: Entry) -> str:
    columns = []
    for stage, items in entry.inputs.items():
        rows = "".join(f"<tr><th>{escape(item.label)}</th><td>{escape(item.text)}</td></tr>" for item in items)
        if rows:
            columns.append(f'<table class="mc-table"><caption>{stage}</caption>{rows}</table>')
    return f'<div class="mc-values">{"".join(columns)}</div>'


def _render_sentence(entry: Entry) -> str:
    """Return what was said, and why where there was no score."""
    stated: Mapping[str, Any] = entry.saved.applicability
    reasons = " ".join(escape(reason["text"]) for reason in stated["reasons"]) if entry.p is None else ""
    return f'<p class="mc-text">{_embolden(str(entry.result["sentence"]))} {reasons}</p>'


def _embolden(sentence: str) -> str:
    parts = [escape(part) for part in sentence.split("**")]
    return "".join(f"<b>{part}</b>" if place % 2 else part for place, part in enumerate(parts))


def _refill(entry: Entry) -> None:
    """Put a saved form back for this patient; what stands in the form can be got back by undo."""
    condition = find_condition(entry.saved.condition)
    fields = form_fields(condition)
    texts = spell_values(entry)
    state.remember(condition.id, "putting saved values back")
    draft = state.get_draft(condition.id)
    state.put_values(draft, fields, {item.name: texts.get(item.name, "") for item in fields})
    draft.values = texts
    draft.units.clear()
    draft.pending.clear()
    draft.keep = dict(texts) if entry.p is not None else {}
    draft.paste = draft.example = None
    draft.case = state.new_case()
    st.session_state[state.CONDITION_KEY] = condition.id
    st.session_state[_GO_KEY] = True


def _go_to_form() -> None:
    try:
        st.switch_page(_RISK_PAGE)
    except StreamlitAPIException:  # a page run without its router has no other pages
        st.html('<p class="mc-done" role="status">The values are in the form of the page Risk.</p>')


def _show_film(house: House, patient: Patient, entry: Entry) -> None:
    """Draw what was said of a film, its pixels where they were kept, and what can be done with them."""
    _show_pixels(house, entry)
    _offer_case_file(house, patient, entry)


def _show_pixels(house: House, entry: Entry) -> None:
    st.html(_render_sentence(entry))
    note = entry.result["reader"]["note"]
    if note:
        st.html(f'<p class="mc-text">Note: <bdi>{escape(note)}</bdi></p>')
    if entry.image is None:
        st.html('<p class="mc-quiet">The image was not kept with this result.</p>')
        return
    try:
        film = _open_film(house, entry)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    kept = entry.result["map"] or {}
    heat = kept.get("grid") if kept.get("reliable") and kept.get("method") == "hirescam" else None
    caption = "Shows where the score is sensitive. It may miss small findings and is no proof." if heat else ""
    show_viewer(
        ViewerFilm.of(
            film,
            film_id=f"saved-{entry.saved.id}",
            heat=heat,
            heat_caption=caption or "No map was kept with this film.",
        ),
        key="saved_film",
        height=_VIEWER_HEIGHT,
    )


def _open_film(house: House, entry: Entry) -> Radiograph:
    """Return the pixels, read once while the entry is open."""
    last = st.session_state.get(_FILM_KEY)
    if last is not None and last[0] == entry.saved.id:
        kept: Radiograph = last[1]
        return kept
    film = open_saved_film(house, entry)
    st.session_state[_FILM_KEY] = (entry.saved.id, film)
    return film
