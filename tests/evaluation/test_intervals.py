"""Wilson limits and special functions against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from medcore.errors import InputError
from medcore.evaluation import intervals


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (20, 20), (81, 263), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wilson_equals_statsmodels(count, n, level):
    result = intervals.wilson_interval(count, n, level=level)
    lo, hi = proportion_confint(count, n, alpha=1 - level, method="wilson")
    assert result.value == count / n
    assert result.lo == pytest.approx(lo, abs=1e-9)
    assert result.hi == pytest.approx(hi, abs=1e-9)


def test_wilson_published_case():
    # Newcombe, Stat Med 1998;17:857-872, table I, method 3: 81 of 263
    result = intervals.wilson_interval(81, 263)
    assert (round(result.lo, 4), round(result.hi, 4)) == (0.2553, 0.3662)


def test_wilson_without_trials_is_undefined():
    result = intervals.wilson_interval(0, 0)
    assert np.isnan([result.value, result.lo, result.hi]).all()


@pytest.mark.parametrize(("count", "n"), [(-1, 4), (5, 4)])
def test_wilson_refuses_impossible_counts(count, n):
    with pytest.raises(InputError, match=f"count is {count}, expected a whole number in 0..{n}"):
        intervals.wilson_interval(count, n)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=60, deadline=None)
def test_wilson_contains_the_share_and_stays_inside(case):
    result = intervals.wilson_interval(*case)
    assert 0.0 <= result.lo <= result.value <= result.hi <= 1.0


def test_special_functions_equal_scipy():
    x = np.array([-800.0, -36.0, -1.5, 0.0, 2.0, 36.0, 800.0])
    np.testing.assert_allclose(intervals.expit(x), special.expit(x), atol=1e-15)
    p = np.array([1e-12, 0.3, 0.5, 1 - 1e-9])
    np.testing.assert_allclose(intervals.logit(p), special.logit(p), rtol=1e-12)
    assert np.isfinite(intervals.logit([0.0, 1.0])).all()
    assert intervals.normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975), abs=1e-12)
    assert intervals.normal_two_sided_p(-2.5) == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-12)
