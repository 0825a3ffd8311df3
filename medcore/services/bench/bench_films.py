"""Speed of the film path: reading, scoring and mapping, each beside a plain script that does the same.

The films are made-up ones in the sizes that occur: a JPEG of about 0.7 MB and a DICOM of 1955 x 1841
pixels at 15 bits. The plain script is what a careful user writes first: Pillow or pydicom in the same
process, ``model.predict``, and Grad-CAM with a gradient tape.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medcore.config import Settings
from medcore.errors import MedcoreError
from medcore.imaging.display import render
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import FilmLimits
from medcore.imaging.reader import FilmReader
from medcore.imaging.squash import film_tensor
from medcore.services.bench.figure import Figure, time_both, time_calls

__all__ = ["DICOM_SHAPE", "make_jpeg", "measure_films", "wrap_dicom"]

_N_FILMS = 200
_REPEATS = 15
_JPEG_SHAPE = (1300, 1600)
DICOM_SHAPE = (1841, 1955)
_DICOM_BITS = 15


def make_jpeg(seed: int = 0) -> bytes:
    """Return a made-up film as a grey JPEG of about 0.7 MB (grain keeps it from being smaller)."""
    from PIL import Image

    rows, columns = _JPEG_SHAPE
    rng = np.random.default_rng(seed)
    grey = 255.0 * render(make_phantom(seed, rows, columns)) + rng.normal(0.0, 4.0, _JPEG_SHAPE)
    file = io.BytesIO()
    Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def wrap_dicom(pixels: np.ndarray) -> bytes:
    """Return 15-bit pixels (uint16) as an uncompressed DICOM file: a frontal chest film of a child of three."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    film.Modality, film.BodyPartExamined, film.ViewPosition, film.PatientAge = "DX", "CHEST", "AP", "003Y"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, _DICOM_BITS, _DICOM_BITS - 1, 0
    film.WindowCenter, film.WindowWidth = 1 << (_DICOM_BITS - 1), 1 << _DICOM_BITS
    film.PixelData = pixels.astype("<u2").tobytes()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    film.save_as(file, enforce_file_format=True)
    return file.getvalue()


