"""Accounts in the journal's encrypted file: all or nothing, and closed when anything is wrong with it."""

import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from access_contract import ADA, StoreContract

from medcore.access.records import Session
from medcore.access.store import JournalStore
from medcore.errors import StorageError
from medcore.journal import Journal


@pytest.fixture
def store(tmp_path):
    with Journal(tmp_path / "new" / "folder", busy_s=0.2) as journal:
        yield JournalStore(journal)


class TestFile(StoreContract):
    """The contract, on the file."""


def test_fingerprints_differ_between_installations(store, tmp_path):
    with JournalStore(tmp_path / "other") as other:
        assert store.blind("x") == store.blind("x") != other.blind("x")


def test_the_file_tells_nothing_without_the_keys(store):
    store.add_account(replace(ADA, name="Zenobia Quillfeather", password_hash="hunter2hunter2"))
    store.journal.close()
    content = b"".join(path.read_bytes() for path in store.journal.folder.root.glob("journal.*"))
    assert b"Quillfeather" not in content
    assert b"hunter2" not in content


def test_a_file_that_was_removed_or_replaced_lets_nobody_in(store):
    store.add_account(ADA)
    store.journal.path.unlink()
    with pytest.raises(StorageError, match="removed or replaced"):
        store.list_accounts()


def test_reading_waits_for_no_writer(store):
    """A save that takes long, in this program or another one, does not stop the check of a session."""
    store.add_account(ADA)
    store.add_session(Session(id="s", token_hash="t", account_id="a1", started_s=1.0, used_s=1.0))
    began, done = threading.Event(), threading.Event()

    def write():
        with store.writing():
            store.save_account(replace(ADA, disabled=True))
            began.set()
            assert done.wait(60)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert began.wait(60)
        assert store.find_session("t").id == "s"
        assert store.get_account("a1") == ADA  # what is not committed does not count
    finally:
        done.set()
        writer.join()
    assert store.get_account("a1").disabled


def test_a_file_locked_by_another_program_is_a_clear_error(store):
    store.add_account(ADA)
    with Journal(store.journal.folder.root) as other, other.writing():
        with pytest.raises(StorageError, match="locked by another program"):
            store.save_account(replace(ADA, disabled=True))
        assert store.get_account("a1") == ADA  # reading goes on
    assert store.save_account(replace(ADA, disabled=True)).disabled


WRITE = """
import sys
from pathlib import Path
from medcore.access.records import Account, Source
from medcore.access.store import JournalStore
store = JournalStore(Path(sys.argv[1]))
for number in range(100000):
    name = f"{sys.argv[2]} {number}"
    store.add_account(Account(id=name, source=Source.LOCAL, key=name, name=name, roles=frozenset()))
    print(name, flush=True)
"""


def test_accounts_that_were_acknowledged_survive_a_kill(tmp_path):
    acknowledged = set()
    for turn in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(tmp_path), str(turn)], stdout=subprocess.PIPE, text=True
        )
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
    with JournalStore(tmp_path) as store:
        assert acknowledged <= {item.name for item in store.list_accounts()}
        assert store.journal.audit.verify().ok
    assert len(acknowledged) >= 2
