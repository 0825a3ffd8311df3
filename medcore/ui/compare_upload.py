"""The tab for the analyst's own labelled rows: scored and compared on the spot, never stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import streamlit as st

from medcore.services.compare import labelled, upload_questions
from medcore.services.house import Condition
from medcore.ui.compare_films import show_films
from medcore.ui.compare_local import show_local
from medcore.ui.compare_scene import LABELLED_KEY, Scene, offer_scoring

__all__ = ["render_counts", "render_drift", "show_upload"]

_MOST_SHOWN = 20
_LEAD = (
    "Check the models on your own patients: a CSV with one row a patient, columns named as below, and a column label "
    "(1 = had the outcome, 0 = had not). A column patient_id keeps rows of one patient together; a column such as site "
    "with a few words divides patients. Rows are scored in memory and never stored."
)


def show_upload(scene: Scene) -> None:
    """Draw the upload, its progress, and what came of it."""
    if not isinstance(scene.question, Condition):
        show_films(scene, lambda: _show_result(scene))
        return
    if scene.upload is not None:
        _show_result(scene)
        return
    st.html(f'<p class="mc-lead">{escape(_LEAD)}</p>')
    file = st.file_uploader("Labelled CSV", type=["csv", "tsv", "txt"], key="labelled_file")
    if file is not None:
        offer_scoring(scene, "labelled", partial(labelled.score_upload, scene.house, file.getvalue(), file.name))
    _show_columns(scene.question)


def render_counts(upload: Any, noun: str = "rows") -> str:
    """Return how the rows (or films) ended, notes, reasons for withheld scores and the first rows with errors."""
    counts = upload.counts
    notes = "".join(f"<p>{escape(note)}</p>" for note in upload.notes)
    withheld = [f"{item.n:,} × {item.text}" for item in upload.withheld if item.n]
    about = "Columns no model reads, which divide patients where they hold two to twelve words"
    extra = f'<p class="mc-quiet">{about}: {escape(", ".join(upload.extra))}.</p>' if upload.extra else ""
    return (
        f'<div class="mc-lead"><p><b>{escape(upload.name)}</b>: {counts.rows:,} {noun}. {counts.scored:,} scored, '
        f"{counts.caution:,} of them with caution; {counts.withheld:,} withheld; {counts.errors:,} could not be read. "
        f"The figures above are now those of these {noun}.</p>{notes}{extra}</div>"
        f"{_render_list('Why scores were withheld', withheld)}"
        f"{_render_list(_title_errors(counts.errors, noun), [f'{item.row_id}: {item.text}' for item in upload.errors])}"
    )


def render_drift(question: Condition, drift: Sequence[Any]) -> str:
    """Return how far each field lies from the study's patients, the furthest first."""
    if not drift:
        return ""
    known = sorted(drift, key=lambda item: -item.psi if math.isfinite(item.psi) else 1.0)
    rows = "".join(
        f'<tr><th scope="row">{escape(_label(question, item.field))}</th><td>{escape(str(item.verdict))}</td>'
        f"<td>{_write(item.psi)}<small>by chance up to {_write(item.psi_by_chance)}</small></td>"
        f"<td>{_write(item.ks)}</td>"
        f"<td>{item.n:,}</td><td>{100 * item.share_blank:.0f} %<small>study {100 * item.share_blank_reference:.0f} %"
        "</small></td></tr>"
        for item in known
    )
    return (
        '<div class="mc-scroll"><table class="mc-table"><caption>How far your patients differ from the study, field by '
        "field. Population stability index: little below 0.10, some to 0.25, large above</caption><thead><tr>"
        '<th scope="col">Field</th><th scope="col">Difference</th><th scope="col">Stability index</th>'
        '<th scope="col">Largest gap (KS)</th><th scope="col">Rows with a value</th><th scope="col">Blank</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _show_result(scene: Scene) -> None:
    upload = scene.upload
    if upload is None:
        return
    st.html(render_counts(upload, noun="rows" if isinstance(scene.question, Condition) else "films"))
    st.button("Close this file, back to the study", key="close_labelled", on_click=_close)
    if isinstance(scene.question, Condition):
        st.html(render_drift(scene.question, upload.drift))
        show_local(scene, upload)


def _close() -> None:
    st.session_state.pop(LABELLED_KEY, None)


def _show_columns(condition: Condition) -> None:
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{escape(label)}</td><td>{escape(content)}</td></tr>'
        for name, label, content in upload_questions.describe_columns(condition)
    )
    st.download_button(
        "Download the first line as a template",
        upload_questions.write_template(condition),
        file_name=f"medcore-{condition.id}-template.csv",
        mime="text/csv",
        key="template",
        on_click="ignore",
    )
    st.html(
        '<details class="mc-details"><summary>Columns</summary><div class="mc-scroll"><table class="mc-table"><caption>'
        "An empty cell means not known. name[unit] in the first line converts units.</caption><tbody>"
        f"{rows}</tbody></table></div></details>"
    )


def _render_list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    rows = "".join(f"<li>{escape(text)}</li>" for text in items[:_MOST_SHOWN])
    return f'<details class="mc-details"><summary>{escape(title)}</summary><ul>{rows}</ul></details>'


def _title_errors(n: int, noun: str) -> str:
    title = f"The first {_MOST_SHOWN} of {n:,} {noun} that could not be read"
    return title if n > _MOST_SHOWN else f"{noun.capitalize()} not read"


def _label(condition: Condition, name: str) -> str:
    return condition.schema[name].label if name in condition.schema else name


def _write(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
