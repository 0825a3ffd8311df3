"""Agreement of readers and model: against known figures, at the edges, and the coverage that is promised."""

import math

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation.agreement import cohen_kappa, quantile_interval


def test_kappa_of_a_table_worked_by_hand():
    """20 both yes, 5 first only, 10 second only, 15 both no: observed .7, by chance .5."""
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert cohen_kappa(first, second).value == pytest.approx(0.4)


def test_kappa_against_statsmodels():
    module = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(3)
    first = rng.random(400) < 0.4
    second = np.where(rng.random(400) < 0.8, first, ~first)
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    theirs = module.cohens_kappa(np.array(table))
    ours = cohen_kappa(first, second)
    assert ours.value == pytest.approx(theirs.kappa)
    assert ours.lo == pytest.approx(theirs.kappa_low, abs=0.01)
    assert ours.hi == pytest.approx(theirs.kappa_upp, abs=0.01)


def test_perfect_agreement_of_ten_is_not_certain():
    found = cohen_kappa([1] * 5 + [0] * 5, [1] * 5 + [0] * 5)
    assert (found.value, found.hi) == (1.0, 1.0)
    assert found.lo < 0.85


@pytest.mark.parametrize("calls", [[], [1, 1, 1], [0, 0]])
def test_undefined(calls):
    assert math.isnan(cohen_kappa(calls, calls).value)


@pytest.mark.parametrize(("first", "second"), [([1, 0], [1]), ([2, 0], [1, 0]), ([[1]], [[1]])])
def test_refused(first, second):
    with pytest.raises(InputError):
        cohen_kappa(first, second)


def test_the_interval_of_kappa_covers():
    cells, n, truth = np.array([0.3, 0.1, 0.1, 0.5]), 30, (0.8 - 0.52) / (1 - 0.52)
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        drawn = rng.choice(4, size=n, p=cells)
        found = cohen_kappa(np.isin(drawn, (0, 1)), np.isin(drawn, (0, 2)))
        hits += found.lo <= truth <= found.hi
    assert 0.91 <= hits / 300 <= 0.985


def test_quantile_interval_covers_the_median():
    rng = np.random.default_rng(2)
    draws = [quantile_interval(rng.exponential(size=25), 0.5) for _ in range(500)]
    assert np.mean([found.lo <= math.log(2) <= found.hi for found in draws]) >= 0.94


def test_a_small_sample_does_not_bound_a_quartile():
    found = quantile_interval(range(10), 0.75)
    assert found.hi == math.inf
    assert found.lo == 4.0
    assert quantile_interval([5.0], 0.5).lo == -math.inf


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([math.nan], 0.5), ([1.0], 0.0), ([1.0], 1.0)])
def test_quantile_refused(values, q):
    with pytest.raises(InputError):
        quantile_interval(values, q)
