"""A page with nothing but the viewer and made-up films: ``streamlit run tests/browser/viewer_app.py``."""

import sys
from pathlib import Path

import numpy as np
import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import viewer_films  # noqa: E402

from medcore.ui import server  # noqa: E402
from medcore.ui.viewer import ViewerFilm, show  # noqa: E402

app = st.App(__file__, middleware=server.MIDDLEWARE)
make_pixels = st.cache_data(viewer_films.make_pixels)


def make_film(number, **more):
    """Film 0 has the size and spacing of a real one, the others are small and without."""
    pixels = make_pixels(number, *((1955, 1841) if number == 0 else (400, 500)))
    return ViewerFilm(
        film_id=f"film-{number}",
        stored=pixels,
        bits=12,
        windows=viewer_films.WINDOWS,
        spacing_mm=(0.2, 0.2) if number == 0 else None,
        spacing_at="detector" if number == 0 else None,
        lines=(f"Made-up film {number}", "2 y 3 m · F · AP"),
        tensor=(pixels[:224, :224] >> 4).astype(np.uint8),
        **more,
    )


def take(event):
    """Keep what happened, and answer it as a real page would."""
    state = st.session_state
    state.log = [*state.get("log", []), event]
    state.number = state.get("number", 0) + event.step
    state.heat = state.get("heat", False) or event.wants_heat


def page():
    """Show one film; the events and the count of runs stand where a test can read them."""
    state = st.session_state
    state.runs = state.get("runs", 0) + 1
    number = state.get("number", 0)
    grid = np.zeros((7, 7))
    grid[2, 3] = 1
    more = {"heat": grid, "heat_caption": "Shows where the score is sensitive."} if state.get("heat") else {}
    film = make_film(number, prior=make_film(9), **more)
    show(film, key="viewer", preload=(make_film(number + 1),), on_event=take)
    st.text_input("Note", key="note")
    st.button("Run again")
    st.code("\n".join(str(event) for event in state.get("log", [])), language=None)
    st.caption(f"runs {state.runs}")


if st.runtime.exists():
    st.set_page_config(layout="wide")
    page()
