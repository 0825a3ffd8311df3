"""The tabs below the compare page's figures. Only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.evaluation.compared import Comparison
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.house import House
from medcore.ui import guard, theme
from medcore.ui.compare_differences import show_differences, show_folds
from medcore.ui.compare_paper import show_methods, show_paper
from medcore.ui.compare_patient import show_patient
from medcore.ui.compare_scene import LABELLED_KEY, Scene
from medcore.ui.compare_strengths import show_strengths
from medcore.ui.compare_subgroups import show_blanks, show_subgroups
from medcore.ui.compare_upload import show_upload

__all__ = ["TABS", "TAB_KEY", "show_tabs"]

TAB_KEY = "compare_tab"
TABS: Mapping[str, Callable[[Scene], None]] = {
    "Differences": show_differences,
    "Subgroups": show_subgroups,
    "Folds": show_folds,
    "Good at": show_strengths,
    "Blanks": show_blanks,
    "Same patient": show_patient,
    "Your data": show_upload,
    "Board paper": show_paper,
    "Methods": show_methods,
}
_LAST_KEY = "mc_compare_tab"


@st.fragment
def show_tabs(house: House, comparison: Comparison, *, cut_off: float, use: str, chosen: Sequence[str] = ()) -> None:
    """Draw the row of tabs and the content of the open one.

    Parameters
    ----------
    house : House
        Shelf of models, journal and model process.
    comparison : Comparison
        What the page shows above.
    cut_off : float
        On the risks as the page shows them (restated for the comparison's prevalence), strictly between 0 and 1.
    use : str
        ``"find cases"`` or ``"rule out"``.
    chosen : sequence of str
        All models that were chosen, for uploads; by default those compared.
    """
    guard.recheck(house, "compare")
    theme.dress("compare_tabs")
    with st.container(key="compare_tabs"):
        if st.session_state.get(TAB_KEY) not in TABS:
            st.session_state[TAB_KEY] = st.session_state.get(_LAST_KEY, next(iter(TABS)))
        opened = st.segmented_control("More about these models", list(TABS), key=TAB_KEY, label_visibility="collapsed")
        if opened is None:
            return
        st.session_state[_LAST_KEY] = opened
        scene = Scene(
            house=house,
            comparison=comparison,
            cut_off=cut_off,
            use=use,
            upload=_find_upload(comparison),
            chosen=tuple(chosen),
        )
        with st.container(key="opened_tab"):
            try:
                TABS[opened](scene)
            except MedcoreError as error:
                st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')


def _find_upload(comparison: Comparison) -> LabelledUpload | None:
    """Return the uploaded rows where the comparison shown is theirs, restated for another prevalence or not."""
    upload: LabelledUpload | None = st.session_state.get(LABELLED_KEY)
    if upload is None:
        return None
    shown = (comparison.condition, comparison.source, comparison.n)
    own = (upload.comparison.condition, upload.comparison.source, upload.comparison.n)
    return upload if shown == own else None
