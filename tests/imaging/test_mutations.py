"""Public test files, our own files, and thousands of spoilt copies of both: a film or one typed error, nothing else.

Every mutation is drawn from a seed, so that a failure can be repeated: ``mutate(SEED, number)``.
"""

import collections
import importlib.util
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest
from film_files import WRITABLE, make_dicom, make_jpeg, make_pixels, make_png
from pydicom import uid

from medcore.errors import ImageError, ImageSizeError, UnreadableImageError, UnsupportedImageError
from medcore.imaging import FilmReader
from medcore.imaging.display import render
from medcore.imaging.reader import READER_LIMITS

SEED = 20240229
GOOD = make_dicom()
MOST_MEMORY_KB = 1_500_000
SLOWEST_S = 10.0
LARGE = 1_000_000
KINDS = {UnreadableImageError, UnsupportedImageError, ImageSizeError}


def list_public_files():
    """Files of pydicom, and of pydicom-data where it is installed."""
    root = Path(pydicom.__file__).parent / "data"
    files = [*(root / "test_files").rglob("*"), *(root / "charset_files").rglob("*")]
    found = importlib.util.find_spec("data_store")
    if found is not None and found.origin is not None:
        files += Path(found.origin).parent.rglob("*.dcm")
    return sorted(path for path in files if path.is_file() and path.suffix not in {".py", ".pyc"})


def make_own_files():
    """Small films of our own in every coding; most public files are too small to pass the check of sizes."""
    shallow, deep = make_pixels(90, 80, bits=8), make_pixels(90, 80, bits=16)
    colour = np.dstack([shallow, 255 - shallow, shallow])
    files = [make_dicom(shallow, bits=8, syntax=syntax) for syntax in (*WRITABLE.values(), uid.JPEGBaseline8Bit)]
    files += [make_dicom(deep, bits=16, syntax=syntax) for syntax in WRITABLE.values()]
    files += [make_dicom(colour, bits=8), make_png(shallow), make_png(deep), make_png(colour), make_png(shallow > 90)]
    return [*files, make_jpeg(shallow), make_jpeg(colour), make_jpeg(shallow, progressive=True)]


def mutate(files, seed, number):
    """Return the ``number``-th spoilt copy; half of the time only the first 2,000 bytes are touched."""
    random = np.random.default_rng((seed, number))
    data = bytearray(files[random.integers(len(files))])
    reach = min(len(data), 2000) if random.random() < 0.5 else len(data)
    way = random.choice(["bytes", "bytes", "bits", "extreme", "cut", "double", "remove"])
    place = int(random.integers(reach)) if reach else 0
    if way == "cut":
        return bytes(data[:place])
    if way == "double":
        return bytes(data[:place] + data[place : place + int(random.integers(1, 400))] * 2 + data[place:])
    if way == "remove":
        return bytes(data[:place] + data[place + int(random.integers(1, 40)) :])
    for spot in random.integers(0, max(reach, 1), int(random.integers(1, 20))) if data else ():
        if way == "bits":
            data[spot] ^= 1 << int(random.integers(8))
        else:
            data[spot] = int(random.integers(256)) if way == "bytes" else int(random.choice([0, 1, 127, 128, 255]))
    return bytes(data)


@dataclass
class Tally:
    """What came of many files."""

    outcomes: collections.Counter = field(default_factory=collections.Counter)
    slowest_s: float = 0.0
    memory_kb: int = 0
    children: set = field(default_factory=set)


def feed(files):
    """Read many files in one reader, one after the other, and check every outcome."""
    tally = Tally()
    with FilmReader() as reader:
        reader.read(GOOD)
        for number, data in enumerate(files):
            start = time.monotonic()
            try:
                check_film(reader.read(data, "x"))
                outcome = "film"
            except ImageError as error:
                outcome = name_refusal(error)
            tally.slowest_s = max(tally.slowest_s, time.monotonic() - start)
            tally.outcomes[outcome] += 1
            tally.memory_kb = max(tally.memory_kb, read_peak_kb(reader.pid))
            tally.children.add(reader.pid)
            if outcome == "stopped" or number % 100 == 99:
                assert reader.read(GOOD).shape == (120, 100)
    return tally


def name_refusal(error):
    """Check an error's kind and form, and name it; ``stopped`` stands for a child that had to be ended."""
    assert type(error) in KINDS
    assert error.message.startswith("x: ")
    return "stopped" if "within the limits" in error.message else type(error).__name__


def check_film(film):
    assert film.stored.max() < 2**film.bits
    assert film.shape == film.stored.shape
    brightness = render(film)
    assert np.isfinite(brightness).all()
    assert 0 <= brightness.min() <= brightness.max() <= 1


def read_peak_kb(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def judge(tally, expected):
    print(tally)
    assert sum(tally.outcomes.values()) == expected
    assert tally.slowest_s < SLOWEST_S
    assert tally.memory_kb < MOST_MEMORY_KB


def make_mutations(count):
    public = [path.read_bytes() for path in list_public_files()]
    small = [data for data in public if len(data) < LARGE]
    own = make_own_files()
    large = [data for data in public if len(data) >= LARGE]
    pool = [*small, *own * (len(small) // len(own) + 1), *large]
    return (mutate(pool, SEED, number) for number in range(count))


def test_the_limits_leave_no_room_for_a_hang_or_for_more_memory():
    assert READER_LIMITS.request_s < SLOWEST_S
    assert READER_LIMITS.memory_bytes < MOST_MEMORY_KB * 1024


def test_every_public_file_is_a_film_or_a_typed_error():
    files = [path.read_bytes() for path in list_public_files()]
    tally = feed(files)
    judge(tally, len(files))
    assert tally.outcomes["film"] >= 25
    assert not tally.outcomes["stopped"]


def test_2_000_spoilt_files():
    judge(feed(make_mutations(2000)), 2000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_40_000_spoilt_files():
    judge(feed(make_mutations(40_000)), 40_000)
