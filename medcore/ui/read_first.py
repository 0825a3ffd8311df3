"""The reader's own opinion first, on the doctor's page; then agree or override. For films: their verdicts are stored.

Until an opinion is given nothing of the answer exists on the page: the model is not even asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from html import escape

import streamlit as st

from medcore.errors import MedcoreError, OpinionFirstError
from medcore.results import Assessment, ModelFacts
from medcore.services.bedside.clinic import FormReading
from medcore.services.films.reading import FilmCase, Finding, Verdict
from medcore.services.house import Condition, House
from medcore.services.trust import opinions
from medcore.services.trust.opinions import OTHER, REASONS, Opinion, Response, SavedVerdict
from medcore.ui import banner, bridge, clock, panel, saving, state, wording

__all__ = ["ask", "begin", "is_open", "keep_film", "list_loose", "require", "show_response"]

_CASES_KEY = "mc_opinions"
_FILMS_KEY = "mc_film_verdicts"
_PROBLEM_KEY = "mc_opinion_problem"
_OVERRIDING_KEY = "mc_override"
_CHANCE_KEY = "opinion_chance"
_REASON_KEY = "override_reason"
_REMARK_KEY = "override_remark"
_WORDS = {"yes": "Yes", "no": "No", "unsure": "Unsure"}
_MOST_CASES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What happened to one form in this tab.

    ``values`` are those that the opinion was given for; ``stored`` says that it is on disk that the answer was shown.
    """

    opened_at: datetime
    opinion: Opinion | None = None
    values: tuple[tuple[str, float], ...] = ()
    revealed_at: datetime | None = None
    answered: tuple[int | None, Response] | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Film:
    """What happened to one film in this tab; ``kept`` is the verdict that was stored, None in it for no response.

    ``loose`` are the verdicts on the film as it is turned now that were stored without a patient.
    """

    opened_at: datetime
    opinion: Opinion | None = None
    revealed_at: datetime | None = None
    kept: tuple[Verdict | None, int] | None = None
    loose: tuple[SavedVerdict, ...] = ()


def begin(house: House, condition: Condition, reading: FormReading) -> None:
    """Note when a case was begun: when the form first held a value."""
    if reading.record.values or reading.errors:
        _find_case(house, condition)


def require(house: House, condition: Condition, reading: FormReading) -> None:
    """Return if the answer may open: no opinion is asked for here, one was given, or no score can come of these values.

    Raises
    ------
    OpinionFirstError
        The reader's opinion comes first.
    StorageError
        Whether this site asks for one cannot be read.
    """
    if not condition.population_limits(reading.record.values):
        opinions.require(house, condition.id, _find_case(house, condition).opinion)


def is_open(house: House, condition: Condition, reading: FormReading) -> bool:
    """Whether the answer may open, see :func:`require`; a failure to find out keeps it closed and is said."""
    try:
        require(house, condition, reading)
    except OpinionFirstError:
        return False
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = error.message
        return False
    return True


def ask(house: House, condition: Condition, facts: ModelFacts, reading: FormReading) -> None:
    """Draw the question that comes before the answer."""
    question = f"Is **{condition.outcome_short}** likely enough to act on?"
    with st.container(key="opinion"):
        st.html(
            '<section class="mc-head mc-empty" aria-label="Your opinion first"><p class="mc-title">Your opinion first'
            f'</p><p class="mc-sentence">{panel.embolden(question)}</p><p class="mc-quiet">The model\'s answer opens '
            "after it. Your opinion stays as you give it and is stored with the answer.</p></section>"
        )
        with st.container(key="opinion_words", horizontal=True):
            for word, label in _WORDS.items():
                st.button(label, key=f"opinion_{word}", on_click=_commit, args=(house, condition, facts, reading, word))
        with st.container(key="opinion_scale", horizontal=True, vertical_alignment="bottom"):
            chance = st.slider(
                "or: how likely is it, in your view?", 0, 100, 50, format="%d %%", key=_CHANCE_KEY, width=320
            )
            st.button(
                f"Give {chance} %",
                key="opinion_give",
                on_click=_commit,
                args=(house, condition, facts, reading, "", chance / 100),
            )
        _show_problem()
    bridge.show(announce="Your opinion first. The model's answer opens after it.")
    st.html(panel.render_facts(condition.facts_line))


