"""Real bundles of every kind, trained in seconds on invented patients by the code that trains the shipped ones."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medcore.conditions.catalog import find_condition
from medcore.datasets.table import Provenance, TrainingTable
from medcore.records import FieldKind

RECIPES = ("logistic", "forest", "svm", "mlp", "attention")
CONDITION = "diabetes"
SECOND = "heart_disease"
N_ROWS = 320
N_BAGS = 12


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A folder of bundles, and the invented tables they were trained on."""

    folder: Path
    tables: dict

    def copy(self, target, *ids):
        """Copy some bundles (default all) and the defaults to a folder that a test may spoil."""
        target.mkdir(parents=True, exist_ok=True)
        for source in self.folder.iterdir():
            if source.is_dir() and (not ids or source.name in ids):
                shutil.copytree(source, target / source.name)
        shutil.copy(self.folder / "defaults.json", target)
        return target


def make_table(condition_id=CONDITION, *, n=N_ROWS, seed=11):
    """Invent a study: plausible values, one in twelve blank, an outcome that depends on three fields."""
    condition = find_condition(condition_id)
    rng = np.random.default_rng(seed)
    inputs = condition.schema.inputs
    columns = {item.name: _draw(item, rng, n) for item in inputs}
    if {"bmi_kg_m2", "height_cm"} <= columns.keys():
        columns["bmi_kg_m2"] = np.round(rng.normal(28.0, 4.5, n).clip(17, 50), 1)
    X = np.column_stack([columns[item.name] for item in inputs])
    numbers = [j for j, item in enumerate(inputs) if item.kind is FieldKind.NUMBER]
    Z = (X[:, numbers] - X[:, numbers].mean(axis=0)) / X[:, numbers].std(axis=0)
    logit = -0.4 + 1.1 * Z[:, 0] + 0.8 * Z[:, 2] - 0.6 * Z[:, 1] * Z[:, 3]
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-logit))).astype(np.int64)
    blank = rng.random(X.shape) < 1 / 12
    blank[:, [j for j, item in enumerate(inputs) if item.required]] = False
    X[blank] = np.nan
    sex = np.where(X[:, condition.schema.input_names.index("sex")] == 1, "male", "female")
    return TrainingTable(
        field_names=condition.schema.input_names,
        X=X,
        y=y,
        eligible=np.arange(n) % 16 != 0,
        provenance=Provenance(name="Invented", origin="Drawn by the tests", licence="Apache-2.0", doi="none"),
        groups={"sex": sex},
        secondary={"another_outcome": np.where(np.arange(n) % 5 == 0, -1, y)},
    )


def make_recipes():
    """Recipes as small as they can be while every part of them is used."""
    from medcore.models.classical import ForestPlan, KernelPlan, LogisticPlan
    from medcore.models.learners import ClassicalRecipe, KerasRecipe
    from medcore.models.stacks import NetworkPlan, SchedulePlan

    schedule = SchedulePlan(epochs=6, batch_size=64, learning_rate=2e-2, weight_decay=0.1)
    return {
        "logistic": ClassicalRecipe(plan=LogisticPlan(inverse_penalty=0.3), repeats=2, splines=True),
        "forest": ClassicalRecipe(plan=ForestPlan(bags=N_BAGS, trees_per_bag=3, most_leaves=12), repeats=1),
        "svm": ClassicalRecipe(plan=KernelPlan(gamma=0.3, inverse_penalty=0.3, centers=24), repeats=1),
        "mlp": KerasRecipe(
            network=NetworkPlan(kind="mlp", hidden=(6, 4), dropout=0.1),
            schedule=schedule,
            repeats=1,
            splines=True,
        ),
        "attention": KerasRecipe(
            network=NetworkPlan(kind="attention", width=4, heads=2, dropout=0.1), schedule=schedule, repeats=1
        ),
    }


def train_small(models_dir, condition_id, names, *, table=None):
    """Train some recipes on invented patients with the real training service; returns the table."""
    import pytest

    from medcore.models import coverage, recipes
    from medcore.services.training import training

    table = table or make_table(condition_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage, "COVERAGE_PATH", Path(models_dir).parent / "coverage.json")
        patch.setattr(recipes, "RECIPES", {condition_id: make_recipes()})
        patch.setattr(training, "_N_RESAMPLES", 200)
        for name in names:
            found = coverage.Coverage(width=1.2, coverage_plain=0.85, coverage=0.9, n_studies=2, n_points=10)
            coverage.record_coverage(condition_id, name, found)
            training.train_recipe(
                find_condition(condition_id), table, name, models_dir=Path(models_dir), seed=3, progress=_be_quiet
            )
        training.choose_defaults(Path(models_dir))
    return table


def build_shelf(folder):
    """Train every kind for one condition and a second condition's logistic; returns the shelf."""
    models_dir = folder / "models"
    models_dir.mkdir(parents=True)
    tables = {CONDITION: train_small(models_dir, CONDITION, RECIPES)}
    tables[SECOND] = train_small(models_dir, SECOND, ("logistic",))
    return Shelf(folder=models_dir, tables=tables)


def open_shelf(folder):
    """The shelf that another process has built."""
    return Shelf(folder=folder / "models", tables={name: make_table(name) for name in (CONDITION, SECOND)})


def reseal(folder, **changes):
    """Write the manifest anew with the hashes of the files as they are now: an altered bundle that looks released."""
    import hashlib
    import json

    path = folder / "manifest.json"
    raw = json.loads(path.read_text("utf-8")) | changes
    raw["files"] = {
        item.name: hashlib.sha256(item.read_bytes()).hexdigest() for item in folder.iterdir() if item != path
    }
    path.write_text(json.dumps(raw), encoding="utf-8")


def without_outcome(table, row):
    """The same table with one outcome turned round."""
    y = table.y.copy()
    y[row] = 1 - y[row]
    return replace(table, y=y)


def _draw(item, rng, n):
    if item.kind is FieldKind.CHOICE:
        codes = [choice.code for choice in item.choices]
        share = np.linspace(2.0, 1.0, len(codes))
        return rng.choice(codes, size=n, p=share / share.sum()).astype(float)
    lo, hi = item.possible or (0.0, 1.0)
    usual_lo, usual_hi = item.usual or (None, None)
    if usual_lo is None and usual_hi is None:
        middle, spread = (lo + hi) / 2, (hi - lo) / 10
    else:
        low = usual_lo if usual_lo is not None else 0.7 * usual_hi
        high = usual_hi if usual_hi is not None else 1.5 * usual_lo
        middle, spread = (low + high) / 2, max((high - low) / 3, 1e-3)
    return np.round(rng.normal(middle, spread, n).clip(lo, hi), max(item.decimals, 1))


def _be_quiet(_text):
    return None
