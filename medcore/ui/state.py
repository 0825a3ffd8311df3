"""Session keys and the draft: what one user has typed, kept apart from the widgets that show it.

A widget's value vanishes when its page is left; the draft does not. Nothing here is shared between users.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import streamlit as st

from medcore.records import Field, FieldKind

__all__ = [
    "CONDITION_KEY",
    "DRAFTS_KEY",
    "OWNERS_KEY",
    "PASTE_KEY",
    "RESULT_KEY",
    "UNDO_KEY",
    "Draft",
    "PasteReport",
    "Undo",
    "change_owner",
    "collect",
    "forms_of",
    "get_draft",
    "get_undo",
    "new_case",
    "put_values",
    "remember",
    "shown_condition",
    "take_over",
    "undo",
]

CONDITION_KEY = "condition"
DRAFTS_KEY = "mc_drafts"
OWNERS_KEY = "mc_forms_of"
PASTE_KEY = "paste"
RESULT_KEY = "mc_result"
UNDO_KEY = "mc_undo"
_SHOWN_KEY = "mc_shown_condition"
_OF_ONE_PATIENT = ("mc_sweep", "mc_refine", "mc_case_copy", "case_patient", "prevalence", "more")
"""Keys of other parts of the clinical pages that must not outlive a change of patient."""


@dataclass(slots=True, kw_only=True)
class PasteReport:
    """What became of a pasted text."""

    understood: int
    ignored: tuple[str, ...]


def new_case() -> str:
    """Return a name for a form that is begun; says nothing about anybody."""
    return secrets.token_hex(8)


@dataclass(slots=True, kw_only=True)
class Draft:
    """The typed form of one condition.

    ``values`` are texts (a choice as its word), ``units`` chosen units that differ from the field's
    own, ``keep`` texts whose unit the user has confirmed, ``pending`` units chosen but not yet applied.
    ``case`` is drawn at random when the form is begun, anew when it is emptied: one form, one case.
    """

    values: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    keep: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    paste: PasteReport | None = None
    example: str | None = None
    case: str = field(default_factory=new_case)

    @property
    def kept_fields(self) -> frozenset[str]:
        """Fields whose present text the user has confirmed in its unit."""
        return frozenset(name for name, text in self.keep.items() if self.values.get(name) == text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """The form as it was before one action, with the action's name."""

    condition: str
    action: str
    draft: Draft


def get_draft(condition_id: str) -> Draft:
    """Return the user's draft of a condition, empty at first."""
    drafts: dict[str, Draft] = st.session_state.setdefault(DRAFTS_KEY, {})
    return drafts.setdefault(condition_id, Draft())


def collect(condition_id: str, fields: Iterable[Field]) -> Draft:
    """Bring draft and widgets together and return the draft.

    Widgets of the same condition win; absent ones (page just opened, condition just changed) are
    filled from the draft.
    """
    draft = get_draft(condition_id)
    same = st.session_state.get(_SHOWN_KEY) == condition_id
    st.session_state[_SHOWN_KEY] = condition_id
    for item in fields:
        if same and item.name in st.session_state:
            draft.values[item.name] = st.session_state[item.name] or ""
        else:
            _show(item, draft.values.get(item.name, ""))
    draft.values = {name: text for name, text in draft.values.items() if text}
    return draft


def shown_condition() -> str | None:
    """Return the condition whose form the widgets show, if any."""
    shown: str | None = st.session_state.get(_SHOWN_KEY)
    return shown


def forms_of(owner: str | None) -> dict[str, Draft]:
    """Return the forms set aside for a patient (None = for nobody): condition to draft, those with values only."""
    kept: dict[str, Draft] = st.session_state.get(OWNERS_KEY, {}).get(owner or "", {})
    return {condition: draft for condition, draft in kept.items() if draft.values}


def change_owner(old: str | None, new: str | None, fields: Iterable[Field] = ()) -> None:
    """Set the forms of one patient aside and bring those of another; what could mix the two is forgotten.

    ``fields`` are those of the form on the page: what was typed last is not lost.
    """
    shown = shown_condition()
    if shown is not None and fields:
        collect(shown, fields)
    kept = st.session_state.setdefault(OWNERS_KEY, {})
    kept[old or ""] = st.session_state.pop(DRAFTS_KEY, {})
    st.session_state[DRAFTS_KEY] = kept.pop(new or "", {})
    for key in (UNDO_KEY, RESULT_KEY, PASTE_KEY, _SHOWN_KEY, *_OF_ONE_PATIENT):
        st.session_state.pop(key, None)


def take_over(owner: str | None) -> None:
    """Move the forms set aside for ``owner`` to the present ones, where those are empty."""
    kept = st.session_state.get(OWNERS_KEY, {})
    drafts: dict[str, Draft] = st.session_state.setdefault(DRAFTS_KEY, {})
    for condition, draft in forms_of(owner).items():
        if condition not in drafts or not drafts[condition].values:
            drafts[condition] = draft
            del kept[owner or ""][condition]
    for key in (UNDO_KEY, _SHOWN_KEY):
        st.session_state.pop(key, None)


def put_values(draft: Draft, fields: Iterable[Field], values: Mapping[str, str]) -> None:
    """Make ``values`` the texts of ``fields`` in the draft and on the page; others stay."""
    for item in fields:
        if item.name in values:
            draft.values[item.name] = values[item.name]
            _show(item, values[item.name])


def remember(condition_id: str, action: str) -> None:
    """Keep a copy of the form so that ``action`` can be undone."""
    before = copy.deepcopy(get_draft(condition_id))
    st.session_state[UNDO_KEY] = Undo(condition=condition_id, action=action, draft=before)


def get_undo(condition_id: str) -> Undo | None:
    """Return what can be undone on this form."""
    last: Undo | None = st.session_state.get(UNDO_KEY)
    return last if last is not None and last.condition == condition_id else None


def undo(condition_id: str, fields: Iterable[Field]) -> None:
    """Take the last action back."""
    last = get_undo(condition_id)
    if last is None:
        return
    st.session_state[DRAFTS_KEY][condition_id] = last.draft
    for item in fields:
        _show(item, last.draft.values.get(item.name, ""))
    del st.session_state[UNDO_KEY]


def _show(item: Field, text: str) -> None:
    if item.kind is FieldKind.CHOICE:
        st.session_state[item.name] = text if text in {choice.word for choice in item.choices} else None
    else:
        st.session_state[item.name] = text
