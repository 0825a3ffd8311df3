"""Everything a bundle's explanations need, behind one object: SHAP, stability, missing values, response."""

from __future__ import annotations

import numpy as np

from medcore.errors import InputError
from medcore.explain.reactions import IntervalScore, LinkedChange, most_useful_missing, sweep_response
from medcore.explain.scores import Background, FieldwiseScore, Score
from medcore.explain.shapley import RowExplainer, ShapleyEstimate, TableExplainer
from medcore.explain.stability import top_field_stability
from medcore.records import Field, Schema
from medcore.results import Explanation, MissingValueGain, Response

__all__ = ["Explainer"]


class Explainer:
    """Explains one model's scores of single patients.

    Parameters
    ----------
    score : Score
        Raw rows (n, n_inputs), NaN = blank -> calibrated probabilities (n,).
    fields : tuple of Field
        The model's inputs, in column order.
    background, weight : float arrays, shapes (m, n_inputs) and (m,)
        Made-up rows and their weights.
    cohort : float array, shape (n, n_inputs)
        Made-up patients for plausible values of blanks.
    fieldwise : FieldwiseScore, optional
        The same score in its additive form; used for SHAP when given.
    seed : int
        Start of the coalition stream.
    """

    def __init__(
        self,
        *,
        score: Score,
        fields: tuple[Field, ...],
        background: np.ndarray,
        weight: np.ndarray,
        cohort: np.ndarray,
        fieldwise: FieldwiseScore | None = None,
        seed: int = 0,
    ) -> None:
        reference = Background(background, weight)
        if reference.rows.shape[1] != len(fields):
            raise InputError(f"the background has {reference.rows.shape[1]} columns for {len(fields)} fields")
        self._score = score
        self._schema = Schema(fields)
        self._cohort = cohort
        self._shap = TableExplainer(score if fieldwise is None else fieldwise, reference, seed=seed)

    def begin(self, row: np.ndarray) -> RowExplainer:
        """Return an explanation in progress, to be refined step by step without starting again."""
        return self._shap.begin(row)

    def estimate_rows(self, X: np.ndarray, precision: float = 0.02, cap: int = 16_384) -> list[ShapleyEstimate]:
        """Explain rows (n, n_inputs), each until its worst standard error is at most ``precision``."""
        return self._shap.refine_rows(X, precision, cap)

    def explain(
        self, row: np.ndarray, *, precision: float = 0.02, cap: int = 16_384, stability: bool = False
    ) -> Explanation:
        """Explain one row until its worst standard error is at most ``precision`` (probability units).

        ``stability`` adds the share of noise-perturbed copies with the same top five fields; it takes
        about as long as twenty short explanations.
        """
        estimate = self._shap.refine(row, precision, cap)
        share = self.stability(row) if stability else None
        return estimate.named(self._schema.input_names, share)

    def stability(self, row: np.ndarray, *, n_copies: int = 20) -> float:
        """Return the share (0-1) of noise-perturbed copies whose top five fields are the same set."""
        return top_field_stability(self._shap, row, self._schema, n_copies=n_copies)

    def most_useful_missing(self, row: np.ndarray) -> MissingValueGain | None:
        """Return the blank field whose value could move the risk most; None when nothing is blank."""
        return most_useful_missing(self._score, row, self._cohort, self._schema)

    def respond(
        self,
        row: np.ndarray,
        field: str,
        studied: tuple[float, float],
        score_interval: IntervalScore,
        linked: LinkedChange | None = None,
    ) -> Response:
        """Sweep one field over its studied range; only ``linked`` fields move with it. Not a treatment effect."""
        return sweep_response(score_interval, row, self._schema, field, studied, linked=linked)
