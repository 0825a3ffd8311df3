import re

from medcore.figures.aligned_bars import rank_fields, render_aligned
from medcore.results import Explanation


def explain(base=0.3, **changes):
    p = base + sum(changes.values())
    return Explanation(
        base=base, contributions=changes, standard_error=dict.fromkeys(changes, 0.0), p_calibrated=p, n_coalitions=64
    )


FIRST = explain(a=0.2, b=-0.05, c=0.01)
SECOND = explain(base=0.35, a=0.02, b=-0.3, c=0.01)


def test_fields_are_ranked_by_their_largest_bar_in_any_model():
    assert rank_fields([FIRST, SECOND]) == ("b", "a", "c")
    assert rank_fields([FIRST, SECOND], shown=1) == ("b",)


def test_one_row_a_field_and_one_column_a_model():
    html = render_aligned({"One": FIRST, "Two": SECOND}, {"a": "Age", "b": "BMI"}, {"a": "61 years"})
    assert html.index("BMI") < html.index("Age")
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", html)
    assert [re.findall(r"<b>(.*?)</b>", row) for row in rows] == [["−5", "−30"], ["+20", "+2"], ["+1", "+1"]]
    assert "61 years" in html
    assert "from 30 to 46 %" in html


def test_all_bars_share_one_scale():
    html = render_aligned({"One": FIRST, "Two": SECOND}, {}, {})
    widths = [float(text) for text in re.findall(r"width:([\d.]+)%", html)]
    assert widths == [8.3, 50.0, 33.3, 3.3, 1.7, 1.7]


def test_the_rest_is_summed_so_that_every_column_adds_up():
    html = render_aligned({"One": FIRST, "Two": SECOND}, {}, {}, shown=1)
    assert "2 others" in html
    assert re.findall(r"<b>(.*?)</b>", html) == ["−5", "−30", "+21", "+3"]


def test_nothing_to_show_and_escaping():
    assert render_aligned({}, {}, {}) == ""
    assert "<x>" not in render_aligned({"<x>": FIRST}, {"a": "<x>"}, {"a": "<x>"})
