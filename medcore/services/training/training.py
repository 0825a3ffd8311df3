"""Training a bundle: rows, members, calibration, evaluation, reference data, card, manifest.

Every figure a bundle reports comes from rows its members and its calibrator never saw.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import platform
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.model_selection import StratifiedKFold

from medcore import __version__
from medcore.conditions.catalog import find_condition, kind_of
from medcore.conditions.condition import Condition
from medcore.datasets.table import TrainingTable, shuffle_rows
from medcore.encoding import Encoding
from medcore.evaluation.calibration import brier
from medcore.evaluation.comparison import compare_auroc
from medcore.evaluation.discrimination import auroc
from medcore.evaluation.scoreboard import evaluate
from medcore.explain.background import make_background
from medcore.inference.applicability import fit_applicability
from medcore.inference.calibrator import Calibrator
from medcore.inference.film_model import FILM_KIND
from medcore.inference.scores import ForestScores, KerasScores, KernelScores, LinearScores, Scores
from medcore.models.calibration import cross_fit, fit_pooled
from medcore.models.cohort import draw_cohort
from medcore.models.coverage import Coverage, find_coverage
from medcore.models.film_recipes import FILM_SIMPLEST_FIRST
from medcore.models.learners import KerasRecipe, LearningRows, Learnt, Recipe, learn
from medcore.models.recipes import SIMPLEST_FIRST, TITLES, find_recipe
from medcore.registry.bundle import SealedBundle, open_bundle, pack_arrays, write_bundle
from medcore.registry.catalog import DEFAULTS_NAME
from medcore.registry.manifest import FORMAT, Manifest, describe_field
from medcore.results import MetricValue
from medcore.services.card import CardFigures, write_card
from medcore.services.training.film_training import train_films

__all__ = ["N_REFITS", "choose_defaults", "train", "train_recipe"]

N_REFITS = 50
N_FOLDS = 10
COHORT_SIZE = 500
MARGIN_AUROC = 0.02
_FOLD_SEED = 7
_LEAST_CELL = 10
_N_RESAMPLES = 2000
_N_GOLDEN = 6
_BALANCED = (0.3, 0.7)
_OUTER_PARTS = 5

Progress = Callable[[str], None]


def say(message: str) -> None:
    """Report progress on standard error, at once."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - a command's progress line


def train(
    condition_id: str,
    *,
    recipe: str | None = None,
    data_dir: Path,
    seed: int = 0,
    models_dir: Path,
    progress: Progress = say,
    checkpoints: Path | None = None,
) -> tuple[SealedBundle, ...]:
    """Train one recipe or all recipes of a condition, then choose the defaults anew.

    ``checkpoints`` is the folder where film recipes keep their state after every epoch, to go on from.

    Raises
    ------
    UnknownNameError
        No such condition or recipe.
    TableError
        The data set is absent or altered.
    """
    if kind_of(condition_id) == "image":
        bundles = train_films(
            condition_id,
            recipe=recipe,
            data_dir=data_dir,
            seed=seed,
            models_dir=models_dir,
            progress=progress,
            checkpoints=checkpoints,
        )
        choose_defaults(models_dir)
        return bundles
    names = (recipe,) if recipe else SIMPLEST_FIRST
    condition = find_condition(condition_id)
    for name in names:
        find_recipe(condition.id, name)
    table = condition.load_training(data_dir)
    models_dir.mkdir(parents=True, exist_ok=True)
    bundles = tuple(
        train_recipe(condition, table, name, models_dir=models_dir, seed=seed, progress=progress) for name in names
    )
    choose_defaults(models_dir)
    return bundles


