"""The page of patients: find, make, open and change them; the timeline of the one who is open."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from html import escape

import streamlit as st

from medcore.errors import EditConflictError, MedcoreError
from medcore.services.house import House
from medcore.services.trust.demo_patients import DEMO_PATIENTS_NOTE, is_filled
from medcore.services.trust.patients import (
    KINDS,
    Patient,
    change_patient,
    find_patients,
    list_patients,
    make_patient,
)
from medcore.ui import banner, clock, timeline

__all__ = ["show"]

_VIEW_KEY = "patients_view"
_BEFORE_KEY = "mc_patients_before"
_FOUND_KEY = "mc_patients_found"
_PROBLEM_KEY = "mc_patients_problem"
_CONFLICT_KEY = "mc_patients_conflict"
_DONE_KEY = "mc_patients_done"
_BASE_KEY = "mc_patients_base"
_SEARCH_KEY = "patient_search"
TIMELINE, CHANGE, ALL, NEW = "Timeline", "Identifiers", "All patients", "New patient"


def show(house: House, patient: Patient | None) -> None:
    """Draw the page under the banner."""
    views = [TIMELINE, CHANGE, ALL, NEW] if patient is not None else [ALL, NEW]
    chosen = st.session_state.get(_VIEW_KEY)
    st.session_state[_VIEW_KEY] = chosen if chosen in views else views[0]
    with st.container(key="patients"):
        view = st.segmented_control("What to show", views, key=_VIEW_KEY, label_visibility="collapsed", required=True)
        if house.actor.demo:
            _show_demo_note(house)
        done = st.session_state.pop(_DONE_KEY, "")
        if done:
            st.html(f'<p class="mc-done" role="status">{escape(done)}</p>')
        if view == NEW:
            _show_new(house)
        elif view == ALL or patient is None:
            _show_all(house)
        elif view == CHANGE:
            _show_change(house, patient)
        else:
            timeline.show(house, patient)


def _show_demo_note(house: House) -> None:
    """Say where a demo's patients come from, and that their visitors share them."""
    waiting = ""
    with contextlib.suppress(MedcoreError):  # what is wrong with the journal is said below
        waiting = "" if is_filled(house) else " They are being made now: look again in a minute."
    st.html(f'<p class="mc-quiet mc-demo-note" role="note">{escape(DEMO_PATIENTS_NOTE + waiting)}</p>')


def _show_all(house: House) -> None:
    with st.container(key="patients_search"):
        st.text_input(
            "Find a patient",
            key=_SEARCH_KEY,
            placeholder="pseudonym, record number, whole name or birth date, then Enter",
            max_chars=120,
            autocomplete="off",
            on_change=_find,
            args=(house,),
        )
    _show_problem("search")
    found: tuple[Patient, ...] | None = st.session_state.get(_FOUND_KEY)
    if found is not None:
        _show_found(house, found)
        return
    try:
        page = list_patients(house, before=st.session_state.get(_BEFORE_KEY))
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    if not page.patients:
        st.html(
            '<section class="mc-empty"><p class="mc-title">No patients yet</p><p class="mc-quiet">Make one under '
            "&ldquo;New patient&rdquo;. Results can also be saved without a patient.</p></section>"
        )
        return
    _show_lines(house, page.patients)
    with st.container(key="patients_paging", horizontal=True):
        if st.session_state.get(_BEFORE_KEY):
            st.button("Newest", key="patients_first", on_click=_turn, args=(None,))
        if page.after:
            st.button("Earlier", key="patients_next", on_click=_turn, args=(page.after,))


