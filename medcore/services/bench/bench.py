"""The speed table: how quick medcore is here and now, each figure beside its baseline from the same run.

Baselines are what a user would otherwise have: a bare interpreter, Keras' own ``model.predict``, a
hello-world Streamlit page. A figure that cannot be measured on this machine stays in the table
with the reason.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medcore.config import Settings, read_settings
from medcore.errors import MedcoreError

__all__ = ["Figure", "run_bench", "time_calls"]

_BATCH_ROWS = 100_000
_BATCH_SIZE = 8192
_WIDTHS = (30, 128, 64, 1)
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure; ``value`` is None when it could not be measured, with the ``reason``.

    ``ratio`` is ``value / baseline``; which direction is better follows from the unit.
    """

    name: str
    unit: str
    value: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """Value relative to the baseline."""
        return None if self.value is None or not self.baseline else self.value / self.baseline


def run_bench(
    *, only: str | None = None, report: Callable[[str], None] = lambda _: None, settings: Settings | None = None
) -> list[dict[str, Any]]:
    """Measure everything (or the groups whose name holds ``only``) and return rows of plain types.

    Parameters
    ----------
    only : str, optional
        A group: ``imports``, ``models``, ``films``, ``batch``, ``page``, ``xray page``.
    report : callable, optional
        Told which group is being measured.
    """
    settings = settings or read_settings()
    groups: dict[str, Callable[[Settings], Iterator[Figure]]] = {
        "imports": _measure_imports,
        "batch": _measure_batch,
        "models": _measure_models,
        "films": _measure_films,
        "page": _measure_pages,
        "xray page": _measure_film_pages,
    }
    rows: list[dict[str, Any]] = []
    for name, measure in groups.items():
        if only and only not in name:
            continue
        report(f"measuring {name} ...")
        rows += [{**asdict(figure), "ratio": figure.ratio} for figure in _guarded(name, measure, settings)]
    return rows


def time_calls(call: Callable[[], object], *, repeats: int, warm_up: int = 2) -> list[float]:
    """Return the wall-clock seconds of ``repeats`` calls, after ``warm_up`` calls that do not count."""
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _guarded(name: str, measure: Callable[[Settings], Iterator[Figure]], settings: Settings) -> Iterator[Figure]:
    try:
        yield from measure(settings)
    except MedcoreError as error:
        yield Figure(name=name, unit="", reason=error.message)


def _measure_imports(_: Settings) -> Iterator[Figure]:
    bare = _time_process(["-c", "pass"])
    for name, arguments in (
        ("import medcore", ["-c", "import medcore"]),
        ("medcore --help", ["-m", "medcore.cli", "--help"]),
        ("import medcore.api, list models", ["-c", "import medcore; medcore.list_models()"]),
    ):
        yield Figure(
            name=name, unit="s", value=_time_process(arguments), baseline=bare, baseline_name="bare interpreter"
        )


def _time_process(arguments: Sequence[str]) -> float:
    def start() -> None:
        subprocess.run([sys.executable, *arguments], check=False, capture_output=True)  # noqa: S603 - our own interpreter

    return statistics.median(time_calls(start, repeats=5, warm_up=1))


def _measure_batch(_: Settings) -> Iterator[Figure]:
    """100,000 rows through model and calibration, against Keras' own batched ``predict``."""
    from medcore.inference.calibrator import Calibrator, Line
    from medcore.inference.scores import KerasScores

    model, X = _build_mlp(n_outputs=2), _draw_rows(_BATCH_ROWS)
    plain = _build_mlp(n_outputs=1)
    scores = KerasScores(model)
    calibrator = Calibrator(main=Line(slope=1.0, intercept=0.0), refits=())

    def ours() -> np.ndarray:
        return calibrator.probability(scores.main(X))

    def keras_own() -> np.ndarray:
        return np.asarray(plain.predict(X, batch_size=_BATCH_SIZE, verbose=0))

    mine = statistics.median(time_calls(ours, repeats=7))
    theirs = statistics.median(time_calls(keras_own, repeats=7))
    yield Figure(
        name="predict 100,000 rows, 30-128-64-1 MLP",
        unit="rows/s",
        value=_BATCH_ROWS / mine,
        baseline=_BATCH_ROWS / theirs,
        baseline_name=f"Keras predict(batch_size={_BATCH_SIZE})",
    )


def _measure_models(settings: Settings) -> Iterator[Figure]:
    """One patient through every default model, against ``model.predict`` of one row."""
    from medcore.api import load_from
    from medcore.registry import Catalog

    catalog = Catalog(settings.models_dir)
    defaults = [facts for facts in catalog.models() if facts.default and facts.kind != "keras-image"]
    if not defaults:
        raise MedcoreError("there are no bundles to measure")
    plain, row = _build_mlp(n_outputs=1), _draw_rows(1)
    one = 1e3 * statistics.median(time_calls(lambda: plain.predict(row, verbose=0), repeats=30))
    for facts in defaults:
        model = load_from(catalog, facts.model_id)
        record = _example_record(model)
        for what, call in (
            ("predict one", lambda model=model, record=record: model.predict_one(record)),
            ("explain one", lambda model=model, record=record: model.explain(record)),
        ):
            seconds = np.array(time_calls(call, repeats=60, warm_up=5))
            for share in (50, 95):
                yield Figure(
                    name=f"{what}, {facts.model_id}, p{share}",
                    unit="ms",
                    value=1e3 * float(np.percentile(seconds, share)),
                    baseline=one,
                    baseline_name="Keras predict of one row, median",
                )


def _example_record(model: Any) -> Any:
    """Return the first made-up example of the model's condition that gets a score."""
    from medcore.services.bedside.clinic import read_form

    example = next(item for item in model.condition.examples if item.expects == "scored")
    return read_form(model.condition, example.values, example.units).record


def _measure_films(settings: Settings) -> Iterator[Figure]:
    from medcore.services.bench.bench_films import measure_films

    yield from measure_films(settings)


def _measure_pages(settings: Settings) -> Iterator[Figure]:
    from medcore.services.bench.bench_browser import measure_pages

    for name, seconds, baseline, baseline_name in measure_pages(settings):
        yield Figure(name=name, unit="s", value=seconds, baseline=baseline, baseline_name=baseline_name)


def _measure_film_pages(settings: Settings) -> Iterator[Figure]:
    from medcore.services.bench.bench_film_pages import measure_film_pages

    for name, unit, value, baseline, baseline_name in measure_film_pages(settings):
        reason = "" if value is not None else "the gate withheld every film that was tried"
        yield Figure(name=name, unit=unit, value=value, baseline=baseline, baseline_name=baseline_name, reason=reason)


def _draw_rows(n: int) -> np.ndarray:
    return np.random.default_rng(_SEED).normal(size=(n, _WIDTHS[0])).astype(np.float32)


def _build_mlp(*, n_outputs: int) -> Any:
    import keras

    keras.utils.set_random_seed(_SEED)
    inputs = keras.Input((_WIDTHS[0],))
    hidden = inputs
    for width in _WIDTHS[1:-1]:
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    outputs = [keras.layers.Dense(_WIDTHS[-1])(hidden) for _ in range(n_outputs)]
    return keras.Model(inputs, outputs if n_outputs > 1 else outputs[0])
