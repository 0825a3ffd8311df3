"""A comparison as the figures in the browser get it: whole numbers, thinned curves, texts.

Probabilities are sent in units of 1/10,000, so that five models with all their bands stay below 150 kB; a limit that
cannot be given is null. Nothing is computed here: what a curve says was decided in :mod:`medcore.evaluation`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medcore.evaluation.compared import Band, Comparison, CutOffTable, Histogram, ModelCurves
from medcore.results import MetricValue, ModelFacts

__all__ = ["NET_BENEFIT_SCALE", "SCALE", "STYLES", "build_payload", "name_shortly", "style_models"]

SCALE = 10_000
NET_BENEFIT_SCALE = 100_000
PAIR_SCALE = 1_000
_MOST_POINTS = 160
_TOLERANCE = 0.0008

STYLES: tuple[tuple[str, str], ...] = (
    ("#0B5CAD", ""),
    ("#B4500B", "7 4"),
    ("#6B4C9A", "2 3"),
    ("#1A2433", "9 3 2 3"),
    ("#00717D", "14 4"),
    ("#7A5C00", "5 2 1 2 1 2"),
)
"""Colour and dash pattern of up to six lines; each is told apart by either alone."""

_SHORT = {
    "logistic": "logistic",
    "forest": "random forest",
    "svm": "SVM",
    "mlp": "MLP",
    "attention": "attention",
    "cnn": "CNN",
    "cnn_binarised": "CNN black/white",
    "transfer": "EfficientNet",
}


def build_payload(
    comparison: Comparison,
    *,
    title: str,
    noun: str = "patients",
    styles: Mapping[str, tuple[str, str]] | None = None,
    details: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> dict[str, Any]:
    """Return what the figures draw, ready for JSON.

    Parameters
    ----------
    comparison : Comparison
        At most six models.
    title : str
        Of the clinical question.
    noun : str
        What a row is, in the plural: ``"patients"`` or ``"films"``.
    styles : mapping of model id to (colour, dash pattern), optional
        By default in the order of the comparison.
    details : mapping of model id to pairs (label, text), optional
        Further facts of a model, shown on request.
    """
    styles = styles or style_models([facts.model_id for facts in comparison.models])
    names = name_shortly(comparison.models)
    return {
        "condition": comparison.condition,
        "title": title,
        "noun": noun,
        "source": comparison.source,
        "n": comparison.n,
        "n_events": comparison.n_events,
        "n_patients": comparison.n_patients,
        "prevalence": comparison.prevalence,
        "prevalence_study": comparison.prevalence_study,
        "warnings": list(comparison.warnings),
        "scale": SCALE,
        "net_benefit_scale": NET_BENEFIT_SCALE,
        "pair_scale": PAIR_SCALE,
        "models": [
            {
                "id": facts.model_id,
                "title": facts.title,
                "name": names[facts.model_id],
                "version": facts.version,
                "sha256": facts.sha256,
                "color": styles[facts.model_id][0],
                "dash": styles[facts.model_id][1],
                "standing": comparison.standing.get(facts.model_id, ""),
                "milliseconds": _number(comparison.milliseconds.get(facts.model_id)),
                "board": {name: _metric(value) for name, value in comparison.board[facts.model_id].items()},
                "details": [list(pair) for pair in (details or {}).get(facts.model_id, ())],
                **_pack_curves(comparison.curves[facts.model_id]),
            }
            for facts in comparison.models
        ],
        "paired": [
            {
                "first": pair.first,
                "second": pair.second,
                **{
                    name: _pack(getattr(pair, name), PAIR_SCALE)
                    for name in ("found_lo", "found_hi", "alarms_lo", "alarms_hi")
                },
            }
            for pair in comparison.paired
        ],
    }


def style_models(model_ids: Sequence[str], known: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Give each model its line: its place in ``known`` decides, so that it keeps it when others come and go.

    >>> style_models(["b", "a"], ["a", "b"])["a"] == STYLES[0]
    True
    """
    free = list(range(len(STYLES)))
    chosen: dict[str, tuple[str, str]] = {}
    places = {model_id: place for place, model_id in enumerate(known)}
    for model_id in sorted(model_ids, key=lambda one: places.get(one, len(places))):
        wanted = places.get(model_id, -1) % len(STYLES)
        place = wanted if model_id in places and wanted in free else free[0]
        free.remove(place)
        chosen[model_id] = STYLES[place]
    return chosen


def name_shortly(models: Sequence[ModelFacts]) -> dict[str, str]:
    """Return names short enough to stand at the end of a line, none twice."""
    names = {facts.model_id: _name_one(facts) for facts in models}
    return {
        model_id: name if list(names.values()).count(name) == 1 else model_id[-20:] for model_id, name in names.items()
    }


