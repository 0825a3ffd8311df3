"""The semi-synthetic study behind the width of the sampling intervals.

A population is made whose risks are known exactly: rows resampled from the study with jittered numbers,
outcomes drawn from a network fitted to the real outcomes. The recipe is trained once on a very large
draw (what it reaches with unlimited data) and then on many draws of the study's own size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.datasets.table import TrainingTable
from medcore.encoding import Encoding
from medcore.inference.calibrator import Calibrator
from medcore.models.coverage import Coverage, record_coverage
from medcore.models.learners import KerasRecipe, Recipe
from medcore.models.recipes import SIMPLEST_FIRST, find_recipe
from medcore.models.stacks import TrainedStack, train_stack
from medcore.records import FieldKind
from medcore.services.training.training import calibrate, learn_parts, make_rows, say, teaching_scores

__all__ = ["Population", "find_factor", "make_population", "study_interval", "study_intervals"]

_JITTER = 0.15
_N_LIMIT = 30_000
_LIMIT_FOLDS = 3  # enough to calibrate a draw of this size
_N_POINTS = 400
_N_GENERATORS = 5
_LEVEL = 0.90
_FACTORS = np.arange(0.7, 6.01, 0.05)


@dataclass(frozen=True, kw_only=True)
class Population:
    """A made-up population: draw rows, and know each row's risk."""

    table: TrainingTable
    condition: Condition
    generator: TrainedStack

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n raw rows: resampled, with numbers jittered within the ranges seen."""
        X = self.table.X[rng.integers(0, len(self.table.X), n)].copy()
        for j, item in enumerate(self.condition.schema.inputs):
            column = self.table.X[:, j]
            if item.kind is FieldKind.NUMBER and len(np.unique(column[~np.isnan(column)])) > 10:
                noise = rng.standard_normal(n) * float(np.nanstd(column)) * _JITTER
                X[:, j] = np.clip(X[:, j] + noise, np.nanmin(column), np.nanmax(column))
        return X

    def risk(self, X: np.ndarray) -> np.ndarray:
        """Return the true risk of rows."""
        return np.asarray(expit(self.generator.scores(X).mean(axis=1)))

    def sample(self, n: int, rng: np.random.Generator) -> TrainingTable:
        """Draw a whole study of n patients with outcomes."""
        X = self.draw(n, rng)
        y = (rng.random(n) < self.risk(X)).astype(np.int64)
        everyone = np.ones(n, dtype=bool)
        return replace(
            self.table, X=X, y=y, eligible=everyone, groups={}, secondary={}, target=None, weight=None, strata=None
        )


def make_population(condition: Condition, table: TrainingTable, seed: int) -> Population:
    """Fit the generating network to the rows on which the question is asked."""
    recipe = find_recipe(condition.id, "mlp")
    if not isinstance(recipe, KerasRecipe):
        raise TypeError("the generating network must be a Keras recipe")
    asked = table.eligible
    studied = replace(
        table, X=table.X[asked], y=table.y[asked], eligible=asked[asked], groups={}, secondary={},
        target=None, weight=None, strata=None,
    )  # fmt: skip
    stack = train_stack(
        recipe.network,
        replace(recipe.schedule, smoothing=0.0),
        Encoding.of(condition.schema, splines=recipe.splines),
        studied.X,
        studied.y.astype(np.float64),
        np.ones((_N_GENERATORS, len(studied.y))),
        mask_rates=np.zeros(studied.X.shape[1]),
        seed=seed,
    )
    return Population(table=studied, condition=condition, generator=stack)


def study_intervals(
    condition_id: str,
    *,
    recipe: str | None = None,
    data_dir: Path,
    n_studies: int,
    seed: int,
    progress: Callable[[str], None] = say,
) -> None:
    """Study one recipe or all recipes of a condition and keep what was found for training."""
    condition = find_condition(condition_id)
    table = condition.load_training(data_dir)
    for name in (recipe,) if recipe else SIMPLEST_FIRST:
        coverage = study_interval(condition, table, name, n_studies=n_studies, seed=seed, progress=progress)
        record_coverage(condition.id, name, coverage)
        progress(f"{condition.id} {name}: {coverage.describe()}")


def study_interval(
    condition: Condition,
    table: TrainingTable,
    recipe_name: str,
    *,
    n_studies: int,
    seed: int,
    progress: Callable[[str], None] = say,
) -> Coverage:
    """Measure the coverage of a recipe's interval and find the factor that reaches the nominal level.

    The factor is chosen on all studies; the coverage reported is cross-fitted: each half of the studies is
    judged with the factor chosen on the other half.
    """
    population = make_population(condition, table, seed)
    recipe = replace(find_recipe(condition.id, recipe_name), repeats=1)
    rng = np.random.default_rng(seed)
    points = population.draw(_N_POINTS, rng)
    limit = _limit_risk(population, recipe, recipe_name, points, rng)
    shares = np.empty((n_studies, len(_FACTORS)))
    for i in range(n_studies):
        study = population.sample(len(population.table.y), rng)
        calibrator, score, refits = _train(condition, study, recipe, recipe_name, points, seed + i)
        for j, factor in enumerate(_FACTORS):
            lo, hi = replace(calibrator, width=float(factor)).interval(score, refits)
            shares[i, j] = np.mean((lo <= limit) & (limit <= hi))
        progress(f"{condition.id} {recipe_name} study {i + 1}: plain coverage {shares[i, _plain_index()]:.3f}")
    return Coverage(
        width=round(find_factor(shares.mean(axis=0)), 2),
        coverage_plain=float(shares[:, _plain_index()].mean()),
        coverage=cross_fitted_coverage(shares),
        n_studies=n_studies,
        n_points=_N_POINTS,
    )


def cross_fitted_coverage(shares: np.ndarray) -> float:
    """Return the coverage of each half of the studies, shape (n_studies, n_factors), at the other half's factor."""
    halves = (shares[0::2], shares[1::2]) if len(shares) > 1 else (shares, shares)
    judged = []
    for teaching, held_out in (halves, halves[::-1]):
        column = int(np.argmin(np.abs(_FACTORS - find_factor(teaching.mean(axis=0)))))
        judged.append(held_out[:, column])
    return float(np.concatenate(judged).mean())


