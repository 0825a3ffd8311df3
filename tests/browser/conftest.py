"""A server on a free port and a page that watches for tracebacks and policy violations."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

collect_ignore_glob = ["*_app.py"]  # what servers run; read as a test they would start one

ROOT = Path(__file__).resolve().parents[2]
START_S = 120
WAIT_MS = 60_000


def pytest_collection_modifyitems(items):
    """Give each test here a second try: on a busy machine a page may be drawn anew between a look and a click.

    The first failure is printed too (RERUN in the summary), so that a test that needs this often is found.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def run_server(script, folder, *, port=None, **environ):
    """Run ``script`` under ``streamlit run`` and yield its address; its output is in ``folder/log``."""
    port = port or free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "MEDCORE_DATA": str(folder / "data"), **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_for(port, server):
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended before it listened"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the server did not listen in time")


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def serve():
    """Return ``run_server``, for servers of one test file, and ``free_port``."""
    return run_server, free_port


@pytest.fixture(scope="session")
def fake_server(tmp_path_factory):
    """Address of the dashboard with a made-up model side."""
    with run_server(ROOT / "tests" / "browser" / "fake_app.py", tmp_path_factory.mktemp("fake")) as address:
        yield address


@pytest.fixture(scope="session")
def viewer_server(tmp_path_factory):
    """Address of a page with the film viewer alone; its log may hold no traceback."""
    folder = tmp_path_factory.mktemp("viewer")
    with run_server(ROOT / "tests" / "browser" / "viewer_app.py", folder) as address:
        yield address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(scope="session")
def xray_folder(tmp_path_factory):
    """Where the server of the X-ray page may write: its journal and its log."""
    return tmp_path_factory.mktemp("xray")


@pytest.fixture(scope="session")
def xray_server(xray_folder):
    """Address of the dashboard with the real film reader and a made-up film model; its log may hold no traceback."""
    script = ROOT / "tests" / "browser" / "xray_app.py"
    with run_server(script, xray_folder, TMPDIR=str(xray_folder)) as address:
        yield address
    assert "Traceback" not in (xray_folder / "log").read_text()


@pytest.fixture(scope="session")
def explore_server(tmp_path_factory):
    """Address of the dashboard on a small real bundle; its log may hold no traceback."""
    folder = tmp_path_factory.mktemp("explore")
    with run_server(ROOT / "tests" / "browser" / "explore_app.py", folder) as address:
        yield address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture(scope="session")
def released_server(tmp_path_factory):
    """Address of the real dashboard with the released models, as a demo; its log may hold no traceback."""
    folder = tmp_path_factory.mktemp("released")
    with run_server(ROOT / "streamlit_app.py", folder, MEDCORE_DEMO="on") as address:
        yield address
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def open_page(browser):
    """Return a function that opens an address in a fresh profile; at the end no page may have misbehaved."""
    contexts, pages, faults = [], [], []

    def note(message):
        if message.type == "error" and ("Content Security Policy" in message.text or "Refused to" in message.text):
            faults.append(message.text)

    def open_(address, width=1280, height=800):
        context = browser.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        contexts.append(context)
        pages.append(page)
        return page

    yield open_
    for page in pages:
        assert "Traceback" not in page.content()
    for context in contexts:
        context.close()
    assert not faults