def _name_one(facts: ModelFacts) -> str:
    """Name a model by its recipe; a recalibrated copy with its number behind it."""
    copy = re.search(r"-local-(\d+)$", facts.model_id)
    name = _SHORT.get(facts.recipe, facts.title.partition("(")[0].strip()[:20])
    return f"{name} local {copy[1]}" if copy else name


def _pack_curves(curves: ModelCurves) -> dict[str, Any]:
    return {
        "table": _pack_table(curves.table),
        "roc": _pack_band(curves.roc),
        "pr": _pack_band(_drop_start(curves.precision_recall)),
        "calibration": _pack_band(curves.calibration),
        "bins": [
            [*_pack((one.mean_p, one.observed, one.lo, one.hi)), int(one.n), int(one.n_events)] for one in curves.bins
        ],
        "histogram": _pack_histogram(curves.histogram),
    }


def _pack_table(table: CutOffTable) -> dict[str, list[int | None]]:
    shares = ("cut_off", *(f"{name}{end}" for name in ("sensitivity", "specificity") for end in ("", "_lo", "_hi")))
    packed = {name: _pack(getattr(table, name)) for name in shares}
    for name in ("net_benefit", "net_benefit_lo", "net_benefit_hi"):
        packed[name] = _pack(getattr(table, name), NET_BENEFIT_SCALE)
    return packed


def _drop_start(band: Band) -> Band:
    """Leave out the points where no case is found: a precision there is that of the very first few rows."""
    kept = band.x > 0.0
    return Band(x=band.x[kept], y=band.y[kept], lo=band.lo[kept], hi=band.hi[kept])


def _pack_band(band: Band) -> dict[str, list[int | None]]:
    kept = thin(band.x, band.y, band.lo, band.hi)
    return {name: _pack(getattr(band, name)[kept]) for name in ("x", "y", "lo", "hi")}


def _pack_histogram(histogram: Histogram) -> dict[str, list[Any]]:
    return {
        "edges": _pack(histogram.edges),
        "events": [round(float(count)) for count in histogram.events],
        "others": [round(float(count)) for count in histogram.others],
    }


def thin(x: np.ndarray, y: np.ndarray, *limits: np.ndarray) -> np.ndarray:
    """Return the indices of the points that draw the same line, at most 160 of them, ends included.

    Points are dropped that lie within .0008 of the straight line between those that stay (Douglas and Peucker 1973);
    where that leaves too many, the tolerance grows. ``limits`` are kept to a quarter of that exactness.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if known.size <= 2:
        return known
    heights = np.array([y[known], *(np.where(np.isfinite(one), one, y)[known] for one in limits)])
    weights = np.array([1.0, *([0.25] * len(limits))])
    tolerance = _TOLERANCE
    while True:
        kept: np.ndarray = known[_keep_corners(x[known], heights, weights, tolerance)]
        if kept.size <= _MOST_POINTS:
            return kept
        tolerance *= 1.6


def _keep_corners(x: np.ndarray, heights: np.ndarray, weights: np.ndarray, tolerance: float) -> np.ndarray:
    keep = np.zeros(x.size, bool)
    keep[[0, -1]] = True
    open_spans = [(0, x.size - 1)]
    while open_spans:
        first, last = open_spans.pop()
        if last - first < 2:
            continue
        inner = slice(first + 1, last)
        along, up = x[last] - x[first], heights[:, last] - heights[:, first]
        length = np.hypot(along, up)
        straight = length > 0.0
        across = along * (heights[:, inner] - heights[:, [first]]) - up[:, None] * (x[inner] - x[first])
        from_line = np.abs(across) / np.where(straight, length, 1.0)[:, None]
        from_point = np.hypot(x[inner] - x[first], heights[:, inner] - heights[:, [first]])
        away = (weights[:, None] * np.where(straight[:, None], from_line, from_point)).max(axis=0)
        farthest = int(np.argmax(away))
        if away[farthest] > tolerance:
            middle = first + 1 + farthest
            keep[middle] = True
            open_spans += [(first, middle), (middle, last)]
    return np.flatnonzero(keep)


def _pack(values: ArrayLike, scale: int = SCALE) -> list[int | None]:
    """Return whole numbers of ``1 / scale``; null where there is no number."""
    numbers = np.asarray(values, np.float64) * scale
    return [int(number) if math.isfinite(number) else None for number in np.round(numbers)]


def _metric(value: MetricValue) -> list[float | None]:
    return [_number(value.value), _number(value.lo), _number(value.hi)]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
