"""Counts and rates at a cut-off, and how the cut-off is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from medcore.errors import InputError
from medcore.evaluation import thresholds as t

# 100 patients, 40 ill: 30 found, 10 missed; 60 well: 12 false alarms, 48 left alone
TABLE = t.Confusion(tp=30, fp=12, fn=10, tn=48)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n", 100),
        ("sensitivity", 0.75),
        ("specificity", 0.8),
        ("ppv", 30 / 42),
        ("npv", 48 / 58),
        ("accuracy", 0.78),
        ("f1", 60 / 82),
        ("mcc", (30 * 48 - 12 * 10) / math.sqrt(42 * 40 * 60 * 58)),
        ("lr_positive", 0.75 / 0.2),
        ("lr_negative", 0.25 / 0.8),
    ],
)
def test_known_answers(name, expected):
    assert getattr(TABLE, name) == pytest.approx(expected)


def test_equals_sklearn(cohort):
    y, p = cohort
    table, called = t.confusion(y, p, threshold=0.3), p >= 0.3
    assert sk.confusion_matrix(y, called).ravel().tolist() == [table.tn, table.fp, table.fn, table.tp]
    assert table.sensitivity == pytest.approx(sk.recall_score(y, called), abs=1e-12)
    assert table.ppv == pytest.approx(sk.precision_score(y, called), abs=1e-12)
    assert table.f1 == pytest.approx(sk.f1_score(y, called), abs=1e-12)
    assert table.mcc == pytest.approx(sk.matthews_corrcoef(y, called), abs=1e-12)
    assert table.accuracy == pytest.approx(sk.accuracy_score(y, called), abs=1e-12)
    positive, negative = sk.class_likelihood_ratios(y, called)
    assert table.lr_positive == pytest.approx(positive, abs=1e-9)
    assert table.lr_negative == pytest.approx(negative, abs=1e-9)


def test_a_score_at_the_cut_off_is_positive():
    assert t.confusion([1, 0], [0.5, 0.5], threshold=0.5) == t.Confusion(tp=1, fp=1, fn=0, tn=0)


def test_operating_point_carries_wilson_limits(cohort):
    y, p = cohort
    point = t.operating_point(y, p, threshold=0.3)
    table = point.counts
    lo, hi = proportion_confint(table.tp, table.tp + table.fn, method="wilson")
    assert (point.sensitivity.lo, point.sensitivity.hi) == pytest.approx((lo, hi), abs=1e-9)
    lo, hi = proportion_confint(table.tn, table.tn + table.fn, method="wilson")
    assert (point.npv.lo, point.npv.hi) == pytest.approx((lo, hi), abs=1e-9)


def test_likelihood_ratio_limits_by_hand():
    y = [1] * 40 + [0] * 60
    p = [0.9] * 30 + [0.1] * 10 + [0.9] * 12 + [0.1] * 48
    point = t.operating_point(y, p, threshold=0.5)
    half = 1.959964 * math.sqrt(1 / 30 - 1 / 40 + 1 / 12 - 1 / 60)
    assert point.lr_positive.lo == pytest.approx(3.75 * math.exp(-half), rel=1e-6)
    assert point.lr_positive.hi == pytest.approx(3.75 * math.exp(half), rel=1e-6)


def test_nobody_called_positive_has_no_predictive_value():
    point = t.operating_point([0, 1, 1], [0.1, 0.2, 0.3], threshold=0.9)
    assert math.isnan(point.ppv.value)
    assert math.isnan(point.ppv.lo)
    assert math.isnan(point.counts.lr_positive)
    assert math.isnan(point.lr_positive.lo)
    assert point.counts.mcc == 0.0
    assert point.counts.f1 == 0.0


def test_no_false_alarm_has_an_infinite_ratio_with_a_finite_lower_limit():
    point = t.operating_point([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9], threshold=0.5)
    assert point.lr_positive.value == point.lr_positive.hi == math.inf
    assert 0.0 < point.lr_positive.lo < math.inf


def test_youden_takes_the_best_point():
    y, p = [0, 0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert t.choose_by_youden(y, p) == t.CutOff(threshold=0.4, sensitivity=1.0, specificity=0.75)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
@settings(max_examples=50, deadline=None)
def test_choice_by_sensitivity_is_the_highest_that_reaches_it(seed, wanted):
    rng = np.random.default_rng(seed)
    y, p = np.r_[0, 1, rng.integers(0, 2, 30)], np.round(rng.random(32), 1)
    cut = t.choose_by_sensitivity(y, p, at_least=wanted)
    assert t.confusion(y, p, threshold=cut.threshold).sensitivity == pytest.approx(cut.sensitivity)
    assert cut.sensitivity >= wanted - 1e-9
    higher = p[p > cut.threshold]
    if higher.size:
        assert t.confusion(y, p, threshold=float(higher.min())).sensitivity < wanted


def test_choice_by_specificity_is_the_lowest_that_reaches_it():
    y, p = [0, 0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    cut = t.choose_by_specificity(y, p, at_least=0.75)
    assert cut == t.CutOff(threshold=0.4, sensitivity=1.0, specificity=0.75)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: t.confusion([0, 1], [0.1, 0.2], threshold=2), "threshold is 2", id="threshold"),
        pytest.param(lambda: t.Confusion(tp=0, fp=0, fn=0, tn=0), "all zero", id="empty_table"),
        pytest.param(lambda: t.Confusion(tp=-1, fp=2, fn=0, tn=0), "must not be negative", id="negative"),
        pytest.param(lambda: t.choose_by_youden([1, 1], [0.1, 0.2]), "all 2 outcomes are 1", id="one_class"),
        pytest.param(
            lambda: t.choose_by_specificity([0, 1], [0.9, 0.1], at_least=0.9),
            "no observed score reaches a specificity of 0.9; the highest is 0",
            id="unreachable",
        ),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(InputError, match=message):
        call()
