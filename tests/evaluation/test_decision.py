"""Net benefit by hand, against its definition, and what treating all or none must give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcore.errors import InputError
from medcore.evaluation import decision as d
from medcore.evaluation.thresholds import confusion

# 10 patients, 4 ill; at .2: 3 found, 1 missed, 2 false alarms
Y = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
P = [0.9, 0.5, 0.3, 0.1, 0.4, 0.2, 0.1, 0.1, 0.05, 0.0]


def test_net_benefit_by_hand():
    assert d.net_benefit(Y, P, thresholds=[0.2])[0] == pytest.approx(3 / 10 - 2 / 10 * 0.25)


def test_net_benefit_at_another_prevalence_by_hand():
    expected = 0.75 * 0.1 - (2 / 6) * 0.9 * 0.25
    assert d.net_benefit(Y, P, thresholds=[0.2], prevalence=0.1)[0] == pytest.approx(expected)


def test_net_benefit_equals_its_definition_at_every_threshold(cohort):
    y, p = cohort
    cuts = np.arange(1, 20) / 20
    tables = [confusion(y, p, threshold=float(cut)) for cut in cuts]
    expected = [(t.tp - t.fp * cut / (1 - cut)) / t.n for t, cut in zip(tables, cuts, strict=True)]
    np.testing.assert_allclose(d.net_benefit(y, p, thresholds=cuts), expected, atol=1e-12)


def test_reference_strategies(cohort):
    y, p = cohort
    curve = d.decision_curve(y, p)
    rate = np.mean(y)
    assert curve.thresholds[[0, -1]].tolist() == [0.01, 0.99]
    assert not curve.treat_none.any()
    np.testing.assert_allclose(curve.treat_all, d.net_benefit(y, np.ones(y.size), thresholds=curve.thresholds))
    assert np.interp(rate, curve.thresholds, curve.treat_all) == pytest.approx(0.0, abs=1e-3)
    assert curve.prevalence == pytest.approx(rate)
    with pytest.raises(ValueError, match="read-only"):
        curve.model[0] = 1.0


def test_perfect_model_earns_the_prevalence_and_is_useful_everywhere():
    curve = d.decision_curve([0, 0, 1, 0], [0.0, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(curve.model, 0.25)
    assert curve.useful.all()


def test_constant_model_is_never_useful():
    assert not d.decision_curve([0, 0, 1, 0], [0.25] * 4).useful.any()


@given(st.integers(0, 2**32 - 1), st.one_of(st.none(), st.floats(0.01, 0.99)))
@settings(max_examples=40, deadline=None)
def test_net_benefit_never_exceeds_the_prevalence(seed, prevalence):
    rng = np.random.default_rng(seed)
    y, p = np.r_[0, 1, rng.integers(0, 2, 20)], rng.random(22)
    curve = d.decision_curve(y, p, prevalence=prevalence)
    assert (curve.model <= curve.prevalence + 1e-12).all()
    assert (curve.treat_all <= curve.prevalence).all()


@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_weighted_form_equals_plain_form(cohort, prevalence):
    y, p = cohort
    cuts = [0.05, 0.1, 0.3, 0.5]
    statistic = d.net_benefit_statistic(y, p, thresholds=cuts, prevalence=prevalence)
    weights = np.random.default_rng(0).integers(0, 3, size=(3, y.size)).astype(float)
    for row, values in zip(weights, statistic(weights), strict=True):
        index = np.repeat(np.arange(y.size), row.astype(int))
        expected = d.net_benefit(y[index], p[index], thresholds=cuts, prevalence=prevalence)
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_band_contains_the_curve_and_narrows_with_patients(make_cohort):
    widths = []
    for n in (300, 3000):
        y, p = make_cohort(n, seed=2)
        value = d.net_benefit(y, p, thresholds=[0.2, 0.4])
        lo, hi = d.net_benefit_band(y, p, thresholds=[0.2, 0.4], rng=np.random.default_rng(0), n_resamples=300)
        assert ((lo <= value) & (value <= hi)).all()
        widths.append(hi - lo)
    assert (widths[1] < 0.5 * widths[0]).all()


@pytest.mark.parametrize(("ratio", "expected"), [(1, 0.5), (4, 0.2), (9, 0.1), (19, 0.05)])
def test_cut_off_follows_from_the_harm_ratio(ratio, expected):
    assert d.harm_ratio_threshold(ratio) == pytest.approx(expected)


def test_per_thousand_by_hand():
    counts = d.per_thousand(sensitivity=0.8, specificity=0.9, prevalence=0.05)
    assert counts.found == pytest.approx(40)
    assert counts.missed == pytest.approx(10)
    assert counts.false_alarms == pytest.approx(95)
    assert counts.left_alone == pytest.approx(855)
    assert counts.ppv == pytest.approx(40 / 135)
    assert counts.npv == pytest.approx(855 / 865)
    assert counts.alarms_per_case_found == pytest.approx(135 / 40)


def test_per_thousand_at_the_edges():
    nobody = d.per_thousand(sensitivity=0.0, specificity=1.0, prevalence=0.1)
    assert math.isnan(nobody.ppv)
    assert nobody.alarms_per_case_found == math.inf
    everybody = d.per_thousand(sensitivity=1.0, specificity=0.0, prevalence=0.1)
    assert math.isnan(everybody.npv)
    assert everybody.alarms_per_case_found == pytest.approx(10)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 0.999))
@settings(max_examples=60, deadline=None)
def test_per_thousand_adds_up(sensitivity, specificity, prevalence):
    c = d.per_thousand(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    assert c.found + c.missed + c.false_alarms + c.left_alone == pytest.approx(1000)
    assert min(c.found, c.missed, c.false_alarms, c.left_alone) >= -1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: d.net_benefit(Y, P, thresholds=[0.0, 0.1]), r"thresholds\[0\] is 0", id="zero"),
        pytest.param(lambda: d.net_benefit(Y, P, thresholds=[0.1], prevalence=5), "prevalence is 5", id="prevalence"),
        pytest.param(lambda: d.decision_curve([0, 0], [0.1, 0.2]), "all 2 outcomes are 0", id="one_class"),
        pytest.param(lambda: d.harm_ratio_threshold(0), "expected a number above 0", id="ratio"),
        pytest.param(lambda: d.harm_ratio_threshold("nine"), "'nine'", id="ratio_text"),
        pytest.param(
            lambda: d.per_thousand(sensitivity=80, specificity=0.9, prevalence=0.1), "sensitivity is 80", id="percent"
        ),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(InputError, match=message):
        call()
