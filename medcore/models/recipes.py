"""Which recipes there are, and the figures each uses: defaults, and what a condition changes."""

from __future__ import annotations

from collections.abc import Mapping

from medcore.errors import UnknownNameError
from medcore.models.classical import ForestPlan, KernelPlan, LogisticPlan
from medcore.models.learners import ClassicalRecipe, KerasRecipe, Recipe
from medcore.models.stacks import NetworkPlan, SchedulePlan

__all__ = ["RECIPES", "SIMPLEST_FIRST", "TITLES", "find_recipe"]

SIMPLEST_FIRST = ("logistic", "forest", "svm", "mlp", "attention")
"""Recipe names, simplest to explain first: the order in which ties are broken."""

TITLES: Mapping[str, str] = {
    "logistic": "Logistic regression",
    "forest": "Random forest",
    "svm": "Support vector machine (RBF)",
    "mlp": "Neural network (MLP, Keras)",
    "attention": "Self-attention network (Keras)",
}

_DEFAULTS: Mapping[str, Recipe] = {
    "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=0.1), splines=True),
    "forest": ClassicalRecipe(plan=ForestPlan()),
    "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.3, inverse_penalty=0.1)),
    "mlp": KerasRecipe(
        network=NetworkPlan(kind="mlp"),
        schedule=SchedulePlan(epochs=40, batch_size=64, learning_rate=3e-3, weight_decay=0.3),
    ),
    "attention": KerasRecipe(
        network=NetworkPlan(kind="attention"),
        schedule=SchedulePlan(epochs=40, batch_size=64, learning_rate=3e-3, weight_decay=0.5),
        repeats=1,
    ),
}

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "breast_cancer": {
        "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=1.0)),
        "forest": ClassicalRecipe(plan=ForestPlan(least_leaf=1, features=0.2, most_leaves=60)),
        "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.3, inverse_penalty=0.5)),
        "mlp": KerasRecipe(
            network=NetworkPlan(kind="mlp", hidden=(32,), dropout=0.3),
            schedule=SchedulePlan(epochs=150, batch_size=64, learning_rate=2e-3, weight_decay=0.3, smoothing=0.02),
        ),
        "attention": KerasRecipe(
            network=NetworkPlan(kind="attention", width=8, dropout=0.3),
            schedule=SchedulePlan(epochs=60, batch_size=64, learning_rate=3e-3, weight_decay=1.0, smoothing=0.02),
            repeats=1,
        ),
    },
    "heart_disease": {
        "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=0.1)),
        "forest": ClassicalRecipe(plan=ForestPlan(least_leaf=4, most_leaves=60)),
        "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.1, inverse_penalty=0.3)),
        "mlp": KerasRecipe(
            network=NetworkPlan(kind="mlp", hidden=(32, 16), dropout=0.3),
            schedule=SchedulePlan(epochs=60, batch_size=64, learning_rate=3e-3, weight_decay=0.3),
        ),
        "attention": KerasRecipe(
            network=NetworkPlan(kind="attention", width=16, dropout=0.3),
            schedule=SchedulePlan(epochs=40, batch_size=64, learning_rate=1e-3, weight_decay=0.5),
            repeats=1,
        ),
    },
    "diabetes": {
        "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=0.1), splines=True),
        "forest": ClassicalRecipe(plan=ForestPlan(least_leaf=10, features=0.3, most_leaves=80), repeats=2),
        "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.2, inverse_penalty=0.3), repeats=2),
        "mlp": KerasRecipe(
            network=NetworkPlan(kind="mlp", hidden=(32, 16), dropout=0.2),
            schedule=SchedulePlan(epochs=30, batch_size=128, learning_rate=3e-3, weight_decay=0.3),
            splines=True,
        ),
        "attention": KerasRecipe(
            network=NetworkPlan(kind="attention", width=16, dropout=0.1),
            schedule=SchedulePlan(epochs=12, batch_size=128, learning_rate=5e-3, weight_decay=0.1),
            repeats=5,
        ),
    },
    "mortality_180d": {
        "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=0.1), splines=True),
        "forest": ClassicalRecipe(plan=ForestPlan(least_leaf=8, features=0.3, most_leaves=100), repeats=1),
        "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.2, inverse_penalty=0.3), repeats=1),
        "mlp": KerasRecipe(
            network=NetworkPlan(kind="mlp", hidden=(32,), dropout=0.3),
            schedule=SchedulePlan(epochs=30, batch_size=128, learning_rate=3e-3, weight_decay=0.1),
            splines=True,
        ),
        "attention": KerasRecipe(
            network=NetworkPlan(kind="attention", width=16, dropout=0.1),
            schedule=SchedulePlan(
                epochs=12, batch_size=128, learning_rate=5e-3, weight_decay=0.02, mask_all_share=0.15
            ),
            repeats=1,
        ),
    },
}
"""Condition -> recipe -> what replaces the default; chosen by cross-validation on the same folds."""


def find_recipe(condition: str, name: str) -> Recipe:
    """Return the recipe of a condition.

    Raises
    ------
    UnknownNameError
        There is no recipe of that name.
    """
    if name not in _DEFAULTS:
        known = ", ".join(SIMPLEST_FIRST)
        raise UnknownNameError(f"there is no recipe {name!r}. Recipes: {known}.", field="model", value=name)
    return RECIPES.get(condition, {}).get(name, _DEFAULTS[name])
