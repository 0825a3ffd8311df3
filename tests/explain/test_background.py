import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcore.errors import InputError
from medcore.explain import make_background


def cohort(seed=0, n=500):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 4))
    rows[:, :3][rng.random((n, 3)) < 0.2] = np.nan
    return rows, rng.beta(1.2, 3.0, n)


@settings(max_examples=30, deadline=None)
@given(target=st.floats(0.1, 0.6), seed=st.integers(0, 50))
def test_weighted_mean_is_the_target(target, seed):
    rows, p = cohort(seed)
    chosen, weights = make_background(rows, p, target, seed=seed)
    lookup = {row.tobytes(): value for row, value in zip(rows, p, strict=True)}
    assert chosen.shape == (100, 4)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights > 0).all()
    assert weights @ [lookup[row.tobytes()] for row in chosen] == pytest.approx(target, abs=1e-6)


@pytest.mark.parametrize("target", [0.15, 0.28, 0.45])
def test_weights_stay_near_uniform(target):
    rows, p = cohort()
    _, weights = make_background(rows, p, target)
    assert 1.0 / (weights**2).sum() > 95


def test_no_row_is_taken_twice_and_a_small_cohort_is_taken_whole():
    rows, p = cohort(n=60)
    chosen, _ = make_background(rows, p, float(p.mean()))
    assert len({row.tobytes() for row in chosen}) == len({row.tobytes() for row in rows})


def test_a_constant_score_keeps_equal_weights():
    rows, _ = cohort(n=200)
    assert make_background(rows, np.full(200, 0.3), 0.3)[1] == pytest.approx(np.full(100, 0.01))


@pytest.mark.parametrize("target", [0.0, 1.0, -2.0, float("nan")])
def test_a_target_out_of_reach_is_an_error(target):
    with pytest.raises(InputError, match="cannot be weighted"):
        make_background(*cohort(), target)


def test_shapes_and_numbers_are_checked():
    rows, p = cohort()
    with pytest.raises(InputError, match="finite probabilities"):
        make_background(rows, p[:-1], 0.3)
    with pytest.raises(InputError, match="finite probabilities"):
        make_background(rows, np.where(p > 0.5, np.nan, p), 0.3)
