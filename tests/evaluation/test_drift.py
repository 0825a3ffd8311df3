"""Drift of a field: scipy, hand-counted shares, and what a summary may lose."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from medcore.errors import InputError
from medcore.evaluation.drift import DriftVerdict, drift_table, field_drift, population_stability, summarise_field


def test_distance_and_p_value_equal_scipys(rng):
    old, new = np.round(rng.normal(50, 9, 700), 1), np.round(rng.normal(52, 9, 500), 1)
    found = field_drift(summarise_field("age", old, most_points=None), new)
    expected = stats.ks_2samp(old, new, method="exact")
    assert found.ks == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.05)


def test_a_summary_of_quantiles_errs_by_less_than_its_step(rng):
    old, new = rng.normal(size=5000), rng.normal(0.2, 1, 800)
    exact = field_drift(summarise_field("x", old, most_points=None), new)
    summary = summarise_field("x", old)
    assert summary.values.size <= 201
    found = field_drift(summary, new)
    assert found.ks == pytest.approx(exact.ks, abs=1 / 200)
    assert found.psi == pytest.approx(exact.psi, abs=0.005)


def test_index_by_hand():
    """(.5 - .25) ln 2 + (.25 - .5) ln .5 + 0 = .5 ln 2."""
    old, new = np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.25, 0.25])
    assert population_stability(old, new, n_old=100, n_new=100) == pytest.approx(0.5 * math.log(2))


def test_shares_of_the_training_tenths():
    """Training values 1..100: tenths end at 10, 20, ...; all hundred new values are 5, in the first."""
    summary = summarise_field("x", np.arange(1.0, 101.0), most_points=None)
    found = field_drift(summary, np.full(100, 5.0))
    empty = 0.5 / 100
    expected = (1 - 0.1) * math.log(10) + 9 * (empty - 0.1) * math.log(empty / 0.1)
    assert found.psi == pytest.approx(expected)
    assert found.verdict is DriftVerdict.LARGE


def test_choices_equal_scipys_chi_squared():
    old, new = ["a"] * 60 + ["b"] * 40, ["a"] * 30 + ["b"] * 45
    found = field_drift(summarise_field("sex", old, is_choice=True), new)
    assert found.p_value == pytest.approx(stats.chi2_contingency([[60, 40], [30, 45]], correction=False).pvalue)
    assert found.psi == pytest.approx((0.4 - 0.6) * math.log(0.4 / 0.6) + (0.6 - 0.4) * math.log(0.6 / 0.4))
    assert math.isnan(found.ks)


def test_codes_are_the_same_as_numbers_and_text_and_new_ones_count():
    summary = summarise_field("view", [0, 1, 1, 0] * 10, is_choice=True)
    same = field_drift(summary, ["0", "1", "1", "0"] * 10)
    assert same.psi == pytest.approx(0.0)
    assert same.p_value == pytest.approx(1.0)
    assert field_drift(summary, [2.0] * 40).verdict is DriftVerdict.LARGE


def test_blanks_are_counted_and_not_compared():
    summary = summarise_field("ph", [7.4, np.nan] * 50)
    found = field_drift(summary, [7.4, np.nan, np.nan, np.nan] * 20)
    assert (found.share_blank, found.share_blank_reference) == (0.75, 0.5)
    assert (found.n, found.n_reference, found.psi) == (20, 50, 0.0)


def test_chance_alone_is_little(rng):
    """Three hundred fields that have not moved, 60 values each: few may be called more than little."""
    summary = summarise_field("x", rng.normal(size=2000))
    found = [field_drift(summary, rng.normal(size=60)) for _ in range(300)]
    assert np.mean([one.psi > 0.1 for one in found]) > 0.2
    assert np.mean([one.psi > one.psi_by_chance for one in found]) < 0.09
    assert np.mean([one.verdict is DriftVerdict.LITTLE for one in found]) > 0.90
    assert np.mean([one.p_value < 0.05 for one in found]) < 0.09


@pytest.mark.parametrize(("n", "verdict"), [(5, DriftVerdict.TOO_FEW), (1, DriftVerdict.TOO_FEW)])
def test_too_few_values_are_said_to_be_so(n, verdict):
    summary = summarise_field("x", np.arange(100.0))
    assert field_drift(summary, np.full(n, 3.0)).verdict is verdict


def test_a_table_keeps_the_order_and_treats_a_missing_column_as_blank(rng):
    summaries = {name: summarise_field(name, rng.normal(size=200)) for name in ("b", "a")}
    found = drift_table(summaries, {"a": rng.normal(size=90), "other": np.zeros(90)})
    assert [one.field for one in found] == ["b", "a"]
    assert found[0].share_blank == 1.0
    assert math.isnan(found[0].psi)
    assert found[0].verdict is DriftVerdict.TOO_FEW


@pytest.mark.parametrize("values", [["tall"], [math.inf], [], [[1.0]]])
def test_unusable_values_are_refused_by_field(values):
    with pytest.raises(InputError) as caught:
        field_drift(summarise_field("height_cm", [170.0, 180.0]), values)
    assert caught.value.field == "height_cm"


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(InputError):
        drift_table({}, {"a": [1.0], "b": [1.0, 2.0]})
