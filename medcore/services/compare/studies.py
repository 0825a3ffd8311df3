"""Studies beside the bundles: what blanks go with, a group a recipe never saw, fewer patients, and who was studied.

They need the training rows, so they are made once (``medcore study CONDITION``) and kept as counts and figures in
``study-<condition>.json`` in the folder of the models. No row is kept; cells of fewer than ten people are left out.
A figure about blanks belongs to one bundle (its hash stands beside it); the other two belong to a recipe: it is
trained anew, without the group or on a part of the patients, and judged on patients it never saw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.datasets.table import shuffle_rows
from medcore.errors import InputError, IntegrityError
from medcore.evaluation.board import board
from medcore.evaluation.drift import FieldSummary, summarise_field
from medcore.evaluation.subgroups import MIN_EVENTS
from medcore.records import Field, FieldKind
from medcore.registry import Catalog
from medcore.results import MetricValue

if TYPE_CHECKING:
    from medcore.datasets.table import TrainingTable

__all__ = [
    "LEFT_OUT",
    "STUDIED_RECIPES",
    "Blanks",
    "FieldShape",
    "GroupFigures",
    "LearningPoint",
    "LeftOut",
    "Study",
    "describe_fields",
    "find_study",
    "measure_blanks",
    "run_study",
    "study_groups",
    "study_size",
]

LEFT_OUT: Mapping[str, str] = {"heart_disease": "site", "mortality_180d": "disease_group"}
"""Condition -> the groups that are left out of training one by one."""

STUDIED_RECIPES = ("logistic", "forest", "mlp")
"""Recipes that are trained anew; the others take too long for what they would add."""

_LEAST_CELL = 10
_MOST_POINTS = 101
_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
_DRAWS_SEED = 11

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """Figures of one group of patients; ``metrics`` is empty below 20 events or non-events."""

    label: str
    n: int
    n_events: int
    metrics: Mapping[str, MetricValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanks:
    """What blanks go with, for one bundle: by how many fields are blank, and per field where it is (not) blank."""

    model_id: str
    sha256: str
    by_count: tuple[GroupFigures, ...]
    by_field: Mapping[str, tuple[GroupFigures, GroupFigures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A recipe trained without one group after another, judged on the group that was left out."""

    recipe: str
    attribute: str
    groups: tuple[GroupFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPoint:
    """A recipe trained on ``n_train`` patients, ``n_events`` of them with the outcome, judged on held-out ones."""

    recipe: str
    n_train: int
    n_events: int
    metrics: Mapping[str, MetricValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """How one field was distributed among the patients studied, without their ten lowest and ten highest values.

    ``values`` rise and ``shares`` are the part of known values at or below each; for a choice, codes and their shares.
    """

    field: str
    n: int
    n_blank: int
    values: tuple[float, ...]
    shares: tuple[float, ...]
    is_choice: bool

    def summary(self) -> FieldSummary:
        """Return it as :func:`medcore.evaluation.drift.field_drift` takes it."""
        values = np.array(self.values)
        return FieldSummary(
            field=self.field,
            n=self.n,
            n_blank=self.n_blank,
            values=np.array([f"{value:g}" for value in self.values]) if self.is_choice else values,
            shares=np.array(self.shares),
            is_choice=self.is_choice,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All studies of one condition; ``data`` holds the hashes of the files they were made from."""

    condition: str
    data: Mapping[str, str]
    blanks: tuple[Blanks, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    learning: tuple[LearningPoint, ...] = ()
    fields: tuple[FieldShape, ...] = ()


_STUDY: TypeAdapter[Study] = TypeAdapter(Study)


def find_study(models_dir: Path, condition_id: str) -> Study | None:
    """Return the studies of a condition, None where none were made.

    Raises
    ------
    IntegrityError
        The file is there and cannot be read.
    """
    path = _path(models_dir, condition_id)
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        return _STUDY.validate_python(_with_nan(raw))
    except (ValueError, ValidationError) as error:
        raise IntegrityError(f"{path.name} cannot be read: make it anew with medcore study {condition_id}") from error


def run_study(
    condition_id: str,
    *,
    recipes: Sequence[str],
    data_dir: Path,
    models_dir: Path,
    seed: int = 0,
    progress: Progress,
) -> Study:
    """Make all studies of a condition and write them beside its bundles; studies of other recipes are kept.

    Raises
    ------
    UnknownNameError
        No such condition or recipe.
    TableError
        The data set is absent or altered.
    """
    condition = find_condition(condition_id)
    table = condition.load_training(data_dir)
    before = find_study(models_dir, condition_id)
    study = before or Study(condition=condition_id, data={})
    study = replace(study, data=dict(table.provenance.sha256), fields=describe_fields(condition, table))
    for name in recipes:
        study = _add_recipe(study, condition, table, name, seed, progress)
        _write(models_dir, study)
    catalog = Catalog(models_dir)
    found = tuple(measure_blanks(catalog, condition, table, item.model_id) for item in catalog.models(condition_id))
    study = replace(study, blanks=found)
    _write(models_dir, study)
    progress(f"{condition_id}: blanks of {len(found)} models")
    return study


def measure_blanks(catalog: Catalog, condition: Condition, table: TrainingTable, model_id: str) -> Blanks:
    """Measure a bundle's held-out predictions by which fields were blank.

    Raises
    ------
    InputError
        The bundle was trained on other rows.
    """
    bundle = catalog.bundle(model_id)
    arrays = bundle.read_arrays("evaluation.npz")
    order = shuffle_rows(condition.id, np.flatnonzero(table.eligible))
    y, p = np.asarray(arrays["y"]), np.asarray(arrays["p"], dtype=np.float64)
    if not np.array_equal(table.y[order], y):
        raise InputError(f"{model_id} was trained on other rows than these: train it again", field="data")
    blank = np.isnan(table.X[order])
    fields = {}
    for j, name in enumerate(condition.schema.input_names):
        column = blank[:, j]
        if min(int(column.sum()), int((~column).sum())) >= _LEAST_CELL:
            fields[name] = (_figures("blank", y[column], p[column]), _figures("known", y[~column], p[~column]))
    count = blank.sum(axis=1)
    groups = _band_counts(count)
    return Blanks(
        model_id=model_id,
        sha256=bundle.sha256,
        by_count=tuple(_figures(label, y[rows], p[rows]) for label, rows in groups if rows.sum() >= _LEAST_CELL),
        by_field=fields,
    )


def describe_fields(condition: Condition, table: TrainingTable) -> tuple[FieldShape, ...]:
    """Describe the fields of the patients studied so that no patient can be told: steps of ten people or more."""
    X = table.X[table.eligible]
    return tuple(_describe(item, X[:, j]) for j, item in enumerate(condition.schema.inputs))


def study_groups(condition: Condition, table: TrainingTable, recipe: str, attribute: str, *, seed: int = 0) -> LeftOut:
    """Train a recipe without one group after another and judge it on the group left out, calibration included.

    References
    ----------
    Internal-external validation: Steyerberg EW, Harrell FE. J Clin Epidemiol 2016;69:245-247.
    doi:10.1016/j.jclinepi.2015.04.005
    """
    labels, fold = np.unique(table.groups[attribute].astype(str), return_inverse=True)
    p = _held_out(condition, table, recipe, fold.reshape(1, -1), np.ones(len(table.y)), seed)
    asked = table.eligible
    groups = []
    for k, label in enumerate(labels):
        rows = asked & (fold == k)
        if rows.sum() >= _LEAST_CELL:
            groups.append(_figures(str(label), table.y[rows], p[rows]))
    return LeftOut(recipe=recipe, attribute=attribute, groups=tuple(groups))


def study_size(
    condition: Condition,
    table: TrainingTable,
    recipe: str,
    *,
    seed: int = 0,
    shares: Sequence[float] = _SHARES,
    progress: Progress = lambda _: None,
) -> tuple[LearningPoint, ...]:
    """Train a recipe on growing parts of the patients and judge it on held-out ones, always the same.

    The parts are nested: every patient of a smaller one is in the larger ones.
    """
    from medcore.models.recipes import find_recipe
    from medcore.services.training.training import N_FOLDS, make_rows

    folds = make_rows(condition, table, find_recipe(condition.id, recipe), seed, n_refits=1).folds[:1]
    place = np.random.default_rng(_DRAWS_SEED).random(len(table.y))
    asked, points = table.eligible, []
    for share in shares:
        drawn = (place < share).astype(np.float64)
        p = _held_out(condition, table, recipe, folds, drawn, seed)
        used = asked & (drawn > 0)
        part = (N_FOLDS - 1) / N_FOLDS
        points.append(
            LearningPoint(
                recipe=recipe,
                n_train=round(part * int(used.sum())),
                n_events=round(part * int(table.y[used].sum())),
                metrics=_round(board(table.y[asked], p[asked])),
            )
        )
        progress(
            f"{condition.id} {recipe}: {points[-1].n_train} patients, AUROC {points[-1].metrics['auroc'].value:.4f}"
        )
    return tuple(points)


def _add_recipe(
    study: Study, condition: Condition, table: TrainingTable, recipe: str, seed: int, progress: Progress
) -> Study:
    points = study_size(condition, table, recipe, seed=seed, progress=progress)
    learning = tuple(item for item in study.learning if item.recipe != recipe) + points
    left_out = tuple(item for item in study.left_out if item.recipe != recipe)
    attribute = LEFT_OUT.get(condition.id)
    if attribute is not None:
        left_out += (study_groups(condition, table, recipe, attribute, seed=seed),)
        progress(f"{condition.id} {recipe}: trained without each {attribute} in turn")
    return replace(study, learning=learning, left_out=left_out)


def _held_out(
    condition: Condition, table: TrainingTable, recipe_name: str, folds: np.ndarray, drawn: np.ndarray, seed: int
) -> np.ndarray:
    """Return cross-fitted probabilities (n,) where only ``drawn`` rows (1 or 0) train and teach calibration."""
    from medcore.models.calibration import cross_fit
    from medcore.models.recipes import find_recipe
    from medcore.services.training.training import learn_parts, make_rows, teaching_scores

    recipe = find_recipe(condition.id, recipe_name)
    rows = make_rows(condition, table, recipe, seed, n_refits=1)
    rows = replace(rows, folds=folds, weight=rows.weight * drawn)
    learnt, _ = learn_parts(recipe, recipe_name, rows)
    versions = teaching_scores(learnt, table, rows)
    weight = table.eligible * drawn
    return cross_fit(versions[:, 0], table.y, folds[0], versions[0, 0], weight)


def _describe(item: Field, column: np.ndarray) -> FieldShape:
    known = np.sort(column[~np.isnan(column)])
    is_choice = item.kind is not FieldKind.NUMBER
    if not is_choice and len(known) > 2 * _LEAST_CELL:
        known = np.clip(known, known[_LEAST_CELL - 1], known[-_LEAST_CELL])
    points = max(2, min(_MOST_POINTS, len(known) // _LEAST_CELL))
    found = summarise_field(item.name, known, is_choice=is_choice, most_points=points)
    kept = found.shares * len(known) >= _LEAST_CELL if is_choice else np.ones(len(found.shares), dtype=bool)
    return FieldShape(
        field=item.name,
        n=len(column),
        n_blank=len(column) - len(known),
        values=tuple(round(float(value), 6) for value in found.values[kept]),
        shares=tuple(round(float(share), 5) for share in found.shares[kept]),
        is_choice=is_choice,
    )


def _band_counts(count: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Divide rows by how many fields are blank: 0, 1-2, 3-5, 6-9, 10 and more."""
    edges = ((0, 0, "none"), (1, 2, "1-2"), (3, 5, "3-5"), (6, 9, "6-9"), (10, 10**6, "10 or more"))
    return [(label, (count >= low) & (count <= high)) for low, high, label in edges]


def _figures(label: str, y: np.ndarray, p: np.ndarray) -> GroupFigures:
    n_events = int(y.sum())
    enough = min(n_events, len(y) - n_events) >= MIN_EVENTS
    return GroupFigures(label=label, n=len(y), n_events=n_events, metrics=_round(board(y, p)) if enough else {})


def _round(metrics: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
    return {
        name: MetricValue(value=round(item.value, 5), lo=round(item.lo, 5), hi=round(item.hi, 5))
        for name, item in metrics.items()
    }


def _path(models_dir: Path, condition_id: str) -> Path:
    return models_dir / f"study-{find_condition(condition_id).id}.json"


def _write(models_dir: Path, study: Study) -> None:
    text = json.dumps(_without_nan(asdict(study)), indent=1, sort_keys=True, allow_nan=False) + "\n"
    _path(models_dir, study.condition).write_text(text, encoding="utf-8")


def _without_nan(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {name: _without_nan(value) for name, value in item.items()}
    if isinstance(item, list | tuple):
        return [_without_nan(value) for value in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item


def _with_nan(item: Any) -> Any:
    """Put NaN back where a figure has no value."""
    if isinstance(item, dict):
        return {name: math.nan if value is None else _with_nan(value) for name, value in item.items()}
    return [_with_nan(value) for value in item] if isinstance(item, list) else item


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
