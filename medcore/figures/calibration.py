"""Calibration of several versions of a model side by side: the same small drawing for each, so that they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from medcore.evaluation.compared import ModelCurves

__all__ = ["render_calibrations"]

_WIDTH, _HEIGHT = 388, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 364, 10, 250
_LINE, _INK, _QUIET, _GRID = "#0B5CAD", "#1A2433", "#566173", "#E3E8EE"
_TICKS = 5


def render_calibrations(parts: Sequence[tuple[str, ModelCurves]]) -> str:
    """Return one drawing per version, all over the same range of risks.

    Parameters
    ----------
    parts : sequence of (title, ModelCurves)
        What to draw; the first is the original.

    Returns
    -------
    str
        HTML with drawings: the line of equality, the smooth curve with its 95 % band, and the tenths of the rows
        with their 95 % limits.
    """
    top = _round_up(max((_reach(curves) for _, curves in parts), default=1.0))
    figures = "".join(_render_one(title, curves, top) for title, curves in parts)
    return (
        f'<div class="mc-copies">{figures}</div><p class="mc-quiet">Observed share over predicted risk. Shaded: 95 % '
        "band; rings: tenths of the rows with 95 % limits; thin line: observed as predicted.</p>"
    )


def _render_one(title: str, curves: ModelCurves, top: float) -> str:
    band = curves.calibration
    inside = np.isfinite(band.y) & (band.x <= top)
    known = inside & (band.y <= top)
    x, y = band.x[known], np.maximum(band.y[known], 0.0)
    limits = inside & np.isfinite(band.lo) & np.isfinite(band.hi)
    edge = [*zip(band.x[limits], band.hi[limits], strict=True)]
    edge += [*zip(band.x[limits][::-1], band.lo[limits][::-1], strict=True)]
    area = " ".join(_point(a, min(max(b, 0.0), top), top) for a, b in edge)
    line = " ".join(_point(a, b, top) for a, b in zip(x, y, strict=True))
    label = f"Calibration, {title}: {_describe(curves)}"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}" font-family="sans-serif" '
        f'font-size="13">{_render_axes(top)}'
        f'<polygon points="{area}" fill="{_LINE}" fill-opacity="0.14"/>'
        f'<line x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_TOP}" stroke="{_INK}"/>'
        f'<polyline points="{line}" fill="none" stroke="{_LINE}" stroke-width="2.2"/>{_render_tenths(curves, top)}'
        "</svg></figure>"
    )


def _render_axes(top: float) -> str:
    ticks = []
    for k in range(_TICKS + 1):
        share = top * k / _TICKS
        text = f"{100 * share:.3g}\u00a0%"
        across, up = _place(share, share, top)
        ticks.append(
            f'<line x1="{_LEFT}" y1="{up:.1f}" x2="{_RIGHT}" y2="{up:.1f}" stroke="{_GRID}"/>'
            f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end" fill="{_QUIET}">{text}</text>'
            f'<text x="{across:.1f}" y="{_BOTTOM + 17}" text-anchor="middle" fill="{_QUIET}">{text}</text>'
        )
    middle = (_LEFT + _RIGHT) / 2
    return (
        f'{"".join(ticks)}<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle" fill="{_INK}">predicted risk</text>'
    )


def _render_tenths(curves: ModelCurves, top: float) -> str:
    drawn = []
    for one in curves.bins:
        if not math.isfinite(one.observed) or one.mean_p > top:
            continue
        across, up = _place(one.mean_p, min(one.observed, top), top)
        low, high = (_place(0.0, min(max(end, 0.0), top), top)[1] for end in (one.lo, one.hi))
        drawn.append(
            f'<line x1="{across:.1f}" y1="{low:.1f}" x2="{across:.1f}" y2="{high:.1f}" stroke="{_LINE}"/>'
            f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3.6" fill="#fff" stroke="{_LINE}" stroke-width="1.6"/>'
        )
    return "".join(drawn)


def _describe(curves: ModelCurves) -> str:
    told = [
        f"{100 * one.mean_p:.0f} % predicted, {100 * one.observed:.0f} % observed"
        for one in curves.bins
        if math.isfinite(one.observed)
    ]
    return "; ".join(told)


def _reach(curves: ModelCurves) -> float:
    """Return the largest risk or share that has to fit."""
    ends = [float(np.max(curves.calibration.x, initial=0.0)), *(max(one.mean_p, one.observed) for one in curves.bins)]
    return max((end for end in ends if math.isfinite(end)), default=1.0)


def _round_up(share: float) -> float:
    return next((step for step in (0.05, 0.1, 0.2, 0.5) if share <= step), 1.0)


def _place(x: float, y: float, top: float) -> tuple[float, float]:
    return _LEFT + (_RIGHT - _LEFT) * x / top, _BOTTOM - (_BOTTOM - _TOP) * y / top


def _point(x: float, y: float, top: float) -> str:
    across, up = _place(float(x), float(y), top)
    return f"{across:.1f},{up:.1f}"
