"""The radiologist's page put together: counts and drop zone above, then list, viewer and panel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from html import escape
from itertools import count

import numpy as np
import streamlit as st

from medcore.errors import StorageError
from medcore.services.films.reading import FilmCase, Finding, Stage, make_sample
from medcore.services.films.worklist import MAX_FILMS, Counts, Worklist
from medcore.services.house import House
from medcore.ui import film_panel, film_state, findings, guard
from medcore.ui import worklist as film_list
from medcore.ui.viewer import ViewerFilm, prepare
from medcore.ui.viewer import show as show_viewer

__all__ = ["count_words", "show", "viewer_film"]

_FIRST_FILM_S = 1.5
_SCORE_S = 0.4
_POLL_S = 0.2
_SLOW_POLL_S = 1.0
_BAR_HEIGHTS = 152
_LEAST_HEIGHT = 420
_USUAL_HEIGHT = 800
_SAMPLE_NAME = "made-up sample"


def show(house: House, worklist: Worklist) -> None:
    """Draw the whole page; a key or a click runs only this again."""
    with st.container(key="xray_page"):
        _show_page(house, worklist)


def _show_page(house: House, worklist: Worklist) -> None:
    with contextlib.suppress(StorageError):  # without the journal nothing new is scored
        worklist.withdraw()
    current = film_state.find_current(worklist)
    if current is not None:
        worklist.wait(partial(_is_past, worklist, current, Stage.WAITING), _FIRST_FILM_S)
    with st.container(key="xray_bar", horizontal=True, vertical_alignment="center"):
        bar = st.empty()
        _show_drop(worklist, first=current is None)
    with st.container(key="xray"):
        list_column, viewer_column, panel_column = (
            st.container(key=key) for key in ("xray_list", "xray_film", "xray_panel")
        )
    drawn = worklist.version
    with viewer_column:
        current, has_viewer = _show_film(worklist, current)
    finding = _find_finding(worklist, current)
    with bar.container(key="xray_counts", horizontal=True, vertical_alignment="center"):
        st.html(count_words(worklist.counts))
        _show_message()
    with list_column:
        film_list.show(worklist, current, has_viewer=has_viewer, focus=_find_focus(current))
    with panel_column:
        film_panel.show(worklist, current, finding)
    st.html(f'<p class="mc-foot">{escape(worklist.desk.condition.foot_line)}</p>')
    mapping = current is not None and worklist.is_mapping(current.id)
    if worklist.counts.busy or mapping or worklist.version != drawn:
        watch = _watch_closely if _is_awaited(worklist, current, finding) else _watch
        watch(house, worklist, drawn, count())


def count_words(counts: Counts) -> str:
    """Write the counts and, while films are being opened or scored, how far that is."""
    if not counts.films:
        return '<p class="mc-counts">No films yet</p>'
    parts = [f"{counts.films} film{'s' if counts.films > 1 else ''}", f"{counts.read} read"]
    parts += [f"{counts.withheld} withheld"] if counts.withheld else []
    parts += [f"{counts.failed} unreadable"] if counts.failed else []
    done = counts.films - counts.busy
    progress = (
        f'<progress max="{counts.films}" value="{done}" aria-label="Films opened and scored"></progress>'
        f"<span>{done} of {counts.films} ready</span>"
        if counts.busy
        else ""
    )
    return f'<p class="mc-counts" role="status">{" · ".join(parts)}{progress}</p>'


def viewer_film(worklist: Worklist, case: FilmCase, *, with_prior: bool = True) -> ViewerFilm:
    """Return a film for the viewer; the heat map is there only once the film has been read and the map computed."""
    finding = worklist.find(case.id)
    prior = worklist.find_prior(case) if with_prior else None
    saliency = finding.saliency if finding is not None else None
    tensor = None if case.tensor is None else np.round(case.tensor * 255).astype(np.uint8)
    return ViewerFilm.of(
        case.pixels,
        film_id=film_state.viewer_id(case),
        lines=findings.write_corner(case),
        tensor=tensor,
        heat=saliency.grid if saliency is not None and saliency.reliable else None,
        heat_caption=findings.heat_caption(finding, is_open=worklist.is_open(case.id)),
        prior=viewer_film(worklist, prior, with_prior=False) if prior is not None else None,
    )


def _show_film(worklist: Worklist, case: FilmCase | None) -> tuple[FilmCase | None, bool]:
    """Draw the viewer, or what stands in its place; return the film as it is now and whether the viewer stands."""
    if case is None:
        _show_start(worklist)
        return None, False
    case = worklist.case(case.id)
    if case.stage is not Stage.OPEN:
        st.html(findings.render_unopened(case))
        return case, False
    height = max(_LEAST_HEIGHT, st.session_state.get(film_list.HEIGHT_KEY, _USUAL_HEIGHT) - _BAR_HEIGHTS)
    following = [viewer_film(worklist, other) for other in _find_next(worklist, case)]
    show_viewer(
        viewer_film(worklist, case),
        key="film",
        height=height,
        preload=following,
        on_event=partial(film_state.apply_event, worklist),
    )
    return case, True


def _find_next(worklist: Worklist, case: FilmCase) -> tuple[FilmCase, ...]:
    """Return the film whose pixels are sent ahead."""
    films = film_state.list_films(worklist)
    places = [place for place, other in enumerate(films) if other.id == case.id]
    following = films[places[0] + 1 : places[0] + 2] if places else ()
    return tuple(other for other in following if other.stage is Stage.OPEN)


def _find_finding(worklist: Worklist, case: FilmCase | None) -> Finding | None:
    if case is None or not worklist.is_open(case.id):
        return None
    if case.unscored and worklist.desk.gateway.ready():
        worklist.wait(lambda: not worklist.case(case.id).unscored, _SCORE_S)
    worklist.prepare_map(case.id)
    return worklist.reveal(case.id)


def _is_past(worklist: Worklist, case: FilmCase, stage: Stage) -> bool:
    return all(other.id != case.id or other.stage is not stage for other in worklist.cases)


def _show_drop(worklist: Worklist, *, first: bool) -> None:
    if not first:
        _draw_drop(worklist)


def _draw_drop(worklist: Worklist) -> None:
    with st.container(key="drop"):
        st.file_uploader(
            "Films: PNG, JPEG or DICOM",
            accept_multiple_files=True,
            key=film_state.name_drop(),
            on_change=film_state.take_dropped,
            args=(worklist,),
            label_visibility="collapsed",
        )


def _show_start(worklist: Worklist) -> None:
    """Draw the page before the first film."""
    ages = worklist.desk.condition.limits.age_text
    with st.container(key="start"):
        st.html(
            '<section class="mc-start"><h2>Drop chest films here</h2><p>One or many, or a whole folder: PNG, JPEG or '
            f"DICOM, up to 50 MB each and {MAX_FILMS} on one list.<br>The model knows frontal films of children of "
            f"{ages}. Other films open in the viewer without a score.</p></section>"
        )
        _draw_drop(worklist)
        st.html('<p class="mc-quiet">No film at hand?</p>')
        st.button("Try a sample film (made up)", key="sample", on_click=_add_sample, args=(worklist,))
    _load_ahead()


def _load_ahead() -> None:
    """Draw out of sight one of each thing that the first film and its answer need.

    Streamlit's page fetches the code of a kind of field when it first draws one, and holds back all that came with
    it: without this the first film waits a quarter of a second for the fields beside it.
    """
    with st.container(key="ahead"):
        st.selectbox("-", ["-"], key="ahead_choice")
        st.text_input("-", key="ahead_text")
        st.segmented_control("-", ["-"], key="ahead_segments")
        st.checkbox("-", key="ahead_tick")
        st.expander("-")
        prepare("film")


def _add_sample(worklist: Worklist) -> None:
    film_state.report(worklist.add_film(make_sample(), _SAMPLE_NAME))


def _show_message() -> None:
    message = film_state.take_message()
    if message:
        st.html(f'<p class="mc-warn" role="alert">{escape(message)}</p>')


def _find_focus(case: FilmCase | None) -> str:
    """Return the field that the cursor shall go to."""
    overriding = case is not None and st.session_state.get(film_state.OVERRIDE_KEY) == case.id
    return f"why_{case.id}" if overriding and case is not None else ""


def _is_awaited(worklist: Worklist, case: FilmCase | None, finding: Finding | None) -> bool:
    """Whether the reader can do nothing but wait: for the film on the screen, or for its score after the reading."""
    if case is None or case.stage is not Stage.OPEN:
        return case is not None
    return finding is None and case.unscored and worklist.is_open(case.id)


@st.fragment(run_every=_SLOW_POLL_S)
def _watch(house: House, worklist: Worklist, drawn: int, looks: Iterator[int]) -> None:
    """Look again while films are being opened or scored, and draw anew when something has changed."""
    guard.recheck(house, "xray", timer=True)
    _draw_what_changed(worklist, drawn, looks)


@st.fragment(run_every=_POLL_S)
def _watch_closely(house: House, worklist: Worklist, drawn: int, looks: Iterator[int]) -> None:
    """Look again more often: the reader can only wait."""
    guard.recheck(house, "xray", timer=True)
    _draw_what_changed(worklist, drawn, looks)


def _draw_what_changed(worklist: Worklist, drawn: int, looks: Iterator[int]) -> None:
    """Draw the page anew when something has changed, but not at the first look.

    The first look is part of the drawing itself: to draw anew then would take from the browser what it has just been
    sent, pixels and all.
    """
    if next(looks) and worklist.version != drawn:
        st.rerun()
