"""The journal: appends only, survives kills, refuses when it cannot write."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone

import pytest

from medcore.errors import StorageError
from medcore.journal import Event, Journal, open_journal
from medcore.journal.engine import load_cipher

EVENT = Event(
    actor="local:ada",
    action="predict",
    outcome="scored",
    condition="heart_disease",
    model_id="heart_disease-mlp",
    sha256="ab" * 32,
    input_hash="cd" * 32,
    n_records=3,
    app_version="0.1.0",
)


def test_what_was_written_is_read_back(tmp_path):
    moment = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with Journal(tmp_path, clock=lambda: moment) as journal:
        assert [journal.record(EVENT) for _ in range(3)] == [1, 2, 3]
        newest = journal.events(1)[0]
    assert newest.id == 3
    assert newest.at == moment
    assert newest.at.tzinfo == UTC
    for item in fields(EVENT):
        if item.name not in {"id", "at", "input_hash"}:
            assert getattr(newest, item.name) == getattr(EVENT, item.name)


def test_files_are_created_on_first_use_for_the_owner_only(journal):
    assert not journal.path.parent.exists()
    journal.record(EVENT)
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700
    for path in journal.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_file_that_others_could_read_is_closed_to_them(journal):
    journal.record(EVENT)
    journal.close()
    journal.path.chmod(0o644)
    journal.events()
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_it_writes_through_to_the_disk(journal):
    journal.record(EVENT)
    with journal.reading() as (connection, _):
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET outcome = 'withheld'",
        "DELETE FROM events",
        "DELETE FROM events WHERE number = 1",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE number = 1",
        "UPDATE installation SET sealed = x'00'",
        "DELETE FROM installation",
    ],
)
def test_rows_cannot_be_changed(journal, statement):
    journal.record(EVENT)
    with pytest.raises(StorageError, match="append-only"), journal.writing() as pen:
        pen.connection.exec_driver_sql(statement)
    assert journal.events()[0].outcome == "scored"


@pytest.mark.parametrize("empty", ["actor", "action", "outcome"])
def test_an_event_without_actor_action_or_outcome_is_refused(journal, empty):
    with pytest.raises(StorageError):
        journal.record(Event(**{"actor": "a", "action": "b", "outcome": "c", empty: ""}))


def test_the_event_has_no_room_for_inputs():
    assert {item.name for item in fields(Event)} == {
        "actor", "role", "session", "action", "outcome", "patient", "target", "condition", "model_id", "sha256",
        "input_hash", "n_records", "app_version", "at", "id",
    }  # fmt: skip


def test_input_hash_is_keyed_per_installation_and_stable(tmp_path):
    with Journal(tmp_path / "a") as one, Journal(tmp_path / "a") as same, Journal(tmp_path / "b") as other:
        for journal in (one, same, other):
            journal.record(EVENT)
        first, second = one.events()
        assert first.input_hash == second.input_hash
        assert first.input_hash not in {EVENT.input_hash, other.events()[0].input_hash}
        assert len(first.input_hash) == 64
        one.record(Event(actor="a", action="b", outcome="c"))
        assert one.events(1)[0].input_hash == ""


def test_open_journal_refuses_at_once(tmp_path):
    (tmp_path / "journal.sqlite3").write_bytes(b"not a database, but a text of some length. " * 40)
    with pytest.raises(StorageError, match="not a journal"):
        open_journal(tmp_path)
    open_journal(tmp_path / "new").close()


def test_threads_and_a_second_journal_on_the_same_file(tmp_path):
    with Journal(tmp_path) as one, Journal(tmp_path) as two, ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda i: (one, two)[i % 2].record(EVENT), range(200)))
        assert sorted(numbers) == list(range(1, 201))
        assert len(one.events(1000)) == 200


def test_two_open_a_new_journal_in_the_same_moment(tmp_path):
    for i in range(20):
        with Journal(tmp_path / str(i)) as one, Journal(tmp_path / str(i)) as two, ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(lambda journal: journal.record(EVENT), (one, two))) == [1, 2]


def test_locked(journal):
    journal.record(EVENT)
    with Journal(journal.folder.root, busy_s=0.2) as other, other.writing() as pen:
        with pytest.raises(StorageError, match="locked"):
            journal.record(EVENT)
        pen.record(EVENT)
    assert journal.record(EVENT) == 3


def test_full(journal):
    journal.record(EVENT)
    with journal.reading() as (connection, _):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    journal.close()
    journal._pragmas = (f"max_page_count = {pages}",)
    with pytest.raises(StorageError, match="full"):
        [journal.record(EVENT) for _ in range(1000)]
    assert journal.events(1)  # reading goes on
    journal.close()
    journal._pragmas = ()
    assert journal.record(EVENT) == journal.events(1)[0].id
    assert journal.audit.verify().ok


@pytest.mark.parametrize(
    "content", [b"not a database, but a text of some length. " * 40, b"SQLite format 3\0" + b"\xff" * 2000]
)
def test_not_a_database_is_refused_and_left_alone(journal, content):
    journal.path.parent.mkdir(parents=True)
    journal.path.write_bytes(content)
    with pytest.raises(StorageError):
        journal.record(EVENT)
    assert journal.path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(journal):
    journal.path.parent.mkdir(parents=True)
    with sqlite3.connect(journal.path) as other:
        other.execute("CREATE TABLE bookmarks (x)")
    other.close()
    with pytest.raises(StorageError, match="another program"):
        journal.record(EVENT)
    assert not journal.folder.keys.exists()
    with sqlite3.connect(journal.path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    other.close()


def test_a_newer_format_is_refused(journal):
    journal.record(EVENT)
    with journal.writing() as pen:
        pen.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0099'")
    journal.close()
    with pytest.raises(StorageError, match="format 0099"):
        journal.record(EVENT)


def test_a_file_removed_while_in_use_is_noticed_and_a_new_one_begun_only_afterwards(journal):
    journal.record(EVENT)
    journal.path.unlink()
    with pytest.raises(StorageError, match="removed or replaced"):
        journal.record(EVENT)
    with pytest.raises(StorageError, match="database is missing"):
        journal.record(EVENT)
    assert not journal.path.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only(journal):
    journal.record(EVENT)
    journal.close()
    journal.path.parent.chmod(0o500)
    journal.path.chmod(0o400)
    try:
        with pytest.raises(StorageError):
            journal.record(EVENT)
    finally:
        journal.path.parent.chmod(0o700)


def test_a_database_opened_read_only_is_named_so(journal):
    journal.record(EVENT)
    journal.close()
    journal._pragmas = ("query_only = 1",)
    journal.events()
    with pytest.raises(StorageError, match="read-only"):
        journal.record(EVENT)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "file" / "folder").record(EVENT)


@pytest.mark.parametrize("first", ["import tensorflow", "import sqlite3", "import sqlite3, tensorflow"])
def test_the_journal_is_encrypted_whatever_was_loaded_before_it(tmp_path, first):
    """TensorFlow brings a plain SQLite whose symbols a SQLCipher loaded later would take for its own."""
    script = f"""{first}
from pathlib import Path
from medcore.journal import Event, Journal
with Journal(Path({str(tmp_path)!r})) as journal:
    journal.record(Event(actor="dr.plainly.visible", action="look", outcome="shown"))
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=120)
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"plainly.visible" not in found
    assert not (tmp_path / "journal.db").read_bytes().startswith(b"SQLite format 3")


def test_a_library_that_does_not_encrypt_is_refused(tmp_path, monkeypatch):
    import sqlcipher3

    monkeypatch.setattr(sqlcipher3, "dbapi2", sqlite3)
    with pytest.raises(StorageError, match="does not encrypt"):
        load_cipher()
