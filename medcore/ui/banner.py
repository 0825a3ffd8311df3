"""Who is open: the name banner of every clinical page, and the patient of this tab.

The patient lives in this tab's session only: another tab has its own, the address carries none, and after a reload
no patient is open. Forms are kept apart by patient.
"""

from __future__ import annotations

import contextlib
from html import escape

import streamlit as st
from streamlit.errors import StreamlitAPIException

from medcore.errors import MedcoreError
from medcore.services.house import House, find_condition
from medcore.services.trust.patients import KINDS, Patient, open_patient, refresh_patient
from medcore.ui import state
from medcore.ui.form import form_fields

__all__ = ["PATIENTS_PAGE", "close", "get_patient", "get_pseudonym", "name_patient", "open_by", "put", "show"]

PATIENT_KEY = "mc_patient"
PATIENTS_PAGE = "pages/clinical/patients.py"
_LEFT_KEY = "mc_forms_left"
_MESSAGE_KEY = "mc_patient_message"


def get_patient() -> Patient | None:
    """Return the patient who is open in this tab."""
    patient: Patient | None = st.session_state.get(PATIENT_KEY)
    return patient


def get_pseudonym() -> str | None:
    """Return the pseudonym of the patient who is open in this tab; None where nobody is."""
    patient = get_patient()
    return patient.pseudonym if patient is not None else None


def put(patient: Patient | None) -> None:
    """Make somebody the patient of this tab, None to close; the forms follow."""
    old, new = get_pseudonym(), patient.pseudonym if patient is not None else None
    if old != new:
        shown = state.shown_condition()
        state.change_owner(old, new, form_fields(find_condition(shown)) if shown is not None else ())
        st.session_state.pop(_LEFT_KEY, None)
    st.session_state[PATIENT_KEY] = patient


def open_by(house: House, pseudonym: str) -> None:
    """Open a patient, for a button; a refusal becomes a sentence in the banner."""
    try:
        put(open_patient(house, pseudonym))
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = error.message


def close() -> None:
    """Close the patient of this tab."""
    put(None)


def name_patient(patient: Patient) -> str:
    """Return name, or record number, or pseudonym: what a button may call the patient."""
    known = patient.identifiers
    return known.get("name") or known.get("mrn") or patient.pseudonym


def show(house: House, *, linked: bool = True) -> Patient | None:
    """Draw the banner and return who is open, as the patient now is; ``linked`` with a way to the page of patients."""
    patient = _refresh(house)
    with st.container(key="banner", horizontal=True, vertical_alignment="center"):
        st.html(_render(patient))
        message = st.session_state.pop(_MESSAGE_KEY, "")
        if message:
            st.html(f'<p class="mc-error" role="alert">{escape(message)}</p>')
        if linked:
            _link("Timeline" if patient is not None else "Open or make a patient")
        if patient is not None:
            st.button("Close patient", key="patient_close", on_click=close, type="tertiary")
    if patient is not None:
        _ask_forms()
    return patient


def _refresh(house: House) -> Patient | None:
    patient = get_patient()
    if patient is None:
        return None
    try:
        fresh = refresh_patient(house, patient)
    except MedcoreError as error:
        put(None)
        st.session_state[_MESSAGE_KEY] = f"{patient.pseudonym} was closed: {error.message}"
        return None
    st.session_state[PATIENT_KEY] = fresh
    return fresh


def _render(patient: Patient | None) -> str:
    if patient is None:
        return '<p class="mc-banner" role="note">No patient is open.</p>'
    known = patient.identifiers
    parts = [f"<bdi>{escape(known['name'])}</bdi>"] if "name" in known else []
    rest = [
        f"<span>{escape(kind.label.lower())} <bdi>{escape(known[kind.name])}</bdi></span>"
        for kind in KINDS
        if kind.name in known and kind.name != "name"
    ]
    made_up = '<span class="mc-made-up">made up</span>' if patient.made_up else ""
    name = f"<strong>{''.join(parts) or escape(patient.pseudonym)}</strong>"
    number = f"<span>{escape(patient.pseudonym)}</span>" if parts else ""
    return (
        f'<p class="mc-banner mc-open" role="note" aria-label="Open patient">{name}{"".join(rest)}{number}{made_up}</p>'
    )


def _ask_forms() -> None:
    """Ask about forms that were typed before this patient was opened."""
    before = state.forms_of(None)
    if not before or st.session_state.get(_LEFT_KEY):
        return
    names = ", ".join(
        f"{find_condition(condition).title} ({len(draft.values)} values)" for condition, draft in before.items()
    )
    with st.container(key="banner_ask", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-ask">Typed before this patient was opened: {escape(names)}. Whose are they?</p>')
        st.button("This patient's", key="forms_take", on_click=state.take_over, args=(None,))
        st.button("Somebody else's", key="forms_leave", on_click=_leave_forms)


def _leave_forms() -> None:
    st.session_state[_LEFT_KEY] = True


def _link(label: str) -> None:
    with contextlib.suppress(StreamlitAPIException):  # a page run without its router has no other pages
        st.page_link(PATIENTS_PAGE, label=label)
