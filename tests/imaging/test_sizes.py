"""Which sizes are films, and the hash of a film's pixels."""

import numpy as np
import pytest

from medcore.errors import ImageSizeError
from medcore.imaging.sizes import MAX_PIXELS, check_size, hash_pixels


@pytest.mark.parametrize("size", [(64, 64), (64, 192), (1955, 1841), (8000, 5000), (5000, 8000)])
def test_films(size):
    check_size(*size)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((63, 64), "64 x 63 pixels: too small"),
        ((64, 193), "193 x 64 pixels: too narrow"),
        ((8000, 5001), "larger than 40 million"),
        ((10**9, 1), "larger than"),
    ],
)
def test_no_films(size, words):
    with pytest.raises(ImageSizeError, match=words):
        check_size(*size)


def test_the_hash_knows_shape_and_values_and_not_the_layout_in_memory():
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3)
    assert hash_pixels(pixels) == hash_pixels(np.asfortranarray(pixels)) == hash_pixels(pixels.astype(">u2"))
    assert hash_pixels(pixels) != hash_pixels(pixels.reshape(3, 2))
    assert hash_pixels(pixels) != hash_pixels(pixels + 1)
    assert MAX_PIXELS == 40_000_000
