"""The process around the decoder: names, limits, deaths, and what is left behind."""

import logging
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from film_files import make_dicom, make_jpeg, make_pixels, make_png

from medcore.errors import ImageSizeError, MedcoreError, UnreadableImageError, WorkerError
from medcore.imaging import FilmReader, read_image, reader
from medcore.imaging.reader import READER_LIMITS
from medcore.workers import Limits

GOOD = make_png(make_pixels(bits=8))


@pytest.fixture
def film_reader():
    with FilmReader() as one:
        yield one


def test_a_path_a_text_and_bytes_are_read(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(GOOD)
    hashes = {read_image(source).pixel_sha256 for source in (path, str(path), GOOD, bytearray(GOOD))}
    assert len(hashes) == 1


@pytest.mark.parametrize("source", ["missing.png", ".", "a\0b.png"], ids=repr)
def test_a_path_that_cannot_be_opened(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableImageError, match="could not be opened"):
        read_image(source)


def test_a_file_larger_than_any_film_is_not_even_read(tmp_path):
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(300_000_000)
    with pytest.raises(ImageSizeError, match=r"huge\.dcm: the file has 300 MB"):
        read_image(path)
    with pytest.raises(ImageSizeError, match="300 MB"):
        read_image(bytes(300_000_000), name="huge.dcm")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../x.png", "x.png: "),
        ("<script>.png", "_script_.png: "),
        ("a" * 300, "aaaa"),
        ("\u202egnp.exe\0", "gnp.exe: "),
        ("", "the film: "),
    ],
)
def test_a_message_quotes_a_safe_short_name(name, shown):
    with pytest.raises(UnreadableImageError) as caught:
        read_image(b"no film", name=name)
    message = caught.value.message
    assert message.startswith(shown)
    assert len(message) < 150
    assert not {"<", ">", "\0", "\u202e", "/"} & set(message)


def test_many_films_in_flight_come_back_each_to_its_asker(film_reader):
    films = [make_png(make_pixels(80 + n, 90, bits=8)) for n in range(20)]
    futures = [film_reader.submit(data if n % 3 else b"bad", f"{n}.png") for n, data in enumerate(films)]
    for n, future in enumerate(futures):
        if n % 3:
            assert future.result().shape == (80 + n, 90)
        else:
            with pytest.raises(UnreadableImageError, match=f"^{n}.png: "):
                future.result()


def test_a_film_that_nobody_waits_for_any_more_is_withdrawn(film_reader):
    futures = [film_reader.submit(GOOD) for _ in range(5)]
    futures[4].cancel()
    assert [future.result().shape for future in futures[:4]] == [(120, 100)] * 4
    assert futures[4].cancelled()


def test_a_decode_that_takes_too_long_ends_as_one_typed_error():
    slow = Limits(memory_bytes=READER_LIMITS.memory_bytes, request_s=0.001, start_s=60)
    with FilmReader(limits=slow) as one, pytest.raises(UnreadableImageError, match=r"^x\.png: .*limits of time"):
        one.read(make_png(make_pixels(2000, 2000, bits=16)), "x.png")


def test_a_small_file_made_to_keep_the_decoder_busy_is_stopped():
    """A progressive JPEG may repeat a scan of the whole picture as often as it likes."""
    honest = make_jpeg(np.zeros((3000, 3000), np.uint8), progressive=True)
    last_scan = honest[honest.rindex(b"\xff\xda") : -2]
    bomb = honest[:-2] + last_scan * 5000 + b"\xff\xd9"
    with FilmReader(limits=replace(READER_LIMITS, cpu_s=1)) as one:
        one.read(GOOD)
        start = time.monotonic()
        with pytest.raises(UnreadableImageError, match=r"bomb\.jpg: .*within the limits"):
            one.read(bomb, "bomb.jpg")
        assert time.monotonic() - start < READER_LIMITS.request_s + 2
        assert one.read(GOOD).shape == (120, 100)


def test_too_much_memory_ends_as_one_typed_error_and_the_next_film_is_read():
    small = Limits(memory_bytes=600_000_000, request_s=20, start_s=60)
    with FilmReader(limits=small) as one:
        with pytest.raises(UnreadableImageError, match=r"x\.png: "):
            one.read(make_png(np.zeros((7900, 5000, 4), np.uint8), compress_level=1), "x.png")
        assert one.read(GOOD).shape == (120, 100)


