"""One patient through every default model: score, reasons, and both, against a plain script.

The plain script is ``model.predict`` of one row, and the ``shap`` package's Kernel and Permutation explainers on
the same score with the same background rows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from medcore.config import Settings
from medcore.errors import MedcoreError
from medcore.services.bench.bench_batch import build_mlp, draw_rows
from medcore.services.bench.figure import Figure, time_both, time_calls

__all__ = ["measure_models"]

_REPEATS = 40
_SLOW_REPEATS = 5
_MANY = 50
_SHARES = (50, 95)
_BOTH_MS = {"svm": 60.0, "forest": 150.0}
_KERAS_MS = 15.0
_REFINED = 0.005
_MANY_S = 3.0


def measure_models(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of every default model of a table.

    Raises
    ------
    MedcoreError
        There are no bundles here.
    """
    from medcore.api import load_from
    from medcore.registry import Catalog

    catalog = Catalog(settings.models_dir)
    defaults = [facts for facts in catalog.models() if facts.default and facts.kind != "keras-image"]
    if not defaults:
        raise MedcoreError("there are no bundles to measure")
    plain, row = build_mlp(n_outputs=1), draw_rows(1)
    for facts in defaults:
        model = load_from(catalog, facts.model_id)
        yield from _measure_one(model, facts.recipe, facts.model_id, lambda: plain.predict(row, verbose=0))


def _measure_one(model: Any, recipe: str, name: str, keras_predict: Callable[[], object]) -> Iterator[Figure]:
    record = example_record(model)

    def both() -> None:
        model.predict_one(record)
        model.explain(record)

    script = _PlainScript(model, record)
    kernel = _try_median(script.explain_by_kernel)
    permutation = _try_median(script.explain_by_permutation)
    one, theirs = time_both(lambda: model.predict_one(record), keras_predict, repeats=_REPEATS)
    yield from _shares(f"predict one, {name}", one, 1e3 * statistics.median(theirs), "Keras predict of one row")
    seconds = time_calls(lambda: model.explain(record), repeats=_REPEATS)
    yield from _shares(f"explain one, {name}", seconds, kernel, "shap KernelExplainer, same background")
    yield from _shares(f"explain one, {name}", seconds[:1], permutation, "shap PermutationExplainer", shares=(50,))
    seconds = time_calls(both, repeats=_REPEATS)
    plain_ms = None if kernel is None else kernel + 1e3 * statistics.median(theirs)
    yield from _shares(
        f"predict + explain one, {name}",
        seconds,
        plain_ms,
        "Keras predict + KernelExplainer",
        at_most=_BOTH_MS.get(recipe, _KERAS_MS),
        ratio_limit=1 / 20,
    )
    refined = 1e3 * statistics.median(
        time_calls(lambda: model.explain(record, precision=_REFINED), repeats=_SLOW_REPEATS, warm_up=1)
    )
    quick = 1e3 * statistics.median(seconds)
    yield Figure(
        name=f"explain to .005, {name}",
        unit="ms",
        value=refined,
        baseline=quick,
        baseline_name="predict + explain to .02",
        at_most=quick + 100.0,
    )
    yield from _measure_many(model, name)


def _measure_many(model: Any, name: str) -> Iterator[Figure]:
    """Explain made-up patients as the explore page does; told for a thousand."""
    from medcore.explain.rows import explain_rows

    rows = model.risk_model.cohort[:_MANY]
    seconds = time_calls(partial(explain_rows, model.explainer, rows), repeats=1, warm_up=0)[0]
    yield Figure(
        name=f"explain 1,000 patients, from {_MANY}, {name}",
        unit="s",
        value=1000 * seconds / len(rows),
        at_most=_MANY_S,
    )


def _shares(
    name: str,
    seconds: list[float],
    baseline_ms: float | None,
    baseline_name: str,
    *,
    shares: tuple[int, ...] = _SHARES,
    at_most: float | None = None,
    ratio_limit: float | None = None,
) -> Iterator[Figure]:
    """Yield percentiles in milliseconds; the target is that of the middle one."""
    for share in shares:
        target = share == shares[0]
        yield Figure(
            name=f"{name}, p{share}",
            unit="ms",
            value=1e3 * float(np.percentile(seconds, share)),
            baseline=baseline_ms,
            baseline_name=baseline_name if baseline_ms is not None else "",
            at_most=at_most if target else None,
            ratio_limit=ratio_limit if target and baseline_ms is not None else None,
        )


def _try_median(call: Callable[[], object]) -> float | None:
    """Return the median milliseconds of a call of the ``shap`` package; None where it cannot do it."""
    try:
        return 1e3 * statistics.median(time_calls(call, repeats=_SLOW_REPEATS, warm_up=1))
    except Exception:  # noqa: BLE001 - the other package's failure is no fault of ours
        return None


class _PlainScript:
    """What a careful user writes first, on the same score and background."""

    def __init__(self, model: Any, record: Any) -> None:
        self._score = model.risk_model.probability
        self._background = np.asarray(model.risk_model.background, dtype=np.float64)
        self._row = record.to_row(model.condition.schema)[None]
        blank = np.isnan(self._background)
        self._filled = np.where(blank, np.nanmedian(self._background, axis=0), self._background)
        self._row = np.where(np.isnan(self._row), np.nan_to_num(np.nanmedian(self._background, axis=0)), self._row)
        self._filled = np.nan_to_num(self._filled)

    def explain_by_kernel(self) -> object:
        import shap

        return shap.KernelExplainer(self._score, self._filled).shap_values(self._row, silent=True)

    def explain_by_permutation(self) -> object:
        import shap

        return shap.PermutationExplainer(self._score, self._filled)(self._row, silent=True)


def example_record(model: Any) -> Any:
    """Return the first made-up example of the model's condition that gets a score."""
    from medcore.services.bedside.clinic import read_form

    example = next(item for item in model.condition.examples if item.expects == "scored")
    return read_form(model.condition, example.values, example.units).record
