"""Fewer points for a curve without changing how it looks: at most 400, corners kept."""

from __future__ import annotations

import numpy as np

from medcore.evaluation.validation import FloatArray, IntArray

__all__ = ["MOST_POINTS", "thin_precision", "thin_roc"]

MOST_POINTS = 400
"""Most points of a curve."""

_MOST_CORNERS = 100
_MOST_EXAMINED = 5000
_STRAIGHT = 1e-15


def thin_roc(x: FloatArray, y: FloatArray) -> IntArray:
    """At most 400 points: ends, corners of the upper hull, then evenly along the curve."""
    bends = np.diff(x, 2), np.diff(y, 2)
    corner = np.concatenate(([True], (np.abs(bends[0]) > _STRAIGHT) | (np.abs(bends[1]) > _STRAIGHT), [True]))
    points = np.flatnonzero(corner)
    if points.size <= MOST_POINTS:
        return points
    near = np.unique(np.linspace(0, points.size - 1, _MOST_EXAMINED).astype(np.int64))
    hull = near[_hull(x[points[near]], y[points[near]])]
    hull = hull[np.linspace(0, hull.size - 1, min(hull.size, _MOST_CORNERS)).astype(np.int64)]
    way = x[points] + y[points]
    even = np.searchsorted(way, np.linspace(0.0, 2.0, MOST_POINTS - hull.size))
    kept: IntArray = points[np.unique(np.concatenate((hull, np.minimum(even, points.size - 1))))]
    return kept


def _hull(x: FloatArray, y: FloatArray) -> IntArray:
    """Find the upper convex hull of a rising curve (monotone chain)."""
    kept: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for i in range(len(xs)):
        while len(kept) > 1 and _turns_up(xs, ys, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    return np.array(kept, dtype=np.int64)


def _turns_up(x: list[float], y: list[float], a: int, b: int, c: int) -> bool:
    return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0.0


def thin_precision(found: FloatArray, called: FloatArray) -> IntArray:
    """At most 400 points: close together where few are called and the curve jumps, else evenly in recall."""
    k = found.size
    if k <= MOST_POINTS:
        return np.arange(k)
    half = MOST_POINTS // 2
    early = np.searchsorted(called, np.geomspace(1.0, called[-1], half))
    even = np.searchsorted(found, np.linspace(1.0, found[-1], half))
    return np.unique(np.minimum(np.concatenate(([0], early, even[:-1], [k - 1])), k - 1))
