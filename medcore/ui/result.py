"""The result panel: asks the service once per set of values and draws what it says."""

from __future__ import annotations

from datetime import date

import streamlit as st

from medcore.errors import MedcoreError
from medcore.figures.bars import rank_bars, render_bars
from medcore.records import Field
from medcore.results import Assessment, ModelFacts
from medcore.services import clinic
from medcore.services.clinic import FormReading
from medcore.services.house import Condition, House
from medcore.ui import bridge, more, panel, state, wording
from medcore.ui.panel import ResultView, Texts

__all__ = ["show"]

_POLL_S = 0.5
_SKELETON = (
    '<section class="mc-head mc-empty" aria-label="Result"><p class="mc-title">The models are starting</p>'
    '<p class="mc-quiet">About half a minute after the server. What you enter is kept.</p>'
    '<div class="mc-skeleton" aria-hidden="true"><i></i><i></i><i></i></div></section>'
)


def show(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> None:
    """Draw the right side for what the form says."""
    waiting = _describe_wait(condition, reading)
    if waiting:
        _show_message(waiting, condition)
    elif not house.gateway.ready():
        _show_message(_SKELETON, condition)
        _wait_for(house)
    else:
        _show_assessed(house, condition, facts, reading)


def _describe_wait(condition: Condition, reading: FormReading) -> str:
    """Return the panel that stands until there is something to score; empty when there is."""
    if condition.population_limits(reading.record.values):
        return ""
    if reading.errors or reading.unit_questions:
        return panel.render_blocked((error.message for error in reading.errors), reading.unit_questions)
    if reading.missing_required:
        inputs = _inputs(condition)
        known = sum(item.name in reading.record.values for item in inputs)
        return panel.render_needed(reading.missing_required, known, len(inputs))
    return ""


def _show_message(html: str, condition: Condition) -> None:
    st.html(html)
    bridge.show()
    st.html(panel.render_facts(condition.facts_line))


@st.fragment(run_every=_POLL_S)
def _wait_for(house: House) -> None:
    if house.gateway.ready():
        st.rerun()


def _show_assessed(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> None:
    try:
        assessment = _assess(house, condition, facts, reading)
    except MedcoreError as error:
        _show_message(panel.render_failed(error.message), condition)
        st.button("Try again", key="retry")
        return
    view = _view(condition, reading, assessment)
    st.html(panel.render_head(view))
    copied = wording.write_copy_text(
        assessment.prediction, facts, condition.outcome_short, view.texts.blanks, date.today()
    )
    bridge.show(copy=copied, announce=_announce(view), opened=st.session_state.get(more.OPEN_KEY) or "")
    if assessment.explanation is not None:
        notes = condition.bar_notes(reading.record.values, assessment.explanation.contributions)
        st.html(render_bars(rank_bars(assessment.explanation, view.texts.labels, view.texts.values, notes)))
    more.show(house, condition, facts, reading, assessment)


def _assess(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> Assessment:
    """Ask the service, or return the answer it gave to exactly these values in this session."""
    key = (condition.id, facts.sha256, tuple(sorted(reading.record.values.items())))
    last = st.session_state.get(state.RESULT_KEY)
    if last is not None and last[0] == key:
        kept: Assessment = last[1]
        return kept
    st.session_state.pop(state.RESULT_KEY, None)
    limits = condition.population_limits(reading.record.values)
    if limits and reading.missing_required:
        return Assessment(
            prediction=clinic.withhold(house.catalog, facts.model_id, limits),
            explanation=None,
            most_useful_missing=None,
            marks=reading.marks,
        )
    assessment = clinic.assess(
        condition.id,
        facts.model_id,
        reading,
        actor=house.actor,
        journal=house.journal,
        gateway=house.gateway,
        catalog=house.catalog,
    )
    st.session_state[state.RESULT_KEY] = (key, assessment)
    return assessment


def _view(condition: Condition, reading: FormReading, assessment: Assessment) -> ResultView:
    prediction = assessment.prediction
    if prediction.p_calibrated is None or prediction.interval is None:
        sentence = "**No score.** What you entered is kept."
    else:
        interval = prediction.interval
        sentence = condition.sentence(
            wording.write_percent(prediction.p_calibrated),
            wording.write_percent(interval.lo),
            wording.write_percent(interval.hi),
        )
    texts = Texts.of(_inputs(condition), reading.record, assessment.marks)
    return ResultView(assessment=assessment, texts=texts, sentence=sentence, questions=reading.questions)


def _announce(view: ResultView) -> str:
    status = view.prediction.status.value.capitalize()
    reasons = " ".join(reason.text for reason in view.prediction.applicability.reasons)
    return f"{status}. {reasons} {view.sentence}".replace("**", "")


def _inputs(condition: Condition) -> tuple[Field, ...]:
    return tuple(item for item in condition.schema.inputs if item.in_form)
