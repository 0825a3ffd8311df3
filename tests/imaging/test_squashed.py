"""A film for a batch, made in the decoding process: the same as the film itself gives, and nothing else of it."""

import numpy as np
import pytest
from film_files import make_dicom, make_jpeg, make_pixels, make_png

from medcore.errors import BusyError, ImageSizeError, UnreadableImageError, WorkerError
from medcore.imaging import FilmReader, View
from medcore.imaging.quality import FilmLimits, header_reasons, pixel_reasons
from medcore.imaging.squash import film_tensor
from medcore.imaging.squashed import answer, pack_order, squash_film, unpack_squashed
from medcore.workers import Limits

CHILDREN = FilmLimits()
ADULTS = FilmLimits(
    age_years=(18, 120),
    views=frozenset({View.LATERAL}),
    modalities=frozenset({"CT"}),
    body_parts=frozenset({"HAND"}),
    modality_word="cuts",
    subject="hands",
)
FILMS = {
    "small": make_png(make_pixels(bits=8)),
    "deep": make_png(make_pixels(500, 430, bits=16)),
    "large": make_jpeg(make_pixels(1300, 1600, bits=8)),
    "blank": make_png(np.full((300, 300), 90, np.uint8)),
    "colour": make_png(np.random.default_rng(1).integers(0, 256, (200, 210, 3)).astype(np.uint8)),
    "dicom": make_dicom(make_pixels(700, 600, bits=12), BitsStored=12, HighBit=11, PatientAge="009Y"),
    "lateral": make_dicom(make_pixels(700, 600, bits=12), BitsStored=12, HighBit=11, ViewPosition="LL", Modality="CT"),
}


@pytest.fixture(scope="module")
def film_reader():
    with FilmReader() as one:
        yield one


@pytest.mark.parametrize("size", [160, 224])
@pytest.mark.parametrize("limits", [CHILDREN, ADULTS], ids=["children", "adults"])
@pytest.mark.parametrize("name", FILMS)
def test_tensor_reasons_and_hash_are_those_of_the_film_bit_for_bit(film_reader, name, limits, size):
    film = film_reader.read(FILMS[name])
    tensor = film_tensor(film, size)
    squashed = film_reader.submit_squashed(FILMS[name], size=size, limits=limits).result()
    assert squashed.tensor.dtype == np.float32
    assert squashed.tensor.tobytes() == tensor.tobytes()
    assert squashed.tensor.shape == (size, size)
    assert squashed.reasons == (*header_reasons(film, limits), *pixel_reasons(tensor))
    assert squashed.reasons
    assert squashed.pixel_sha256 == film.pixel_sha256


def test_an_error_is_that_of_reading_and_names_the_file(film_reader):
    with pytest.raises(UnreadableImageError, match=r"^x\.png: it is no DICOM, PNG or JPEG file"):
        film_reader.submit_squashed(b"nothing", "x.png", size=224, limits=CHILDREN).result()
    with pytest.raises(ImageSizeError, match=r"^x\.png: the file has 300 MB"):
        film_reader.submit_squashed(bytes(300_000_000), "x.png", size=224, limits=CHILDREN).result()


def test_the_largest_film_keeps_within_the_limits(film_reader):
    data = make_png(np.zeros((8000, 5000, 3), np.uint8) + np.uint8([10, 80, 200]), compress_level=1)
    squashed = film_reader.submit_squashed(data, size=224, limits=CHILDREN).result()
    assert "colour" in {reason.code for reason in squashed.reasons}


def test_a_full_queue_says_so_at_once():
    with FilmReader(limits=Limits(queue_size=1, start_s=60)) as one:
        one.submit_squashed(FILMS["large"], size=224, limits=CHILDREN)
        with pytest.raises(BusyError):
            one.submit_squashed(FILMS["large"], size=224, limits=CHILDREN)


def test_nothing_but_a_squashed_film_is_taken_for_one(film_reader):
    film = film_reader.read(FILMS["dicom"])
    header, blobs = answer(film, pack_order(160, CHILDREN))
    assert set(header) == {"size", "reasons", "pixel_sha256"}
    assert sum(map(len, blobs)) == 160 * 160 * 4
    same = squash_film(film, 160, CHILDREN)
    assert np.array_equal(unpack_squashed(header, blobs).tensor, same.tensor)
    for broken in ({}, {**header, "size": 161}, {**header, "reasons": [["a"]]}):
        with pytest.raises(WorkerError, match="no squashed film"):
            unpack_squashed(broken, blobs)
    with pytest.raises(WorkerError):
        unpack_squashed(header, [])
