"""What each kind of model is good and bad at here: a plain table made by rules from measured figures only.

Every word has its figure beside it. Where something was not measured it says so; nothing is taken from what is
commonly said about a kind of model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medcore.conditions.catalog import find_condition
from medcore.errors import MedcoreError
from medcore.evaluation.compared import Comparison
from medcore.evaluation.spread import FoldSpread
from medcore.registry import Catalog
from medcore.services.bedside.clinic import read_form
from medcore.services.gateway import Gateway

__all__ = ["ASPECTS", "Mark", "Strength", "measure_bytes", "measure_explanations", "strengths"]

ASPECTS = ("discrimination", "calibration", "steadiness", "speed", "explanation", "size")
"""Columns of the table."""

GOOD, MIDDLING, WEAK, UNKNOWN = "good", "middling", "weak", "not measured"
_AUROC_GAPS = (0.01, 0.03)
_SLOPES = (0.8, 1.25)
_INTERCEPT = 0.2
_SPREAD_RATIOS = (1.25, 1.75)
_MILLISECONDS = (50.0, 250.0)
_EXPLAIN_SECONDS = (0.25, 1.0)
_BYTES = (1e6, 5e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One cell: ``"good"``, ``"middling"``, ``"weak"`` or ``"not measured"``, and the figure that says so."""

    word: str
    figure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """One row: a model and its mark in each of :data:`ASPECTS`."""

    model_id: str
    title: str
    recipe: str
    marks: Mapping[str, Mark]


def strengths(
    comparison: Comparison,
    *,
    spreads: Mapping[str, Mapping[str, FoldSpread]] | None = None,
    explain_seconds: Mapping[str, float] | None = None,
    n_bytes: Mapping[str, int] | None = None,
) -> tuple[Strength, ...]:
    """Mark every model of a comparison.

    Parameters
    ----------
    comparison : Comparison
        Figures on the same patients; ``milliseconds`` where they were measured.
    spreads : mapping, optional
        From :func:`medcore.services.compare.comparing.folds`.
    explain_seconds, n_bytes : mappings, optional
        From :func:`measure_explanations` and :func:`measure_bytes`.

    Returns
    -------
    tuple of Strength
        In the comparison's order.

    Notes
    -----
    Discrimination: AUROC within .01 of the highest here is good, within .03 middling. Calibration: good where the
    limits of slope and intercept hold 1 and 0; middling where the slope lies in .8 to 1.25 and the intercept
    within .2 of 0. Steadiness: range of the AUROC over the folds up to 1.25 times the smallest here is good, 1.75
    times middling. Speed: 50 and 250 ms a case; explanation: .25 and 1 s; size: 1 and 5 MB.
    """
    best = max(item["auroc"].value for item in comparison.board.values())
    ranges = {name: found["auroc"].maximum - found["auroc"].minimum for name, found in (spreads or {}).items()}
    steadiest = min((value for value in ranges.values() if math.isfinite(value)), default=math.nan)
    rows = []
    for facts in comparison.models:
        name, board = facts.model_id, comparison.board[facts.model_id]
        marks = {
            "discrimination": Mark(
                word=_grade(best - board["auroc"].value, _AUROC_GAPS), figure=f"AUROC {board['auroc'].value:.3f}"
            ),
            "calibration": _mark_calibration(comparison, name),
            "steadiness": _mark_steadiness(ranges.get(name), steadiest),
            "speed": _mark_figure(comparison.milliseconds.get(name), _MILLISECONDS, "{:.0f} ms a case"),
            "explanation": _mark_figure((explain_seconds or {}).get(name), _EXPLAIN_SECONDS, "{:.2g} s a patient"),
            "size": _mark_figure((n_bytes or {}).get(name), _BYTES, "{:.2g} MB", 1e-6),
        }
        rows.append(Strength(model_id=name, title=facts.title, recipe=facts.recipe, marks=marks))
    return tuple(rows)


def measure_bytes(catalog: Catalog, model_ids: Sequence[str]) -> dict[str, int]:
    """Return what each bundle's files weigh together, in bytes."""
    found = {}
    for name in model_ids:
        bundle = catalog.bundle(name)
        found[name] = sum((bundle.folder / file).stat().st_size for file in bundle.manifest.files)
    return found


def measure_explanations(gateway: Gateway, catalog: Catalog, model_ids: Sequence[str]) -> dict[str, float]:
    """Measure how long each table model takes to score and explain one made-up patient, in seconds.

    The second of two calls counts. Models that cannot be asked, or score none of the examples, are left out.
    """
    found: dict[str, float] = {}
    for name in model_ids:
        try:
            seconds = _time_explanation(gateway, catalog, name)
        except MedcoreError:
            continue
        if seconds is not None:
            found[name] = seconds
    return found


def _time_explanation(gateway: Gateway, catalog: Catalog, model_id: str) -> float | None:
    condition = find_condition(catalog.find(model_id).condition)
    for example in condition.examples:
        values = read_form(condition, example.values, example.units).record.values
        if gateway.assess(model_id, values).explanation is None:
            continue
        start = time.perf_counter()
        gateway.assess(model_id, values)
        return time.perf_counter() - start
    return None


def _mark_calibration(comparison: Comparison, name: str) -> Mark:
    slope, intercept = (comparison.board[name][f"calibration_{part}"] for part in ("slope", "intercept"))
    figure = f"slope {slope.value:.2f}, intercept {intercept.value:+.2f}"
    if not (math.isfinite(slope.value) and math.isfinite(intercept.value)):
        return Mark(word=UNKNOWN)
    if slope.lo <= 1.0 <= slope.hi and intercept.lo <= 0.0 <= intercept.hi:
        return Mark(word=GOOD, figure=figure)
    near = _SLOPES[0] <= slope.value <= _SLOPES[1] and abs(intercept.value) <= _INTERCEPT
    return Mark(word=MIDDLING if near else WEAK, figure=figure)


def _mark_steadiness(spread: float | None, steadiest: float) -> Mark:
    if spread is None or not math.isfinite(spread):
        return Mark(word=UNKNOWN)
    ratios = tuple(limit * steadiest for limit in _SPREAD_RATIOS)
    return Mark(word=_grade(spread, ratios), figure=f"AUROC moves by {spread:.3f} over the folds")


def _mark_figure(value: float | None, limits: Sequence[float], words: str, factor: float = 1.0) -> Mark:
    if value is None or not math.isfinite(value):
        return Mark(word=UNKNOWN)
    return Mark(word=_grade(value, limits), figure=words.format(value * factor))


def _grade(value: float, limits: Sequence[float]) -> str:
    """Return the word for a figure of which less is better."""
    good, middling = limits
    return GOOD if value <= good else MIDDLING if value <= middling else WEAK