def train_recipe(
    condition: Condition,
    table: TrainingTable,
    recipe_name: str,
    *,
    models_dir: Path,
    seed: int,
    progress: Progress,
) -> SealedBundle:
    """Train one recipe and write its bundle."""
    started = time.perf_counter()
    recipe = find_recipe(condition.id, recipe_name)
    rows = make_rows(condition, table, recipe, seed)
    coverage = find_coverage(condition.id, recipe_name)
    learnt, scores = learn_parts(recipe, recipe_name, rows)
    versions = teaching_scores(learnt, table, rows)
    calibrator = calibrate(versions, table, rows, learnt.n_refits, coverage.width)
    seconds = time.perf_counter() - started
    progress(f"{condition.id} {recipe_name}: members trained in {seconds:.0f} s")
    contents, figures = _contents(condition, table, rows, recipe_name, learnt, versions, scores, calibrator, coverage)
    manifest = _manifest(condition, table, recipe_name, rows.encoding, figures, seed, seconds, learnt.n_parameters)
    contents["card.md"] = write_card(condition, table, manifest, recipe, figures).encode()
    bundle = write_bundle(models_dir / manifest.id, manifest, contents)
    progress(f"{manifest.id}: {_headline(figures.metrics)}, {sum(map(len, contents.values())) / 1e6:.1f} MB")
    return bundle


def make_rows(
    condition: Condition,
    table: TrainingTable,
    recipe: Recipe,
    seed: int,
    *,
    n_refits: int = N_REFITS,
    n_folds: int = N_FOLDS,
) -> LearningRows:
    """Return what a learner needs: folds fixed per condition, bootstrap counts fixed per seed."""
    n = len(table.y)
    strata = table.y if table.strata is None else table.strata
    folds = np.empty((recipe.repeats, n), dtype=np.int64)
    for repeat in range(recipe.repeats):
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=_FOLD_SEED + repeat)
        for k, (_, held_out) in enumerate(splitter.split(table.X, strata)):
            folds[repeat, held_out] = k
    rng = np.random.default_rng(seed)
    mask_rates = np.array([item.mask_rate for item in condition.schema.inputs])
    blank_share = np.maximum(np.isnan(table.X[table.eligible]).mean(axis=0), mask_rates)
    return LearningRows(
        encoding=Encoding.of(condition.schema, splines=recipe.splines, blank_share=blank_share),
        X=table.X,
        target=table.y.astype(np.float64) if table.target is None else table.target,
        weight=np.ones(n) if table.weight is None else table.weight,
        folds=folds,
        refit_counts=rng.multinomial(n, np.full(n, 1.0 / n), size=n_refits).astype(np.float64),
        mask_rates=mask_rates,
        seed=seed,
    )


def learn_parts(recipe: Recipe, recipe_name: str, rows: LearningRows) -> tuple[Learnt, Scores]:
    """Train a recipe and wrap its parts as they will be wrapped when loaded from the bundle."""
    learnt = learn(recipe, rows)
    if isinstance(recipe, KerasRecipe):
        return learnt, KerasScores(learnt.parts)
    if recipe_name == "logistic":
        return learnt, LinearScores(learnt.parts, rows.encoding)
    if recipe_name == "svm":
        return learnt, KernelScores(learnt.parts, rows.encoding)
    return learnt, ForestScores(learnt.parts, rows.encoding)


def teaching_scores(learnt: Learnt, table: TrainingTable, rows: LearningRows) -> np.ndarray:
    """Return the held-out scores that teach calibration, shape (versions, repeats, n).

    The rows as they are and, where fields are hidden at random in training, with all of those hidden: the
    line has to serve the doctor who has these tests and the one who has not.
    """
    versions = [learnt.held_out_scores(table.X)]
    if (rows.mask_rates > 0).any():
        hidden = table.X.copy()
        hidden[:, rows.mask_rates > 0] = np.nan
        versions.append(learnt.held_out_scores(hidden))
    return np.array(versions)


