"""Kill -9 of the real server in the middle of saves: what it acknowledged is there, and it starts again."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from medcore.journal import open_journal

ROOT = Path(__file__).resolve().parents[2]
START_S = 120
N_CLIENTS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One start of the server on the same data folder."""

    def __init__(self, folder):
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        script = ROOT / "tests" / "browser" / "saving_app.py"
        with (folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"],
                cwd=ROOT,
                env={**os.environ, "MEDCORE_DATA": str(folder / "data"), "MEDCORE_KEY_STORE": "file"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, "the server ended before it was ready"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("/readyz")["status"] == "ready":
                    return
            time.sleep(0.1)
        raise AssertionError("the server was not ready in time")

    def ask(self, path):
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return json.load(answer)

    def save_until_it_dies(self, told, enough):
        """Save one result after the other; ``told`` takes what the server said is saved."""
        for number in range(100_000):
            try:
                told.append(self.ask(f"/save/{id(told)}-{threading.get_ident()}-{number}-{time.monotonic_ns()}")["id"])
            except (OSError, http.client.HTTPException, ValueError):
                return
            if len(told) >= enough[0]:
                enough[1].set()

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def survive(folder, rounds):
    told = []
    for number in range(rounds):
        server = Server(folder)
        try:
            server.wait_until_ready()
            enough = (len(told) + 5 + number % 7, threading.Event())
            clients = [
                threading.Thread(target=server.save_until_it_dies, args=(told, enough)) for _ in range(N_CLIENTS)
            ]
            for client in clients:
                client.start()
            assert enough[1].wait(60), "too few were saved before the kill"
        finally:
            server.kill()
        for client in clients:
            client.join(60)
        with open_journal(folder / "data") as journal:
            kept = {item.id for item in journal.assessments.list(1_000_000)}
            assert not set(told) - kept
            found = journal.audit.verify()
            assert found.ok, found.findings
    return told


@pytest.fixture(autouse=True)
def _keys_in_files(monkeypatch):
    monkeypatch.setenv("MEDCORE_KEY_STORE", "file")


def test_five_kills(tmp_path):
    assert len(survive(tmp_path, 5)) >= 25
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_kills(tmp_path):
    assert len(survive(tmp_path, 100)) >= 500
