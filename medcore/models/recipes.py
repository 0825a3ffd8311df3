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

RECIPES: Mapping[str, Mapping[str, Recipe]] = {}
"""Condition -> recipe -> what replaces the default."""


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
