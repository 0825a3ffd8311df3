"""Starting the server: which command, which refusals."""

import socket
import sys

import pytest

from medcore.errors import ConfigError
from medcore.services import serving


def test_the_command_names_address_port_and_script():
    command = serving.build_command("127.0.0.1", 8600)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert command[4].endswith("streamlit_app.py")
    assert "--server.address=127.0.0.1" in command
    assert "--server.port=8600" in command
    assert not any("allowedHosts" in part for part in command)


def test_another_address_is_allowed_by_name():
    command = serving.build_command("192.0.2.5", 8501)
    assert "--server.allowedHosts=192.0.2.5" in command
    assert "--server.allowedHosts=localhost" in command


def test_all_interfaces_do_not_allow_all_names():
    assert not any("allowedHosts" in part for part in serving.build_command("0.0.0.0", 8501))


def test_a_free_port_is_fine():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serving.check_port("127.0.0.1", port)


def test_an_unknown_host():
    with pytest.raises(ConfigError, match="is not an address"):
        serving.check_port("no-such-host.invalid", 8501)


def test_a_missing_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(serving, "_APP", tmp_path / "streamlit_app.py")
    with pytest.raises(ConfigError, match="checkout"):
        serving.exec_server("127.0.0.1", 8501)


def test_it_becomes_the_server(monkeypatch):
    seen = []
    monkeypatch.setattr(serving.os, "execv", lambda *call: seen.append(call))
    monkeypatch.setattr(serving, "check_port", lambda *_: None)
    serving.exec_server("127.0.0.1", 8600)
    assert seen == [(sys.executable, serving.build_command("127.0.0.1", 8600))]


def test_the_first_start_creates_the_journal_and_shows_its_recovery_key_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCORE_DATA", str(tmp_path))
    key = serving.create_journal()
    assert key is not None
    assert len(key) > 20
    assert (tmp_path / "journal.db").is_file()
    assert serving.create_journal() is None
