"""What one user's long work costs another user's form: the same question alone and beside it, in one model process."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from medcore.config import Settings
from medcore.errors import MedcoreError
from medcore.services.bench.figure import Figure, time_calls

if TYPE_CHECKING:
    from medcore.services.model_child import ChildGateway

__all__ = ["measure_sharing"]

_REPEATS = 25
_LIMIT = 2.0
_START_S = 300.0
_N_FILMS = 200
_BATCH = 8
_FORM = "heart_disease"


def measure_sharing(settings: Settings) -> Iterator[Figure]:
    """Yield the median answer to a form beside each kind of long work of somebody else, against the form alone.

    Raises
    ------
    MedcoreError
        There are no bundles here, or the model process does not start.
    """
    from medcore.registry import Catalog
    from medcore.services.gateway import Asker, asking
    from medcore.services.model_child import ChildGateway

    catalog = Catalog(settings.models_dir)
    form = catalog.default(_FORM).model_id
    values = _example_values()
    with closing(ChildGateway(settings.models_dir, threads=settings.threads)) as gateway:
        _wait_until_ready(gateway)
        with asking(Asker(name="doctor")):
            _ask(gateway, form, values)
            for name, work in _list_work(gateway, catalog):
                alone = _time_form(gateway, form, values)
                beside, n_done = _time_beside(work, lambda: _time_form(gateway, form, values))
                yield Figure(
                    name=f"form beside {name}, median (its own work was done {n_done} times)",
                    unit="ms",
                    value=1e3 * statistics.median(beside),
                    baseline=1e3 * statistics.median(alone),
                    baseline_name="the same form alone",
                    ratio_limit=_LIMIT,
                )


def _list_work(gateway: ChildGateway, catalog: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the long works that the models here can do; each call is one request or one batch of films."""
    facts = catalog.models()
    film = next((item.model_id for item in facts if item.kind == "keras-image" and item.default), None)
    attention = next((item.model_id for item in facts if item.recipe == "attention"), None)
    if film is not None:
        size = int(catalog.bundle(film).read_json("input.json")["size"])
        tensors = np.random.default_rng(0).uniform(0.0, 1.0, (_BATCH, size, size)).astype(np.float32)
        reasons = [()] * _BATCH
        yield f"scoring {_N_FILMS} films", lambda: gateway.score_films(film, tensors, reasons)
        yield "SHAP of a film", lambda: gateway.explain_film(film, tensors[0], "shap")
    if attention is not None:
        X = catalog.bundle(attention).read_arrays("cohort.npz")["X"][:2]
        yield "explaining patients with an attention model", lambda: gateway.explain_rows(attention, X)


def _time_beside(work: Callable[[], object], measure: Callable[[], list[float]]) -> tuple[list[float], int]:
    """Measure while somebody else keeps asking for ``work``; also how often that was done."""
    from medcore.services.gateway import Asker, asking

    stop, done = threading.Event(), []

    def keep_asking() -> None:
        with asking(Asker(name="somebody else", moved_on=stop.is_set)):
            while not stop.is_set():
                try:
                    work()
                except MedcoreError:
                    return
                done.append(1)

    thread = threading.Thread(target=keep_asking, daemon=True)
    thread.start()
    time.sleep(0.5)
    try:
        return measure(), len(done)
    finally:
        stop.set()
        thread.join()


def _time_form(gateway: ChildGateway, form: str, values: dict[str, float]) -> list[float]:
    return time_calls(lambda: _ask(gateway, form, values), repeats=_REPEATS)


def _ask(gateway: ChildGateway, form: str, values: dict[str, float]) -> None:
    gateway.assess(form, values)


def _example_values() -> dict[str, float]:
    from medcore.conditions.catalog import find_condition
    from medcore.services.bedside.clinic import read_form

    condition = find_condition(_FORM)
    example = next(item for item in condition.examples if item.expects == "scored")
    return dict(read_form(condition, example.values, example.units).record.values)


def _wait_until_ready(gateway: ChildGateway) -> None:
    gateway.start()
    end = time.monotonic() + _START_S
    while not gateway.ready():
        if gateway.failure is not None or time.monotonic() > end:
            raise gateway.failure or MedcoreError("the model process did not start in time")
        time.sleep(0.1)
