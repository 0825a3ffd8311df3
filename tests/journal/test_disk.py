"""A full disk and a read-only volume, on a small file system of its own (Linux, with the right to mount)."""

import contextlib
import shutil
import subprocess
import tempfile

import pytest

from medcore.config import read_settings
from medcore.errors import ReadOnlyError, StorageError
from medcore.journal import Event, Journal, NewAssessment, NewVerdict, Who
from medcore.journal.drafts import new_draft

BY = Who(actor="dr.test")
EVENT = Event(actor="local:ada", action="predict", outcome="scored")


def call(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@pytest.fixture
def volume(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "volume"
    place.mkdir()
    try:
        call("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        call("umount", "-l", str(place))


@pytest.fixture
def journal(volume):
    with Journal(volume / "data", busy_s=0.2) as journal:
        journal.record(EVENT)
        yield journal


def fill(volume):
    """Take all the room there is."""
    path = volume / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


def save(journal, number=0):
    new = NewAssessment(
        condition="c", model_id="m", sha256="ab", status="scored", inputs={"age": 61.0}, idempotency_key=f"k{number}"
    )  # fmt: skip
    return journal.assessments.save(new, by=BY)


def save_until_full(journal):
    """Save until that is refused, and return what was said to be saved."""
    told = []

    def go_on():
        for number in range(5000):
            told.append(save(journal, number).id)

    with pytest.raises(StorageError, match=r"(full|No space|disk failed).*Nothing was done"):
        go_on()
    return told


def test_a_full_disk_is_named_and_reading_goes_on(volume, journal):
    filler = fill(volume)
    told = save_until_full(journal)
    assert journal.events(1)
    assert {item.id for item in journal.assessments.list(10_000)} >= set(told)
    with pytest.raises(StorageError):
        journal.images.save(b"film" * 5000, by=BY, media_type="image/png")
    filler.unlink()
    saved = save(journal, 9999)  # the same journal goes on as soon as there is room
    assert {item.id for item in journal.assessments.list(10_000)} == {*told, saved.id}
    assert journal.audit.verify().ok
    assert not list(journal.folder.images.glob("*")) if journal.folder.images.exists() else True


def test_what_was_saved_is_there_after_a_start_with_room(volume, journal):
    saved = save(journal)
    journal.close()
    filler = fill(volume)
    with Journal(volume / "data", busy_s=0.2) as other, contextlib.suppress(StorageError):
        save_until_full(other)
    filler.unlink()
    assert saved.id in {item.id for item in journal.assessments.list(10_000)}
    assert journal.audit.verify().ok


def test_a_read_only_volume_is_named_and_harms_nothing(volume, journal):
    saved = save(journal)
    journal.close()
    call("mount", "-o", "remount,ro", str(volume))
    try:
        for act in (lambda: save(journal, 1), lambda: journal.events(1)):
            with pytest.raises(StorageError, match="Read-only file system"):
                act()
    finally:
        call("mount", "-o", "remount,rw", str(volume))
    assert journal.assessments.list()[0].id == saved.id
    save(journal, 1)
    assert journal.audit.verify().ok


class TestReadOnly:
    """A server that starts in read-only mode on a volume that cannot be written."""

    @pytest.fixture
    def patient(self, journal):
        return journal.patients.create({"name": "Zenobia Quillfeather", "mrn": "0815"}, by=BY)

    @pytest.fixture
    def filled(self, journal, patient):
        """A patient with a result and an image."""
        new = NewAssessment(
            condition="c", model_id="m", sha256="ab", status="scored", inputs={"age": 61.0}, pseudonym=patient.pseudonym
        )  # fmt: skip
        saved = journal.assessments.save(new, by=BY)
        image = journal.images.save(
            b"film", by=BY, media_type="image/png", pseudonym=patient.pseudonym, assessment_id=saved.id
        )  # fmt: skip
        return saved, image

    @pytest.fixture
    def frozen(self, volume, journal, filled, tmp_path, monkeypatch):
        """The journal of a program that opens the volume after another crashed and it became read-only."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        crashed = {path: path.read_bytes() for path in (volume / "data").glob("journal.db*")}
        journal.close()
        for path, content in crashed.items():
            path.write_bytes(content)
        assert (volume / "data" / "journal.db-wal").stat().st_size
        before = {path: path.read_bytes() for path in (volume / "data").rglob("*") if path.is_file()}
        call("mount", "-o", "remount,ro", str(volume))
        try:
            settings = read_settings({"MEDCORE_READ_ONLY": "on", "MEDCORE_KEY_STORE": "file"})
            with Journal(volume / "data", busy_s=0.2, settings=settings) as frozen:
                yield frozen
            assert before == {path: path.read_bytes() for path in (volume / "data").rglob("*") if path.is_file()}
        finally:
            call("mount", "-o", "remount,rw", str(volume))

    def test_everything_can_be_read_and_each_look_is_recorded(self, frozen, patient, filled):
        saved, image = filled
        (line,) = frozen.patients.list()
        assert line.pseudonym == patient.pseudonym
        assert frozen.patients.read(patient.pseudonym, by=BY).identifiers == patient.identifiers
        assert [item.pseudonym for item in frozen.patients.find("mrn", "0815", by=BY)] == [patient.pseudonym]
        assert [item.id for item in frozen.assessments.read_all(patient.pseudonym, by=BY)] == [saved.id]
        assert frozen.images.read(image.id, by=BY)[1] == b"film"
        actions = [event.action for event in frozen.events()]
        assert actions[:4] == ["view_image", "view_timeline", "find_patient", "view_patient"]
        assert "save_image" in actions
        assert frozen.audit.verify().ok

    def test_nothing_is_saved_and_that_is_said(self, frozen, patient, filled):
        (kept,) = frozen.assessments.list()
        verdict = NewVerdict(assessment_id=kept.id, opinion="yes")
        account = {
            "id": "a", "source": "local", "key": "ada", "name": "Ada", "roles": "[]", "password_hash": "",
            "disabled": 0, "must_change_password": 0, "one_time_until_s": None, "not_before_s": 0.0, "created_s": 0.0,
            "version": 1,
        }  # fmt: skip
        for act in (
            lambda: save(frozen),
            lambda: frozen.patients.create({"name": "Ada"}, by=BY),
            lambda: frozen.patients.update(patient, {"name": "Ada"}, by=BY),
            lambda: frozen.patients.erase(patient.pseudonym, by=BY),
            lambda: frozen.verdicts.add(verdict, by=BY),
            lambda: frozen.outcomes.save(kept.id, True, by=BY),
            lambda: frozen.drafts.save(new_draft("c"), {"age": "61"}, by=BY),
            lambda: frozen.site.put("x", 1, version=0, by=BY),
            lambda: frozen.people.add_account(account),
            lambda: frozen.images.save(b"film", by=BY, media_type="image/png"),
        ):
            with pytest.raises(ReadOnlyError, match=r"cannot be written.*nothing was saved"):
                act()
        assert frozen.patients.read(patient.pseudonym, by=BY).identifiers == patient.identifiers
        assert frozen.audit.verify().ok

    def test_people_come_in(self, frozen):
        session = {"id": "s", "token_hash": "t", "account_id": "a", "started_s": 1.0, "used_s": 1.0, "ended": ""}
        with pytest.raises(StorageError):  # of nobody
            frozen.people.add_session(session)
        frozen.people.write_attempts({"key": "k", "count": 1, "last_s": 1.0, "wait_s": 0.0})
        assert frozen.people.read_attempts("k")["count"] == 1

    def test_the_copy_is_private_encrypted_and_kept(self, frozen, tmp_path):
        frozen.record(EVENT)
        frozen.close()
        (aside,) = tmp_path.glob("medcore-downtime-*")
        assert aside.stat().st_mode & 0o077 == 0
        for path in aside.iterdir():
            assert path.stat().st_mode & 0o077 == 0
            assert b"Quillfeather" not in path.read_bytes()
        assert not (aside / "journal.master").exists()
        assert frozen.events(1)[0].action == EVENT.action  # opened again, the same copy goes on
        assert list(tmp_path.glob("medcore-downtime-*")) == [aside]

    def test_without_read_only_mode_the_way_is_named(self, volume, frozen):
        with Journal(volume / "data", busy_s=0.2) as other, pytest.raises(StorageError, match="MEDCORE_READ_ONLY=on"):
            other.events(1)


def test_a_copy_of_a_full_disk_is_whole(volume, journal, tmp_path):
    """What the full disk left behind is a sound journal for another machine, too."""
    fill(volume)
    told = save_until_full(journal)
    journal.close()
    shutil.copytree(volume / "data", tmp_path / "elsewhere")
    with Journal(tmp_path / "elsewhere") as other:
        assert {item.id for item in other.assessments.list(10_000)} == set(told)
        assert other.audit.verify().ok
