"""How long patients are kept, and erasing one of them: by pseudonym only, typed twice, with no way back."""

from __future__ import annotations

from html import escape

import streamlit as st

from medcore.services.house import House
from medcore.services.trust import retention, site
from medcore.services.trust.retention import DryRun
from medcore.ui.site_acts import attempt, is_managing, say_who, write_moment

__all__ = ["show"]

_SEEN_KEY = "mc_retention_seen"
_MOST_ROWS = 100


def show(house: House) -> None:
    """Draw the rule and, for administrators, how it is changed and how one patient is erased."""
    kept, days = site.read_setting(house, retention.RETENTION), retention.find_days(house)
    rule = (
        "Patients are kept until somebody erases them."
        if days is None
        else f"A patient about whom nothing was entered for <b>{days:,} days</b> is erased at the next daily run."
    )
    who = say_who(kept.actor, kept.changed_at) if kept else ""
    st.html(f'<h2>How long patients are kept</h2><p class="mc-text">{rule} {who}</p>')
    st.html(
        "<p class='mc-quiet'>Erasing destroys the patient's key: identifiers, drafts and images go, saved results "
        "become unreadable, the audit trail stays whole and keeps the pseudonym. How long you must keep records is a "
        "matter of law.</p>"
    )
    if not is_managing(house):
        return
    with st.container(key="site_two"):
        with st.container(key="site_part_rule"):
            _show_rule(house, days, kept.version if kept else 0)
        with st.container(key="site_part_erase"):
            _show_erase(house)


def _show_rule(house: House, days: int | None, version: int) -> None:
    st.html("<h3>Change the rule</h3>")
    st.number_input(
        "Days without an entry",
        min_value=retention.FEWEST_DAYS,
        max_value=retention.MOST_DAYS,
        value=days or 3650,
        step=1,
        key="retention_days",
    )
    with st.container(key="retention_buttons", horizontal=True):
        st.button("Show what it would erase", key="preview_rule", on_click=_preview, args=(house,))
        if days is not None:
            st.button("Keep everything", key="rule_off", on_click=_settle, args=(house, None, version))
    seen: DryRun | None = st.session_state.get(_SEEN_KEY)
    if seen is None or seen.days != st.session_state.get("retention_days"):
        return
    st.html(_write_preview(seen))
    n = len(seen.patients)
    words = "Yes, settle this rule" if not n else f"Yes, erase {'this patient' if n == 1 else f'these {n:,} patients'}"
    sure = st.checkbox(words, key=f"rule_sure_{seen.days}_{n}")
    st.button("Settle the rule", key="rule_on", disabled=not sure, on_click=_settle, args=(house, seen, version))


def _write_preview(seen: DryRun) -> str:
    if not seen.patients:
        return f'<p class="mc-text">With {seen.days:,} days nobody would be erased today.</p>'
    rows = "".join(
        f"<tr><td>{escape(item.pseudonym)}</td><td>{write_moment(item.last_entry)}</td></tr>"
        for item in seen.patients[:_MOST_ROWS]
    )
    n = len(seen.patients)
    more = "" if n <= _MOST_ROWS else f'<p class="mc-quiet">and {n - _MOST_ROWS:,} more</p>'
    words = "1 patient" if n == 1 else f"{n:,} patients"
    return (
        f'<p class="mc-warn">With {seen.days:,} days {words} would be erased at the next run.</p>'
        '<div class="mc-scroll mc-short"><table class="mc-table"><thead><tr><th scope="col">Patient</th>'
        f'<th scope="col">Newest entry</th></tr></thead><tbody>{rows}</tbody></table></div>{more}'
    )


def _preview(house: House) -> None:
    days = int(st.session_state.get("retention_days") or 0)

    def act() -> None:
        st.session_state[_SEEN_KEY] = retention.preview(house, days)

    attempt(act, "")


def _settle(house: House, seen: DryRun | None, version: int) -> None:
    days = seen.days if seen else None
    done = (
        "Patients are kept until somebody erases them." if days is None else f"The rule is {days:,} days from now on."
    )
    if attempt(lambda: retention.set_days(house, days, seen=seen, version=version), done):
        st.session_state.pop(_SEEN_KEY, None)


def _show_erase(house: House) -> None:
    copies = retention.count_copies(house)
    with st.container(key="site_danger"):
        st.html("<h3>Erase one patient</h3><p class='mc-quiet'>By pseudonym, as it stands on the patient's page.</p>")
        st.text_input("Pseudonym", key="erase_one", max_chars=20, autocomplete="off", placeholder="P-…")
        st.text_input("The same pseudonym again", key="erase_again", max_chars=20, autocomplete="off")
        st.selectbox(
            "Why",
            list(retention.REASONS),
            format_func=retention.REASONS.__getitem__,
            index=None,
            placeholder="Choose",
            key="erase_why",
        )
        sure = st.checkbox("Yes, erase this patient for good: there is no way back", key="erase_sure")
        st.button("Erase", key="erase_now", disabled=not sure, on_click=_erase, args=(house,))
        if copies:
            st.html(
                f'<p class="mc-warn">{copies} older cop{"y" if copies == 1 else "ies"} of the journal in the data '
                "folder, made before an upgrade or a restore, still hold the key: delete what is not needed.</p>"
            )


def _erase(house: House) -> None:
    name, again = (str(st.session_state.get(key) or "") for key in ("erase_one", "erase_again"))
    why = str(st.session_state.get("erase_why") or "")
    if attempt(lambda: retention.erase_patient(house, name, again, why), f"{name.strip().upper()} is erased."):
        for key in ("erase_one", "erase_again"):
            st.session_state[key] = ""
        st.session_state["erase_why"] = None
    st.session_state["erase_sure"] = False
