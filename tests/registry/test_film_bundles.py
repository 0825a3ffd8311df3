"""Film bundles on the shelf: what a network may be made of, how much a bundle may weigh, and what is refused."""

import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from bundles_fixture import reseal
from film_bundle import MODEL_ID

from medcore.errors import IntegrityError
from medcore.registry import Catalog, load_keras, open_bundle

ALLOWED = [
    keras.layers.Conv2D(2, 3, kernel_initializer="he_normal"),
    keras.layers.DepthwiseConv2D(3, padding="same"),
    keras.layers.BatchNormalization(),
    keras.layers.ReLU(max_value=6.0),
    keras.layers.Activation("relu"),
    keras.layers.GlobalAveragePooling2D(),
    keras.layers.MaxPooling2D(),
    keras.layers.AveragePooling2D(2),
    keras.layers.Rescaling(2.0),
    keras.layers.ZeroPadding2D(1),
    keras.layers.Flatten(),
    keras.layers.Dropout(0.1),
    keras.layers.Dense(2),
]
REFUSED = [
    keras.layers.Lambda(lambda x: x),
    keras.layers.GaussianNoise(0.1),
    keras.layers.RandomFlip(),
    keras.layers.Resizing(8, 8),
    keras.layers.Permute((2, 1, 3)),
    keras.layers.UnitNormalization(),
]


@pytest.fixture
def folder(film_models, tmp_path):
    return shutil.copytree(film_models / MODEL_ID, tmp_path / MODEL_ID)


def with_model(folder, *layers):
    """The bundle with another network in it, sealed as if it had been released so."""
    films = keras.Input((32, 32, 1))
    outputs = films
    for layer in layers:
        outputs = layer(outputs)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.keras"
        keras.Model(films, outputs).save(path)
        (folder / "model.keras").write_bytes(path.read_bytes())
    reseal(folder)
    return open_bundle(folder)


@pytest.mark.parametrize("layer", ALLOWED, ids=lambda layer: type(layer).__name__)
def test_a_network_may_be_made_of_these(folder, layer):
    bundle = with_model(folder, type(layer).from_config(layer.get_config()))
    assert load_keras(bundle).inputs


def test_branches_may_be_added_and_joined(folder):
    bundle = with_model(folder, lambda x: keras.layers.Concatenate()([x, keras.layers.Add()([x, x])]))
    assert load_keras(bundle).inputs


@pytest.mark.parametrize("layer", REFUSED, ids=lambda layer: type(layer).__name__)
def test_anything_else_is_refused_by_its_name(folder, layer):
    bundle = with_model(folder, layer)
    with pytest.raises(IntegrityError, match=f"wants the layer '{type(layer).__name__}'"):
        load_keras(bundle)


def test_a_table_model_may_not_be_made_of_film_layers(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "kind": "keras"}), encoding="utf-8")
    reseal(folder)
    with pytest.raises(IntegrityError, match="not allowed"):
        load_keras(open_bundle(folder))


def test_a_bundle_of_an_unknown_kind_builds_nothing(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "kind": "else"}), encoding="utf-8")
    reseal(folder)
    with pytest.raises(IntegrityError, match="not allowed"):
        load_keras(open_bundle(folder))


@pytest.mark.parametrize("place", ["registered_name", "module"])
def test_a_layer_that_claims_to_be_another_is_refused(folder, place):
    def edit(node):
        if isinstance(node, dict):
            if node.get("class_name") == "ReLU":
                node[place] = "evil>ReLU" if place == "registered_name" else "os"
            for value in node.values():
                edit(value)
        elif isinstance(node, list):
            for value in node:
                edit(value)

    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    edit(config)
    members["config.json"] = json.dumps(config).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    reseal(folder)
    with pytest.raises(IntegrityError, match="not allowed"):
        load_keras(open_bundle(folder))


def test_a_film_bundle_may_weigh_25_megabytes_in_all(folder):
    rng = np.random.default_rng(0)
    (folder / "extra.bin").write_bytes(rng.bytes(24_000_000))
    reseal(folder)
    assert open_bundle(folder).manifest.id == MODEL_ID
    (folder / "more.bin").write_bytes(rng.bytes(1_500_000))
    reseal(folder)
    with pytest.raises(IntegrityError, match="may weigh 25 MB"):
        open_bundle(folder)


def test_the_shelf_describes_a_film_bundle(film_models):
    facts = Catalog(film_models).default("pneumonia")
    assert (facts.model_id, facts.kind, facts.default) == (MODEL_ID, "keras-image", True)
    assert set(facts.thresholds) == {"default", "screening", "high_confidence"}
    assert Catalog(film_models).studied(MODEL_ID) == {}
    assert "made-up" in Catalog(film_models).card(MODEL_ID)
