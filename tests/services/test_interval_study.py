"""The semi-synthetic study: a population whose risks are known, and how often the interval holds the limit."""

import numpy as np
import pytest
from bundles_fixture import CONDITION, make_recipes, make_table

from medcore.conditions.catalog import find_condition
from medcore.models import recipes
from medcore.services.training import interval_study
from medcore.services.training.interval_study import cross_fitted_coverage, find_factor, make_population, study_interval

CONDITION_OBJECT = find_condition(CONDITION)
FACTORS = interval_study._FACTORS


@pytest.fixture
def small(monkeypatch):
    """Small recipes, and a limit that is reached in a second."""
    monkeypatch.setattr(recipes, "RECIPES", {CONDITION: make_recipes()})
    monkeypatch.setattr(interval_study, "_N_LIMIT", 6_000)


def test_the_factor_is_the_smallest_that_reaches_the_level():
    shares = np.linspace(0.6, 1.0, len(FACTORS))
    chosen = find_factor(shares)
    assert shares[np.searchsorted(FACTORS, chosen)] >= 0.9
    assert shares[: np.searchsorted(FACTORS, chosen)].max() < 0.9
    assert find_factor(np.full(len(FACTORS), 0.5)) == FACTORS[-1]
    assert find_factor(np.full(len(FACTORS), 0.95)) == FACTORS[0]


def test_coverage_is_judged_with_the_other_halfs_factor():
    """Even studies reach the level at the first factor, odd ones only at the last."""
    easy, hard = np.full(len(FACTORS), 0.95), np.full(len(FACTORS), 0.4)
    hard[-1] = 0.9
    assert cross_fitted_coverage(np.array([easy, hard])) == pytest.approx((0.95 + 0.4) / 2)


def test_the_population_is_made_up_and_its_risks_are_known(small):
    table = make_table()
    population = make_population(CONDITION_OBJECT, table, 0)
    assert len(population.table.y) == table.eligible.sum()
    rng = np.random.default_rng(0)
    X = population.draw(2000, rng)
    low, high = np.nanmin(population.table.X, axis=0), np.nanmax(population.table.X, axis=0)
    assert (np.isnan(X) | (np.clip(X, low, high) == X)).all()
    seen = {row.tobytes() for row in np.nan_to_num(table.X, nan=-1.0)}
    assert not any(row.tobytes() in seen for row in np.nan_to_num(X, nan=-1.0))
    risk = population.risk(X)
    assert ((risk > 0) & (risk < 1)).all()
    study = population.sample(4000, rng)
    assert study.eligible.all()
    assert study.y.mean() == pytest.approx(population.risk(study.X).mean(), abs=0.03)


def test_short_form_of_the_coverage(small):
    said = []
    table = make_table(n=480)
    found = study_interval(CONDITION_OBJECT, table, "logistic", n_studies=3, seed=1, progress=said.append)
    assert 0.80 <= found.coverage <= 0.99
    assert 0.60 <= found.coverage_plain <= 0.99
    assert FACTORS[0] <= found.width <= FACTORS[-1]
    assert len(said) == found.n_studies == 3
    assert f"{100 * found.coverage:.0f} %" in found.describe()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["logistic", "forest", "svm", "mlp"])
def test_long_form_of_the_coverage(small, recipe):
    found = study_interval(CONDITION_OBJECT, make_table(n=800), recipe, n_studies=12, seed=2, progress=len)
    assert 0.86 <= found.coverage <= 0.94
