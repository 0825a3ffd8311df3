"""The dashboard with a made-up model side on a site that reads first. For tests of the page only."""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_models  # noqa: E402

from medcore.config import read_settings  # noqa: E402
from medcore.services.trust import site  # noqa: E402
from medcore.ui import runtime, server  # noqa: E402

house = fake_models.make_house(read_settings().data_dir)
site.set_read_first(house, "diabetes", True, version=0)
runtime.use(house)
app = st.App(
    str(ROOT / "streamlit_app.py"), lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE
)
