import pytest

from medcore.errors import InputError
from medcore.ui import compare
from medcore.ui.curves import Choice
from medcore.ui.curves.component import parse_choice, read_script

SENT = {"condition": "diabetes", "cut_off": 0.1, "use": "rule out"}


@pytest.mark.parametrize(
    ("text", "share"), [("", None), ("  ", None), ("4.5", 0.045), ("4,5 %", 0.045), ("99.9%", 0.999)]
)
def test_a_prevalence_is_read_in_per_cent(text, share):
    assert compare.read_prevalence(text) == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize("text", ["0", "100", "120", "-3", "nan", "inf", "many", "1 2"])
def test_a_prevalence_that_cannot_be_is_refused(text):
    with pytest.raises(InputError, match="Between 0 and 100"):
        compare.read_prevalence(text)


def test_a_cut_off_is_taken_from_the_browser():
    assert parse_choice(SENT, "diabetes") == Choice(cut_off=0.1, use="rule out")


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": "heart_disease"},
        {"use": "other"},
        {"use": None},
        {"cut_off": 0},
        {"cut_off": 1},
        {"cut_off": True},
        {"cut_off": "0.1"},
        {"cut_off": float("nan")},
        {"cut_off": None},
    ],
)
def test_anything_else_the_browser_sends_is_ignored(changes):
    assert parse_choice({**SENT, **changes}, "diabetes") is None
    assert parse_choice([SENT], "diabetes") is None
    assert parse_choice(None, "diabetes") is None


def test_the_script_is_whole_and_reaches_nothing_outside():
    script = read_script()
    assert "function mountCurves(" in script
    assert "fetch(" not in script
    assert "innerHTML" not in script
