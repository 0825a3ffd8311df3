"""Saving what is on the screen, to the patient who is open or without one, and what came of it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import Assessment
from medcore.services.bedside.clinic import FormReading
from medcore.services.films.reading import FilmCase, Finding
from medcore.services.films.worklist import Worklist
from medcore.services.house import Condition, House
from medcore.services.trust.cases import confirm_film, save_assessment, save_film
from medcore.services.trust.fit import compare_film, compare_form
from medcore.services.trust.opinions import SavedVerdict, assign_film
from medcore.services.trust.patients import Patient
from medcore.ui import banner, clock, drafting, state, timeline, wording

__all__ = ["Kept", "film_owner", "form_key", "form_owner", "show_assessment", "show_film"]

_KEY = "mc_save_key"
_SAVED_KEY = "mc_saved"
_PROBLEM_KEY = "mc_save_problem"
_KEEP_IMAGE_KEY = "keep_image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One saved result as the page says it: number, time, and whose it is (empty for nobody's)."""

    id: str
    at: str
    actor: str
    pseudonym: str


def form_key() -> str:
    """Return this tab's key against saving twice; see :func:`medcore.services.trust.cases.save_assessment`."""
    return str(st.session_state.setdefault(_KEY, secrets.token_hex(16)))


def show_assessment(house: House, condition: Condition, reading: FormReading, assessment: Assessment) -> None:
    """Draw the button that saves a patient's result, or when it was saved."""

    def save() -> Kept:
        pseudonym = banner.get_pseudonym()
        saved = save_assessment(
            house,
            condition_id=condition.id,
            reading=reading,
            assessment=assessment,
            pseudonym=pseudonym,
            key=form_key(),
        )
        with contextlib.suppress(MedcoreError):  # it is saved; the draft is offered once more
            drafting.drop(house, condition.id)
        return _describe(saved.id, clock.write_time(saved.created_at, clock.local_zone()), saved.actor, pseudonym)

    _show(_name_form(assessment), save, doubts=_doubt_form(condition, reading))


def show_film(
    house: House,
    worklist: Worklist,
    case: FilmCase,
    finding: Finding,
    list_earlier: Callable[[FilmCase], tuple[SavedVerdict, ...]],
) -> None:
    """Draw the button that saves a film's result, with or without its pixels, or when it was saved.

    ``list_earlier`` gives what its reader stored of the film without a patient: with a patient it goes along.
    """

    def save() -> Kept:
        pseudonym, now = banner.get_pseudonym(), worklist.case(case.id)
        keep_image, key = bool(st.session_state.get(_KEEP_IMAGE_KEY)), f"{form_key()} {case.id}"
        earlier = list_earlier(now)
        if pseudonym is not None and earlier:
            saved = assign_film(
                house,
                case=now,
                finding=finding,
                earlier=earlier,
                pseudonym=pseudonym,
                keep_image=keep_image,
                key=key,
            )
        else:
            saved = save_film(
                house, case=now, finding=finding, pseudonym=pseudonym, keep_image=keep_image, key=key
            )  # fmt: skip
        return _describe(saved.id, clock.write_time(saved.created_at, clock.local_zone()), saved.actor, pseudonym)

    patient = banner.get_patient()
    if patient is None:
        _show(_name_film(case, finding), save, doubts=(), is_film=True)
        return
    _show(
        _name_film(case, finding),
        save,
        doubts=tuple(compare_film(case.pixels, patient).values()),
        is_film=True,
        confirm=lambda: confirm_film(house, case, patient),
    )


def form_owner(condition: Condition, reading: FormReading, assessment: Assessment) -> str | None:
    """Return whose result this is, as far as it is sure: None without an open patient, or while there is a doubt."""
    pseudonym = banner.get_pseudonym()
    sure = not _doubt_form(condition, reading) or _is_sure(_name_form(assessment), pseudonym)
    return pseudonym if sure else None


def film_owner(case: FilmCase, finding: Finding) -> str | None:
    """Return whose film this is, as far as it is sure: None until the reader ticked that it is the open patient's."""
    pseudonym = banner.get_pseudonym()
    return pseudonym if _is_sure(_name_film(case, finding), pseudonym) else None


def _name_form(assessment: Assessment) -> str:
    return f"risk {assessment.prediction.condition} {assessment.journal_id}"


