"""The panel beside the film: the reader's own reading, what the model says, agree or override, limits.

Where the site reads first (the default), nothing of the model is drawn before the own reading.
"""

from __future__ import annotations

from datetime import date
from html import escape

import streamlit as st

from medcore.results import Status
from medcore.services.bedside.case_file import make_film_case_file
from medcore.services.films.reading import FilmCase, Finding, OwnReading, Stage, Verdict
from medcore.services.films.worklist import Worklist
from medcore.services.house import FilmCondition
from medcore.services.trust.fit import fits_number
from medcore.services.trust.reasons import MOST_REASON_CHARS, REASONS
from medcore.ui import (
    banner,
    bridge,
    case_file,
    film_export,
    film_state,
    findings,
    read_first,
    runtime,
    saving,
    visitor,
)

__all__ = ["show"]

_CHANGING_KEY = "mc_changing"
_SITE_KEY = "site_prevalence"
_MAP_KEY = "film_map_choice"
_ORIENTATION = "orientation"


def show(worklist: Worklist, case: FilmCase | None, finding: Finding | None) -> None:
    """Draw the panel of the film on the screen."""
    if case is None:
        _show_steps(worklist.desk.condition, reads_first=worklist.desk.reads_first())
        return
    if case.stage is not Stage.OPEN:
        if worklist.can_retry(case):
            st.button("Try again", key="film_retry", on_click=worklist.retry, args=(case.id,))
        return
    read_first.keep_film(visitor.enter(), case, finding)
    _say_whose(case)
    _show_reading(worklist, case)
    if finding is None:
        _show_waiting(worklist, case)
    else:
        _show_finding(worklist, case, finding)
    _show_limits(worklist, case, finding)


def _show_steps(condition: FilmCondition, *, reads_first: bool) -> None:
    order = (
        "<li>Look at a film and say what you see: keys 1 to 4.</li><li>Then the model's answer opens: agree, or "
        "override it with a reason. Your reading is stored with the answer, without the film.</li>"
        if reads_first
        else "<li>The model's answer opens with the film: this site does not ask for your reading first.</li>"
        "<li>Say what you see with keys 1 to 4; agree, or override it with a reason.</li>"
    )
    missing = escape(", ".join(condition.not_assessed))
    st.html(
        '<section class="mc-steps"><h2>How this page works</h2><ol><li>Drop chest films. They stay in memory and are '
        f"stored only where you save them.</li>{order}<li>N goes to the next film; ? shows all keys.</li></ol>"
        f'<p class="mc-quiet">Not assessed: {missing}.</p></section>'
    )


def _say_whose(case: FilmCase) -> None:
    """Say, once the film is there and a patient is open, whether the header's number is the patient's."""
    patient = banner.get_patient()
    if patient is None or case.pixels.format != "DICOM":
        return
    fits = fits_number(case.pixels, patient)
    whose = f"<bdi>{escape(banner.name_patient(patient))}</bdi>'s"
    if fits is False:
        text = f"<b>Not the open patient?</b> The number in the header is not {whose}."
        st.html(f'<p class="mc-warn" role="alert"><span>{text}</span></p>')
    elif fits:
        st.html(f'<p class="mc-quiet">The number in the header is {whose}.</p>')


def _show_reading(worklist: Worklist, case: FilmCase) -> None:
    """Draw the reader's own reading, and whether it comes before the model here."""
    changing = st.session_state.get(_CHANGING_KEY) == case.id
    with st.container(key="own"):
        if case.reading is None or changing:
            when = _say_when(worklist, case)
            st.html(f'<h2 class="mc-own">Your reading <small>({when})</small></h2>')
            with st.container(key="own_keys"):
                for key, own in enumerate(OwnReading, 1):
                    st.button(
                        f"{key} {findings.READING_WORDS[own]}",
                        key=f"own_{key}",
                        on_click=_read,
                        args=(worklist, case.id, own),
                    )
        else:
            with st.container(key="own_done", horizontal=True, vertical_alignment="center"):
                revised = findings.write_when(case)
                st.html(f'<h2 class="mc-own">Your reading: <b>{findings.READING_WORDS[case.reading]}</b>{revised}</h2>')
                st.button("Change", key="own_change", type="tertiary", on_click=_change, args=(case.id,))
        st.text_input(
            "Note",
            key=_note_key(case.id),
            placeholder="Note (optional)",
            label_visibility="collapsed",
            max_chars=500,
            autocomplete="off",
            on_change=_keep_note,
            args=(worklist, case.id),
        )


