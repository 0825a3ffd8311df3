"""A page that fails with a patient's values in the exception, behind the real server parts."""

import sys
from pathlib import Path

import streamlit as st
from streamlit import runtime

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from medcore.ui import server  # noqa: E402

app = st.App(__file__, lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE[:2])

if runtime.exists():
    st.text("A page that fails")
    value = st.text_input("Value", value="91.7342 of Zebedee")
    raise RuntimeError(f"sodium {value} of MRN-4711 cannot be drawn")
