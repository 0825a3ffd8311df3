"""The tab that shows one patient through all models: risks, explanations, and where the models disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from medcore.errors import MedcoreError, OpinionFirstError
from medcore.figures.aligned_bars import render_aligned
from medcore.figures.forest import Forest, ForestRow, render_forest
from medcore.records import Field
from medcore.results import Status
from medcore.services.bedside import clinic
from medcore.services.bedside.clinic import FormReading
from medcore.services.compare import same_patient
from medcore.services.compare.same_patient import MadeUpPatient, PatientView, SamePatient
from medcore.services.house import Condition, FilmCondition
from medcore.ui import read_first, state, wording
from medcore.ui.compare_scene import Scene, show_sentence
from medcore.ui.panel import Texts

__all__ = ["draw_risks", "render_patient", "show_patient"]

_RESULT_KEY = "mc_same_patient"
_SOURCE_KEY = "same_patient_source"
_NUMBER_KEY = "same_patient_number"
_MADE_UP, _FORM = "Made-up patient", "Patient on the risk page"
_OPINION_FIRST = "This site reads first: say on the risk page what you think, then all models can be asked here."
_NAN = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The answers to one set of values, kept in the session."""

    key: tuple[object, ...]
    views: tuple[PatientView, ...]


def show_patient(scene: Scene) -> None:
    """Draw the choice of a patient and, once asked for, what every model says."""
    question = scene.question
    if not isinstance(question, Condition):
        show_sentence("This question is about films: open a film on the X-ray page to see it read.")
        return
    with st.container(key="tab_choices", horizontal=True, vertical_alignment="bottom"):
        source = st.radio("Whose values", (_MADE_UP, _FORM), key=_SOURCE_KEY, horizontal=True)
        try:
            reading = _choose_made_up(scene, question) if source == _MADE_UP else _take_form(scene, question)
        except OpinionFirstError:
            show_sentence(_OPINION_FIRST)
            return
    if reading is None:
        return
    if reading.missing_required:
        names = wording.list_words(wording.lower_first(item.label) for item in reading.missing_required)
        show_sentence(f"Still needed on the risk page: {names}.")
        return
    key = (scene.comparison.condition, _versions(scene), tuple(sorted(reading.record.values.items())))
    kept: _Kept | None = st.session_state.get(_RESULT_KEY)
    asked = st.button("Ask all models", key="ask_all_models", type="primary")
    place = st.empty()
    if kept is not None and kept.key == key:
        place.html(render_patient(scene, reading, kept.views))
    elif asked:
        _ask(scene, reading, key, place)


def render_patient(scene: Scene, reading: FormReading, views: Sequence[PatientView], n_waiting: int = 0) -> str:
    """Return everything about the answers so far; ``n_waiting`` models have not answered yet."""
    result = same_patient.put_together(scene.comparison.condition, views, cut_off=scene.own_cut_off)
    texts = Texts.of(_inputs(scene.question), reading.record, reading.marks)
    explained = {view.facts.title: view.explanation for view in result.views if view.explanation is not None}
    waiting = f'<p class="mc-quiet" role="status">{n_waiting} more to answer …</p>' if n_waiting else ""
    return (
        f"{render_forest(draw_risks(scene, result.views))}{waiting}{_render_flags(result, n_waiting)}"
        f"{render_aligned(explained, texts.labels, texts.values)}{_render_agreement(result)}"
    )


def draw_risks(scene: Scene, views: Sequence[PatientView]) -> Forest:
    """Return the chart of risks in per cent, on the study's mix, with the cut-off as its line."""
    return Forest(
        title="Estimated risk of the same patient, 90 % range",
        axis=f"risk, % (line: cut-off {100 * scene.own_cut_off:.3g} %)",
        rows=tuple(_draw_view(view) for view in views),
        line=100 * scene.own_cut_off,
        digits=0,
        within=(0.0, 100.0),
    )


