"""The file of accounts: private, all or nothing, and closed when anything is wrong with it."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from medcore.access.records import Account, Attempts, Session, Source
from medcore.access.roles import Role
from medcore.access.store import SqliteStore
from medcore.errors import AccountError, StorageError

ADA = Account(id="a1", source=Source.LOCAL, key="ada", name="Ada", roles=frozenset({Role.AUDITOR}), created_s=5.0)


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "new" / "folder", busy_s=0.2) as store:
        yield store


def test_what_was_kept_comes_back(store):
    full = replace(
        ADA, password_hash="h", disabled=True, must_change_password=True, one_time_until_s=9.5, not_before_s=2.0
    )
    store.add_account(full)
    assert store.get_account("a1") == store.find_account(Source.LOCAL, "ada") == store.list_accounts()[0] == full
    assert store.get_account("a2") is None
    assert store.find_account(Source.OIDC, "ada") is None
    session = Session(id="s1", token_hash="t", account_id="a1", started_s=1.0, used_s=2.0)
    store.add_session(session)
    assert store.find_session("t") == store.list_sessions("a1")[0] == session
    store.write_attempts("k", Attempts(count=3, last_s=4.0, wait_s=5.0))
    assert store.read_attempts("k") == Attempts(count=3, last_s=4.0, wait_s=5.0)


def test_files_are_made_at_the_first_use_for_the_owner_only(store):
    assert not store.path.parent.exists()
    store.add_account(ADA)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_file_that_others_could_read_is_closed_to_them(store):
    store.add_account(ADA)
    store.close()
    store.path.chmod(0o644)
    store.list_accounts()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_key_is_taken_once(store):
    store.add_account(ADA)
    with pytest.raises(AccountError, match="already"):
        store.add_account(replace(ADA, id="a2"))
    store.add_account(replace(ADA, id="a2", source=Source.OIDC))


def test_of_two_changes_at_once_the_second_is_told(store):
    store.add_account(ADA)
    first = second = store.get_account("a1")
    store.save_account(replace(first, disabled=True))
    with pytest.raises(AccountError, match="somebody else"):
        store.save_account(replace(second, roles=frozenset(Role)))
    assert store.get_account("a1").roles == {Role.AUDITOR}


def test_all_or_nothing(store):
    store.add_account(ADA)

    def break_off():
        with store.writing():
            store.save_account(replace(ADA, disabled=True))
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert store.get_account("a1") == ADA


def test_a_session_of_nobody_cannot_be_kept(store):
    with pytest.raises(StorageError):
        store.add_session(Session(id="s1", token_hash="t", account_id="ghost", started_s=1.0, used_s=1.0))


def test_a_word_in_the_file_that_is_no_role_grants_nothing(store):
    store.add_account(ADA)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE accounts SET roles = 'emperor administrators Auditor'")
    assert store.get_account("a1").roles == frozenset()


def test_fingerprints_differ_between_installations(store, tmp_path):
    with SqliteStore(tmp_path / "other") as other:
        assert store.blind("x") == store.blind("x") != other.blind("x")
    again = SqliteStore(store.path.parent)
    assert again.blind("x") == store.blind("x")
    assert len({store.blind(text) for text in ("", "x", "y", "\ud800")}) == 4
    again.close()


def test_a_file_that_was_removed_or_replaced_lets_nobody_in(store):
    store.add_account(ADA)
    store.path.unlink()
    with pytest.raises(StorageError, match="removed or replaced"):
        store.list_accounts()


def test_a_file_removed_within_a_change_is_told(store):
    store.add_account(ADA)

    def change():
        with store.writing():
            store.path.unlink()
            store.save_account(replace(ADA, disabled=True))

    with pytest.raises(StorageError, match="removed or replaced"):
        change()


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "access.sqlite3"
    path.write_bytes(content)
    with SqliteStore(tmp_path) as store, pytest.raises(StorageError, match="Nobody is let in"):
        store.list_accounts()
    assert path.read_bytes() == content


def test_a_database_of_another_program_or_format_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "access.sqlite3") as connection:
        connection.execute("CREATE TABLE other (x)")
    with SqliteStore(tmp_path) as store, pytest.raises(StorageError, match="another program"):
        store.list_accounts()
    with SqliteStore(tmp_path / "new") as store:
        store.list_accounts()
    with sqlite3.connect(tmp_path / "new" / "access.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    with SqliteStore(tmp_path / "new") as store, pytest.raises(StorageError, match="format 99"):
        store.list_accounts()


def test_a_file_locked_by_another_program_is_a_clear_error(store):
    store.add_account(ADA)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked by another program"):
        store.save_account(replace(ADA, disabled=True))
    assert store.get_account("a1") == ADA  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert store.save_account(replace(ADA, disabled=True)).disabled


def test_a_full_disk_changes_nothing_and_reading_goes_on(store):
    store.add_account(ADA)
    pages = store._ask("PRAGMA page_count")[0][0]
    store._ask(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="disk is full"):
        store.add_account(replace(ADA, id="a2", key="bob", name="x" * 100_000))
    assert store.list_accounts() == (ADA,)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator of the machine may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with SqliteStore(tmp_path / "x") as store, pytest.raises(StorageError, match="Nobody is let in"):
        store.list_accounts()
    tmp_path.chmod(0o700)


WRITE = """
import sys
from pathlib import Path
from medcore.access.records import Account, Source
from medcore.access.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(100000):
    name = f"{sys.argv[2]} {number}"
    store.add_account(Account(id=name, source=Source.LOCAL, key=name, name=name, roles=frozenset()))
    print(name, flush=True)
"""


def test_accounts_that_were_acknowledged_survive_a_kill(tmp_path):
    acknowledged = set()
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(tmp_path), str(turn)], stdout=subprocess.PIPE, text=True
        )
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
    with SqliteStore(tmp_path) as store:
        assert acknowledged <= {item.name for item in store.list_accounts()}
        assert store._ask("PRAGMA integrity_check") == [("ok",)]
    assert len(acknowledged) >= 3
