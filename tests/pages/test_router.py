import subprocess
import sys
from pathlib import Path

import fake_models
from streamlit.testing.v1 import AppTest
from streamlit.web.server.app_discovery import discover_asgi_app

from medcore.ui import runtime

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"tensorflow", "keras", "sklearn", "shap", "skops", "pandas", "plotly", "scipy"}


def test_the_launcher_is_found_as_an_app():
    assert discover_asgi_app(ROOT / "streamlit_app.py").is_asgi_app


def test_no_page_lies_directly_in_the_pages_folder():
    assert not list((ROOT / "pages").glob("*.py"))


def test_router_runs_the_risk_page_first(tmp_path):
    runtime.use(fake_models.make_house(tmp_path))
    try:
        test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30).run()
    finally:
        runtime.use(None)
    assert not test.exception
    assert test.selectbox(key="condition").options


def test_pages_import_nothing_heavy(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
import fake_models
from streamlit.testing.v1 import AppTest
AppTest.from_string("import streamlit as st; st.text('hello')").run()
before = set(sys.modules)
from medcore.ui import runtime, server
runtime.use(fake_models.make_house(Path({str(tmp_path)!r})))
for page in ("clinical/risk", "governance/models"):
    test = AppTest.from_file({str(ROOT)!r} + "/pages/" + page + ".py", default_timeout=30).run()
    assert not test.exception, test.exception
print("LOADED", *(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split("LOADED")[1].split()}
    assert not HEAVY & loaded
