"""Drawing on a PDF page: text that wraps, axes, bands and lines. Measures are points (1/72 inch), y upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.utils import simpleSplit

from medcore.figures.forest import choose_ticks

__all__ = [
    "ACCENT",
    "BOLD",
    "GREY",
    "INK",
    "LINE",
    "PLAIN",
    "QUIET",
    "SOFT",
    "STYLES",
    "WARM",
    "Axes",
    "Pen",
    "can_print",
]

INK, QUIET, GREY, LINE, SOFT = "#1A2433", "#566173", "#8B96A5", "#C3CBD6", "#E9EDF2"
ACCENT, WARM = "#0B5CAD", "#B4500B"
STYLES: tuple[tuple[str, tuple[float, ...]], ...] = (
    (ACCENT, ()),
    (WARM, (5, 2)),
    ("#6B4C9A", (1, 2)),
    (INK, (6, 2, 1, 2)),
    ("#00695C", (3, 1)),
    ("#7A4A00", (8, 3)),
)
"""Colour and dashes of the first, second, … model."""
PLAIN, BOLD = "Helvetica", "Helvetica-Bold"
_BEYOND_LATIN = frozenset("≥≤−≠≈·–")
_LEADING = 1.25


def _clean(text: str) -> str:
    """Replace what the standard fonts cannot show."""
    return "".join(char if char in _BEYOND_LATIN or _is_western(char) else "?" for char in text)


def can_print(text: str) -> bool:
    """Whether the paper's fonts show every character of a text."""
    return _clean(text) == text


def _is_western(char: str) -> bool:
    try:
        char.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


class Pen:
    """A PDF canvas with the paper's fonts and colours."""

    def __init__(self, canvas: Any) -> None:
        self.canvas = canvas

    def text(self, x: float, y: float, text: str, *, size: float = 9, font: str = PLAIN, color: str = INK) -> None:
        """Write one line, starting at ``x``."""
        self._ready(size, font, color)
        self.canvas.drawString(x, y, _clean(text))

    def text_right(
        self, x: float, y: float, text: str, *, size: float = 9, font: str = PLAIN, color: str = INK
    ) -> None:
        """Write one line, ending at ``x``."""
        self._ready(size, font, color)
        self.canvas.drawRightString(x, y, _clean(text))

    def text_centre(self, x: float, y: float, text: str, *, size: float = 9, color: str = INK) -> None:
        """Write one line around ``x``."""
        self._ready(size, PLAIN, color)
        self.canvas.drawCentredString(x, y, _clean(text))

    def paragraph(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        size: float = 9,
        font: str = PLAIN,
        color: str = INK,
        most: int = 99,
    ) -> float:
        """Write lines of at most ``width`` below ``y`` and return the y below them; beyond ``most`` lines ``…``."""
        lines = simpleSplit(_clean(text), font, size, width)
        if len(lines) > most:
            lines = [*lines[: most - 1], f"{lines[most - 1][: max(0, len(lines[most - 1]) - 2)]}…"]
        for line in lines:
            y -= size * _LEADING
            self.text(x, y, line, size=size, font=font, color=color)
        return y

    def line(
        self,
        points: Sequence[tuple[float, float]],
        *,
        color: str = INK,
        width: float = 0.8,
        dash: Sequence[float] = (),
    ) -> None:
        """Draw a line through points (page coordinates); fewer than two draw nothing."""
        if len(points) < 2:
            return
        self.canvas.setStrokeColor(HexColor(color))
        self.canvas.setLineWidth(width)
        self.canvas.setDash(*((list(dash), 0) if dash else ([], 0)))
        path = self.canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        self.canvas.drawPath(path, stroke=1, fill=0)
        self.canvas.setDash([], 0)

    def fill(self, points: Sequence[tuple[float, float]], color: str) -> None:
        """Fill the shape with these corners."""
        if len(points) < 3:
            return
        self.canvas.setFillColor(HexColor(color))
        path = self.canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        path.close()
        self.canvas.drawPath(path, stroke=0, fill=1)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, edge: str = "") -> None:
        """Draw a filled rectangle with its lower left corner at ``(x, y)``."""
        self.canvas.setFillColor(HexColor(fill))
        self.canvas.setLineWidth(0.6)
        if edge:
            self.canvas.setStrokeColor(HexColor(edge))
        self.canvas.rect(x, y, width, height, stroke=1 if edge else 0, fill=1)

    def dot(self, x: float, y: float, radius: float, color: str) -> None:
        """Draw a filled circle."""
        self.canvas.setFillColor(HexColor(color))
        self.canvas.circle(x, y, radius, stroke=0, fill=1)

    def _ready(self, size: float, font: str, color: str) -> None:
        self.canvas.setFont(font, size)
        self.canvas.setFillColor(HexColor(color))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """A rectangle of the page with a scale: ``x_lo..x_hi`` over ``left..left + width``, likewise upwards."""

    left: float
    bottom: float
    width: float
    height: float
    x_lo: float
    x_hi: float
    y_lo: float
    y_hi: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point on the page, cut at the edges of the rectangle."""
        across = min(max((x - self.x_lo) / (self.x_hi - self.x_lo), 0.0), 1.0)
        up = min(max((y - self.y_lo) / (self.y_hi - self.y_lo), 0.0), 1.0)
        return self.left + across * self.width, self.bottom + up * self.height

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.x_lo <= x <= self.x_hi and self.y_lo <= y <= self.y_hi

    def points(self, x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
        """Return the places of a curve's points within the x range; what is not a number is left out."""
        return [
            self.at(a, b)
            for a, b in zip(x, y, strict=True)
            if math.isfinite(a) and math.isfinite(b) and self.x_lo <= a <= self.x_hi
        ]

    def frame(self, pen: Pen, x_title: str, y_title: str, *, percent: bool = False) -> None:
        """Draw ticks, their labels and the titles; ``percent`` labels both axes in per cent."""
        left, bottom = self.left, self.bottom
        for tick in choose_ticks(self.x_lo, self.x_hi):
            place = self.at(tick, self.y_lo)[0]
            pen.line([(place, bottom), (place, bottom + self.height)], color=SOFT, width=0.4)
            pen.text_centre(place, bottom - 9, f"{100 * tick:g} %", size=7, color=QUIET)
        for tick in choose_ticks(self.y_lo, self.y_hi):
            place = self.at(self.x_lo, tick)[1]
            pen.line([(left, place), (left + self.width, place)], color=SOFT, width=0.4)
            label = f"{100 * tick:g} %" if percent else f"{tick:g}"
            pen.text_right(left - 3, place - 2.5, label, size=7, color=QUIET)
        pen.line([(left, bottom), (left + self.width, bottom)], color=QUIET, width=0.6)
        pen.text_centre(left + self.width / 2, bottom - 19, x_title, size=7.5, color=QUIET)
        pen.text(left - 26, bottom + self.height + 5, y_title, size=7.5, color=QUIET)

    def band(self, pen: Pen, x: Sequence[float], lo: Sequence[float], hi: Sequence[float], color: str) -> None:
        """Fill between two curves."""
        known = [all(map(math.isfinite, three)) for three in zip(x, lo, hi, strict=True)]
        kept = [[v for v, ok in zip(values, known, strict=True) if ok] for values in (list(x), list(lo), list(hi))]
        upper = self.points(kept[0], kept[2])
        lower = self.points(kept[0], kept[1])
        pen.fill([*upper, *reversed(lower)], color)
