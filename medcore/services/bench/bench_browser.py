"""Speed as a person at the screen sees it: a real browser against this dashboard and against a hello-world page.

Each start is a fresh server and a fresh browser profile; both pages are measured in turn, so that
whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medcore.config import SETTINGS, Settings
from medcore.errors import MedcoreError
from medcore.registry import Catalog

__all__ = ["Launcher", "fresh_page", "measure_pages", "open_browser"]

_STARTS = 5
_EDITS = 15
_HELLO = "import streamlit as st\nvalue = st.slider('value', 0, 100, 50, key='value')\nst.write(f'value is {value}')\n"
_SLIDER = "[data-testid=stSlider] input[type=range]"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_WAIT_MS = 60_000
_MODEL_WAIT_MS = 180_000

Row = tuple[str, float, float | None, str]


def measure_pages(settings: Settings) -> Iterator[Row]:
    """Yield (name, seconds, baseline seconds, baseline's name).

    Raises
    ------
    MedcoreError
        No browser or no bundles here: nothing can be measured.
    """
    if not Catalog(settings.models_dir).models():
        raise MedcoreError("there are no bundles to measure")
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        yield from _measure(browser, Launcher(_HELLO, Path(folder)))


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """Open a headless Chromium.

    Raises
    ------
    MedcoreError
        There is none here, or it gave up while it was used.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        raise MedcoreError("needs chromium and playwright: install chromium and medcore[test]")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        try:
            yield browser
        except Error as error:
            raise MedcoreError(f"the browser gave up: {error.message.splitlines()[0]}") from error
        finally:
            browser.close()


class Launcher:
    """Starts either server on a free port: the dashboard, or a plain Streamlit script as its baseline.

    Parameters
    ----------
    script : str
        Source of the baseline.
    folder : pathlib.Path
        Where the script and the dashboard's journal go.
    """

    def __init__(self, script: str, folder: Path) -> None:
        self._script = folder / "plain.py"
        self._script.write_text(script, encoding="utf-8")
        data = next(setting.env for setting in SETTINGS if setting.name == "data_dir")
        self._environ = {**os.environ, data: str(folder / "data")}
        self._folder = folder

    @contextlib.contextmanager
    def plain(self) -> Iterator[str]:
        """Serve the baseline; yields its address."""
        port = _free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(self._script), f"--server.port={port}"]
        flags = ["--server.address=127.0.0.1", "--server.headless=true", "--browser.gatherUsageStats=false"]
        with self._running([*command, *flags, "--server.fileWatcherType=none"], port) as address:
            yield address

    @contextlib.contextmanager
    def medcore(self) -> Iterator[str]:
        """Serve the dashboard; yields its address."""
        port = _free_port()
        with self._running([sys.executable, "-m", "medcore.cli", "serve", "--port", str(port)], port) as address:
            yield address

    @contextlib.contextmanager
    def _running(self, command: list[str], port: int) -> Iterator[str]:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            cwd=self._folder,
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_for_port(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _measure(browser: Any, launcher: Launcher) -> Iterator[Row]:
    slow, quick = [], []
    for _ in range(_STARTS):
        quick.append(_time_start(browser, launcher.plain, _SLIDER))
        slow.append(_time_start(browser, launcher.medcore, ".st-key-form input:not([disabled])"))
    name = f"server start to first usable page, median of {_STARTS}"
    yield name, statistics.median(slow), statistics.median(quick), "hello-world Streamlit page"
    with launcher.plain() as address:
        floor = _time_slider(browser, address)
    with launcher.medcore() as address:
        edits = _time_edits(browser, address)
    name = f"edit a field to risk and reasons on screen, median of {len(edits)}"
    yield name, statistics.median(edits), statistics.median(floor), "hello-world slider to text"


def _time_start(browser: Any, serve: Callable[[], Any], selector: str) -> float:
    start = time.perf_counter()
    with serve() as address, fresh_page(browser) as page:
        page.goto(address, timeout=_WAIT_MS)
        page.wait_for_selector(selector, state="attached", timeout=_WAIT_MS)
        return time.perf_counter() - start


def _time_slider(browser: Any, address: str) -> list[float]:
    with fresh_page(browser) as page:
        page.goto(address, timeout=_WAIT_MS)
        page.wait_for_selector("text=value is 50", timeout=_WAIT_MS)
        page.locator(_SLIDER).first.focus()
        text = "[...document.querySelectorAll('[data-testid=stMarkdown]')].map(e => e.innerText).join()"
        return [_time_change(page, text, lambda: page.keyboard.press("ArrowRight")) for _ in range(_EDITS)]


def _time_edits(browser: Any, address: str) -> list[float]:
    with fresh_page(browser) as page:
        page.goto(f"{address}/?condition=heart_disease", timeout=_WAIT_MS)
        page.wait_for_selector(".st-key-form input", timeout=_WAIT_MS)
        page.locator(".st-key-example button").first.click()
        page.locator("[role=menuitem], [role=option]").nth(1).click()
        page.wait_for_function("() => document.querySelector('.st-key-age_years input')?.value", timeout=_WAIT_MS)
        page.wait_for_selector(".mc-number", timeout=_MODEL_WAIT_MS)
        page.wait_for_selector(".mc-bars", timeout=_WAIT_MS)
        field = page.locator(".st-key-age_years input")
        seconds = []
        for i in range(_EDITS):
            field.fill("51" if i % 2 else "66")
            seconds.append(_time_change(page, _RESULT_TEXT, lambda: field.press("Enter")))
        return seconds


# The bars come after the number: when they are new, both are on screen.
_RESULT_TEXT = "document.querySelector('.mc-bars')?.innerHTML"


def _time_change(page: Any, expression: str, act: Callable[[], None]) -> float:
    """Seconds from an action until an expression has another value, looked at in every frame."""
    before = page.evaluate(f"() => {expression}")
    start = time.perf_counter()
    act()
    page.wait_for_function(f"before => {expression} !== before", arg=before, polling="raf", timeout=_WAIT_MS)
    return time.perf_counter() - start


@contextlib.contextmanager
def fresh_page(browser: Any) -> Iterator[Any]:
    """Open a page with a profile of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        yield context.new_page()
    finally:
        context.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise MedcoreError(f"the server ended with exit status {server.returncode} before it listened")
