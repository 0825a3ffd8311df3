"""What real servers write while patients' values go through failures: no name, no number, no token, no file name."""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
CANARIES = ("Zebedee", "zebedee", "MRN-4711", "91.7342", "tok3n")


def load_tools():
    """Return the module beside this one that starts servers; its name is also that of the tests' own conftest."""
    spec = importlib.util.spec_from_file_location("browser_tools", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tools = load_tools()


def ask(address, headers=None):
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=120).read()


def test_a_page_that_fails_logs_the_place_but_no_value(open_page, tmp_path):
    with tools.run_server(ROOT / "tests" / "browser" / "failing_app.py", tmp_path) as address:
        page = open_page(address)
        page.get_by_text("A page that fails").wait_for()
        page.locator("[data-testid=stException]").first.wait_for()
        assert "MRN-4711" not in page.locator("[data-testid=stException]").all_inner_texts().__repr__()
    text = (tmp_path / "log").read_text()
    assert "RuntimeError" in text
    assert "failing_app.py" in text
    assert not [canary for canary in CANARIES if canary in text]


def test_medcore_serve_says_nothing_of_what_it_is_given(open_page, tmp_path):
    port = tools.free_port()
    command = [sys.executable, "-m", "medcore.cli", "serve", "--demo", "--port", str(port)]
    environ = {**os.environ, "MEDCORE_DATA": str(tmp_path / "data"), "MEDCORE_KEY_STORE": "file"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            tools.wait_for(port, server)
            address = f"http://127.0.0.1:{port}"
            for path in (
                "/healthz?token=tok3n",
                "/Zebedee",
                "/risk?condition=Zebedee",
                "/media/Zebedee.png?MRN-4711",
                "/_stcore/x/91.7342",
            ):
                ask(address + path, {"Authorization": "Bearer tok3n", "Cookie": "mc=tok3n"})
            ask(address, {"Host": "zebedee.example"})
            page = open_page(f"{address}/xray")
            page.wait_for_selector(".mc-start")
            files = [("Zebedee 91.7342.dcm", b"no film of Zebedee"), ("../MRN-4711.png", b"\x89PNG\r\n\x1a\nMRN-4711")]
            page.set_input_files(
                "[data-testid=stFileUploaderDropzoneInput]",
                [{"name": name, "mimeType": "x/y", "buffer": data} for name, data in files],
            )
            page.get_by_text(re.compile("2 unreadable")).first.wait_for()
            page = open_page(f"{address}/risk?condition=diabetes")
            field = page.locator(".st-key-waist_cm input")
            field.wait_for()
            field.fill("Zebedee 91.7342 MRN-4711")
            field.press("Enter")
            page.locator(".st-key-form .mc-error").first.wait_for()
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)
    text = (tmp_path / "log").read_text()
    assert str(port) in text
    assert not [canary for canary in CANARIES if canary in text]
