"""The dashboard with a made-up model side: ``streamlit run tests/browser/fake_app.py``. For tests of the page only."""

import sys
import tempfile
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_models  # noqa: E402

from medcore.ui import runtime, server  # noqa: E402

runtime.use(fake_models.make_house(Path(tempfile.mkdtemp())))
app = st.App(
    str(ROOT / "streamlit_app.py"), lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE
)
