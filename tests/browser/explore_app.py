"""The dashboard on a small real bundle, models in this process: ``streamlit run tests/browser/explore_app.py``."""

import sys
import tempfile
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_models  # noqa: E402
import tiny_bundle  # noqa: E402

from medcore.services.model_child import LocalGateway  # noqa: E402
from medcore.ui import runtime, server  # noqa: E402

folder = Path(tempfile.mkdtemp())
tiny_bundle.write_tiny_bundle(folder / "models", "heart_disease")
gateway = LocalGateway(folder / "models")
environ = {"MEDCORE_DATA": str(folder / "data")}
runtime.use(fake_models.make_house(folder, catalog=gateway.catalog, gateway=gateway, environ=environ))
app = st.App(
    str(ROOT / "streamlit_app.py"), lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE
)
