"""How the score answers to one field: swept over its range, or unknown today and known tomorrow.

Both say how the formula reacts to another *measured* value, never what a treatment would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from medcore.errors import ExplanationError, InputError
from medcore.explain.scores import Score
from medcore.records import Field, FieldKind, Schema
from medcore.results import MissingValueGain, Response

__all__ = ["IntervalScore", "LinkedChange", "missing_value_gains", "most_useful_missing", "sweep_response"]

IntervalScore = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Raw rows (n, n_fields) -> ``p, lo, hi``, each (n,)."""

LinkedChange = Callable[[float], Mapping[str, float]]
"""Value of the swept field -> inputs that move with it."""

_BANDWIDTH = 0.5


def most_useful_missing(score: Score, row: np.ndarray, cohort: np.ndarray, schema: Schema) -> MissingValueGain | None:
    """Return the blank field of the form whose value could move the risk most, None when there is none.

    See :func:`missing_value_gains` for the parameters.
    """
    gains = missing_value_gains(score, row, cohort, schema)
    return max(gains, key=lambda gain: gain.p_hi - gain.p_lo, default=None)


def missing_value_gains(
    score: Score, row: np.ndarray, cohort: np.ndarray, schema: Schema, *, n_values: int = 64
) -> tuple[MissingValueGain, ...]:
    """Say for every blank field how far the risk could move if it were known.

    Plausible values of a field are those of the ``n_values`` made-up patients who have it and are
    most alike in the patient's known fields, weighted by a Gaussian kernel of the mean squared
    difference (numbers in cohort standard deviations; a different choice counts 1). The range is the
    weighted 5th to 95th percentile of the risks they lead to.

    Parameters
    ----------
    score : Score
        The model with its calibration; called once.
    row : float array, shape (n_inputs,)
        The patient, NaN = blank.
    cohort : float array, shape (n, n_inputs)
        Made-up patients.
    schema : Schema
        Says which inputs are choices.
    n_values : int
        Largest number of values tried per field.

    Returns
    -------
    tuple of MissingValueGain
        One per blank field of the form that any made-up patient has, in field order.
    """
    row, cohort = _check_row(row, schema), np.asarray(cohort, dtype=np.float64)
    if cohort.ndim != 2 or cohort.shape[1] != len(row):
        raise InputError(f"the made-up patients have shape {cohort.shape}, expected (n, {len(row)})")
    distance = _distance(row, cohort, schema)
    plans = []
    asked = np.array([item.in_form for item in schema.inputs])
    for index in np.flatnonzero(np.isnan(row) & asked).tolist():
        donors = np.flatnonzero(~np.isnan(cohort[:, index]))
        if len(donors):
            nearest = donors[np.argsort(distance[donors], kind="stable")[:n_values]]
            plans.append((index, nearest, np.exp(-(distance[nearest] - distance[nearest].min()) / _BANDWIDTH)))
    if not plans:
        return ()
    rows = np.tile(row, (sum(len(nearest) for _, nearest, _ in plans), 1))
    ends = np.cumsum([len(nearest) for _, nearest, _ in plans])
    for end, (index, nearest, _) in zip(ends, plans, strict=True):
        rows[end - len(nearest) : end, index] = cohort[nearest, index]
    p = np.asarray(score(rows), dtype=np.float64)
    return tuple(
        MissingValueGain(field=schema.input_names[index], p_lo=lo, p_hi=hi)
        for end, (index, nearest, weights) in zip(ends, plans, strict=True)
        for lo, hi in [_weighted_range(p[end - len(nearest) : end], weights)]
    )


