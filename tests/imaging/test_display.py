"""Windows as in DICOM PS3.3 C.11.2, by hand-sized cases; tables; inversion-free look-up."""

import numpy as np
import pytest
from films import make_film

from medcore.imaging import VoiFunction, Window
from medcore.imaging.display import make_table, render


def test_linear_follows_the_standard_at_its_edges():
    table = make_table(Window(center=2048, width=4096), bits=12)
    assert table[0] == pytest.approx(0.0, abs=1e-6)
    assert table[4095] == pytest.approx(1.0, abs=1e-6)
    assert table[2048] == pytest.approx((2048 - 2047.5) / 4095 + 0.5, abs=1e-6)


def test_linear_of_width_one_is_a_step():
    table = make_table(Window(center=100, width=1), bits=8)
    assert table[99] == 0
    assert table[100] == 1


def test_linear_exact_has_no_half_pixel_in_it():
    table = make_table(Window(center=128, width=256, function=VoiFunction.LINEAR_EXACT), bits=8)
    assert table[0] == 0
    assert table[128] == pytest.approx(0.5)


def test_sigmoid_is_half_at_its_centre_and_never_overflows():
    table = make_table(Window(center=500, width=0.5, function=VoiFunction.SIGMOID), bits=16)
    assert table[500] == pytest.approx(0.5)
    assert np.isfinite(table).all()
    assert table[0] == 0
    assert table[-1] == 1


@pytest.mark.parametrize("function", list(VoiFunction))
@pytest.mark.parametrize("width", [1, 2, 700, 100000])
def test_a_table_stays_in_range_and_never_falls(function, width):
    table = make_table(Window(center=300, width=width, function=function), bits=10)
    assert table.dtype == np.float32
    assert table.min() >= 0
    assert table.max() <= 1
    assert (np.diff(table) >= 0).all()


def test_the_first_window_is_the_default():
    narrow, wide = Window(center=10, width=2), Window(center=128, width=256)
    film = make_film(np.array([[0, 10, 200]]), windows=(narrow, wide))
    assert render(film).tolist() == [[0, pytest.approx(1.0), 1]]
    assert render(film, wide)[0, 2] == pytest.approx((200 - 127.5) / 255 + 0.5)


def test_a_films_own_table_comes_before_its_windows_but_not_before_a_chosen_one():
    table = np.full(256, 65535, dtype=np.uint16)
    table[7] = 0
    film = make_film(np.array([[7, 8]]), voi_table=table)
    assert render(film).tolist() == [[0, 1]]
    assert render(film, film.windows[0])[0, 0] == pytest.approx(7 / 255)
