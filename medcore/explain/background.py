"""The weighted made-up rows every explanation is measured against.

Their weighted mean risk is the study's mean out-of-fold risk, so that "average" on the page is the
average a reader knows; codes and gap patterns are those of the made-up cohort, nothing is averaged.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from medcore.errors import InputError

__all__ = ["make_background"]

_STEEPEST = 500.0


def make_background(
    cohort: np.ndarray, p_cohort: np.ndarray, target_mean: float, *, n_rows: int = 100, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows and weights so that the weighted mean risk is ``target_mean``.

    Rows are drawn systematically along the order of their risk, so that all levels of risk are
    represented; both the draw and the final weights are tilted exponentially in the risk, which is
    the change of distribution nearest to uniform that gives the wanted mean (Csiszár 1975,
    doi:10.1214/aop/1176996454).

    Parameters
    ----------
    cohort : float array, shape (n, n_fields)
        Made-up rows, NaN = blank. Never training rows.
    p_cohort : float array, shape (n,)
        Their calibrated probabilities.
    target_mean : float
        Mean out-of-fold calibrated probability of the study.
    n_rows : int
        Rows wanted; all rows are used when the cohort is smaller.
    seed : int
        Seed of the draw.

    Returns
    -------
    rows : float64 array, shape (n_rows, n_fields)
        Rows of the cohort, unchanged.
    weights : float64 array, shape (n_rows,)
        Positive, summing to 1; the weighted mean probability equals ``target_mean`` within 1e-6.

    Raises
    ------
    InputError
        Shapes do not fit, probabilities are not finite, or no weights can reach the target.
    """
    cohort, p = np.asarray(cohort, dtype=np.float64), np.asarray(p_cohort, dtype=np.float64)
    if cohort.ndim != 2 or p.shape != (len(cohort),) or not np.isfinite(p).all():
        raise InputError(f"{len(cohort)} cohort rows need as many finite probabilities, not shape {p.shape}")
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(p)), p))
    share = _tilted(p[order], target_mean)
    chosen = order[_systematic(share, min(n_rows, len(p)), rng.random())]
    return cohort[chosen], _tilted(p[chosen], target_mean)


def _tilted(p: np.ndarray, target: float) -> np.ndarray:
    """Return weights proportional to ``exp(slope * p)`` whose weighted mean of ``p`` is ``target``."""
    if len(p) and np.ptp(p) < 1e-9 and abs(p[0] - target) < 1e-6:
        return np.full(len(p), 1.0 / len(p))

    def excess(slope: float) -> float:
        return float(_softmax(slope * p) @ p) - target

    if not len(p) or not (p.min() < target < p.max()) or excess(-_STEEPEST) > 0 or excess(_STEEPEST) < 0:
        span = f"{p.min():.3f} to {p.max():.3f}" if len(p) else "none"
        raise InputError(f"the made-up patients' risks ({span}) cannot be weighted to a mean of {target:.3f}")
    return _softmax(brentq(excess, -_STEEPEST, _STEEPEST, xtol=1e-10) * p)


def _softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max())
    return np.asarray(weights / weights.sum())


def _systematic(share: np.ndarray, n: int, start: float) -> np.ndarray:
    """Draw ``n`` positions with the given shares at equal steps; a position hit twice passes on to a free neighbour."""
    hits = np.searchsorted(np.cumsum(share), (np.arange(n) + start) / n * (1 - 1e-12))
    free = np.ones(len(share), dtype=bool)
    chosen = []
    for hit in np.minimum(hits, len(share) - 1):
        places = np.flatnonzero(free)
        place = places[np.argmin(np.abs(places - hit))]
        free[place] = False
        chosen.append(int(place))
    return np.array(chosen)
