"""The case file of a patient or a film: format, identifiers, made on request, then offered for download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.bedside.case_file import CaseCopy, CaseFile, CaseFormat, CasePatient, export_case_file
from medcore.services.house import House

__all__ = ["show"]

_FORMATS = {CaseFormat.PDF: "PDF", CaseFormat.HTML: "Web page", CaseFormat.FHIR: "FHIR (JSON)"}
_KEPT = "mc_case_copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The last copy made in this session, and of what."""

    key: tuple[object, ...]
    copy: CaseCopy


def show(
    house: House,
    make: Callable[[CasePatient], CaseFile],
    *,
    subject: str,
    has_picture: bool = False,
    patient: CasePatient | None = None,
) -> None:
    """Draw the choices and, once a copy was made, its download.

    Parameters
    ----------
    make : callable
        Collects the facts about the patient it is given; called only when a copy is asked for.
    subject : str
        Names exactly what the file would be about: another subject drops the copy that was made.
    has_picture : bool
        Whether it holds a film, which leaves without identifiers only when a person has looked for burned-in words.
    patient : CasePatient, optional
        Whose it is, where a patient is open; otherwise a name may be typed.
    """
    with st.container(key="case_file"):
        form = st.segmented_control(
            "Format", list(_FORMATS), format_func=_FORMATS.__getitem__, default=CaseFormat.PDF, key="case_format"
        )
        about = patient if patient is not None else _ask_patient()
        bare = st.checkbox("Without identifiers (HIPAA Safe Harbor)", key="case_bare")
        checked = (
            has_picture and bare and st.checkbox("I looked: no words are burned into the film", key="case_checked")
        )
        chosen = form or CaseFormat.PDF
        key = (subject, chosen, about, bare, checked)
        if st.button("Make the case file", key="case_make"):
            _make(house, make, key, chosen, about, bare=bare, checked=checked)
        kept: _Kept | None = st.session_state.get(_KEPT)
        if kept is not None and kept.key == key:
            st.download_button(
                f"Save {kept.copy.name}",
                kept.copy.data,
                file_name=kept.copy.name,
                mime=kept.copy.mime,
                key="case_save",
                on_click="ignore",
            )
            st.html(f'<p class="mc-caption">Content hash {escape(kept.copy.content_hash[:16])}, in the journal.</p>')


def _ask_patient() -> CasePatient:
    name = st.text_input(
        "Patient (name or number, for the file only)", key="case_patient", max_chars=120, autocomplete="off"
    )
    return CasePatient(name=name.strip())


def _make(
    house: House,
    make: Callable[[CasePatient], CaseFile],
    key: tuple[object, ...],
    form: CaseFormat,
    about: CasePatient,
    *,
    bare: bool,
    checked: bool,
) -> None:
    st.session_state.pop(_KEPT, None)
    try:
        case = make(about)
        with st.spinner("Writing the case file…"):
            copy = export_case_file(house, case, form, deidentified=bare, picture_checked=checked)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    st.session_state[_KEPT] = _Kept(key=key, copy=copy)
