"""The tabs about for whom a model works: subgroups of patients, and patients with missing inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from medcore.figures.forest import Forest, ForestRow, render_forest
from medcore.results import MetricValue
from medcore.services.compare import blank_rows, comparing, labelled
from medcore.services.compare.board import name_attribute, name_group, say_too_few
from medcore.services.house import FilmCondition
from medcore.ui.compare_scene import Scene, choose_model, show_sentence

__all__ = [
    "BLANKS",
    "describe_gaps",
    "divide_blanks",
    "draw_groups",
    "find_rows",
    "show_blanks",
    "show_subgroups",
    "sort_groups",
]

BLANKS = "blanks"
"""The attribute under which a bundle may keep how many inputs were missing."""
_UNKNOWN = MetricValue(value=math.nan, lo=math.nan, hi=math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    title: str
    axis: str
    line: float | None = None
    within: tuple[float, float] | None = (0.0, 1.0)
    ends: tuple[str, str] = ("", "")
    signed: bool = False


_FIGURES = {
    "auroc": _Figure(title="AUROC (telling patients apart)", axis="AUROC"),
    "brier": _Figure(title="Brier score (error of the risks)", axis="Brier score"),
    "calibration_intercept": _Figure(
        title="Observed v expected (calibration intercept)",
        axis="calibration intercept, log-odds",
        line=0.0,
        within=None,
        ends=("← fewer cases than expected", "more cases than expected →"),
        signed=True,
    ),
    "sensitivity": _Figure(title="Sensitivity at the cut-off", axis="sensitivity"),
    "specificity": _Figure(title="Specificity at the cut-off", axis="specificity"),
}


def show_subgroups(scene: Scene) -> None:
    """Draw one figure of one model in every group, with counts, small groups in grey, and gaps in words."""
    rows_by_model = find_rows(scene)
    rows_by_model = {name: [row for row in rows if row.attribute != BLANKS] for name, rows in rows_by_model.items()}
    if not any(rows_by_model.values()):
        show_sentence(_explain_no_groups(scene))
        return
    with st.container(key="tab_choices", horizontal=True):
        model = choose_model(scene, "Model", "subgroup_model")
        figure: str = st.selectbox(
            "Figure", list(_FIGURES), format_func=lambda name: _FIGURES[name].title, key="subgroup_figure"
        )
    rows = rows_by_model.get(model, [])
    st.html(describe_gaps(scene, rows, figure))
    st.html(render_forest(draw_groups(scene, rows, figure, model)))
    st.html(_render_gap_table(scene, rows_by_model, figure))


def show_blanks(scene: Scene) -> None:
    """Draw the figures by number and kind of missing inputs, where they are known."""
    if isinstance(scene.question, FilmCondition):
        show_sentence("A film has no missing inputs.")
        return
    rows_by_model = _find_blanks(scene)
    if not any(rows_by_model.values()):
        show_sentence(
            "Not known for these models: a bundle keeps outcomes and risks of the study's patients, not which of their "
            "inputs were missing. Upload labelled patients under Your data to see what blanks cost."
        )
        return
    names = [name for name in scene.model_ids if rows_by_model.get(name)]
    with st.container(key="tab_choices", horizontal=True):
        model = choose_model(scene, "Model", "blank_model", names)
        rows = rows_by_model[model]
        known = [name for name in _FIGURES if any(name in row.metrics for row in rows)] or ["auroc"]
        figure: str = st.selectbox("Figure", known, format_func=lambda name: _FIGURES[name].title, key="blank_figure")
    shown, rare = divide_blanks(rows)
    st.html(render_forest(draw_groups(scene, shown, figure, model)))
    if rare:
        st.html(f'<p class="mc-quiet">Blank too rarely to tell: {escape(", ".join(rare))}.</p>')
    st.html(
        '<p class="mc-quiet">Patients with blanks differ from the others in more than their blanks: a gap is a reason '
        "to look, not a cause.</p>"
    )


def divide_blanks(rows: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Return the rows worth drawing, and the fields of which one of the two groups is too small to be read."""
    fields = dict.fromkeys(row.attribute for row in rows if row.attribute not in (BLANKS, blank_rows.BY_COUNT))
    rare = [name for name in fields if any(row.too_few for row in rows if row.attribute == name)]
    return [row for row in rows if row.attribute not in rare], rare


def _find_blanks(scene: Scene) -> dict[str, Sequence[Any]]:
    """Return the rows about blanks: of the uploaded patients, of the study beside the bundles, or of the bundles."""
    if scene.upload is not None:
        return dict(scene.upload.blanks)
    found = blank_rows.find_blank_rows(scene.house.catalog, scene.comparison.condition, scene.model_ids)
    if found:
        return dict(found)
    return {name: [row for row in rows if row.attribute == BLANKS] for name, rows in find_rows(scene).items()}


def find_rows(scene: Scene) -> dict[str, Sequence[Any]]:
    """Return the subgroup rows of every model, of the uploaded rows where these are shown."""
    if scene.upload is not None:
        return dict(
            labelled.measure_upload_groups(
                scene.house, scene.upload, cut_off=scene.cut_off, prevalence=scene.prevalence
            )
        )
    return dict(
        comparing.subgroups(
            scene.house.catalog,
            scene.comparison.condition,
            scene.model_ids,
            cut_off=scene.cut_off,
            prevalence=scene.prevalence,
        )
    )