def sweep_response(
    score_interval: IntervalScore,
    row: np.ndarray,
    schema: Schema,
    name: str,
    studied: tuple[float, float],
    *,
    n_points: int = 30,
    linked: LinkedChange | None = None,
) -> Response:
    """Sweep one field over its studied range, all other fields as they are or as they move with it.

    Parameters
    ----------
    score_interval : IntervalScore
        Gives ``p, lo, hi`` for raw rows; called once.
    row : float array, shape (n_inputs,)
        The patient, NaN = blank.
    schema : Schema
        Its inputs are the columns.
    name : str
        The input to sweep. A choice field is tried at each of its codes instead.
    studied : tuple of float
        Lower and upper end, canonical unit; not used for choices.
    n_points : int
        Number of equally spaced values.
    linked : callable, optional
        Value of the swept field -> other inputs that move with it (name -> value).

    Returns
    -------
    Response
        ``lo <= p <= hi`` at every value.

    Raises
    ------
    UnknownNameError, InputError
        No such field or input, or a range that is not ordered.
    """
    row = _check_row(row, schema)
    item = schema[name]
    if name not in schema.input_names:
        raise InputError(f"{item.label} is not an input of the model", field=name)
    values = _sweep_values(item, studied, n_points)
    index = schema.input_names.index(name)
    rows = np.tile(row, (len(values), 1))
    rows[:, index] = values
    if linked is not None:
        for i, value in enumerate(values):
            for other, moved in linked(float(value)).items():
                rows[i, schema.input_names.index(other)] = moved
    p, lo, hi = (np.asarray(part, dtype=np.float64) for part in score_interval(rows))
    if not all(part.shape == values.shape and np.isfinite(part).all() for part in (p, lo, hi)):
        raise ExplanationError("the model did not return a number with a range for every value of the sweep")
    measured = None if np.isnan(row[index]) else float(row[index])
    return Response(
        field=name,
        values=tuple(values.tolist()),
        p=tuple(p.tolist()),
        lo=tuple(np.minimum(lo, p).tolist()),
        hi=tuple(np.maximum(hi, p).tolist()),
        measured=measured,
        noise_sd=0.0 if measured is None else item.noise_at(measured),
    )


def _check_row(row: np.ndarray, schema: Schema) -> np.ndarray:
    row = np.asarray(row, dtype=np.float64)
    if row.shape != (len(schema.inputs),) or np.isinf(row).any():
        raise InputError(f"one patient has {len(schema.inputs)} finite or blank values, not shape {row.shape}")
    return row


def _sweep_values(item: Field, studied: tuple[float, float], n_points: int) -> np.ndarray:
    if item.kind is FieldKind.CHOICE:
        return np.array([float(choice.code) for choice in item.choices])
    lo, hi = studied
    if not (np.isfinite(lo) and np.isfinite(hi) and lo < hi) or n_points < 2:
        raise InputError(f"{item.label}: {lo} to {hi} is not a range to sweep", field=item.name)
    return np.linspace(lo, hi, n_points)


def _distance(row: np.ndarray, cohort: np.ndarray, schema: Schema) -> np.ndarray:
    """Return the mean squared difference in the patient's known fields, shape (n,); 0 where none is known.

    A field that the made-up patient lacks counts what it would on average: one plus the square of the
    patient's own distance from the mean (a choice: 1).
    """
    known = np.flatnonzero(~np.isnan(row))
    total = np.zeros(len(cohort))
    for index in known.tolist():
        column = cohort[:, index]
        blank = np.isnan(column)
        if schema.inputs[index].kind is FieldKind.CHOICE:
            total += blank | (column != row[index])
        elif not blank.all():
            spread = max(float(column[~blank].std()), 1e-12)
            own = (row[index] - float(column[~blank].mean())) / spread
            total += np.where(blank, 1.0 + own**2, (np.where(blank, 0.0, column - row[index]) / spread) ** 2)
    return total / max(len(known), 1)


def _weighted_range(p: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    order = np.argsort(p)
    share = np.cumsum(weights[order]) / weights.sum()
    at = np.minimum(np.searchsorted(share, [0.05, 0.95]), len(p) - 1)
    return float(p[order][at[0]]), float(p[order][at[1]])
