"""Cut-offs in films."""

import numpy as np
import pytest

from medcore.errors import UnknownNameError
from medcore.services.operating import count_points, find_points, place

Y = np.array([1] * 10 + [0] * 5)
P = np.array([0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 0.05, 0.1, 0.2, 0.4, 0.75])


def test_points_are_counted_on_the_films_and_sorted():
    points = count_points({"balanced": 0.5, "screening": 0.25}, Y, P)
    assert [point.name for point in points] == ["screening", "balanced"]
    assert [point.sensitivity for point in points] == pytest.approx([0.9, 0.8])
    assert [point.false_calls for point in points] == pytest.approx([0.4, 0.2])
    assert (points[0].n_positive, points[0].n_negative) == (10, 5)


def test_a_film_at_the_cut_off_is_called():
    (point,) = count_points({"screening": 0.75}, Y, P)
    assert point.false_calls == pytest.approx(0.2)
    assert place((point,), 0.75).reached


class Shelf:
    """A shelf with one bundle that holds these arrays."""

    def __init__(self, **arrays):
        self.thresholds = {"balanced": 0.5, "default": 0.5, "screening": 0.25}
        self.arrays = arrays

    def find(self, model_id):
        if not self.arrays:
            raise UnknownNameError("there is no such model")
        return self

    bundle = find

    def read_arrays(self, name):
        assert name == "evaluation.npz"
        return self.arrays


def test_points_of_a_bundle_are_counted_on_its_test_films_only():
    part = np.array(["test"] * 5 + ["validation"] * 5 + ["test"] * 5)
    points = find_points(Shelf(y=Y, p=P, part=part), "m")
    assert [point.name for point in points] == ["screening", "balanced"]
    assert (points[0].n_positive, points[0].n_negative) == (5, 5)
    assert find_points(Shelf(y=Y, p=P), "m")[0].n_positive == 10


def test_a_bundle_that_cannot_be_read_has_no_points():
    assert find_points(Shelf(), "m") == ()
    assert find_points(Shelf(y=Y), "m") == ()


def test_a_default_of_its_own_stays():
    assert [point.name for point in count_points({"default": 0.4, "screening": 0.2}, Y, P)] == ["screening", "default"]


def test_one_sort_of_films_only_gives_no_points():
    assert count_points({"screening": 0.5}, np.ones(3), np.ones(3)) == ()


def test_no_score_has_no_place():
    assert place(count_points({"screening": 0.5}, Y, P), None) is None
    assert place((), 0.5) is None
