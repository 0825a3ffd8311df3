"""One way to train every recipe: cross-validated members, bootstrap refits, and the parts to ship.

A learner is given the rows once and answers with a :class:`Learnt`: raw scores of held-out rows for
any version of the inputs (as they are, or with fields hidden), and the objects a bundle stores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medcore.encoding import Encoding
from medcore.models import classical
from medcore.models.stacks import NetworkPlan, SchedulePlan, TrainedStack, release, train_stack

__all__ = ["ClassicalRecipe", "KerasRecipe", "LearningRows", "Learnt", "learn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasRecipe:
    """A stacked Keras network and how it is trained; ``repeats`` of 10-fold cross-validation."""

    network: NetworkPlan
    schedule: SchedulePlan
    repeats: int = 5
    splines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalRecipe:
    """A scikit-learn learner and its plan; ``repeats`` of 10-fold cross-validation."""

    plan: classical.LogisticPlan | classical.KernelPlan | classical.ForestPlan
    repeats: int = 5
    splines: bool = False


Recipe = KerasRecipe | ClassicalRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRows:
    """What a learner needs.

    Attributes
    ----------
    X : array, shape (n, n_inputs)
        Raw rows, NaN = blank.
    target, weight : arrays, shape (n,)
        Training target in [0, 1] and base weight of each row.
    folds : int array, shape (repeats, n)
        Fold of each row in each repeat.
    refit_counts : array, shape (n_refits, n)
        How often each row was drawn by each bootstrap.
    mask_rates : array, shape (n_inputs,)
        Share of rows on which a field is hidden at random in training.
    """

    encoding: Encoding
    X: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    folds: np.ndarray
    refit_counts: np.ndarray
    mask_rates: np.ndarray
    seed: int

    @property
    def members(self) -> list[tuple[int, int]]:
        """(repeat, fold) of every cross-validation member, repeat after repeat."""
        return [(r, int(k)) for r in range(len(self.folds)) for k in np.unique(self.folds[r])]

    def member_weights(self) -> np.ndarray:
        """Return training weights of the cross-validation members, shape (members, n)."""
        return np.array([(self.folds[r] != k) * self.weight for r, k in self.members])

    def refit_weights(self) -> np.ndarray:
        """Return training weights of the bootstrap refits, shape (n_refits, n)."""
        return np.asarray(self.refit_counts * self.weight)

    def held_out(self, scores: np.ndarray) -> np.ndarray:
        """Pick, from member scores (n, members), the held-out score of each row: shape (repeats, n)."""
        picked = np.full(self.folds.shape, np.nan)
        for column, (r, k) in enumerate(self.members):
            rows = self.folds[r] == k
            picked[r, rows] = scores[rows, column]
        return picked


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """Outcome of training.

    ``held_out_scores`` maps rows like the training rows (n, n_inputs) to raw held-out scores
    (repeats, n). ``parts`` is what the bundle stores: a Keras model, or a dictionary of scikit-learn
    objects; ``n_refits`` the number of refit scores the shipped model gives.
    """

    held_out_scores: Callable[[np.ndarray], np.ndarray]
    parts: Any
    n_refits: int
    n_parameters: int


def learn(recipe: Recipe, rows: LearningRows) -> Learnt:
    """Train a recipe on the rows."""
    if isinstance(recipe, KerasRecipe):
        return _learn_keras(recipe, rows)
    learners: dict[type, Callable[[Any, LearningRows], Learnt]] = {
        classical.LogisticPlan: _learn_logistic,
        classical.KernelPlan: _learn_kernel,
        classical.ForestPlan: _learn_forest,
    }
    return learners[type(recipe.plan)](recipe.plan, rows)


def _learn_keras(recipe: KerasRecipe, rows: LearningRows) -> Learnt:
    n_members = len(rows.members)
    stack: TrainedStack = train_stack(
        recipe.network,
        recipe.schedule,
        rows.encoding,
        rows.X,
        rows.target,
        np.vstack([rows.member_weights(), rows.refit_weights()]),
        mask_rates=rows.mask_rates,
        seed=rows.seed,
    )
    shipped = np.array([i for i, (r, _) in enumerate(rows.members) if r == 0])
    refits = np.arange(n_members, n_members + len(rows.refit_counts))
    model = release(stack, shipped, refits)
    return Learnt(
        held_out_scores=lambda X: rows.held_out(stack.scores(X)[:, :n_members]),
        parts=model,
        n_refits=len(refits),
        n_parameters=int(model.count_params()),
    )


class _Masked:
    """Encoded training rows with copies on which maskable fields are hidden."""

    def __init__(self, rows: LearningRows, blank: float) -> None:
        X, self.source = classical.hide_fields(rows.X, rows.mask_rates, np.random.default_rng(rows.seed))
        self.Z = rows.encoding.encode(X, blank=blank)
        self.target = rows.target[self.source]
        self.copies = len(X) // len(rows.X)

    def weight(self, weight: np.ndarray) -> np.ndarray:
        """Spread row weights over the copies."""
        return np.asarray(weight[self.source] / self.copies)


def _learn_logistic(plan: classical.LogisticPlan, rows: LearningRows) -> Learnt:
    data = _Masked(rows, np.nan)

    def fit(weight: np.ndarray) -> Any:
        return classical.fit_logistic(data.Z, data.target, data.weight(weight), plan)

    members = [fit(weight) for weight in rows.member_weights()]
    refits = [fit(weight) for weight in rows.refit_weights()]
    shipped = [member for member, (r, _) in zip(members, rows.members, strict=True) if r == 0]

    def held_out(X: np.ndarray) -> np.ndarray:
        Z = rows.encoding.encode(X, blank=np.nan)
        columns = [model.decision_function(classical.standardise(scaler, Z)) for scaler, model in members]
        return rows.held_out(np.column_stack(columns))

    return Learnt(
        held_out_scores=held_out,
        parts={"main": [list(pair) for pair in shipped], "refits": [list(pair) for pair in refits]},
        n_refits=len(refits),
        n_parameters=len(shipped) * (data.Z.shape[1] + 1),
    )


def _learn_kernel(plan: classical.KernelPlan, rows: LearningRows) -> Learnt:
    data = _Masked(rows, np.nan)

    def fit(weight: np.ndarray, seed: int) -> tuple[Any, Any, Any]:
        spread = data.weight(weight)
        scaler, mapping = classical.fit_kernel_map(data.Z, spread, data.source, plan, seed)
        features = mapping.transform(classical.standardise(scaler, data.Z))
        return scaler, mapping, classical.fit_kernel_machine(features, data.target, spread, plan)

    members = [fit(weight, rows.seed + i) for i, weight in enumerate(rows.member_weights())]
    scaler, mapping, main = fit(rows.weight, rows.seed)
    features = mapping.transform(classical.standardise(scaler, data.Z))
    refits = [
        classical.fit_kernel_machine(features, data.target, data.weight(weight), plan)
        for weight in rows.refit_weights()
    ]

    def held_out(X: np.ndarray) -> np.ndarray:
        Z = rows.encoding.encode(X, blank=np.nan)
        columns = [
            machine.decision_function(mapped.transform(classical.standardise(scale, Z)))
            for scale, mapped, machine in members
        ]
        return rows.held_out(np.column_stack(columns))

    return Learnt(
        held_out_scores=held_out,
        parts={"scaler": scaler, "map": mapping, "main": [main], "refits": refits},
        n_refits=len(refits),
        n_parameters=int(mapping.components_.size + main.coef_.size + 1),
    )


def _learn_forest(plan: classical.ForestPlan, rows: LearningRows) -> Learnt:
    rng = np.random.default_rng(rows.seed)
    gaps = np.array([item.gap for item in rows.encoding.fields])
    data = _Masked(replace(rows, X=classical.draw_blanks(rows.X, gaps, rng)), np.nan)

    def grow(weight: np.ndarray) -> tuple[np.ndarray, Any]:
        spread = data.weight(weight)
        fill = classical.find_fill(data.Z, spread)
        Z = classical.fill_blanks(data.Z, fill)
        return fill, classical.fit_forest(Z, data.target, spread, data.source, plan, rng)

    members = [grow(weight) for weight in rows.member_weights()]
    fill, forest = grow(rows.weight)

    def held_out(X: np.ndarray) -> np.ndarray:
        Z = rows.encoding.encode(X, blank=np.nan)
        columns = [_mean_of_trees(member, classical.fill_blanks(Z, own)) for own, member in members]
        p = np.clip(np.column_stack(columns), 1e-4, 1.0 - 1e-4)
        return rows.held_out(np.log(p / (1.0 - p)))

    return Learnt(
        held_out_scores=held_out,
        parts={"forest": forest, "trees_per_bag": plan.trees_per_bag, "fill": fill},
        n_refits=plan.bags,
        n_parameters=sum(tree.tree_.node_count for tree in forest.estimators_),
    )


def _mean_of_trees(forest: Any, Z: np.ndarray) -> np.ndarray:
    rows = Z.astype(np.float32)
    return np.asarray(np.mean([tree.tree_.predict(rows)[:, -1] for tree in forest.estimators_], axis=0))
