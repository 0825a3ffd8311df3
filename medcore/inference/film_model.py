"""A loaded film bundle that answers: calibrated probability, band, pattern, applicability.

:class:`FilmNetwork` is the network alone, one compiled call for any number of films; :class:`FilmModel` adds
calibration and the gate. Both are read-only after loading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medcore.errors import InputError, IntegrityError, MedcoreError, SelfTestError
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import film_status
from medcore.imaging.squash import film_tensor
from medcore.inference.film_calibrator import FilmCalibrator
from medcore.inference.film_gate import FilmGate
from medcore.registry.bundle import SealedBundle, load_keras
from medcore.registry.manifest import Manifest
from medcore.results import Applicability, Interval, Prediction, Reason, Status
from medcore.workers import checkpoint, gives_way

__all__ = [
    "FILM_KIND",
    "GOLDEN_SEEDS",
    "GOLDEN_TOLERANCE",
    "FilmBatch",
    "FilmInput",
    "FilmModel",
    "FilmNetwork",
    "FilmOutputs",
    "make_golden",
]

FILM_KIND = "keras-image"
"""Kind of a bundle that answers about films."""

GOLDEN_TOLERANCE = 1e-4
"""Largest allowed difference (probability) from the released answers; holds across CPU and GPU."""

GOLDEN_SEEDS = (0, 1, 2, 3)
"""Phantoms on which a bundle's answers are written down when it is released."""

