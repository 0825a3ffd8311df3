"""What all tests share: the ``--full`` switch, and reasons for skipping what cannot run here."""

import fcntl
import importlib.util
import os
import shutil

import pytest

from medcore.config import read_settings

os.environ["MEDCORE_KEY_STORE"] = "file"  # no test writes into the keyring of whoever runs it

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


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """Small real bundles of every kind, trained once on invented patients; read only (see ``Shelf.copy``)."""
    import bundles_fixture

    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / "shelf", root / "shelf" / "done"
    with (root / "shelf.lock").open("w") as lock:  # parallel runs train them once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return bundles_fixture.open_shelf(folder)
        shutil.rmtree(folder, ignore_errors=True)
        shelf = bundles_fixture.build_shelf(folder)
        done.touch()
        return shelf


@pytest.fixture(scope="session")
def film_models(tmp_path_factory):
    """Folder with one small real film bundle (``film_bundle.MODEL_ID``), trained once on made-up films; read only."""
    import film_bundle

    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder, done = root / "film_models", root / "film_models.done"
    with (root / "film_models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            film_bundle.write_film_bundle(folder)
            done.touch()
    return folder
