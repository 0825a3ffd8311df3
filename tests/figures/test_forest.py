import math
import re

import pytest

from medcore.figures.forest import Forest, ForestRow, choose_ticks, render_forest, write_figure

NAN = math.nan


def make_row(label="Forest", value=0.01, lo=-0.01, hi=0.03, **parts):
    return ForestRow(label=label, value=value, lo=lo, hi=hi, **parts)


def make_forest(*rows, **parts):
    return Forest(title="Difference", axis="AUROC difference", rows=rows or (make_row(),), **parts)


def place(html, kind):
    return [float(text) for text in re.findall(rf'{kind}" style="left:([\d.]+)%', html)]


def test_every_row_says_its_figure_in_text():
    html = render_forest(make_forest(make_row(), make_row("MLP", -0.02, -0.04, 0.0), signed=True))
    assert "+0.010 (−0.010 to +0.030)" in html
    assert "−0.020 (−0.040 to 0.000)" in html


def test_marks_stand_in_the_order_of_their_values():
    html = render_forest(make_forest(make_row(value=0.0), make_row(value=0.02), make_row(value=-0.01), line=0.0))
    first, second, third = place(html, "mc-fdot")
    assert third < first < second
    assert place(html, "mc-fline")[0] == pytest.approx(first, abs=0.01)


def test_the_margin_ends_at_the_line_and_is_always_in_view():
    html = render_forest(make_forest(make_row(value=0.001, lo=0.0, hi=0.002), line=0.0, margin=0.02))
    (left, width) = re.search(r'mc-fmargin" style="left:([\d.]+)%;width:([\d.]+)%', html).groups()
    assert float(left) > 0.0
    assert float(left) + float(width) == pytest.approx(place(html, "mc-fline")[0], abs=0.02)


def test_a_small_group_is_grey_with_its_reason_and_does_not_stretch_the_axis():
    wide = make_row("small", 0.9, 0.1, 1.0, grey="too few: 7 events")
    html = render_forest(make_forest(make_row("a", 0.8, 0.79, 0.81), wide))
    assert 'class="mc-fgrey"' in html
    assert "too few: 7 events" in html
    alone = render_forest(make_forest(make_row("a", 0.8, 0.79, 0.81)))
    assert place(html, "mc-fdot")[0] == place(alone, "mc-fdot")[0]


def test_what_is_not_known_is_said_and_not_drawn():
    html = render_forest(make_forest(make_row(value=NAN, lo=NAN, hi=NAN)))
    assert "not known" in html
    assert "mc-fdot" not in html
    assert "nan" not in html.lower()
    assert "mc-fci" not in render_forest(make_forest(make_row(lo=NAN)))


def test_groups_have_one_heading_each():
    rows = [make_row(str(n), group=group) for n, group in enumerate(["sex", "sex", "age"])]
    assert re.findall(r'mc-fgroup"><th[^>]*>(\w+)', render_forest(make_forest(*rows))) == ["sex", "age"]


def test_labels_are_escaped():
    html = render_forest(make_forest(make_row("<b>x</b>", counts="<i>", note="<u>", group="<s>")))
    for text in ("<b>x", "<i>", "<u>", "<s>"):
        assert text not in html


def test_no_row_no_plot():
    assert render_forest(Forest(title="t", axis="a", rows=())) == ""


def test_an_axis_never_leaves_its_limits():
    html = render_forest(make_forest(make_row(value=0.99, lo=0.95, hi=1.0), within=(0.0, 1.0)))
    assert max(place(html, "mc-fci")) <= 100.0
    labels = [float(text) for text in re.findall(r'<span style="left:[\d.]+%">([\d.]+)</span>', html)]
    assert max(labels) <= 1.0


@pytest.mark.parametrize(("lo", "hi"), [(-0.021, 0.033), (0.0, 1.0), (0.61, 0.64), (-300.0, 20.0), (-1e-6, 1e-6)])
def test_ticks_are_round_rising_and_inside(lo, hi):
    ticks = choose_ticks(lo, hi)
    assert 2 <= len(ticks) <= 8
    assert list(ticks) == sorted(ticks)
    assert lo - 1e-9 <= ticks[0] <= ticks[-1] <= hi + 1e-9


def test_figures_without_interval():
    assert write_figure(0.5, NAN, NAN) == "0.500"
    assert write_figure(-0.0001, -0.01, 0.01, digits=2, signed=True) == "0.00 (−0.01 to +0.01)"


def test_single_points_are_drawn_and_a_text_takes_the_figure_s_place():
    html = render_forest(make_forest(make_row(value=0.5, lo=0.4, hi=0.6, points=(0.4, 0.55, NAN), text="no score")))
    assert len(place(html, "mc-fpoint")) == 2
    assert "no score" in html
    assert "0.500" not in html
