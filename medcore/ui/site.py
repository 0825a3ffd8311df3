"""The site's page: questions, models in use, patients' data, maintenance. Administrators change, others see."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.house import House
from medcore.services.trust import readiness, site
from medcore.services.trust.site import SiteSetting
from medcore.ui import site_models, site_retention, wording
from medcore.ui.site_acts import attempt, is_managing, say_who, show_message

__all__ = ["show"]

_PART_KEY = "site_part"
_PARTS: dict[str, Callable[[House], None]] = {}
_STATES = {
    "ok": "ok",
    "not_ready": "not loaded yet",
    "full": f"less than {readiness.LEAST_FREE_MB} MB free",
    "unknown": "cannot be told",
}


def show(house: House) -> None:
    """Draw the page."""
    with st.container(key="site"):
        part = st.segmented_control(
            "Part", list(_PARTS), default=next(iter(_PARTS)), key=_PART_KEY, label_visibility="collapsed", required=True
        )
        show_message()
        if house.settings.demo:
            st.html('<p class="mc-text">Demo: every model is in use, and nothing can be changed here.</p>')
        elif not is_managing(house):
            st.html('<p class="mc-quiet">Only administrators change what stands here.</p>')
        try:
            _PARTS[part or next(iter(_PARTS))](house)
        except MedcoreError as error:
            st.html(f'<p class="mc-error" role="alert">{escape(wording.as_sentence(error.message))}</p>')


def _show_questions(house: House) -> None:
    """Draw the site's name, and for each question how common it is here and who speaks first."""
    _show_name(house)
    st.html(
        '<h2>Questions</h2><p class="mc-quiet">How common a finding is here restates the model\'s risk where that is '
        "allowed. Where the reader decides first, the model's answer opens after the reader's own opinion.</p>"
    )
    managing = is_managing(house)
    for condition_id, title in site.list_questions():
        with st.container(key=f"question_{condition_id}"):
            _show_question(house, condition_id, title, managing=managing)


def _show_name(house: House) -> None:
    kept = site.read_setting(house, site.SITE_NAME)
    name = site.site_name(house)
    if not is_managing(house):
        st.html(f"<h2>{escape(name) or 'This site has no name yet'}</h2>{_who(kept)}")
        return
    with st.container(key="site_name", horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name of this site", value=name, key="new_site_name", max_chars=80, autocomplete="off")
        version = kept.version if kept else 0
        st.button("Save", key="save_site_name", on_click=_save_name, args=(house, version))
    if kept is not None:
        st.html(_who(kept))


def _save_name(house: House, version: int) -> None:
    name = str(st.session_state.get("new_site_name") or "")
    attempt(lambda: site.set_site_name(house, name, version=version), "The name is saved.")


def _show_question(house: House, condition_id: str, title: str, *, managing: bool) -> None:
    first = site.read_setting(house, site.READ_FIRST + condition_id)
    common = site.read_setting(house, site.PREVALENCE + condition_id)
    value, on = site.find_prevalence(house, condition_id), site.is_read_first(house, condition_id)
    newest = max((item for item in (first, common) if item), key=lambda item: item.changed_at, default=None)
    source = "" if common or value is None else '<span class="mc-quiet">prevalence from MEDCORE_PREVALENCE</span>'
    st.html(f'<p class="mc-setting"><b>{escape(title)}</b>{_who(newest) or source}</p>')
    known = "" if value is None else f"{100 * value:g}"
    if not managing:
        st.html(f"<p>{f'{known} of 100 here have it' if known else 'How common it is here is not known'}</p>")
        st.html(f"<p>{'Reader decides first' if on else 'Model answers at once'}</p>")
        return
    key = f"prevalence_{condition_id}_{common.version if common else 0}"
    st.text_input(
        "Of 100 here, how many have it?",
        value=known,
        key=key,
        placeholder="not known",
        autocomplete="off",
        on_change=_save_prevalence,
        args=(house, condition_id, title, common.version if common else 0, key),
    )
    key = f"first_{condition_id}_{first.version if first else 0}"
    st.toggle(
        "Reader first",
        value=on,
        key=key,
        on_change=_save_first,
        args=(house, condition_id, title, first.version if first else 0, key),
    )


def _save_prevalence(house: House, condition_id: str, title: str, version: int, key: str) -> None:
    text = str(st.session_state.get(key) or "").strip().rstrip("%").replace(",", ".")
    try:
        value = float(text) / 100 if text else None
    except ValueError:
        value = float("nan")
    words = "how common it is here is not known" if value is None else f"{text} of 100 here have it"
    attempt(lambda: site.set_prevalence(house, condition_id, value, version=version), f"{title}: {words}.")


def _save_first(house: House, condition_id: str, title: str, version: int, key: str) -> None:
    on = bool(st.session_state.get(key))
    words = "the reader decides first" if on else "the model answers at once"
    attempt(lambda: site.set_read_first(house, condition_id, on, version=version), f"{title}: {words}.")


def _show_maintenance(house: House) -> None:
    """Draw read-only mode and what the server says about itself."""
    kept = site.read_setting(house, site.READ_ONLY)
    on = site.is_read_only(house)
    state = "Read-only mode is <b>on</b>: everything can be read, nothing is saved." if on else "Saving is possible."
    st.html(
        f'<h2>Maintenance</h2><p class="mc-text">{state} {_who(kept)}</p><p class="mc-quiet">In read-only mode results '
        "are still computed and every look is still recorded; forms keep what was entered until it is over.</p>"
    )
    if house.settings.read_only:
        st.html('<p class="mc-quiet">Set by MEDCORE_READ_ONLY: a start without it ends it.</p>')
    elif is_managing(house):
        words = "End read-only mode" if on else "Begin read-only mode"
        st.button(words, key="read_only", on_click=_switch, args=(house, not on, kept.version if kept else 0))
    found = readiness.check_readiness(house)
    free = "" if found.free_mb is None else f", {found.free_mb / 1000:.1f} GB free"
    rows = (
        ("Models", _STATES.get(found.models, found.models)),
        ("Journal", "writable" if found.journal == "ok" else f"not writable ({found.journal})"),
        ("Disk of the data folder", _STATES.get(found.disk, found.disk) + free),
    )
    cells = "".join(f"<tr><th scope='row'>{name}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    st.html(
        f'<h2>This server now</h2><table class="mc-table"><tbody>{cells}</tbody></table>'
        '<p class="mc-quiet">Machines ask the same at <code>/readyz</code>.</p>'
    )


def _switch(house: House, on: bool, version: int) -> None:
    done = "Read-only mode is on. Nothing is saved until it ends." if on else "Read-only mode is over."
    attempt(lambda: site.set_read_only(house, on, version=version), done)


def _who(kept: SiteSetting | None) -> str:
    return say_who(kept.actor, kept.changed_at) if kept else ""


_PARTS.update(
    {
        "Questions": _show_questions,
        "Models in use": site_models.show,
        "Patients' data": site_retention.show,
        "Maintenance": _show_maintenance,
    }
)