def _draw_view(view: PatientView) -> ForestRow:
    p, interval = view.p, view.interval
    if p is None or interval is None or view.prediction is None:
        word = "withheld" if view.prediction is not None else "no answer"
        return ForestRow(
            label=view.facts.title, value=_NAN, lo=_NAN, hi=_NAN, counts=word, text="no score", grey=view.problem
        )
    applicability = view.prediction.applicability
    caution = applicability.status is Status.CAUTION
    notes = [reason.text for reason in applicability.reasons] if caution else []
    if view.problem:
        notes.append(f"No explanation: {view.problem}")
    return ForestRow(
        label=view.facts.title,
        value=100 * p,
        lo=100 * interval.lo,
        hi=100 * interval.hi,
        counts=applicability.status.value,
        text=f"{wording.write_percent(p)} ({wording.write_range(interval)})",
        note=" ".join(notes),
    )


def _ask(scene: Scene, reading: FormReading, key: tuple[object, ...], place: DeltaGenerator) -> None:
    """Ask one model after the other and draw what is known after each."""
    if not scene.house.gateway.ready():
        problem = scene.house.gateway.failure
        show_sentence(problem.message if problem else "The models are starting: ask again in half a minute.")
        return
    views: list[PatientView] = []
    try:
        for view in same_patient.assess_each(scene.house, scene.comparison.condition, scene.model_ids, reading):
            views.append(view)
            place.html(render_patient(scene, reading, views, len(scene.models) - len(views)))
    except MedcoreError as error:
        place.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    st.session_state[_RESULT_KEY] = _Kept(key=key, views=tuple(views))


def _choose_made_up(scene: Scene, condition: Condition) -> FormReading | None:
    source = next((facts for facts in scene.models if facts.default), scene.models[0])
    try:
        patients = same_patient.list_made_up(scene.house.catalog, source.model_id)
    except MedcoreError as error:
        show_sentence(error.message)
        return None
    if not patients:
        show_sentence("The bundle holds no made-up patients.")
        return None
    number = st.number_input(
        f"Number, 1 to {len(patients)}", min_value=1, max_value=len(patients), value=1, step=1, key=_NUMBER_KEY
    )
    chosen: MadeUpPatient = patients[int(number) - 1]
    st.html(f'<p class="mc-text"><b>Made up</b>, not a patient: {escape(chosen.line)}</p>')
    return same_patient.read_values(condition, chosen.values)


def _take_form(scene: Scene, condition: Condition) -> FormReading | None:
    draft = state.get_draft(condition.id)
    if not draft.values:
        show_sentence("Nothing is entered for this question on the risk page.")
        return None
    studied = scene.house.catalog.studied(scene.model_ids[0])
    reading = clinic.read_form(condition, draft.values, draft.units, studied=studied, keep=draft.kept_fields)
    read_first.require(scene.house, condition, reading)
    made_up = f"Made up: {draft.example}" if draft.example else f"{len(reading.record.values)} values entered"
    st.html(f'<p class="mc-text">{escape(made_up)}</p>')
    return reading


def _render_flags(result: SamePatient, n_waiting: int) -> str:
    if result.disagreements:
        items = "".join(f"<p>{escape(text)}</p>" for text in result.disagreements)
        return f'<div class="mc-flag" role="status"><p><b>⚠ The models disagree.</b></p>{items}</div>'
    if n_waiting or sum(view.p is not None for view in result.views) < 2:
        return ""
    return (
        '<p class="mc-lead">The models agree: all on one side of the cut-off, and all ranges overlap. Agreement of '
        "models learnt from the same study is no proof.</p>"
    )


def _render_agreement(result: SamePatient) -> str:
    if not result.agreements:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(item.first)} and {escape(item.second)}</th>'
        f"<td>{_write_correlation(item.spearman)}</td><td>{item.n_shared} of {item.n_top}</td></tr>"
        for item in result.agreements
    )
    return (
        '<details class="mc-details"><summary>How alike the explanations are</summary><table class="mc-table">'
        "<caption>Rank correlation of the signed contributions over all fields (1 = same order, 0 = unrelated); fields "
        'that are among the five strongest of both</caption><thead><tr><th scope="col">Models</th>'
        '<th scope="col">Rank correlation</th><th scope="col">Strongest five shared</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def _write_correlation(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "not known"


def _versions(scene: Scene) -> tuple[str, ...]:
    return tuple(facts.sha256 for facts in scene.models)


def _inputs(question: Condition | FilmCondition) -> tuple[Field, ...]:
    """Return every field the models read, also those that no form asks for: a made-up patient may have them."""
    return () if isinstance(question, FilmCondition) else question.schema.inputs