def draw_groups(scene: Scene, rows: Sequence[Any], figure: str, model_id: str) -> Forest:
    """Return the forest plot of one figure over groups."""
    look = _FIGURES[figure]
    drawn = []
    for row in sort_groups(rows):
        metric = row.metrics.get(figure, _UNKNOWN)
        drawn.append(
            ForestRow(
                label=name_group(row.attribute, row.group, scene.question),
                group=_write_attribute(scene, row.attribute),
                counts=f"{row.n_events:,} of {row.n:,} with the outcome",
                value=metric.value,
                lo=metric.lo,
                hi=metric.hi,
                grey=say_too_few(row),
            )
        )
    line = look.line
    overall = scene.comparison.board.get(model_id, {}).get(figure)
    if line is None and overall is not None and math.isfinite(overall.value) and scene.prevalence is None:
        line = overall.value
    return Forest(
        title=f"{look.title}: {scene.title(model_id)}",
        axis=look.axis,
        rows=tuple(drawn),
        line=line,
        within=look.within,
        ends=look.ends,
        signed=look.signed,
    )


def sort_groups(rows: Sequence[Any]) -> list[Any]:
    """Return rows with attributes and groups in their order, but "under …" first and what was put together last."""
    attributes = list(dict.fromkeys(row.attribute for row in rows))
    return sorted(
        rows,
        key=lambda row: (attributes.index(row.attribute), row.group == "small", not row.group.startswith("under")),
    )


def describe_gaps(scene: Scene, rows: Sequence[Any], figure: str) -> str:
    """Say the largest gap within each attribute in words; groups too small to read do not take part."""
    sentences = []
    for attribute in dict.fromkeys(row.attribute for row in rows):
        gap = _find_gap(rows, attribute, figure)
        label = escape(_write_attribute(scene, attribute))
        if gap is None:
            sentences.append(f"<p><b>{label}</b>: fewer than two groups are large enough to compare.</p>")
            continue
        (low, least), (high, most) = gap
        apart = "their intervals do not overlap" if least.hi < most.lo else "their intervals overlap"
        low_name = escape(name_group(attribute, low.group, scene.question))
        high_name = escape(name_group(attribute, high.group, scene.question))
        sentences.append(
            f"<p><b>{label}</b>: from {_write(least.value, figure)} ({low_name}) to {_write(most.value, figure)} "
            f"({high_name}), a gap of {most.value - least.value:.3f}; {apart}.</p>"
        )
    return f'<div class="mc-lead">{"".join(sentences)}</div>'


def _find_gap(
    rows: Sequence[Any], attribute: str, figure: str
) -> tuple[tuple[Any, MetricValue], tuple[Any, MetricValue]] | None:
    """Return the groups with the lowest and the highest figure; None with fewer than two that may be read."""
    known = [
        (row, row.metrics[figure])
        for row in rows
        if row.attribute == attribute and not row.too_few and figure in row.metrics and row.group != "small"
    ]
    known = [(row, metric) for row, metric in known if math.isfinite(metric.value)]
    if len(known) < 2:
        return None
    known.sort(key=lambda pair: pair[1].value)
    return known[0], known[-1]


def _render_gap_table(scene: Scene, rows_by_model: Mapping[str, Sequence[Any]], figure: str) -> str:
    """Return the largest gap of every model side by side."""
    if len(rows_by_model) < 2:
        return ""
    first = next(iter(rows_by_model.values()))
    attributes = list(dict.fromkeys(row.attribute for row in first))
    names = [name for name in scene.model_ids if name in rows_by_model]
    head = "".join(f'<th scope="col">{escape(scene.title(name))}</th>' for name in names)
    body = []
    for attribute in attributes:
        gaps = [_find_gap(rows_by_model[name], attribute, figure) for name in names]
        cells = "".join(
            "<td>too few</td>" if gap is None else f"<td>{gap[1][1].value - gap[0][1].value:.3f}</td>" for gap in gaps
        )
        body.append(f'<tr><th scope="row">{escape(_write_attribute(scene, attribute))}</th>{cells}</tr>')
    return (
        '<div class="mc-scroll"><table class="mc-table"><caption>Largest gap between groups, by model</caption>'
        f'<thead><tr><th scope="col">Divided by</th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def _write_attribute(scene: Scene, attribute: str) -> str:
    name = name_attribute(attribute, scene.question)
    return name[:1].upper() + name[1:]


def _write(value: float, figure: str) -> str:
    signed = _FIGURES[figure].signed
    text = f"{abs(value):.3f}"
    return f"{'−' if value < 0 else '+' if signed else ''}{text}"


def _explain_no_groups(scene: Scene) -> str:
    if scene.upload is not None and scene.noun == "films":
        return "The headers of your films do not divide them: ten films or more of two views, sexes or ages are needed."
    if scene.upload is not None:
        return (
            "Your rows name no groups. Add a column such as sex or site with two to twelve different words, each on at "
            "least ten rows."
        )
    return f"The bundles name no groups of {scene.noun}."
