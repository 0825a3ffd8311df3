"""The quick figures: equal to the scoreboard's, limits near the bootstrap's, influence checked by leaving rows out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics as sk

from medcore.errors import InputError
from medcore.evaluation.board import BOARD_NAMES, _auprc_influence, auprc_interval, board, mean_influence
from medcore.evaluation.clusters import Z95, log_scale_interval
from medcore.evaluation.intervals import logit
from medcore.evaluation.prevalence import class_weights, restate
from medcore.evaluation.scoreboard import evaluate


def test_values_equal_the_scoreboards(cohort, rng):
    y, p = cohort
    full, quick = evaluate(y, p, threshold=0.3, rng=rng, n_resamples=2), board(y, p)
    assert tuple(quick) == BOARD_NAMES
    for name in BOARD_NAMES:
        assert quick[name].value == pytest.approx(full[name].value, abs=1e-9), name


def test_values_equal_sklearn_and_statsmodels(cohort):
    y, p = cohort
    found = board(y, p)
    assert found["auroc"].value == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert found["auprc"].value == pytest.approx(sk.average_precision_score(y, p), abs=1e-12)
    assert found["brier"].value == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)
    assert found["log_loss"].value == pytest.approx(sk.log_loss(y, p), abs=1e-9)
    fit = sm.Logit(y, sm.add_constant(logit(p))).fit(disp=0, tol=1e-12)
    assert found["calibration_slope"].value == pytest.approx(fit.params[1], abs=1e-6)
    np.testing.assert_allclose(
        (found["calibration_slope"].lo, found["calibration_slope"].hi), fit.conf_int()[1], atol=1e-6
    )
    flat = sm.GLM(y, np.ones(y.size), family=sm.families.Binomial(), offset=logit(p)).fit(tol=1e-12)
    assert found["calibration_intercept"].value == pytest.approx(flat.params[0], abs=1e-6)


def test_clustered_slope_equals_statsmodels(cohort):
    y, p = cohort
    patient = np.arange(y.size) // 4
    fit = sm.Logit(y, sm.add_constant(logit(p))).fit(
        disp=0, tol=1e-12, cov_type="cluster", cov_kwds={"groups": patient, "use_correction": False}
    )
    found = board(y, p, groups=patient)["calibration_slope"]
    m = y.size // 4
    assert (found.hi - found.value) / Z95 == pytest.approx(fit.bse[1] * math.sqrt(m / (m - 1)), abs=1e-6)


def test_limits_lie_near_those_of_the_bootstrap(make_cohort, rng):
    y, p = make_cohort(1500, seed=9)
    full, quick = evaluate(y, p, threshold=0.3, rng=rng, n_resamples=1000), board(y, p)
    for name in BOARD_NAMES:
        width = full[name].hi - full[name].lo
        assert quick[name].lo == pytest.approx(full[name].lo, abs=0.15 * width), name
        assert quick[name].hi == pytest.approx(full[name].hi, abs=0.15 * width), name


@pytest.mark.parametrize("prevalence", [None, 0.1])
def test_influence_on_the_average_precision_is_what_leaving_a_row_out_does(make_cohort, prevalence):
    """Infinitesimal jackknife against leaving rows out; with a known prevalence the rate does not move."""
    y, p = make_cohort(400, seed=21)
    value, influence = _auprc_influence(y == 1, p, prevalence)

    def without(i):
        kept = np.delete(np.arange(y.size), i)
        return _auprc_influence(y[kept] == 1, p[kept], prevalence)[0]

    left_out = np.array([value - without(i) for i in range(0, 400, 5)])
    assert np.corrcoef(left_out, influence[::5])[0, 1] > 0.99
    assert left_out.std() == pytest.approx(influence[::5].std(), rel=0.1)
    assert influence.sum() == pytest.approx(0.0, abs=1e-9)


def test_average_precision_at_another_prevalence_equals_weighted_sklearn(cohort):
    y, p = cohort
    weights = class_weights(y == 1, 0.05)
    expected = sk.average_precision_score(y, p, sample_weight=weights)
    assert auprc_interval(y, p, prevalence=0.05).value == pytest.approx(expected, abs=1e-9)


def test_means_at_another_prevalence_equal_weighted_sklearn(cohort):
    y, p = cohort
    weights, moved = class_weights(y == 1, 0.05), restate(p, studied=y.mean(), local=0.05)
    found = board(y, p, prevalence=0.05)
    assert found["brier"].value == pytest.approx(sk.brier_score_loss(y, moved, sample_weight=weights), abs=1e-9)
    assert found["log_loss"].value == pytest.approx(sk.log_loss(y, moved, sample_weight=weights), abs=1e-9)
    assert found["auroc"] == board(y, p)["auroc"]


def test_variance_of_a_mean_is_the_textbook_one(cohort):
    y, p = cohort
    squared = (p - y) ** 2
    value, influence = mean_influence(y == 1, squared, None)
    expected = log_scale_interval(value, squared.var(ddof=1) / y.size)
    found = board(y, p)["brier"]
    assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi), abs=1e-12)
    assert influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_rows_given_twice_do_not_narrow_the_limits(make_cohort):
    y, p = make_cohort(400, seed=12)
    once = board(y, p)
    twice = board(np.repeat(y, 2), np.repeat(p, 2), groups=np.repeat(np.arange(400), 2))
    for name in BOARD_NAMES:
        width = once[name].hi - once[name].lo
        assert twice[name].hi - twice[name].lo == pytest.approx(width, rel=0.15), name


@pytest.mark.parametrize(
    ("p", "slope"),
    [([0.1, 0.2, 0.8, 0.9], math.inf), ([0.9, 0.8, 0.2, 0.1], -math.inf), ([0.4] * 4, math.nan)],
)
def test_separated_and_constant_risks_are_said_to_be_so(p, slope):
    found = board([0, 0, 1, 1], p)
    assert found["calibration_slope"].value == pytest.approx(slope, nan_ok=True)
    assert math.isnan(found["calibration_slope"].lo)
    for name in ("auroc", "auprc", "brier"):
        assert found[name].lo <= found[name].value <= found[name].hi


def test_a_perfect_model_has_a_value_and_no_limits_of_its_brier_score():
    found = board([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0])
    assert found["brier"].value == 0.0
    assert math.isnan(found["brier"].hi)
    assert 0.0 < found["auprc"].lo < found["auprc"].hi == 1.0


@pytest.mark.parametrize("n", [2, 3])
def test_the_smallest_tables_are_answered(n):
    found = board([0, 1, 1][:n], [0.2, 0.7, 0.6][:n])
    assert found["auroc"].value == 1.0
    assert all(not math.isnan(found[name].value) for name in ("auprc", "brier", "log_loss", "ece"))


def test_one_class_and_other_generators_are_refused():
    with pytest.raises(InputError):
        board([0, 0], [0.2, 0.7])
    with pytest.raises(InputError):
        board([0, 1], [0.2, 0.7], rng=7)