def test_a_killed_child_costs_one_film_and_no_more(film_reader):
    film_reader.read(GOOD)
    futures = [film_reader.submit(make_png(make_pixels(1500, 1500, bits=16))) for _ in range(3)]
    time.sleep(0.02)
    os.kill(film_reader.pid, 9)
    outcomes = [future.exception() for future in futures]
    assert sum(error is not None for error in outcomes) <= 1
    assert all(error is None or isinstance(error, UnreadableImageError) for error in outcomes)
    assert film_reader.read(GOOD).shape == (120, 100)


def test_a_reader_that_cannot_start_says_so_and_does_not_blame_the_film(monkeypatch):
    monkeypatch.setattr(reader, "_ENVIRON", {"PYTHONPATH": "", "PYTHONHOME": "/nowhere"})
    with FilmReader(limits=Limits(start_s=5)) as one, pytest.raises(WorkerError) as caught:
        one.read(GOOD)
    assert not isinstance(caught.value, UnreadableImageError)


def test_after_closing_nothing_is_read():
    one = FilmReader()
    one.close()
    with pytest.raises(MedcoreError):
        one.read(GOOD)


def test_closing_does_not_blame_the_films_that_wait():
    one = FilmReader()
    futures = [one.submit(make_png(make_pixels(1500, 1500, bits=16))) for _ in range(4)]
    one.close()
    for future in futures:
        error = future.exception(timeout=20)
        assert error is None or (isinstance(error, WorkerError) and "film reader" in error.message)


def test_nothing_of_a_film_reaches_the_log(caplog, film_reader):
    caplog.set_level(logging.DEBUG)
    film_reader.read(make_dicom(PatientName="Roe^Jane", PatientAge="9999Y", StudyDate="x2024"), "Roe Jane.dcm")
    for data in (make_dicom(PatientName="Roe^Jane")[:900], make_dicom(Rows=0), b"Roe Jane"):
        with pytest.raises(MedcoreError):
            film_reader.read(data, "Roe Jane.dcm")
    film_reader.close()
    time.sleep(0.1)
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("medcore"))
    assert not [word for word in ("Roe", "9999", "2024") if word in ours]


WATCH = """
import sys, pathlib
from medcore.imaging import read_image
from medcore.errors import MedcoreError
for path in sys.argv[1:]:
    try:
        read_image(path)
    except MedcoreError:
        pass
"""


def test_no_film_and_no_name_is_left_on_disk(tmp_path):
    films, home = tmp_path / "films", tmp_path / "home"
    films.mkdir()
    (home / "tmp").mkdir(parents=True)
    for name, data in {
        "roe.dcm": make_dicom(),
        "roe.png": GOOD,
        "roe.jpg": make_jpeg(),
        "roe2.dcm": make_dicom()[:700],
        "roe3.png": GOOD[:900],
    }.items():
        (films / name).write_bytes(data)
    places = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "XDG_CACHE_HOME": str(home), "PYTHONPYCACHEPREFIX": ""}
    root = str(Path(__file__).resolve().parents[2])
    environ = {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": root}
    before = {path: path.stat().st_mtime_ns for path in films.iterdir()}
    arguments = [sys.executable, "-c", WATCH, *map(str, films.iterdir())]
    subprocess.run(arguments, check=True, env=environ, cwd=home, timeout=120)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert {path: path.stat().st_mtime_ns for path in films.iterdir()} == before


def test_importing_the_room_loads_no_imaging_library():
    code = (
        "import sys, medcore.imaging, medcore.imaging.quality, medcore.imaging.squash, medcore.imaging.phantom;"
        "print([name for name in ('PIL', 'pydicom', 'jpeg_ls', 'streamlit', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_parent_never_loads_them_either():
    code = (
        "import sys; from medcore.imaging import read_image; read_image(sys.stdin.buffer.read());"
        "print([name for name in ('PIL', 'pydicom', 'jpeg_ls') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=GOOD, capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"
