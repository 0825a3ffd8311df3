"""Curves and their bands: counted by hand, statsmodels, scikit-learn, and each patient's sums by brute force."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn import metrics as sk
from statsmodels.stats.proportion import proportion_confint

from medcore.errors import InputError
from medcore.evaluation.calls import CallCounter
from medcore.evaluation.clusters import Z95
from medcore.evaluation.curves import default_cut_offs, draw_curves
from medcore.evaluation.decision import net_benefit
from medcore.evaluation.prevalence import class_weights, restate


def test_the_table_equals_counts_by_hand(cohort):
    y, p = cohort
    table = draw_curves(y, p).table
    for k in (0, 50, 120, 200, 280):
        called = p >= table.cut_off[k]
        assert table.sensitivity[k] == pytest.approx(called[y == 1].mean(), abs=1e-12)
        assert table.specificity[k] == pytest.approx((~called)[y == 0].mean(), abs=1e-12)


def test_limits_of_sensitivity_and_specificity_equal_statsmodels(cohort):
    y, p = cohort
    table = draw_curves(y, p).table
    for k in range(0, table.cut_off.size, 7):
        called = p >= table.cut_off[k]
        lo, hi = proportion_confint(called[y == 1].sum(), (y == 1).sum(), method="wilson")
        np.testing.assert_allclose((table.sensitivity_lo[k], table.sensitivity_hi[k]), (lo, hi), atol=1e-9)
        lo, hi = proportion_confint((~called)[y == 0].sum(), (y == 0).sum(), method="wilson")
        np.testing.assert_allclose((table.specificity_lo[k], table.specificity_hi[k]), (lo, hi), atol=1e-9)


@pytest.mark.parametrize("prevalence", [None, 0.1])
def test_net_benefit_is_the_same_as_elsewhere(cohort, prevalence):
    y, p = cohort
    table = draw_curves(y, p, prevalence=prevalence).table
    moved = p if prevalence is None else restate(p, studied=float(np.mean(y)), local=prevalence)
    expected = net_benefit(y, moved, thresholds=table.cut_off[1:-1], prevalence=prevalence)
    np.testing.assert_allclose(table.net_benefit[1:-1], expected, atol=1e-12)
    assert np.isnan(table.net_benefit[[0, -1]]).all()
    assert np.isfinite(table.net_benefit_lo[1:-1]).all()


def test_limits_of_net_benefit_are_those_of_a_mean():
    """Net benefit is a mean over patients of 1 (case found), -t / (1 - t) (false alarm) or 0."""
    y, p, t = np.array([1, 1, 1, 0, 0, 0]), np.array([0.9, 0.6, 0.2, 0.7, 0.3, 0.1]), 0.4
    gained = np.where(p >= t, np.where(y == 1, 1.0, -t / (1 - t)), 0.0)
    half = Z95 * gained.std(ddof=0) / np.sqrt(6)
    table = draw_curves(y, p, cut_offs=[t]).table
    assert table.net_benefit[0] == pytest.approx(gained.mean())
    assert table.net_benefit_hi[0] - table.net_benefit[0] == pytest.approx(half)
    assert table.net_benefit[0] - table.net_benefit_lo[0] == pytest.approx(half)


def test_limits_of_net_benefit_at_a_known_prevalence_are_stratified(cohort):
    y, p = cohort
    t, rate = 0.2, 0.07
    called = restate(p, studied=y.mean(), local=rate) >= t
    found, alarms = called[y == 1].mean(), called[y == 0].mean()
    odds = t / (1 - t)
    variance = rate**2 * found * (1 - found) / (y == 1).sum()
    variance += ((1 - rate) * odds) ** 2 * alarms * (1 - alarms) / (y == 0).sum()
    table = draw_curves(y, p, prevalence=rate, cut_offs=[t]).table
    assert table.net_benefit_hi[0] - table.net_benefit[0] == pytest.approx(Z95 * np.sqrt(variance))


def test_roc_and_precision_pass_through_sklearns_points(cohort):
    y, p = cohort
    curves = draw_curves(y, p)
    every = set(zip(*(np.round(values, 9) for values in sk.roc_curve(y, p, drop_intermediate=False)[:2]), strict=True))
    ours = set(zip(np.round(curves.roc.x, 9), np.round(curves.roc.y, 9), strict=True))
    assert ours <= every
    assert np.trapezoid(curves.roc.y, curves.roc.x) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    precision, recall, _ = sk.precision_recall_curve(y, p)
    np.testing.assert_allclose(curves.precision_recall.y[::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(curves.precision_recall.x[::-1], recall[:-1], atol=1e-12)


def test_precision_has_wilson_limits_of_those_called(cohort):
    y, p = cohort
    band = draw_curves(y, p).precision_recall
    thresholds = np.unique(p)[::-1]
    for k in range(0, thresholds.size, max(1, thresholds.size // 9)):
        called = p >= thresholds[k]
        lo, hi = proportion_confint(y[called].sum(), called.sum(), method="wilson")
        np.testing.assert_allclose((band.lo[k], band.hi[k]), (lo, hi), atol=1e-9)


def test_the_roc_band_at_one_point_equals_the_formula():
    """Se = .6 of 5 and f = .25 of 4 at p >= .5, with the curve's rise read off by hand.

    f(1 - f)/4 = .046875, so f +- 1.96 * .216506 = 0 .. .674345; the curve runs (0, 0) (0, .4) (.25, .4) (.25, .6)
    (.5, .6) (.5, 1) (1, 1), upright at 0, so it rises from .4 to 1 over .674345: slope .889752.
    """
    y = np.array([1, 1, 0, 1, 0, 1, 1, 0, 0])
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
    band = draw_curves(y, p).roc
    k = int(np.flatnonzero((band.x == 0.25) & np.isclose(band.y, 0.6))[0])
    variance = 0.6 * 0.4 / 5 + 0.889752**2 * 0.046875
    lo, hi = proportion_confint(0.24 / variance * 0.6, 0.24 / variance, method="wilson")
    np.testing.assert_allclose((band.lo[k], band.hi[k]), (lo, hi), atol=1e-5)


@pytest.mark.parametrize("kind", ["rows", "groups", "prevalence"])
def test_bands_hold_their_curve_and_stay_in_range(cohort, kind):
    y, p = cohort
    extra = {"rows": {}, "groups": {"groups": np.arange(y.size) // 3}, "prevalence": {"prevalence": 0.05}}[kind]
    curves = draw_curves(y, p, **extra)
    for band in (curves.roc, curves.precision_recall, curves.calibration):
        assert band.x.size <= 400
        assert (np.diff(band.x) >= 0.0).all()
        assert (band.lo <= band.y + 1e-9).all()
        assert (band.hi >= band.y - 1e-9).all()
        assert band.lo.min() >= -1e-12
        assert band.hi.max() <= 1.0 + 1e-12
    assert curves.histogram.events.sum() == y.sum()
    assert curves.histogram.others.sum() == (1 - y).sum()
    assert sum(part.n for part in curves.bins) == y.size


def test_many_points_are_thinned_without_losing_the_area(make_cohort):
    y, p = make_cohort(20_000, seed=5)
    band = draw_curves(y, p).roc
    assert 200 < band.x.size <= 400
    assert np.trapezoid(band.y, band.x) == pytest.approx(sk.roc_auc_score(y, p), abs=5e-4)
    assert (band.x[0], band.y[0], band.x[-1], band.y[-1]) == (0.0, 0.0, 1.0, 1.0)


def test_moments_equal_each_patients_sums(rng, make_cohort):
    y, p = make_cohort(300, seed=3, decimals=1)
    patient, cuts = rng.integers(0, 60, 300), np.array([0.0, 0.1, 0.3, 0.5, 0.9])
    codes = np.unique(patient, return_inverse=True)[1]
    counted = CallCounter(y == 1, p, codes).count(cuts)
    for k, cut in enumerate(cuts):
        called = p >= cut
        rows = np.column_stack((called & (y == 1), called & (y == 0), y == 1, y == 0)) * 1.0
        sums = np.array([rows[codes == u].sum(axis=0) for u in np.unique(codes)])
        np.testing.assert_allclose(counted.moments[k], sums.T @ sums, atol=1e-9)


def test_rows_given_twice_do_not_narrow_the_limits(make_cohort):
    y, p = make_cohort(500, seed=2)
    once = draw_curves(y, p)
    twice = draw_curves(np.repeat(y, 2), np.repeat(p, 2), groups=np.repeat(np.arange(500), 2))
    rows = draw_curves(np.repeat(y, 2), np.repeat(p, 2))
    for name in ("sensitivity_hi", "specificity_lo", "net_benefit_hi"):
        honest = getattr(twice.table, name)[40:200]
        np.testing.assert_allclose(honest, getattr(once.table, name)[40:200], atol=1e-3)
    width = once.calibration.hi - once.calibration.lo
    clustered = twice.calibration.hi - twice.calibration.lo
    assert np.median(clustered) == pytest.approx(np.median(width), rel=0.15)
    assert np.median(rows.calibration.hi - rows.calibration.lo) < 0.8 * np.median(width)
    assert twice.bins[4].hi == pytest.approx(once.bins[4].hi, abs=2e-3)


def test_bins_at_another_prevalence_are_weighted_means(cohort):
    y, p = cohort
    local = 0.08
    moved, weights = restate(p, studied=y.mean(), local=local), class_weights(y == 1, local)
    for part in draw_curves(y, p, prevalence=local).bins:
        inside = (moved >= part.p_lo - 1e-12) & (moved <= part.p_hi + 1e-12)
        assert part.mean_p == pytest.approx(np.average(moved[inside], weights=weights[inside]))
        assert part.observed == pytest.approx(np.average(y[inside], weights=weights[inside]))
        assert part.lo <= part.observed <= part.hi


def test_the_studys_own_rate_changes_nothing_but_the_error_of_the_rate(cohort):
    y, p = cohort
    plain, same = draw_curves(y, p), draw_curves(y, p, prevalence=float(np.mean(y)))
    np.testing.assert_allclose(same.calibration.y, plain.calibration.y, atol=1e-12)
    np.testing.assert_allclose(same.table.net_benefit, plain.table.net_benefit, atol=1e-12)
    np.testing.assert_array_equal(same.table.sensitivity_lo, plain.table.sensitivity_lo)


def test_default_cut_offs_are_dense_where_risks_are_low():
    cuts = default_cut_offs()
    assert cuts.size == 281
    assert (cuts[0], cuts[-1]) == (0.0, 1.0)
    np.testing.assert_allclose(np.unique(np.round(np.diff(cuts), 9)), [0.001, 0.005])


@pytest.mark.parametrize("p", [[0.3] * 6, [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0, 0, 0, 1, 1, 1]])
def test_without_a_finite_fit_the_calibration_curve_is_nan_and_the_rest_stands(p):
    curves = draw_curves([0, 0, 0, 1, 1, 1], p)
    assert np.isnan(curves.calibration.y).all()
    assert np.isfinite(curves.table.sensitivity_hi).all()
    assert np.isfinite(curves.roc.hi).all()
    assert np.isfinite(curves.precision_recall.hi).all()


@pytest.mark.parametrize(
    ("y", "p", "kwargs", "name"),
    [
        pytest.param([1, 1, 1], [0.1, 0.2, 0.3], {}, "y", id="one_class"),
        pytest.param([0, 1], [0.1, np.nan], {}, "p", id="nan"),
        pytest.param([0, 1], [10.0, 90.0], {}, "p", id="percentages"),
        pytest.param(["no", "yes"], [0.1, 0.9], {}, "y", id="text"),
        pytest.param([0, 1, 1], [0.1, 0.9], {}, "p", id="lengths"),
        pytest.param([0, 1], [0.1, 0.9], {"prevalence": 4.5}, "prevalence", id="prevalence"),
        pytest.param([0, 1], [0.1, 0.9], {"cut_offs": [1.5]}, "cut_offs", id="cut_off"),
        pytest.param([0, 1], [0.1, 0.9], {"groups": [1]}, "groups", id="groups"),
    ],
)
def test_unusable_input_is_refused_by_name(y, p, kwargs, name):
    with pytest.raises(InputError) as caught:
        draw_curves(y, p, **kwargs)
    assert caught.value.field == name


def test_two_rows_are_drawn():
    curves = draw_curves([0, 1], [0.2, 0.7])
    assert curves.roc.y[-1] == 1.0
    assert np.isfinite(curves.table.sensitivity_lo).all()


def test_drawing_is_quick(make_cohort):
    """7,300 rows with two rows a patient: 20 ms where it was written; ten times that fails."""
    y, p = make_cohort(7300, seed=1)
    draw_curves(y, p)
    start = time.perf_counter()
    draw_curves(y, p, groups=np.arange(7300) // 2, prevalence=0.045)
    assert time.perf_counter() - start < 0.3