def judge(table: TrainingTable, rows: LearningRows, versions: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return cross-fitted probabilities (n,) of held-out scores (repeats, n), averaged over repeats."""
    weight = table.eligible.astype(np.float64)
    repeats = [cross_fit(versions[:, r], table.y, fold, score[r], weight) for r, fold in enumerate(rows.folds)]
    return np.asarray(np.mean(repeats, axis=0))


def calibrate(
    versions: np.ndarray, table: TrainingTable, rows: LearningRows, n_refits: int, width: float
) -> Calibrator:
    """Fit the shipped calibrator on held-out scores, and one line per refit on its bootstrap of them."""
    asked = table.eligible
    score, y = versions.mean(axis=1)[:, asked], table.y[asked]
    lines = [fit_pooled(score, y, rows.refit_counts[i % len(rows.refit_counts), asked]) for i in range(n_refits)]
    return Calibrator(main=fit_pooled(score, y), refits=tuple(lines), width=width)


def choose_defaults(models_dir: Path) -> dict[str, dict[str, Any]]:
    """Choose the default model of each condition and write ``defaults.json``.

    Lowest Brier score among the models shown to be non-inferior in AUROC to the best one (lower bound of
    the paired bootstrap difference above -0.02); the simplest where Brier scores agree to four decimals.
    Tabular models are compared on held-out predictions, film models on validation films.
    """
    shelf: dict[str, dict[str, SealedBundle]] = {}
    for folder in sorted(path for path in models_dir.iterdir() if path.is_dir()):
        bundle = open_bundle(folder)
        shelf.setdefault(bundle.manifest.condition, {})[bundle.manifest.recipe] = bundle
    chosen = {condition: _choose(models) for condition, models in shelf.items()}
    text = json.dumps(chosen, indent=1, sort_keys=True) + "\n"
    (models_dir / DEFAULTS_NAME).write_text(text, encoding="utf-8")
    return chosen


def _choose(models: Mapping[str, SealedBundle]) -> dict[str, Any]:
    compared = {name: _compare(bundle) for name, bundle in models.items()}
    best = max(models, key=lambda name: compared[name].auroc)
    kept: dict[str, float] = {}
    for name, item in compared.items():
        rng = np.random.default_rng(_FOLD_SEED)
        difference = compare_auroc(item.y, item.p, compared[best].p, rng=rng, n_resamples=_N_RESAMPLES)
        lower = 0.0 if name == best else difference.gain.lo
        if lower > -MARGIN_AUROC:
            kept[name] = round(item.brier, 4)
    lowest = min(kept.values())
    order = [name for name in (*SIMPLEST_FIRST, *FILM_SIMPLEST_FIRST) if name in kept]
    winner = next(name for name in order if kept[name] == lowest)
    return {
        "model": models[winner].manifest.id,
        "sha256": models[winner].sha256,
        "highest_auroc": models[best].manifest.id,
        "non_inferior": [models[name].manifest.id for name in order],
        "brier": lowest,
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Compared:
    """What models of one condition are compared on: outcomes, probabilities and the figures made of them."""

    y: np.ndarray
    p: np.ndarray
    auroc: float
    brier: float


def _compare(bundle: SealedBundle) -> _Compared:
    """Return a table model's released figures; a film model's on validation films, not those of the test."""
    arrays = bundle.read_arrays("evaluation.npz")
    if bundle.manifest.kind == FILM_KIND:
        rows = arrays["part"] == "validation"
        y, p = arrays["y"][rows], arrays["p"][rows]
        return _Compared(y=y, p=p, auroc=float(auroc(y, p)), brier=float(brier(y, p)))
    metrics = bundle.manifest.metrics
    released = metrics["brier"]["value"]
    return _Compared(
        y=arrays["y"],
        p=arrays["p"],
        auroc=float(metrics["auroc"]["value"] or 0.0),
        brier=1.0 if released is None else float(released),
    )


def _contents(
    condition: Condition,
    table: TrainingTable,
    rows: LearningRows,
    recipe_name: str,
    learnt: Learnt,
    versions: np.ndarray,
    scores: Scores,
    calibrator: Calibrator,
    coverage: Coverage,
) -> tuple[dict[str, bytes], CardFigures]:
    asked = table.eligible
    rng = np.random.default_rng(rows.seed)
    p_all = judge(table, rows, versions, versions[0])
    X, y, p, fold = table.X[asked], table.y[asked], p_all[asked], rows.folds[0][asked]
    applicability = fit_applicability(X, condition.schema, fold)
    cohort = draw_cohort(X, condition.schema, n=COHORT_SIZE, rng=rng, keep=_sane_rows(condition))
    p_cohort = calibrator.probability(scores.main(cohort))
    background, weight = make_background(cohort, p_cohort, target_mean=float(p.mean()))
    golden = _golden(cohort, scores, calibrator)
    threshold = default_threshold(float(y.mean()))
    figures = CardFigures(
        metrics=evaluate(y, p, threshold=threshold, rng=rng, n_resamples=_N_RESAMPLES),
        threshold=threshold,
        y=y,
        p=p,
        groups={name: values[asked] for name, values in table.groups.items()},
        masked={
            name: judge(table, rows, versions, learnt.held_out_scores(_hide(condition, table.X, fields)))[asked]
            for name, fields in condition.masked_checks.items()
        },
        secondary=_secondary(table, p_all),
        applicability=applicability_rates(condition, X, fold),
        base=float(weight @ calibrator.probability(scores.main(background))),
        coverage=coverage,
    )
    arrays = {"background": background, "background_weight": weight, **applicability.to_arrays()}
    contents = {
        "calibrator.json": json.dumps(calibrator.to_json(), sort_keys=True).encode(),
        "reference.npz": pack_arrays(arrays),
        "cohort.npz": pack_arrays({"X": cohort.astype(np.float32), "made_up": np.array(1, dtype=np.int8)}),
        "evaluation.npz": pack_arrays(evaluation_arrays(condition.id, table, p_all, rows.folds[0])),
        "golden.json": json.dumps(golden).encode(),
        **_model_file(learnt.parts, recipe_name),
    }
    return contents, figures


def default_threshold(base_rate: float) -> float:
    """Return the cut-off fixed by rule: one half where the study is balanced, else the study's outcome rate."""
    lo, hi = _BALANCED
    return 0.5 if lo <= base_rate <= hi else round(base_rate, 4)


def evaluation_arrays(
    condition_id: str, table: TrainingTable, p: np.ndarray, fold: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what curves are drawn from: outcomes, held-out p, fold and coarse groups, shuffled.

    Rows whose combination of groups holds fewer than ten people lose their groups. The shuffle is
    the same for every model of a condition, so that models can be compared in pairs.
    """
    order = shuffle_rows(condition_id, np.flatnonzero(table.eligible))
    arrays = {
        "y": table.y[order].astype(np.int8),
        "p": p[order].astype(np.float32),
        "fold": fold[order].astype(np.int8),
    }
    if table.groups:
        names = sorted(table.groups)
        cells = np.column_stack([table.groups[name][order].astype(str) for name in names])
        _, index, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        small = counts[index.ravel()] < _LEAST_CELL
        cells[small] = "small"
        arrays |= {f"group_{name}": cells[:, j] for j, name in enumerate(names)}
    return arrays


def applicability_rates(condition: Condition, X: np.ndarray, fold: np.ndarray) -> dict[str, float]:
    """Return the share of rows per state, each row judged by statistics it had no part in."""
    part = fold % _OUTER_PARTS
    statuses = np.empty(len(X), dtype="<U16")
    for k in range(_OUTER_PARTS):
        model = fit_applicability(X[part != k], condition.schema, fold[part != k])
        statuses[part == k] = [str(status) for status in model.check_many(X[part == k])[0]]
    return {name: float(np.mean(statuses == name)) for name in ("scored", "caution", "withheld")}


def _sane_rows(condition: Condition) -> Callable[[np.ndarray], np.ndarray]:
    """Return the check that made-up rows contradict no rule of the condition."""
    names = condition.schema.input_names

    def keep(X: np.ndarray) -> np.ndarray:
        known = [{n: float(v) for n, v in zip(names, row, strict=True) if not math.isnan(v)} for row in X]
        return np.array([not condition.cross_check(values).errors for values in known], dtype=bool)

    return keep


def _manifest(
    condition: Condition,
    table: TrainingTable,
    recipe_name: str,
    encoding: Encoding,
    figures: CardFigures,
    seed: int,
    seconds: float,
    n_parameters: int,
) -> Manifest:
    return Manifest(
        format=FORMAT,
        id=f"{condition.id}-{recipe_name}",
        condition=condition.id,
        title=TITLES[recipe_name],
        kind="keras" if recipe_name in {"mlp", "attention"} else "skops",
        recipe=recipe_name,
        version=__version__,
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        frameworks={name: installed(name) for name in ("keras", "scikit-learn", "numpy")}
        | {"tensorflow": tf.__version__},
        trained_on={
            "device": _device(),
            "seconds": round(seconds, 1),
            "seed": seed,
            "parameters": n_parameters,
            "data": dict(table.provenance.sha256),
        },
        schema=[describe_field(item) for item in condition.schema.inputs],
        encoding=encoding.to_json(),
        studied=studied_ranges(condition, table.X[table.eligible]),
        operating_points={"default": figures.threshold},
        metrics={name: _plain(value) for name, value in figures.metrics.items()},
        base_rate=float(figures.y.mean()),
        n_train=len(figures.y),
    )


def _device() -> str:
    if tf.config.list_physical_devices("GPU"):
        return f"GPU, {platform.machine()}"
    return f"CPU, {os.cpu_count()} cores, {platform.machine()}"


def studied_ranges(condition: Condition, X: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the 1st to 99th percentile of each numeric input, in the field's own unit."""
    ranges = {}
    for j, item in enumerate(condition.schema.inputs):
        known = X[:, j][~np.isnan(X[:, j])]
        if item.kind.value == "number" and len(known):
            lo, hi = np.percentile(known, [1.0, 99.0])
            ranges[item.name] = (float(lo), float(hi))
    return ranges


def _golden(cohort: np.ndarray, scores: Scores, calibrator: Calibrator) -> dict[str, Any]:
    rows = cohort[:_N_GOLDEN].astype(np.float32).astype(np.float64)
    score = scores.main(rows)
    lo, hi = calibrator.interval(score, scores.refits(rows))
    p = calibrator.probability(score)
    return {
        "rows": [[None if math.isnan(value) else value for value in row] for row in rows.tolist()],
        "p": p.tolist(),
        "lo": np.minimum(lo, p).tolist(),
        "hi": np.maximum(hi, p).tolist(),
    }


def _model_file(parts: Any, recipe_name: str) -> dict[str, bytes]:
    if recipe_name in {"mlp", "attention"}:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            parts.save(path)
            return {"model.keras": path.read_bytes()}
    import skops.io

    return {"model.skops": skops.io.dumps(parts, compression=zipfile.ZIP_DEFLATED, compresslevel=9)}


def _secondary(table: TrainingTable, p: np.ndarray) -> dict[str, tuple[float, int, int]]:
    found = {}
    for name, outcome in table.secondary.items():
        known = outcome >= 0
        found[name] = (float(auroc(outcome[known], p[known])), int(known.sum()), int(outcome[known].sum()))
    return found


def _hide(condition: Condition, X: np.ndarray, fields: tuple[str, ...]) -> np.ndarray:
    hidden = X.copy()
    hidden[:, [condition.schema.input_names.index(name) for name in fields]] = np.nan
    return hidden


def _plain(metric: MetricValue) -> dict[str, float | None]:
    values = {"value": metric.value, "lo": metric.lo, "hi": metric.hi}
    return {name: None if math.isnan(value) else round(float(value), 6) for name, value in values.items()}


def _headline(metrics: Mapping[str, MetricValue]) -> str:
    return ", ".join(f"{name} {metrics[name].value:.4f}" for name in ("auroc", "brier", "calibration_slope"))
