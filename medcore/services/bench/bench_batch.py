"""Many patients at once: rows a second through model and calibration, and from file to file in chunks."""

from __future__ import annotations

import csv
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medcore.config import SETTINGS, Settings
from medcore.errors import MedcoreError
from medcore.services.bench.figure import Figure, time_calls

__all__ = ["build_mlp", "draw_rows", "measure_batch", "measure_scale"]

_BATCH_ROWS = 100_000
_BATCH_SIZE = 8192
_WIDTHS = (30, 128, 64, 1)
_SEED = 0
_FILE_ROWS = (1_000, 10_000, 100_000)
_CONDITION = "heart_disease"


def measure_batch(_: Settings) -> Iterator[Figure]:
    """Yield 100,000 rows through model and calibration, against Keras' ``predict`` and against the bare function."""
    import tensorflow as tf

    from medcore.inference.calibrator import Calibrator, Line
    from medcore.inference.scores import KerasScores

    model, plain, X = build_mlp(n_outputs=2), build_mlp(n_outputs=1), draw_rows(_BATCH_ROWS)
    scores = KerasScores(model)
    calibrator = Calibrator(main=Line(slope=1.0, intercept=0.0), refits=())
    bare = tf.function(lambda rows: plain(rows), input_signature=[tf.TensorSpec((None, _WIDTHS[0]), tf.float32)])
    calls = (
        lambda: calibrator.probability(scores.main(X)),
        lambda: np.asarray(plain.predict(X, batch_size=_BATCH_SIZE, verbose=0)),
        lambda: np.asarray(bare(X)),
    )
    times: list[list[float]] = [[], [], []]
    for call in calls:
        time_calls(call, repeats=0, warm_up=2)
    for _turn in range(7):
        for found, call in zip(times, calls, strict=True):
            found += time_calls(call, repeats=1, warm_up=0)
    ours, keras_own, function = (_BATCH_ROWS / statistics.median(found) for found in times)
    name = f"predict {_BATCH_ROWS:,} rows with calibration, 30-128-64-1 MLP"
    yield Figure(
        name=name,
        unit="rows/s",
        value=ours,
        baseline=keras_own,
        baseline_name=f"Keras predict(batch_size={_BATCH_SIZE})",
        better="more",
        at_least=1e6,
    )
    yield Figure(
        name=f"{name}, again",
        unit="rows/s",
        value=ours,
        baseline=function,
        baseline_name="one call of a bare tf.function",
        better="more",
        ratio_limit=1 / 3,
    )


def measure_scale(settings: Settings) -> Iterator[Figure]:
    """Yield rows a second and memory from CSV to CSV by the command, for more and more rows; memory must stay flat."""
    from medcore.registry import Catalog

    if not Catalog(settings.models_dir).models(_CONDITION):
        raise MedcoreError(f"there is no model for {_CONDITION} to measure")
    first: tuple[float, float] | None = None
    with TemporaryDirectory() as folder:
        for n in _FILE_ROWS:
            seconds, peak_mb = _score_file(settings, Path(folder), n)
            first = first or (seconds, peak_mb)
            extra_rows, extra_s = n - _FILE_ROWS[0], seconds - first[0]
            yield Figure(
                name=f"CSV to CSV, {n:,} rows: peak memory",
                unit="MB",
                value=peak_mb,
                baseline=first[1],
                baseline_name=f"{_FILE_ROWS[0]:,} rows",
                at_most=1000.0,
            )
            yield Figure(
                name=f"CSV to CSV, {n:,} rows: whole command",
                unit="s",
                value=seconds,
                baseline=first[0],
                baseline_name=f"{_FILE_ROWS[0]:,} rows, mostly the start",
            )
            if extra_s > first[0]:  # else the start hides what the rows cost
                yield Figure(
                    name=f"CSV to CSV, {n:,} rows: without the start",
                    unit="rows/s",
                    value=extra_rows / extra_s,
                    better="more",
                )


def _score_file(settings: Settings, folder: Path, n: int) -> tuple[float, float]:
    """Seconds and peak megabytes (1e6 bytes) of the command in a process of its own."""
    source = folder / "rows.csv"
    _write_rows(settings, source, n)
    command = [sys.executable, "-m", "medcore.cli", "predict", _CONDITION, str(source), "--out", str(folder / "out")]
    start = time.perf_counter()
    journal = {setting.env: str(folder / "data") for setting in SETTINGS if setting.name == "data_dir"}
    child = subprocess.Popen(  # noqa: S603 - our own
        command, env={**os.environ, **journal}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise MedcoreError(f"medcore predict ended with {child.returncode}")
    return time.perf_counter() - start, _peak_bytes(used) / 1e6


def _peak_bytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def _write_rows(settings: Settings, path: Path, n: int) -> None:
    """Write the model's made-up patients over and over."""
    from medcore.registry import Catalog

    catalog = Catalog(settings.models_dir)
    bundle = catalog.bundle(catalog.default(_CONDITION).model_id)
    X = bundle.read_arrays("cohort.npz")["X"]
    names = [item["name"] for item in bundle.manifest.schema if item["name"]][: X.shape[1]]
    rows = [["" if np.isnan(value) else f"{value:g}" for value in row] for row in X]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for start in range(0, n, len(rows)):
            writer.writerows(rows[: n - start])


def draw_rows(n: int) -> np.ndarray:
    """Draw rows for :func:`build_mlp`."""
    return np.random.default_rng(_SEED).normal(size=(n, _WIDTHS[0])).astype(np.float32)


def build_mlp(*, n_outputs: int) -> Any:
    """Build a network of 30-128-64-1 with random weights."""
    import keras

    keras.utils.set_random_seed(_SEED)
    inputs = keras.Input((_WIDTHS[0],))
    hidden = inputs
    for width in _WIDTHS[1:-1]:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    outputs = [keras.layers.Dense(_WIDTHS[-1])(hidden) for _ in range(n_outputs)]
    return keras.Model(inputs, outputs if n_outputs > 1 else outputs[0])
