"""The smooth calibration curve against statsmodels' GLM on a spline written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from medcore.errors import InputError
from medcore.evaluation.intervals import logit
from medcore.evaluation.smooth import calibration_distance, smooth_calibration, spline_basis


def reference_design(x, knots):
    """Harrell's formula term by term."""
    k1, k2, k3, k4 = knots
    columns = [np.ones_like(x), x]
    for knot in (k1, k2):
        a, b, c = (np.clip(x - k, 0, None) ** 3 for k in (knot, k3, k4))
        columns.append((a - b * (k4 - knot) / (k4 - k3) + c * (k3 - knot) / (k4 - k3)) / (k4 - k1) ** 2)
    return np.column_stack(columns)


def reference_fit(y, p, at, **options):
    x = logit(p)
    knots = np.quantile(x, (0.05, 0.35, 0.65, 0.95))
    design = reference_design(x, knots)
    fit = sm.GLM(y, design, family=sm.families.Binomial()).fit(tol=1e-12, **options)
    new = reference_design(logit(at), knots)
    eta = new @ fit.params
    error = np.sqrt(np.einsum("ij,jk,ik->i", new, fit.cov_params(), new))
    return 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(-eta + 1.959963984540054 * error))


def test_curve_and_band_equal_statsmodels(make_cohort):
    y, p = make_cohort(800, seed=4)
    at = np.array([0.05, 0.2, 0.4, 0.7])
    curve = smooth_calibration(y, p, at=at)
    observed, lo = reference_fit(y, p, at)
    assert curve.n_knots == 4
    np.testing.assert_allclose(curve.observed, observed, atol=1e-6)
    np.testing.assert_allclose(curve.lo, lo, atol=1e-6)


def test_clustered_band_equals_statsmodels(make_cohort):
    y, p = make_cohort(600, seed=8)
    patient, at = np.arange(600) // 3, np.array([0.1, 0.3, 0.6])
    curve = smooth_calibration(y, p, groups=patient, at=at)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": patient, "use_correction": False}}
    lo = reference_fit(y, p, at, **options)[1]
    with_factor = logit(curve.observed) - np.sqrt(200 / 199) * (logit(curve.observed) - logit(lo))
    np.testing.assert_allclose(logit(curve.lo), with_factor, atol=1e-6)


def test_the_spline_is_straight_beyond_its_outer_knots():
    knots = np.array([-2.0, -0.5, 0.5, 2.0])
    x = np.linspace(2.0, 9.0, 30)
    np.testing.assert_allclose(np.diff(spline_basis(x, knots), 2, axis=0), 0.0, atol=1e-10)
    np.testing.assert_array_equal(spline_basis(np.linspace(-9.0, -2.0, 9), knots), 0.0)


def test_the_curve_finds_the_true_rates(make_cohort):
    y, p = make_cohort(60_000, seed=6)
    curve = smooth_calibration(y, p, at=[0.05, 0.2, 0.5, 0.7])
    true = 1 / (1 + np.exp(-(0.3 + 0.8 * logit(curve.p))))
    np.testing.assert_allclose(curve.observed, true, atol=0.02)


def test_distance_is_the_mean_gap_over_patients(make_cohort):
    y, p = make_cohort(800, seed=4)
    gap = np.abs(reference_fit(y, p, p)[0] - p)
    found = calibration_distance(y, p)
    assert found.ici == pytest.approx(gap.mean(), abs=1e-6)
    assert found.e50 == pytest.approx(np.median(gap), abs=1e-6)
    assert found.e90 == pytest.approx(np.quantile(gap, 0.9), abs=1e-6)
    assert found.e_max == pytest.approx(gap.max(), abs=1e-6)


def test_few_distinct_risks_get_a_straight_line():
    y, p = np.tile([0, 0, 1, 0, 1, 1], 20), np.tile([0.2, 0.2, 0.2, 0.6, 0.6, 0.6], 20)
    curve = smooth_calibration(y, p, at=[0.2, 0.6])
    assert curve.n_knots == 0
    np.testing.assert_allclose(curve.observed, [1 / 3, 2 / 3], atol=1e-6)


def test_no_fit_is_nan():
    assert np.isnan(smooth_calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).observed).all()
    assert np.isnan(calibration_distance([0, 1], [0.5, 0.5]).ici)


def test_one_class_is_refused():
    with pytest.raises(InputError):
        smooth_calibration([1, 1], [0.4, 0.6])