def _name_film(case: FilmCase, finding: Finding) -> str:
    return f"film {case.id} {case.turns} {finding.prevalence}"


def _doubt_form(condition: Condition, reading: FormReading) -> tuple[str, ...]:
    """Say why this form may not be the open patient's."""
    patient = banner.get_patient()
    if patient is None:
        return ()
    doubts = compare_form(condition.id, reading, patient)
    if not patient.made_up and state.get_draft(condition.id).example:
        doubts = ("These values are a made-up example.", *doubts)
    return doubts


def _is_sure(what: str, pseudonym: str | None) -> bool:
    slot = (what, pseudonym or "")
    return bool(st.session_state.get(_name_tick(slot))) or slot in st.session_state.get(_SAVED_KEY, {})


def _name_tick(slot: tuple[str, str]) -> str:
    return f"sure {' '.join(slot)}"


def _describe(number: str, at: str, actor: str, pseudonym: str | None) -> Kept:
    return Kept(id=number, at=at[:16], actor=actor.partition(":")[2] or actor, pseudonym=pseudonym or "")


def _show(
    what: str,
    save: Callable[[], Kept],
    *,
    doubts: tuple[str, ...],
    is_film: bool = False,
    confirm: Callable[[], None] | None = None,
) -> None:
    """Draw the button, or what was saved. What may be of another patient needs a tick first, and so does every film.

    ``confirm`` records the tick; one that cannot be recorded does not stay.
    """
    patient = banner.get_patient()
    slot = (what, patient.pseudonym if patient is not None else "")
    kept: Kept | None = st.session_state.get(_SAVED_KEY, {}).get(slot)
    if kept is not None:
        with st.container(key="saved"):
            st.html(_say_saved(kept, patient))
        return
    with st.container(key="saving", horizontal=True, vertical_alignment="center"):
        if is_film:
            st.checkbox("with the image", key=_KEEP_IMAGE_KEY)
        sure = True
        if patient is not None and (is_film or doubts):
            for text in doubts:
                st.html(f'<p class="mc-warn">{escape(text)}</p>')
            name = wording.escape_markdown(banner.name_patient(patient))
            sure = st.checkbox(
                f"I checked: this is {name}", key=_name_tick(slot), on_change=_confirm, args=(slot, confirm)
            )
        st.button(_label(patient), key="save_result", on_click=_save, args=(slot, save), disabled=not sure)
        problem = st.session_state.get(_PROBLEM_KEY)
        if problem is not None and problem[0] == slot:
            st.html(f'<p class="mc-error" role="alert">Not saved. {escape(problem[1])} Nothing typed is lost.</p>')


def _confirm(slot: tuple[str, str], confirm: Callable[[], None] | None) -> None:
    """Record a tick that was set, or take it away."""
    tick = _name_tick(slot)
    if confirm is None or not st.session_state.get(tick):
        return
    try:
        confirm()
    except MedcoreError as error:
        st.session_state[tick] = False
        st.session_state[_PROBLEM_KEY] = (slot, error.message)


def _label(patient: Patient | None) -> str:
    if patient is None:
        return "Save without a patient"
    return f"Save to {wording.escape_markdown(banner.name_patient(patient))}"


def _say_saved(kept: Kept, patient: Patient | None) -> str:
    whose = f"to <bdi>{escape(banner.name_patient(patient))}</bdi>" if patient is not None else "without a patient"
    return (
        f'<p class="mc-done" role="status">Saved {whose} · {escape(kept.at)} · by <bdi>{escape(kept.actor)}</bdi> · '
        f"no. {escape(kept.id[:8])}</p>"
    )


def _save(slot: tuple[str, str], save: Callable[[], Kept]) -> None:
    """Save, for the button; a refusal stays beside it until the next try."""
    st.session_state.pop(_PROBLEM_KEY, None)
    if (banner.get_pseudonym() or "") != slot[1]:  # the button was drawn for another patient
        st.session_state[_PROBLEM_KEY] = (slot, "Another patient is open now.")
        return
    try:
        kept = save()
    except MedcoreError as error:
        st.session_state[_PROBLEM_KEY] = (slot, error.message)
        return
    st.session_state.setdefault(_SAVED_KEY, {})[slot] = kept
    timeline.forget()
