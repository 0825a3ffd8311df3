"""The picture of 100 people: a probability as a count, both sides shown."""

from __future__ import annotations

from html import escape

from medcore.results import count_of_100, rest_of_100, whole_percent

__all__ = ["render_icons"]

_HIT = "#1A2433"
_REST = "#C3CBD6"
_STEP = 20
_RADIUS = 7
_ENDS = {"< 1": 0, "> 99": 100}


def render_icons(p: float, outcome: str) -> str:
    """Return an SVG of 100 dots, 20 a row; filled = with the outcome, ring = without.

    Parameters
    ----------
    p : float
        Probability in [0, 1].
    outcome : str
        The outcome in a few words, for the text under the picture and for screen readers.
    """
    percent = whole_percent(p)
    hits = _ENDS[percent] if percent in _ENDS else int(percent)
    dots = "".join(_dot(index, index < hits) for index in range(100))
    with_it, without = count_of_100(percent), rest_of_100(percent)
    text = f"Of 100 people like this one, {with_it} with {outcome} and {without} without."
    width, height = 20 * _STEP, 5 * _STEP
    return (
        f'<figure class="mc-icons"><svg role="img" aria-label="{escape(text)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{dots}</svg><figcaption>{escape(text)}</figcaption></figure>'
    )


def _dot(index: int, hit: bool) -> str:
    x, y = (index % 20) * _STEP + _STEP // 2, (index // 20) * _STEP + _STEP // 2
    fill = _HIT if hit else "none"
    stroke = _HIT if hit else _REST
    return f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="{fill}" stroke="{stroke}" stroke-width="2"/>'
