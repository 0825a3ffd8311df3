"""The models of one question: figures with their intervals, origin and card."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import MetricValue, ModelFacts
from medcore.services.house import Catalog, Condition, DefaultChoice, FilmCondition

__all__ = ["render_choice", "render_models", "show_models", "show_problems"]

_MARGIN = 0.02
_METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier",
    "calibration_slope": "Cal. slope",
    "ece": "ECE",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "f1": "F1",
}


def show_problems(catalog: Catalog) -> None:
    """Say which bundles are refused and why; the others still serve."""
    problems = catalog.problems
    if problems:
        items = "".join(f"<li>{escape(name)}: {escape(error.message)}</li>" for name, error in problems.items())
        st.html(f'<section class="mc-problem" role="alert"><h2>Refused bundles</h2><ul>{items}</ul></section>')


def show_models(catalog: Catalog, condition: Condition | FilmCondition) -> None:
    """Draw the table of models and the card of the chosen one."""
    models = catalog.models(condition.id)
    if not models:
        st.html(f'<p class="mc-text">There is no usable model for {escape(condition.title)}.</p>')
        return
    st.html(render_models(models) + render_choice(models, catalog.choice(condition.id)))
    used = f" (used on the {_name_page(models[0])} page)"
    titles = {facts.model_id: f"{facts.title}{used if facts.default else ''}" for facts in models}
    chosen = st.selectbox("Card of", list(titles), format_func=titles.__getitem__, key=f"card_{condition.id}")
    facts = next(facts for facts in models if facts.model_id == chosen)
    st.html(_render_origin(facts))
    try:
        text = catalog.card(facts.model_id)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    with st.container(key="card"):
        st.markdown(text)


def render_models(models: Iterable[ModelFacts]) -> str:
    """Return the table of models: value with its 95 % interval under it."""
    items = tuple(models)
    names = [name for name in _METRICS if any(name in facts.metrics for facts in items)]
    head = "".join(f"<th scope='col'>{_METRICS[name]}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope='row'>{escape(facts.title)}{_render_use(facts)}</th>"
        f"{''.join(_render_cell(facts.metrics, name) for name in names)}"
        f"<td>{escape(facts.version)}<small><code>{escape(facts.sha256[:12])}</code></small></td></tr>"
        for facts in items
    )
    return (
        '<div class="mc-scroll" tabindex="0" role="region" aria-label="Models"><table class="mc-table mc-models">'
        "<caption>Figures with 95 % intervals; how they were made stands on each card</caption>"
        f"<thead><tr><th scope='col'>Model</th>{head}<th scope='col'>Version</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def render_choice(models: Iterable[ModelFacts], choice: DefaultChoice | None) -> str:
    """Say which model the question's page uses and why."""
    items = tuple(models)
    used, titles = items[0], {facts.model_id: facts.title for facts in items}
    page = _name_page(used)
    if choice is None or choice.model != used.model_id:
        why = "the one that was chosen is not usable" if choice else "nothing was written about how to choose"
        return f'<p class="mc-text mc-why">Used on the {page} page: <b>{escape(used.title)}</b>, because {why}.</p>'
    rivals = [titles[name] for name in choice.non_inferior if name in titles and name != choice.model]
    best = titles.get(choice.highest_auroc, choice.highest_auroc)
    highest = "its own" if choice.highest_auroc == used.model_id else escape(best)
    among = f" Also not shown to be worse: {escape(', '.join(rivals))}." if rivals else ""
    brier = f" ({choice.brier:.4f})" if choice.brier is not None else ""
    changed = (
        ' <span class="mc-ask">The bundle has changed since this was decided: compare the models again.</span>'
        if choice.sha256 not in ("", used.sha256)
        else ""
    )
    return (
        f'<p class="mc-text mc-why">Used on the {page} page: <b>{escape(used.title)}</b>. Of the models whose AUROC '
        f"was shown to be no more than {_MARGIN:g} worse than the highest ({highest}), it has the lowest Brier "
        f"score{brier}; on a tie the simplest is taken.{among}{changed}</p>"
    )


def _is_about_films(facts: ModelFacts) -> bool:
    return facts.kind.endswith("image")


def _name_page(facts: ModelFacts) -> str:
    """Return the page on which a model's answers appear."""
    return "X-ray" if _is_about_films(facts) else "Risk"


def _render_use(facts: ModelFacts) -> str:
    return f"<small>used on the {_name_page(facts)} page</small>" if facts.default else ""


def _render_cell(metrics: Mapping[str, MetricValue], name: str) -> str:
    if name not in metrics:
        return "<td>–</td>"
    metric = metrics[name]
    known = math.isfinite(metric.lo) and math.isfinite(metric.hi)
    interval = f"<small>{metric.lo:.3f}–{metric.hi:.3f}</small>" if known else ""
    return f"<td>{metric.value:.3f}{interval}</td>"


def _render_origin(facts: ModelFacts) -> str:
    plain = {key: value for key, value in facts.trained_on.items() if not isinstance(value, Mapping)}
    trained = ", ".join(f"{key} {value}" for key, value in plain.items())
    rows = "films" if _is_about_films(facts) else "patients"
    return (
        f'<p class="mc-quiet mc-origin">{escape(facts.model_id)} · version {escape(facts.version)} · created '
        f"{escape(facts.created)} · {facts.n_train} {rows} · trained on: {escape(trained)}<br>"
        f"SHA-256 <code>{escape(facts.sha256)}</code></p>{_render_files(facts)}"
    )


def _render_files(facts: ModelFacts) -> str:
    """Return the fingerprints of the training files, closed."""
    files = facts.trained_on.get("data")
    if not isinstance(files, Mapping):
        return ""
    items = "".join(f"<li>{escape(str(name))} <code>{escape(str(sha))}</code></li>" for name, sha in files.items())
    return f'<details class="mc-details"><summary>Training files (SHA-256)</summary><ul>{items}</ul></details>'
