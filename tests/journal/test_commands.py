"""The commands of the journal, run as a person runs them."""

import json
import stat

import pytest
from typer.testing import CliRunner

from medcore.cli import app
from medcore.errors import KeysError, StorageError
from medcore.journal import Event, Journal, open_journal

EVENT = Event(actor="local:ada", action="predict", outcome="scored")


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCORE_DATA", str(tmp_path / "data"))

    def call(*words, typed=None, fails=None):
        result = CliRunner().invoke(app, [str(word) for word in words], input=typed)
        if fails is None:
            assert result.exit_code == 0, (result.output, result.exception)
        else:
            assert isinstance(result.exception, fails), result.exception
        return result.output

    return call


def find_recovery_key(output):
    return next(line.strip() for line in output.splitlines() if line.startswith("    "))


def test_from_the_first_run_to_recovery(call, tmp_path):
    key = find_recovery_key(call("keys", "init"))
    call("keys", "init", fails=StorageError)
    facts = json.loads(call("keys", "status", "--json"))
    assert (facts["master_key"], facts["n_data_keys"]) == ("file", 1)
    (tmp_path / "data" / "journal.master").unlink()
    call("audit", "verify", fails=KeysError)
    call("keys", "recover", typed="wrong\n", fails=KeysError)
    call("keys", "recover", typed=f"{key}\n")
    new = find_recovery_key(call("keys", "recovery"))
    assert new != key
    newest = find_recovery_key(call("keys", "rotate", "--data"))
    assert json.loads(call("keys", "status", "--json"))["n_data_keys"] == 2
    call("keys", "recover", typed=f"{new}\n", fails=KeysError)
    call("keys", "recover", typed=f"{newest}\n")
    assert json.loads(call("audit", "verify", "--json"))["ok"]
    call("keys", "rotate")
    call("keys", "rotate", "--new-master-key", "ab" * 32)  # no setting holds it: simply a new one


def test_no_command_but_init_creates_a_journal(call, tmp_path):
    for words in (("audit", "verify"), ("audit", "export"), ("backup", tmp_path / "copy"), ("keys", "status")):
        call(*words, fails=StorageError)
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())


def test_verify_and_export(call, tmp_path):
    with Journal(tmp_path / "data") as journal:
        journal.record(EVENT)
    assert "1 events" in call("audit", "verify")
    out = tmp_path / "audit.jsonl"
    call("audit", "export", "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    actions = [json.loads(line)["subtype"][0]["code"] for line in out.read_text().splitlines()]
    assert actions == ["predict", "verify_audit", "export_audit"]
    call("audit", "export", "--out", out, fails=StorageError)  # never over a file
    assert call("audit", "export").count("AuditEvent") == 4 + 1
    with open_journal(tmp_path / "data") as journal, journal.writing() as pen:
        pen.connection.exec_driver_sql("DROP TRIGGER events_no_delete")
        pen.connection.exec_driver_sql("DELETE FROM events WHERE number = 2")
    assert "Event 2 is missing" in call("audit", "verify", fails=StorageError)


def test_backup_and_restore(call, tmp_path):
    key = find_recovery_key(call("keys", "init"))
    with open_journal(tmp_path / "data") as journal:
        journal.record(EVENT)
        call("backup", tmp_path / "copy")
        call("restore", tmp_path / "copy", fails=StorageError)
    call("backup", tmp_path / "copy", fails=StorageError)
    call("restore", tmp_path / "copy")
    (tmp_path / "data" / "journal.master").unlink()
    call("restore", tmp_path / "copy", fails=KeysError)
    call("restore", tmp_path / "copy", "--recovery-key", typed=f"{key}\n")
    with open_journal(tmp_path / "data") as journal:
        assert [event.action for event in journal.events()] == ["restore", "predict"]
