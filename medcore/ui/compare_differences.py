"""The tabs about how sure the differences are: against a reference model, and over cross-validation folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from medcore.figures.forest import Forest, ForestRow, render_forest
from medcore.services.compare import blank_rows, comparing, upload_questions
from medcore.services.compare.board import name_group, say_too_few
from medcore.ui.compare_scene import Scene, choose_model, list_in_words, show_sentence

__all__ = [
    "describe_differences",
    "draw_differences",
    "draw_folds",
    "draw_learning",
    "draw_left_out",
    "render_tests",
    "show_differences",
    "show_folds",
]

VERDICTS = {
    "better": "better",
    "not_worse": "not worse (margin {margin})",
    "worse": "worse",
    "cannot_tell": "cannot tell: the interval crosses the margin",
}
_SHORT = {"better": "better than", "not_worse": "not worse than", "worse": "worse than"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metric:
    """How one difference is drawn: ``scale`` turns it into the unit of the axis."""

    name: str
    title: str
    axis: str
    scale: float = 1.0
    digits: int = 3


_METRICS = (
    _Metric(name="auroc", title="AUROC: telling patients apart", axis="gain in AUROC"),
    _Metric(name="brier", title="Brier score: error of the risks", axis="gain in Brier score (lower error = gain)"),
    _Metric(
        name="net_benefit",
        title="Net benefit at the cut-off",
        axis="gain in net cases found per 1,000",
        scale=1000.0,
        digits=1,
    ),
)
_IDEAL = {"calibration_slope": 1.0, "calibration_intercept": 0.0}
_FOLD_NAMES = {
    "auroc": "AUROC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope (1 is ideal)",
    "calibration_intercept": "calibration intercept (0 is ideal)",
    "auprc": "AUPRC",
    "log_loss": "log loss",
}


def show_differences(scene: Scene) -> None:
    """Draw every model against a reference on the same patients, with the margin, and the verdict in words."""
    if len(scene.models) < 2:
        show_sentence("Choose two models or more: a difference needs something to differ from.")
        return
    with st.container(key="tab_choices", horizontal=True):
        reference = choose_model(scene, "Compared with", "difference_reference")
    found = _find_differences(scene, reference)
    st.html(describe_differences(scene, found))
    for metric in _METRICS:
        st.html(render_forest(draw_differences(scene, found, metric.name)))
    st.html(render_tests(scene, found))


def show_folds(scene: Scene) -> None:
    """Draw how far each model's figures move between the folds of its cross-validation."""
    if scene.upload is not None:
        show_sentence("Your own rows were not divided into folds: no model was fitted to them.")
        return
    found = comparing.folds(scene.house.catalog, scene.comparison.condition, scene.model_ids)
    if not found:
        show_sentence("These models were judged on separate test films: there are no cross-validation folds.")
        return
    known = next(iter(found.values()))
    with st.container(key="tab_choices", horizontal=True):
        metric: str = st.selectbox(
            "Figure",
            [name for name in _FOLD_NAMES if name in known],
            format_func=_FOLD_NAMES.__getitem__,
            key="fold_figure",
        )
    st.html(render_forest(draw_folds(scene, found, metric)))
    st.html(
        '<p class="mc-quiet">Dot: median of the folds. Line: lowest to highest. Small points: single folds. Each fold '
        "is a small set of patients, so most of the spread is chance; it is no confidence interval.</p>"
    )
    _show_elsewhere(scene, metric)


def draw_differences(scene: Scene, differences: Sequence[Any], metric: str) -> Forest:
    """Return the forest plot of one metric: gain of every model over the reference."""
    look = next(item for item in _METRICS if item.name == metric)
    gains = [(item.model, getattr(item, metric)) for item in differences]
    reference = scene.title(differences[0].reference)
    margin = gains[0][1].margin * look.scale
    rows = tuple(
        ForestRow(
            label=scene.title(model),
            value=gain.gain.value * look.scale,
            lo=gain.gain.lo * look.scale,
            hi=gain.gain.hi * look.scale,
            counts=f"{gain.new * look.scale:.{look.digits}f} against {gain.reference * look.scale:.{look.digits}f}",
            note=VERDICTS[str(gain.verdict)].format(margin=_write_margin(margin, look.digits)),
        )
        for model, gain in gains
    )
    return Forest(
        title=f"{look.title}, against {reference}",
        axis=look.axis,
        rows=rows,
        line=0.0,
        margin=margin,
        ends=("← worse", "better →"),
        digits=look.digits,
        signed=True,
    )


def describe_differences(scene: Scene, differences: Sequence[Any]) -> str:
    """Say the verdicts in words: which models are better, not worse or worse, and where nothing can be told."""
    reference = escape(scene.title(differences[0].reference))
    sentences = []
    for name, what in (("auroc", "telling patients apart (AUROC)"), ("net_benefit", "net benefit at the cut-off")):
        parts = []
        for verdict, words in _SHORT.items():
            titles = [scene.title(item.model) for item in differences if str(getattr(item, name).verdict) == verdict]
            if titles:
                who = "all others" if 1 < len(titles) == len(differences) else list_in_words(titles)
                parts.append(f"<b>{escape(who)}</b> {words} {reference}")
        unclear = [scene.title(item.model) for item in differences if str(getattr(item, name).verdict) == "cannot_tell"]
        if unclear:
            parts.append(f"cannot tell for <b>{escape(list_in_words(unclear))}</b>: too few cases for this margin")
        sentences.append(f"<p>{what[:1].upper()}{what[1:]}: {'; '.join(parts)}.</p>")
    shaded = (
        '<p class="mc-quiet">Shaded: losses that would still be accepted. Not worse = the whole interval lies right of '
        "its left edge.</p>"
    )
    return f'<div class="mc-lead">{"".join(sentences)}{shaded}</div>'


