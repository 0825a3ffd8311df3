"""The small form as a fixture."""

import pytest
from small_form import make_schema


@pytest.fixture(scope="session")
def schema():
    return make_schema()
