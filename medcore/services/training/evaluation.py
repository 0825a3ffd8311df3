"""Measuring a model on a labelled file: the agreed metrics with their intervals, and who was left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medcore.conditions.catalog import find_film_condition
from medcore.config import Settings
from medcore.errors import InputError
from medcore.evaluation.scoreboard import evaluate
from medcore.records.tables import open_table
from medcore.results import ModelFacts
from medcore.services.compare.labels import LABEL_COLUMN, parse_label
from medcore.services.training.cohort import Counts, open_cohort
from medcore.services.training.film_cohort import find_labelled_films, open_film_cohort

__all__ = ["LABEL_COLUMN", "evaluate_file", "evaluate_films", "parse_label"]

_SEED = 20


def evaluate_file(
    condition_id: str, source: Path, *, model_id: str | None = None, settings: Settings | None = None
) -> dict[str, Any]:
    """Score a CSV file with a column ``label`` and measure the model on the rows that have a score.

    Raises
    ------
    InputError
        No row has both a score and a label, or only one of the two outcomes occurs.
    TableError
        The file cannot be read, or has no column ``label``.
    """
    counts = Counts()
    y: list[int] = []
    p: list[float] = []
    with open_cohort(condition_id, model_id=model_id, settings=settings) as cohort:
        schema, derive = cohort.condition.schema, cohort.condition.derive
        with open_table(source, schema, derive=derive, keep=(LABEL_COLUMN,)) as table:
            for chunk in table.chunks():
                rows = cohort.score_chunk(chunk, table.header)
                cohort.write_event("evaluate_file", rows, chunk)
                for row, text in zip(rows, chunk.kept[LABEL_COLUMN], strict=True):
                    label = parse_label(text)
                    counts[row["status"] if label is not None else "error"] += 1
                    if label is not None and row.get("p") is not None:
                        y.append(label)
                        p.append(row["p"])
        facts = cohort.model.facts
    if not y:
        raise InputError("no row has both a label (0 or 1) and a score: nothing to measure")
    return _report(facts, y, p, counts)


def evaluate_films(
    condition_id: str, folder: Path, *, model_id: str | None = None, settings: Settings | None = None
) -> dict[str, Any]:
    """Score the films of ``folder/<class>/`` and measure the model on those that have a score.

    Raises
    ------
    InputError
        The folders are not one per class (see :func:`medcore.services.training.film_cohort.find_labelled_films`),
        no film has a score, or all scored films have the same label.
    """
    labelled = find_labelled_films(folder, find_film_condition(condition_id))
    counts = Counts()
    y: list[int] = []
    p: list[float] = []
    with open_film_cohort(condition_id, model_id=model_id, settings=settings) as cohort:
        labels = (label for _, label in labelled)
        for rows in cohort.score((path for path, _ in labelled), action="evaluate_films", counts=counts):
            for row, label in zip(rows, labels, strict=False):
                if row.get("p") is not None:
                    y.append(label)
                    p.append(row["p"])
        facts = cohort.facts
    if not y:
        raise InputError("no film has a score: nothing to measure")
    return _report(facts, y, p, counts)


def _report(facts: ModelFacts, y: list[int], p: list[float], counts: Counts) -> dict[str, Any]:
    threshold = facts.thresholds.get("default", 0.5)
    metrics = evaluate(np.array(y), np.array(p), threshold=threshold, rng=np.random.default_rng(_SEED))
    return {
        "condition": facts.condition,
        "model": facts.model_id,
        "sha256": facts.sha256,
        "n": len(y),
        "n_pos": sum(y),
        "n_withheld": counts["withheld"],
        "n_error": counts["error"],
        "threshold": threshold,
        "metrics": {
            name: {"value": float(metric.value), "lo": float(metric.lo), "hi": float(metric.hi)}
            for name, metric in metrics.items()
        },
    }
