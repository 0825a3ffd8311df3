"""Whether the same five fields would be named if the measurements were repeated."""

from __future__ import annotations

import numpy as np

from medcore.errors import InputError
from medcore.explain.shapley import TableExplainer
from medcore.records import FieldKind, Schema

__all__ = ["perturb_row", "top_field_stability"]


def top_field_stability(
    explainer: TableExplainer,
    row: np.ndarray,
    schema: Schema,
    *,
    n_copies: int = 20,
    n_top: int = 5,
    n_coalitions: int = 128,
    seed: int = 0,
) -> float:
    """Return the share (0-1) of noise-perturbed copies whose top fields are the same set; higher = more stable.

    Every known number gets Gaussian noise of its field's measurement error (``Field.noise_at``).
    Patient and copies are explained with the same few coalitions, so that sampling error does not
    pass for instability; the set is compared, not the order.

    Parameters
    ----------
    explainer : TableExplainer
        Of the model in question.
    row : float array, shape (n_inputs,)
        The patient, NaN = blank.
    schema : Schema
        Its inputs are the columns.
    n_copies, n_top, n_coalitions : int
        Copies drawn, size of the set, coalitions per explanation.
    seed : int
        Seed of the noise.
    """
    if n_copies < 1:
        raise InputError(f"stability needs at least one copy, not {n_copies}")
    copies = perturb_row(row, schema, n_copies, np.random.default_rng(seed))
    found = explainer.explain_rows(np.vstack([np.asarray(row, dtype=np.float64), copies]), n_coalitions)
    first, *others = (_top(item.values, n_top) for item in found)
    return float(np.mean([other == first for other in others]))


def perturb_row(row: np.ndarray, schema: Schema, n_copies: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``n_copies`` of a row with measurement noise, within possible ranges, shape (n_copies, n_inputs)."""
    copies = np.tile(np.asarray(row, dtype=np.float64), (n_copies, 1))
    if copies.shape[1] != len(schema.inputs):
        raise InputError(f"one patient has {len(schema.inputs)} values, not {copies.shape[1]}")
    for index, item in enumerate(schema.inputs):
        value = copies[0, index]
        if item.kind is FieldKind.NUMBER and not np.isnan(value):
            noisy = value + item.noise_at(float(value)) * rng.standard_normal(n_copies)
            copies[:, index] = np.clip(noisy, *(item.possible or (-np.inf, np.inf)))
    return copies


def _top(values: np.ndarray, n_top: int) -> frozenset[int]:
    return frozenset(np.argsort(-np.abs(values), kind="stable")[:n_top].tolist())
