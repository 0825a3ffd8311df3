import pytest

from medcore.figures.icons import render_icons


@pytest.mark.parametrize(
    ("p", "count", "words"),
    [
        (0.0, 0, "fewer than 1 with it and more than 99 without"),
        (0.009, 0, "fewer than 1 with it and more than 99 without"),
        (0.01, 1, "about 1 with it and 99 without"),
        (0.415, 42, "about 42 with it and 58 without"),
        (0.99, 99, "about 99 with it and 1 without"),
        (0.995, 100, "more than 99 with it and fewer than 1 without"),
    ],
)
def test_dots_and_words_agree(p, count, words):
    svg = render_icons(p, "it")
    assert 100 - svg.count('fill="none"') == count
    assert words in svg


def test_hundred_dots_and_both_sides_in_words():
    svg = render_icons(0.41, "death within 180 days")
    assert svg.count("<circle") == 100
    assert svg.count('fill="none"') == 59
    assert svg.count("Of 100 people like this one, about 41 with death within 180 days and 59 without.") == 2


def test_outcome_is_escaped():
    assert "<b>" not in render_icons(0.5, "<b>")
