"""The patient bootstrap: same draws on both paths, patients kept whole, honest coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from medcore.errors import InputError
from medcore.evaluation import calibration, discrimination, resampling
from medcore.evaluation.validation import check_groups


def test_fast_and_general_path_see_the_same_draws(cohort):
    y, p = cohort
    for name, function in (("auroc", discrimination.auroc), ("brier", calibration.brier)):
        fast = resampling.bootstrap_draws(name, y, p, rng=np.random.default_rng(3), n_resamples=40)
        general = resampling.bootstrap_draws(function, y, p, rng=np.random.default_rng(3), n_resamples=40)
        np.testing.assert_allclose(fast, general, atol=1e-12)


def test_same_seed_same_limits(cohort):
    y, p = cohort
    first, second, other = (
        resampling.bootstrap_interval("auprc", y, p, rng=np.random.default_rng(seed), n_resamples=100)
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_rows_of_a_patient_are_drawn_together(rng):
    groups = check_groups(["a", "b", "a", "c", "b"], 5)
    weights = np.concatenate(list(resampling.resample_weights(5, groups=groups, rng=rng, n_resamples=50)))
    assert weights.shape == (50, 5)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_blocks_keep_memory_bounded(rng):
    blocks = list(resampling.resample_weights(100_000, groups=None, rng=rng, n_resamples=5))
    assert [block.shape for block in blocks] == [(2, 100_000)] * 2 + [(1, 100_000)]
    assert all((block.sum(axis=1) == 100_000).all() for block in blocks)


def test_copies_of_patients_do_not_narrow_the_interval(make_cohort):
    y, p = make_cohort(300, seed=1)
    once = resampling.bootstrap_interval("brier", y, p, rng=np.random.default_rng(5))
    kept = resampling.bootstrap_interval(
        "brier", np.tile(y, 4), np.tile(p, 4), groups=np.tile(np.arange(300), 4), rng=np.random.default_rng(5)
    )
    naive = resampling.bootstrap_interval("brier", np.tile(y, 4), np.tile(p, 4), rng=np.random.default_rng(5))
    assert (kept.lo, kept.hi) == pytest.approx((once.lo, once.hi))
    assert naive.hi - naive.lo == pytest.approx((once.hi - once.lo) / 2, rel=0.2)


def test_agrees_with_scipy_bootstrap(make_cohort):
    y, p = make_cohort(250, seed=9)
    loss = (p - y) ** 2
    ours = resampling.bootstrap_interval("brier", y, p, rng=np.random.default_rng(0), n_resamples=4000)
    theirs = stats.bootstrap(
        (loss,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.lo, ours.hi) == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_paired_difference_is_exact_where_models_agree(cohort, rng):
    y, p = cohort
    same = resampling.bootstrap_difference("auroc", y, p, p, rng=rng, n_resamples=50)
    assert (same.value, same.lo, same.hi) == (0.0, 0.0, 0.0)


def test_paired_difference_is_narrower_than_two_intervals(make_cohort):
    y, p = make_cohort(600, seed=4)
    other = np.clip(p + 0.02, 0, 1)
    gap = resampling.bootstrap_difference("brier", y, p, other, rng=np.random.default_rng(0))
    single = resampling.bootstrap_interval("brier", y, p, rng=np.random.default_rng(0))
    assert gap.value == pytest.approx(calibration.brier(y, p) - calibration.brier(y, other))
    assert gap.hi - gap.lo < 0.5 * (single.hi - single.lo)


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        pytest.param(np.arange(101.0), (2.0, 98.0), id="outward_order_statistics"),
        pytest.param(np.full(10, 0.4), (0.4, 0.4), id="constant"),
        pytest.param(np.r_[np.zeros(50), np.full(50, np.inf)], (0.0, math.inf), id="infinite"),
        pytest.param(np.r_[np.arange(95.0), np.full(5, np.nan)], (2.0, 92.0), id="few_undefined"),
    ],
)
def test_percentile_limits(draws, expected):
    assert resampling.percentile_limits(draws) == expected


@pytest.mark.parametrize("n_undefined", [2, 10])
def test_too_many_undefined_draws_give_no_limits(n_undefined):
    draws = np.r_[np.arange(10.0 - n_undefined), np.full(n_undefined, np.nan)]
    assert np.isnan(resampling.percentile_limits(draws)).all()


def test_general_metric_undefined_on_a_resample_is_skipped():
    draws = resampling.bootstrap_draws(
        discrimination.auroc, [0, 0, 0, 1], [0.1, 0.4, 0.2, 0.3], rng=np.random.default_rng(0), n_resamples=60
    )
    assert 0 < np.isnan(draws).sum() < 60


def test_calibration_error_limits_reach_zero_only_when_chance_explains_it(make_cohort):
    y, p = make_cohort(1500, seed=1, slope=1.0, shift=0.0)
    right = resampling.ece_interval(y, p, rng=np.random.default_rng(0))
    wrong = resampling.ece_interval(y, np.clip(p + 0.15, 0, 1), rng=np.random.default_rng(0))
    assert right.lo == 0.0 < right.value <= right.hi
    assert 0.0 < wrong.lo < wrong.value < wrong.hi
    assert right == resampling.bootstrap_interval("ece", y, p, rng=np.random.default_rng(0))


def coverage(metric, truth, draw, *, n_repeats, n_resamples):
    hits = 0
    for seed in range(n_repeats):
        y, p = draw(seed)
        interval = resampling.bootstrap_interval(metric, y, p, rng=np.random.default_rng(seed), n_resamples=n_resamples)
        hits += interval.lo <= truth <= interval.hi
    return hits / n_repeats


@pytest.mark.parametrize("metric", ["auroc", "brier", "calibration_slope"])
def test_bootstrap_coverage_short(metric, make_cohort):
    truth = 0.8 if metric == "calibration_slope" else _population_value(metric, *make_cohort(400_000, seed=999))
    share = coverage(metric, truth, lambda seed: make_cohort(250, seed=seed), n_repeats=150, n_resamples=200)
    assert 0.88 <= share <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "truth"), [("auroc", None), ("brier", None), ("calibration_slope", 0.8), ("calibration_intercept", None)]
)
def test_bootstrap_coverage_long(metric, truth, make_cohort):
    if truth is None:
        truth = _population_value(metric, *make_cohort(2_000_000, seed=999))
    share = coverage(metric, truth, lambda seed: make_cohort(500, seed=seed), n_repeats=1000, n_resamples=1000)
    assert 0.93 <= share <= 0.97


def _population_value(metric, y, p):
    if metric == "calibration_intercept":
        return calibration.calibration_intercept(y, p).value
    return {"auroc": discrimination.auroc, "brier": calibration.brier}[metric](y, p)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"rng": 3}, r"expected a numpy\.random\.Generator", id="seed"),
        pytest.param({"n_resamples": 1}, "n_resamples is 1", id="one_resample"),
        pytest.param({"groups": [1, 1]}, r"groups has shape \(2,\)", id="groups"),
        pytest.param({"level": 1.0}, "level is 1.0", id="level"),
        pytest.param({"metric": "gini"}, "'gini' is not a metric", id="name"),
        pytest.param({"metric": "f1"}, "f1 needs a threshold", id="threshold"),
    ],
)
def test_bad_inputs(arguments, message, rng):
    known = {"metric": "auroc", "y": [0, 1, 1], "p": [0.1, 0.2, 0.3], "rng": rng} | arguments
    with pytest.raises(InputError, match=message):
        resampling.bootstrap_interval(known.pop("metric"), **known)
