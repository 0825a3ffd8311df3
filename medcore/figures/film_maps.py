"""Coarse maps over a film or over nothing, as SVG: orange where a part raises the score, blue where it lowers it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from medcore.figures.thumbnail import draw_thumbnail

__all__ = ["render_map"]

_RAISES, _LOWERS = "#B4500B", "#0B5CAD"
_SIDE = 168
_FADED = 0.8


def render_map(
    cells: Sequence[Sequence[float]],
    *,
    title: str,
    caption: str,
    strongest: float,
    film: Sequence[Sequence[float]] = (),
) -> str:
    """Return one map with its words as an HTML figure.

    Parameters
    ----------
    cells : rows of float
        Log-odds that each part adds; row 0 at the top.
    strongest : float
        Size that gets the full colour, the same for all maps that stand side by side.
    film : rows of float
        A grey picture under the map, 0 = black, 1 = white; none by default.
    """
    grid = np.asarray(cells, dtype=float)
    rows, columns = grid.shape
    scale = strongest if strongest > 0.0 else 1.0
    below = ""
    if len(film):
        picture = draw_thumbnail(np.asarray(film, dtype=np.float32), 1)
        below = f'<image href="{picture}" width="{columns}" height="{rows}" preserveAspectRatio="none"/>'
    parts = "".join(
        f'<rect x="{x}" y="{y}" width="1" height="1" fill="{_RAISES if value > 0 else _LOWERS}" '
        f'fill-opacity="{min(1.0, abs(value) / scale) * _FADED:.2f}"><title>{value:+.2f} log-odds</title></rect>'
        for y, row in enumerate(grid.tolist())
        for x, value in enumerate(row)
    )
    label = escape(f"{title}. {caption}", quote=True)
    return (
        f'<figure class="mc-film-map"><svg role="img" aria-label="{label}" viewBox="0 0 {columns} {rows}" '
        f'width="{_SIDE}" height="{_SIDE}">{below}{parts}</svg>'
        f"<figcaption><b>{escape(title)}</b><br>{escape(caption)}</figcaption></figure>"
    )
