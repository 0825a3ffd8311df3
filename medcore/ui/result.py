"""The result panel: asks the service once per set of values and draws what it says."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from datetime import date

import streamlit as st

from medcore.errors import MedcoreError, MovedOnError
from medcore.figures.bars import rank_bars, render_bars
from medcore.records import Field
from medcore.results import Assessment, ModelFacts
from medcore.services.bedside import clinic
from medcore.services.bedside.clinic import FormReading
from medcore.services.gateway import background
from medcore.services.house import Condition, House
from medcore.services.trust.activation import describe_problem, make_activation
from medcore.ui import bridge, form, guard, more, panel, read_first, runtime, saving, state, wording
from medcore.ui.panel import ResultView, Texts

__all__ = ["show"]

_POLL_S = 0.5
_REFINE_S = 0.8
_REFINE_KEY = "mc_refine"
_SKELETON = (
    '<section class="mc-head mc-empty" aria-label="Result"><p class="mc-title">The models are starting</p>'
    '<p class="mc-quiet">About half a minute after the server. What you enter is kept.</p>'
    '<div class="mc-skeleton" aria-hidden="true"><i></i><i></i><i></i></div></section>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The answer to one set of values, kept in the session.

    ``refined`` once its bars are exact, or cannot be made so; ``problem`` then says why.
    """

    key: tuple[object, ...]
    assessment: Assessment
    refined: bool = False
    problem: str = ""


