"""The tab that says what each kind of model is good and bad at here, from figures measured on this server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from medcore.results import ModelFacts
from medcore.services.compare import comparing
from medcore.services.compare.strengths import ASPECTS, Mark, Strength, measure_bytes, measure_explanations, strengths
from medcore.ui.compare_scene import Scene
from medcore.ui.timing import find_stopwatch

__all__ = ["render_strengths", "show_strengths"]

_explained: dict[str, float] = {}


def show_strengths(scene: Scene) -> None:
    """Draw the table; times that are not known yet are measured once per version of a model."""
    with st.spinner("Measuring times on this server…"):
        _measure(scene)
    seconds = {facts.model_id: _explained[facts.sha256] for facts in scene.models if facts.sha256 in _explained}
    milliseconds = find_stopwatch().read(scene.models)
    rows = strengths(
        replace(scene.comparison, milliseconds={**scene.comparison.milliseconds, **milliseconds}),
        spreads=None
        if scene.upload is not None
        else comparing.folds(scene.house.catalog, scene.comparison.condition, scene.model_ids),
        explain_seconds=seconds,
        n_bytes=measure_bytes(scene.house.catalog, scene.model_ids),
    )
    st.html(render_strengths(rows))


def render_strengths(rows: Sequence[Strength]) -> str:
    """Return the table: one row a model, one column an aspect, each word with the figure behind it."""
    head = "".join(f'<th scope="col">{escape(name.capitalize())}</th>' for name in ASPECTS)
    body = "".join(
        f'<tr><th scope="row">{escape(row.title)}</th>{"".join(_render(row.marks[name]) for name in ASPECTS)}</tr>'
        for row in rows
    )
    return (
        '<div class="mc-scroll"><table class="mc-table"><caption>What each model is good and bad at here. Every word '
        f'follows from the figure under it by a fixed rule.</caption><thead><tr><th scope="col">Model</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
        '<p class="mc-quiet">Discrimination: AUROC within .01 of the highest is good, within .03 middling. '
        "Calibration: good where the limits hold slope 1 and intercept 0. Steadiness: how far the AUROC moves over the "
        "folds, against the steadiest model here. Speed: up to 50 and 250 ms a case; explanation: up to .25 and 1 s; "
        "size: up to 1 and 5 MB. Times are of this server as it is now.</p>"
    )


def _render(mark: Mark) -> str:
    small = f"<small>{escape(mark.figure)}</small>" if mark.figure else ""
    word = f"<b>{escape(mark.word)}</b>" if mark.word == "weak" else escape(mark.word)
    return f"<td>{word}{small}</td>"


def _measure(scene: Scene) -> None:
    house, timed = scene.house, find_stopwatch().known
    for facts in scene.models:
        if facts.sha256 not in timed:
            _keep(timed, facts, comparing.measure_milliseconds(house.gateway, house.catalog, [facts.model_id]))
        if facts.sha256 not in _explained:
            _keep(_explained, facts, measure_explanations(house.gateway, house.catalog, [facts.model_id]))


def _keep(known: dict[str, float], facts: ModelFacts, found: Mapping[str, float]) -> None:
    if facts.model_id in found:
        known[facts.sha256] = found[facts.model_id]
