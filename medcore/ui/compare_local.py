"""Recalibrated copies of a model beside the original, on the analyst's own rows; written only on an explicit act."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.figures.calibration import render_calibrations
from medcore.results import MetricValue
from medcore.services.compare import local_validation
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.compare.local_validation import METHODS, RecalibratedCopy
from medcore.services.trust.activation import hand_over
from medcore.ui.compare_scene import Scene, choose_model
from medcore.ui.panel import embed_drawings
from medcore.ui.wording import as_sentence

__all__ = ["render_copies", "show_local"]

_COPIES_KEY = "mc_recalibrated"
_MESSAGE_KEY = "mc_exported"
_HANDED_KEY = "mc_handed_over"
_FIGURES = {
    "brier": ("Brier score", 4),
    "calibration_slope": ("Calibration slope", 2),
    "calibration_intercept": ("Calibration intercept", 2),
    "ece": ("Calibration error", 3),
    "auroc": ("AUROC", 3),
}


def show_local(scene: Scene, upload: LabelledUpload) -> None:
    """Draw the original and its recalibrated copies side by side, and the way to export one."""
    st.html('<h2 class="mc-group">Recalibrated to these rows</h2>')
    with st.container(key="tab_choices_local", horizontal=True):
        model = choose_model(scene, "Model", "local_model")
    copies = _recalibrate(scene, upload, model)
    drawn = [("As it is", upload.comparison.curves[model])]
    drawn += [(_name(copy), copy.curves) for copy in copies if copy.curves is not None]
    st.html(embed_drawings(render_calibrations(drawn)))
    st.html(render_copies(upload.comparison.board[model], copies))
    usable = [copy for copy in copies if copy.line is not None]
    if usable:
        _show_export(scene, upload, model, usable)
    _show_hand_over(scene, upload, model)


def render_copies(original: Mapping[str, MetricValue], copies: Sequence[RecalibratedCopy]) -> str:
    """Return the figures of the original and of every copy side by side, and what each copy changes in words."""
    columns = [("As it is", original), *((_name(copy), copy.board) for copy in copies)]
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title, _ in columns)
    rows = "".join(
        f'<tr><th scope="row">{label}</th>{"".join(_render_cell(board, name, digits) for _, board in columns)}</tr>'
        for name, (label, digits) in _FIGURES.items()
    )
    words = "".join(f"<p>{escape(_describe(copy))}</p>" for copy in copies)
    return (
        '<div class="mc-scroll"><table class="mc-table"><caption>On your rows, 95 % intervals; copies are judged on '
        f'rows that did not teach them</caption><thead><tr><th scope="col">Figure</th>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><div class="mc-lead">{words}</div>'
    )


def _recalibrate(scene: Scene, upload: LabelledUpload, model: str) -> tuple[RecalibratedCopy, ...]:
    """Ask the service once per file and model."""
    kept: dict[tuple[str, str], tuple[RecalibratedCopy, ...]] = st.session_state.setdefault(_COPIES_KEY, {})
    key = (upload.fingerprint, model)
    if key not in kept:
        kept.clear()
        kept[key] = local_validation.recalibrate_upload(scene.house, upload, model)
    return kept[key]


def _show_export(scene: Scene, upload: LabelledUpload, model: str, copies: Sequence[RecalibratedCopy]) -> None:
    """Draw the export: a method, a reason, a confirmation, then the button."""
    with st.expander("Export a recalibrated copy as a new version"):
        st.html(
            '<p class="mc-text">Writes a new bundle into the data folder, with papers that say what it was made from. '
            "It holds two numbers learnt from your rows and no row. The model in use does not change.</p>"
        )
        method = st.radio(
            "Which copy", [copy.method for copy in copies], format_func=METHODS.__getitem__, key="export_method"
        )
        reason = st.text_input("Why this version is made", key="export_reason", max_chars=500, autocomplete="off")
        sure = st.checkbox("Yes, write a new version of this model", key="export_sure")
        st.button(
            "Export",
            key="export_now",
            disabled=not (sure and reason.strip()),
            on_click=_export,
            args=(scene, upload, model, method, reason),
        )
    message = st.session_state.pop(_MESSAGE_KEY, "")
    if message:
        st.html(message)


def _show_hand_over(scene: Scene, upload: LabelledUpload, model: str) -> None:
    """Draw the way to the administrator, who signs these figures before readers get scores."""
    with st.expander("Hand these figures over for signing"):
        st.html(
            '<p class="mc-text">Keeps the figures of the model as it is, the numbers of rows and outcomes and your '
            "name, for an administrator to sign on the site's page. No row is kept.</p>"
        )
        sure = st.checkbox("Yes, these are our own patients, and nobody of them taught the model", key="hand_over_sure")
        st.button("Hand over", key="hand_over", disabled=not sure, on_click=_hand_over, args=(scene, upload, model))
    message = st.session_state.pop(_HANDED_KEY, "")
    if message:
        st.html(message)


def _hand_over(scene: Scene, upload: LabelledUpload, model: str) -> None:
    try:
        hand_over(scene.house, upload, model)
    except MedcoreError as error:
        words = escape(as_sentence(error.message))
        st.session_state[_HANDED_KEY] = f'<p class="mc-error" role="alert">{words}</p>'
        return
    st.session_state["hand_over_sure"] = False
    st.session_state[_HANDED_KEY] = '<p class="mc-lead" role="status">Handed over to the administrator.</p>'


def _export(scene: Scene, upload: LabelledUpload, model: str, method: str, reason: str) -> None:
    try:
        folder = local_validation.export_recalibrated(scene.house, upload, model, method, reason=reason)
    except MedcoreError as error:
        words = escape(as_sentence(error.message))
        st.session_state[_MESSAGE_KEY] = f'<p class="mc-error" role="alert">{words}</p>'
        return
    st.session_state["export_sure"] = False
    st.session_state["export_reason"] = ""
    place = escape(f"{folder.parent.name}/{folder.name}")
    st.session_state[_MESSAGE_KEY] = (
        f'<p class="mc-lead" role="status">Written: <code>{place}</code> in the data folder. It passed its self-test.'
        "</p>"
    )


def _name(copy: RecalibratedCopy) -> str:
    words = METHODS[copy.method]
    return words[:1].upper() + words[1:]


def _describe(copy: RecalibratedCopy) -> str:
    name = _name(copy)
    if copy.line is None:
        return f"{name}: not possible. {as_sentence(copy.refusal)}"
    gain = copy.line.gain
    if math.isfinite(gain.lo) and gain.lo > 0:
        verdict = "the error falls"
    elif math.isfinite(gain.hi) and gain.hi < 0:
        verdict = "the error grows"
    else:
        verdict = "no clear change of the error"
    return f"{name}: {verdict} (gain in Brier score {_write(gain.value)}, {_write(gain.lo)} to {_write(gain.hi)})."


def _render_cell(board: Mapping[str, MetricValue] | None, name: str, digits: int) -> str:
    if board is None or name not in board or not math.isfinite(board[name].value):
        return "<td>–</td>"
    metric = board[name]
    known = math.isfinite(metric.lo) and math.isfinite(metric.hi)
    small = f"<small>{_round(metric.lo, digits)} to {_round(metric.hi, digits)}</small>" if known else ""
    return f"<td>{_round(metric.value, digits)}{small}</td>"


def _round(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text


def _write(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−") if math.isfinite(value) else "not known"
