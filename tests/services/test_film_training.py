"""A film bundle from made-up films: what goes into it, where its cut-offs come from, and what its card says."""

import csv
import io
import zipfile

import numpy as np
import pytest

from medcore.conditions.catalog import find_film_condition
from medcore.datasets.chest_films import FilmTable, OriginalFilm
from medcore.datasets.table import Provenance
from medcore.errors import ConfigError, UnknownNameError
from medcore.evaluation.discrimination import auroc
from medcore.inference.film_model import FilmModel
from medcore.models.film_recipes import find_film_recipe
from medcore.models.layers import StandardiseFilm
from medcore.registry import open_bundle
from medcore.services.training import film_training
from medcore.services.training.film_figures import choose_points, make_strange_films, rebase
from medcore.services.training.film_training import RELEASES_NAME, FilmStudy, release_films, train_films
from medcore.services.training.training import choose_defaults, train

PNEUMONIA = find_film_condition("pneumonia")
PARTS = {"train": 150, "validation": 90, "test": 80}
SIZE = 64
FILES = {"card.md", "calibrator.json", "evaluation.npz", "gate.npz", "golden.json", "input.json", "model.keras"}
CROSSES = np.maximum(np.eye(SIZE), np.eye(SIZE)[::-1])[None].repeat(3, 0).astype(np.float32)
MADE = {"device": "made up", "seconds": 1.0, "seed": 0}


