"""Keys: wrong, missing and damaged ones are refused, new ones can be drawn, the recovery key is a way back."""

import stat
from dataclasses import replace

import pytest

from medcore.config import read_settings
from medcore.errors import ConfigError, KeysError, MedcoreError, StorageError
from medcore.journal import Event, Journal, Who, open_journal
from medcore.journal.folder import Folder
from medcore.journal.keys import open_keys
from medcore.journal.opening import masters_of
from medcore.journal.rotation import recover_keys, rotate_data_key, rotate_master_key, rotate_recovery_key

EVENT = Event(actor="local:ada", action="predict", outcome="scored")
BY = Who(actor="dr.test")


@pytest.fixture
def folder(tmp_path):
    """A journal with one event and one patient, closed; and its recovery key."""
    with Journal(tmp_path) as journal:
        journal.record(EVENT)
        journal.patients.create({"mrn": "4711", "name": "Ada Quill"}, by=BY)
        tmp_path.joinpath("recovery.txt").write_text(journal.take_recovery_key())
    return tmp_path


def read_recovery_key(folder):
    return (folder / "recovery.txt").read_text()


def is_sound(folder, n_events=None):
    with open_journal(folder) as journal:
        assert journal.patients.find("mrn", "4711", by=BY)[0].identifiers["name"] == "Ada Quill"
        found = journal.audit.verify()
    return found.ok and (n_events is None or found.n_events == n_events)


def test_the_recovery_key_is_told_once_and_only_at_creation(folder):
    assert len(read_recovery_key(folder)) > 50
    with Journal(folder) as journal:
        journal.open()
        assert journal.take_recovery_key() is None


def test_no_key_lies_open_in_the_key_file(folder):
    place = Folder(folder)
    keys = open_keys(place, masters_of(place, read_settings()))
    content = place.keys.read_text()
    assert keys.ring.keys[0].hex() not in content
    assert keys.ring_key.hex() not in content
    assert keys.ring.keys[0].hex() not in repr(keys)
    assert stat.S_IMODE(place.keys.stat().st_mode) == stat.S_IMODE(place.master.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("journal.keys", None, "journal.keys is missing"),
        ("journal.keys", b"{}", "journal.keys is damaged"),
        ("journal.keys", b"\xff\xfe", "journal.keys is damaged"),
        ("journal.keys", b'{"format": 9}', "format 9"),
        ("journal.master", None, "not in journal.master"),
        ("journal.master", b"1 " + b"ab" * 32 + b"\n", "does not open this journal"),
        ("journal.master", b"nonsense", "not in journal.master"),
        ("journal.head", None, "journal.head is missing"),
        ("journal.head", b"x" * 256, "journal.head is missing or damaged"),
        ("journal.db", None, "database is missing"),
        ("journal.db", b"", "database is missing"),
        ("journal.db", b"x" * 8192, "damaged"),
    ],
)
def test_what_is_missing_or_damaged_is_named_and_nothing_is_created(folder, name, change, message):
    path = folder / name
    path.unlink() if change is None else path.write_bytes(change)
    before = {item.name: item.read_bytes() for item in folder.iterdir()}
    with pytest.raises(StorageError, match=message), Journal(folder) as journal:
        journal.record(EVENT)
    if name != "journal.head":  # there the database is opened before the first event is refused
        after = {item.name: item.read_bytes() for item in folder.iterdir()}
        assert after == before


def test_every_changed_byte_of_the_key_file_is_noticed_or_harmless(folder):
    path = folder / "journal.keys"
    content = path.read_bytes()
    for place in range(0, len(content), 11):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            with Journal(folder) as journal:
                assert journal.events(1)[0].action == "create_patient"
        except MedcoreError:
            pass


def test_the_setting_holds_the_master_key(tmp_path):
    settings = replace(read_settings(), master_key="ab" * 32)
    with Journal(tmp_path, settings=settings) as journal:
        journal.record(EVENT)
    assert not (tmp_path / "journal.master").exists()
    with pytest.raises(KeysError, match="set MEDCORE_MASTER_KEY"):
        open_journal(tmp_path)
    with pytest.raises(KeysError, match="does not open this journal"):
        Journal(tmp_path, settings=replace(settings, master_key="cd" * 32)).open()
    with pytest.raises(ConfigError, match="64 hexadecimal digits") as caught:
        Journal(tmp_path, settings=replace(settings, master_key="secret")).open()
    assert "secret" not in caught.value.message
    assert "abab" not in repr(settings)
    rotate_master_key(tmp_path, settings=settings, actor="a", new_master_key="EF" * 32)
    with Journal(tmp_path, settings=replace(settings, master_key="ef" * 32)) as journal:
        assert journal.events(1)[0].action == "rotate_master_key"


