"""Many models against one: DeLong's own test, statsmodels' McNemar, textbook paired variances, patients."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests

from medcore.errors import InputError
from medcore.evaluation.clusters import Z95
from medcore.evaluation.comparison import Verdict
from medcore.evaluation.decision import net_benefit
from medcore.evaluation.differences import paired_differences
from medcore.evaluation.discrimination import delong_test
from medcore.evaluation.prevalence import class_weights, restate
from medcore.evaluation.resampling import bootstrap_difference


@pytest.fixture
def models(make_cohort):
    y, p = make_cohort(600, seed=17)
    noise = np.random.default_rng(2)
    blurred = np.clip(p + noise.normal(0, 0.08, 600), 0.0, 1.0)
    return y, {"old": p, "blurred": blurred, "timid": 0.2 + 0.5 * p, "copy": p}


def test_auroc_equals_delongs_test(models):
    y, p = models
    for one in paired_differences(y, p, reference="old", cut_off=0.3):
        expected = delong_test(y, p[one.model], p["old"])
        assert one.auroc.gain.value == pytest.approx(expected.difference.value, abs=1e-12)
        assert one.auroc.gain.lo == pytest.approx(expected.difference.lo, abs=1e-12)
        assert one.auroc.p_value == pytest.approx(expected.p_value, abs=1e-12)


def test_brier_and_net_benefit_are_paired_means(models):
    y, p = models
    one = paired_differences(y, p, reference="old", cut_off=0.3)[0]
    gain = (p["old"] - y) ** 2 - (p["blurred"] - y) ** 2
    assert one.brier.gain.value == pytest.approx(gain.mean())
    assert one.brier.gain.hi - one.brier.gain.value == pytest.approx(Z95 * gain.std(ddof=1) / np.sqrt(600))
    worth = np.where(y == 1, 1.0, -0.3 / 0.7)
    gain = worth * (p["blurred"] >= 0.3) - worth * (p["old"] >= 0.3)
    assert one.net_benefit.gain.value == pytest.approx(gain.mean())
    assert one.net_benefit.gain.hi - one.net_benefit.gain.value == pytest.approx(Z95 * gain.std(ddof=1) / np.sqrt(600))


def test_another_prevalence_reweights_brier_and_net_benefit(models):
    y, p = models
    one = paired_differences(y, p, reference="old", cut_off=0.1, prevalence=0.06)[0]
    weights = class_weights(y == 1, 0.06)
    moved = {name: restate(values, studied=y.mean(), local=0.06) for name, values in p.items()}
    for name, value in (("blurred", one.brier.new), ("old", one.brier.reference)):
        assert value == pytest.approx(np.average((moved[name] - y) ** 2, weights=weights))
    expected = net_benefit(y, moved["blurred"], thresholds=[0.1], prevalence=0.06)[0]
    assert one.net_benefit.new == pytest.approx(expected)
    assert one.net_benefit.margin == pytest.approx(0.02 * 0.06)


def test_errors_equal_statsmodels(models):
    y, p = models
    one = paired_differences(y, p, reference="old", cut_off=0.3)[0]
    right = [(p[name] >= 0.3) == (y == 1) for name in ("blurred", "old")]
    table = [[np.sum(a & b) for b in (right[1], ~right[1])] for a in (right[0], ~right[0])]
    assert one.errors.p_exact == pytest.approx(sm_mcnemar(table, exact=True).pvalue)


def test_p_values_are_adjusted_over_the_models(models):
    y, p = models
    found = paired_differences(y, p, reference="old", cut_off=0.3)
    for metric in ("auroc", "brier", "net_benefit"):
        plain = [getattr(one, metric).p_value for one in found]
        adjusted = [getattr(one, metric).p_adjusted for one in found]
        np.testing.assert_allclose(adjusted, multipletests(plain, method="holm")[1])


def test_the_same_risks_are_no_difference(models):
    y, p = models
    copy = paired_differences(y, p, reference="old", cut_off=0.3)[2]
    for gain in (copy.auroc, copy.brier, copy.net_benefit):
        assert (gain.gain.value, gain.gain.lo, gain.gain.hi, gain.p_value) == (0.0, 0.0, 0.0, 1.0)
        assert gain.verdict is Verdict.NOT_WORSE


def test_verdicts_follow_the_margin(models):
    y, p = models
    strict = paired_differences(y, p, reference="old", cut_off=0.3, margin=1e-4)[0]
    wide = paired_differences(y, p, reference="old", cut_off=0.3, margin=0.5)[0]
    assert strict.auroc.verdict in (Verdict.WORSE, Verdict.CANNOT_TELL)
    assert wide.auroc.verdict is Verdict.NOT_WORSE


def test_rows_given_twice_do_not_narrow_the_limits(models):
    y, p = models
    once = paired_differences(y, p, reference="old", cut_off=0.3)[0]
    again = {name: np.repeat(values, 2) for name, values in p.items()}
    patients = np.repeat(np.arange(600), 2)
    twice = paired_differences(np.repeat(y, 2), again, reference="old", cut_off=0.3, groups=patients)[0]
    for metric in ("auroc", "brier", "net_benefit"):
        assert getattr(twice, metric).gain.hi == pytest.approx(getattr(once, metric).gain.hi, abs=5e-4)
    assert twice.errors.p_value == pytest.approx(once.errors.p_value, abs=0.02)


def test_clustered_auroc_limits_lie_near_the_patient_bootstraps(make_cohort, rng):
    y, p = make_cohort(900, seed=30)
    patients = np.sort(rng.integers(0, 300, 900))
    blurred = np.clip(p + rng.normal(0, 0.1, 900) + rng.normal(0, 0.05, 300)[patients], 0, 1)
    one = paired_differences(y, {"a": p, "b": blurred}, reference="a", cut_off=0.3, groups=patients)[0]
    drawn = bootstrap_difference("auroc", y, blurred, p, groups=patients, rng=rng)
    assert one.auroc.gain.hi - one.auroc.gain.lo == pytest.approx(drawn.hi - drawn.lo, rel=0.12)


def test_one_model_alone_has_nobody_to_differ_from():
    assert paired_differences([0, 0, 1, 1], {"a": [0.1, 0.2, 0.3, 0.4]}, reference="a", cut_off=0.2) == ()


@pytest.mark.parametrize(
    ("y", "reference", "cut_off", "name"),
    [
        ([0, 0, 1, 1], "c", 0.2, "reference"),
        ([0, 0, 1, 1], "a", 1.0, "cut_off"),
        ([0, 0, 0, 1], "a", 0.2, "y"),
        ([1, 1, 1, 1], "a", 0.2, "y"),
    ],
)
def test_unusable_input_is_refused_by_name(y, reference, cut_off, name):
    p = {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.2, 0.1, 0.4, 0.3]}
    with pytest.raises(InputError) as caught:
        paired_differences(y, p, reference=reference, cut_off=cut_off)
    assert caught.value.field == name


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError):
        paired_differences([0, 0, 1, 1], {"a": [0.1] * 4, "b": [0.1] * 3}, reference="a", cut_off=0.2)
