"""Recalibration: statsmodels' fit, figures from other patients, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from medcore.errors import InputError
from medcore.evaluation.intervals import logit
from medcore.evaluation.recalibration import recalibrate


def test_lines_equal_statsmodels(cohort):
    y, p = cohort
    line = recalibrate(y, p, method="slope_intercept")
    fit = sm.Logit(y, sm.add_constant(logit(p))).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose((line.intercept, line.slope), fit.params, atol=1e-6)
    np.testing.assert_allclose(line.apply(p), fit.predict(), atol=1e-6)
    shift = recalibrate(y, p)
    flat = sm.GLM(y, np.ones(y.size), family=sm.families.Binomial(), offset=logit(p)).fit(tol=1e-12)
    assert shift.slope == 1.0
    assert shift.intercept == pytest.approx(flat.params[0], abs=1e-6)
    assert shift.apply(p).mean() == pytest.approx(y.mean(), abs=1e-9)


def test_the_right_line_is_found_and_helps(make_cohort):
    """The cohort's risks need .3 + .8 logit(p)."""
    y, p = make_cohort(20_000, seed=3)
    line = recalibrate(y, p, method="slope_intercept")
    assert (line.intercept, line.slope) == pytest.approx((0.3, 0.8), abs=0.05)
    assert line.brier_after < line.brier_before
    assert 0.0 < line.gain.lo < line.gain.value < line.gain.hi
    assert line.gain.value == pytest.approx(line.brier_before - line.brier_after)


def test_figures_are_honest_where_there_is_nothing_to_learn(make_cohort):
    """Risks that are right already: lines judged on their own rows always gain, honest ones lose on average."""
    honest, flattering = [], []
    for seed in range(40):
        y, p = make_cohort(120, seed=seed, slope=1.0, shift=0.0)
        line = recalibrate(y, p, method="slope_intercept")
        honest.append(line.gain.value)
        flattering.append(np.mean((p - y) ** 2) - np.mean((line.apply(p) - y) ** 2))
    assert np.mean(honest) < 0.0 < np.mean(flattering)


def test_rows_of_one_patient_stay_together_and_widen_the_limits(make_cohort):
    y, p = make_cohort(300, seed=5)
    twice = np.repeat(y, 2), np.repeat(p, 2)
    grouped = recalibrate(*twice, groups=np.repeat(np.arange(300), 2)).gain
    rows = recalibrate(*twice).gain
    assert grouped.hi - grouped.lo > 1.2 * (rows.hi - rows.lo)


def test_the_same_seed_gives_the_same_figures(cohort):
    assert recalibrate(*cohort) == recalibrate(*cohort)
    assert recalibrate(*cohort, rng=np.random.default_rng(1)).brier_after != recalibrate(*cohort).brier_after


def few(n_events):
    y = np.r_[np.ones(n_events), np.zeros(100)]
    return y, np.linspace(0.9, 0.1, y.size)


@pytest.mark.parametrize(
    ("y", "p", "kwargs", "words"),
    [
        pytest.param(*few(19), {}, "too few", id="19_events"),
        pytest.param(*few(0), {}, "too few", id="no_event"),
        pytest.param(
            np.repeat(few(25)[0], 2),
            np.repeat(few(25)[1], 2),
            {"groups": [0] * 50 + [1] * 200},
            "too few",
            id="patients",
        ),
        pytest.param(*few(30), {"method": "slope_intercept"}, "separate", id="separated"),
        pytest.param(1 - few(30)[0], np.full(130, 0.3), {"method": "slope_intercept"}, "separate", id="constant"),
        pytest.param(*few(30), {"method": "isotonic"}, "method", id="unknown_method"),
    ],
)
def test_what_cannot_be_learnt_is_refused(y, p, kwargs, words):
    with pytest.raises(InputError, match=words):
        recalibrate(y, p, **kwargs)


def test_reversed_risks_are_refused(make_cohort):
    y, p = make_cohort(400, seed=1)
    with pytest.raises(InputError, match="coded 1"):
        recalibrate(y, 1.0 - p, method="slope_intercept")