def _show_found(house: House, found: tuple[Patient, ...]) -> None:
    n = len(found)
    said = f"{n} patient{'s' if n > 1 else ''} found" if n else "Nobody found: only a whole identifier finds a patient"
    with st.container(key="patients_found", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-quiet" role="status">{said}.</p>')
        st.button("Show all patients", key="patients_all", on_click=_forget_search, type="tertiary")
    _show_lines(house, found)


def _show_lines(house: House, patients: tuple[Patient, ...]) -> None:
    zone, opened = clock.local_zone(), banner.get_pseudonym()
    with st.container(key="patients_list"):
        for patient in patients:
            with st.container(key=f"patient_{patient.pseudonym}", horizontal=True, vertical_alignment="center"):
                st.html(_render_line(patient, clock.write_time(patient.changed_at, zone)[:16]))
                if patient.erased_at is None and patient.pseudonym != opened:
                    st.button("Open", key=f"open_{patient.pseudonym}", on_click=_open, args=(house, patient.pseudonym))


def _render_line(patient: Patient, changed: str) -> str:
    known = "".join(
        f"<span><bdi>{escape(patient.identifiers[kind.name])}</bdi></span>"
        for kind in KINDS
        if kind.name in patient.identifiers
    )
    state = "erased" if patient.erased_at is not None else "made up" if patient.made_up else ""
    mark = f'<span class="mc-made-up">{state}</span>' if state else ""
    when = f"<small>changed {escape(changed)}</small>"
    return f'<p class="mc-patient"><b>{escape(patient.pseudonym)}</b>{known}{mark}{when}</p>'


def _find(house: House) -> None:
    _forget_problem()
    text = str(st.session_state.get(_SEARCH_KEY) or "")
    if not text.strip():
        st.session_state.pop(_FOUND_KEY, None)
        return
    try:
        st.session_state[_FOUND_KEY] = find_patients(house, text)
    except MedcoreError as error:
        _note_problem("search", error)


def _forget_search() -> None:
    st.session_state.pop(_FOUND_KEY, None)
    st.session_state[_SEARCH_KEY] = ""


def _turn(before: str | None) -> None:
    st.session_state[_BEFORE_KEY] = before


def _open(house: House, pseudonym: str) -> None:
    banner.open_by(house, pseudonym)
    if banner.get_pseudonym() == pseudonym:
        st.session_state[_VIEW_KEY] = TIMELINE
        _forget_search()


def _show_new(house: House) -> None:
    made_up = "In this demo every patient is made up. " if house.actor.demo else ""
    st.html(
        f'<p class="mc-text">{made_up}All three are optional; they are stored encrypted. Everywhere else the patient '
        "goes by a pseudonym that is drawn now.</p>"
    )
    _show_fields("new", {}, "Make and open", _make, (house,))


def _make(house: House) -> None:
    _forget_problem()
    try:
        patient = make_patient(house, _typed("new"))
    except MedcoreError as error:
        _note_problem("new", error)
        return
    banner.put(patient)
    _forget_typed("new")
    st.session_state[_VIEW_KEY] = TIMELINE
    st.session_state[_DONE_KEY] = f"Patient {patient.pseudonym} was made and is open."


def _show_change(house: House, patient: Patient) -> None:
    form = f"change_{patient.pseudonym}"
    patient = _find_base(form, patient)
    conflict: Patient | None = st.session_state.get(_CONFLICT_KEY)
    if conflict is not None and conflict.pseudonym == patient.pseudonym:
        _show_conflict(house, conflict)
    _show_fields(form, patient.identifiers, "Save changes", _change, (house, patient))


def _find_base(form: str, present: Patient) -> Patient:
    """Return the version that the fields were filled from: a newer one counts only while nothing was typed."""
    base: Patient | None = st.session_state.get(_BASE_KEY)
    if base is None or base.pseudonym != present.pseudonym:
        base = present
    elif base.version != present.version and _is_untouched(form, base):
        _forget_typed(form)
        base = present
    st.session_state[_BASE_KEY] = base
    return base


def _is_untouched(form: str, base: Patient) -> bool:
    return {kind: text for kind, text in _typed(form).items() if text} == dict(base.identifiers)


def _change(house: House, patient: Patient) -> None:
    """Save what was typed over the version that was on the page; on a conflict both stay."""
    _forget_problem()
    form = f"change_{patient.pseudonym}"
    try:
        changed = change_patient(house, patient, _typed(form))
    except EditConflictError as error:
        if isinstance(error.value, Patient):
            st.session_state[_CONFLICT_KEY] = error.value
            return
        _note_problem(form, error)
        return
    except MedcoreError as error:
        _note_problem(form, error)
        return
    st.session_state.pop(_CONFLICT_KEY, None)
    st.session_state.pop(_BASE_KEY, None)
    _forget_typed(form)
    banner.put(changed)
    st.session_state[_DONE_KEY] = "Saved."


def _show_conflict(house: House, present: Patient) -> None:
    """Draw both versions of a patient whom somebody else changed meanwhile."""
    typed = _typed(f"change_{present.pseudonym}")
    rows = "".join(
        f"<tr><th>{escape(kind.label)}</th><td><bdi>{escape(typed.get(kind.name, '')) or '–'}</bdi></td>"
        f"<td><bdi>{escape(present.identifiers.get(kind.name, '')) or '–'}</bdi></td></tr>"
        for kind in KINDS
    )
    at = clock.write_time(present.changed_at, clock.local_zone())[:16]
    with st.container(key="patients_conflict"):
        st.html(
            '<section class="mc-conflict" role="alert"><p><b>Somebody else changed this patient while you did.</b> '
            "Nothing was overwritten. Which one counts?</p>"
            f'<table class="mc-table"><thead><tr><th></th><th>what you typed</th><th>stored, {escape(at)}</th></tr>'
            f"</thead><tbody>{rows}</tbody></table></section>"
        )
        with st.container(key="patients_settle", horizontal=True):
            st.button("Save what I typed", key="conflict_mine", on_click=_change, args=(house, present))
            st.button("Keep what is stored", key="conflict_theirs", on_click=_take_stored, args=(present,))


def _take_stored(present: Patient) -> None:
    st.session_state.pop(_CONFLICT_KEY, None)
    st.session_state.pop(_BASE_KEY, None)
    _forget_typed(f"change_{present.pseudonym}")
    banner.put(present)


def _show_fields(
    form: str, start: Mapping[str, str], button: str, action: Callable[..., None], args: tuple[object, ...]
) -> None:
    """Draw the identifiers as fields; what was typed stays until it is stored."""
    with st.container(key="patient_fields"):
        for kind in KINDS:
            key = _field_key(form, kind.name)
            if key not in st.session_state:
                st.session_state[key] = st.session_state.get(_kept_key(form), {}).get(kind.name) or start.get(
                    kind.name, ""
                )
            st.text_input(kind.label, key=key, max_chars=kind.max_chars, placeholder=kind.hint, autocomplete="off")
            _show_problem(form, kind.name)
        _show_problem(form)
        st.button(button, key=f"do_{form}", on_click=action, args=args, type="primary")
    st.session_state[_kept_key(form)] = _typed(form)


def _typed(form: str) -> dict[str, str]:
    kept = st.session_state.get(_kept_key(form), {})
    return {
        kind.name: str(st.session_state.get(_field_key(form, kind.name), kept.get(kind.name)) or "") for kind in KINDS
    }


def _forget_typed(form: str) -> None:
    st.session_state.pop(_kept_key(form), None)
    for kind in KINDS:
        st.session_state.pop(_field_key(form, kind.name), None)


def _field_key(form: str, kind: str) -> str:
    return f"{form}__{kind}"


def _kept_key(form: str) -> str:
    return f"mc_typed_{form}"


def _note_problem(place: str, error: MedcoreError) -> None:
    st.session_state[_PROBLEM_KEY] = (place, error.field or "", error.message)


def _forget_problem() -> None:
    st.session_state.pop(_PROBLEM_KEY, None)


def _show_problem(place: str, field: str = "") -> None:
    problem = st.session_state.get(_PROBLEM_KEY)
    known = {kind.name for kind in KINDS}
    if problem is None or problem[0] != place or (problem[1] if problem[1] in known else "") != field:
        return
    st.html(f'<p class="mc-error" role="alert">{escape(problem[2])}</p>')
