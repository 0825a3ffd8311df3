"""Many patients asked at once on the model's side: SHAP values, the effect of one field, a shuffled field.

Each function handles as many rows as it is given; whoever calls decides how many that is, so that other requests
to the same process find a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from medcore.errors import ExplanationError, InputError
from medcore.explain.tabular import Explainer
from medcore.inference.risk_model import RiskModel

__all__ = ["EffectRows", "ShapRows", "ShuffledRows", "explain_rows", "find_effect", "shuffle_field"]

_P_EDGE = 1e-9
_MOST_ROWS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapRows:
    """SHAP values of many rows, probability units; ``base + values.sum(axis=1) == p``.

    Attributes
    ----------
    values, standard_error : float64 arrays, shape (n, n_fields)
    p : float64 array, shape (n,)
    base : float64 array, shape ()
        Weighted mean probability of the background, the same for every row of a model.
    """

    values: np.ndarray
    standard_error: np.ndarray
    p: np.ndarray
    base: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EffectRows:
    """How the risk answers to one field: every patient's curve, their mean and its range.

    Attributes
    ----------
    grid : float64 array, shape (g,)
        Values of the field, its own unit, or codes.
    curves : float64 array, shape (n, g)
        Risk of each patient at each value (individual conditional expectation).
    mean, lo, hi : float64 arrays, shape (g,)
        Partial dependence with its 90 % sampling interval.
    """

    grid: np.ndarray
    curves: np.ndarray
    mean: np.ndarray
    lo: np.ndarray
    hi: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShuffledRows:
    """Risks after one field has been shuffled between the rows.

    Attributes
    ----------
    p : float64 array, shape (n,)
        As they are.
    shuffled : float64 array, shape (n_repeats, n)
        After each shuffle.
    """

    p: np.ndarray
    shuffled: np.ndarray


def explain_rows(explainer: Explainer, X: np.ndarray, *, precision: float = 0.02, cap: int = 1024) -> ShapRows:
    """Explain rows, each until its worst standard error is at most ``precision``.

    Parameters
    ----------
    explainer : Explainer
        Of the model in question.
    X : float array, shape (n, n_fields)
        Raw rows, NaN = blank.
    precision : float
        Probability units.
    cap : int
        The most coalitions a row gets.

    Raises
    ------
    InputError
        No rows, or rows of another number of fields.
    """
    found = explainer.estimate_rows(_as_rows(X), precision, cap)
    return ShapRows(
        values=np.array([item.values for item in found]),
        standard_error=np.array([item.standard_error for item in found]),
        p=np.array([item.p for item in found]),
        base=np.array(found[0].base),
    )


def find_effect(model: RiskModel, X: np.ndarray, column: int, grid: np.ndarray) -> EffectRows:
    """Set one field of every row to each value of ``grid`` in turn, all else as it is; one batched call.

    Parameters
    ----------
    model : RiskModel
        The model with its bootstrap refits.
    X : float array, shape (n, n_fields)
        Raw rows, NaN = blank.
    column : int
        The field.
    grid : float array, shape (g,)
        Values to try.

    Notes
    -----
    Partial dependence: Friedman 2001, doi:10.1214/aos/1013203451. Individual curves: Goldstein et al. 2015,
    doi:10.1080/10618600.2014.907095. The range is made like that of one patient's risk: each bootstrap refit of
    the whole pipeline gives its own mean curve; their spread about the middle one, on the logit scale and
    stretched by the calibrator's ``width``, is laid around the shipped model's mean curve. It says how far
    another sample of patients would have moved the curve, and nothing about effects of treatment.

    Raises
    ------
    InputError
        No rows, no such column, no values, or more rows than are scored at once.
    """
    X, grid = _as_rows(X), np.asarray(grid, dtype=np.float64)
    _check_column(X, column)
    if grid.ndim != 1 or not len(grid) or not np.isfinite(grid).all():
        raise InputError("the values to try are a list of finite numbers")
    n, g = len(X), len(grid)
    batch = np.repeat(X[None], g, axis=0)
    batch[:, :, column] = grid[:, None]
    flat = _limit(batch.reshape(g * n, X.shape[1]))
    calibrator = model.calibrator
    scores, refits = model.scores.both(flat)
    curves = calibrator.probability(scores).reshape(g, n)
    means = [expit(line(refits[:, j])).reshape(g, n).mean(axis=1) for j, line in enumerate(calibrator.refits)]
    mean = curves.mean(axis=1)
    lo, hi = _lay_around(mean, np.array(means), calibrator.level, calibrator.width)
    _require_numbers(curves, lo, hi)
    return EffectRows(grid=grid, curves=curves.T, mean=mean, lo=np.minimum(lo, mean), hi=np.maximum(hi, mean))


def shuffle_field(model: RiskModel, X: np.ndarray, column: int, *, n_repeats: int = 5, seed: int = 0) -> ShuffledRows:
    """Shuffle one field between the rows ``n_repeats`` times; all else stays (Breiman 2001).

    Source: Breiman 2001, doi:10.1023/A:1010933404324, as a question to a finished model: Fisher, Rudin and
    Dominici 2019 (arXiv:1801.01489).

    Raises
    ------
    InputError
        No rows, no such column, or more rows than are scored at once.
    """
    X = _as_rows(X)
    _check_column(X, column)
    rng = np.random.default_rng((seed, column))
    batch = np.repeat(X[None], n_repeats + 1, axis=0)
    for repeat in range(1, n_repeats + 1):
        batch[repeat, :, column] = rng.permutation(X[:, column])
    p = model.probability(_limit(batch.reshape(-1, X.shape[1]))).reshape(n_repeats + 1, len(X))
    _require_numbers(p)
    return ShuffledRows(p=p[0], shuffled=p[1:])


def _lay_around(mean: np.ndarray, refits: np.ndarray, level: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of a mean curve (g,) from those of the refits (n_refits, g)."""
    tail = (1.0 - level) / 2.0
    low, mid, high = np.quantile(_logit(refits), [tail, 0.5, 1.0 - tail], axis=0)
    center = _logit(mean)
    lo = expit(center - width * np.maximum(mid - low, 0.0))
    return lo, expit(center + width * np.maximum(high - mid, 0.0))


def _logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(p, _P_EDGE, 1.0 - _P_EDGE)))


def _as_rows(X: np.ndarray) -> np.ndarray:
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or 0 in X.shape:
        raise InputError(f"patients come as a table with at least one row, not as an array of shape {X.shape}")
    return X


def _check_column(X: np.ndarray, column: int) -> None:
    if not 0 <= column < X.shape[1]:
        raise InputError(f"there is no column {column} among {X.shape[1]} fields")


def _limit(rows: np.ndarray) -> np.ndarray:
    if len(rows) > _MOST_ROWS:
        raise InputError(f"{len(rows):,} rows at once are too many: at most {_MOST_ROWS:,}")
    return rows


def _require_numbers(*parts: np.ndarray) -> None:
    if not all(np.isfinite(part).all() for part in parts):
        raise ExplanationError("the model returned a value that is not a number while it was being explained")
