"""A full disk and a read-only volume, on a small file system of its own (Linux, with the right to mount)."""

import contextlib
import shutil
import subprocess

import pytest

from medcore.errors import StorageError
from medcore.journal import Event, Journal, NewAssessment, Who

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


def test_a_copy_of_a_full_disk_is_whole(volume, journal, tmp_path):
    """What the full disk left behind is a sound journal for another machine, too."""
    fill(volume)
    told = save_until_full(journal)
    journal.close()
    shutil.copytree(volume / "data", tmp_path / "elsewhere")
    with Journal(tmp_path / "elsewhere") as other:
        assert {item.id for item in other.assessments.list(10_000)} == set(told)
        assert other.audit.verify().ok
