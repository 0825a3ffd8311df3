"""The journal on a real PostgreSQL server, started for these tests under an unprivileged user."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from access_contract import StoreContract

from medcore.access.store import JournalStore
from medcore.config import read_settings
from medcore.errors import ConfigError, EditConflictError, KeysError, StorageError
from medcore.journal import Event, Journal, NewAssessment, NewVerdict, OperatingPoint, Who
from medcore.journal.backup import back_up
from medcore.journal.drafts import new_draft
from medcore.journal.rotation import rotate_data_key

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
BY = Who(actor="dr.test", role="clinician")
EVENT = Event(actor="local:ada", action="predict", outcome="scored", input_hash="cd" * 32)


def find_user():
    """Return who may run the server: ourselves, or for root an account without rights."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


class Server:
    """One server on a free port of this machine, in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.user = folder, find_user()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def call(self, name, *options):
        subprocess.run(
            [BINARIES.parent / name, *options], check=True, user=self.user, cwd="/", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, timeout=120,
        )  # fmt: skip

    def begin(self):
        if self.user:
            shutil.chown(self.folder, self.user)
        self.call("initdb", "-D", self.folder / "data", "-U", "medcore", "-A", "trust", "-E", "UTF8")
        self.start()

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.call("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def create(self, name):
        self.call("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "medcore", name)
        return f"postgresql://medcore@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="module")
def server():
    if BINARIES is None:
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    server = Server(folder)
    try:
        server.begin()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(server, request):
    name = "j" + "".join(letter for letter in request.node.name.lower() if letter.isalnum())[:40]
    return replace(read_settings(), journal_url=server.create(f"{name}{time.monotonic_ns()}"[:60]))


@pytest.fixture
def journal(settings, tmp_path):
    with Journal(tmp_path / "data", settings=settings) as journal:
        yield journal


def test_everything_that_is_kept_is_read_back(journal):
    patient = journal.patients.create({"mrn": "0815", "name": "Zenobia Quillfeather"}, by=BY)
    assert journal.patients.find("name", "zenobia quillfeather", by=BY) == (patient,)
    new = NewAssessment(
        condition="c", model_id="m", sha256="ab", status="scored", inputs={"age": 61.5}, pseudonym=patient.pseudonym,
        idempotency_key="k",
    )  # fmt: skip
    saved = journal.assessments.save(new, by=BY)
    assert journal.assessments.save(new, by=BY) == saved
    assert journal.assessments.read(saved.id, by=BY) == saved
    image = journal.images.save(b"film", by=BY, media_type="image/png", pseudonym=patient.pseudonym)
    assert journal.images.read(image.id, by=BY) == (image, b"film")
    verdict = journal.verdicts.add(NewVerdict(assessment_id=saved.id, opinion="yes", p_reader=0.25), by=BY)
    assert journal.verdicts.list() == (verdict,)
    point = journal.operating_points.save(
        OperatingPoint(condition="c", model_id="m", sha256="ab", name="n", threshold=0.123456789), by=BY
    )
    assert journal.operating_points.list() == (point,)
    draft = journal.drafts.save(new_draft("c", patient.pseudonym), {"a": "1"}, by=BY)
    assert journal.drafts.list(by=BY) == (draft,)
    changed = journal.patients.update(patient, {"mrn": "1"}, by=BY)
    with pytest.raises(EditConflictError):
        journal.patients.update(patient, {"mrn": "2"}, by=BY)
    assert journal.audit.verify().ok
    journal.patients.erase(changed.pseudonym, by=BY)
    assert not journal.assessments.read(saved.id, by=BY).readable
    assert journal.audit.verify().ok
    assert len(list(journal.audit.export())) == len(journal.events(1000))


def test_nothing_that_tells_about_a_patient_reaches_the_server(journal, server):
    patient = journal.patients.create({"name": "Zenobia Quillfeather"}, by=BY)
    journal.assessments.save(
        NewAssessment(
            condition="c",
            model_id="m",
            sha256="ab",
            status="scored",
            inputs={"glucose": 5.4321987},
            pseudonym=patient.pseudonym,
        ),
        by=BY,
    )
    for path in (server.folder / "data").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Quillfeather" not in content
            assert b"5.4321987" not in content


@pytest.mark.parametrize(
    "statement",
    ["UPDATE events SET outcome = 'x'", "DELETE FROM events", "TRUNCATE events", "DELETE FROM installation"],
)
def test_rows_cannot_be_changed(journal, statement):
    journal.record(EVENT)
    with pytest.raises(StorageError, match="append-only"), journal.writing() as pen:
        pen.connection.exec_driver_sql(statement)
    assert journal.audit.verify().ok


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE events SET outcome = 'x' WHERE number = 4", "changed"),
        ("DELETE FROM events WHERE number = 4", "missing"),
        ("UPDATE events SET number = CASE number WHEN 4 THEN 104 WHEN 5 THEN 105 END WHERE number IN (4, 5);"
         "UPDATE events SET number = 109 - number WHERE number > 100", "changed"),
        ("DELETE FROM events WHERE number > 8", "truncated"),
    ],
)  # fmt: skip
def test_tampering_is_found(journal, statement, kind):
    for _ in range(10):
        journal.record(EVENT)
    with journal.writing() as pen:
        pen.connection.exec_driver_sql("ALTER TABLE events DISABLE TRIGGER USER")
        for part in statement.split(";"):
            pen.connection.exec_driver_sql(part)
    assert journal.audit.verify().findings[0].kind == kind


def test_two_programs_write_one_chain(journal, settings, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    journal.open()
    shutil.copytree(journal.folder.root, tmp_path / "second")
    with Journal(tmp_path / "second", settings=settings) as other, ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda i: (journal, other)[i % 2].record(EVENT), range(40)))
        assert sorted(numbers) == list(range(1, 41))
        assert other.audit.verify().ok
    assert journal.audit.verify().ok


def test_another_data_folder_without_the_keys_is_refused(journal, settings, tmp_path):
    journal.record(EVENT)
    with pytest.raises(KeysError, match=r"journal\.keys is missing here"):
        Journal(tmp_path / "other", settings=settings).open()
    assert not (tmp_path / "other" / "journal.keys").exists()


def test_the_server_restarts_in_the_middle(journal, server):
    journal.record(EVENT)
    server.stop()
    with pytest.raises(StorageError, match=r"server cannot be reached|stopped or restarted"):
        journal.record(EVENT)
    server.start()
    assert journal.record(EVENT) == 2
    assert journal.audit.verify().ok


def test_upgrade_copies_everything_first(journal, monkeypatch):
    from medcore.journal import upgrade
    from medcore.journal.pen import Pen

    new = NewAssessment(condition="c", model_id="m", sha256="ab", status="scored", inputs={"age": 61.5})
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "HEAD", "0001")
        patch.setattr(Pen, "_refuse_in_maintenance", lambda pen: None)  # asks a table that came later
        saved = journal.assessments.save(new, by=BY)
        journal.close()
    assert [item.id for item in journal.assessments.list()] == [saved.id]
    assert journal.outcomes.save(saved.id, True, by=BY) in journal.outcomes.list()
    setting = journal.site.put("x", 1, version=0, by=BY)
    assert journal.site.list() == (setting,)
    assert journal.audit.verify().ok
    with pytest.raises(StorageError, match="append-only"), journal.writing() as pen:
        pen.connection.exec_driver_sql("UPDATE outcomes SET actor = 'x'")
    with journal.reading() as (connection, _):
        for table, n_rows in (("assessments", 1), ("events", 1), ("alembic_version", 1), ("verdicts", 0)):
            query = f'SELECT count(*) FROM "medcore_before_0001"."{table}"'
            assert connection.exec_driver_sql(query).scalar() == n_rows
        query = "SELECT version_num FROM medcore_before_0001.alembic_version"
        assert connection.exec_driver_sql(query).scalar() == "0001"


def test_new_data_key(journal, settings):
    patient = journal.patients.create({"mrn": "0815"}, by=BY)
    journal.close()
    rotate_data_key(journal.folder.root, settings=settings, actor="a")
    assert journal.patients.find("mrn", "0815", by=BY) == (patient,)
    assert journal.audit.verify().ok


def test_backup_says_what_to_use(journal, tmp_path):
    with pytest.raises(StorageError, match="pg_dump"):
        back_up(journal, tmp_path / "copy", actor="a")


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql", "postgresql://x:notaport/y"])
def test_an_address_that_is_none(tmp_path, url):
    with pytest.raises(ConfigError, match="MEDCORE_JOURNAL_URL"):
        Journal(tmp_path, settings=replace(read_settings(), journal_url=url)).open()


def test_a_server_that_is_not_there(tmp_path):
    settings = replace(read_settings(), journal_url="postgresql://medcore:hunter2@127.0.0.1:9/none")
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        Journal(tmp_path, settings=settings).open()
    assert "hunter2" not in caught.value.message
    assert not (tmp_path / "journal.keys").exists()


class TestPeople(StoreContract):
    """Accounts and sessions on the server keep the same contract as in the file."""

    @pytest.fixture
    def store(self, journal):
        return JournalStore(journal)