def _show_waiting(worklist: Worklist, case: FilmCase) -> None:
    """Draw what stands before a finding does: closed, withheld, being computed, or why there is none."""
    with st.container(key="waiting"):
        if case.status is Status.WITHHELD:
            st.html(findings.render_state(case))
            _offer_turn(worklist, case)
        elif worklist.desk.facts is None:
            st.html(f'<p class="mc-warn">No usable model for {escape(worklist.desk.condition.title)} is installed.</p>')
        elif case.score_error is not None:
            st.html(f'<p class="mc-warn" role="alert">No score: {findings.describe_error(case.score_error)}</p>')
            st.button("Try again", key="score_retry", on_click=worklist.retry, args=(case.id,))
        elif not worklist.is_open(case.id):
            st.html('<p class="mc-quiet">The model\'s answer opens after your reading.</p>')
        else:
            st.html(_write_delay(worklist))


def _write_delay(worklist: Worklist) -> str:
    if worklist.desk.gateway.ready():
        return '<p class="mc-quiet" role="status">The score is being computed.</p>'
    problem = runtime.explain_failure()
    if problem:
        return f'<p class="mc-warn" role="alert">The models cannot be started: {escape(problem)}</p>'
    return '<p class="mc-quiet" role="status">The models are starting, about half a minute after the server.</p>'


def _show_finding(worklist: Worklist, case: FilmCase, finding: Finding) -> None:
    condition = worklist.desk.condition
    with st.container(key="finding"):
        st.html(findings.render_state(case) + findings.render_finding(condition, finding))
        _offer_turn(worklist, case)
        if finding.p is None:
            _show_saving(worklist, case, finding)
            return
        _show_verdict(worklist, case)
        _show_saving(worklist, case, finding)
        if finding.prevalence is None:
            _ask_prevalence(worklist)
        _show_map(worklist, case, finding)
        _show_copy(worklist, case, finding)


def _say_when(worklist: Worklist, case: FilmCase) -> str:
    """Say how this reading stands to the score."""
    if case.reading is not None:
        return "changed after the score"
    return "before the model" if worklist.desk.reads_first() else "not asked for first at this site"


def _show_saving(worklist: Worklist, case: FilmCase, finding: Finding) -> None:
    if case.reading is None:
        st.html('<p class="mc-quiet">A film is saved once you have read it.</p>')
    else:
        saving.show_film(visitor.enter(), worklist, case, finding, read_first.list_loose)


def _show_map(worklist: Worklist, case: FilmCase, finding: Finding) -> None:
    """Draw the choice of the map that H shows, and how far it can be relied on."""
    with st.container(key="film_map", horizontal=True, vertical_alignment="center"):
        st.html('<h3 class="mc-small">Map <kbd>H</kbd></h3>')
        st.session_state[_MAP_KEY] = worklist.map_method
        st.segmented_control(
            "Which map H shows",
            list(findings.MAP_WORDS),
            format_func=findings.MAP_WORDS.__getitem__,
            key=_MAP_KEY,
            label_visibility="collapsed",
            on_change=_choose_map,
            args=(worklist,),
        )
    st.html(findings.render_map(finding, worklist.map_method, coming=worklist.is_mapping(case.id)))


def _choose_map(worklist: Worklist) -> None:
    worklist.choose_map(st.session_state.get(_MAP_KEY) or worklist.map_method)


def _show_copy(worklist: Worklist, case: FilmCase, finding: Finding) -> None:
    facts = worklist.desk.facts
    if facts is None:
        return
    text = findings.write_copy_text(worklist.desk.condition, case, finding, facts, date.today())
    bridge.show(copy=text, announce=text, name=f"medcore-film-{case.number}-{date.today().isoformat()}.txt")


def _show_verdict(worklist: Worklist, case: FilmCase) -> None:
    """Draw agree and override; an override needs its reason before it counts."""
    overriding = st.session_state.get(film_state.OVERRIDE_KEY) == case.id
    with st.container(key="verdict", horizontal=True):
        agreed = case.verdict is not None and case.verdict.agrees
        st.button("✓ Agreed" if agreed else "A agree", key="agree", on_click=_agree, args=(worklist, case.id))
        overridden = case.verdict is not None and not case.verdict.agrees
        st.button("✓ Overridden" if overridden else "O override", key="override", on_click=_override, args=(case.id,))
    if overriding:
        _ask_reason(worklist, case)
    elif overridden and case.verdict is not None:
        st.html(f'<p class="mc-quiet">Reason: {escape(case.verdict.text)}</p>')
    if case.late or (case.reading is None and case.seen):
        st.html('<p class="mc-quiet">No reading before the score: not counted in the agreement report.</p>')


