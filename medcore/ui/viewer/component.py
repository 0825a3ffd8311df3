"""The viewer on the page: one visible component, and one invisible carrier per packet of pixels.

A film's pixels travel once per session. The page remembers which packets it has sent; a browser that
misses one (its memory is bounded, and a run of the page can be overtaken before it is drawn) asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import streamlit as st

from medcore.ui.viewer.events import PixelRequest, ViewerEvents, merge_events, parse_event
from medcore.ui.viewer.film import ViewerFilm
from medcore.ui.viewer.payload import describe_film, pack_film, pack_tensor

__all__ = ["prepare", "read_script", "show"]

_FOLDER = Path(__file__).parent
_SCRIPTS = ("store", "lut", "raster", "geometry", "heat", "keys", "pane", "viewer")
_CARRIER_JS = """
const KEY = Symbol.for("medcore.viewer.packets");
export default function ({ data }) {
  const packets = (globalThis[KEY] ??= { waiting: [], take: null });
  if (data) packets.waiting.push(data);
  packets.take?.();
}
"""


@dataclass(slots=True)
class _Link:
    """What one session knows of its browser.

    Packets sent and how many ever; keys not yet handed out; numbers of the newest key and of the newest step answered.
    """

    sent: set[tuple[str, str]] = field(default_factory=set)
    events: list[ViewerEvents] = field(default_factory=list)
    last_seq: int = 0
    carried: int = 0
    last_step: int = 0


@cache
def read_script() -> str:
    """Return the viewer's script: its files in order, without the line that exports it."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


def prepare(key: str) -> None:
    """Have the browser load what carries pixels before there is a film; draws nothing to see."""
    _, carrier = _declare(st.components.v2.component)
    carrier(key=f"{key}-ahead", data=b"", height="content", width="content")


def show(
    film: ViewerFilm,
    *,
    key: str,
    height: int = 690,
    below: int | None = None,
    preload: Sequence[ViewerFilm] = (),
    on_event: Callable[[ViewerEvents], None] | None = None,
) -> ViewerEvents:
    """Show ``film`` and return the keys pressed since the last run.

    Parameters
    ----------
    key
        Names this viewer on the page and in the session.
    height
        Of the whole viewer, in CSS pixels.
    below
        When given, the viewer grows with a taller window and leaves this many CSS pixels free under it.
    preload
        Films likely to be wanted next: their pixels are sent after those of ``film``, so that they appear at once.
    on_event
        Called with every key before the page runs, each once and in order. Streamlit may overtake a run at any
        of its commands: a page that must not lose a key pressed in a hurry takes it here, and what ``show``
        returns is then always empty.
    """
    link: _Link = st.session_state.setdefault(f"{key}-link", _Link())
    due = [packet for packet in _list_packets(film, preload) if packet[:2] not in link.sent]
    data = {
        "film": describe_film(film),
        "prior": None if film.prior is None else describe_film(film.prior),
        "height": height,
        "below": below,
        "stepped": link.last_step,
        "heard": link.last_seq,
        "coming": [f"{kind}:{film_id}" for kind, film_id, _pack in due],
    }
    viewer, carrier = _declare(st.components.v2.component)
    with st.container(key=f"{key}-frame", gap=None):
        viewer(key=key, data=data, height="content", on_events_change=partial(_note_events, key, on_event))
        for kind, film_id, pack in due:
            link.carried += 1  # a carrier with a name used before would not be drawn again
            carrier(key=f"{key}-{link.carried}-{kind}-{film_id}", data=pack(), height="content", width="content")
            link.sent.add((kind, film_id))
    events, link.events = link.events, []
    link.last_step = max([link.last_step, *(event.seq for event in events if event.step)])
    return merge_events(events)


@cache
def _declare(component: Callable[..., Any]) -> tuple[Any, Any]:
    viewer = component(
        "medcore_viewer",
        html=(_FOLDER / "viewer.html").read_text(encoding="utf-8"),
        css=(_FOLDER / "viewer.css").read_text(encoding="utf-8"),
        js=f"{read_script()}\nexport default mountViewer;\n",
    )
    return viewer, component("medcore_viewer_carrier", js=_CARRIER_JS)


def _list_packets(film: ViewerFilm, preload: Iterable[ViewerFilm]) -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Yield kind, film name and packing of what the browser needs, the most urgent first, none twice."""
    seen = set()
    for one in (film, film.prior, *preload):
        if one is None:
            continue
        kinds = [("film", pack_film)] + ([("tensor", pack_tensor)] if one.tensor is not None else [])
        for kind, pack in kinds:
            if (kind, one.film_id) not in seen:
                seen.add((kind, one.film_id))
                yield kind, one.film_id, partial(pack, one)


def _note_events(key: str, on_event: Callable[[ViewerEvents], None] | None) -> None:
    """Take what the browser sent: the newest events and, again, the last few before them. None counts twice.

    A run of the page that has not begun is replaced by the next, message and all, and one that has begun
    may be overtaken here, before ``on_event`` is through.
    """
    sent = st.session_state[key].get("events")
    link: _Link = st.session_state.setdefault(f"{key}-link", _Link())
    known = [event for event in map(parse_event, sent if isinstance(sent, list) else []) if event is not None]
    for event in sorted(known, key=lambda one: one.seq):
        if event.seq <= link.last_seq:
            continue
        if isinstance(event, PixelRequest):
            link.sent.discard((event.kind, event.film_id))
        elif on_event is None:
            link.events.append(event)
        else:
            on_event(event)
            link.last_step = event.seq if event.step else link.last_step
        link.last_seq = event.seq
