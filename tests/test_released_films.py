"""Every shipped film bundle: size, self-test, figures, card, the list of releases, and no film inside."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from medcore.conditions.catalog import find_film_condition, kind_of
from medcore.config import read_settings
from medcore.evaluation.discrimination import auroc
from medcore.imaging.phantom import make_phantom
from medcore.imaging.squash import film_tensor
from medcore.inference.film_model import FilmModel
from medcore.registry import Catalog, open_bundle
from medcore.services.training.film_training import RELEASES_NAME

SHELF = Path(__file__).resolve().parent.parent / "assets" / "models"
FOLDERS = sorted(
    path.parent for path in SHELF.glob("*/manifest.json") if kind_of(path.parent.name.split("-")[0]) == "image"
)
MAX_BUNDLE_BYTES = 25_000_000
SECTIONS = ("purpose", "not assessed", "when not to use", "licence", "test films", "shortcuts", "limits", "contact")
METRICS = {"auroc", "accuracy", "sensitivity", "specificity", "brier", "calibration_slope", "bacterial_viral_auroc"}
LIKENESS = 0.98

each_bundle = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_every_film_condition_has_a_default_model():
    catalog = Catalog(SHELF)
    for folder in FOLDERS:
        assert catalog.default(folder.name.split("-")[0]).default


@each_bundle
def test_it_is_small_and_describes_itself(folder):
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_BUNDLE_BYTES
    assert {path.name for path in folder.iterdir()} == {*manifest.files, "manifest.json"}
    assert manifest.metrics.keys() >= METRICS
    assert {"device", "seconds", "seed", "parameters", "data"} <= manifest.trained_on.keys()
    points = manifest.operating_points
    assert points["screening"] <= points["balanced"] <= points["high_confidence"]
    card = bundle.read_bytes("card.md").decode().lower()
    assert [word for word in SECTIONS if word not in card] == []
    assert "nan" not in card.split()


@each_bundle
def test_it_gives_its_released_answers_quickly(folder):
    model = FilmModel.load(open_bundle(folder))
    film = film_tensor(make_phantom(rows=300, columns=250))[None]
    model.network(film)
    seconds = []
    for _ in range(15):
        started = time.perf_counter()
        model.network(film)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1  # the promise of 40 ms is measured by the bench, on a machine that is free


@each_bundle
def test_the_figures_are_those_of_the_shipped_answers(folder):
    bundle = open_bundle(folder)
    arrays = bundle.read_arrays("evaluation.npz")
    test = arrays["part"] == "test"
    y, p = arrays["y"][test], arrays["p"][test].astype(np.float64)
    metrics = bundle.manifest.metrics
    assert auroc(y, p) == pytest.approx(metrics["auroc"]["value"], abs=1e-4)
    assert np.mean((p - y) ** 2) == pytest.approx(metrics["brier"]["value"], abs=1e-5)
    called = p >= bundle.manifest.operating_points["default"]
    assert np.mean(called[y == 1]) == pytest.approx(metrics["sensitivity"]["value"], abs=0.004)
    assert np.mean(~called[y == 0]) == pytest.approx(metrics["specificity"]["value"], abs=0.006)


@each_bundle
def test_its_release_is_logged(folder):
    rows = list(csv.DictReader((SHELF / RELEASES_NAME).open(encoding="utf-8")))
    bundle = open_bundle(folder)
    (row,) = [row for row in rows if row["sha256"] == bundle.sha256]
    assert row["model_id"] == folder.name
    assert float(row["auroc"]) == pytest.approx(bundle.manifest.metrics["auroc"]["value"], abs=1e-4)


@pytest.mark.data
@each_bundle
def test_no_array_holds_a_film(folder):
    """No row of any array is a training film, its small picture or its features to within a scale."""
    bundle = open_bundle(folder)
    table = find_film_condition(bundle.manifest.condition).load_training(read_settings().training_data_dir)
    some = table.pixels[table.rows("train")[::5]].astype(np.float32)
    thumbs = some.reshape(len(some), 32, 7, 32, 7).mean(axis=(2, 4)).reshape(len(some), -1)
    thumbs -= thumbs.mean(axis=1, keepdims=True)
    thumbs /= np.linalg.norm(thumbs, axis=1, keepdims=True)
    for name, array in bundle.read_arrays("gate.npz").items():
        rows = array.T if array.ndim == 2 and array.shape[0] == thumbs.shape[1] else np.atleast_2d(array)
        if rows.shape[-1] == thumbs.shape[1]:
            rows = rows - rows.mean(axis=1, keepdims=True)
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            assert np.abs(rows @ thumbs.T).max() < LIKENESS, name
