"""The bad films that the gate is measured with are what they say they are."""

import numpy as np
import pytest
from film_bundle import draw_films

from medcore.config import read_settings
from medcore.models.bad_films import MUST_CATCH, load_other_films, make_bad_films


@pytest.fixture(scope="module")
def films():
    return draw_films(6, 55).tensors


def test_every_kind_is_a_film_for_a_model(films):
    for kind, pictures in make_bad_films(films).items():
        assert pictures.dtype == np.float32, kind
        assert pictures.shape == films.shape, kind
        assert 0 <= pictures.min() <= pictures.max() <= 1, kind
        assert pictures.flags.c_contiguous, kind
        assert not np.array_equal(pictures, films), kind


def test_equal_seeds_give_equal_pictures(films):
    first, second, other = make_bad_films(films, 1), make_bad_films(films, 1), make_bad_films(films, 2)
    for kind, pictures in first.items():
        np.testing.assert_array_equal(pictures, second[kind])
    assert not np.array_equal(first["noise"], other["noise"])


def test_turns_can_be_turned_back(films):
    bad = make_bad_films(films)
    np.testing.assert_array_equal(np.rot90(bad["turned to the left"], -1, (1, 2)), films)
    np.testing.assert_array_equal(bad["upside down"][:, ::-1, ::-1], films)
    np.testing.assert_array_equal(np.sort(bad["shuffled parts"].ravel()), np.sort(films.ravel()))


@pytest.mark.data
def test_real_films_that_are_none_of_ours():
    found = load_other_films(read_settings().training_data_dir)
    assert len(found["adult chest, 1024 px"]) == 9
    assert len(found["adult chest, 64 px"]) == 1000
    assert {"leg", "dog's thorax"} <= found.keys()
    assert set(MUST_CATCH) <= found.keys() | make_bad_films(np.zeros((1, 224, 224), np.float32)).keys()
    assert all(pictures.shape[1:] == (224, 224) for pictures in found.values())


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    assert load_other_films(tmp_path) == {}