def render_tests(scene: Scene, differences: Sequence[Any]) -> str:
    """Return the p values, closed."""
    rows = "".join(
        f'<tr><th scope="row">{escape(scene.title(item.model))}</th>'
        f"<td>{_write_p(item.auroc.p_value)}<small>adjusted {_write_p(item.auroc.p_adjusted)}</small></td>"
        f"<td>{_write_p(item.brier.p_value)}<small>adjusted {_write_p(item.brier.p_adjusted)}</small></td>"
        f"<td>{_write_p(item.net_benefit.p_value)}<small>adjusted {_write_p(item.net_benefit.p_adjusted)}</small></td>"
        f"<td>{item.errors.only_a:,} against {item.errors.only_b:,}</td>"
        f"<td>{_write_p(item.errors.p_value)}<small>adjusted {_write_p(item.errors_p_adjusted)}</small></td></tr>"
        for item in differences
    )
    return (
        '<details class="mc-details"><summary>p values</summary><div class="mc-scroll"><table class="mc-table">'
        "<caption>Two-sided; adjusted after Holm over the models. A large p value does not show that two models are "
        'alike: read the intervals.</caption><thead><tr><th scope="col">Model</th><th scope="col">AUROC (DeLong)</th>'
        '<th scope="col">Brier score</th><th scope="col">Net benefit</th>'
        '<th scope="col">Right where the other is wrong</th><th scope="col">Errors (McNemar)</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def draw_folds(scene: Scene, folds: Mapping[str, Mapping[str, Any]], metric: str) -> Forest:
    """Return the forest plot of one metric's spread over folds."""
    rows = []
    for model in scene.model_ids:
        if model not in folds:
            continue
        spread = folds[model][metric]
        known = tuple(value for value in spread.values if math.isfinite(value))
        rows.append(
            ForestRow(
                label=scene.title(model),
                value=spread.median,
                lo=spread.minimum,
                hi=spread.maximum,
                counts=f"{len(known)} folds",
                points=known,
                grey="" if known else "no fold has both outcomes",
            )
        )
    title = _FOLD_NAMES[metric]
    return Forest(
        title=f"{title[:1].upper()}{title[1:]} over the cross-validation folds",
        axis=title,
        rows=tuple(rows),
        line=_IDEAL.get(metric),
    )


def _show_elsewhere(scene: Scene, metric: str) -> None:
    """Draw how recipes do on a group of patients they were not trained on, and with fewer patients, where studied."""
    condition_id = scene.comparison.condition
    for recipe, rows in blank_rows.find_left_out(scene.house.catalog, condition_id).items():
        title = f"Trained without one group after another: {_name_recipe(scene, recipe)}"
        st.html(render_forest(draw_left_out(scene, rows, metric, title)))
    points = blank_rows.find_points(scene.house.catalog, condition_id)
    if points:
        st.html(render_forest(draw_learning(scene, points, metric)))


def draw_left_out(scene: Scene, rows: Sequence[Any], metric: str, title: str) -> Forest:
    """Return the forest plot of one figure in each group that training never saw."""
    name = _FOLD_NAMES[metric]
    return Forest(
        title=title,
        axis=f"{name} in the group left out",
        rows=tuple(
            ForestRow(
                label=name_group(row.attribute, row.group, scene.question),
                counts=f"{row.n_events:,} of {row.n:,} with the outcome",
                value=row.metrics[metric].value if metric in row.metrics else math.nan,
                lo=row.metrics[metric].lo if metric in row.metrics else math.nan,
                hi=row.metrics[metric].hi if metric in row.metrics else math.nan,
                grey=say_too_few(row),
            )
            for row in rows
        ),
        line=_IDEAL.get(metric),
    )


def draw_learning(scene: Scene, points: Sequence[Any], metric: str) -> Forest:
    """Return the learning curve: one figure by the number of patients learnt from, a line each."""
    name = _FOLD_NAMES[metric]
    return Forest(
        title="Learning curve: the same held-out patients, more and more to learn from",
        axis=name,
        rows=tuple(
            ForestRow(
                group=_name_recipe(scene, point.recipe),
                label=f"{point.n_train:,} patients",
                counts=f"{point.n_events:,} with the outcome",
                value=point.metrics[metric].value,
                lo=point.metrics[metric].lo,
                hi=point.metrics[metric].hi,
            )
            for point in points
            if metric in point.metrics
        ),
        line=_IDEAL.get(metric),
    )


def _name_recipe(scene: Scene, recipe: str) -> str:
    return next((facts.title for facts in scene.models if facts.recipe == recipe), recipe)


def _find_differences(scene: Scene, reference: str) -> Sequence[Any]:
    if scene.upload is not None:
        return upload_questions.compare_upload(
            scene.upload, reference=reference, cut_off=scene.cut_off, prevalence=scene.prevalence
        )
    return comparing.differences(
        scene.house.catalog,
        scene.comparison.condition,
        scene.model_ids,
        reference=reference,
        cut_off=scene.cut_off,
        prevalence=scene.prevalence,
    )


def _write_margin(margin: float, digits: int) -> str:
    return f"{margin:.{digits}f}".rstrip("0").rstrip(".") or "0"


def _write_p(p: float) -> str:
    if not math.isfinite(p):
        return "not known"
    return "p &lt; .001" if p < 0.001 else f"p = {p:.3f}"
