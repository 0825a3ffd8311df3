"""The dashboard of ``xray_app.py`` on a site that does not read films first. For tests of the page only."""

import sys
from pathlib import Path

import streamlit as st

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import xray_app  # noqa: E402

from medcore.services.trust import site  # noqa: E402
from medcore.ui import server  # noqa: E402

site.set_read_first(xray_app.house, "pneumonia", False, version=0)
app = st.App(
    str(xray_app.ROOT / "streamlit_app.py"),
    lifespan=server.lifespan,
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
)