def show(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> None:
    """Draw the right side for what the form says."""
    read_first.begin(house, condition, reading)
    off = describe_problem(house, facts.sha256)
    waiting = _describe_wait(condition, reading)
    if off:
        _show_message(panel.render_failed(off, "This model gives no score here"), condition)
    elif waiting:
        _show_message(waiting, condition, reading)
    elif not read_first.is_open(house, condition, reading):
        read_first.ask(house, condition, facts, reading)
    elif not house.gateway.ready():
        problem = runtime.explain_failure()
        _show_message(panel.render_failed(problem, "The models cannot be started") if problem else _SKELETON, condition)
        _wait_for(house, bool(problem))
    else:
        _show_assessed(house, condition, facts, reading)


def _describe_wait(condition: Condition, reading: FormReading) -> str:
    """Return the panel that stands until there is something to score; empty when there is."""
    if condition.population_limits(reading.record.values):
        return ""
    if reading.errors or reading.unit_questions:
        return panel.render_blocked(error.message for error in reading.errors)
    if reading.missing_required:
        inputs = _inputs(condition)
        known = sum(item.name in reading.record.values for item in inputs)
        return panel.render_needed(reading.missing_required, known, len(inputs))
    return ""


def _show_message(html: str, condition: Condition, reading: FormReading | None = None) -> None:
    st.html(html)
    for question in reading.unit_questions if reading is not None else ():
        form.ask_unit(condition, question, place="result")
    bridge.show(announce=_read_aloud(html))
    st.html(panel.render_facts(condition.facts_line))


@st.fragment(run_every=_POLL_S)
def _wait_for(house: House, failed: bool) -> None:
    """Look again every moment, and draw all anew when the models are ready, failed, or may yet come."""
    guard.recheck(house, "risk", timer=True)
    if house.gateway.ready() or bool(runtime.explain_failure()) != failed:
        st.rerun()
    runtime.retry_models()


def _show_assessed(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> None:
    try:
        kept = _assess(house, condition, facts, reading)
    except MovedOnError:  # these values are not those of the form any more: the next run is on its way
        st.stop()
    except MedcoreError as error:
        _show_message(panel.render_failed(error.message), condition)
        st.button("Try again", key="retry")
        return
    assessment = kept.assessment
    if _is_outdated(house, facts, assessment):
        st.rerun(scope="app")
    view = _view(condition, reading, assessment)
    st.html(panel.render_head(view))
    read_first.show_response(house, condition, reading, assessment)
    copied = wording.write_copy_text(
        assessment.prediction,
        facts,
        condition.outcome_short,
        view.texts.blanks,
        date.today(),
        caution=condition.caution,
    )
    bridge.show(
        copy=copied,
        announce=_announce(view),
        opened=st.session_state.get(more.OPEN_KEY) or "",
        name=f"medcore-{condition.id}-{date.today().isoformat()}.txt",
    )
    if assessment.explanation is not None:
        notes = condition.bar_notes(reading.record.values, assessment.explanation.contributions)
        st.html(render_bars(rank_bars(assessment.explanation, view.texts.labels, view.texts.values, notes)))
    saving.show_assessment(house, condition, reading, assessment)
    more.show(house, condition, facts, reading, assessment, kept.problem)
    asked = st.session_state.get(more.OPEN_KEY) == more.STABILITY
    if asked and assessment.explanation is not None and not kept.refined:
        _refine_later(house, condition, facts, reading, kept)


def _is_outdated(house: House, facts: ModelFacts, assessment: Assessment) -> bool:
    """Whether the bundle was replaced since this page was drawn: all about the model must be drawn anew."""
    if assessment.prediction.sha256 == facts.sha256:
        return False
    house.catalog.refresh()
    with contextlib.suppress(MedcoreError):
        return house.catalog.find(facts.model_id).sha256 == assessment.prediction.sha256
    return False


def _assess(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> _Kept:
    """Ask the service, or return the answer it gave to exactly these values in this session."""
    key = (condition.id, facts.sha256, tuple(sorted(reading.record.values.items())))
    last: _Kept | None = st.session_state.get(state.RESULT_KEY)
    if last is not None and last.key == key:
        return last
    st.session_state.pop(state.RESULT_KEY, None)
    read_first.require(house, condition, reading)
    assessment = clinic.assess(
        condition.id,
        facts.model_id,
        reading,
        actor=house.actor,
        journal=house.journal,
        gateway=house.gateway,
        catalog=house.catalog,
        activation=make_activation(house),
    )
    kept = _Kept(key=key, assessment=assessment)
    st.session_state[state.RESULT_KEY] = kept
    return kept


@st.fragment(run_every=_REFINE_S)
def _refine_later(house: House, condition: Condition, facts: ModelFacts, reading: FormReading, kept: _Kept) -> None:
    """Make the bars exact while their stability is looked at; the first run only notes what for.

    Not done for every edit: it holds the model process many times longer than the score itself.
    """
    guard.recheck(house, "risk", timer=True)
    if st.session_state.get(_REFINE_KEY) != kept.key:
        st.session_state[_REFINE_KEY] = kept.key
        return
    assessment, problem = kept.assessment, ""
    try:
        with background():
            refined = clinic.refine(
                condition.id,
                facts.model_id,
                reading,
                actor=house.actor,
                journal=house.journal,
                gateway=house.gateway,
                activation=make_activation(house),
            )
        assessment = replace(assessment, explanation=refined)
    except MovedOnError:
        return
    except MedcoreError as error:  # the first bars stand
        problem = error.message
    if st.session_state.get(state.RESULT_KEY) == kept:
        st.session_state[state.RESULT_KEY] = _Kept(key=kept.key, assessment=assessment, refined=True, problem=problem)
    st.rerun()


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
    return ResultView(
        assessment=assessment,
        texts=texts,
        sentence=sentence,
        questions=reading.questions,
        caution=condition.caution if prediction.p_calibrated is not None else "",
    )


def _announce(view: ResultView) -> str:
    status = view.prediction.status.value.capitalize()
    reasons = " ".join(reason.text for reason in view.prediction.applicability.reasons)
    return " ".join(f"{status}. {reasons} {view.sentence} {view.caution}".replace("**", "").split())


def _read_aloud(html: str) -> str:
    """Return the words of a message, for screen readers."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def _inputs(condition: Condition) -> tuple[Field, ...]:
    return tuple(item for item in condition.schema.inputs if item.in_form)
