import pytest

from medcore.figures.bars import rank_bars, render_bars
from medcore.results import Explanation

CHANGES = {"a": 0.15, "b": -0.1, "c": 0.05, "d": -0.04, "e": 0.03, "f": 0.02, "g": 0.01, "h": -0.002}


def make_explanation(changes=CHANGES, base=0.46):
    p = base + sum(changes.values())
    return Explanation(
        base=base, contributions=changes, standard_error=dict.fromkeys(changes, 0.001), p_calibrated=p, n_coalitions=64
    )


def make_chart(**parts):
    labels = {name: name.upper() for name in CHANGES}
    return rank_bars(make_explanation(), labels, {"a": "3 mg"}, **parts)


def test_six_strongest_in_order_and_the_rest_summed():
    chart = make_chart()
    assert [bar.field for bar in chart.bars] == ["a", "b", "c", "d", "e", "f"]
    assert chart.n_others == 2
    assert chart.others == pytest.approx(0.8)


def test_base_bars_and_others_add_up_to_the_estimate():
    chart = make_chart()
    assert chart.base + sum(bar.points for bar in chart.bars) + chart.others == pytest.approx(chart.estimate)


def test_html_is_a_table_with_title_values_notes_and_the_fixed_caption():
    html = render_bars(make_chart(notes={"a": "often due to statins; not protective", "h": "not shown"}))
    assert "What moved this estimate away from the average (46 %)" in html
    assert "3 mg" in html
    assert "often due to statins; not protective" in html
    assert "not shown" not in html
    assert "2 others" in html
    assert "These are patterns in the study, not causes. Changing a value need not change the outcome." in html
    assert html.count('scope="row"') == 7


def test_colours_and_signs_tell_direction_and_words_do_too():
    html = render_bars(make_chart())
    assert html.index("#B4500B") < html.index("#0B5CAD")
    assert "+15" in html
    assert "−10" in html
    assert "points, raises" in html
    assert "points, lowers" in html


def test_texts_are_escaped():
    html = render_bars(rank_bars(make_explanation({"a": 0.1}), {"a": "<i>x"}, {"a": "<script>"}))
    assert "<script>" not in html
    assert "<i>" not in html


def test_small_changes_do_not_fill_the_chart():
    html = render_bars(rank_bars(make_explanation({"a": 0.004}), {}, {}))
    assert "width:10.0%" in html


def test_payload_stays_small():
    assert len(render_bars(make_chart())) < 5000


def test_nothing_known_gives_an_empty_chart():
    chart = rank_bars(make_explanation({}), {}, {})
    assert chart.bars == ()
    assert "<tbody></tbody>" in render_bars(chart)
