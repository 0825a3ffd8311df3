"""Measuring a labelled file: labels in words, who is left out, figures equal to the scoreboard's."""

import pytest

from medcore.services.training.evaluation import parse_label


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("0", 0), (" 1.0 ", 1), ("YES", 1), ("no", 0), ("True", 1), ("negative", 0), ("", None), ("2", None)],
)
def test_parse_label(text, expected):
    assert parse_label(text) == expected
