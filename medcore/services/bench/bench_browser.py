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
from typing import Any, TypeVar

from medcore.config import SETTINGS, Settings
from medcore.errors import MedcoreError
from medcore.registry import Catalog
from medcore.services.bench.figure import Figure

__all__ = [
    "Launcher",
    "edit_many",
    "fresh_page",
    "measure_cut_off",
    "measure_pages",
    "open_browser",
    "run_dashboard",
]

_STARTS = 5
_EDITS = 30
_HELLO_NAME = "hello-world Streamlit page"
_SLIDER_NAME = "hello-world slider to text"
_HELLO = "import streamlit as st\nvalue = st.slider('value', 0, 100, 50, key='value')\nst.write(f'value is {value}')\n"
_FORM = ".st-key-form input:not([disabled])"
_SLIDER = "[data-testid=stSlider] input[type=range]"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_WAIT_MS = 60_000
_MODEL_WAIT_MS = 180_000
_MOVES = """(slider) => Array.from({ length: 60 }, (_, k) => {
  slider.value = 30 + k;
  slider.dispatchEvent(new Event("input"));
  return Number(slider.getRootNode().querySelector(".curves").dataset.redrawMs);
})"""

_Answer = TypeVar("_Answer")


def measure_pages(settings: Settings) -> Iterator[Figure]:
    """Yield the start, the second session, the first click and later edits, each beside a hello-world page.

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
        names = {setting.name: setting.env for setting in SETTINGS}
        self._environ = {**os.environ, names["data_dir"]: str(folder / "data"), names["demo"]: "on"}
        # pip left Streamlit's compiled code on disk; without ours there only we would compile at every start
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.pid = 0
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
            self.pid = server.pid
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def measure_cut_off(settings: Settings) -> Iterator[Figure]:
    """Yield how long the compare page's figures take to follow the cut-off; nothing crosses the network.

    Raises
    ------
    MedcoreError
        No browser or no bundles here.
    """
    if not Catalog(settings.models_dir).models():
        raise MedcoreError("there are no bundles to measure")
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        launcher = Launcher(_HELLO, Path(folder))
        with launcher.plain() as address:
            floor = _time_slider(browser, address)
        with launcher.medcore() as address, fresh_page(browser) as page:
            page.goto(f"{address}/compare?condition=heart_disease", timeout=_WAIT_MS)
            slider = page.locator(".slider").first
            slider.wait_for(timeout=_MODEL_WAIT_MS)
            seconds = [ms / 1e3 for ms in slider.evaluate(_MOVES)]
    yield Figure(
        name=f"compare page, cut-off moved to figures redrawn, median of {len(seconds)}",
        unit="s",
        value=statistics.median(seconds),
        baseline=statistics.median(floor),
        baseline_name=_SLIDER_NAME,
        at_most=0.016,
    )


@contextlib.contextmanager
def run_dashboard(settings: Settings) -> Iterator[tuple[str, int, Any]]:
    """Run the dashboard and a browser; yields its address, its process id and the browser.

    Raises
    ------
    MedcoreError
        No browser or no bundles here.
    """
    if not Catalog(settings.models_dir).models():
        raise MedcoreError("there are no bundles to measure")
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        launcher = Launcher(_HELLO, Path(folder))
        with launcher.medcore() as address:
            yield address, launcher.pid, browser


def edit_many(
    browser: Any, address: str, n: int, when_warm: Callable[[], _Answer] | None = None
) -> tuple[list[float], _Answer | None]:
    """Change a field ``n`` times; returns the seconds of each and what ``when_warm`` said after the first answer."""
    with fresh_page(browser) as page:
        _fill_example(page, address)
        warm = None if when_warm is None else when_warm()
        return [_time_edit(page, i) for i in range(n)], warm


def _measure(browser: Any, launcher: Launcher) -> Iterator[Figure]:
    ours, plain = [], []
    for _ in range(_STARTS):
        plain.append(_time_start(browser, launcher.plain, _SLIDER))
        ours.append(_time_start(browser, launcher.medcore, _FORM))
    start = statistics.median(plain)
    yield _seconds(f"server start to first usable page, median of {_STARTS}", ours, plain, _HELLO_NAME, limit=1.25)
    tensorflow = _time_import("tensorflow")
    first = _time_first_answer(browser, launcher)
    yield Figure(
        name="server start to first risk on screen, clicked at once",
        unit="s",
        value=first,
        baseline=start + 1.5 * tensorflow,
        baseline_name="hello-world page + 1.5 x import tensorflow",
        ratio_limit=1.0,
    )
    with launcher.plain() as address:
        floor = _time_slider(browser, address)
        second_plain = [_time_session(browser, address, _SLIDER) for _ in range(_STARTS)]
    with launcher.medcore() as address:
        edits, _ = edit_many(browser, address, _EDITS)  # the first session: when it ends the models are there
        second = [_time_session(browser, address, _FORM) for _ in range(_STARTS)]
    yield _seconds(f"second session to usable page, median of {_STARTS}", second, second_plain, _HELLO_NAME, limit=1.3)
    name = f"edit a field to risk and reasons on screen, {len(edits)} times"
    yield _seconds(f"{name}, p50", edits, floor, _SLIDER_NAME, limit=2.0)
    yield Figure(
        name=f"{name}, p95",
        unit="s",
        value=_percentile_95(edits),
        baseline=_percentile_95(floor),
        baseline_name=_SLIDER_NAME,
        at_most=0.6,
    )


def _seconds(name: str, ours: list[float], theirs: list[float], baseline_name: str, *, limit: float) -> Figure:
    return Figure(
        name=name,
        unit="s",
        value=statistics.median(ours),
        baseline=statistics.median(theirs),
        baseline_name=baseline_name,
        ratio_limit=limit,
    )


def _percentile_95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def _time_import(module: str) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-c", f"import {module}"]
    subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - our own interpreter
    return time.perf_counter() - start


def _time_first_answer(browser: Any, launcher: Launcher) -> float:
    """Seconds from starting the server to a risk, for somebody who clicks as soon as there is something to click."""
    start = time.perf_counter()
    with launcher.medcore() as address, fresh_page(browser) as page:
        _fill_example(page, address)
        return time.perf_counter() - start


def _time_session(browser: Any, address: str, selector: str) -> float:
    start = time.perf_counter()
    with fresh_page(browser) as page:
        page.goto(address, timeout=_WAIT_MS)
        page.wait_for_selector(selector, state="attached", timeout=_WAIT_MS)
        return time.perf_counter() - start


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


def _fill_example(page: Any, address: str) -> None:
    """Choose a made-up patient and wait for risk and reasons."""
    page.goto(f"{address}/?condition=heart_disease", timeout=_WAIT_MS)
    page.wait_for_selector(_FORM, timeout=_WAIT_MS)
    page.locator(".st-key-example button").first.click()
    page.locator("[role=menuitem], [role=option]").nth(1).click()
    page.wait_for_function("() => document.querySelector('.st-key-age_years input')?.value", timeout=_WAIT_MS)
    page.wait_for_selector(".mc-number", timeout=_MODEL_WAIT_MS)
    page.wait_for_selector(".mc-bars", timeout=_WAIT_MS)


def _time_edit(page: Any, i: int) -> float:
    field = page.locator(".st-key-age_years input")
    field.fill("51" if i % 2 else "66")
    return _time_change(page, _RESULT_TEXT, lambda: field.press("Enter"))


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
