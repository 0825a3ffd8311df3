"""The auditor's page: filters, the trail page by page, the check in words, the files to take away.

Nothing here names a patient or holds a value: the trail knows pseudonyms only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, tzinfo
from html import escape

import streamlit as st

from medcore.errors import InputError, MedcoreError
from medcore.services.house import House, list_conditions, list_film_conditions
from medcore.services.trust import audit_desk
from medcore.services.trust.audit_desk import AuditCheck, AuditFile, AuditFormat, AuditPage, Event, EventFilter, Words
from medcore.ui import clock, wording

__all__ = ["show_actions", "show_trail", "take_filter"]

_WORDS_KEY = "mc_audit_words"
_PLACE_KEY = "mc_audit_place"
_PAGE_KEY = "mc_audit_page"
_CHECK_KEY = "mc_audit_check"
_FILE_KEY = "mc_audit_file"
_ASK_KEY = "mc_audit_asked"
_FILTERS = (
    "audit_from",
    "audit_to",
    "audit_actor",
    "audit_action",
    "audit_outcome",
    "audit_condition",
    "audit_model",
    "audit_patient",
)
_FIRST_DAY = date(2000, 1, 1)
_FORMATS = {AuditFormat.FHIR: "FHIR AuditEvent", AuditFormat.CSV: "CSV"}
_HEAD = ("No.", "Time", "Who", "Did what", "Outcome", "Patient", "Question and model", "Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Which page of which filter: the newest, or the one next to an event's number."""

    wanted: EventFilter
    before: int | None = None
    after: int | None = None


def take_filter(house: House) -> EventFilter | None:
    """Draw the filters and return what they say; None, with a sentence, where one cannot be used."""
    words = _list_words(house)
    titles = _titles()
    zone = clock.local_zone()
    with st.container(key="audit_filter"):
        first = _choose_day("From", "audit_from")
        last = _choose_day("To", "audit_to")
        actor = _choose("Who", "audit_actor", words.actor)
        action = _choose("Did what", "audit_action", words.action, spaced=True)
        outcome = _choose("Outcome", "audit_outcome", words.outcome, spaced=True)
        condition = _choose("Question", "audit_condition", words.condition, titles)
        model = _choose("Model", "audit_model", words.model_id)
        patient = st.text_input(
            "Patient (pseudonym)", key="audit_patient", max_chars=40, autocomplete="off", placeholder="P-…"
        )
    try:
        pseudonym = audit_desk.parse_pseudonym(patient)
    except InputError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return None
    return EventFilter(
        actor=actor,
        action=action,
        outcome=outcome,
        condition=condition,
        model_id=model,
        patient=pseudonym,
        since=clock.start_of(first, zone),
        until=clock.end_of(last, zone),
    )


def show_actions(house: House, wanted: EventFilter) -> None:
    """Draw the check and the export, and what came of them."""
    with st.container(key="audit_actions", horizontal=True, vertical_alignment="center"):
        st.button("Check the whole trail", key="audit_check", on_click=_ask, args=("check",))
        for form, name in _FORMATS.items():
            st.button(f"Export {name}", key=f"audit_{form}", on_click=_ask, args=(form.value,))
        st.button("Clear filters", key="audit_clear", type="tertiary", on_click=_clear)
        _offer_file(wanted)
    _do_asked(house, wanted)
    done: AuditCheck | None = st.session_state.get(_CHECK_KEY)
    if done is not None:
        st.html(render_check(done))


def show_trail(house: House, wanted: EventFilter) -> None:
    """Draw one page of the trail with the way to the others."""
    place = st.session_state.get(_PLACE_KEY)
    if place is None or place.wanted != wanted:
        place = st.session_state[_PLACE_KEY] = _Place(wanted=wanted)
        st.session_state.pop(_PAGE_KEY, None)
    page: AuditPage | None = st.session_state.get(_PAGE_KEY)
    if page is None:
        try:
            page = audit_desk.look(house, wanted, before=place.before, after=place.after)
        except MedcoreError as error:
            st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
            st.button("Try again", key="audit_retry")
            return
        st.session_state[_PAGE_KEY] = page
    zone = clock.local_zone()
    with st.container(key="audit_pager", horizontal=True, vertical_alignment="center"):
        st.html(f'<p class="mc-quiet" role="status">{_describe_page(page, zone)}</p>')
        st.button("Newest", key="audit_newest", on_click=_go, args=(wanted, None, None))
        first, last = (page.events[0].id, page.events[-1].id) if page.events else (None, None)
        st.button("‹ Newer", key="audit_newer", disabled=not page.has_newer, on_click=_go, args=(wanted, None, first))
        st.button("Older ›", key="audit_older", disabled=not page.has_older, on_click=_go, args=(wanted, last, None))
    st.html(render_events(page.events, zone, _titles()))


