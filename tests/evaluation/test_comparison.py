"""Paired comparisons: direction, margins, verdicts and McNemar."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from medcore.errors import InputError
from medcore.evaluation import calibration, comparison, discrimination
from medcore.evaluation.decision import net_benefit
from medcore.evaluation.discrimination import delong_test
from medcore.results import MetricValue


@pytest.fixture
def two_models(make_cohort):
    """A good model and the same one blurred by noise."""
    y, p = make_cohort(800, seed=12, slope=1.0, shift=0.0)
    noise = np.random.default_rng(1).normal(0, 1.5, p.size)
    return y, p, 1.0 / (1.0 + np.exp(-(np.log(p / (1 - p)) + noise)))


def test_gain_is_above_zero_when_the_new_model_is_better(two_models):
    y, good, blurred = two_models
    for compare in (comparison.compare_auroc, comparison.compare_brier):
        result = compare(y, good, blurred, rng=np.random.default_rng(0), n_resamples=200)
        assert 0.0 < result.gain.lo < result.gain.value < result.gain.hi
        back = compare(y, blurred, good, rng=np.random.default_rng(0), n_resamples=200)
        assert back.gain.value == pytest.approx(-result.gain.value)
        assert (back.gain.lo, back.gain.hi) == pytest.approx((-result.gain.hi, -result.gain.lo))


def test_values_are_the_metrics_own(two_models):
    y, good, blurred = two_models
    result = comparison.compare_brier(y, good, blurred, rng=np.random.default_rng(0), n_resamples=50)
    assert result.metric == "brier"
    assert result.new == pytest.approx(calibration.brier(y, good))
    assert result.reference == pytest.approx(calibration.brier(y, blurred))
    assert result.gain.value == pytest.approx(result.reference - result.new)
    area = comparison.compare_auroc(y, good, blurred, rng=np.random.default_rng(0), n_resamples=50)
    assert area.gain.value == pytest.approx(discrimination.auroc(y, good) - discrimination.auroc(y, blurred))


def test_bootstrap_and_delong_agree(two_models):
    y, good, blurred = two_models
    boot = comparison.compare_auroc(y, good, blurred, rng=np.random.default_rng(0), n_resamples=2000).gain
    delong = delong_test(y, good, blurred).difference
    assert (boot.lo, boot.hi) == pytest.approx((delong.lo, delong.hi), abs=0.006)


def test_net_benefit_gain(two_models):
    y, good, blurred = two_models
    result = comparison.compare_net_benefit(
        y, good, blurred, threshold=0.2, prevalence=0.1, rng=np.random.default_rng(0), n_resamples=200
    )
    expected = net_benefit(y, good, thresholds=[0.2], prevalence=0.1)[0]
    assert result.new == pytest.approx(expected)
    assert result.gain.lo <= result.gain.value <= result.gain.hi


def test_threshold_metric_can_be_compared(two_models):
    y, good, blurred = two_models
    result = comparison.compare_metric(
        "sensitivity", y, good, blurred, threshold=0.3, rng=np.random.default_rng(0), n_resamples=100
    )
    assert result.gain.value == pytest.approx(result.new - result.reference)


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        pytest.param(0.001, 0.03, comparison.Verdict.BETTER, id="better"),
        pytest.param(-0.01, 0.03, comparison.Verdict.NOT_WORSE, id="not_worse"),
        pytest.param(-0.015, -0.001, comparison.Verdict.NOT_WORSE, id="slightly_worse_within_margin"),
        pytest.param(-0.02, 0.03, comparison.Verdict.CANNOT_TELL, id="touches_margin"),
        pytest.param(-0.05, 0.05, comparison.Verdict.CANNOT_TELL, id="too_few"),
        pytest.param(-0.05, -0.001, comparison.Verdict.WORSE, id="worse"),
        pytest.param(math.nan, math.nan, comparison.Verdict.CANNOT_TELL, id="undefined"),
    ],
)
def test_verdict(lo, hi, expected):
    gain = MetricValue(value=(lo + hi) / 2, lo=lo, hi=hi)
    paired = comparison.PairedComparison(metric="auroc", new=0.9, reference=0.9 - gain.value, gain=gain)
    result = comparison.non_inferiority(paired, margin=0.02)
    assert result.verdict is expected
    assert result.is_non_inferior == (expected in {comparison.Verdict.BETTER, comparison.Verdict.NOT_WORSE})


def table_of(both_right, only_a, only_b, both_wrong):
    """Outcomes all 1 and two models that disagree as told, at a cut-off of .5."""
    a = np.r_[np.ones(both_right + only_a), np.zeros(only_b + both_wrong)]
    b = np.r_[np.ones(both_right), np.zeros(only_a), np.ones(only_b), np.zeros(both_wrong)]
    return np.ones(a.size), a, b


def test_mcnemar_published_case():
    # Fagerland 2013, airway hyper-responsiveness: discordant pairs 1 and 7
    result = comparison.mcnemar(*table_of(1, 1, 7, 12), threshold=0.5)
    assert (result.only_a, result.only_b) == (1, 7)
    assert round(result.p_exact, 4) == 0.0703
    assert round(result.p_value, 4) == 0.0391


@pytest.mark.parametrize("cells", [(10, 3, 9, 4), (0, 15, 40, 0), (5, 6, 6, 5), (900, 700, 800, 100)])
def test_mcnemar_exact_equals_statsmodels(cells):
    result = comparison.mcnemar(*table_of(*cells), threshold=0.5)
    expected = reference_mcnemar([[cells[0], cells[1]], [cells[2], cells[3]]], exact=True).pvalue
    assert result.p_exact == pytest.approx(expected, abs=1e-9)
    assert result.p_value <= result.p_exact


def test_mcnemar_without_disagreement():
    result = comparison.mcnemar([0, 1], [0.1, 0.9], [0.2, 0.8], threshold=0.5)
    assert (result.only_a, result.only_b, result.p_value, result.p_exact) == (0, 0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda: comparison.compare_metric(
                "calibration_slope", [0, 1], [0.1, 0.2], [0.1, 0.2], rng=np.random.default_rng(0)
            ),
            "'calibration_slope' has no better end",
            id="no_direction",
        ),
        pytest.param(
            lambda: comparison.is_non_inferior(0.1, 0.0), "margin is 0.0, expected a number above 0", id="zero"
        ),
        pytest.param(
            lambda: comparison.compare_auroc([0, 1], [0.1, 0.2], [0.1], rng=np.random.default_rng(0)),
            "y has 2 rows but p has 1",
            id="unequal",
        ),
        pytest.param(lambda: comparison.mcnemar([0, 1], [0.1, 0.2], [0.1, 2], threshold=0.5), r"p\[1\] is 2", id="p"),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(InputError, match=message):
        call()
