"""Every shipped bundle: size, hashes, self-test, card, and no patient inside."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial import cKDTree

from medcore.conditions.catalog import CONDITION_MODULES, find_condition, kind_of
from medcore.config import read_settings
from medcore.encoding import Encoding
from medcore.errors import FieldError
from medcore.inference.risk_model import RiskModel
from medcore.models.classical import standardise
from medcore.records import FieldKind, find_unit_question
from medcore.records.reading import check_possible
from medcore.registry import Catalog, load_skops, open_bundle
from medcore.registry.catalog import DEFAULTS_NAME
from medcore.services.training.training import choose_defaults

SHELF = Path(__file__).resolve().parent.parent / "assets" / "models"
ALL_FOLDERS = sorted(path.parent for path in SHELF.glob("*/manifest.json"))
FOLDERS = [path for path in ALL_FOLDERS if kind_of(path.name.split("-")[0]) == "tabular"]
MAX_BUNDLE_BYTES = 5_000_000
MAX_SHELF_BYTES = 120_000_000
REQUIRED = {"calibrator.json", "reference.npz", "cohort.npz", "evaluation.npz", "card.md", "golden.json"}
SECTIONS = ("purpose", "population", "when not to use", "data", "licence", "limits", "contact")
METRICS = {"auroc", "auprc", "accuracy", "sensitivity", "specificity", "f1", "brier", "calibration_slope", "ece"}
ROUNDING = 1e-6
CENTRE_DISTANCE = 1e-3
LEAST_CAUGHT = 0.9

each_bundle = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_every_condition_has_a_default_model():
    catalog = Catalog(SHELF)
    assert not catalog.problems
    for condition in CONDITION_MODULES:
        assert catalog.default(condition).default, condition
    assert set(json.loads((SHELF / DEFAULTS_NAME).read_text("utf-8"))) == set(CONDITION_MODULES)


def test_the_defaults_are_those_the_rule_chooses_today(tmp_path):
    for folder in ALL_FOLDERS:
        (tmp_path / folder.name).symlink_to(folder, target_is_directory=True)
    choose_defaults(tmp_path)
    assert json.loads((tmp_path / DEFAULTS_NAME).read_text("utf-8")) == json.loads(
        (SHELF / DEFAULTS_NAME).read_text("utf-8")
    )


def list_clear_units():
    """Every input of a default model with a unit in which no wrong number is said to look right."""
    if not FOLDERS:
        return []
    return [
        pytest.param(facts.model_id, item, unit, id=f"{facts.condition}-{item.name}-{unit.symbol}")
        for facts in Catalog(SHELF).models()
        if facts.default and kind_of(facts.condition) == "tabular"
        for item in find_condition(facts.condition).schema.inputs
        for unit in item.other_units
        if item.kind is FieldKind.NUMBER and not unit.ambiguous and unit.to_canonical(7.0) != 7.0
    ]


@pytest.fixture(scope="module")
def loaded():
    return {}


@pytest.mark.data
@pytest.mark.parametrize(("model_id", "item", "unit"), list_clear_units())
def test_units_mixed_up_are_caught(loaded, model_id, item, unit):
    """A patient of the study whose value is typed in the other unit is not simply scored."""
    model = loaded.get(model_id) or loaded.setdefault(model_id, RiskModel.load(Catalog(SHELF).bundle(model_id)))
    condition = find_condition(model.manifest.condition)
    table = condition.load_training(read_settings().training_data_dir)
    j = condition.schema.input_names.index(item.name)
    X = table.X[table.eligible & np.isfinite(table.X[:, j])]
    X = X[np.random.default_rng(0).permutation(len(X))[:500]]
    caught = [is_caught(model, item, unit, row, j) for row in X]
    assert np.mean(caught) >= LEAST_CAUGHT


def is_caught(model, item, unit, row, j):
    typed = to_other(unit, row[j])
    question = find_unit_question(item, repr(typed), None, model.manifest.studied[item.name])
    try:
        wrong = check_possible(item, typed)
    except FieldError:
        return True
    altered = row.copy()
    altered[j] = wrong
    return question is not None or model.applicability.check(altered).status != "scored"


def to_other(unit, value):
    """The number a laboratory with that unit would print."""
    if unit.convert is None:
        return float((value - unit.offset) / unit.factor)
    return float(brentq(lambda number: unit.to_canonical(number) - value, 1e-3, 1e9))


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
    """Neither raw, encoded nor standardised rows of the table, nor any matrix whose rows begin or end with one."""
    bundle = open_bundle(folder)
    table = find_condition(bundle.manifest.condition).load_training(read_settings().training_data_dir)
    rows = table.X[np.isfinite(table.X).sum(axis=1) >= 3]
    known = [{row_key(row) for row in version} for version in list_versions(bundle, rows)]
    widths = [version.shape[1] for version in list_versions(bundle, rows[:1])]
    for name, array in list_arrays(bundle):
        for width, real in zip(widths, known, strict=True):
            assert not find_rows(array, width, real), name


@pytest.mark.data
@pytest.mark.parametrize("folder", [path for path in FOLDERS if path.name.endswith("-svm")], ids=lambda path: path.name)
def test_no_centre_of_a_kernel_machine_is_a_patient(folder):
    """Not within rounding of any training row, with or without the fields that training hides."""
    bundle = open_bundle(folder)
    table = find_condition(bundle.manifest.condition).load_training(read_settings().training_data_dir)
    parts = load_skops(bundle)
    centres = np.asarray(parts["map"].components_)
    encoding = Encoding.from_json(bundle.manifest.encoding)
    hidden = table.X.copy()
    hidden[:, [item.mask_rate > 0 for item in find_condition(bundle.manifest.condition).schema.inputs]] = np.nan
    seen = standardise(parts["scaler"], encoding.encode(np.vstack([table.X, hidden]), blank=np.nan))
    distance, _ = cKDTree(seen).query(centres)
    assert centres.shape[1] == seen.shape[1]
    assert distance.min() > CENTRE_DISTANCE


def list_versions(bundle, X):
    """Rows as they are, as a model of the bundle encodes them and, where it has one scaler, standardised."""
    encoding = Encoding.from_json(bundle.manifest.encoding)
    versions = [X, encoding.encode(X)]
    if bundle.manifest.recipe == "svm":
        versions.append(standardise(load_skops(bundle)["scaler"], encoding.encode(X, blank=np.nan)))
    return versions


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
