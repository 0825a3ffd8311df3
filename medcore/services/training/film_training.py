"""Training a film bundle: parts, network, calibration, cut-offs, gate, figures, card, manifest.

Every choice is made on validation films. The test films are scored once per bundle, and every release is a line
of ``releases.csv`` beside the bundles.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from medcore import __version__
from medcore.conditions.catalog import find_film_condition
from medcore.conditions.film_condition import FilmCondition
from medcore.datasets.chest_films import FilmTable, OriginalFilm, load_originals
from medcore.datasets.table import shuffle_rows
from medcore.errors import ConfigError
from medcore.evaluation.discrimination import auroc
from medcore.inference.film_calibrator import FilmCalibrator
from medcore.inference.film_gate import FilmGate, fit_film_gate
from medcore.inference.film_model import FILM_KIND, FilmInput, FilmNetwork, FilmOutputs, make_golden
from medcore.models.bad_films import load_other_films
from medcore.models.film_calibration import calibrate_films, carry_over, make_harder
from medcore.models.film_nets import build_released
from medcore.models.film_recipes import FILM_SIMPLEST_FIRST, FILM_TITLES, FilmRecipe, find_film_recipe
from medcore.registry.bundle import SealedBundle, pack_arrays, write_bundle
from medcore.registry.manifest import FORMAT, Manifest
from medcore.results import MetricValue
from medcore.services.films.film_card import write_film_card
from medcore.services.training.film_figures import (
    FilmFigures,
    choose_points,
    count_at,
    describe_validation,
    find_shortcuts,
    measure_test,
    rate_gate,
    rebase,
    spread_outputs,
    to_pictures,
)
from medcore.services.training.film_packing import pack_model, shorten_weights
from medcore.services.training.film_rehearsal import HARDER_SEEDS, Rehearsal, rehearse

__all__ = ["RELEASES_NAME", "FilmStudy", "release_films", "train_film_recipe", "train_films"]

RELEASES_NAME = "releases.csv"
_LOGGED = ("auroc", "accuracy", "sensitivity", "specificity", "brier", "calibration_slope", "bacterial_viral_auroc")
_N_GATE_FILMS = 1000

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmStudy:
    """What film models of a condition are made from and judged by.

    ``others`` are real films that a model must not answer for, by kind, each (n, size, size), 0..1.
    """

    condition: FilmCondition
    table: FilmTable
    originals: Sequence[OriginalFilm] = ()
    others: Mapping[str, np.ndarray] = field(default_factory=dict)


def train_films(
    condition_id: str,
    *,
    recipe: str | None = None,
    data_dir: Path,
    seed: int,
    models_dir: Path,
    progress: Progress,
    checkpoints: Path | None = None,
) -> tuple[SealedBundle, ...]:
    """Train one recipe or all recipes of a film condition.

    Parameters
    ----------
    checkpoints : Path, optional
        Folder for the state after every epoch; a run that finds its state there goes on from it.

    Raises
    ------
    UnknownNameError
        No such condition or recipe.
    TableError
        The films are absent or altered.
    ConfigError
        PyTorch is not installed.
    """
    condition = find_film_condition(condition_id)
    names = (recipe,) if recipe else FILM_SIMPLEST_FIRST
    for name in names:
        find_film_recipe(name)
    if find_spec("torch") is None:
        raise ConfigError("PyTorch is not installed. Install medcore[train-image].", field="torch")
    table = condition.load_training(data_dir)
    study = FilmStudy(
        condition=condition,
        table=table,
        originals=load_originals(data_dir, table),
        others=load_other_films(data_dir, table.pixels.shape[-1]),
    )
    models_dir.mkdir(parents=True, exist_ok=True)
    return tuple(
        train_film_recipe(
            study,
            name,
            models_dir=models_dir,
            seed=seed,
            progress=progress,
            checkpoints=checkpoints,
        )
        for name in names
    )


def train_film_recipe(
    study: FilmStudy,
    recipe_name: str,
    *,
    models_dir: Path,
    seed: int,
    progress: Progress,
    recipe: FilmRecipe | None = None,
    checkpoints: Path | None = None,
) -> SealedBundle:
    """Train one recipe (or ``recipe`` under that name) and write its bundle."""
    from medcore.models.film_learners import learn_films, name_device, predict_logits

    recipe = recipe or find_film_recipe(recipe_name)
    condition, table = study.condition, study.table
    rows, validation = table.rows("train"), table.rows("validation")
    outcome = _outcome(condition, table.y[validation])

    def watch(epoch: int, size: int, loss: float, net: Any) -> None:
        logits = predict_logits(net, table.pixels[validation], size)
        score = np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0]
        area = auroc(outcome, 1 / (1 + np.exp(-score)))
        progress(f"{recipe_name}: epoch {epoch}, {size} px, loss {loss:.3f}, validation AUROC {area:.4f}")

    members, seconds = [], 0.0
    for k, member in enumerate(recipe.members, start=seed):
        net, spent = learn_films(
            member,
            table.pixels[rows],
            table.y[rows],
            n_classes=len(condition.classes),
            seed=k,
            watch=watch,
            checkpoint=None if checkpoints is None else checkpoints / f"{condition.id}-{recipe_name}-{k}.pt",
        )
        members.append(net.folded())
        seconds += spent
    model = build_released(recipe.plan, members, table.pixels.shape[-1])
    rehearsal = None
    if recipe.rehearsal:
        rehearsal = rehearse(
            condition,
            table,
            recipe,
            seed,
            None if checkpoints is None else checkpoints / f"{condition.id}-{recipe_name}-rehearsal",
        )
        seconds += rehearsal.seconds
        n = int(rehearsal.lookalike.sum())
        progress(f"{recipe_name}: rehearsal without {n} lookalikes, AUROC {rehearsal.auroc:.4f}")
    made = {"device": name_device(), "seconds": round(seconds, 1), "seed": seed}
    return release_films(study, recipe_name, recipe, model, made, models_dir, progress, rehearsal)


def release_films(
    study: FilmStudy,
    recipe_name: str,
    recipe: FilmRecipe,
    model: Any,
    made: Mapping[str, Any],
    models_dir: Path,
    progress: Progress,
    rehearsal: Rehearsal | None = None,
) -> SealedBundle:
    """Calibrate a trained Keras network, choose its cut-offs, score the test films once and write the bundle."""
    condition, table = study.condition, study.table
    shorten_weights(model)
    spec = FilmInput(
        size=table.pixels.shape[-1],
        classes=condition.words,
        positive=condition.positive,
        binarised=recipe.plan.look == "binarised",
        flip_average=recipe.flip_average,
    )
    network = FilmNetwork(model, spec)
    studied = float(_outcome(condition, table.y[table.part != "test"]).mean())
    calibrator, points, validation = _calibrate(condition, table, network, studied, rehearsal)
    gate = _fit_gate(table, network, validation)
    figures, test = _measure(study, network, calibrator, gate, points, validation, studied, made)
    if rehearsal is not None:
        figures = replace(figures, rehearsed=(int(rehearsal.lookalike.sum()), rehearsal.auroc))
    manifest = _manifest(condition, table, recipe_name, figures, {**made, "parameters": model.count_params()}, studied)
    contents = {
        "model.keras": pack_model(model),
        "input.json": _json(spec.to_json()),
        "calibrator.json": _json(calibrator.to_json()),
        "gate.npz": pack_arrays(gate.to_arrays()),
        "evaluation.npz": pack_arrays(_evaluation_arrays(condition, table, calibrator, validation, test)),
        "golden.json": _json(make_golden(network, calibrator)),
        "card.md": write_film_card(condition, table, manifest, recipe, figures).encode(),
    }
    bundle = write_bundle(models_dir / manifest.id, manifest, contents)
    _log_release(models_dir / RELEASES_NAME, bundle, figures)
    shown = ", ".join(f"{name} {figures.metrics[name].value:.4f}" for name in _LOGGED)
    progress(f"{manifest.id}: {shown}, {sum(map(len, contents.values())) / 1e6:.1f} MB")
    return bundle


def _calibrate(
    condition: FilmCondition,
    table: FilmTable,
    network: FilmNetwork,
    studied: float,
    rehearsal: Rehearsal | None,
) -> tuple[FilmCalibrator, dict[str, float], FilmOutputs]:
    """Return calibrator, operating points and the network's outputs on validation films."""
    rows = table.rows("validation")
    films, y = table.pixels[rows], table.y[rows]
    plain = spread_outputs(network, films)
    harder = [network(make_harder(to_pictures(films), seed)).logits for seed in HARDER_SEEDS]
    _, groups = np.unique(table.patient[rows], return_inverse=True)
    kept = np.ones(len(rows), dtype=bool) if rehearsal is None else ~rehearsal.lookalike[rows]
    calibrator = calibrate_films(
        [logits[kept] for logits in (plain.logits, *harder)],
        y[kept],
        classes=condition.words,
        positive=condition.positive,
        groups=groups[kept],
        share=studied,
    )
    if rehearsal is not None:
        moved = carry_over(calibrator, rehearsal.before, rehearsal.after)
        return moved, choose_points(rehearsal.y, rehearsal.p), plain
    teaching = np.concatenate([*[plain.logits] * len(harder), *harder])
    p = calibrator.probability(calibrator.score(teaching))
    points = choose_points(_outcome(condition, np.tile(y, 2 * len(harder))), p)
    return calibrator, points, plain


