"""What one reader's session keeps about films: the list, the film on the screen, and what keys and files do to both.

Films live in the session only: never in a cache that is shared, never on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from medcore.errors import MedcoreError, MovedOnError, StorageError
from medcore.results import ModelFacts
from medcore.services.films.reading import HEAT_MAP, Desk, FilmCase, OwnReading, Stage, Verdict
from medcore.services.films.worklist import Added, Keep, Sort, Worklist
from medcore.services.house import FilmCondition, House
from medcore.services.operating import find_points
from medcore.services.trust.activation import make_activation
from medcore.services.trust.opinions import is_first
from medcore.services.trust.site import find_prevalence
from medcore.ui import wording
from medcore.ui.viewer import ViewerEvents

__all__ = [
    "CURRENT_KEY",
    "KEEP_KEY",
    "OVERRIDE_KEY",
    "SORT_KEY",
    "WORKLIST_KEY",
    "apply_event",
    "attempt",
    "find_current",
    "list_films",
    "name_drop",
    "open_worklist",
    "report",
    "request",
    "select",
    "step",
    "take_dropped",
    "take_message",
    "tell",
    "viewer_id",
]

WORKLIST_KEY = "mc_films"
CURRENT_KEY = "mc_film"
SORT_KEY = "film_sort"
KEEP_KEY = "film_keep"
OVERRIDE_KEY = "mc_overriding"
_DROPS_KEY = "mc_drops"
_MESSAGE_KEY = "mc_film_message"
_MAP_S = 1.0


def open_worklist(house: House, condition: FilmCondition, facts: ModelFacts | None) -> Worklist:
    """Return the session's list, begun on first use; a replaced model serves the films scored from now on."""
    worklist: Worklist | None = st.session_state.get(WORKLIST_KEY)
    if worklist is None:
        worklist = Worklist(
            Desk(
                condition=condition,
                facts=None,
                who=lambda: house.actor,
                journal=house.journal,
                gateway=house.gateway,
                activation=lambda: make_activation(house),
                reads_first=lambda: _reads_first(house, condition),
            ),
            house.reader,
            house.film_memory,
            prevalence=_find_prevalence(house, condition),
            triage=house.settings.triage_order,
        )
        st.session_state[WORKLIST_KEY] = worklist
    known = worklist.desk.facts
    if facts is not None and (known is None or known.sha256 != facts.sha256):
        worklist.desk = replace(worklist.desk, facts=facts, points=find_points(house.catalog, facts.model_id))
    return worklist


def _find_prevalence(house: House, condition: FilmCondition) -> float | None:
    try:
        return find_prevalence(house, condition.id)
    except StorageError:  # without the journal no film is scored, and the score says so
        return None


def _reads_first(house: House, condition: FilmCondition) -> bool:
    """Whether the own reading comes first here; films stay closed while that cannot be found out."""
    try:
        return is_first(house, condition.id)
    except StorageError:
        return True


def list_films(worklist: Worklist) -> tuple[FilmCase, ...]:
    """Return the films in the chosen order, those of the chosen kind."""
    sort, keep = st.session_state.get(SORT_KEY), st.session_state.get(KEEP_KEY)
    return worklist.arrange(Sort(sort or Sort.ARRIVAL), Keep(keep or Keep.ALL))


def find_current(worklist: Worklist) -> FilmCase | None:
    """Return the film on the screen; the first of the list where none is chosen, None on an empty list."""
    cases = worklist.cases
    chosen = st.session_state.get(CURRENT_KEY)
    for case in cases:
        if case.id == chosen:
            return case
    if not cases:
        return None
    select(worklist, cases[0].id)
    return cases[0]


def select(worklist: Worklist, case_id: str) -> None:
    """Put a film on the screen; it is opened and scored before the others."""
    st.session_state[CURRENT_KEY] = case_id
    st.session_state.pop(OVERRIDE_KEY, None)
    worklist.prefer(case_id)


