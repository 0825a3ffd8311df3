"""Every shipped bundle: size, hashes, self-test, card, and no patient inside."""

import json
from pathlib import Path

import numpy as np
import pytest

from medcore.conditions.catalog import CONDITION_MODULES, find_condition
from medcore.config import read_settings
from medcore.inference.risk_model import RiskModel
from medcore.registry import Catalog, open_bundle
from medcore.registry.catalog import DEFAULTS_NAME

SHELF = Path(__file__).resolve().parent.parent / "assets" / "models"
FOLDERS = sorted(path.parent for path in SHELF.glob("*/manifest.json"))
MAX_BUNDLE_BYTES = 5_000_000
MAX_SHELF_BYTES = 120_000_000
REQUIRED = {"calibrator.json", "reference.npz", "cohort.npz", "evaluation.npz", "card.md", "golden.json"}
SECTIONS = ("purpose", "population", "when not to use", "data", "licence", "limits", "contact")
METRICS = {"auroc", "auprc", "accuracy", "sensitivity", "specificity", "f1", "brier", "calibration_slope", "ece"}
ROUNDING = 1e-6

each_bundle = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_every_condition_has_a_default_model():
    catalog = Catalog(SHELF)
    assert not catalog.problems
    for condition in CONDITION_MODULES:
        assert catalog.default(condition).default, condition
    assert set(json.loads((SHELF / DEFAULTS_NAME).read_text("utf-8"))) == set(CONDITION_MODULES)


def test_the_shelf_is_small_enough():
    assert size_of(SHELF) <= MAX_SHELF_BYTES


@each_bundle
def test_files(folder):
    bundle = open_bundle(folder)
    names = set(bundle.manifest.files)
    assert names >= REQUIRED
    assert {"model.keras", "model.skops"} & names
    assert {path.name for path in folder.iterdir()} == names | {"manifest.json"}
    assert size_of(folder) <= MAX_BUNDLE_BYTES


@each_bundle
def test_manifest(folder):
    manifest = open_bundle(folder).manifest
    schema = find_condition(manifest.condition).schema
    assert [row["name"] for row in manifest.schema] == list(schema.input_names)
    assert manifest.metrics.keys() >= METRICS
    assert {"device", "seconds", "seed"} <= manifest.trained_on.keys()
    assert "default" in manifest.operating_points
    for name, metric in manifest.metrics.items():
        if None not in metric.values():
            assert metric["lo"] <= metric["value"] <= metric["hi"], name


@each_bundle
def test_it_loads_and_gives_its_released_answers(folder):
    RiskModel.load(open_bundle(folder))


@each_bundle
def test_no_text_of_the_card_is_missing(folder):
    card = open_bundle(folder).read_bytes("card.md").decode().lower()
    assert [word for word in SECTIONS if word not in card] == []
    assert not {"todo", "tbd", "lorem", "more information needed"} & set(card.split())


@each_bundle
def test_made_up_patients_are_labelled_as_such(folder):
    arrays = open_bundle(folder).read_arrays("cohort.npz")
    assert "made_up" in arrays
    assert len(arrays["X"]) == 500


@pytest.mark.data
@each_bundle
def test_no_array_holds_a_training_row(folder):
    """Neither raw rows of the table, nor any matrix one of whose rows begins or ends with one."""
    bundle = open_bundle(folder)
    table = find_condition(bundle.manifest.condition).load_training(read_settings().training_data_dir)
    real = {row_key(row) for row in table.X if np.isfinite(row).sum() >= 3}
    for name, array in list_arrays(bundle):
        assert not find_rows(array, table.X.shape[1], real), name


def row_key(row):
    """A row as bytes, rounded so that float32 storage does not hide it."""
    return np.asarray(row, dtype=np.float32).round(4).tobytes()


def find_rows(array, width, real):
    if array.ndim != 2 or array.shape[1] < width or array.dtype.kind not in "fiu":
        return []
    return [i for i, row in enumerate(array) if {row_key(row[:width]), row_key(row[-width:])} & real]


def list_arrays(bundle):
    for name in bundle.manifest.files:
        if name.endswith(".npz"):
            yield from ((f"{name}:{key}", array) for key, array in bundle.read_arrays(name).items())
        elif name.endswith(".skops"):
            yield from ((f"{name}:{i}", array) for i, array in enumerate(list_skops_arrays(bundle, name)))
        elif name.endswith(".keras"):
            yield from ((f"{name}:{i}", array) for i, array in enumerate(list_keras_arrays(bundle)))
    golden = bundle.read_json("golden.json")
    yield "golden.json", np.array([[np.nan if v is None else v for v in row] for row in golden["rows"]])


def list_skops_arrays(bundle, name):
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(bundle.read_bytes(name))) as archive:
        for member in archive.namelist():
            if member.endswith(".npy"):
                yield np.load(io.BytesIO(archive.read(member)), allow_pickle=False)


def list_keras_arrays(bundle):
    from medcore.registry import load_keras

    for weight in load_keras(bundle).get_weights():
        yield weight.reshape(-1, weight.shape[-1]) if weight.ndim > 1 else weight[None, :]
        if weight.ndim > 1:
            yield np.moveaxis(weight, -2, -1).reshape(-1, weight.shape[-2])
