"""The scoreboard within groups of patients, with counts, and with small groups marked.

A figure from a handful of patients invites wrong conclusions about fairness. A group with fewer
than 20 events or 20 non-events is therefore marked ``too_few`` so that pages can grey it; its counts
are always given, its metrics only when both outcomes occur.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcore.errors import InputError
from medcore.evaluation.scoreboard import evaluate
from medcore.evaluation.validation import BoolArray, FloatArray, check_rng, check_scores, check_threshold
from medcore.results import MetricValue

__all__ = ["MIN_EVENTS", "SubgroupRow", "subgroup_table"]

MIN_EVENTS = 20
"""Fewest events, and fewest non-events, for a group's figures to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubgroupRow:
    """One group of patients.

    Attributes
    ----------
    attribute, group : str
        What patients were divided by, and the group's label.
    n, n_events, n_patients : int
        Rows, rows with the outcome, and distinct patients.
    too_few : bool
        Whether there are fewer than ``MIN_EVENTS`` events or non-events: show in grey.
    metrics : mapping of str to MetricValue
        The scoreboard; empty when only one outcome occurs.
    """

    attribute: str
    group: str
    n: int
    n_events: int
    n_patients: int
    too_few: bool
    metrics: Mapping[str, MetricValue]

    @property
    def n_non_events(self) -> int:
        """Rows without the outcome."""
        return self.n - self.n_events


def subgroup_table(
    y: ArrayLike,
    p: ArrayLike,
    *,
    attributes: Mapping[str, ArrayLike],
    threshold: float,
    groups: ArrayLike | None = None,
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> tuple[SubgroupRow, ...]:
    """Evaluate a model within every group of every attribute.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1.
    p : array-like, shape (n,)
        Calibrated probability in [0, 1]; higher = more likely.
    attributes : mapping of str to array-like, shape (n,)
        What to divide by, for example ``{"sex": [...], "age band": [...]}``. Labels are compared
        as text; write "unknown" for a missing one so that those patients are counted too.
    threshold : float
        Cut-off in [0, 1]; a row is positive when ``p >= threshold``.
    groups : array-like, shape (n,), optional
        Patient of each row, when a patient may have several.
    rng : numpy.random.Generator
        Source of randomness; advanced. Each row of the table uses a child generator of its own.
    n_resamples : int, default 1000
        Bootstrap resamples per group, at least 2.

    Returns
    -------
    tuple of SubgroupRow
        Attributes in the order given, groups in alphabetical order.

    Raises
    ------
    InputError
        Unusable arrays, or an attribute of the wrong length.

    References
    ----------
    Collins GS et al. (TRIPOD+AI). BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378
    """
    labels, scores = check_scores(y, p)
    check_threshold(threshold)
    patients = np.arange(labels.size) if groups is None else np.asarray(groups)
    if patients.shape != labels.shape:
        raise _wrong_length("groups", patients.shape, labels.size)
    members = [
        (name, group, rows)
        for name, values in attributes.items()
        for group, rows in _groups_of(name, values, labels.size)
    ]
    children = check_rng(rng).spawn(len(members))
    return tuple(
        _row(name, group, labels[rows], scores[rows], patients[rows], threshold, child, n_resamples)
        for (name, group, rows), child in zip(members, children, strict=True)
    )


def _row(
    attribute: str,
    group: str,
    labels: BoolArray,
    scores: FloatArray,
    patients: NDArray[np.generic],
    threshold: float,
    rng: np.random.Generator,
    n_resamples: int,
) -> SubgroupRow:
    n_events = int(labels.sum())
    fewest = min(n_events, labels.size - n_events)
    metrics: Mapping[str, MetricValue] = {}
    if fewest > 0:
        metrics = evaluate(labels, scores, threshold=threshold, groups=patients, rng=rng, n_resamples=n_resamples)
    return SubgroupRow(
        attribute=attribute,
        group=group,
        n=labels.size,
        n_events=n_events,
        n_patients=np.unique(patients).size,
        too_few=fewest < MIN_EVENTS,
        metrics=metrics,
    )


def _groups_of(name: str, values: ArrayLike, n: int) -> list[tuple[str, BoolArray]]:
    labels = np.asarray(values).astype(str)
    if labels.shape != (n,):
        raise _wrong_length(name, labels.shape, n)
    return [(str(group), labels == group) for group in np.unique(labels)]


def _wrong_length(name: str, shape: tuple[int, ...], n: int) -> InputError:
    return InputError(
        f"{name} has shape {shape}, expected ({n},): one label per row", field=name, value=shape, expected=f"({n},)"
    )
