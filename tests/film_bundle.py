"""Made-up films, and a real film bundle trained on them in seconds by the code that serves the shipped ones.

The films are phantoms, as different from each other as the films of one study are, healthy or with opacities.
"""

import io
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from medcore.imaging.phantom import make_phantom
from medcore.imaging.squash import film_tensor, squash
from medcore.inference.film_calibrator import fit_film_calibrator
from medcore.inference.film_gate import fit_film_gate
from medcore.inference.film_model import FilmInput, FilmNetwork, make_golden
from medcore.registry import Manifest, write_bundle
from medcore.registry.manifest import FORMAT

CONDITION = "pneumonia"
MODEL_ID = "pneumonia-cnn"
N_TRUNKS = 60
CLASSES, POSITIVE = ("normal", "bacterial", "viral"), ("bacterial", "viral")
SIZE = 224


@dataclass(frozen=True, kw_only=True)
class Films:
    """Tensors (n, 224, 224), classes (n,), and where the opacity of each film is (row, column, radius), 0..1."""

    tensors: np.ndarray
    y: np.ndarray
    spots: np.ndarray


def draw_films(n, seed, *, y=None):
    """Draw films: another trunk, crop, exposure, veil and grain each; class 1 has one opacity, class 2 many specks."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n) if y is None else np.full(n, y)
    spots = np.column_stack([rng.uniform(0.35, 0.6, n), rng.choice([0.28, 0.72], n), rng.uniform(0.09, 0.13, n)])
    films = np.array([_draw(rng, seed * 7 + i, int(y[i]), spots[i]) for i in range(n)])
    return Films(tensors=films, y=y, spots=spots)


def _draw(rng, seed, kind, spot):
    base = _base(seed % N_TRUNKS)
    top, bottom, left, right = rng.integers(0, 10, 4)
    base = squash(base[top : 160 - bottom, left : 160 - right])
    veil = squash(rng.normal(size=(4, 4)).astype(np.float32))
    film = base ** rng.uniform(0.8, 1.25) + 0.05 * veil + rng.normal(0, 0.02, base.shape)
    if kind == 1:
        film = film + rng.uniform(0.3, 0.4) * np.clip(2.0 * _spot(*spot), 0, 1)
    if kind == 2:
        specks = squash(rng.normal(size=(28, 28)).astype(np.float32)).clip(0, None)
        film = film + 0.35 * specks * (_spot(0.45, 0.28, 0.2) + _spot(0.45, 0.72, 0.2))
    return np.clip(film, 0, 1).astype(np.float32)


@cache
def _base(seed):
    return film_tensor(make_phantom(seed, 150, 128), 160)


def _spot(row, column, radius):
    at = np.arange(SIZE) / SIZE
    fall = [np.exp(-((at - middle) ** 2) / (2 * (radius / 1.5) ** 2)) for middle in (row, column)]
    return np.outer(*fall).astype(np.float32)


def build_network(seed=0):
    """A network as small as it can be while every part of a film model is there."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    films = keras.Input((SIZE, SIZE, 1))
    hidden = layers.AveragePooling2D(4)(layers.Rescaling(2.0, offset=-1.0)(films))
    for filters, strides in ((12, 1), (24, 2)):
        hidden = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(hidden)
        hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(hidden))
        hidden = layers.MaxPooling2D(2)(hidden)
    maps = layers.Conv2D(32, 3, padding="same", activation="relu", name="maps")(hidden)
    features = layers.GlobalAveragePooling2D(name="features")(maps)
    logits = layers.Dense(len(CLASSES), name="logits")(layers.Dropout(0.1)(features))
    return keras.Model(films, {"logits": logits, "features": features, "maps": maps})


def write_film_bundle(models_dir, recipe="cnn", *, seed=0, n=210, epochs=24, flip_average=False, default=True):
    """Train a small network on made-up films and write its bundle, in seconds; returns the sealed bundle."""
    train, validation, test = draw_films(n, 10 + seed), draw_films(n // 2, 20 + seed), draw_films(40, 30 + seed)
    model = build_network(seed)
    _train(model, train, epochs)
    spec = FilmInput(size=SIZE, classes=CLASSES, positive=POSITIVE, flip_average=flip_average)
    network = FilmNetwork(model, spec)
    held_out = network(validation.tensors)
    calibrator = fit_film_calibrator(held_out.logits, validation.y, classes=CLASSES, positive=POSITIVE)
    gate = fit_film_gate(
        network(train.tensors).features,
        train.tensors,
        train.y,
        validation_features=held_out.features,
        validation_tensors=validation.tensors,
    )
    p = calibrator.probability(calibrator.score(network(test.tensors).logits))
    contents = {
        "model.keras": _keras_bytes(model),
        "input.json": json.dumps(spec.to_json()).encode(),
        "calibrator.json": json.dumps(calibrator.to_json()).encode(),
        "gate.npz": _npz(**gate.to_arrays()),
        "evaluation.npz": _npz(y=(test.y > 0).astype(np.int8), p=p.astype(np.float32)),
        "golden.json": json.dumps(make_golden(network, calibrator)).encode(),
        "card.md": b"# A made-up film model for tests\n",
    }
    manifest = _describe(recipe, train.y, test.y > 0, p)
    bundle = write_bundle(Path(models_dir) / manifest.id, manifest, contents)
    if default:
        path = Path(models_dir) / "defaults.json"
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**known, CONDITION: {"model": manifest.id}}), encoding="utf-8")
    return bundle


def _train(model, films, epochs):
    import keras

    learner = keras.Model(model.input, model.output["logits"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(keras.optimizers.Adam(5e-3), loss)
    learner.fit(films.tensors[..., None], films.y, batch_size=32, epochs=epochs, verbose=0)


def _describe(recipe, y_train, sick, p):
    auroc = float((p[sick][:, None] > p[~sick][None]).mean())
    return Manifest(
        format=FORMAT,
        id=f"{CONDITION}-{recipe}",
        condition=CONDITION,
        title="Small network",
        kind="keras-image",
        recipe=recipe,
        version="0.0.1",
        created="2026-01-01",
        frameworks={},
        trained_on={"device": "made up"},
        schema=[],
        encoding=[],
        studied={},
        operating_points={"default": 0.5, "screening": 0.2, "high_confidence": 0.9},
        metrics={"auroc": {"value": auroc, "lo": None, "hi": None}},
        base_rate=float((y_train > 0).mean()),
        n_train=len(y_train),
    )


def _keras_bytes(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def _npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
