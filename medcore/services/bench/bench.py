"""The speed table: how quick medcore is here and now, each figure beside its baseline from the same run.

Baselines are what a user would otherwise have: a bare interpreter, Keras' own ``model.predict``, the ``shap``
package, a hello-world Streamlit page. A figure that cannot be measured on this machine stays in the table with the
reason.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from medcore.config import Settings, read_settings
from medcore.errors import InputError, MedcoreError
from medcore.services.bench.figure import Figure

__all__ = ["GROUPS", "run_bench"]

GROUPS = {
    "imports": "bench_imports:measure_imports",
    "batch": "bench_batch:measure_batch",
    "scale": "bench_batch:measure_scale",
    "models": "bench_models:measure_models",
    "background": "bench_models:measure_backgrounds",
    "journal": "bench_journal:measure_journal",
    "films": "bench_films:measure_films",
    "sharing": "bench_sharing:measure_sharing",
    "page": "bench_browser:measure_pages",
    "compare page": "bench_browser:measure_cut_off",
    "xray page": "bench_film_pages:measure_film_pages",
    "memory": "bench_memory:measure_memory",
}
"""Name of each group and where it is measured; each in a module of its own, imported when it is its turn."""


def run_bench(
    *,
    only: str | None = None,
    report: Callable[[str], None] = lambda _: None,
    keep: Callable[[list[dict[str, Any]]], None] = lambda _: None,
    settings: Settings | None = None,
) -> list[dict[str, Any]]:
    """Measure everything (or the groups whose name holds ``only``) and return rows of plain types.

    Parameters
    ----------
    only : str, optional
        Part of a group's name: ``imports``, ``batch``, ``scale``, ``models``, ``background``, ``journal``, ``films``,
        ``sharing``, ``page``, ``compare page``, ``xray page``, ``memory``.
    report : callable, optional
        Told which group is being measured.
    keep : callable, optional
        Given the rows of each group as soon as they are there, so that a run broken off is not lost.

    Raises
    ------
    InputError
        No group has such a name.
    """
    settings = settings or read_settings()
    chosen = [name for name in GROUPS if not only or only in name]
    if not chosen:
        raise InputError(f"there is no group {only!r}. Groups: {', '.join(GROUPS)}.", field="only", value=only)
    rows: list[dict[str, Any]] = []
    for name in chosen:
        report(f"measuring {name} ...")
        found = [_write(name, figure) for figure in _guarded(name, settings)]
        keep(found)
        rows += found
    return rows


def _guarded(name: str, settings: Settings) -> Iterator[Figure]:
    module, _, function = GROUPS[name].partition(":")
    try:
        measure = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        yield from measure(settings)
    except MedcoreError as error:
        yield Figure(name=name, unit="", reason=error.message)


def _write(group: str, figure: Figure) -> dict[str, Any]:
    row = asdict(figure)
    for name in ("better", "ratio_limit", "at_most", "at_least"):
        del row[name]
    return {"group": group, **row, "ratio": figure.ratio, "target": figure.target, "met": figure.met}
