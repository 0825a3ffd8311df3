"""What stands closed under the result, one at a time: computed only when opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st
from streamlit.errors import StreamlitAPIException

from medcore.errors import MedcoreError
from medcore.figures.icons import render_icons
from medcore.records import FieldKind
from medcore.results import Assessment, ModelFacts, Response
from medcore.services.bedside import clinic
from medcore.services.bedside.case_file import make_case_file
from medcore.services.bedside.clinic import FormReading
from medcore.services.house import Condition, House
from medcore.services.prevalence import restate_risk
from medcore.services.trust.activation import make_activation
from medcore.ui import case_file, panel, wording

__all__ = ["OPEN_KEY", "STABILITY", "show"]

REACTS = "How the score reacts"
POPULATION = "Study population"
PREVALENCE = "Prevalence"
PICTURE = "100 people"
STABILITY = "Stable?"
CASE_FILE = "Case file"
OPEN_KEY = "more"
_CARD_PAGE = "pages/governance/models.py"
_SWEEP_KEY = "mc_sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What every closed part may need."""

    house: House
    condition: Condition
    facts: ModelFacts
    reading: FormReading
    assessment: Assessment
    refine_problem: str


def show(
    house: House,
    condition: Condition,
    facts: ModelFacts,
    reading: FormReading,
    assessment: Assessment,
    refine_problem: str = "",
) -> None:
    """Draw the row of closed parts, the open one under it, and the model's facts line.

    ``refine_problem`` says why the explanation could not be checked for stability, if so.
    """
    part = _Part(
        house=house,
        condition=condition,
        facts=facts,
        reading=reading,
        assessment=assessment,
        refine_problem=refine_problem,
    )
    scored = assessment.prediction.p_calibrated is not None
    names = list(_PARTS) if scored else [POPULATION, CASE_FILE]
    chosen = st.pills("More about this result", names, key=OPEN_KEY, label_visibility="collapsed")
    with st.container(key="opened"):
        if chosen in names:
            _PARTS[chosen](part)
    with st.container(key="facts", horizontal=True, vertical_alignment="center"):
        st.html(panel.render_facts(condition.facts_line))
        with contextlib.suppress(StreamlitAPIException):  # a page run without its router has no other pages
            st.page_link(_CARD_PAGE, label="Card", query_params={"condition": condition.id})


def _show_reacts(part: _Part) -> None:
    schema = part.condition.schema
    names = [name for name in part.condition.swept_fields if schema[name].kind is FieldKind.NUMBER]
    if not names:
        st.html('<p class="mc-quiet">No field of this question is offered: none can be read this way.</p>')
        return
    chosen = st.selectbox("Field", names, format_func=lambda name: schema[name].label, key="swept_field")
    try:
        response = _respond(part, chosen)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    from medcore.figures import sweep

    item = schema[chosen]
    st.plotly_chart(
        sweep.draw_sweep(response, item.label, item.unit),
        theme=None,
        key="sweep_chart",
        config={"displayModeBar": False},
        alt=sweep.describe_sweep(response, item.label, item.unit),
    )
    table = sweep.tabulate_sweep(response, item.label, item.unit)
    st.html(
        f'<p class="mc-caption">{escape(sweep.CAPTION)}</p>'
        f'<details class="mc-details"><summary>As a table</summary>{table}</details>'
    )


def _respond(part: _Part, name: str) -> Response:
    key = (part.facts.sha256, name, tuple(sorted(part.reading.record.values.items())))
    last = st.session_state.get(_SWEEP_KEY)
    if last is not None and last[0] == key:
        kept: Response = last[1]
        return kept
    house = part.house
    response = clinic.respond(
        part.condition.id,
        part.facts.model_id,
        part.reading,
        name,
        actor=house.actor,
        journal=house.journal,
        gateway=house.gateway,
        activation=make_activation(house),
    )
    st.session_state[_SWEEP_KEY] = (key, response)
    return response


def _show_population(part: _Part) -> None:
    card = part.condition.card
    st.html(
        f'<div class="mc-text"><p>{panel.embolden(card.population)}</p>'
        f"<p><b>Not for:</b> {panel.embolden(card.not_for)}</p><p><b>Limits:</b> {panel.embolden(card.limits)}</p>"
        f'<p class="mc-quiet">{part.facts.n_train} patients in the study data; '
        f"{wording.write_percent(part.facts.base_rate)} had the outcome.</p></div>"
    )


def _show_prevalence(part: _Part) -> None:
    policy = part.condition.prevalence
    reason = f'<p class="mc-text">{panel.embolden(policy.reason)}</p>'
    if not policy.allowed:
        st.html(f'<p class="mc-text"><b>Not offered for this question.</b></p>{reason}')
        return
    study = wording.write_percent(part.facts.base_rate)
    text = st.text_input(f"Prevalence where you work, % (study: {study})", key="prevalence", autocomplete="off")
    st.html(reason + _restate(part, text))


def _restate(part: _Part, text: str) -> str:
    prediction = part.assessment.prediction
    if not text.strip() or prediction.p_calibrated is None or prediction.interval is None:
        return ""
    ends = (prediction.p_calibrated, prediction.interval.lo, prediction.interval.hi)
    try:
        prevalence = float(text.strip().rstrip("%").replace(",", ".")) / 100
        local = [wording.write_percent(restate_risk(p, part.facts.base_rate, prevalence)) for p in ends]
    except (ValueError, MedcoreError):
        return '<p class="mc-error" role="alert">Prevalence: type a per cent between 0 and 100, for example 24.</p>'
    return (
        f'<p class="mc-text" role="status">At that prevalence: <strong>{local[0]}</strong> '
        f"({local[1]} to {local[2]}). The estimate above stays on the study's mix.</p>"
    )


def _show_picture(part: _Part) -> None:
    p = part.assessment.prediction.p_calibrated
    if p is not None:
        st.html(panel.embed_drawings(render_icons(p, part.condition.outcome_short)))


def _show_stability(part: _Part) -> None:
    explanation = part.assessment.explanation
    if explanation is None:
        st.html('<p class="mc-text">There is no explanation to check.</p>')
        return
    share = explanation.top_stability
    if part.refine_problem:
        noise = (
            f"Whether measurement error would change the strongest fields is not known: {escape(part.refine_problem)}"
        )
    elif share is None:
        noise = "Whether measurement error would change the strongest fields is being computed."
    else:
        word = "yes" if share >= 0.8 else "partly" if share >= 0.5 else "no"
        noise = (
            f"<b>{word.capitalize()}.</b> In {100 * share:.0f} of 100 repeats with the measurement error of each "
            "field added, the five strongest fields were the same."
        )
    st.html(
        f'<div class="mc-text"><p><b>Is this explanation stable?</b> {noise}</p><p>Each bar is computed from '
        f"{explanation.n_coalitions} combinations of known and unknown fields; its own error is at most "
        f"±{100 * explanation.worst_error:.1f} points.</p></div>"
    )


def _show_case_file(part: _Part) -> None:
    values = sorted(part.reading.record.values.items())
    case_file.show(
        part.house,
        lambda patient: make_case_file(part.house, part.condition.id, part.reading, part.assessment, patient=patient),
        subject=f"{part.assessment.prediction.sha256} {part.assessment.journal_id} {values}",
    )


_PARTS: dict[str, Callable[[_Part], None]] = {
    REACTS: _show_reacts,
    POPULATION: _show_population,
    PREVALENCE: _show_prevalence,
    PICTURE: _show_picture,
    STABILITY: _show_stability,
    CASE_FILE: _show_case_file,
}