def _fit_gate(table: FilmTable, network: FilmNetwork, validation: FilmOutputs) -> FilmGate:
    rows = np.sort(np.random.default_rng(0).permutation(table.rows("train"))[:_N_GATE_FILMS])
    return fit_film_gate(
        spread_outputs(network, table.pixels[rows]).features,
        to_pictures(table.pixels[rows]),
        table.y[rows],
        validation_features=validation.features,
        validation_tensors=to_pictures(table.pixels[table.rows("validation")]),
    )


def _measure(
    study: FilmStudy,
    network: FilmNetwork,
    calibrator: FilmCalibrator,
    gate: FilmGate,
    points: Mapping[str, float],
    validation: FilmOutputs,
    studied: float,
    made: Mapping[str, Any],
) -> tuple[FilmFigures, FilmOutputs]:
    condition, table = study.condition, study.table
    rows, held_out = table.rows("test"), table.rows("validation")
    good = {"good test films": to_pictures(table.pixels[rows]), **study.others}
    test = spread_outputs(network, table.pixels[rows])
    outcome = _outcome(condition, table.y[rows])
    p, shares = calibrator.probability(calibrator.score(test.logits)), calibrator.pattern(test.logits)
    own = calibrator.probability(calibrator.score(validation.logits))
    second = len(condition.classes) - 1
    figures = FilmFigures(
        metrics=measure_test(
            outcome, p, table.y[rows] == second, shares[:, second] / np.maximum(p, 1e-12), table.patient[rows],
            points["default"], int(made["seed"]),
        ),
        points=points,
        parts={part: _count(condition, table, part) for part in ("train", "validation", "test")},
        validation=describe_validation(_outcome(condition, table.y[held_out]), own),
        at_points=count_at(points, outcome, p),
        y=outcome,
        p=p,
        rebased=rebase(outcome, p, studied),
        gate=rate_gate(gate, network, good, int(made["seed"])),
        shortcuts=find_shortcuts(table, network, calibrator, study.originals),
    )  # fmt: skip
    return figures, test