_CHUNK = 16
_SHARED_CHUNK = 4  # a tenth slower each, but a patient's score beside it waits for so few only
_GOLDEN_ROWS, _GOLDEN_COLUMNS = 300, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmInput:
    """What a network expects (``input.json``): side in pixels, classes, and whether a mirrored copy is averaged in.

    ``binarised`` says that the network itself turns films to black and white; nothing else does.
    """

    size: int
    classes: tuple[str, ...]
    positive: tuple[str, ...]
    binarised: bool = False
    flip_average: bool = False

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> FilmInput:
        """Read ``input.json``.

        Raises
        ------
        IntegrityError
            Parts are missing or wrong.
        """
        try:
            found = cls(
                size=int(raw["size"]),
                classes=tuple(map(str, raw["classes"])),
                positive=tuple(map(str, raw["positive"])),
                binarised=bool(raw["binarised"]),
                flip_average=bool(raw["flip_average"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise IntegrityError("the description of the film model's input is incomplete") from error
        if not 32 <= found.size <= 1024 or found.size % 32:
            raise IntegrityError("a film model's input is a square of 32 to 1024 pixels, a multiple of 32")
        return found

    def to_json(self) -> dict[str, Any]:
        """Describe the input in plain JSON types."""
        return {
            "size": self.size,
            "classes": list(self.classes),
            "positive": list(self.positive),
            "binarised": self.binarised,
            "flip_average": self.flip_average,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmOutputs:
    """What the network says about n films: ``logits`` (n, n_classes), ``features`` (n, d), ``maps`` (n, h, w, c)."""

    logits: np.ndarray
    features: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmBatch:
    """Calibrated answers about n films: ``p``, ``lo``, ``hi`` (n,), ``probabilities`` (n, n_classes)."""

    p: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    probabilities: np.ndarray


class FilmNetwork:
    """A Keras model with the outputs logits, features and maps, compiled once for any number of films.

    Parameters
    ----------
    model : keras.Model
        Input (n, size, size, 1), 0..1; outputs named ``logits``, ``features`` and ``maps``, or in that order.
    spec : FilmInput
        What it expects. With ``flip_average`` every output is the mean over the film and its mirror image,
        the maps of the latter mirrored back.

    Raises
    ------
    IntegrityError
        The model does not have these inputs and outputs.
    """

    def __init__(self, model: Any, spec: FilmInput) -> None:
        import keras
        import tensorflow as tf

        self.spec = spec
        self.keras_model = model
        outputs = _name_outputs(model.output)
        _check_model(model, outputs, spec)
        flip = spec.flip_average

        def run(films: Any) -> dict[str, Any]:
            pictures = films[..., tf.newaxis]
            found = _name_outputs(model(pictures, training=False))
            if not flip:
                return found
            mirrored = _name_outputs(model(pictures[:, :, ::-1], training=False))
            mirrored["maps"] = mirrored["maps"][:, :, ::-1]
            return {name: (found[name] + mirrored[name]) / 2.0 for name in found}

        signature = [tf.TensorSpec((None, spec.size, spec.size), tf.float32)]
        self._run = tf.function(run, input_signature=signature)
        self.head = keras.Model(outputs["maps"], outputs["logits"])
        """The part of the network after its last maps: (n, h, w, c) -> logits."""

    def __call__(self, tensors: np.ndarray) -> FilmOutputs:
        """Run the network on films, shape (n, size, size), 0..1; any n, also 0.

        Raises
        ------
        InputError
            Another shape, or values that are not finite or outside 0..1.
        """
        films = check_films(tensors, self.spec.size)
        if not len(films):
            return FilmOutputs(**{name: np.empty((0, *self._shape(name)), np.float32) for name in _OUTPUTS})
        parts = []
        chunk = _SHARED_CHUNK if gives_way() else _CHUNK
        for i in range(0, len(films), chunk):
            checkpoint()
            parts.append(self._run(films[i : i + chunk]))
        return FilmOutputs(**{name: np.concatenate([part[name].numpy() for part in parts]) for name in _OUTPUTS})

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(int(side) for side in _name_outputs(self.keras_model.output)[name].shape[1:])


class FilmModel:
    """One film model, ready to answer."""

    def __init__(self, bundle: SealedBundle, network: FilmNetwork) -> None:
        self.manifest: Manifest = bundle.manifest
        self.sha256 = bundle.sha256
        self.network = network
        self.calibrator = FilmCalibrator.from_json(bundle.read_json("calibrator.json"))
        self.gate = FilmGate.from_arrays(bundle.read_arrays("gate.npz"))
        spec = network.spec
        if (self.calibrator.classes, self.calibrator.positive) != (spec.classes, spec.positive):
            raise IntegrityError(f"{bundle.manifest.id}: its calibrator was made for other classes")

    @classmethod
    def load(cls, bundle: SealedBundle) -> FilmModel:
        """Build the model of a verified bundle and run its self-test.

        Raises
        ------
        IntegrityError
            The bundle's parts do not make a model.
        SelfTestError
            It does not give the answers it was released with.
        """
        if bundle.manifest.kind != FILM_KIND:
            raise IntegrityError(f"{bundle.manifest.id} is no film model", value=bundle.manifest.kind)
        try:
            network = FilmNetwork(load_keras(bundle), FilmInput.from_json(bundle.read_json("input.json")))
            model = cls(bundle, network)
            model.self_test(bundle.read_json("golden.json"))
        except MedcoreError:
            raise
        except Exception as error:
            raise IntegrityError(f"{bundle.manifest.id}: its parts do not make a model: install it again") from error
        return model

    @property
    def threshold(self) -> float | None:
        """The operating point that a label goes by: ``default``, else ``balanced``."""
        points = self.manifest.operating_points
        return points.get("default", points.get("balanced"))

    def probability(self, tensors: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,), of films (n, size, size), whatever the gate says."""
        return self.calibrate(self.network(tensors)).p

    def calibrate(self, outputs: FilmOutputs) -> FilmBatch:
        """Turn the network's outputs into calibrated answers.

        Raises
        ------
        SelfTestError
            An answer is not a number.
        """
        p = self.calibrator.probability(self.calibrator.score(outputs.logits))
        lo, hi = self.calibrator.band(p)
        if not (np.isfinite(p).all() and np.isfinite(lo).all() and np.isfinite(hi).all()):
            raise SelfTestError(f"{self.manifest.id} gave a score that is not a number: do not use it")
        return FilmBatch(p=p, lo=lo, hi=hi, probabilities=self.calibrator.pattern(outputs.logits))

    def predict(
        self, tensors: np.ndarray, reasons: Sequence[tuple[Reason, ...]] | None = None
    ) -> tuple[Prediction, ...]:
        """Predict films.

        Parameters
        ----------
        tensors : float array, shape (n, size, size)
            Films as ``film_tensor`` makes them, 0 = black, 1 = white.
        reasons : sequence of tuples of Reason, optional
            One tuple per film, found in its header and pixels beforehand; those of the gate are added.

        Returns
        -------
        tuple of Prediction
            In the order of the films. A withheld film carries reasons and no number.
        """
        films = check_films(tensors, self.network.spec.size)
        before = [()] * len(films) if reasons is None else list(reasons)
        if len(before) != len(films):
            raise InputError(f"{len(before)} lists of reasons for {len(films)} films")
        if not len(films):
            return ()
        outputs = self.network(films)
        batch = self.calibrate(outputs)
        found, percentiles = self.gate.examine(outputs.features, films)
        return tuple(
            self._prediction(_join(before[i], found[i]), float(percentiles[i]), batch, i) for i in range(len(films))
        )

    def self_test(self, golden: Mapping[str, Any]) -> None:
        """Compare with the answers the bundle was released with.

        Raises
        ------
        SelfTestError
            An answer differs by more than ``GOLDEN_TOLERANCE``.
        """
        try:
            seeds = [int(seed) for seed in golden["seeds"]]
            p = np.array(golden["p"], dtype=np.float64)
            probabilities = np.array(golden["probabilities"], dtype=np.float64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SelfTestError(f"{self.manifest.id}: golden.json is incomplete") from error
        if not 0 < len(seeds) <= 16 or p.shape != (len(seeds),):
            raise SelfTestError(f"{self.manifest.id}: golden.json is incomplete")
        batch = self.calibrate(self.network(golden_tensors(seeds, self.network.spec.size)))
        if probabilities.shape != batch.probabilities.shape:
            raise SelfTestError(f"{self.manifest.id}: golden.json is incomplete")
        worst = max(float(np.abs(batch.p - p).max()), float(np.abs(batch.probabilities - probabilities).max()))
        if not worst <= GOLDEN_TOLERANCE:
            raise SelfTestError(
                f"{self.manifest.id} does not reproduce its released answers (off by {worst:.1e}): install it again"
            )

    def _prediction(self, reasons: tuple[Reason, ...], percentile: float, batch: FilmBatch, i: int) -> Prediction:
        status = film_status(reasons)
        shown = status is not Status.WITHHELD
        p, threshold = float(batch.p[i]), self.threshold
        label = None
        if shown and threshold is not None:
            label = "positive" if p >= threshold else "negative"
        interval = Interval(
            lo=float(batch.lo[i]), hi=float(batch.hi[i]), level=self.calibrator.level, kind="calibration_band"
        )
        shares = zip(self.calibrator.classes, batch.probabilities[i].tolist(), strict=True)
        return Prediction(
            condition=self.manifest.condition,
            model_id=self.manifest.id,
            sha256=self.sha256,
            applicability=Applicability(status=status, reasons=reasons, distance_percentile=percentile),
            p_calibrated=p if shown else None,
            interval=interval if shown else None,
            label=label,
            threshold=threshold,
            probabilities=dict(shares) if shown else None,
        )


def make_golden(
    network: FilmNetwork, calibrator: FilmCalibrator, seeds: Sequence[int] = GOLDEN_SEEDS
) -> dict[str, Any]:
    """Return the answers on phantoms that a bundle is released with (``golden.json``)."""
    logits = network(golden_tensors(seeds, network.spec.size)).logits
    return {
        "seeds": [int(seed) for seed in seeds],
        "p": calibrator.probability(calibrator.score(logits)).tolist(),
        "probabilities": calibrator.pattern(logits).tolist(),
    }


def golden_tensors(seeds: Sequence[int], size: int) -> np.ndarray:
    """Return the phantoms of the self-test as a network sees them, shape (n, size, size)."""
    return np.array([film_tensor(make_phantom(seed, _GOLDEN_ROWS, _GOLDEN_COLUMNS), size) for seed in seeds])


def check_films(tensors: np.ndarray, size: int) -> np.ndarray:
    """Return films as float32 (n, size, size).

    Raises
    ------
    InputError
        Another shape, or values that are not finite or outside 0..1.
    """
    films = np.ascontiguousarray(tensors, dtype=np.float32)
    if films.ndim != 3 or films.shape[1:] != (size, size):
        raise InputError(f"films have shape {films.shape}, the model expects (n, {size}, {size})")
    if films.size and not (films.min() >= 0.0 and films.max() <= 1.0):
        raise InputError("a film for the model holds values from 0 (black) to 1 (white)")
    return films


_OUTPUTS = ("logits", "features", "maps")


def _name_outputs(outputs: Any) -> dict[str, Any]:
    """Return a model's outputs by name, whether they come as a mapping or in order."""
    if isinstance(outputs, Mapping):
        return {name: outputs[name] for name in _OUTPUTS if name in outputs}
    return dict(zip(_OUTPUTS, outputs, strict=False)) if isinstance(outputs, list | tuple) else {}


def _check_model(model: Any, outputs: Mapping[str, Any], spec: FilmInput) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
    sound = (
        set(shapes) == set(_OUTPUTS)
        and len(model.inputs) == 1
        and tuple(model.inputs[0].shape) == (None, spec.size, spec.size, 1)
        and shapes["logits"] == (None, len(spec.classes))
        and len(shapes["features"]) == 2
        and len(shapes["maps"]) == 4
        and None not in (*shapes["features"][1:], *shapes["maps"][1:])
    )
    if not sound:
        raise IntegrityError("a film model takes one square grey picture and gives logits, features and maps")


def _join(before: Sequence[Reason], found: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return all reasons, each code once: what was found first counts."""
    known = {reason.code for reason in before}
    return (*before, *(reason for reason in found if reason.code not in known))
