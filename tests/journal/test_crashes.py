"""Kill -9, a second program, backup and restore, the file of an earlier version, migrations."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from medcore.config import read_settings
from medcore.errors import KeysError, StorageError
from medcore.journal import Event, Journal, NewAssessment, Who, open_journal
from medcore.journal.backup import back_up, restore

BY = Who(actor="dr.test")
EVENT = Event(actor="local:ada", action="predict", outcome="scored", input_hash="cd" * 32)
WRITER = """
import sys
from pathlib import Path
from medcore.journal import Journal, NewAssessment, Who
journal, by = Journal(Path(sys.argv[1])), Who(actor="writer")
while True:
    new = NewAssessment(condition="c", model_id="m", sha256="ab", status="scored", inputs={"age": 61.0})
    print(journal.assessments.save(new, by=by).id, flush=True)
"""


def kill_while_writing(folder, at_least=10):
    """Start a program that saves, kill it in the middle, and return what it had been told is saved."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True, env=environ
    ) as writer:
        told = [writer.stdout.readline().strip() for _ in range(at_least)]
        writer.send_signal(signal.SIGKILL)
        told += [line for line in writer.stdout.read().split("\n")[:-1] if len(line) == 32]
    return told


def survives(folder, rounds):
    told = []
    for _ in range(rounds):
        told += kill_while_writing(folder)
        with open_journal(folder) as journal:
            saved = {item.id for item in journal.assessments.list(100_000)}
            assert not set(told) - saved
            found = journal.audit.verify()
            assert found.ok, found.findings
            assert found.n_events == found.n_records == len(saved)


def test_what_was_acknowledged_survives_five_kills(tmp_path):
    survives(tmp_path, 5)


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_hundred_kills(tmp_path):
    survives(tmp_path, 100)


def test_killed_while_it_is_created(tmp_path):
    """At any moment of the first run: the next start either begins or goes on, and is sound."""
    code = "import sys, pathlib, medcore.journal; medcore.journal.open_journal(pathlib.Path(sys.argv[1]))"
    for number in range(4):
        folder = tmp_path / str(number)
        writer = subprocess.Popen([sys.executable, "-c", code, str(folder)])
        while not (folder / ("journal.head", "journal.keys", "journal.db", "journal.db-wal")[number]).exists():
            assert writer.poll() in (None, 0)
        writer.kill()
        writer.wait()
        with open_journal(folder) as journal:
            assert journal.record(EVENT) == 1
            assert journal.audit.verify().ok


def test_two_programs_write_one_journal(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: kill_while_writing(tmp_path, 15), range(2)))
    with open_journal(tmp_path) as journal:
        saved = {item.id for item in journal.assessments.list(100_000)}
        assert set(told[0] + told[1]) <= saved
        assert journal.audit.verify().ok


@pytest.fixture
def filled(tmp_path):
    """A journal in use with a patient, an assessment and an image."""
    with Journal(tmp_path / "data") as journal:
        patient = journal.patients.create({"mrn": "4711"}, by=BY)
        journal.assessments.save(
            NewAssessment(
                condition="c",
                model_id="m",
                sha256="ab",
                status="scored",
                inputs={"age": 6.5},
                pseudonym=patient.pseudonym,
            ),
            by=BY,
        )
        journal.images.save(b"film" * 50, by=BY, media_type="image/png", pseudonym=patient.pseudonym)
        (tmp_path / "recovery").write_text(journal.take_recovery_key())
        yield journal


