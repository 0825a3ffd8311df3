"""The tabs that hand things on: the board paper, and how the figures are made."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.compare import board
from medcore.services.compare.blank_rows import BY_COUNT
from medcore.ui.compare_scene import Scene, choose_model
from medcore.ui.compare_subgroups import find_rows

__all__ = ["show_methods", "show_paper"]

_KEPT_KEY = "mc_board_paper"
_METHODS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
_SUMMARY = (
    ("AUROC", "chance that a patient with the outcome gets the higher risk; interval after DeLong"),
    ("Brier score", "mean squared error of the risks; lower is better; the table is sorted by it"),
    ("Calibration", "observed against estimated risk; slope 1 and intercept 0 are ideal; band of a smooth fit"),
    ("Net benefit", "cases found minus false alarms, weighed by the odds of the cut-off, per 1,000 patients"),
    ("Not worse", "the whole 95 % interval of the difference lies above minus the margin, fixed beforehand"),
    ("Who is measured", "patients scored by fits that had not seen them (out of fold), or separate test films"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paper:
    """A printed paper and what it was printed for."""

    key: tuple[object, ...]
    content: bytes
    name: str


def show_paper(scene: Scene) -> None:
    """Draw the choice of the model that is proposed, and the paper's download once it is made."""
    st.html(
        '<p class="mc-lead">Two pages to decide on: what for, who is not covered, the cut-off and what it accepts, '
        "counts of 1,000 patients, decision curve, calibration, subgroups, effect of missing inputs, and the hashes of "
        "the model files.</p>"
    )
    with st.container(key="tab_choices", horizontal=True, vertical_alignment="bottom"):
        model = choose_model(scene, "Model to propose", "paper_model")
        asked = st.button("Make the board paper", key="make_paper", type="primary")
    key = (scene.model_ids, scene.comparison.source, scene.comparison.prevalence, model, scene.cut_off, scene.use)
    if asked:
        _make(scene, model, key)
    paper: _Paper | None = st.session_state.get(_KEPT_KEY)
    if paper is not None and paper.key == key:
        st.download_button(
            f"Download the paper (PDF, {len(paper.content) / 1000:.0f} kB)",
            paper.content,
            file_name=paper.name,
            mime="application/pdf",
            key="download_paper",
            on_click="ignore",
        )
    prevalence = f"prevalence {100 * scene.comparison.prevalence:.3g} %"
    words = f"To {scene.use}, at a cut-off of {100 * scene.cut_off:.3g} %, {prevalence}."
    st.html(f'<p class="mc-quiet">{escape(words)} Move the cut-off above to change it.</p>')


def show_methods(_scene: Scene) -> None:
    """Draw the meaning of each figure in a line, then the methods note."""
    rows = "".join(f'<tr><th scope="row"><b>{name}</b></th><td>{escape(text)}</td></tr>' for name, text in _SUMMARY)
    st.html(f'<table class="mc-table"><caption>In short</caption><tbody>{rows}</tbody></table>')
    try:
        text = _METHODS.read_text(encoding="utf-8")
    except OSError:
        st.html('<p class="mc-text">The full note, docs/methods.md, is not part of this installation.</p>')
        return
    with st.container(key="methods_text", height=520):
        st.markdown(text)


def _make(scene: Scene, model: str, key: tuple[object, ...]) -> None:
    st.session_state.pop(_KEPT_KEY, None)
    try:
        groups, blanks = _measure_upload(scene, model)
        facts = board.collect_board_paper(
            scene.house,
            scene.comparison,
            model_id=model,
            cut_off=scene.cut_off,
            use=scene.use,
            groups=groups,
            blanks=blanks,
        )
        content = board.make_board_paper(scene.house, facts)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    day = facts.made_at[:10]
    st.session_state[_KEPT_KEY] = _Paper(key=key, content=content, name=f"medcore-{model}-board-{day}.pdf")


def _measure_upload(scene: Scene, model: str) -> tuple[tuple[Any, ...] | None, tuple[Any, ...]]:
    """Return the proposed model's subgroups and blanks on uploaded rows; None and nothing for the study's."""
    if scene.upload is None:
        return None, ()
    blanks = [row for row in scene.upload.blanks.get(model, ()) if row.attribute == BY_COUNT]
    return tuple(find_rows(scene).get(model, ())), tuple(blanks)
