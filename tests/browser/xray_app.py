"""The dashboard with the real film reader and a made-up film model: ``streamlit run tests/browser/xray_app.py``."""

import sys
import tempfile
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_films  # noqa: E402
import fake_models  # noqa: E402

from medcore.imaging import FilmReader  # noqa: E402
from medcore.ui import film_state, runtime, server  # noqa: E402


class Catalog(fake_models.FakeCatalog):
    """The shelf with a model for films."""

    def default(self, condition):
        return fake_films.FACTS if condition == "pneumonia" else super().default(condition)

    def find(self, model_id):
        return fake_films.FACTS if model_id == fake_films.FACTS.model_id else super().find(model_id)


class Gateway(fake_films.FakeFilmGateway, fake_models.FakeGateway):
    """Answers questions about films and about values."""

    def __init__(self):
        fake_models.FakeGateway.__init__(self)
        fake_films.FakeFilmGateway.__init__(self)


film_state.find_points = lambda catalog, model_id: fake_films.POINTS
house = fake_models.make_house(Path(tempfile.mkdtemp()), catalog=Catalog(), gateway=Gateway(), reader=FilmReader())
runtime.use(house)
app = st.App(
    str(ROOT / "streamlit_app.py"), lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE
)
