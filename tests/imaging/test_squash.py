"""The squash against Pillow's antialiased BILINEAR, which made the training films."""

import numpy as np
import pytest
from films import make_film
from PIL import Image

from medcore.errors import ImageError
from medcore.imaging.squash import film_tensor, squash

SHAPES = [(1955, 1841), (776, 1168), (224, 224), (100, 90), (65, 190), (500, 224), (223, 225), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_squash_is_pillows_to_one_grey_level(shape):
    grey = np.random.default_rng(7).integers(0, 256, shape).astype(np.uint8)
    theirs = np.asarray(Image.fromarray(grey).resize((224, 224), Image.Resampling.BILINEAR)).astype(np.float64)
    ours = squash(grey.astype(np.float32) / 255)
    assert ours.dtype == np.float32
    assert np.abs(ours * 255 - theirs).max() <= 1.0
    assert np.abs(np.round(ours * 255) - theirs).max() <= 1


def test_pillow_in_floating_point_agrees_to_a_millionth():
    picture = np.random.default_rng(3).random((611, 517), dtype=np.float32)
    theirs = np.asarray(Image.fromarray(picture).resize((224, 224), Image.Resampling.BILINEAR))
    assert np.abs(squash(picture) - theirs).max() < 1e-6


def test_a_film_of_the_models_own_size_is_left_alone():
    picture = np.random.default_rng(5).random((224, 224), dtype=np.float32)
    assert np.array_equal(squash(picture), picture)


def test_the_picture_that_is_squashed_is_left_alone():
    picture = np.linspace(-0.5, 1.5, 224 * 224, dtype=np.float32).reshape(224, 224)
    before = picture.copy()
    squashed = squash(picture)
    assert squashed.flags.c_contiguous
    assert np.array_equal(squashed, picture.clip(0, 1))
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("shape", [*SHAPES, (1300, 1600), (64, 192)], ids=str)
@pytest.mark.parametrize("size", [160, 224])
def test_the_bands_are_the_whole_matrices(shape, size):
    picture = np.random.default_rng(11).random(shape, dtype=np.float32)
    down, across = (make_weights(side, size) for side in shape)
    assert np.abs(squash(picture, size) - down @ picture.astype(np.float64) @ across.T).max() < 1e-6


def make_weights(n_in, n_out):
    """Whole matrix of the triangle filter, shape (n_out, n_in): every tap of every output pixel."""
    scale = n_in / n_out
    reach = max(scale, 1.0)
    centers = (np.arange(n_out)[:, None] + 0.5) * scale
    taps = np.arange(n_in)[None, :]
    weights = np.clip(1.0 - np.abs(taps + 0.5 - centers) / reach, 0.0, None)
    weights *= (taps >= np.floor(centers - reach + 0.5)) & (taps < np.floor(centers + reach + 0.5))
    return weights / weights.sum(axis=1, keepdims=True)


def test_an_even_film_stays_even():
    assert np.abs(squash(np.full((401, 333), 0.25, dtype=np.float32)) - 0.25).max() < 1e-6


def test_a_film_is_squashed_and_neither_padded_nor_cropped():
    stored = np.zeros((300, 600), dtype=np.uint16)
    stored[:, :300] = 255
    tensor = film_tensor(make_film(stored), size=100)
    assert tensor.shape == (100, 100)
    assert (tensor[:, :49] > 0.99).all()
    assert (tensor[:, 51:] < 0.01).all()


def test_only_pictures_are_squashed():
    with pytest.raises(ImageError, match="grey"):
        squash(np.zeros((2, 3, 4), dtype=np.float32))
