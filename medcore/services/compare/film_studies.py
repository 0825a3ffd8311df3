"""What a film model goes by over many films: mean maps of its test films by class and by kind of error.

Made once per released model (``medcore study pneumonia``) and kept as means in ``study-<model>.json`` beside the
bundles: maps of at most 14 x 14 cells, and blurred mean films of groups of ten or more. No film is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from medcore.conditions.catalog import find_film_condition
from medcore.errors import IntegrityError
from medcore.registry import Catalog

if TYPE_CHECKING:
    from medcore.datasets.chest_films import FilmTable
    from medcore.inference.film_model import FilmModel

__all__ = ["FilmGroup", "FilmMap", "FilmStudies", "find_film_study", "study_film_model", "study_film_models"]

Grid = tuple[tuple[float, ...], ...]
Progress = Callable[[str], None]

_LEAST_GROUP = 10
_MEAN_SIDE = 56
_MOST_CELLS = 14
_N_GALLERY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmGroup:
    """Test films of one class that the model called alike at its default cut-off.

    ``called`` says whether it called them; ``error`` is ``"missed"``, ``"false alarm"`` or ``""``. ``mean_map`` is in
    log-odds, positive = raises the score; ``mean_film`` 0..1, empty below ten films.
    """

    film_class: str
    called: bool
    error: str
    n: int
    mean_p: float
    mean_map: Grid
    mean_film: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmMap:
    """The map of one test film (never the film): its class, its probability, and where the score comes from."""

    film_class: str
    p: float
    cells: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmStudies:
    """What one version of a film model goes by.

    ``certain`` holds maps of the three films with the highest and of the three with the lowest probability,
    ``uncertain`` of the six nearest to the cut-off.
    """

    model_id: str
    sha256: str
    threshold: float
    groups: tuple[FilmGroup, ...]
    certain: tuple[FilmMap, ...]
    uncertain: tuple[FilmMap, ...]


_STUDIES: TypeAdapter[FilmStudies] = TypeAdapter(FilmStudies)


def find_film_study(catalog: Catalog, model_id: str) -> FilmStudies | None:
    """Return the study of a model as it is on the shelf now; None where none was made of this version.

    Raises
    ------
    IntegrityError
        The file is there and cannot be read.
    """
    path = _path(catalog.models_dir, model_id)
    if not path.is_file():
        return None
    try:
        found = _STUDIES.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise IntegrityError(f"{path.name} cannot be read: make it anew with medcore study") from error
    return found if found.sha256 == catalog.find(model_id).sha256 else None


def study_film_models(condition_id: str, *, data_dir: Path, models_dir: Path, progress: Progress) -> None:
    """Study every model of a film condition on its test films and write the results beside the bundles.

    Raises
    ------
    UnknownNameError
        No such condition.
    TableError
        The films are absent or altered.
    """
    from medcore.inference.film_model import FilmModel

    condition = find_film_condition(condition_id)
    table = condition.load_training(data_dir)
    catalog = Catalog(models_dir)
    for facts in catalog.models(condition.id):
        found = study_film_model(FilmModel.load(catalog.bundle(facts.model_id)), table)
        text = json.dumps(asdict(found), sort_keys=True, allow_nan=False) + "\n"
        _path(models_dir, facts.model_id).write_text(text, encoding="utf-8")
        progress(f"{facts.model_id}: maps of {sum(group.n for group in found.groups)} test films")


def study_film_model(model: FilmModel, table: FilmTable) -> FilmStudies:
    """Study one model on the test films of a table."""
    from medcore.explain.saliency import FilmExplainer

    rows = table.rows("test")
    films = table.pixels[rows].astype(np.float32) / np.float32(255)
    p, cells = model.probability(films), _join_cells(FilmExplainer(model).cells(films))
    threshold = 0.5 if model.threshold is None else model.threshold
    words = np.asarray(table.classes)[table.y[rows]]
    groups = []
    for word in table.classes:
        for called in (True, False):
            chosen = (words == word) & ((p >= threshold) == called)
            if chosen.any():
                groups.append(_describe(word, called, word in model.network.spec.positive, p, cells, films, chosen))
    by_risk = np.argsort(p, kind="stable")
    by_doubt = np.argsort(np.abs(p - threshold), kind="stable")
    half = _N_GALLERY // 2

    def show(rows: np.ndarray) -> tuple[FilmMap, ...]:
        return tuple(FilmMap(film_class=str(words[i]), p=_short(p[i]), cells=_grid(cells[i])) for i in rows)

    return FilmStudies(
        model_id=model.manifest.id,
        sha256=model.sha256,
        threshold=threshold,
        groups=tuple(groups),
        certain=show(np.concatenate([by_risk[::-1][:half], by_risk[:half]])),
        uncertain=show(by_doubt[:_N_GALLERY]),
    )


def _describe(
    word: str, called: bool, is_positive: bool, p: np.ndarray, cells: np.ndarray, films: np.ndarray, chosen: np.ndarray
) -> FilmGroup:
    n = int(chosen.sum())
    error = "" if called == is_positive else "false alarm" if called else "missed"
    return FilmGroup(
        film_class=word,
        called=called,
        error=error,
        n=n,
        mean_p=_short(p[chosen].mean()),
        mean_map=_grid(cells[chosen].mean(axis=0)),
        mean_film=_grid(_shrink(films[chosen].mean(axis=0))) if n >= _LEAST_GROUP else (),
    )


def _join_cells(cells: np.ndarray) -> np.ndarray:
    """Add up neighbouring cells where a map has more than 14 a side."""
    n, side, _ = cells.shape
    factor = -(-side // _MOST_CELLS)
    if factor == 1:
        return cells
    padded = np.pad(cells, ((0, 0), (0, -side % factor), (0, -side % factor)))
    small = padded.shape[1] // factor
    return np.asarray(padded.reshape(n, small, factor, small, factor).sum(axis=(2, 4)))


def _shrink(film: np.ndarray) -> np.ndarray:
    factor = max(1, film.shape[0] // _MEAN_SIDE)
    side = film.shape[0] // factor
    return np.asarray(film[: side * factor, : side * factor].reshape(side, factor, side, factor).mean(axis=(1, 3)))


def _grid(values: np.ndarray) -> Grid:
    return tuple(tuple(_short(value) for value in row) for row in values)


def _short(value: float) -> float:
    return round(float(value), 4)


def _path(models_dir: Path, model_id: str) -> Path:
    return models_dir / f"study-{model_id}.json"