def show_response(house: House, condition: Condition, reading: FormReading, assessment: Assessment) -> None:
    """Draw the reader's opinion beside the answer, and agree or override; nothing where none was asked for."""
    case = _find_case(house, condition)
    opinion = case.opinion
    if opinion is None or assessment.prediction.p_calibrated is None:
        return
    if case.revealed_at is None:
        case = _put(condition, replace(case, revealed_at=house.journal.now()))
    revised = _values(reading) != case.values
    if not case.stored:
        case = _store_shown(house, condition, reading, assessment, case)
    answered = case.answered[1] if case.answered and case.answered[0] == assessment.journal_id else None
    with st.container(key="response"):
        st.html(f'<p class="mc-own-line">{_describe(opinion, revised=revised)} {_compare(house, assessment)}</p>')
        if answered is not None:
            _show_answered(answered, assessment)
        else:
            _show_choice(house, condition, reading, assessment, revised=revised)
        _show_problem()


def keep_film(house: House, case: FilmCase, finding: Finding | None) -> None:
    """Store that a film's answer was shown after its reading, and its verdict once there is one.

    A refusal is said and retried. Called at every drawing of the panel, so that it does not matter whether a key or a
    button spoke. A reading first given beside the score is no opinion, and nothing of it is stored here.
    """
    films: dict[str, _Film] = st.session_state.setdefault(_FILMS_KEY, {})
    now = house.journal.now()
    film = films.get(case.id) or _Film(opened_at=now)
    if case.reading is not None and not case.late and film.opinion is None:
        word = opinions.word_of_film(case.reading)
        film = replace(film, opinion=Opinion(word=word, p=None, opened_at=film.opened_at, committed_at=now))
    if finding is not None and finding.p is not None and film.revealed_at is None:
        film = replace(film, revealed_at=now)
    films[case.id] = film
    if finding is None or finding.p is None or film.opinion is None or film.revealed_at is None:
        return
    if film.kept == (case.verdict, case.turns) or (case.verdict is None and film.kept is not None):
        return
    owner, loose = saving.film_owner(case, finding), list_loose(case)
    try:
        saved = opinions.keep_film_verdict(
            house,
            case=case,
            finding=finding,
            opinion=film.opinion,
            revealed_at=film.revealed_at,
            pseudonym=owner,
            key=f"{saving.form_key()} {case.id}",
            earlier=loose,
        )
    except MedcoreError as error:
        what = "Reading" if case.verdict is None else "Verdict"
        st.html(f'<p class="mc-warn" role="alert">{what} not stored: {escape(wording.as_sentence(error.message))}</p>')
        st.button("Try again", key="verdict_retry")
        return
    films[case.id] = replace(
        film, kept=(case.verdict, case.turns), loose=loose if owner is not None else (*loose, saved)
    )


def list_loose(case: FilmCase) -> tuple[SavedVerdict, ...]:
    """Return this tab's verdicts on a film, as it is turned now, that were stored without a patient; oldest first."""
    film: _Film | None = st.session_state.get(_FILMS_KEY, {}).get(case.id)
    return film.loose if film is not None and film.kept is not None and film.kept[1] == case.turns else ()


def _show_choice(
    house: House, condition: Condition, reading: FormReading, assessment: Assessment, *, revised: bool
) -> None:
    parts = (house, condition, reading, assessment, revised)
    with st.container(key="response_words", horizontal=True, vertical_alignment="center"):
        st.button("Agree with the model", key="response_agree", on_click=_agree, args=parts)
        st.button("Override …", key="response_override", on_click=_begin_override, args=(assessment.journal_id,))
    if st.session_state.get(_OVERRIDING_KEY) != assessment.journal_id:
        return
    with st.container(key="override"):
        code = st.selectbox(
            "Why do you override it?",
            list(REASONS),
            index=None,
            format_func=REASONS.__getitem__,
            key=_REASON_KEY,
            placeholder="Choose a reason",
        )
        if banner.get_pseudonym() is not None:
            st.text_input(
                "Remark (optional)", key=_REMARK_KEY, max_chars=opinions.MOST_REASON_CHARS, autocomplete="off"
            )
        elif code == OTHER:
            st.html('<p class="mc-caption">A remark is kept only for an open patient.</p>')
        st.button("Keep the override", key="override_keep", on_click=_override, args=parts, disabled=code is None)


