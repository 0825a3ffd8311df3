import numpy as np
import pytest

from medcore.errors import InputError
from medcore.explain.coalitions import plan_coalitions


@pytest.mark.parametrize("n_fields", [2, 3, 4, 5, 8, 9])
def test_a_large_budget_takes_every_coalition_once(n_fields):
    plan = plan_coalitions(n_fields, 2**n_fields)
    tried = np.concatenate([plan.masks, ~plan.masks])
    assert plan.exact
    assert len({mask.tobytes() for mask in tried}) == len(tried) == 2**n_fields - 2


@pytest.mark.parametrize("n_fields", [6, 13, 20, 30])
@pytest.mark.parametrize("budget", [128, 512, 2048])
def test_budget_is_kept_and_no_coalition_is_tried_twice(n_fields, budget):
    plan = plan_coalitions(n_fields, budget)
    tried = np.concatenate([plan.masks, ~plan.masks])
    assert plan.n_coalitions <= budget
    assert len({mask.tobytes() for mask in tried}) == len(tried)
    assert not (tried.all(axis=1) | ~tried.any(axis=1)).any()


def test_single_fields_come_first_and_in_order():
    plan = plan_coalitions(20, 200)
    assert (plan.masks[:20] == np.eye(20, dtype=bool)).all()


def test_a_larger_plan_contains_the_smaller():
    small = {mask.tobytes() for mask in plan_coalitions(20, 256, 3).masks}
    large = {mask.tobytes() for mask in plan_coalitions(20, 512, 3).masks}
    assert len(small & large) == len(small)


def test_same_seed_same_plan_other_seed_other_plan():
    plan_coalitions.cache_clear()
    first = plan_coalitions(20, 256, 5).masks.copy()
    plan_coalitions.cache_clear()
    assert (plan_coalitions(20, 256, 5).masks == first).all()
    assert (plan_coalitions(20, 256, 6).masks != first).any()


def test_kernel_mass_of_every_size_is_whole():
    """The weights of a size add up to its Shapley kernel mass, sampled or not (Lundberg & Lee 2017, theorem 2)."""
    plan = plan_coalitions(12, 200)
    sizes = plan.masks.sum(axis=1)
    for size in range(1, 6):
        assert plan.weights[sizes == size].sum() == pytest.approx(1.0 / (size * (12 - size)))
    assert plan.weights[sizes == 6].sum() == pytest.approx(0.5 / 36)


@pytest.mark.parametrize(("n_fields", "budget"), [(0, 100), (63, 100), (5, 1), (5, -3)])
def test_impossible_plans_are_typed_errors(n_fields, budget):
    with pytest.raises(InputError, match="an explanation needs"):
        plan_coalitions(n_fields, budget)


@pytest.mark.parametrize("n_fields", [1, 6, 13])
def test_many_rows_are_solved_as_each_alone(n_fields):
    plan = plan_coalitions(n_fields, 40, 1)
    rng = np.random.default_rng(0)
    differences, totals = rng.normal(size=(5, len(plan.masks))), rng.normal(size=5)
    values, errors = plan.solve(differences, totals)
    assert values.shape == errors.shape == (5, n_fields)
    for i in range(5):
        own, error = plan.solve(differences[i], float(totals[i]))
        assert values[i] == pytest.approx(own, abs=1e-12)
        assert errors[i] == pytest.approx(error, abs=1e-12)
    assert values.sum(axis=1) == pytest.approx(totals)
