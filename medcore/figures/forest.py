"""A forest plot: one line a row with its interval, on one axis, as an HTML table.

Picture and data table are the same thing: every row holds its figure in text beside the drawn interval, so a
screen reader reads it row by row. Pure text, no Streamlit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Forest", "ForestRow", "choose_ticks", "render_forest", "write_figure"]

_INK = "#1A2433"
_GREY = "#8B96A5"
_MARGIN_GROUND = "#E9EDF2"
_LEAST_SPAN = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One line: a figure with its interval.

    ``value``, ``lo`` and ``hi`` are on the plot's axis; NaN where there is none. ``counts`` stands beside the
    label ("120 patients, 31 with the outcome"); ``note`` is the verdict in words. A row with ``grey`` is one
    that must not be read; ``grey`` says why ("too few: 7 events"). ``group`` is the heading it stands under.
    """

    label: str
    value: float
    lo: float
    hi: float
    counts: str = ""
    note: str = ""
    grey: str = ""
    group: str = ""
    points: tuple[float, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """A whole plot.

    Attributes
    ----------
    title, axis : str
        Caption of the table; what the axis shows, with its unit.
    rows : tuple of ForestRow
        Top to bottom; rows of one ``group`` follow one another.
    line : float, optional
        Where a vertical line stands (no difference, the overall figure, the cut-off).
    margin : float, optional
        Largest loss that would be accepted, above 0: shaded from ``line - margin`` to ``line``.
    ends : (str, str)
        Words below the left and the right end of the axis.
    digits : int
        Decimals of the figures.
    signed : bool
        Whether figures carry a plus sign.
    within : (float, float), optional
        Limits the axis never leaves, such as (0, 1) of a share.
    """

    title: str
    axis: str
    rows: tuple[ForestRow, ...]
    line: float | None = None
    margin: float | None = None
    ends: tuple[str, str] = ("", "")
    digits: int = 3
    signed: bool = False
    within: tuple[float, float] | None = None


def render_forest(forest: Forest) -> str:
    """Return the plot as one HTML table; an empty text where there is no row."""
    if not forest.rows:
        return ""
    lo, hi = _find_span(forest)
    ticks = choose_ticks(lo, hi)
    body: list[str] = []
    group = ""
    for row in forest.rows:
        if row.group != group:
            group = row.group
            body.append(f'<tr class="mc-fgroup"><th scope="rowgroup" colspan="4">{escape(group)}</th></tr>')
        body.append(_render_row(row, forest, lo, hi))
    return (
        f'<table class="mc-forest"><caption>{escape(forest.title)}</caption>'
        '<thead class="mc-sr"><tr><th scope="col">Row</th><th scope="col">Patients</th>'
        f'<th scope="col">{escape(forest.axis)}, drawn</th><th scope="col">{escape(forest.axis)}</th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody>"
        f'<tfoot><tr aria-hidden="true"><td></td><td></td><td class="mc-fplot">{_render_axis(forest, ticks, lo, hi)}'
        "</td><td></td></tr></tfoot></table>"
    )


def write_figure(value: float, lo: float, hi: float, *, digits: int = 3, signed: bool = False) -> str:
    """Write a figure with its interval: ``"0.912 (0.890 to 0.931)"``; "not known" for NaN.

    Examples
    --------
    >>> write_figure(0.012, -0.004, 0.03, signed=True)
    '+0.012 (−0.004 to +0.030)'
    >>> write_figure(0.9, float("nan"), float("nan"), digits=1)
    '0.9'
    """
    if not math.isfinite(value):
        return "not known"
    text = _write(value, digits, signed)
    if not (math.isfinite(lo) and math.isfinite(hi)):
        return text
    return f"{text} ({_write(lo, digits, signed)} to {_write(hi, digits, signed)})"


def choose_ticks(lo: float, hi: float, n: int = 5) -> tuple[float, ...]:
    """Return round numbers within ``lo..hi``, about ``n`` of them.

    Examples
    --------
    >>> choose_ticks(-0.021, 0.033)
    (-0.02, 0.0, 0.02)
    """
    raw = (hi - lo) / max(n, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(lo / step - 1e-9)
    last = math.floor(hi / step + 1e-9)
    decimals = max(0, -math.floor(math.log10(step)))
    return tuple(round(k * step, decimals) + 0.0 for k in range(first, last + 1))


def _find_span(forest: Forest) -> tuple[float, float]:
    """Limits of the axis: every figure and interval that may be read, the line and the margin."""
    rows = [row for row in forest.rows if not row.grey] or list(forest.rows)
    values = [value for row in rows for value in (row.value, row.lo, row.hi) if math.isfinite(value)]
    if forest.line is not None:
        values.append(forest.line)
        if forest.margin is not None:
            values += [forest.line - 1.3 * forest.margin, forest.line + 0.5 * forest.margin]
    if not values:
        return 0.0, 1.0
    lo, hi = min(values), max(values)
    pad = max(0.06 * (hi - lo), _LEAST_SPAN)
    lo, hi = lo - pad, hi + pad
    if forest.within is not None:
        lo, hi = max(lo, forest.within[0]), min(hi, forest.within[1])
    return (lo, hi) if hi - lo > _LEAST_SPAN else (lo - 0.5, hi + 0.5)


def _render_row(row: ForestRow, forest: Forest, lo: float, hi: float) -> str:
    text = write_figure(row.value, row.lo, row.hi, digits=forest.digits, signed=forest.signed)
    text = escape(row.text) or text
    words = row.grey or row.note
    small = f"<small>{escape(words)}</small>" if words else ""
    drawn = _render_ground(forest, lo, hi) + _render_mark(row, lo, hi)
    kind = ' class="mc-fgrey"' if row.grey else ""
    return (
        f'<tr{kind}><th scope="row">{escape(row.label)}</th><td class="mc-fcounts">{escape(row.counts)}</td>'
        f'<td class="mc-fplot" aria-hidden="true"><div>{drawn}</div></td><td class="mc-ftext">{text}{small}</td></tr>'
    )


def _render_ground(forest: Forest, lo: float, hi: float) -> str:
    if forest.line is None:
        return ""
    parts = []
    if forest.margin is not None:
        left, right = _place(forest.line - forest.margin, lo, hi), _place(forest.line, lo, hi)
        parts.append(
            f'<i class="mc-fmargin" style="left:{left:.2f}%;width:{right - left:.2f}%;background:{_MARGIN_GROUND}"></i>'
        )
    parts.append(f'<i class="mc-fline" style="left:{_place(forest.line, lo, hi):.2f}%"></i>')
    return "".join(parts)


def _render_mark(row: ForestRow, lo: float, hi: float) -> str:
    if not math.isfinite(row.value):
        return ""
    colour = _GREY if row.grey else _INK
    parts = []
    if math.isfinite(row.lo) and math.isfinite(row.hi):
        left, right = _place(row.lo, lo, hi), _place(row.hi, lo, hi)
        parts.append(
            f'<i class="mc-fci" style="left:{left:.2f}%;width:{max(right - left, 0.3):.2f}%;background:{colour}"></i>'
        )
    parts += [
        f'<i class="mc-fpoint" style="left:{_place(point, lo, hi):.2f}%"></i>'
        for point in row.points
        if lo <= point <= hi
    ]
    if lo <= row.value <= hi:
        parts.append(f'<i class="mc-fdot" style="left:{_place(row.value, lo, hi):.2f}%;background:{colour}"></i>')
    return "".join(parts)


def _render_axis(forest: Forest, ticks: Sequence[float], lo: float, hi: float) -> str:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    marks = "".join(
        f'<span style="left:{_place(tick, lo, hi):.2f}%">{_write(tick, decimals, forest.signed)}</span>'
        for tick in ticks
    )
    left, right = (escape(word) for word in forest.ends)
    words = f'<p class="mc-fends"><b>{left}</b><b>{right}</b></p>' if left or right else ""
    return f'<div class="mc-fticks">{marks}</div><p class="mc-faxis">{escape(forest.axis)}</p>{words}'


def _place(value: float, lo: float, hi: float) -> float:
    """Position on the axis in per cent of its width, cut at both ends."""
    return 100.0 * min(max((value - lo) / (hi - lo), 0.0), 1.0)


def _write(value: float, digits: int, signed: bool) -> str:
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0.0:
        return text
    return f"{'−' if value < 0 else '+' if signed else ''}{text}"
