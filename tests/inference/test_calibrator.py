"""Calibration: ranks are kept, the interval holds the risk, wider factors give wider intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcore.errors import IntegrityError
from medcore.inference.calibrator import Calibrator, Line

finite = st.floats(-1e6, 1e6)
slopes = st.floats(1e-3, 1e3)
lines = st.builds(Line, slope=slopes, intercept=st.floats(-100, 100))


@st.composite
def cases(draw):
    refits = draw(st.lists(lines, min_size=1, max_size=8))
    n = draw(st.integers(1, 4))
    score = np.array(draw(st.lists(finite, min_size=n, max_size=n)))
    refit_scores = np.array(draw(st.lists(finite, min_size=n * len(refits), max_size=n * len(refits))))
    calibrator = Calibrator(main=draw(lines), refits=tuple(refits), width=draw(st.floats(0, 5)))
    return calibrator, score, refit_scores.reshape(n, len(refits))


def test_by_hand():
    calibrator = Calibrator(main=Line(slope=2.0, intercept=-1.0), refits=(Line(slope=1.0, intercept=0.0),))
    assert calibrator.probability(np.array([0.5]))[0] == 0.5
    assert calibrator.probability(np.array([1.0]))[0] == pytest.approx(1 / (1 + math.exp(-1)))


def test_interval_by_hand():
    """Three refits at -1, 0 and 2 with level 1/2: quartiles -.5 and 1 around the middle 0, stretched twice."""
    same = Line(slope=1.0, intercept=0.0)
    calibrator = Calibrator(main=same, refits=(same,) * 3, width=2.0, level=0.5)
    lo, hi = calibrator.interval(np.array([0.3]), np.array([[2.0, -1.0, 0.0]]))
    assert math.log(lo[0] / (1 - lo[0])) == pytest.approx(0.3 - 1.0)
    assert math.log(hi[0] / (1 - hi[0])) == pytest.approx(0.3 + 2.0)


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_lo_p_hi_are_in_order_always(case):
    calibrator, score, refit_scores = case
    p = calibrator.probability(score)
    lo, hi = calibrator.interval(score, refit_scores)
    assert ((lo >= 0) & (lo <= p) & (p <= hi) & (hi <= 1)).all()


@settings(max_examples=200, deadline=None)
@given(line=lines, scores=st.lists(finite, min_size=2, max_size=20))
def test_ranks_are_kept(line, scores):
    score = np.sort(np.array(scores))
    assert (np.diff(Calibrator(main=line, refits=(line,)).probability(score)) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(case=cases(), factor=st.floats(1.0, 4.0))
def test_intervals_widen_with_the_factor(case, factor):
    calibrator, score, refit_scores = case
    wide = Calibrator(main=calibrator.main, refits=calibrator.refits, width=calibrator.width * factor)
    lo, hi = calibrator.interval(score, refit_scores)
    wider_lo, wider_hi = wide.interval(score, refit_scores)
    assert (wider_lo <= lo).all()
    assert (wider_hi >= hi).all()


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_json_round_trip(case):
    assert Calibrator.from_json(case[0].to_json()) == case[0]


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0), (1.0, math.nan)]
)
def test_a_line_that_would_turn_ranks_round(slope, intercept):
    with pytest.raises(IntegrityError, match="positive"):
        Line(slope=slope, intercept=intercept)


@pytest.mark.parametrize("change", [{"width": -0.1}, {"width": math.nan}, {"level": 1.0}, {"level": 90}])
def test_a_width_or_level_that_cannot_be(change):
    line = Line(slope=1.0, intercept=0.0)
    with pytest.raises(IntegrityError, match="width"):
        Calibrator(main=line, refits=(line,), **change)
