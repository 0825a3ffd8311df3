import re

import compared
import numpy as np

from medcore.evaluation.curves import draw_curves
from medcore.figures.calibration import render_calibrations


def make_curves(rate=0.3, n=600):
    y, scores = compared.make_scores(n, rate)
    return draw_curves(y, scores[0])


def test_one_drawing_per_version_all_on_the_same_axis():
    parts = [("As it is", make_curves()), ("Shifted <b>", make_curves(0.05))]
    html = render_calibrations(parts)
    assert html.count("<svg") == 2
    assert html.count("100\u00a0%") == 4
    assert "<b>" not in html
    assert "nan" not in html.lower()


def test_every_tenth_stands_where_it_was_measured():
    curves = make_curves()
    html = render_calibrations([("As it is", curves)])
    circles = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', html)]
    expected = [(52 + 312 * one.mean_p, 250 - 240 * one.observed) for one in curves.bins]
    np.testing.assert_allclose(circles, expected, atol=0.06)
    assert f"{100 * curves.bins[0].mean_p:.0f} % predicted" in html


def test_small_risks_get_a_small_axis():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.001, 0.04, 4000)
    html = render_calibrations([("As it is", draw_curves(rng.random(4000) < p, p))])
    assert "100\u00a0%" not in html
    assert "5\u00a0%" in html


def test_nothing_to_draw_is_nothing():
    assert "<svg" not in render_calibrations([])