def step(worklist: Worklist, by: int) -> None:
    """Go to the next (1) or previous (-1) film of the list; at its ends stay."""
    ids = [case.id for case in list_films(worklist)]
    if not ids:
        return
    chosen = st.session_state.get(CURRENT_KEY)
    if chosen not in ids:
        select(worklist, ids[0])
        return
    place = ids.index(chosen) + by
    if 0 <= place < len(ids):
        select(worklist, ids[place])


def name_drop() -> str:
    """Return the key of the drop zone: a new one after every drop, so that the files are not kept twice."""
    return f"drop_{st.session_state.setdefault(_DROPS_KEY, 0)}"


def take_dropped(worklist: Worklist) -> None:
    """Move what was dropped to the list."""
    files = st.session_state.get(name_drop()) or []
    st.session_state[_DROPS_KEY] += 1
    if files:
        report(worklist.add([(file.name, file.getvalue()) for file in files]))


def report(added: Added) -> None:
    """Say which files were not taken, if any."""
    if added.refused:
        films = "1 film was" if added.refused == 1 else f"{added.refused} films were"
        tell(f"{films} not taken: {added.reason}.")


def tell(message: str) -> None:
    """Keep a sentence for the top of the page until the next action."""
    st.session_state[_MESSAGE_KEY] = message


def take_message() -> str:
    """Return the sentence kept for the top of the page; empty when there is none."""
    return str(st.session_state.pop(_MESSAGE_KEY, ""))


def request(action: Callable[..., object], *args: object) -> None:
    """Do what a button asks for; a refusal becomes a sentence on the page."""
    attempt(action, *args)


def attempt(action: Callable[..., object], *args: object) -> bool:
    """Do what the reader asked; a refusal becomes a sentence on the page. Return whether it was done."""
    try:
        action(*args)
    except MovedOnError:  # the reader knows: the next action is on its way
        return False
    except MedcoreError as error:
        tell(wording.as_sentence(error.message))
        return False
    return True


def viewer_id(case: FilmCase) -> str:
    """Name a film's pixels in the browser; a turned film has other pixels."""
    return f"{case.id}-{case.turns}"


def apply_event(worklist: Worklist, event: ViewerEvents) -> None:
    """Do what a key in the viewer asks, to the film that was on the screen when it was pressed."""
    case_id = event.film_id.partition("-")[0]
    case = next((case for case in worklist.cases if case.id == case_id), None)
    if case is None:
        return
    if event.reading is not None:
        _read_once(worklist, case, event.reading)
    if event.verdict is not None:
        _judge(worklist, case, event.verdict)
    if event.wants_heat:
        _see(worklist, case)
    if event.step:
        step(worklist, event.step)


def _read_once(worklist: Worklist, case: FilmCase, key: int) -> None:
    """Record a reading by key; one that stands beside the score is changed on the panel only."""
    if case.stage is Stage.OPEN and (case.reading is None or not case.seen):
        attempt(worklist.read, case.id, OwnReading.of_key(key), case.note)


def _judge(worklist: Worklist, case: FilmCase, word: str) -> None:
    if not case.seen or case.status is None:
        return
    if word == "agree":
        st.session_state.pop(OVERRIDE_KEY, None)
        attempt(worklist.judge, case.id, Verdict(agrees=True))
    else:
        st.session_state[OVERRIDE_KEY] = case.id


def _see(worklist: Worklist, case: FilmCase) -> None:
    """Have the map that H asks for; SHAP values take seconds, so they are computed in the background.

    A map that is being made ahead is waited for: it is there sooner than the next look at the list would be.
    """
    if not case.seen:
        return
    if worklist.is_mapping(case.id):
        worklist.wait(lambda: not worklist.is_mapping(case.id), _MAP_S)
    elif not worklist.has_map(case.id):
        attempt(worklist.see if worklist.map_method == HEAT_MAP else worklist.prepare_map, case.id)
