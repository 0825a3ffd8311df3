"""Words burned into a film are found where they stand; what is found is asked about, so some false alarms are borne."""

import numpy as np
import pytest
from burned_words import burn, draw_cases, share_found
from films import make_film

from medcore.imaging.burned_in import MOST_REGIONS, find_words
from medcore.imaging.copying import Region, cover
from medcore.imaging.phantom import make_phantom


@pytest.fixture(scope="module")
def film():
    return make_phantom(3, 900, 800)


@pytest.mark.parametrize("size", [12, 16, 24, 40])
@pytest.mark.parametrize("place", [(8, 8), (860, 400), (420, 300)], ids=["corner", "bottom", "middle"])
def test_a_name_is_found_wherever_it_stands(film, size, place):
    words, box = burn(film, "DOE^JANE 1987-11-03", *place, size, 4095)
    assert share_found(find_words(words), box) > 0.8


@pytest.mark.parametrize(("value", "angle"), [(0, 0), (4095, 90), (4095, 180)], ids=["dark", "upright", "headlong"])
def test_dark_and_turned_words_are_found(film, value, angle):
    words, box = burn(film, "MUELLER ANNA", 420, 330, 20, value, angle=angle)
    assert share_found(find_words(words), box) > 0.8


@pytest.mark.parametrize("letter", ["R", "L"])
def test_a_side_marker_is_asked_about(film, letter):
    words, box = burn(film, letter, 30, 30, 48, 4095)
    assert share_found(find_words(words), box) > 0.5


def test_large_films_are_searched_too():
    words, box = burn(make_phantom(2, 4000, 3600), "DOE^JANE", 3800, 200, 60, 4095)
    assert share_found(find_words(words), box) > 0.8


def test_8_bit_films_are_searched_too():
    phantom = make_phantom(1, 700, 600)
    words, box = burn(make_film(phantom.stored >> 4, bits=8), "DOE^JANE", 20, 40, 20, 255)
    assert share_found(find_words(words), box) > 0.8


@pytest.mark.parametrize("seed", range(6))
def test_a_film_without_words_gives_no_alarm(seed):
    assert find_words(make_phantom(seed, 700, 600)) == ()


@pytest.mark.parametrize("stored", [np.zeros((64, 64)), np.full((80, 90), 255), np.eye(64) * 255], ids=str)
def test_films_without_contrast_do_no_harm(stored):
    assert len(find_words(make_film(stored))) <= MOST_REGIONS


def test_a_page_of_words_is_joined_to_a_number_that_can_be_looked_at():
    film = make_phantom(1, 1600, 1500)
    for row in range(0, 1500, 60):
        for column in (0, 500, 1000):
            film, _ = burn(film, "DOE^JANE", row, column, 20, 4095)
    regions = find_words(film)
    assert 1 <= len(regions) <= MOST_REGIONS
    assert all(0 <= r.top < r.bottom <= 1600 and 0 <= r.left < r.right <= 1500 for r in regions)


def test_at_least_nine_of_ten_words_are_found():
    found = [share_found(find_words(words), box) > 0.5 for _, words, box, _ in draw_cases(30, seed=5)]
    assert np.mean(found) >= 0.9


def test_covering_leaves_nothing_of_what_was_there(film):
    words, box = burn(film, "DOE^JANE", 20, 40, 24, 4095)
    regions = find_words(words)
    black = cover(words.stored, regions)
    top, left, bottom, right = box
    assert np.unique(black[top:bottom, left:right]).size == 1
    assert find_words(make_film(black, bits=12)) == ()
    outside = np.ones(black.shape, dtype=bool)
    for r in regions:
        outside[r.top : r.bottom, r.left : r.right] = False
    assert np.array_equal(black[outside], words.stored[outside])


def test_regions_that_touch_are_one():
    first, second = Region(top=0, left=0, bottom=5, right=5), Region(top=5, left=3, bottom=9, right=8)
    assert first.touches(second)
    assert first.join(second) == Region(top=0, left=0, bottom=9, right=8)
    assert not first.touches(Region(top=7, left=0, bottom=9, right=5))
