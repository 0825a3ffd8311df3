"""ROC, PR and DeLong: hand-sized cases, scikit-learn, and the direct pairwise formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medcore.errors import InputError
from medcore.evaluation import discrimination as d


def direct_delong(y, scores):
    """DeLong 1988 as written: the placement matrix of all case/non-case pairs, O(n_pos * n_neg)."""
    cases, others = scores[:, y == 1], scores[:, y == 0]
    wins = (cases[:, :, None] > others[:, None, :]) + 0.5 * (cases[:, :, None] == others[:, None, :])
    v10, v01 = wins.mean(axis=2), wins.mean(axis=1)
    return wins.mean(axis=(1, 2)), np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


@pytest.mark.parametrize(
    ("y", "p", "expected"),
    [
        pytest.param([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75, id="one_pair_wrong"),
        pytest.param([0, 1], [0.2, 0.9], 1.0, id="perfect"),
        pytest.param([0, 1], [0.9, 0.2], 0.0, id="reversed"),
        pytest.param([0, 1, 0, 1], [0.5] * 4, 0.5, id="all_tied"),
        pytest.param([0, 1, 1], [0.5, 0.5, 0.7], 0.75, id="one_tie"),
    ],
)
def test_auroc_known_answers(y, p, expected):
    assert d.auroc(y, p) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y", "p", "expected"),
    [
        pytest.param([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.5 * 1 + 0.5 * 2 / 3, id="textbook"),
        pytest.param([0, 1], [0.2, 0.9], 1.0, id="perfect"),
        pytest.param([0, 1, 0, 0], [0.5] * 4, 0.25, id="all_tied_is_the_rate"),
    ],
)
def test_auprc_known_answers(y, p, expected):
    assert d.auprc(y, p) == pytest.approx(expected)


def test_areas_equal_sklearn(cohort):
    y, p = cohort
    assert d.auroc(y, p) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert d.auprc(y, p) == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)


def test_roc_curve_equals_sklearn(cohort):
    y, p = cohort
    fpr, tpr, thresholds = sk.roc_curve(y, p, drop_intermediate=False)
    curve = d.roc_curve(y, p)
    np.testing.assert_allclose(curve.false_positive_rate, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.sensitivity, tpr, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds[1:], thresholds[1:])
    assert curve.thresholds[0] == np.inf
    assert np.trapezoid(curve.sensitivity, curve.false_positive_rate) == pytest.approx(d.auroc(y, p))


def test_pr_curve_equals_sklearn(cohort):
    y, p = cohort
    precision, recall, thresholds = sk.precision_recall_curve(y, p)
    curve = d.pr_curve(y, p)
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(curve.recall[::-1], recall[:-1], atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds[::-1], thresholds)


def test_results_cannot_be_written_to(cohort):
    curve = d.roc_curve(*cohort)
    with pytest.raises(ValueError, match="read-only"):
        curve.sensitivity[0] = 1.0


@st.composite
def labelled_scores(draw):
    n = draw(st.integers(4, 40))
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    p = np.array(draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))) / 12.0
    assume(2 <= y.sum() <= n - 2)
    return y, p


@given(labelled_scores(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_areas_are_bounded_and_blind_to_row_order_and_scale(case, random):
    y, p = case
    order = np.array(random.sample(range(y.size), y.size))
    for area in (d.auroc, d.auprc):
        value = area(y, p)
        assert 0.0 <= value <= 1.0
        assert area(y[order], p[order]) == pytest.approx(value, abs=1e-12)
        assert area(y, 0.9 * p**3 + 0.05) == pytest.approx(value, abs=1e-12)
    assert d.auroc(1 - y, 1.0 - p) == pytest.approx(d.auroc(y, p), abs=1e-12)


@given(labelled_scores())
@settings(max_examples=60, deadline=None)
def test_delong_equals_direct_formula(case):
    y, p = case
    scores = np.vstack((p, 1.0 - p**2, np.roll(p, 1)))
    areas, covariance = d.delong_covariance(y, scores)
    expected_areas, expected = direct_delong(y, scores)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)


def test_delong_on_twenty_thousand_rows(make_cohort):
    y, p = make_cohort(20_000, seed=5, decimals=3)
    scores = np.vstack((p, np.clip(p + np.random.default_rng(1).normal(0, 0.1, p.size), 0, 1)))
    areas, covariance = d.delong_covariance(y, scores)
    assert areas[0] == pytest.approx(sk.roc_auc_score(y, scores[0]), abs=1e-9)
    assert areas[1] == pytest.approx(sk.roc_auc_score(y, scores[1]), abs=1e-9)
    part = slice(0, 1500)
    fast = d.delong_covariance(y[part], scores[:, part])
    direct = direct_delong(y[part], scores[:, part])
    np.testing.assert_allclose(fast[0], direct[0], atol=1e-10)
    np.testing.assert_allclose(fast[1], direct[1], atol=1e-10)
    # the variance of a mean falls with the number of rows
    np.testing.assert_allclose(covariance, fast[1] * 1500 / 20_000, rtol=0.15)


def test_interval_stays_inside_and_is_asymmetric_near_one(make_cohort):
    y, p = make_cohort(200, seed=2)
    plain = d.auroc_interval(y, p)
    assert 0.0 < plain.lo < plain.value < plain.hi < 1.0
    near_one = d.auroc_interval(y, np.where(y == 1, 0.5 + p / 2, p * 0.72))
    assert near_one.value > 0.95
    assert near_one.value - near_one.lo > near_one.hi - near_one.value


def test_perfect_ranking_is_not_certain():
    result = d.auroc_interval([0] * 30 + [1] * 20, [0.1] * 30 + [0.9] * 20)
    assert result.value == result.hi == 1.0
    assert result.lo == pytest.approx(0.8389, abs=1e-4)  # Wilson, 20 of 20 disjoint pairs


def test_clustered_interval_of_single_rows_is_delong(make_cohort):
    y, p = make_cohort(300, seed=4)
    assert d.auroc_interval(y, p, groups=np.arange(300)) == d.auroc_interval(y, p)
    twice = d.auroc_interval(np.tile(y, 2), np.tile(p, 2), groups=np.tile(np.arange(300), 2))
    once = d.auroc_interval(y, p)
    assert twice.value == pytest.approx(once.value)
    assert twice.hi - twice.lo == pytest.approx(once.hi - once.lo, rel=0.02)  # copies add nothing
    naive = d.auroc_interval(np.tile(y, 2), np.tile(p, 2))
    assert naive.hi - naive.lo < 0.75 * (twice.hi - twice.lo)


def test_delong_test_is_antisymmetric(make_cohort):
    y, p = make_cohort(500, seed=6)
    other = np.random.default_rng(0).permutation(p)
    forward, backward = d.delong_test(y, p, other), d.delong_test(y, other, p)
    assert forward.difference.value == pytest.approx(-backward.difference.value)
    assert forward.z == pytest.approx(-backward.z)
    assert forward.p_value < 1e-6
    assert forward.difference.lo > 0.0


def test_delong_test_of_a_model_with_itself():
    result = d.delong_test([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0.1, 0.4, 0.35, 0.8])
    assert (result.z, result.p_value) == (0.0, 1.0)


def test_delong_test_of_opposite_perfect_rankings():
    result = d.delong_test([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1])
    assert result.z == math.inf
    assert result.p_value == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: d.auroc([1, 1], [0.1, 0.2]), "all 2 outcomes are 1", id="one_class"),
        pytest.param(lambda: d.auroc_interval([0, 0, 1], [0.1, 0.2, 0.3]), "1 cases and 2 non-cases", id="one_case"),
        pytest.param(lambda: d.delong_covariance([0, 1], [0.1, 0.2]), "one row per model", id="flat_scores"),
        pytest.param(lambda: d.delong_test([0, 1], [0.1, 0.2], [0.1]), "y has 2 rows but p has 1", id="unequal"),
        pytest.param(lambda: d.auroc_interval([0, 1], [0.1, 0.2], level=95), "level is 95", id="level"),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(InputError, match=message):
        call()
