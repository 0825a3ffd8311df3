"""A model's risks fitted to local patients: by a shift of the log-odds, or by a shift and a slope.

Shown beside the original with figures from patients that did not teach it. Needs enough local outcomes, and is refused
below that: a line through a handful of events makes a model worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from medcore.errors import InputError
from medcore.evaluation.board import mean_influence
from medcore.evaluation.calibration import fit_logistic, is_separated
from medcore.evaluation.clusters import Z95, variance_of_sum
from medcore.evaluation.intervals import expit, logit
from medcore.evaluation.validation import (
    BoolArray,
    FloatArray,
    IntArray,
    check_groups,
    check_probabilities,
    check_rng,
    check_scores,
)
from medcore.results import MetricValue

__all__ = ["MIN_OUTCOMES", "Method", "Recalibration", "recalibrate"]

Method = Literal["intercept", "slope_intercept"]
"""Add a number to the log-odds, or also multiply them."""

MIN_OUTCOMES = 20
"""Fewest patients with the outcome, and fewest without, to learn a recalibration from."""

_N_FOLDS = 5
_SEED = 20190517


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A line on the log-odds, and what it changes for patients that did not teach it.

    Attributes
    ----------
    method : str
        ``"intercept"`` or ``"slope_intercept"``.
    slope, intercept : float
        ``logit(new) = intercept + slope * logit(p)``, fitted to all rows; slope is 1 for ``"intercept"``.
    n, n_events : int
        Rows it was fitted to, and those with the outcome.
    brier_before, brier_after : float
        Brier score of the original on all rows, and of lines that were each fitted without the fifth they are judged
        on; lower is better.
    gain : MetricValue
        ``brier_before - brier_after`` with its 95 % interval; above 0 = recalibration helps.
    """

    method: Method
    slope: float
    intercept: float
    n: int
    n_events: int
    brier_before: float
    brier_after: float
    gain: MetricValue

    def apply(self, p: ArrayLike) -> FloatArray:
        """Recalibrate probabilities in [0, 1], shape (n,); the order of patients never changes."""
        return expit(self.intercept + self.slope * logit(check_probabilities(p)))


def recalibrate(
    y: ArrayLike,
    p: ArrayLike,
    *,
    method: Method = "intercept",
    groups: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> Recalibration:
    """Fit a recalibration to labelled local patients and judge it by five-fold cross-fitting.

    Parameters
    ----------
    y : array-like, shape (n,)
        Outcome, 0 or 1; at least 20 patients of each.
    p : array-like, shape (n,)
        The model's probabilities in [0, 1].
    method : {"intercept", "slope_intercept"}, default "intercept"
        Prefer the intercept alone below some 200 events: it has one number to learn.
    groups : array-like, shape (n,), optional
        Patient of each row; rows of one patient stay in one fold.
    rng : numpy.random.Generator, optional
        Draws the folds; by default one with a fixed seed.

    Returns
    -------
    Recalibration
        The line fitted to all rows, with honest figures.

    Raises
    ------
    InputError
        Unusable arrays, unknown method, fewer than 20 patients of either outcome, risks that separate the outcomes
        (or are constant) where a slope is wanted, or a slope that is not above 0: such a model ranks patients the wrong
        way round here, which no recalibration mends.

    References
    ----------
    Steyerberg EW et al. Stat Med 2004;23:2567-2586. doi:10.1002/sim.1844; Vergouwe Y et al. Stat Med 2017;36:4529-4539.
    doi:10.1002/sim.7179
    """
    labels, scores = check_scores(y, p)
    codes = check_groups(groups, labels.size)
    if method not in get_args(Method):
        raise InputError(
            f"method is {method!r}, expected 'intercept' or 'slope_intercept'", field="method", value=method
        )
    _check_enough(labels, np.arange(labels.size) if codes is None else codes)
    intercept, slope = _line(labels, scores, method)
    fold = _folds(labels, codes, np.random.default_rng(_SEED) if rng is None else check_rng(rng))
    honest = np.empty(labels.size)
    for held_out in (fold == k for k in range(_N_FOLDS)):
        a, b = _line(labels[~held_out], scores[~held_out], method)
        honest[held_out] = expit(a + b * logit(scores[held_out]))
    before, after = (scores - labels) ** 2, (honest - labels) ** 2
    gain, influence = mean_influence(labels, before - after, None)
    half = Z95 * float(np.sqrt(variance_of_sum(influence, codes)))
    return Recalibration(
        method=method,
        slope=slope,
        intercept=intercept,
        n=labels.size,
        n_events=int(labels.sum()),
        brier_before=float(before.mean()),
        brier_after=float(after.mean()),
        gain=MetricValue(value=gain, lo=gain - half, hi=gain + half),
    )


def _check_enough(labels: BoolArray, patients: IntArray) -> None:
    n_events, n_others = np.unique(patients[labels]).size, np.unique(patients[~labels]).size
    if min(n_events, n_others) < MIN_OUTCOMES:
        raise InputError(
            f"{n_events} patients with the outcome and {n_others} without are too few to recalibrate; "
            f"collect at least {MIN_OUTCOMES} of each",
            field="y",
            value=min(n_events, n_others),
            expected=f"at least {MIN_OUTCOMES} of each outcome",
        )


def _line(labels: BoolArray, scores: FloatArray, method: Method) -> tuple[float, float]:
    """Intercept and slope by maximum likelihood."""
    x = logit(scores)
    if method == "intercept":
        beta, _ = fit_logistic(np.ones((x.size, 1)), labels, offset=x)
        return float(beta[0]), 1.0
    if is_separated(labels, x):
        raise InputError(
            "the risks separate the outcomes perfectly (or are all equal), so no slope can be fitted; "
            "recalibrate the intercept only",
            field="p",
        )
    spread = float(x.std())
    design = np.column_stack((np.ones_like(x), (x - x.mean()) / spread))
    beta, _ = fit_logistic(design, labels, offset=np.zeros_like(x))
    slope = float(beta[1]) / spread
    if slope <= 0.0:
        raise InputError(
            "higher risks go with fewer outcomes in these patients, which recalibration cannot mend; "
            "check that the outcome column is coded 1 = present",
            field="y",
            value=slope,
        )
    return float(beta[0]) - slope * float(x.mean()), slope


def _folds(labels: BoolArray, codes: IntArray | None, rng: np.random.Generator) -> IntArray:
    """Fold 0..4 of each row; patients with and without any outcome are dealt out apart."""
    patient = np.arange(labels.size) if codes is None else codes
    ill = np.bincount(patient, weights=labels) > 0.0
    fold = np.empty(ill.size, dtype=np.int64)
    for members in (np.flatnonzero(ill), np.flatnonzero(~ill)):
        fold[rng.permutation(members)] = np.arange(members.size) % _N_FOLDS
    return fold[patient]
