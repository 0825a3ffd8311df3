"""What a film model's cut-offs mean in films: found and falsely called, counted on the bundle's own test scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medcore.errors import MedcoreError
from medcore.registry import Catalog

__all__ = ["OperatingPoint", "count_points", "find_points", "place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """One cut-off on the calibrated probability (study's mix), with what it does to the test films.

    ``sensitivity`` is the share of the ``n_positive`` films it calls, ``false_calls`` that of the
    ``n_negative`` others; ``reached`` says on which side of it a film lies, None where no film is meant.
    """

    name: str
    threshold: float
    sensitivity: float
    false_calls: float
    n_positive: int
    n_negative: int
    reached: bool | None = None


def find_points(catalog: Catalog, model_id: str) -> tuple[OperatingPoint, ...]:
    """Return the operating points of a bundle in rising order; none where its test scores cannot be read."""
    try:
        facts = catalog.find(model_id)
        arrays = catalog.bundle(model_id).read_arrays("evaluation.npz")
        y, p = _test_scores(arrays)
    except (MedcoreError, KeyError):
        return ()
    return count_points(facts.thresholds, y, p)


def count_points(thresholds: Mapping[str, float], y: np.ndarray, p: np.ndarray) -> tuple[OperatingPoint, ...]:
    """Count what each cut-off finds and falsely calls.

    Parameters
    ----------
    thresholds : mapping of str to float
        Cut-offs on ``p``; a film is called at or above.
    y, p : arrays, shape (n,)
        Outcome (0 or 1) and probability of films that chose neither model nor cut-off.

    Examples
    --------
    >>> (point,) = count_points({"screening": 0.5}, np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.6, 0.1]))
    >>> point.sensitivity, point.false_calls
    (0.5, 0.5)
    """
    positive, negative = p[y == 1], p[y == 0]
    if not positive.size or not negative.size:
        return ()
    return tuple(
        OperatingPoint(
            name=name,
            threshold=value,
            sensitivity=float(np.mean(positive >= value)),
            false_calls=float(np.mean(negative >= value)),
            n_positive=int(positive.size),
            n_negative=int(negative.size),
        )
        for name, value in sorted(_drop_double(thresholds).items(), key=lambda item: item[1])
    )


def place(points: Sequence[OperatingPoint], p: float | None) -> OperatingPoint | None:
    """Return the highest cut-off that ``p`` reaches, or the lowest one if it reaches none.

    Examples
    --------
    >>> points = count_points({"low": 0.2, "high": 0.8}, np.array([1, 0]), np.array([0.9, 0.1]))
    >>> place(points, 0.5).name, place(points, 0.5).reached, place(points, 0.1).name, place(points, 0.1).reached
    ('low', True, 'low', False)
    """
    if p is None or not points:
        return None
    reached = [point for point in points if p >= point.threshold]
    return replace(reached[-1], reached=True) if reached else replace(points[0], reached=False)


def _drop_double(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Leave the default out where it is one of the named cut-offs."""
    named = {name: value for name, value in thresholds.items() if name != "default"}
    return named if thresholds.get("default") in named.values() else dict(thresholds)


def _test_scores(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return outcome and probability of the test films; of all where a bundle holds no others."""
    y, p = np.asarray(arrays["y"]), np.asarray(arrays["p"])
    if "part" not in arrays:
        return y, p
    chosen = np.asarray(arrays["part"]) == "test"
    return y[chosen], p[chosen]
