"""Every page test runs the real page on a made-up model side."""

from pathlib import Path

import fake_models
import pytest
from streamlit.testing.v1 import AppTest

from medcore.ui import runtime

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def open_page(tmp_path):
    """Return a function that puts a house in place, opens a page of it and runs it once."""

    def open_(page="clinical/risk", condition="diabetes", **parts):
        runtime.use(fake_models.make_house(tmp_path, **parts))
        test = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=30)
        test.query_params["condition"] = condition
        return test.run()

    yield open_
    runtime.use(None)


@pytest.fixture
def read():
    """Return a function that gives all HTML of a page as one text."""
    return lambda test: "\n".join(item.value for item in test.html)
