"""The bars of one explanation: what moved the estimate away from the average, in percentage points.

Drawn as an HTML table (about 3 kB) whose cells hold the bars, so that picture and data table are the
same thing: it appears in the same frame as the number, a screen reader reads it row by row, and the
first result does not wait for a charting library of several megabytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from medcore.results import Explanation

__all__ = ["LOWERS", "RAISES", "Bar", "BarChart", "rank_bars", "render_bars"]

RAISES = "#B4500B"
LOWERS = "#0B5CAD"
CAPTION = "These are patterns in the study, not causes. Changing a value need not change the outcome."
_SHOWN = 6
_LEAST_SCALE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One field's contribution: ``points`` are percentage points, positive = raises the risk."""

    field: str
    label: str
    value: str
    points: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """The longest bars and the sum of the rest: ``base + bars + others`` is the estimate (all in per cent)."""

    base: float
    bars: tuple[Bar, ...]
    n_others: int
    others: float
    estimate: float


def rank_bars(
    explanation: Explanation,
    labels: Mapping[str, str],
    values: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
    shown: int = _SHOWN,
) -> BarChart:
    """Choose the ``shown`` strongest contributions; ``labels`` and ``values`` are the texts per field."""
    notes = notes or {}
    ranked = sorted(explanation.contributions.items(), key=lambda pair: -abs(pair[1]))
    bars = tuple(
        Bar(
            field=name,
            label=labels.get(name, name),
            value=values.get(name, ""),
            points=100 * change,
            note=notes.get(name, ""),
        )
        for name, change in ranked[:shown]
    )
    rest = ranked[shown:]
    return BarChart(
        base=100 * explanation.base,
        bars=bars,
        n_others=len(rest),
        others=100 * sum(change for _, change in rest),
        estimate=100 * explanation.p_calibrated,
    )


def render_bars(chart: BarChart) -> str:
    """Return the chart as one HTML table with its title and the fixed caption; a repeated note stands once."""
    scale = max([_LEAST_SCALE, abs(chart.others), *(abs(bar.points) for bar in chart.bars)])
    said: set[str] = set()
    rows = []
    for bar in chart.bars:
        rows.append(_render_row(bar.label, bar.value, bar.points, scale, "" if bar.note in said else bar.note))
        said.add(bar.note)
    if chart.n_others:
        word = "other" if chart.n_others == 1 else "others"
        rows.append(_render_row(f"{chart.n_others} {word}", "together", chart.others, scale, ""))
    title = f"What moved this estimate away from the average ({_whole(chart.base)} %)"
    return (
        f'<table class="mc-bars"><caption>{escape(title)}</caption>'
        '<thead class="mc-sr"><tr><th scope="col">Field</th><th scope="col">Value</th>'
        '<th scope="col">Change, percentage points</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<p class="mc-caption">{escape(CAPTION)}</p>'
    )


def _render_row(label: str, value: str, points: float, scale: float, note: str) -> str:
    width = 50 * abs(points) / scale
    raises = points >= 0
    side = "left:50%" if raises else f"left:{50 - width:.1f}%"
    bar = f'<span style="{side};width:{width:.1f}%;background:{RAISES if raises else LOWERS}"></span>'
    extra = f'<tr class="mc-note"><td colspan="4">{escape(note)}</td></tr>' if note else ""
    word = "raises" if points > 0 else "lowers" if points < 0 else "no change"
    return (
        f'<tr><th scope="row">{escape(label)}</th><td class="mc-val">{escape(value)}</td>'
        f'<td class="mc-bar" aria-hidden="true"><div>{bar}</div></td>'
        f'<td class="mc-pts">{_signed(points)}<span class="mc-sr"> points, {word}</span></td></tr>{extra}'
    )


def _signed(points: float) -> str:
    whole = _whole(abs(points))
    if whole == "0":
        return "0"
    return f"{'+' if points > 0 else '−'}{whole}"


def _whole(value: float) -> str:
    return str(int(value + 0.5))
