"""One patient through every default model: score, reasons, and both, against a plain script.

The plain script is ``model.predict`` of one row, and the ``shap`` package's Kernel and Permutation explainers on
the same score with the same background rows. The command gives NumPy's BLAS one thread, as the model process does.
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
from medcore.services.bench.figure import Figure, median_ms, time_both, time_calls

__all__ = ["measure_backgrounds", "measure_models"]

_REPEATS = 40
_SLOW_REPEATS = 5
_MANY = 250
_MANY_ALONE = 20
_SHARES = (50, 95)
_KERAS_MS = 15.0
_REFINED = 0.005
_MANY_S = 3.0
_KINDS_OF = "heart_disease"
_REPEATS_OF = {"logistic": _REPEATS, "svm": 20, "forest": 10, "attention": 3}
_MANY_OF = {"logistic": _MANY, "svm": 50, "forest": 20}
_TARGET_MS = {"logistic": _KERAS_MS, "svm": 60.0, "forest": 150.0}
_BACKGROUNDS = (25, 50, 100, 200)
_FIELDS = (8, 16, 30)
_MOST_FIELDS_OF = "breast_cancer"


def measure_models(settings: Settings) -> Iterator[Figure]:
    """Yield the figures of every default model of a table, then of the other kinds for one condition.

    Raises
    ------
    MedcoreError
        There are no bundles here.
    """
    from medcore.api import load_from
    from medcore.registry import Catalog

    catalog = Catalog(settings.models_dir)
    tables = [facts for facts in catalog.models() if facts.kind != "keras-image"]
    if not any(facts.default for facts in tables):
        raise MedcoreError("there are no bundles to measure")
    plain, row = build_mlp(n_outputs=1), draw_rows(1)
    for facts in tables:
        if facts.default:
            model = load_from(catalog, facts.model_id)
            yield from _measure_one(model, facts.recipe, facts.model_id, lambda: plain.predict(row, verbose=0))
    for facts in tables:
        if facts.condition == _KINDS_OF and not facts.default and facts.recipe in _REPEATS_OF:
            yield from _measure_kind(load_from(catalog, facts.model_id), facts.recipe, facts.model_id)


def measure_backgrounds(settings: Settings) -> Iterator[Figure]:
    """Yield how the time of one patient's reasons grows with the rows of the background and with the fields.

    Both with the condition's network as it is; of its fields, only the first are asked about, the others are blank.

    Raises
    ------
    MedcoreError
        The model that is measured is not here, or is no network in additive form.
    """
    from medcore.explain import Background, TableExplainer
    from medcore.registry import Catalog

    score, cohort = _load_form(Catalog(settings.models_dir))
    row, rows, n_all = cohort[0], cohort[1:], cohort.shape[1]
    found: dict[int, float] = {}
    for m in _BACKGROUNDS:
        explainer = TableExplainer(score, Background(rows[:m]))
        found[m] = median_ms(time_calls(partial(explainer.refine, row), repeats=_REPEATS))
        name = f"explain one, {n_all} fields, background of {m} rows"
        yield _grown(name, found[m], found[_BACKGROUNDS[0]], f"{_BACKGROUNDS[0]} rows")
    found = {}
    for k in (k for k in _FIELDS if k <= n_all):
        few = _FewerFields(score, k, n_all)
        explainer = TableExplainer(few, Background(rows[:100, :k]))
        found[k] = median_ms(time_calls(partial(explainer.refine, row[:k]), repeats=_REPEATS))
        name = f"explain one, the first {k} fields, background of 100 rows"
        yield _grown(name, found[k], found[_FIELDS[0]], f"{_FIELDS[0]} fields")


def _load_form(catalog: Any) -> tuple[Any, np.ndarray]:
    """Return the additive form of the network with the most fields, and its made-up patients."""
    from medcore.api import load_from

    if not catalog.models(_MOST_FIELDS_OF):
        raise MedcoreError(f"there is no model for {_MOST_FIELDS_OF} to measure")
    risk_model = load_from(catalog, catalog.default(_MOST_FIELDS_OF).model_id).risk_model
    form = risk_model.fieldwise()
    if form is None:
        raise MedcoreError(f"the default model for {_MOST_FIELDS_OF} is no network in additive form")
    return form, risk_model.cohort


def _grown(name: str, value: float, first: float, first_name: str) -> Figure:
    return Figure(name=name, unit="ms", value=value, baseline=first, baseline_name=first_name)


class _FewerFields:
    """A score that is asked about its first fields only; the others are blank for everybody."""

    def __init__(self, form: Any, n_fields: int, n_all: int) -> None:
        self._form = form
        self._n_fields = n_fields
        self._n_all = n_all

    def field_terms(self, X: np.ndarray) -> np.ndarray:
        whole = np.full((len(X), self._n_all), np.nan)
        whole[:, : self._n_fields] = X
        terms = np.asarray(self._form.field_terms(whole))
        blanks = terms[:, self._n_fields :].sum(axis=1, keepdims=True)
        return np.asarray(terms[:, : self._n_fields] + blanks / self._n_fields)

    def finish(self, rest: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.asarray(self._form.finish(rest, own))


def _measure_kind(model: Any, recipe: str, name: str) -> Iterator[Figure]:
    """Yield the figures of a kind that is no default: without the ``shap`` package, which takes minutes for some."""
    record, repeats = example_record(model), _REPEATS_OF[recipe]

    def both() -> None:
        model.predict_one(record)
        model.explain(record)

    yield from _shares(f"predict one, {name}", time_calls(partial(model.predict_one, record), repeats=repeats))
    seconds = time_calls(both, repeats=repeats, warm_up=1)
    yield from _shares(f"predict + explain one, {name}", seconds, at_most=_TARGET_MS.get(recipe))
    if recipe in _MANY_OF:
        yield _measure_many(model, name, _MANY_OF[recipe])


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
        at_most=_TARGET_MS.get(recipe, _KERAS_MS),
        ratio_limit=1 / 20,
    )
    refine = partial(model.explain, record, precision=_REFINED)
    refined, quick = median_ms(time_calls(refine, repeats=_SLOW_REPEATS, warm_up=1)), median_ms(seconds)
    yield Figure(
        name=f"explain to .005, {name}",
        unit="ms",
        value=refined,
        baseline=quick,
        baseline_name="predict + explain to .02",
        at_most=quick + 100.0,
    )
    yield _measure_many(model, name, _MANY, at_most=_MANY_S)


def _measure_many(model: Any, name: str, n: int, *, at_most: float | None = None) -> Figure:
    """Explain made-up patients as the explore page does; told for a thousand."""
    from medcore.explain.rows import explain_rows

    rows = model.risk_model.cohort[:n]
    alone = [time_calls(partial(model.explainer.explain, row), repeats=1, warm_up=0)[0] for row in rows[:_MANY_ALONE]]
    seconds = time_calls(partial(explain_rows, model.explainer, rows), repeats=1, warm_up=0)[0]
    return Figure(
        name=f"explain 1,000 patients, from {n}, {name}",
        unit="s",
        value=1000 * seconds / len(rows),
        baseline=1000 * statistics.mean(alone),
        baseline_name="one after the other",
        at_most=at_most,
    )


def _shares(
    name: str,
    seconds: list[float],
    baseline_ms: float | None = None,
    baseline_name: str = "",
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
