import pytest

from medcore.figures.icons import count_of_100, render_icons


@pytest.mark.parametrize(("p", "count"), [(0.0, 0), (0.004, 0), (0.005, 1), (0.41, 41), (0.996, 100), (1.0, 100)])
def test_count_is_the_nearest_whole(p, count):
    assert count_of_100(p) == count


def test_hundred_dots_and_both_sides_in_words():
    svg = render_icons(0.41, "death within 180 days")
    assert svg.count("<circle") == 100
    assert svg.count('fill="none"') == 59
    assert svg.count("Of 100 people like this one, 41 with death within 180 days and 59 without.") == 2


def test_outcome_is_escaped():
    assert "<b>" not in render_icons(0.5, "<b>")
