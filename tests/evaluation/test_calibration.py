"""Calibration figures against hand-sized cases, scikit-learn and a statsmodels GLM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from medcore.errors import InputError
from medcore.evaluation import calibration as c


def glm(y, design, offset=None):
    """Binomial GLM with logit link, converged far beyond the 1e-6 asked for."""
    return sm.GLM(y, design, family=sm.families.Binomial(), offset=offset).fit(tol=1e-14, maxiter=200)


def log_odds(p):
    return np.log(p / (1.0 - p))


@pytest.fixture
def inner(cohort):
    """The cohort with probabilities kept away from 0 and 1, where the log-odds are finite."""
    y, p = cohort
    return y, np.clip(p, 0.02, 0.98)


def test_scores_equal_sklearn(cohort):
    y, p = cohort
    assert c.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)
    assert c.log_loss(y, p) == pytest.approx(sk.log_loss(y, p), abs=1e-9)


@pytest.mark.parametrize(
    ("y", "p", "brier", "log_loss"),
    [
        pytest.param([0, 1], [0.25, 0.75], 0.0625, -np.log(0.75), id="good"),
        pytest.param([1, 0], [0.5, 0.5], 0.25, np.log(2), id="coin"),
        pytest.param([1, 1], [1.0, 1.0], 0.0, 0.0, id="certain_and_right"),
        pytest.param([1], [0.0], 1.0, 52 * np.log(2), id="certain_and_wrong"),
    ],
)
def test_scores_known_answers(y, p, brier, log_loss):
    assert c.brier(y, p) == pytest.approx(brier)
    assert c.log_loss(y, p) == pytest.approx(log_loss, abs=1e-9)


def test_brier_skill():
    assert c.brier_skill([0, 1, 0, 1], [0.5] * 4) == pytest.approx(0.0)
    assert c.brier_skill([0, 1], [0.0, 1.0]) == 1.0
    assert c.brier_skill([0, 1], [1.0, 0.0]) < 0.0


def test_slope_and_intercept_equal_glm(inner):
    y, p = inner
    x = log_odds(p)
    fit = c.calibration_fit(y, p)
    line, shift = glm(y, sm.add_constant(x)), glm(y, np.ones((y.size, 1)), offset=x)
    assert fit.slope.value == pytest.approx(line.params[1], abs=1e-6)
    assert (fit.slope.lo, fit.slope.hi) == pytest.approx(tuple(line.conf_int()[1]), abs=1e-6)
    assert fit.intercept.value == pytest.approx(shift.params[0], abs=1e-6)
    assert (fit.intercept.lo, fit.intercept.hi) == pytest.approx(tuple(shift.conf_int()[0]), abs=1e-6)


def test_intercept_makes_the_mean_risk_right(cohort):
    y, p = cohort
    shift = c.calibration_intercept(y, p).value
    moved = 1.0 / (1.0 + np.exp(-(shift + log_odds(np.clip(p, 1e-12, 1 - 1e-12)))))
    assert moved.mean() == pytest.approx(y.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        pytest.param(np.tile([0.0, 1.0], 50), 0.0, id="hard_labels"),
        pytest.param(np.full(100, 1e-12), log_odds(0.4) - log_odds(1e-12), id="all_nearly_zero"),
        pytest.param(np.full(100, 0.4), 0.0, id="constant_and_right"),
    ],
)
def test_intercept_of_extreme_probabilities(p, expected):
    y = np.r_[np.ones(40), np.zeros(60)]
    value = c.calibration_intercept(y, p).value
    assert np.isfinite(value)
    if expected:
        assert value == pytest.approx(expected, abs=1e-3)


def test_slope_of_hard_labels_is_finite():
    y = np.r_[np.ones(50), np.zeros(50)]
    p = np.r_[np.ones(45), np.zeros(5), np.zeros(45), np.ones(5)]
    assert c.calibration_slope(y, p).value == pytest.approx(np.log(9) / 36.04, rel=1e-3)


def test_slope_of_nearly_equal_probabilities_is_solved():
    y = np.tile([0, 1, 1, 0, 1], 20)
    p = 0.5 + 1e-7 * np.arange(100)
    assert np.isfinite(c.calibration_slope(y, p).value)


@pytest.mark.parametrize(("spread", "expected"), [(0.5, 2.0), (2.0, 0.5)])
def test_slope_answers_to_stretched_log_odds(make_cohort, spread, expected):
    y, p = make_cohort(2000, seed=3)
    stretched = 1.0 / (1.0 + np.exp(-spread * log_odds(p)))
    assert c.calibration_slope(y, stretched).value == pytest.approx(
        expected * c.calibration_slope(y, p).value, rel=1e-6
    )


def test_intercept_answers_to_shifted_log_odds(make_cohort):
    y, p = make_cohort(2000, seed=3)
    moved = 1.0 / (1.0 + np.exp(-(log_odds(p) + 0.7)))
    assert c.calibration_intercept(y, moved).value == pytest.approx(c.calibration_intercept(y, p).value - 0.7)


probabilities = st.lists(
    st.tuples(st.booleans(), st.floats(0.0, 1.0, allow_subnormal=False)), min_size=2, max_size=60
).map(lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows])))


@given(probabilities, st.sampled_from([None, 1, 3, 10]))
@settings(max_examples=80, deadline=None)
def test_brier_decomposition_adds_up(case, n_bins):
    y, p = case
    parts = c.brier_decomposition(y, p, n_bins=n_bins)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin
    assert total == pytest.approx(parts.brier, abs=1e-12)
    assert parts.brier == pytest.approx(c.brier(y, p), abs=1e-12)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0.0
    if n_bins is None:
        assert parts.within_bin == pytest.approx(0.0, abs=1e-12)


@given(probabilities, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_figures_are_bounded_and_blind_to_row_order(case, random):
    y, p = case
    order = np.array(random.sample(range(y.size), y.size))
    for figure in (c.brier, c.log_loss, c.expected_calibration_error):
        assert figure(y[order], p[order]) == pytest.approx(figure(y, p), abs=1e-12)
    assert 0.0 <= c.brier(y, p) <= 1.0
    assert 0.0 <= c.expected_calibration_error(y, p) <= 1.0
    assert c.log_loss(y, p) >= 0.0


def test_bins_are_of_equal_mass_and_never_split_ties():
    assert np.bincount(c.equal_mass_bins(np.linspace(0, 1, 100), n_bins=10)).tolist() == [10] * 10
    bins = c.equal_mass_bins([0.1, 0.5, 0.5, 0.5, 0.5, 0.9], n_bins=3)
    assert bins.tolist() == [0, 1, 1, 1, 1, 2]
    assert c.equal_mass_bins([0.3] * 7, n_bins=10).tolist() == [5] * 7


def test_expected_calibration_error_by_hand():
    # two bins: mean p .15 against rate .5, and mean p .75 against rate 1
    assert c.expected_calibration_error([0, 1, 1, 1], [0.1, 0.2, 0.7, 0.8], n_bins=2) == pytest.approx(
        0.5 * 0.35 + 0.5 * 0.25
    )
    assert c.expected_calibration_error([0, 1, 0, 1], [0.5] * 4) == 0.0


def test_chance_level_of_the_calibration_error(make_cohort):
    errors = []
    for seed in range(60):
        y, p = make_cohort(1000, seed=seed, slope=1.0, shift=0.0)
        errors.append(c.expected_calibration_error(y, p))
    assert np.mean(errors) == pytest.approx(0.8 * np.sqrt(10 * 0.2 / 1000), rel=0.2)


def test_deciles_count_everyone(cohort):
    y, p = cohort
    rows = c.calibration_by_decile(y, p)
    assert sum(row.n for row in rows) == y.size
    assert sum(row.n_events for row in rows) == y.sum()
    assert [row.index for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        lo, hi = proportion_confint(row.n_events, row.n, method="wilson")
        assert (row.lo, row.hi) == pytest.approx((lo, hi), abs=1e-9)
        assert row.p_lo <= row.mean_p <= row.p_hi
        assert row.observed == pytest.approx(row.n_events / row.n)
    assert all(a.p_hi < b.p_lo for a, b in pairwise(rows))


def test_equal_width_bins_equal_sklearn_curve(make_cohort):
    from sklearn.calibration import calibration_curve

    y, p = make_cohort(500, seed=8)
    observed, predicted = calibration_curve(y, p, n_bins=5)
    rows = c.calibration_curve(y, p, n_bins=5, strategy="equal_width")
    assert [row.observed for row in rows] == pytest.approx(observed.tolist())
    assert [row.mean_p for row in rows] == pytest.approx(predicted.tolist())


def test_probability_one_falls_into_the_last_bin():
    rows = c.calibration_curve([0, 1], [0.0, 1.0], n_bins=4, strategy="equal_width")
    assert [row.n for row in rows] == [1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: c.calibration_slope([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), "separates", id="separated"),
        pytest.param(lambda: c.calibration_slope([1, 0], [0.1, 0.2]), "separates", id="separated_reversed"),
        pytest.param(lambda: c.calibration_slope([0, 1, 0], [0.3] * 3), "constant", id="constant"),
        pytest.param(lambda: c.calibration_fit([1, 1], [0.3, 0.4]), "all 2 outcomes are 1", id="one_class"),
        pytest.param(lambda: c.brier([0, 1], [30, 40]), r"p\[0\] is 30", id="percent"),
        pytest.param(lambda: c.equal_mass_bins([0.1], n_bins=0), "n_bins is 0", id="no_bins"),
        pytest.param(
            lambda: c.calibration_curve([0], [0.1], strategy="quantile"), "strategy is 'quantile'", id="strategy"
        ),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(InputError, match=message):
        call()
