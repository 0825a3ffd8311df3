"""Platt's line against statsmodels, and cross-fitting that never uses a row's own fold."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from medcore.errors import InputError
from medcore.models.calibration import cross_fit, fit_line, fit_pooled


def draw(seed, n=300):
    rng = np.random.default_rng(seed)
    score = rng.normal(1.0, 2.0, n)
    return score, (rng.random(n) < 1 / (1 + np.exp(-0.7 * score + 1.0))).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_that_of_statsmodels(seed):
    score, y = draw(seed)
    intercept, slope = sm.Logit(y, sm.add_constant(score)).fit(disp=0).params
    line = fit_line(score, y)
    assert line.slope == pytest.approx(slope, rel=1e-3)
    assert line.intercept == pytest.approx(intercept, rel=1e-3, abs=1e-3)


def test_weights_count_like_repeated_rows():
    score, y = draw(9, 120)
    counts = np.random.default_rng(1).integers(0, 4, 120)
    weighted = fit_line(score, y, counts)
    model = sm.GLM(y, sm.add_constant(score), family=sm.families.Binomial(), freq_weights=counts).fit()
    assert weighted.slope == pytest.approx(model.params[1], rel=2e-3)
    repeated = fit_line(np.repeat(score, counts), np.repeat(y, counts))
    assert (weighted.slope, weighted.intercept) == pytest.approx((repeated.slope, repeated.intercept), rel=1e-6)


def test_separable_scores_keep_a_finite_slope():
    score, y = np.arange(20.0), (np.arange(20) >= 10).astype(int)
    line = fit_line(score, y)
    assert 1.0 < line.slope < 1e3


def test_a_score_that_ranks_the_wrong_way_keeps_the_order_of_ranks():
    score, y = draw(2)
    assert fit_line(-score, y).slope > 0


@pytest.mark.parametrize("y", [np.zeros(5), np.ones(5)])
def test_one_outcome_only(y):
    with pytest.raises(InputError, match="both outcomes"):
        fit_line(np.arange(5.0), y)


@settings(max_examples=60, deadline=None)
@given(scores=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=30), shift=st.integers(1, 3))
def test_any_scores_give_a_usable_line(scores, shift):
    y = np.arange(len(scores)) % (shift + 1) == 0
    line = fit_line(np.array(scores), y.astype(int))
    assert line.slope > 0
    assert np.isfinite([line.slope, line.intercept]).all()


def test_cross_fitting_never_uses_the_rows_own_fold():
    score, y = draw(3, 100)
    fold = np.arange(100) % 5
    p = cross_fit(score[None], y, fold, score)
    for row in range(0, 100, 7):
        turned = y.copy()
        turned[row] = 1 - turned[row]
        again = cross_fit(score[None], turned, fold, score)
        same = fold == fold[row]
        np.testing.assert_array_equal(again[same], p[same])
        assert (again[~same] != p[~same]).all()


def test_rows_without_weight_are_calibrated_but_teach_nothing():
    score, y = draw(4, 100)
    fold, weight = np.arange(100) % 5, (np.arange(100) % 4 > 0).astype(float)
    p = cross_fit(score[None], y, fold, score, weight)
    turned = np.where(weight > 0, y, 1 - y)
    np.testing.assert_array_equal(cross_fit(score[None], turned, fold, score, weight), p)
    assert np.isfinite(p).all()


def test_a_pooled_line_weighs_the_versions_of_a_row_equally():
    score, y = draw(5, 200)
    pooled = fit_pooled(np.array([score, 0.5 * score]), y)
    same = fit_line(np.concatenate([score, 0.5 * score]), np.tile(y, 2), np.full(400, 0.5))
    assert pooled.slope == pytest.approx(same.slope)
    assert fit_line(score, y).slope < pooled.slope < fit_line(0.5 * score, y).slope
    once = fit_pooled(score[None], y)
    assert once.slope == pytest.approx(fit_line(score, y).slope)