def measure_films(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of the default film model.

    Raises
    ------
    MedcoreError
        There is no film model here.
    """
    from medcore.inference.film_model import FilmModel
    from medcore.registry import Catalog

    catalog = Catalog(settings.models_dir)
    facts = next((item for item in catalog.models() if item.default and item.kind == "keras-image"), None)
    if facts is None:
        raise MedcoreError("there is no film model to measure")
    model = FilmModel.load(catalog.bundle(facts.model_id))
    with FilmReader() as reader:
        yield from _measure_reading(reader)
        yield from _measure_scoring(reader, model, facts.model_id)
        yield from _measure_batch(reader, model)


def _measure_reading(reader: FilmReader) -> Iterator[Figure]:
    jpeg, dicom = make_jpeg(), wrap_dicom(make_phantom(0, *DICOM_SHAPE).stored << 3)
    for name, data, plain in (
        (f"read a JPEG of {len(jpeg) / 1e6:.1f} MB", jpeg, _plain_jpeg),
        (f"read a DICOM of {DICOM_SHAPE[1]} x {DICOM_SHAPE[0]}", dicom, _plain_dicom),
    ):
        yield _milliseconds(name, partial(reader.read, data), "decode in this process", partial(plain, data))


def _measure_scoring(reader: FilmReader, model: Any, name: str) -> Iterator[Figure]:
    from medcore.explain.saliency import FilmExplainer

    jpeg = make_jpeg()
    tensor = film_tensor(reader.read(jpeg), model.network.spec.size)
    plain, explainer = _PlainScript(model), FilmExplainer(model)
    yield _milliseconds(
        f"forward pass of one film, {name}",
        lambda: model.predict(tensor[None], [()]),
        "Keras predict of one film",
        lambda: plain.predict(tensor),
    )
    bare = _bare_function(model)
    yield _milliseconds(
        "forward pass of one film with calibration and gate",
        lambda: model.predict(tensor[None], [()]),
        "bare tf.function",
        lambda: bare(tensor[None]),
        ratio_limit=1.2,
    )
    yield _milliseconds(
        "JPEG to score, in process",
        lambda: model.predict(film_tensor(reader.read(jpeg), model.network.spec.size)[None], [()]),
        "Pillow and Keras predict",
        lambda: plain.predict(plain.read(jpeg)),
    )
    yield _milliseconds(
        "heat map with its checks",
        lambda: explainer.heat_map(tensor),
        "Grad-CAM with a gradient tape, unchecked",
        lambda: plain.grad_cam(tensor),
    )


def _measure_batch(reader: FilmReader, model: Any) -> Iterator[Figure]:
    """200 JPEG files through the command line's path, against the bare forward pass of as many tensors."""
    from medcore.services.training.film_cohort import BATCH, read_ahead

    tensors = np.repeat(film_tensor(make_phantom(0), model.network.spec.size)[None], _N_FILMS, axis=0)
    nothing: list[tuple[()]] = [()] * BATCH

    def bare() -> None:
        for start in range(0, _N_FILMS, BATCH):
            part = tensors[start : start + BATCH]
            model.predict(part, nothing[: len(part)])

    with TemporaryDirectory() as folder:
        paths = []
        for i in range(_N_FILMS):
            path = Path(folder) / f"{i:03d}.jpg"
            path.write_bytes(make_jpeg(i % 8))
            paths.append(path)

        def whole() -> None:
            reads = read_ahead(reader, paths, model.network.spec.size, FilmLimits())
            found = (read.film.tensor for _, read in reads if read.film is not None)
            while batch := list(islice(found, BATCH)):
                model.predict(np.stack(batch), nothing[: len(batch)])

        mine = statistics.median(time_calls(whole, repeats=3, warm_up=1))
    theirs = statistics.median(time_calls(bare, repeats=3, warm_up=1))
    yield Figure(
        name=f"{_N_FILMS} JPEG films, file to score",
        unit="films/s",
        value=_N_FILMS / mine,
        baseline=_N_FILMS / theirs,
        baseline_name="bare forward pass",
        better="more",
        at_least=30.0,
    )


def _bare_function(model: Any) -> Callable[[np.ndarray], object]:
    """Return the network as one compiled call and nothing else; mirrored once more where the model averages that in."""
    import tensorflow as tf

    spec, keras_model = model.network.spec, model.network.keras_model

    def run(films: Any) -> Any:
        pictures = films[..., tf.newaxis]
        found = keras_model(pictures, training=False)
        return (found, keras_model(pictures[:, :, ::-1], training=False)) if spec.flip_average else found

    compiled = tf.function(run, input_signature=[tf.TensorSpec((None, spec.size, spec.size), tf.float32)])
    return lambda films: compiled(films)


def _milliseconds(
    name: str,
    ours: Callable[[], object],
    baseline_name: str,
    theirs: Callable[[], object],
    *,
    ratio_limit: float | None = None,
) -> Figure:
    """Measure both in turn, so that whatever else the machine does falls on both alike."""
    mine, other = time_both(ours, theirs, repeats=_REPEATS)
    return Figure(
        name=f"{name}, median",
        unit="ms",
        value=1e3 * statistics.median(mine),
        baseline=1e3 * statistics.median(other),
        baseline_name=baseline_name,
        ratio_limit=ratio_limit,
    )


def _plain_jpeg(data: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def _plain_dicom(data: bytes) -> np.ndarray:
    import pydicom

    return np.asarray(pydicom.dcmread(io.BytesIO(data)).pixel_array)


class _PlainScript:
    """What a careful user writes first."""

    def __init__(self, model: Any) -> None:
        self._keras = model.network.keras_model
        self._size = model.network.spec.size

    def read(self, data: bytes) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as film:
            small = film.convert("L").resize((self._size, self._size), Image.Resampling.BILINEAR)
        return np.asarray(small, dtype=np.float32) / 255.0

    def predict(self, tensor: np.ndarray) -> Any:
        return self._keras.predict(tensor[None, ..., None], verbose=0)

    def grad_cam(self, tensor: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            found = self._keras(tensor[None, ..., None], training=False)
            logits, maps = (found["logits"], found["maps"]) if isinstance(found, dict) else (found[0], found[2])
            top = tf.reduce_logsumexp(logits[:, 1:], axis=1) - logits[:, 0]
        weights = tf.reduce_mean(tape.gradient(top, maps), axis=(1, 2), keepdims=True)
        return np.asarray(tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0])
