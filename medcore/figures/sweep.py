"""How the formula answers to one field: curve, band, the measured value and its measurement error."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from medcore.results import Response

__all__ = ["CAPTION", "describe_sweep", "draw_sweep", "tabulate_sweep"]

CAPTION = "Shows how the formula answers to another measured value. It does not show what treatment would do."
_LINE = "#0B5CAD"
_BAND = "rgba(11,92,173,0.14)"
_INK = "#1A2433"
_QUIET = "#566173"
_NOISE = "rgba(26,36,51,0.12)"
_GRID = "#E9EDF2"
_TABLE_ROWS = 9


def draw_sweep(response: Response, label: str, unit: str) -> go.Figure:
    """Return the figure: risk in per cent over the field's studied range, in the field's own unit."""
    x = [float(f"{value:.4g}") for value in response.values]
    lo, hi, p = (_per_cent(part) for part in (response.lo, response.hi, response.p))
    figure = go.Figure(
        data=[
            go.Scatter(x=x, y=hi, mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False),
            go.Scatter(x=x, y=lo, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=_BAND, hoverinfo="skip"),
            go.Scatter(
                x=x,
                y=p,
                mode="lines",
                line={"color": _LINE, "width": 2.5},
                customdata=list(zip(lo, hi, strict=True)),
                hovertemplate="%{x}: %{y:.0f} % (%{customdata[0]:.0f}–%{customdata[1]:.0f})<extra></extra>",
            ),
        ],
        layout={
            "template": "none",
            "height": 260,
            "margin": {"l": 52, "r": 12, "t": 12, "b": 44},
            "showlegend": False,
            "font": {"size": 13, "color": _INK},
            "xaxis": {
                "title": {"text": f"{label}, {unit}" if unit else label, "font": {"size": 13}},
                "gridcolor": _GRID,
            },
            "yaxis": {
                "title": {"text": "estimate, %", "font": {"size": 13}},
                "range": [0, max(10.0, min(100.0, 1.1 * max(hi, default=100.0)))],
                "gridcolor": _GRID,
                "zeroline": False,
            },
            "hovermode": "closest",
        },
    )
    if response.measured is not None:
        _mark_measured(figure, response.measured, response.noise_sd)
    return figure


def describe_sweep(response: Response, label: str, unit: str) -> str:
    """Return the chart in one sentence, for screen readers."""
    first, last = response.p[0], response.p[-1]
    ends = f"{response.values[0]:.4g} to {response.values[-1]:.4g} {unit}".strip()
    measured = "" if response.measured is None else f" The measured value is {response.measured:.4g}."
    return (
        f"Line chart: estimate over {label} from {ends}: {100 * first:.0f} % at the low end, "
        f"{100 * last:.0f} % at the high end.{measured}"
    )


def tabulate_sweep(response: Response, label: str, unit: str) -> str:
    """Return about nine points of the curve as an HTML table."""
    step = max(1, (len(response.values) - 1) // (_TABLE_ROWS - 1)) if len(response.values) > 1 else 1
    rows = "".join(
        f"<tr><th scope='row'>{response.values[i]:.4g}</th><td>{100 * response.p[i]:.0f} %</td>"
        f"<td>{100 * response.lo[i]:.0f}–{100 * response.hi[i]:.0f} %</td></tr>"
        for i in range(0, len(response.values), step)
    )
    head = f"{label}, {unit}" if unit else label
    return (
        f"<table class='mc-table'><thead><tr><th scope='col'>{escape(head)}</th><th scope='col'>Estimate</th>"
        f"<th scope='col'>90 % range</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _mark_measured(figure: go.Figure, measured: float, noise_sd: float) -> None:
    if noise_sd > 0:
        figure.add_vrect(x0=measured - noise_sd, x1=measured + noise_sd, fillcolor=_NOISE, line_width=0)
    figure.add_vline(x=measured, line={"color": _INK, "width": 1.5, "dash": "dot"})
    figure.add_annotation(
        x=measured,
        y=1,
        yref="paper",
        yanchor="top",
        xanchor="left",
        xshift=4,
        text=f"measured {measured:.4g}",
        showarrow=False,
        font={"color": _QUIET},
    )


def _per_cent(part: tuple[float, ...]) -> list[float]:
    return [round(100 * value, 1) for value in part]
