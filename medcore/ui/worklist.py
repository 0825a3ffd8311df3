"""The list of films beside the viewer: small pictures, states, the reader's own reading, order and filter.

Where the site reads first, a figure stands beside a film only once it has been read; before that its row says where the
film stands and no more.
"""

from __future__ import annotations

from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any

import streamlit as st

from medcore.figures.thumbnail import draw_thumbnail
from medcore.services.films.reading import FilmCase, Stage
from medcore.services.films.worklist import Keep, Sort, Worklist
from medcore.ui import film_state, findings, wording

__all__ = ["HEIGHT_KEY", "describe_row", "show"]

HEIGHT_KEY = "mc_window_height"
_THUMBNAILS_KEY = "mc_thumbnails"
_EXPORT_KEY = "mc_film_export"
_FOLDER = Path(__file__).parent / "filmlist"
_TRIAGE_BANNER = "Triage order: by the model's score, unread films included. Its figures stay closed."


def show(worklist: Worklist, current: FilmCase | None, *, has_viewer: bool, focus: str = "") -> None:
    """Draw the column.

    ``has_viewer`` says that the viewer stands and takes the keys; ``focus`` is the style name of a field that the
    cursor shall go to.
    """
    films = film_state.list_films(worklist)
    data = {
        "rows": [describe_row(worklist, case) for case in films],
        "current": current.id if current else "",
        "none": "No film of this kind." if worklist.cases else "",
        "keys": not has_viewer,
        "focus": focus,
        "export": st.session_state.get(_EXPORT_KEY),
    }
    _declare()(
        key="films",
        data=data,
        on_pick_change=lambda: _pick(worklist),
        on_step_change=lambda: _step(worklist),
        on_height_change=_note_height,
        width="stretch",
        height="content",
    )
    if not worklist.cases:
        return
    with st.container(key="film_tools"):
        _show_order(worklist)
        _show_tools(worklist)


def describe_row(worklist: Worklist, case: FilmCase) -> dict[str, Any]:
    """Return what a row shows; the figure only of a film that is open."""
    finding = worklist.find(case.id)
    figure = wording.write_percent(finding.p) if finding is not None and finding.p is not None else ""
    rows, columns = case.film.shape if case.film is not None else (1, 1)
    views = [view.number for view in worklist.views(case)]
    return {
        "id": case.id,
        "number": case.number,
        "name": case.name,
        "facts": findings.describe_film(case) or ("nothing in the header" if case.film is not None else ""),
        "state": findings.describe_state(case),
        "kind": _kind(case),
        "figure": figure,
        "verdict": "" if case.verdict is None else "agreed" if case.verdict.agrees else "overridden",
        "thumbnail": _thumbnail(case),
        "aspect": round(columns / rows, 3),
        "study": f"one study: films {wording.list_words(map(str, views))}" if len(views) > 1 else "",
    }


def _kind(case: FilmCase) -> str:
    """Return the sign in front of a row."""
    if case.stage is Stage.FAILED:
        return "failed"
    if case.stage is Stage.WAITING or case.unscored:
        return "busy"
    return case.status.value if case.status is not None else "unscored"


def _thumbnail(case: FilmCase) -> str:
    if case.tensor is None:
        return ""
    kept: dict[str, str] = st.session_state.setdefault(_THUMBNAILS_KEY, {})
    name = film_state.viewer_id(case)
    if name not in kept:
        kept[name] = draw_thumbnail(case.tensor)
    return kept[name]


def _show_order(worklist: Worklist) -> None:
    orders = [sort.value for sort in Sort if sort is not Sort.TRIAGE or worklist.triage]
    st.selectbox("Sort", orders, key=film_state.SORT_KEY, format_func=partial(_name_order, worklist.desk.reads_first()))
    st.selectbox("Show", [keep.value for keep in Keep], key=film_state.KEEP_KEY)
    if st.session_state.get(film_state.SORT_KEY) == Sort.TRIAGE:
        st.html(f'<p class="mc-warn" role="status">{_TRIAGE_BANNER}</p>')


def _name_order(reads_first: bool, order: str) -> str:
    return "probability" if order == Sort.PROBABILITY and not reads_first else order


def _show_tools(worklist: Worklist) -> None:
    with st.container(key="film_buttons", horizontal=True):
        st.button("CSV", key="films_csv", on_click=film_state.request, args=(_export, worklist))
        if any(worklist.can_retry(case) for case in worklist.cases):
            st.button("Retry", key="films_retry", on_click=worklist.retry)
        st.button("Clear", key="films_clear", on_click=_clear, args=(worklist,))


def _export(worklist: Worklist) -> None:
    """Hand the list to the browser with the next drawing; it is in the journal by then."""
    number = st.session_state.get(_EXPORT_KEY, {}).get("number", 0) + 1
    name = f"medcore-films-{date.today().isoformat()}.csv"
    st.session_state[_EXPORT_KEY] = {"number": number, "name": name, "text": worklist.write_csv()}


def _clear(worklist: Worklist) -> None:
    worklist.remove_all()
    for key in (film_state.CURRENT_KEY, film_state.OVERRIDE_KEY, _THUMBNAILS_KEY, _EXPORT_KEY):
        st.session_state.pop(key, None)


def _pick(worklist: Worklist) -> None:
    chosen = _take("pick")
    if isinstance(chosen, str) and any(case.id == chosen for case in worklist.cases):
        film_state.select(worklist, chosen)


def _step(worklist: Worklist) -> None:
    by = _take("step")
    if by in (-1, 1):
        film_state.step(worklist, int(by))


def _note_height() -> None:
    height = _take("height")
    if isinstance(height, int | float) and 300 <= height <= 10_000:
        st.session_state[HEIGHT_KEY] = int(height)


def _take(name: str) -> Any:
    return st.session_state["films"].get(name)


@cache
def _declare() -> Any:
    read = {kind: (_FOLDER / f"filmlist.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
    return st.components.v2.component("medcore_films", html=read["html"], css=read["css"], js=read["js"])
