"""Starting the server: which command, which refusals."""

import socket
import sys

import pytest

from medcore.errors import ConfigError, StorageError
from medcore.journal import Journal
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


@pytest.fixture
def demo(monkeypatch, tmp_path):
    """Return the folder of a demo that was started before, beside the site's own data."""
    for name, value in {"DATA": str(tmp_path), "DEMO": "on", "KEY_STORE": "file"}.items():
        monkeypatch.setenv(f"MEDCORE_{name}", value)
    monkeypatch.delenv("MEDCORE_JOURNAL_URL", raising=False)
    (tmp_path / "journal.db").write_text("the site's own")
    serving.create_journal()
    return tmp_path / "demo"


def test_a_demo_begins_anew_and_the_sites_data_stays(demo):
    assert (demo / "journal.db").exists()
    serving.clear_demo()
    assert not demo.exists()
    assert (demo.parent / "journal.db").read_text() == "the site's own"
    serving.clear_demo()
    assert serving.create_journal() is not None


def test_a_demo_that_runs_is_left_alone(demo):
    with Journal(demo) as journal:
        journal.open()
        with pytest.raises(StorageError, match="is running"):
            serving.clear_demo()
        assert journal.audit.verify().ok
    serving.clear_demo()
    assert not demo.exists()


def test_nothing_but_a_demo_begins_anew(demo, monkeypatch):
    monkeypatch.setenv("MEDCORE_DEMO", "off")
    with pytest.raises(ConfigError, match="--demo"):
        serving.clear_demo()
    monkeypatch.setenv("MEDCORE_DEMO", "on")
    monkeypatch.setenv("MEDCORE_JOURNAL_URL", "postgresql://user@host/name")
    with pytest.raises(ConfigError, match="database"):
        serving.clear_demo()
    assert demo.exists()