def draw_films(n, rng):
    """Draw two dark lungs on a grey ground, each film at its own place; ill ones with one blot or with many specks."""
    y = rng.integers(0, 3, n)
    row, column = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    films = np.empty((n, SIZE, SIZE))
    for i in range(n):
        top, left = rng.normal(0, 0.03, 2)
        lungs = sum(np.exp(-(((row - 0.5 - top) / 0.3) ** 4) - ((column - x - left) / 0.15) ** 4) for x in (0.3, 0.7))
        blot = np.exp(-((row - 0.55 - top) ** 2 + (column - 0.3 - left) ** 2) / 0.012)
        specks = lungs * rng.normal(0, 1, (SIZE // 4, SIZE // 4)).repeat(4, 0).repeat(4, 1).clip(0)
        films[i] = 0.7 - 0.5 * lungs + 0.35 * (y[i] == 1) * blot + 0.2 * (y[i] == 2) * specks + 0.2 * row
    return (films + rng.normal(0, 0.06, films.shape)).clip(0, 1), y


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    films, y = draw_films(sum(PARTS.values()), rng)
    n = len(y)
    known = rng.random(n) < 0.5
    return FilmTable(
        pixels=np.round(films * 255).astype(np.uint8),
        y=y,
        path=np.array([f"{i}.jpeg" for i in range(n)]),
        part=np.repeat(list(PARTS), list(PARTS.values())),
        patient=np.array([f"p{i // 2}" for i in range(n)]),
        width=np.where(known, rng.integers(900, 1600, n), 0),
        height=np.where(known, rng.integers(700, 1400, n), 0),
        provenance=Provenance(name="Made-up films", origin="drawn", licence="none", doi="none", sha256={"a": "b"}),
    )


@pytest.fixture(scope="module")
def network(table):
    import keras

    keras.utils.set_random_seed(0)
    films = keras.Input((SIZE, SIZE, 1))
    maps = StandardiseFilm()(films)
    for filters in (8, 16, 24):
        maps = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(maps)
    features = keras.layers.GlobalAveragePooling2D()(maps)
    logits = keras.layers.Dense(3)(features)
    learner = keras.Model(films, logits)
    learner.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rows = table.rows("train")
    learner.fit(table.pixels[rows, :, :, None] / np.float32(255), table.y[rows], batch_size=16, epochs=10, verbose=0)
    return keras.Model(films, {"logits": logits, "features": features, "maps": maps})


@pytest.fixture(scope="module")
def shelf(table, network, tmp_path_factory):
    """Two bundles of the same network under two names, and what was told on the way."""
    folder = tmp_path_factory.mktemp("models")
    told = []
    original = OriginalFilm(pixels=table.pixels[0], stored=table.pixels[0], y=int(table.y[0]), part="train")
    for name in ("cnn", "transfer"):
        recipe = find_film_recipe(name)
        study = FilmStudy(condition=PNEUMONIA, table=table, originals=[original], others={"crosses": CROSSES})
        release_films(study, name, recipe, network, MADE, folder, told.append)
    return folder, told


@pytest.fixture(scope="module")
def bundle(shelf):
    return open_bundle(shelf[0] / "pneumonia-transfer")


def test_a_bundle_holds_what_a_film_model_needs_and_answers(bundle, table):
    assert set(bundle.manifest.files) == FILES
    assert bundle.manifest.kind == "keras-image"
    assert (bundle.manifest.schema, bundle.manifest.encoding, bundle.manifest.studied) == ([], [], {})
    assert bundle.manifest.n_train == PARTS["train"]
    seen = table.y[table.part != "test"] > 0
    assert bundle.manifest.base_rate == pytest.approx(seen.mean())
    model = FilmModel.load(bundle)
    rows = table.rows("test")
    p = model.probability(table.pixels[rows] / np.float32(255))
    assert bundle.manifest.metrics["auroc"]["value"] == pytest.approx(auroc(table.y[rows] > 0, p), abs=1e-4)


def test_the_metrics_are_those_of_the_test_films(bundle):
    arrays = bundle.read_arrays("evaluation.npz")
    test = arrays["part"] == "test"
    assert {name: int((arrays["part"] == name).sum()) for name in ("validation", "test")} == {
        "validation": PARTS["validation"],
        "test": PARTS["test"],
    }
    brier = float(np.mean((arrays["p"][test] - arrays["y"][test]) ** 2))
    assert bundle.manifest.metrics["brier"]["value"] == pytest.approx(brier, abs=1e-5)
    np.testing.assert_allclose(arrays["probabilities"].sum(axis=1), 1.0, atol=1e-5)
    assert set(arrays["y"][arrays["class"] == 0]) == {0}
    _, counts = np.unique(arrays["patient"], return_counts=True)
    assert set(counts) == {2}
    assert arrays["patient"].max() == len(counts) - 1
    for metric in bundle.manifest.metrics.values():
        if None not in metric.values():
            assert metric["lo"] <= metric["value"] <= metric["hi"]
    assert 0 <= bundle.manifest.metrics["bacterial_viral_auroc"]["value"] <= 1


def test_weights_are_rounded_and_packed(bundle):
    model = FilmModel.load(bundle)
    for weights in model.network.keras_model.get_weights():
        np.testing.assert_array_equal(weights, np.float16(weights).astype(np.float32))
    with zipfile.ZipFile(io.BytesIO(bundle.read_bytes("model.keras"))) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_DEFLATED}


def test_cut_offs_rise_and_are_chosen_without_the_test_films(bundle, table, network, tmp_path):
    points = bundle.manifest.operating_points
    assert points["screening"] <= points["balanced"] <= points["high_confidence"]
    assert points["default"] == points["balanced"]
    swapped = table.pixels.copy()
    swapped[table.rows("test")] = 255 - swapped[table.rows("test")]
    other = FilmTable(**{name: getattr(table, name) for name in table.__slots__} | {"pixels": swapped})
    study = FilmStudy(condition=PNEUMONIA, table=other)
    again = release_films(study, "cnn", find_film_recipe("cnn"), network, MADE, tmp_path, lambda text: None)
    assert again.manifest.operating_points == points
    assert again.read_json("calibrator.json") == bundle.read_json("calibrator.json")
    assert again.manifest.metrics["auroc"] != bundle.manifest.metrics["auroc"]


def test_the_card_reports_what_was_measured(bundle):
    card = bundle.read_bytes("card.md").decode()
    for part in (
        "Performance on the test films",
        "bacterial v viral",
        "upside down",
        "photographs",
        "| crosses | 3 |",
        "aspect ratio",
        "1 films known at full size",
        "releases.csv",
        f"{100 * bundle.manifest.operating_points['default']:.1f} %",
    ):
        assert part in card
    assert "nan" not in card


def test_every_release_is_logged(shelf):
    rows = list(csv.DictReader((shelf[0] / RELEASES_NAME).open()))
    assert [row["model_id"] for row in rows] == ["pneumonia-cnn", "pneumonia-transfer"]
    for row in rows:
        assert row["sha256"] == open_bundle(shelf[0] / row["model_id"]).sha256
        assert int(row["n_test"]) == PARTS["test"]
        assert 0 <= float(row["auroc"]) <= 1
    assert len(shelf[1]) == 2


def test_the_simplest_of_equal_film_models_is_the_default(shelf):
    chosen = choose_defaults(shelf[0])
    assert chosen["pneumonia"]["model"] == "pneumonia-cnn"
    assert chosen["pneumonia"]["non_inferior"] == ["pneumonia-cnn", "pneumonia-transfer"]


def test_points_lie_between_the_classes_where_they_are_apart():
    y, p = np.repeat([0, 1], 50), np.concatenate([np.linspace(0.01, 0.1, 50), np.linspace(0.9, 0.99, 50)])
    points = choose_points(y, p)
    assert points["balanced"] == pytest.approx(0.5, abs=0.01)
    assert points["screening"] == pytest.approx(0.1, abs=0.01)
    assert points["high_confidence"] == pytest.approx(0.9, abs=0.01)


def test_points_keep_their_promises_where_the_classes_overlap():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 500)
    p = 1 / (1 + np.exp(-rng.normal(2.0 * y - 1.0, 1.0)))
    points = choose_points(y, p)
    assert points["screening"] < points["balanced"] < points["high_confidence"]
    assert np.mean(p[y == 1] >= points["screening"] - 1e-4) >= 0.98
    assert np.mean(p[y == 0] < points["high_confidence"] + 1e-4) >= 0.98


def test_restating_takes_the_share_out_of_the_intercept():
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    outcome = (rng.random(20_000) < p).astype(int)
    kept = (outcome == 1) | (rng.random(20_000) < 0.4)
    brier, intercept = rebase(outcome[kept], p[kept], 0.5)
    assert abs(intercept) < 0.06
    assert brier < np.mean((p[kept] - outcome[kept]) ** 2)


def test_strange_pictures_are_pictures(table):
    made = make_strange_films(table.pixels[:6] / np.float32(255), 0)
    for pictures in made.values():
        assert pictures.shape == (6, SIZE, SIZE)
        assert 0.0 <= pictures.min() <= pictures.max() <= 1.0


def test_unknown_names_and_absent_torch_say_what_to_do(tmp_path, monkeypatch):
    about = {"data_dir": tmp_path, "seed": 0, "models_dir": tmp_path, "progress": lambda text: None}
    with pytest.raises(UnknownNameError, match="transfer"):
        train("pneumonia", recipe="logistic", data_dir=tmp_path, models_dir=tmp_path)
    with pytest.raises(UnknownNameError, match="not about films"):
        train_films("diabetes", **about)
    monkeypatch.setattr(film_training, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="train-image"):
        train_films("pneumonia", recipe="cnn", **about)