def _show_answered(answered: Response, assessment: Assessment) -> None:
    text = "You agreed with the model." if answered.word == "accepted" else f"You overrode it: {answered.reason}."
    whose = "with the open patient" if banner.get_pseudonym() is not None else "without a patient"
    with st.container(key="response_done", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-own-line" role="status"><b>{escape(text)}</b> Stored {whose}.</p>')
        st.button(
            "Change", key="response_change", type="tertiary", on_click=_reopen, args=(assessment.prediction.condition,)
        )


def _describe(opinion: Opinion, *, revised: bool) -> str:
    said = _WORDS[opinion.word].lower() if opinion.p is None else wording.write_percent(opinion.p)
    at = clock.write_time(opinion.committed_at, clock.local_zone())[11:16]
    when = f", {at}, before the values were changed" if revised else f", {at}"
    return f"Your opinion before the model: <b>{escape(said)}</b>{escape(when)}."


def _compare(house: House, assessment: Assessment) -> str:
    p = assessment.prediction.p_calibrated
    try:
        cut_off = opinions.find_cut_off(house, assessment.prediction.model_id)
    except MedcoreError:
        cut_off = None
    if cut_off is None or p is None:
        return ""
    side = "yes" if p >= cut_off else "no"
    return f"The model, at its cut-off of {escape(_write_cut_off(cut_off))}: <b>{side}</b>."


def _write_cut_off(cut_off: float) -> str:
    return f"{100 * cut_off:.3g} %"


def _commit(
    house: House, condition: Condition, facts: ModelFacts, reading: FormReading, word: str, p: float | None = None
) -> None:
    case = _find_case(house, condition)
    if case.opinion is not None:  # a second click
        return
    try:
        given = opinions.commit(house, condition.id, facts.model_id, word, p=p, opened_at=case.opened_at)
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = error.message
        return
    _put(condition, replace(case, opinion=given, values=_values(reading)))


def _store_shown(
    house: House, condition: Condition, reading: FormReading, assessment: Assessment, case: _Case
) -> _Case:
    """Store at once that the answer was shown after the opinion: whoever leaves without a response is counted, too."""
    assert case.opinion is not None
    assert case.revealed_at is not None
    try:
        opinions.keep_verdict(
            house,
            condition_id=condition.id,
            reading=reading,
            assessment=assessment,
            opinion=case.opinion,
            response=None,
            revealed_at=case.revealed_at,
            revised=_values(reading) != case.values,
            pseudonym=saving.form_owner(condition, reading, assessment),
            key=saving.form_key(),
        )
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = f"Your opinion is not stored. {wording.as_sentence(error.message)}"
        return case
    return _put(condition, replace(case, stored=True))


def _agree(house: House, condition: Condition, reading: FormReading, assessment: Assessment, revised: bool) -> None:
    _respond(house, condition, reading, assessment, revised, "accepted")


def _begin_override(journal_id: int | None) -> None:
    st.session_state[_OVERRIDING_KEY] = journal_id


def _override(house: House, condition: Condition, reading: FormReading, assessment: Assessment, revised: bool) -> None:
    code = str(st.session_state.get(_REASON_KEY) or "")
    remark = str(st.session_state.get(_REMARK_KEY) or "")
    _respond(house, condition, reading, assessment, revised, "overridden", code, remark)


def _respond(
    house: House,
    condition: Condition,
    reading: FormReading,
    assessment: Assessment,
    revised: bool,
    word: str,
    code: str = "",
    remark: str = "",
) -> None:
    case = _find_case(house, condition)
    if case.opinion is None or case.revealed_at is None:
        return
    try:
        response = Response(word=word, code=code, remark=remark)
        opinions.keep_verdict(
            house,
            condition_id=condition.id,
            reading=reading,
            assessment=assessment,
            opinion=case.opinion,
            response=response,
            revealed_at=case.revealed_at,
            revised=revised,
            pseudonym=saving.form_owner(condition, reading, assessment),
            key=saving.form_key(),
        )
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = f"Not stored. {wording.as_sentence(error.message)}"
        return
    st.session_state.pop(_OVERRIDING_KEY, None)
    _put(condition, replace(case, answered=(assessment.journal_id, response)))


def _reopen(condition_id: str) -> None:
    """Let a response be given anew: a change of mind is another verdict."""
    name = state.get_draft(condition_id).case
    kept = st.session_state[_CASES_KEY]
    kept[name] = replace(kept[name], answered=None)


def _find_case(house: House, condition: Condition) -> _Case:
    """Return what happened to the form on the page, begun now if it is new."""
    kept: dict[str, _Case] = st.session_state.setdefault(_CASES_KEY, {})
    found = kept.get(state.get_draft(condition.id).case)
    return found or _put(condition, _Case(opened_at=house.journal.now()))


def _put(condition: Condition, case: _Case) -> _Case:
    kept: dict[str, _Case] = st.session_state.setdefault(_CASES_KEY, {})
    kept[state.get_draft(condition.id).case] = case
    for name in list(kept)[:-_MOST_CASES]:
        del kept[name]
    return case


def _values(reading: FormReading) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(reading.record.values.items()))


def _show_problem() -> None:
    problem = st.session_state.pop(_PROBLEM_KEY, "")
    if problem:
        st.html(f'<p class="mc-error" role="alert">{escape(wording.as_sentence(problem))}</p>')
