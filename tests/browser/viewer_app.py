"""A page with nothing but the viewer and made-up films: ``streamlit run tests/browser/viewer_app.py``."""

import sys
from pathlib import Path

import numpy as np
import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from medcore.imaging.radiograph import VoiFunction, Window  # noqa: E402
from medcore.ui import server  # noqa: E402
from medcore.ui.viewer import ViewerFilm, show  # noqa: E402

app = st.App(__file__, middleware=server.MIDDLEWARE)


@st.cache_data
def make_pixels(seed, rows, columns, top):
    """Smooth hills with a noise floor: every stored value between 0 and ``top`` occurs somewhere."""
    y, x = np.mgrid[0:rows, 0:columns] / max(rows, columns)
    hills = np.sin(7 * x + seed) * np.cos(5 * y) + np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 20)
    hills = (hills - hills.min()) / np.ptp(hills)
    noise = np.random.default_rng(seed).normal(0, 0.01, hills.shape)
    return (np.clip(hills + noise, 0, 1) * top).astype(np.uint16)


def make_film(number, **more):
    rows, columns = (1955, 1841) if number == 0 else (400, 500)
    pixels = make_pixels(number, rows, columns, 4000)
    return ViewerFilm(
        film_id=f"film-{number}",
        stored=pixels,
        bits=12,
        windows=(
            Window(center=2048, width=4096, name="Whole"),
            Window(center=1500, width=900, name="Lung"),
            Window(center=2000, width=1500, function=VoiFunction.SIGMOID, name="Bone"),
        ),
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
