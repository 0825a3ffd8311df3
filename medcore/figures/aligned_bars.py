"""SHAP bars of several models side by side: one row a field, one column a model, one scale for all.

An HTML table like :mod:`medcore.figures.bars`, so that picture and data table are the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from medcore.figures.bars import CAPTION, LOWERS, RAISES
from medcore.results import Explanation

__all__ = ["rank_fields", "render_aligned"]

_SHOWN = 8
_LEAST_SCALE = 2.0


def rank_fields(explanations: Sequence[Explanation], shown: int = _SHOWN) -> tuple[str, ...]:
    """Return the fields with the largest contribution in any of the models, strongest first."""
    largest: dict[str, float] = {}
    for explanation in explanations:
        for name, change in explanation.contributions.items():
            largest[name] = max(largest.get(name, 0.0), abs(change))
    return tuple(sorted(largest, key=lambda name: -largest[name])[:shown])


def render_aligned(
    explanations: Mapping[str, Explanation],
    labels: Mapping[str, str],
    values: Mapping[str, str],
    shown: int = _SHOWN,
) -> str:
    """Return the table; ``explanations`` by the model's title, ``labels`` and ``values`` by field.

    Empty where no model has an explanation.
    """
    if not explanations:
        return ""
    fields = rank_fields(tuple(explanations.values()), shown)
    rests = {title: _rest(explanation, fields) for title, explanation in explanations.items()}
    drawn = [100 * abs(item.contributions.get(name, 0.0)) for item in explanations.values() for name in fields]
    scale = max([_LEAST_SCALE, *drawn, *(abs(rest) for rest in rests.values())])
    head = "".join(
        f'<th scope="col">{escape(title)}'
        f"<small>from {100 * item.base:.0f} to {100 * item.p_calibrated:.0f} %</small></th>"
        for title, item in explanations.items()
    )
    rows = [
        _render_row(
            labels.get(name, name),
            values.get(name, ""),
            [100 * item.contributions.get(name, 0.0) for item in explanations.values()],
            scale,
        )
        for name in fields
    ]
    n_others = max(len(item.contributions) for item in explanations.values()) - len(fields)
    if n_others > 0:
        word = "other" if n_others == 1 else "others"
        rows.append(_render_row(f"{n_others} {word}", "together", list(rests.values()), scale))
    return (
        '<table class="mc-aligned"><caption>What moved each estimate away from its average, percentage points</caption>'
        f'<thead><tr><th scope="col">Field</th><th scope="col">Value</th>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table><p class="mc-caption">{escape(CAPTION)}</p>'
    )


def _rest(explanation: Explanation, fields: Sequence[str]) -> float:
    return 100 * sum(change for name, change in explanation.contributions.items() if name not in fields)


def _render_row(label: str, value: str, points: Sequence[float], scale: float) -> str:
    cells = "".join(_render_cell(change, scale) for change in points)
    return f'<tr><th scope="row">{escape(label)}</th><td class="mc-val">{escape(value)}</td>{cells}</tr>'


def _render_cell(points: float, scale: float) -> str:
    width = 50 * abs(points) / scale
    left = 50.0 if points >= 0 else 50 - width
    colour = RAISES if points >= 0 else LOWERS
    whole = int(abs(points) + 0.5)
    text = "0" if whole == 0 else f"{'+' if points > 0 else '−'}{whole}"
    return (
        f'<td class="mc-abar"><div aria-hidden="true"><i style="left:{left:.1f}%;width:{width:.1f}%;'
        f'background:{colour}"></i></div><b>{text}</b></td>'
    )
