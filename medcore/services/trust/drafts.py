"""Forms that are not finished, kept sealed while they are typed, so that no lost connection costs a value.

A :class:`DraftKeeper` belongs to one tab. It writes a moment after the last change, in the background, so that no
keystroke waits for it. Two tabs that took up the same draft never overwrite each other: the later one goes on under
a number of its own. In a demo, where all visitors are one actor, nothing is kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from medcore.access import Action, Resource, who_is
from medcore.errors import EditConflictError, MedcoreError
from medcore.journal import Draft, Journal, Who
from medcore.journal.drafts import new_draft
from medcore.services.house import House

__all__ = ["KEPT_FOR", "DraftKeeper", "FormContent", "OpenForm", "discard_form", "list_forms"]

_log = logging.getLogger(__name__)

PAUSE_S = 0.8
"""How long after the last change a draft is written."""

KEPT_FOR = timedelta(days=7)
"""A draft that nobody took up is removed after this long."""

_PARTS = ("value", "unit", "keep")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormContent:
    """What was typed: texts per field, units that differ from the field's own, and texts whose unit was confirmed."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    units: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenForm:
    """A form that was not finished. ``version`` tells whether somebody went on with it since."""

    id: str
    condition: str
    pseudonym: str | None
    content: FormContent
    changed_at: datetime
    version: int


def list_forms(house: House) -> tuple[OpenForm, ...]:
    """Return the forms this actor has not finished, newest first; those too old are removed.

    Raises
    ------
    AccessDeniedError
        Who acts may not assess patients.
    StorageError
        The journal cannot be read.
    """
    actor = house.allow(Action.ASSESS, Resource.RISK)
    if actor.demo:
        return ()
    by, now = who_is(actor), house.journal.now()
    forms = []
    for draft in house.journal.drafts.list(by=by):
        if draft.changed_at is None or now - draft.changed_at > KEPT_FOR:
            house.journal.drafts.discard(draft.id, by=by)
        else:
            forms.append(_to_form(draft, draft.changed_at))
    return tuple(forms)


def discard_form(house: House, form: OpenForm) -> None:
    """Remove a form for good."""
    actor = house.allow(Action.ASSESS, Resource.RISK)
    house.journal.drafts.discard(form.id, by=who_is(actor))


class DraftKeeper:
    """Keeps the forms of one tab: one draft per question and patient.

    Parameters
    ----------
    pause_s : float
        How long after the last change it is written, seconds.

    Attributes
    ----------
    problem : str
        Why the last draft could not be written; empty when it could.
    """

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self.problem = ""
        self._pause_s = pause_s
        self._lock = threading.RLock()
        self._drafts: dict[tuple[str, str | None], Draft] = {}
        self._kept: dict[tuple[str, str | None], FormContent] = {}
        self._waiting: dict[tuple[str, str | None], Callable[[], None]] = {}
        self._timer: threading.Timer | None = None
        self._last: tuple[Journal, Who] | None = None

    @property
    def ids(self) -> frozenset[str]:
        """Numbers of the drafts this tab writes."""
        with self._lock:
            return frozenset(draft.id for draft in self._drafts.values())

    def note(self, house: House, condition_id: str, pseudonym: str | None, content: FormContent) -> None:
        """Take what the form says now; it is written a moment later if it changed. An empty form is discarded.

        Raises
        ------
        AccessDeniedError
            Who acts may not assess patients.
        """
        actor = house.allow(Action.ASSESS, Resource.RISK)
        if actor.demo:
            return
        form, by = (condition_id, pseudonym), who_is(actor)
        with self._lock:
            self._last = (house.journal, by)
            if self._kept.get(form, FormContent()) == content:
                return
            self._kept[form] = content
            self._waiting[form] = lambda: self._write(house.journal, form, content, by)
            self._restart()

    def note_last(self, condition_id: str, pseudonym: str | None, content: FormContent) -> None:
        """Write what the form says in the run in which the session ran out, at once, for whoever typed before.

        Nobody is let in by it: the draft opens to the same account only, after the next sign-in. A form that was
        never noted is nobody's and is not kept; neither does an empty one discard anything.
        """
        form = (condition_id, pseudonym)
        with self._lock:
            if self._last is not None and content.values and self._kept.get(form) != content:
                journal, by = self._last
                self._kept[form] = content
                self._waiting[form] = lambda: self._write(journal, form, content, by)
        self.flush()

    def adopt(self, form: OpenForm) -> None:
        """Go on with a form that was taken up: later changes are written to the same draft."""
        key = (form.condition, form.pseudonym)
        with self._lock:
            self._drafts[key] = Draft(
                id=form.id, condition=form.condition, pseudonym=form.pseudonym, version=form.version
            )
            self._kept[key] = form.content

    def drop(self, house: House, condition_id: str, pseudonym: str | None) -> None:
        """Remove the draft of a form that was saved or cleared; the form may be begun anew."""
        actor = house.actor
        form = (condition_id, pseudonym)
        with self._lock:
            self._waiting.pop(form, None)
            draft = self._drafts.pop(form, None)
            if draft is not None:
                house.journal.drafts.discard(draft.id, by=who_is(actor))

    def flush(self) -> None:
        """Write what waits, now."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            waiting, self._waiting = list(self._waiting.items()), {}
            for form, write in waiting:
                self._try(form, write)

    def _restart(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._pause_s, self.flush)
        self._timer.daemon = True
        self._timer.start()

    def _try(self, form: tuple[str, str | None], write: Callable[[], None]) -> None:
        try:
            write()
            self.problem = ""
        except MedcoreError as error:
            self.problem = error.message
            self._kept.pop(form, None)  # tried again when the page runs next
            _log.warning("a draft could not be kept: %s", error.code)

    def _write(self, journal: Journal, form: tuple[str, str | None], content: FormContent, by: Who) -> None:
        draft = self._drafts.get(form)
        if not content.values:
            if draft is not None:
                journal.drafts.discard(draft.id, by=by)
            self._drafts.pop(form, None)
            return
        values = _flatten(content)
        try:
            self._drafts[form] = journal.drafts.save(draft or new_draft(*form), values, by=by)
        except EditConflictError:  # another tab went on with it, or finished it: this one keeps a draft of its own
            self._drafts[form] = journal.drafts.save(new_draft(*form), values, by=by)


def _flatten(content: FormContent) -> dict[str, str]:
    parts = zip(_PARTS, (content.values, content.units, content.keep), strict=True)
    return {f"{part}:{name}": text for part, texts in parts for name, text in texts.items()}


def _to_form(draft: Draft, changed_at: datetime) -> OpenForm:
    texts: dict[str, dict[str, str]] = {part: {} for part in _PARTS}
    for key, text in draft.values.items():
        part, _, name = key.partition(":")
        if part in texts:
            texts[part][name] = text
    return OpenForm(
        id=draft.id,
        condition=draft.condition,
        pseudonym=draft.pseudonym,
        content=FormContent(values=texts["value"], units=texts["unit"], keep=texts["keep"]),
        changed_at=changed_at,
        version=draft.version,
    )