def test_keys_of_another_journal(folder, tmp_path):
    with Journal(tmp_path / "other") as other:
        other.record(EVENT)
    for name in ("journal.keys", "journal.master"):
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(StorageError, match="other keys"):
        open_journal(folder)


def test_new_master_key(folder):
    before = (folder / "journal.master").read_text()
    rotate_master_key(folder, settings=read_settings(), actor="a")
    after = (folder / "journal.master").read_text()
    assert len(after.splitlines()) == 1
    assert after.split()[1] != before.split()[1]
    assert is_sound(folder, 4)
    recover_keys(folder, read_recovery_key(folder), settings=read_settings(), actor="a")  # still the same


def test_new_data_key(folder):
    size = (folder / "journal.db").stat().st_size
    place, before = Folder(folder), (folder / "journal.db").read_bytes()
    old = open_keys(place, masters_of(place, read_settings()))
    done = rotate_data_key(folder, settings=read_settings(), actor="a")
    new = open_keys(place, masters_of(place, read_settings()))
    assert new.ring.keys[0] == old.ring.keys[0]
    assert new.ring.current == new.ring.database == 2
    assert new.ring_key != old.ring_key
    assert (folder / "journal.db").read_bytes()[:size] != before
    assert is_sound(folder, 4)
    with pytest.raises(KeysError, match="replaced by a later one"):
        recover_keys(folder, read_recovery_key(folder), settings=read_settings(), actor="a")
    recover_keys(folder, done.recovery_key, settings=read_settings(), actor="a")
    rotate_data_key(folder, settings=read_settings(), actor="a")
    assert is_sound(folder)


def test_a_new_data_key_that_was_interrupted_after_the_file_had_it(folder, monkeypatch):
    from medcore.journal import rotation

    encrypt = rotation._encrypt_anew

    def stop(*parts):
        encrypt(*parts)
        raise KeyboardInterrupt

    monkeypatch.setattr(rotation, "_encrypt_anew", stop)
    with pytest.raises(KeyboardInterrupt):
        rotate_data_key(folder, settings=read_settings(), actor="a")
    assert is_sound(folder)


def test_a_new_data_key_that_was_interrupted_before_the_file_had_it(folder, monkeypatch):
    from medcore.journal import rotation

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rotation, "_encrypt_anew", stop)
    with pytest.raises(KeyboardInterrupt):
        rotate_data_key(folder, settings=read_settings(), actor="a")
    assert is_sound(folder)


def test_recovery(folder):
    (folder / "journal.master").unlink()
    with pytest.raises(KeysError):
        open_journal(folder)
    typed = read_recovery_key(folder).lower().replace("-", " ")
    for wrong in ("", "hello", typed[:-1], typed[:-1] + ("a" if typed[-1] != "a" else "b")):
        with pytest.raises(KeysError, match="not a recovery key"):
            recover_keys(folder, wrong, settings=read_settings(), actor="a")
    recover_keys(folder, typed, settings=read_settings(), actor="a")
    assert is_sound(folder)


def test_a_new_recovery_key_makes_the_old_one_void(folder):
    done = rotate_recovery_key(folder, settings=read_settings(), actor="a")
    with pytest.raises(KeysError, match="replaced"):
        recover_keys(folder, read_recovery_key(folder), settings=read_settings(), actor="a")
    recover_keys(folder, done.recovery_key, settings=read_settings(), actor="a")


def test_keys_are_not_changed_while_the_journal_is_in_use(folder):
    with open_journal(folder), pytest.raises(StorageError, match="stop the dashboard"):
        rotate_master_key(folder, settings=read_settings(), actor="a")


def test_no_pages_wait_for_the_database_library():
    """Importing the journal, as every service does, must not import what only an open journal needs."""
    import subprocess
    import sys

    heavy = ("sqlalchemy", "alembic", "keyring", "cryptography")
    code = f"import sys, medcore.journal; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_keyring_of_the_system(tmp_path):
    """With a keyring of the real library that keeps its entries in memory."""
    import keyring
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 5

        def __init__(self):
            super().__init__()
            self.entries = {}

        def get_password(self, service, username):
            return self.entries.get((service, username))

        def set_password(self, service, username, password):
            self.entries[service, username] = password

        def delete_password(self, service, username):
            del self.entries[service, username]

    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    try:
        settings = replace(read_settings(), key_store="auto")
        with Journal(tmp_path, settings=settings) as journal:
            journal.record(EVENT)
        assert not (tmp_path / "journal.master").exists()
        rotate_master_key(tmp_path, settings=settings, actor="a")
        assert [name.rsplit(":", 1)[1] for _, name in memory.entries] == ["2"]
        with Journal(tmp_path, settings=settings) as journal:
            assert len(journal.events()) == 2
        memory.entries.clear()
        with pytest.raises(KeysError, match="keyring"):
            Journal(tmp_path, settings=settings).open()
    finally:
        keyring.set_keyring(before)
