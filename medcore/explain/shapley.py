"""Shapley values of one patient's risk: which field moved it how far from the study's average.

A player is a field: its value, its gap flag and its encoded columns move together. The value of a
coalition is the weighted mean risk of the background rows after the coalition's fields have been
replaced by the patient's. Contributions are in probability units and add up to ``p - base``
by construction; how exact they are is said by their standard errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from medcore.errors import InputError
from medcore.explain.coalitions import CoalitionPlan, plan_coalitions
from medcore.explain.scores import Background, CoalitionScorer, FieldwiseScore, Score, scorer_for
from medcore.results import Explanation

__all__ = ["RowExplainer", "ShapleyEstimate", "TableExplainer"]

_STAND_IN_TIMES, _STAND_IN_LEAST, _STAND_IN_MOST = 16, 2048, 16_384
_P_EDGE = 1e-6
_FIRST_COALITIONS = 80
_COALITIONS_A_FIELD = 4
_ROWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapleyEstimate:
    """Shapley values of one row; ``base + values.sum() == p``, all in probability units.

    Attributes
    ----------
    base : float
        Weighted mean probability of the background.
    values, standard_error : float64 arrays, shape (n_fields,)
        Positive = raises the risk. The error is 0 where every coalition was tried.
    p : float
        Probability of the row itself.
    n_coalitions : int
        Coalitions evaluated, without the empty and the full one.
    """

    base: float
    values: np.ndarray
    standard_error: np.ndarray
    p: float
    n_coalitions: int

    @property
    def worst_error(self) -> float:
        """Largest standard error of a contribution."""
        return float(self.standard_error.max())

    def named(self, names: Sequence[str], top_stability: float | None = None) -> Explanation:
        """Return the result that pages and commands read, fields by name."""
        return Explanation(
            base=self.base,
            contributions=dict(zip(names, self.values.tolist(), strict=True)),
            standard_error=dict(zip(names, self.standard_error.tolist(), strict=True)),
            p_calibrated=self.p,
            n_coalitions=self.n_coalitions,
            top_stability=top_stability,
        )


class TableExplainer:
    """KernelSHAP with paired coalitions for one model and one background.

    Parameters
    ----------
    score : Score or FieldwiseScore
        The model with its calibration. A fieldwise score saves encoding masked rows; a wide network's
        later layers take most of the time either way.
    background : Background
        About 100 weighted made-up rows.
    seed : int
        Start of the coalition stream; the same seed gives the same numbers.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> explainer = TableExplainer(lambda X: 0.2 + 0.3 * X[:, 0] + 0.1 * X[:, 1], Background(rows))
    >>> explainer.explain(np.array([1.0, 0.0])).values.round(3).tolist()
    [0.15, -0.05]
    """

    def __init__(self, score: Score | FieldwiseScore, background: Background, *, seed: int = 0) -> None:
        self._scorer = scorer_for(score, background)
        self._background = background
        self._seed = seed

    def begin(self, row: np.ndarray) -> RowExplainer:
        """Return an explanation of ``row`` in progress, which can be refined without starting again.

        Parameters
        ----------
        row : float array, shape (n_fields,)
            Raw values of one patient, NaN = blank, choices as codes.

        Raises
        ------
        InputError
            The row has another number of fields than the background, or an infinite value.
        """
        row = np.asarray(row, dtype=np.float64)
        n_fields = self._background.rows.shape[1]
        if row.shape != (n_fields,) or np.isinf(row).any():
            raise InputError(f"one patient has {n_fields} finite or blank values, not an array of shape {row.shape}")
        return RowExplainer(self._begin(row[None]))

    def explain(self, row: np.ndarray, n_coalitions: int = 256) -> ShapleyEstimate:
        """Explain one row with a fixed number of coalitions."""
        return self.begin(row).explain(n_coalitions)

    def refine(self, row: np.ndarray, precision: float = 0.02, cap: int = 16_384) -> ShapleyEstimate:
        """Explain one row until its largest standard error is at most ``precision``."""
        return self.begin(row).refine(precision, cap)

    def explain_rows(self, X: np.ndarray, n_coalitions: int = 256) -> list[ShapleyEstimate]:
        """Explain rows (n, n_fields) with a fixed number of coalitions; as :meth:`explain` of each, but quicker."""
        return [item for part in self._batches(X) for item in part.explain(n_coalitions)]

    def refine_rows(self, X: np.ndarray, precision: float = 0.02, cap: int = 16_384) -> list[ShapleyEstimate]:
        """Explain rows (n, n_fields), each until its largest standard error is at most ``precision``.

        As :meth:`refine` of each, but quicker: what coalitions ask of the background is worked out once for
        many rows.
        """
        return [item for part in self._batches(X) for item in _refine(part, precision, cap)]

    def _batches(self, X: np.ndarray) -> Iterator[_Progress]:
        X = np.asarray(X, dtype=np.float64)
        n_fields = self._background.rows.shape[1]
        if X.ndim != 2 or X.shape[1] != n_fields or np.isinf(X).any():
            raise InputError(f"patients have {n_fields} finite or blank values each, not an array of shape {X.shape}")
        return (self._begin(X[start : start + _ROWS_AT_ONCE]) for start in range(0, len(X), _ROWS_AT_ONCE))

    def _begin(self, rows: np.ndarray) -> _Progress:
        return _Progress(self._scorer, self._background, rows, self._seed)


class RowExplainer:
    """The explanation of one row in progress; made by :meth:`TableExplainer.begin`."""

    def __init__(self, progress: _Progress) -> None:
        self._progress = progress

    def explain(self, n_coalitions: int = 256) -> ShapleyEstimate:
        """Return the estimate from ``n_coalitions`` coalitions; those tried before are not tried again."""
        return self._progress.explain(n_coalitions)[0]

    def refine(self, precision: float = 0.02, cap: int = 16_384) -> ShapleyEstimate:
        """Double the coalitions until the largest standard error is at most ``precision`` (or ``cap`` is reached).

        Parameters
        ----------
        precision : float
            Probability units, above 0.
        cap : int
            Largest number of coalitions.

        Raises
        ------
        InputError
            ``precision`` is not a positive number.
        """
        return _refine(self._progress, precision, cap)[0]


def _refine(progress: _Progress, precision: float, cap: int) -> list[ShapleyEstimate]:
    """Refine all rows, and those that are not exact enough again with twice the coalitions."""
    if not precision > 0:
        raise InputError(f"the precision of an explanation is a positive number, not {precision}")
    n = max(_FIRST_COALITIONS, _COALITIONS_A_FIELD * progress.n_fields)
    found = progress.explain(min(n, cap))
    rows = list(range(len(found)))
    while n < cap and (rough := [i for i in rows if found[i].worst_error > precision]):
        n *= 2
        progress = progress.keep([rows.index(i) for i in rough])
        rows = rough
        for i, item in zip(rows, progress.explain(min(n, cap)), strict=True):
            found[i] = item
    return found


class _Progress:
    """Explanations of some rows in progress, all with the same coalitions.

    Notes
    -----
    Sampling error is cut by a control variate: an additive stand-in on the logit scale, read off
    the coalitions of one field and of all but one, whose own Shapley values cost no model call.
    Least squares is then spent on what the stand-in leaves over. Measured at equal coalitions on networks
    trained on two of our conditions, the error falls to .4 of what it was (13 fields) or .9 (23 fields);
    on logistic models to .1 to .2; never above 1, also on random networks and pure interactions.
    """

    def __init__(self, scorer: CoalitionScorer, background: Background, rows: np.ndarray, seed: int) -> None:
        self._scorer = scorer
        self._weights = background.weights
        self._patients = scorer.prepare(rows)
        self._seed = seed
        self._p = scorer.ends(self._patients).astype(np.float64)
        self._base = float(scorer.p_rows @ background.weights)
        self._known: dict[bytes, np.ndarray] = {}
        self._stand_in: _StandIn | None = None
        self.n_rows, self.n_fields = rows.shape

    def keep(self, rows: list[int]) -> _Progress:
        """Return the progress of some of the rows."""
        if len(rows) == self.n_rows:
            return self
        part = copy(self)
        part.n_rows = len(rows)
        part._patients, part._p = self._patients[rows], self._p[rows]
        part._known = {key: values[rows] for key, values in self._known.items()}
        part._stand_in = None if self._stand_in is None else self._stand_in.keep(rows)
        return part

    def explain(self, n_coalitions: int) -> list[ShapleyEstimate]:
        """Return the estimates from ``n_coalitions`` coalitions; those tried before are not tried again."""
        plan = plan_coalitions(self.n_fields, n_coalitions, self._seed)
        differences = self._differences(plan)
        total = self._p - self._base
        if self._stand_in is None or plan.exact:
            values, errors = plan.solve(differences, total)
        else:
            values, errors = self._stand_in.values(plan, differences, total, self._seed)
        return [
            ShapleyEstimate(base=self._base, values=own, standard_error=error, p=p, n_coalitions=plan.n_coalitions)
            for own, error, p in zip(values, errors, self._p.tolist(), strict=True)
        ]

    def _differences(self, plan: CoalitionPlan) -> np.ndarray:
        """Return ``v(S) - v(complement)``, shape (n_rows, n_pairs), scoring only pairs not seen before."""
        keys = [mask.tobytes() for mask in plan.masks]
        fresh = np.array([key not in self._known for key in keys], dtype=bool)
        if fresh.any():
            masks = plan.masks[fresh]
            p = self._scorer.masked(self._patients, np.concatenate([masks, ~masks]))
            if self._stand_in is None and not plan.exact:
                self._stand_in = _StandIn(self._p, self._scorer.p_rows, p, self._weights, self.n_fields)
            v = p @ self._weights
            for mask, difference in zip(masks, (v[:, : len(masks)] - v[:, len(masks) :]).T, strict=True):
                self._known[mask.tobytes()] = difference
        return np.array([self._known[key] for key in keys]).reshape(len(keys), self.n_rows).T


class _StandIn:
    """A model of the form ``expit(own term of the background row + sum of field terms)``, one a patient.

    ``p`` are the scores of a plan, shape (n, 2 * n_pairs, m), whose first pairs are the single fields
    in order. A field's term is the mean of its effect when changed first and when changed last;
    what is left to the patient's own logit is shared out evenly, so both ends are met.
    """

    def __init__(
        self, p_own: np.ndarray, p_rows: np.ndarray, p: np.ndarray, weights: np.ndarray, n_fields: int
    ) -> None:
        n_pairs = p.shape[1] // 2
        self._start = _logit(p_rows)
        self._weights = weights.astype(np.float32)
        end = _logit(p_own)[:, None]
        first = _logit(p[:, :n_fields]) - self._start
        last = end[:, None] - _logit(p[:, n_pairs : n_pairs + n_fields])
        terms = (first + last) / 2
        self._terms = terms + ((end - self._start - terms.sum(axis=1)) / n_fields)[:, None]

    def keep(self, rows: list[int]) -> _StandIn:
        """Return the stand-in of some of the patients."""
        part = copy(self)
        part._terms = self._terms[rows]
        return part

    def values(
        self, plan: CoalitionPlan, differences: np.ndarray, total: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return Shapley values and errors: the stand-in's own plus those of what it leaves over."""
        n_own = min(max(_STAND_IN_TIMES * plan.n_coalitions, _STAND_IN_LEAST), _STAND_IN_MOST)
        own_plan = plan_coalitions(plan.n_fields, n_own, seed + 1)
        solved = [own_plan.solve(*item) for item in zip(self._differences(own_plan.masks), total, strict=True)]
        own, own_error = (np.array(part) for part in zip(*solved, strict=True))
        rest, rest_error = plan.solve(differences - self._differences(plan.masks), np.zeros_like(total))
        return own + rest, np.hypot(own_error, rest_error)

    def _differences(self, masks: np.ndarray) -> np.ndarray:
        """Return the stand-in's ``v(S) - v(complement)``, shape (n, n_masks)."""
        chosen = masks.astype(np.float32)
        return np.stack([self._differ(chosen, terms / 2) for terms in self._terms])

    def _differ(self, chosen: np.ndarray, halves: np.ndarray) -> np.ndarray:
        """Return the same for one patient from half the terms: ``expit(x) - 1/2`` is ``tanh(x / 2) / 2``."""
        rising = chosen @ halves
        falling = (self._start / 2 + halves.sum(axis=0)) - rising
        rising += self._start / 2
        difference = np.tanh(rising, out=rising)
        difference -= np.tanh(falling, out=falling)
        return np.asarray(difference @ self._weights) / 2


def _logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(logit(np.clip(p, _P_EDGE, 1.0 - _P_EDGE)), dtype=np.float32)
