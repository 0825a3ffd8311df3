"""The dialog through which a film leaves as DICOM without identifiers: look, blacken, confirm, save."""

from __future__ import annotations

from base64 import b64encode
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.films.film_export import Edges, FilmCheck, FilmCopy, check_film, export_film
from medcore.services.films.reading import FilmCase
from medcore.services.films.worklist import Worklist
from medcore.services.house import House
from medcore.ui import wording

__all__ = ["offer"]

_CHECK_KEY = "mc_film_check"
_COPY_KEY = "mc_film_copy"
_SIDES = ("top", "right", "bottom", "left")
_HEADER_WORDS = {
    True: "The file's header says that words are burned in.",
    False: "The file's header says that no words are burned in.",
    None: "The file's header does not say whether words are burned in.",
}
_CONFIRM = "I looked at the whole film: nothing left in it identifies anybody"


def offer(house: House, worklist: Worklist, case: FilmCase) -> None:
    """Draw the button that opens the dialog."""
    st.html('<h3 class="mc-small">DICOM without identifiers</h3>')
    if st.button("Prepare a copy…", key="film_export"):
        st.session_state.pop(_CHECK_KEY, None)
        st.session_state.pop(_COPY_KEY, None)
        _ask(house, worklist, case.id)


@st.dialog("A copy of this film without identifiers", width="large")
def _ask(house: House, worklist: Worklist, case_id: str) -> None:
    try:
        check = _check(house, worklist, case_id)
    except MedcoreError as error:
        _complain(error)
        return
    with st.container(key="film_copy"):
        left, right = st.columns([3, 2])
        with left:
            st.html(_picture(check.preview, "The film as it would leave, with numbered frames where words may stand"))
        with right:
            st.html(f'<p class="mc-line">{_describe(check)}</p>')
            if check.found:
                st.html(_picture(check.crops, "The framed regions enlarged, one below the other"))
            _show_tools(house, worklist, check)


def _check(house: House, worklist: Worklist, case_id: str) -> FilmCheck:
    """Return the check of what is chosen; the film is searched once, then only drawn anew."""
    before: FilmCheck | None = st.session_state.get(_CHECK_KEY)
    chosen = [int(number) - 1 for number in st.session_state.get(_name("blacken", case_id)) or ()]
    sides = {side: int(st.session_state.get(_name(side, case_id)) or 0) for side in _SIDES}
    wanted = (tuple(chosen), tuple(sides.values()))
    if before is not None and st.session_state.get(f"{_CHECK_KEY}_of") == wanted:
        return before
    with st.spinner("Looking for words in the film…"):
        check = check_film(
            house, worklist, case_id, blacken=chosen if before else (), edges=Edges(**sides), before=before
        )
    st.session_state[_CHECK_KEY] = check
    st.session_state[f"{_CHECK_KEY}_of"] = wanted if before else ((), wanted[1])
    st.session_state.pop(_COPY_KEY, None)
    return check


def _describe(check: FilmCheck) -> str:
    """Say what the header and the search found, and that neither proves anything."""
    n = len(check.found)
    regions = "the framed region" if n == 1 else f"the {n} framed regions"
    found = f"Words may stand in {regions}." if n else "The search found no words."
    return (
        f"{_HEADER_WORDS[check.header_says]} <b>{found}</b> The search can miss some: look at the whole film for "
        "names, numbers, dates and places, and blacken them."
    )


def _show_tools(house: House, worklist: Worklist, check: FilmCheck) -> None:
    case_id = check.case_id
    if check.found:
        st.pills(
            "Blacken",
            [str(number) for number in range(1, len(check.found) + 1)],
            selection_mode="multi",
            key=_name("blacken", case_id),
        )
    with st.expander("Blacken a side (per cent)", key="film_sides"):
        for side, column in zip(_SIDES, st.columns(len(_SIDES)), strict=True):
            with column:
                st.number_input(side.capitalize(), 0, 40, step=5, key=_name(side, case_id))
    keep = st.checkbox("Keep age and sex (else both are removed)", key=_name("keep", case_id))
    looked = False
    if check.needs_eyes:
        looked = st.checkbox(_CONFIRM, key=_name(f"looked_{hash((check.pixel_sha256, check.covered))}", case_id))
    if st.button("Write the DICOM file", key="film_copy_make", disabled=check.needs_eyes and not looked):
        _export(house, worklist, check, looked=looked, keep=keep)
    kept: tuple[object, FilmCopy] | None = st.session_state.get(_COPY_KEY)
    if kept is not None and kept[0] == (check, looked, keep):
        copy = kept[1]
        st.download_button(
            f"Save {copy.name}", copy.data, file_name=copy.name, mime=copy.mime, key="film_copy_save", on_click="ignore"
        )
        st.html(f'<p class="mc-caption">Hash {escape(copy.sha256[:16])}, in the journal.</p>')


def _export(house: House, worklist: Worklist, check: FilmCheck, *, looked: bool, keep: bool) -> None:
    st.session_state.pop(_COPY_KEY, None)
    try:
        with st.spinner("Writing the file…"):
            copy = export_film(house, worklist, check, looked=looked, keep_patient=keep)
    except MedcoreError as error:
        _complain(error)
        return
    st.session_state[_COPY_KEY] = ((check, looked, keep), copy)


def _complain(error: MedcoreError) -> None:
    st.html(f'<p class="mc-error" role="alert">{escape(wording.as_sentence(error.message))}</p>')


def _picture(png: bytes, alt: str) -> str:
    return f'<img class="mc-picture" alt="{alt}" src="data:image/png;base64,{b64encode(png).decode()}">'


def _name(what: str, case_id: str) -> str:
    return f"film_{what}_{case_id}"