class TestBackup:
    def test_there_and_back(self, filled, tmp_path):
        done = back_up(filled, tmp_path / "copy", actor="a")
        assert (done.n_events, done.n_images) == (3, 1)
        assert not (tmp_path / "copy" / "journal.master").exists()
        filled.record(EVENT)
        filled.close()
        found, aside = restore(tmp_path / "copy", tmp_path / "data", settings=read_settings(), actor="a")
        assert found.ok
        assert found.n_records == 2
        assert (aside / "journal.db").exists()
        with open_journal(tmp_path / "data") as journal:
            assert [event.action for event in journal.events(2)] == ["restore", "save_image"]
            (patient,) = journal.patients.find("mrn", "4711", by=BY)
            (image,) = journal.images.list(pseudonym=patient.pseudonym)
            assert journal.images.read(image.id, by=BY)[1] == b"film" * 50
            assert journal.audit.verify().ok

    def test_on_another_machine_with_the_recovery_key(self, filled, tmp_path):
        back_up(filled, tmp_path / "copy", actor="a")
        with pytest.raises(KeysError, match="master key"):
            restore(tmp_path / "copy", tmp_path / "new", settings=read_settings(), actor="a")
        key = (tmp_path / "recovery").read_text()
        restore(tmp_path / "copy", tmp_path / "new", settings=read_settings(), actor="a", recovery_key=key)
        with open_journal(tmp_path / "new") as journal:
            assert len(journal.patients.list()) == 1

    def test_not_while_in_use(self, filled, tmp_path):
        back_up(filled, tmp_path / "copy", actor="a")
        filled.record(EVENT)
        with pytest.raises(StorageError, match="stop the dashboard"):
            restore(tmp_path / "copy", tmp_path / "data", settings=read_settings(), actor="a")

    def test_not_over_something(self, filled, tmp_path):
        (tmp_path / "copy").mkdir()
        with pytest.raises(StorageError, match="new, writable folder"):
            back_up(filled, tmp_path / "copy", actor="a")

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("journal.db", lambda content: content[:5000] + b"x" + content[5001:]),
            ("journal.head", lambda content: b"\0" * len(content)),
            ("journal.keys", lambda content: content.replace(b"a", b"b")),
            ("manifest.json", lambda content: b"{}"),
            ("manifest.json", lambda content: content.replace(b'"journal.db"', b'"../journal.db"')),
            ("manifest.json", None),
            ("journal.db", None),
        ],
    )
    @pytest.mark.parametrize("hashes", ["kept", "made to fit"])
    def test_a_changed_backup_replaces_nothing(self, filled, tmp_path, name, change, hashes):
        copy = tmp_path / "copy"
        back_up(filled, copy, actor="a")
        filled.close()
        before = {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()}
        path = copy / name
        path.unlink() if change is None else path.write_bytes(change(path.read_bytes()))
        if hashes == "made to fit" and name != "manifest.json" and change:
            import hashlib

            manifest = json.loads((copy / "manifest.json").read_text())
            manifest["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
            (copy / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(StorageError):
            restore(copy, tmp_path / "data", settings=read_settings(), actor="a")
        assert {path.name: path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()} == before


OLD = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at_utc TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    outcome TEXT NOT NULL, condition TEXT NOT NULL, model_id TEXT NOT NULL, sha256 TEXT NOT NULL,
    input_hash TEXT NOT NULL, n_records INTEGER NOT NULL, app_version TEXT NOT NULL
);
CREATE TABLE installation (salt BLOB NOT NULL);
PRAGMA application_id = 1296385091;
PRAGMA user_version = 1;
"""


def write_old_file(path, salt=b"s" * 32):
    import hashlib
    import hmac

    keyed = hmac.new(salt, EVENT.input_hash.encode(), hashlib.sha256).hexdigest()
    connection = sqlite3.connect(path)
    connection.executescript(OLD)
    connection.execute("INSERT INTO installation VALUES (?)", (salt,))
    for second in range(3):
        row = (
            f"2026-03-01T00:00:0{second}.000+00:00",
            "local:old",
            "predict",
            "scored",
            "c",
            "m",
            "ab",
            keyed,
            1,
            "0.1.0",
        )
        connection.execute(f"INSERT INTO events VALUES (NULL, {', '.join('?' * 10)})", row)
    connection.commit()
    connection.close()


def test_the_file_of_an_earlier_version_is_imported_once(tmp_path):
    write_old_file(tmp_path / "journal.sqlite3")
    with open_journal(tmp_path) as journal:
        assert [event.at.second for event in journal.events()] == [2, 1, 0]
        assert journal.record(EVENT) == 4
        new, *_, old = journal.events()
        assert new.input_hash == old.input_hash  # the same patient is still recognised
        assert journal.audit.verify().ok
    assert (tmp_path / "journal.sqlite3.imported").exists()
    assert not (tmp_path / "journal.sqlite3").exists()
    with open_journal(tmp_path) as journal:
        assert len(journal.events()) == 4


def test_an_import_that_was_interrupted_before_the_renaming(tmp_path):
    write_old_file(tmp_path / "journal.sqlite3")
    open_journal(tmp_path).close()
    shutil.move(tmp_path / "journal.sqlite3.imported", tmp_path / "journal.sqlite3")
    with open_journal(tmp_path) as journal:
        assert len(journal.events()) == 3
    assert not (tmp_path / "journal.sqlite3").exists()


def test_migrations_make_the_tables_of_the_models(journal):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from medcore.journal.schema import Base

    with journal.reading() as (connection, _):
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_copy_is_made_before_an_upgrade(journal, monkeypatch):
    from alembic.util import CommandError

    from medcore.journal import upgrade

    journal.record(EVENT)
    journal.close()
    monkeypatch.setattr(upgrade, "HEAD", "0099")
    with pytest.raises(CommandError, match="0099"):  # there is no such step: what matters is that the copy came first
        journal.record(EVENT)
    monkeypatch.undo()
    (copy,) = journal.folder.root.glob(f"journal.db.before-{upgrade.HEAD}-*")
    journal.path.write_bytes(copy.read_bytes())
    assert [event.id for event in journal.events()] == [1]
    assert copy.stat().st_mode & 0o077 == 0


def test_many_journals_are_created_at_once_in_one_program(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    def begin(number):
        with open_journal(tmp_path / str(number)) as journal:
            return journal.record(EVENT)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(begin, range(18))) == [1] * 18
