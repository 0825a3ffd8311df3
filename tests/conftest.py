"""What all tests share: the ``--full`` switch, and reasons for skipping what cannot run here."""

import importlib.util
import shutil

import pytest

from medcore.config import read_settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config, items):
    reasons = {
        "slow": None if config.getoption("--full") else "long form, run by --full",
        "browser": _explain_missing_browser(),
        "data": _explain_missing_data(),
    }
    for item in items:
        for name, reason in reasons.items():
            if reason and name in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


def _explain_missing_browser():
    if CHROMIUM is None:
        return "no chromium on this machine"
    return None if importlib.util.find_spec("playwright") else "playwright is not installed"


def _explain_missing_data():
    folder = read_settings().training_data_dir
    return None if folder.is_dir() else "the public training data is not on this machine"


@pytest.fixture(scope="session")
def chromium():
    """Path of the browser that the tests drive."""
    return CHROMIUM