def _ask_reason(worklist: Worklist, case: FilmCase) -> None:
    """Draw the reasons of the risk page, and a field for own words."""
    with st.container(key="override_why"):
        code = st.selectbox(
            "Why do you override it?",
            list(REASONS),
            index=None,
            format_func=REASONS.__getitem__,
            key=_code_key(case.id),
            placeholder="Choose a reason",
        )
        st.text_input(
            "In your own words (optional)", key=_reason_key(case.id), max_chars=MOST_REASON_CHARS, autocomplete="off"
        )
        st.button(
            "Keep the override", key="override_keep", on_click=_judge, args=(worklist, case.id), disabled=code is None
        )


def _offer_turn(worklist: Worklist, case: FilmCase) -> None:
    if any(reason.code == _ORIENTATION for reason in case.reasons):
        st.button("Turn the film a quarter ↻", key="turn", on_click=film_state.request, args=(worklist.turn, case.id))


def _ask_prevalence(worklist: Worklist) -> None:
    known = worklist.prevalence
    if _SITE_KEY not in st.session_state:
        st.session_state[_SITE_KEY] = "" if known is None else f"{100 * known:g}"
    st.text_input(
        "Of 100 such films at your site, how many show it?",
        key=_SITE_KEY,
        placeholder="for example 30",
        autocomplete="off",
        on_change=_set_prevalence,
        args=(worklist,),
    )


def _show_limits(worklist: Worklist, case: FilmCase, finding: Finding | None) -> None:
    condition, facts = worklist.desk.condition, worklist.desk.facts
    st.html(f'<p class="mc-line mc-limits"><b>Not assessed:</b> {escape(", ".join(condition.not_assessed))}.</p>')
    with st.expander("More", key="film_more"):
        st.html(findings.render_details(condition, case, finding, facts, worklist.desk.points))
        if finding is not None and finding.p is not None and finding.prevalence is not None:
            _ask_prevalence(worklist)
        if finding is not None:
            _offer_case_file(worklist, case)
        film_export.offer(visitor.enter(), worklist, case)
        if not any(reason.code == _ORIENTATION for reason in case.reasons):
            st.button(
                "Turn the film a quarter ↻", key="turn", on_click=film_state.request, args=(worklist.turn, case.id)
            )


def _offer_case_file(worklist: Worklist, case: FilmCase) -> None:
    st.html('<h3 class="mc-small">Case file</h3>')
    case_file.show(
        visitor.enter(),
        lambda patient: make_film_case_file(worklist, case.id, patient=patient),
        subject=f"{case.id} {case.turns} {case.reading} {case.verdict} {worklist.prevalence} {worklist.map_method}",
        has_picture=True,
    )


def _read(worklist: Worklist, case_id: str, own: OwnReading) -> None:
    note = str(st.session_state.get(_note_key(case_id)) or "")
    if film_state.attempt(worklist.read, case_id, own, note):
        st.session_state.pop(_CHANGING_KEY, None)


def _change(case_id: str) -> None:
    st.session_state[_CHANGING_KEY] = case_id


def _keep_note(worklist: Worklist, case_id: str) -> None:
    case = worklist.case(case_id)
    if case.reading is not None:
        film_state.attempt(worklist.read, case_id, case.reading, str(st.session_state.get(_note_key(case_id)) or ""))


def _agree(worklist: Worklist, case_id: str) -> None:
    st.session_state.pop(film_state.OVERRIDE_KEY, None)
    film_state.attempt(worklist.judge, case_id, Verdict(agrees=True))


def _override(case_id: str) -> None:
    st.session_state[film_state.OVERRIDE_KEY] = case_id


def _judge(worklist: Worklist, case_id: str) -> None:
    code = str(st.session_state.get(_code_key(case_id)) or "")
    reason = str(st.session_state.get(_reason_key(case_id)) or "")
    if film_state.attempt(worklist.judge, case_id, Verdict(agrees=False, reason=reason, code=code)):
        st.session_state.pop(film_state.OVERRIDE_KEY, None)


def _set_prevalence(worklist: Worklist) -> None:
    text = str(st.session_state.get(_SITE_KEY) or "").strip().rstrip("%").replace(",", ".")
    try:
        value = float(text) / 100 if text else None
    except ValueError:
        value = float("nan")
    if value is not None and not 0.0 < value < 1.0:
        film_state.tell("Your site's figure: type a number between 0 and 100, for example 30.")
        return
    film_state.attempt(worklist.set_prevalence, value)


def _note_key(case_id: str) -> str:
    return f"note_{case_id}"


def _code_key(case_id: str) -> str:
    return f"why_{case_id}"


def _reason_key(case_id: str) -> str:
    return f"reason_{case_id}"