def _count(condition: FilmCondition, table: FilmTable, part: str) -> tuple[int, float]:
    outcome = _outcome(condition, table.y[table.rows(part)])
    return len(outcome), float(outcome.mean())


def _outcome(condition: FilmCondition, y: np.ndarray) -> np.ndarray:
    """1 = one of the positive classes."""
    return np.asarray(np.isin(np.asarray(condition.words), condition.positive)[y], dtype=np.int64)


def _evaluation_arrays(
    condition: FilmCondition, table: FilmTable, calibrator: FilmCalibrator, validation: FilmOutputs, test: FilmOutputs
) -> dict[str, np.ndarray]:
    """Return outcomes and probabilities of validation and test films, shuffled alike for all models of a condition.

    ``patient`` numbers the patients as they come in that order, which says nothing about who they are.
    """
    rows = np.concatenate([table.rows("validation"), table.rows("test")])
    logits = np.concatenate([validation.logits, test.logits])
    order = shuffle_rows(condition.id, np.arange(len(rows)))
    _, first, patient = np.unique(table.patient[rows][order], return_index=True, return_inverse=True)
    return {
        "part": table.part[rows][order],
        "patient": np.argsort(np.argsort(first))[patient].astype(np.int32),
        "y": _outcome(condition, table.y[rows])[order].astype(np.int8),
        "class": table.y[rows][order].astype(np.int8),
        "p": calibrator.probability(calibrator.score(logits))[order].astype(np.float32),
        "probabilities": calibrator.pattern(logits)[order].astype(np.float32),
    }


def _manifest(
    condition: FilmCondition,
    table: FilmTable,
    recipe_name: str,
    figures: FilmFigures,
    made: Mapping[str, Any],
    studied: float,
) -> Manifest:
    return Manifest(
        format=FORMAT,
        id=f"{condition.id}-{recipe_name}",
        condition=condition.id,
        title=FILM_TITLES[recipe_name],
        kind=FILM_KIND,
        recipe=recipe_name,
        version=__version__,
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        frameworks=_frameworks(),
        trained_on={**made, "data": dict(table.provenance.sha256)},
        schema=[],
        encoding=[],
        studied={},
        operating_points=dict(figures.points),
        metrics={name: _plain(value) for name, value in figures.metrics.items()},
        base_rate=studied,
        n_train=int((table.part == "train").sum()),
    )


def _frameworks() -> dict[str, str]:
    import tensorflow as tf

    found = {name: installed(name) for name in ("keras", "numpy", "torch") if find_spec(name) is not None}
    return found | {"tensorflow": tf.__version__}


def _log_release(path: Path, bundle: SealedBundle, figures: FilmFigures) -> None:
    """Add a line to the list of releases: every time the test films were scored."""
    head = ("model_id", "sha256", "created", "n_test", *_LOGGED)
    figures_of = (f"{figures.metrics[name].value:.4f}" for name in _LOGGED)
    line = (bundle.manifest.id, bundle.sha256, bundle.manifest.created, len(figures.y), *figures_of)
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(head)
        writer.writerow(line)


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _plain(metric: MetricValue) -> dict[str, float | None]:
    values = {"value": metric.value, "lo": metric.lo, "hi": metric.hi}
    return {name: None if not math.isfinite(value) else round(float(value), 6) for name, value in values.items()}
