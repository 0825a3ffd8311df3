"""The figures of several models on the same rows: scoreboard, curves, and who is shown not to be worse.

Runs wherever the scores are: in the page's own process for the study's rows, in the analysis process for
uploads. Needs NumPy and the evaluation room only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medcore.errors import InputError
from medcore.evaluation.compared import ModelCurves, PairedCalls
from medcore.evaluation.comparison import Verdict, compare_auroc, verdict
from medcore.evaluation.curves import board, default_cut_offs, draw_curves
from medcore.evaluation.discrimination import delong_covariance
from medcore.evaluation.paired_calls import pair_calls
from medcore.evaluation.subgroups import MIN_EVENTS
from medcore.results import MetricValue

__all__ = ["FEWEST_EVENTS", "MARGIN", "Measured", "check_prevalence", "judge", "measure", "warn"]

MARGIN = 0.02
"""Largest loss of AUROC that still counts as not worse; fixed before looking."""
FEWEST_EVENTS = 100
"""Below so many patients with (or without) the outcome a validation is too small to be sure of."""
_FEWEST = 2
_SEED = 20
_N_RESAMPLES = 400
_Z95 = 1.959963984540054

BEST = "best Brier"
NOT_WORSE = "not shown to be worse (margin .02)"
WORSE = "worse"
CANNOT_TELL = "cannot tell: too few cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured; ``order`` are the models' ids by Brier score, the best first."""

    order: tuple[str, ...]
    board: Mapping[str, Mapping[str, MetricValue]]
    curves: Mapping[str, ModelCurves]
    standing: Mapping[str, str]
    warnings: tuple[str, ...]
    paired: tuple[PairedCalls, ...] = ()


def measure(
    y: np.ndarray,
    p: Mapping[str, np.ndarray],
    *,
    patients: np.ndarray | None = None,
    prevalence: float | None = None,
) -> Measured:
    """Compute scoreboard, curves and standings.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Outcome, 0 or 1; at least two of each.
    p : mapping of model id to ndarray, shape (n,)
        Probabilities of the same rows.
    patients : ndarray, shape (n,), optional
        Patient of each row.
    prevalence : float, optional
        Share with the outcome to restate for.

    Raises
    ------
    InputError
        Unusable arrays, fewer than two rows of either outcome, or a prevalence that cannot be.
    """
    check_prevalence(prevalence)
    _check_outcomes(y)
    boards, curves = {}, {}
    for name, scores in p.items():
        rng = np.random.default_rng(_SEED)
        boards[name] = board(y, scores, groups=patients, prevalence=prevalence, rng=rng)
        curves[name] = draw_curves(y, scores, prevalence=prevalence, groups=patients)
    order = tuple(sorted(p, key=lambda name: (boards[name]["brier"].value, name)))
    return Measured(
        order=order,
        board=boards,
        curves=curves,
        standing=judge(y, p, best=order[0], patients=patients),
        warnings=warn(y, p, patients=patients),
        paired=pair_calls(y, p, default_cut_offs(), prevalence=prevalence, groups=patients),
    )


def judge(
    y: np.ndarray, p: Mapping[str, np.ndarray], *, best: str, patients: np.ndarray | None = None
) -> dict[str, str]:
    """Say how each model stands: its AUROC against the highest one on the same patients, with the margin.

    ``best`` is the model with the lowest Brier score. Intervals are DeLong's, or from a bootstrap of
    patients where one has several rows. With fewer than 20 events or non-events nothing is said.
    """
    fewest = int(min(y.sum(), y.size - y.sum()))
    names = list(p)
    areas, covariance = delong_covariance(y, np.vstack([p[name] for name in names]))
    top = int(np.argmax(areas))
    standing = {}
    for i, name in enumerate(names):
        if name == best:
            standing[name] = BEST
        elif fewest < MIN_EVENTS:
            standing[name] = CANNOT_TELL
        elif i == top:
            standing[name] = NOT_WORSE
        elif patients is None:
            variance = covariance[i, i] + covariance[top, top] - 2.0 * covariance[i, top]
            half, gain = _Z95 * math.sqrt(max(0.0, variance)), float(areas[i] - areas[top])
            standing[name] = _WORDS[verdict(MetricValue(value=gain, lo=gain - half, hi=gain + half), margin=MARGIN)]
        else:
            rng = np.random.default_rng(_SEED)
            found = compare_auroc(y, p[name], p[names[top]], groups=patients, rng=rng, n_resamples=_N_RESAMPLES)
            standing[name] = _WORDS[verdict(found.gain, margin=MARGIN)]
    return standing


def warn(y: np.ndarray, p: Mapping[str, np.ndarray], *, patients: np.ndarray | None = None) -> tuple[str, ...]:
    """Return what the reader must know first, in words."""
    n_events = int(np.sum(y))
    found = []
    for n, what in ((n_events, "with"), (y.size - n_events, "without")):
        if n < FEWEST_EVENTS:
            found.append(
                f"Only {n} {what} the outcome: below {FEWEST_EVENTS}, every figure is uncertain. Read the intervals."
            )
    for name, scores in p.items():
        if np.ptp(scores) == 0.0:
            found.append(f"{name} gives every patient the same probability: it cannot tell them apart.")
    if patients is not None and (n_patients := np.unique(patients).size) < y.size:
        found.append(f"{y.size:,} rows of {n_patients:,} patients: intervals take rows of one patient together.")
    return tuple(found)


def check_prevalence(prevalence: float | None) -> None:
    """Refuse a prevalence that is not strictly between 0 and 1.

    Raises
    ------
    InputError
        It is not.
    """
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        raise InputError(
            f"a prevalence of {100 * prevalence:g} % is not possible: between 0 and 100 %, both excluded",
            field="prevalence",
            value=prevalence,
            expected="between 0 and 1",
        )


_WORDS = {
    Verdict.BETTER: NOT_WORSE,
    Verdict.NOT_WORSE: NOT_WORSE,
    Verdict.WORSE: WORSE,
    Verdict.CANNOT_TELL: CANNOT_TELL,
}


def _check_outcomes(y: np.ndarray) -> None:
    n_events = int(np.sum(y))
    if min(n_events, y.size - n_events) < _FEWEST:
        raise InputError(
            f"{n_events} of {y.size} rows have the outcome: nothing can be compared with fewer than {_FEWEST} rows "
            "with and without it",
            field="label",
            value=n_events,
            expected="at least two rows of either outcome",
        )
