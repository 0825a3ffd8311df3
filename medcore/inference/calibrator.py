"""From raw model scores to a calibrated probability and its sampling interval.

A calibrator is a logistic recalibration (Platt, 1999) of the members' mean score, one such line per
bootstrap refit, and the width factor found by the semi-synthetic coverage study of the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from medcore.errors import IntegrityError

__all__ = ["Calibrator", "Line"]

_MAX_LOGIT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """``calibrated logit = slope * score + intercept``; the slope is positive, so ranks are kept."""

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope > 0.0):
            raise IntegrityError("a calibration line needs a positive, finite slope and a finite intercept")

    def __call__(self, score: np.ndarray) -> np.ndarray:
        """Return calibrated logits of raw scores."""
        return np.clip(self.slope * score + self.intercept, -_MAX_LOGIT, _MAX_LOGIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrator:
    """Calibration of one bundle.

    Attributes
    ----------
    main : Line
        Line of the mean score of the shipped members.
    refits : tuple of Line
        One line per bootstrap refit of the whole pipeline, in the order of the refits' scores.
    width : float
        Factor on the refits' deviations (logit scale) that reaches the nominal coverage in the
        semi-synthetic study; 1 = plain percentiles.
    level : float
        Nominal level of the interval.
    """

    main: Line
    refits: tuple[Line, ...]
    width: float = 1.0
    level: float = 0.90

    def __post_init__(self) -> None:
        if not (math.isfinite(self.width) and self.width >= 0.0 and 0.0 < self.level < 1.0):
            raise IntegrityError("a calibrator needs a width of 0 or more and a level between 0 and 1")

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Calibrator:
        """Rebuild from :meth:`to_json`.

        Raises
        ------
        IntegrityError
            Parts are missing or not numbers.
        """
        try:
            return cls(
                main=Line(slope=float(raw["main"][0]), intercept=float(raw["main"][1])),
                refits=tuple(Line(slope=float(a), intercept=float(b)) for a, b in raw["refits"]),
                width=float(raw["width"]),
                level=float(raw["level"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise IntegrityError("the calibrator of the bundle is incomplete") from error

    def to_json(self) -> dict[str, Any]:
        """Describe the calibrator in plain JSON types."""
        return {
            "main": [self.main.slope, self.main.intercept],
            "refits": [[line.slope, line.intercept] for line in self.refits],
            "width": self.width,
            "level": self.level,
        }

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, shape (n,), of mean member scores, shape (n,)."""
        return np.asarray(expit(self.main(score)))

    def interval(self, score: np.ndarray, refit_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sampling interval around the shipped probability.

        The deviations of the refits' calibrated logits from their own middle are stretched by ``width``
        and laid around the shipped logit, so that ``lo <= p <= hi`` always.

        Parameters
        ----------
        score : array, shape (n,)
            Mean member scores.
        refit_scores : array, shape (n, n_refits)
            Raw scores of the bootstrap refits.

        Returns
        -------
        lo, hi : arrays, shape (n,)
        """
        center = self.main(score)
        slopes = np.array([line.slope for line in self.refits])
        intercepts = np.array([line.intercept for line in self.refits])
        logits = np.clip(refit_scores * slopes + intercepts, -_MAX_LOGIT, _MAX_LOGIT)
        tail = (1.0 - self.level) / 2.0
        low, mid, high = np.quantile(logits, [tail, 0.5, 1.0 - tail], axis=1)
        lo = center - self.width * np.maximum(mid - low, 0.0)
        hi = center + self.width * np.maximum(high - mid, 0.0)
        return expit(lo), expit(hi)
