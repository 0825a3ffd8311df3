"""The phantom: the same everywhere, different per seed, labelled as what it is."""

import io

import numpy as np
import pytest
from PIL import Image

from medcore.imaging.phantom import PHANTOM_NOTE, make_phantom, phantom_png
from medcore.imaging.quality import FilmLimits, film_status, header_reasons
from medcore.results import Status

SAMPLE = {(10, 10): 0, (500, 250): 599, (600, 500): 2928, (1100, 500): 2796}


def test_equal_seeds_give_equal_pixels_and_others_do_not():
    one, same, other = (make_phantom(seed, rows=240, columns=200) for seed in (4, 4, 5))
    assert one.pixel_sha256 == same.pixel_sha256 != other.pixel_sha256
    assert np.array_equal(one.stored, same.stored)


def test_its_drawing_does_not_change():
    """Bundles are released with the scores of phantoms."""
    stored = make_phantom(0).stored
    assert stored.shape == (1200, 1000)
    assert {place: int(stored[place]) for place in SAMPLE} == pytest.approx(SAMPLE, abs=1)


def test_it_says_that_it_is_no_patient():
    film = make_phantom(1, rows=300, columns=250)
    assert PHANTOM_NOTE in film.notes
    reasons = header_reasons(film, FilmLimits())
    assert "phantom" in {reason.code for reason in reasons}
    assert film_status(reasons) is Status.CAUTION
    assert film.stored.max() < 2**film.bits


def test_its_file_carries_the_label_in_the_picture():
    pixels = np.asarray(Image.open(io.BytesIO(phantom_png(0))))
    assert pixels.shape == (1200, 1000)
    assert (pixels[20:60, 20:330] == 255).any()
