"""The accounts of an earlier version, taken over once: file ``access.sqlite3``, as that version wrote it."""

import sqlite3

import pytest
from access_contract import ADA

from medcore.access.records import Source
from medcore.access.roles import Role
from medcore.access.store import JournalStore
from medcore.errors import StorageError
from medcore.journal import Journal
from medcore.journal.people import fingerprint

TABLES = """
CREATE TABLE accounts (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, roles TEXT NOT NULL,
    password_hash TEXT NOT NULL, disabled INTEGER NOT NULL, must_change_password INTEGER NOT NULL,
    one_time_until_s REAL, not_before_s REAL NOT NULL, created_s REAL NOT NULL, version INTEGER NOT NULL,
    UNIQUE (source, key));
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL REFERENCES accounts (id),
    started_s REAL NOT NULL, used_s REAL NOT NULL, ended TEXT NOT NULL);
CREATE INDEX sessions_of_account ON sessions (account_id);
CREATE TABLE attempts (key TEXT PRIMARY KEY, count INTEGER NOT NULL, last_s REAL NOT NULL, wait_s REAL NOT NULL);
CREATE TABLE installation (salt BLOB NOT NULL);
INSERT INTO accounts VALUES ('o1', 'local', 'old', 'Old', 'analyst auditor', 'hash', 0, 1, 9.5, 2.0, 1.0, 4);
INSERT INTO sessions VALUES ('s1', 't', 'o1', 1.0, 2.0, '');
INSERT INTO attempts VALUES ('k', 3, 4.0, 5.0);
PRAGMA application_id = 0x4D454441;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
SALT = bytes(range(32))


@pytest.fixture
def old(tmp_path):
    """Path of the old file."""
    path = tmp_path / "access.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    with connection:
        connection.execute("INSERT INTO installation VALUES (?)", (SALT,))
    connection.close()
    return path


def aside(path):
    return path.with_name("access.sqlite3.imported")


def test_everything_is_taken_over_once(old):
    with JournalStore(old.parent) as store:
        (account,) = store.list_accounts()
        assert (account.id, account.source, account.key, account.version) == ("o1", Source.LOCAL, "old", 4)
        assert account.roles == {Role.ANALYST, Role.AUDITOR}
        assert (account.must_change_password, account.one_time_until_s) == (True, 9.5)
        assert store.find_session("t").account_id == "o1"
        assert store.read_attempts("k").count == 3
        assert store.blind("oidc x y") == fingerprint(SALT, "oidc x y")  # so that people of a provider are found
        assert store.journal.events() == ()  # so that the copy made before an upgrade can be put back
    assert aside(old).exists()
    assert not old.exists()
    with JournalStore(old.parent) as store:
        assert store.list_accounts() == (account,)


def test_a_journal_of_before_takes_them_over_when_the_file_is_there(old):
    content = old.read_bytes()
    old.unlink()
    with Journal(old.parent) as journal:
        journal.open()
    old.write_bytes(content)
    with JournalStore(old.parent) as store:
        assert len(store.list_accounts()) == 1


def test_an_import_that_was_interrupted_before_the_renaming(old):
    JournalStore(old.parent).journal.open()
    aside(old).rename(old)
    with JournalStore(old.parent) as store:
        assert len(store.list_accounts()) == 1
    assert not old.exists()


def test_accounts_that_are_there_are_left_alone(old, caplog):
    content = old.read_bytes()
    old.unlink()
    with JournalStore(old.parent) as store:
        store.add_account(ADA)
    old.write_bytes(content)
    with JournalStore(old.parent) as store:
        assert store.list_accounts() == (ADA,)
    assert old.exists()
    assert not aside(old).exists()
    assert "was not imported" in caplog.text


def test_a_file_in_use_by_the_earlier_version_is_not_taken_over(old, monkeypatch):
    monkeypatch.setattr("medcore.journal.old_people._WAIT_S", 0.1)
    other = sqlite3.connect(old, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with JournalStore(old.parent) as store, pytest.raises(StorageError, match="in use by an earlier medcore"):
        store.list_accounts()
    other.execute("ROLLBACK")
    other.close()
    with JournalStore(old.parent) as store:
        assert len(store.list_accounts()) == 1


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_something_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "access.sqlite3"
    path.write_bytes(content)
    with JournalStore(tmp_path) as store, pytest.raises(StorageError, match="Move it away"):
        store.list_accounts()
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "access.sqlite3") as connection:
        connection.execute("CREATE TABLE other (x)")
    with JournalStore(tmp_path) as store, pytest.raises(StorageError, match="another program"):
        store.list_accounts()