def render_events(events: tuple[Event, ...], zone: tzinfo, titles: Mapping[str, str]) -> str:
    """Return events as a table, one row each."""
    if not events:
        return '<p class="mc-text">No event fits these filters.</p>'
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    rows = "".join(_render_event(event, zone, titles) for event in events)
    return (
        f'<div class="mc-scroll"><table class="mc-table mc-trail"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def render_check(done: AuditCheck) -> str:
    """Return in words what a check found."""
    counted = (
        f"{done.n_events:,} events and {done.n_records:,} saved records were checked in {done.seconds:.1f} s".replace(
            ",", "\u202f"
        )
    )
    if done.ok:
        return (
            '<section class="mc-checked" role="status"><p class="mc-title">The trail is intact</p>'
            f"<p>{counted}. None was changed, removed, put in another order or cut off.</p>"
            f'<p class="mc-quiet">Newest signature <code>{escape(done.head[:16])}</code>: written down somewhere else, '
            "it shows later that nobody put an earlier copy of the whole journal in its place.</p></section>"
        )
    items = "".join(f"<li>{escape(finding.text)}</li>" for finding in done.findings)
    n = len(done.findings)
    return (
        f'<section class="mc-problem" role="alert"><h2>The trail is not intact: {n} finding{"s" * (n > 1)}</h2>'
        f"<p>{counted}.</p><ul>{items}</ul><p>Leave the server and its data folder as they are, copy the folder, and "
        "tell the administrator and whoever is responsible for data protection. <code>medcore restore</code> puts a "
        "checked backup in its place.</p></section>"
    )


def _render_event(event: Event, zone: tzinfo, titles: Mapping[str, str]) -> str:
    role = f"<small>{escape(_name_role(event))}</small>"
    model = f"<small>{escape(event.model_id)} <code>{escape(event.sha256[:6])}</code></small>" if event.model_id else ""
    question = escape(titles.get(event.condition, event.condition))
    cells = (
        clock.write_time(event.at, zone).replace(" ", "\u00a0"),
        escape(event.actor) + role,
        escape(_space(event.action)),
        escape(_space(event.outcome)),
        escape(event.patient),
        question + model,
        _render_target(event.target),
    )
    return f'<tr><th scope="row">{event.id}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _render_target(target: str) -> str:
    kind, _, number = target.partition(":")
    return f"{escape(kind)}<small><code>{escape(number[:12])}</code></small>" if number else escape(kind)


def _name_role(event: Event) -> str:
    session = f"session {event.session[:8]}" if event.session else ""
    role = {"all": "every role"}.get(event.role, event.role.replace(",", ", "))
    return " · ".join(part for part in (role, session) if part)


def _describe_page(page: AuditPage, zone: tzinfo) -> str:
    if not page.events:
        return "No events"
    n = len(page.events)
    return f"{n} event{'s' * (n > 1)}, newest first. Times: {escape(clock.name_zone(zone))}; stored as UTC."


def _choose(
    label: str, key: str, words: tuple[str, ...], titles: Mapping[str, str] | None = None, *, spaced: bool = False
) -> str:
    """Draw one choice among the words of the trail; empty = all."""
    chosen = st.session_state.get(key)
    options = words if chosen is None or chosen in words else (*words, chosen)
    names = titles or {}
    found = st.selectbox(
        label,
        options,
        index=None,
        key=key,
        placeholder="all",
        format_func=lambda word: names.get(word, _space(word) if spaced else word),
    )
    return found or ""


def _list_words(house: House) -> Words:
    try:
        words = audit_desk.list_choices(house, st.session_state.get(_WORDS_KEY))
    except MedcoreError:
        words = st.session_state.get(_WORDS_KEY) or Words()
    st.session_state[_WORDS_KEY] = words
    return words


def _titles() -> dict[str, str]:
    tables = {item.id: item.title for item in list_conditions()}
    return tables | {item.id: item.title for item in list_film_conditions()}


def _space(word: str) -> str:
    return word.replace("_", " ")


def _choose_day(label: str, key: str) -> date | None:
    return st.date_input(label, value=None, key=key, format="YYYY-MM-DD", min_value=_FIRST_DAY, max_value=date.max)


def _clear() -> None:
    for key in _FILTERS:
        st.session_state[key] = "" if key == "audit_patient" else None


def _go(wanted: EventFilter, before: int | None, after: int | None) -> None:
    st.session_state[_PLACE_KEY] = _Place(wanted=wanted, before=before, after=after)
    st.session_state.pop(_PAGE_KEY, None)


def _ask(what: str) -> None:
    st.session_state[_ASK_KEY] = what


def _do_asked(house: House, wanted: EventFilter) -> None:
    asked = st.session_state.pop(_ASK_KEY, None)
    if asked is None:
        return
    try:
        if asked == "check":
            st.session_state.pop(_CHECK_KEY, None)
            bar = st.progress(0.0, "Checking every event")
            st.session_state[_CHECK_KEY] = audit_desk.check(house, lambda share: bar.progress(share, "Checking"))
            bar.empty()
            return
        with st.spinner("Writing the file…"):
            file = audit_desk.export(house, wanted, AuditFormat(asked))
        st.session_state[_FILE_KEY] = (wanted, file)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(wording.as_sentence(error.message))}</p>')
        return
    st.rerun()


def _offer_file(wanted: EventFilter) -> None:
    kept: tuple[EventFilter, AuditFile] | None = st.session_state.get(_FILE_KEY)
    if kept is None or kept[0] != wanted:
        return
    file = kept[1]
    st.download_button(
        f"Save {file.name}", file.data, file_name=file.name, mime=file.mime, key="audit_save", on_click="ignore"
    )
    left = (
        f" The newest ones: {file.n_left_out} older ones had no room. Choose fewer days, or run "
        "<code>medcore audit export</code> on the server."
        if file.n_left_out
        else ""
    )
    st.html(f'<p class="mc-caption">{file.n_events} event{"s" * (file.n_events != 1)}.{left}</p>')