def find_factor(shares: np.ndarray) -> float:
    """Return the smallest factor whose coverage reaches the nominal level (the largest if none does)."""
    reached = np.flatnonzero(shares >= _LEVEL)
    return float(_FACTORS[reached[0]] if len(reached) else _FACTORS[-1])


def _limit_risk(
    population: Population, recipe: Recipe, recipe_name: str, points: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    large = population.sample(_N_LIMIT, rng)
    if isinstance(recipe, KerasRecipe):
        passes = max(6, round(recipe.schedule.epochs * len(population.table.y) / _N_LIMIT))
        recipe = replace(recipe, schedule=replace(recipe.schedule, epochs=passes))
    calibrator, score, _ = _train(population.condition, large, recipe, recipe_name, points, 0, large=True)
    return calibrator.probability(score)


def _train(
    condition: Condition,
    study: TrainingTable,
    recipe: Recipe,
    recipe_name: str,
    points: np.ndarray,
    seed: int,
    *,
    large: bool = False,
) -> tuple[Calibrator, np.ndarray, np.ndarray]:
    sizes = {"n_refits": 1, "n_folds": _LIMIT_FOLDS} if large else {}
    rows = make_rows(condition, study, recipe, seed, **sizes)
    learnt, scores = learn_parts(recipe, recipe_name, rows)
    calibrator = calibrate(teaching_scores(learnt, study, rows), study, rows, learnt.n_refits, 1.0)
    return calibrator, scores.main(points), scores.refits(points)


def _plain_index() -> int:
    return int(np.argmin(np.abs(_FACTORS - 1.0)))
