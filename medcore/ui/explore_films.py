"""The explore page for models of films: mean maps by class and by kind of error, and maps of single films."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from medcore.figures.film_maps import render_map
from medcore.results import ModelFacts
from medcore.services.compare.film_studies import FilmGroup, FilmMap, FilmStudies, find_film_study
from medcore.services.house import Condition, FilmCondition, House
from medcore.ui import wording
from medcore.ui.panel import embed_drawings

__all__ = ["render_study", "show"]

_LEAST_READ = 10
_CAPTION = (
    "Orange parts raise the score, blue parts lower it (mean over the films, log-odds; one colour scale on this page). "
    "Under each map lies the mean of its films. Maps show where the network looked, which is not where disease is; "
    "weight outside the lungs, in corners or on letters would be a reason not to trust it."
)


def show(house: House, condition: Condition | FilmCondition) -> None:
    """Draw what a film model goes by over its test films; nothing for a question about a patient's values."""
    if not isinstance(condition, FilmCondition):
        return
    models = house.catalog.models(condition.id)
    if not models:
        st.html(f'<p class="mc-lead">No usable model for {escape(condition.title)} is installed.</p>')
        return
    with st.container(key="bar_films", width=460):
        facts: ModelFacts = st.selectbox(
            "Model",
            models,
            format_func=lambda item: item.title,
            key=f"explore_film_{condition.id}",
            label_visibility="collapsed",
        )
    study = find_film_study(house.catalog, facts.model_id)
    if study is None:
        st.html(
            '<p class="mc-lead">Of this version of the model no maps were made. Whoever looks after this server can '
            f"make them from the study's films: <code>medcore study {escape(condition.id)}</code>. Single films are "
            "explained on the X-ray page (H).</p>"
        )
        return
    st.html(embed_drawings(render_study(study, facts)))
    st.html(
        '<p class="mc-quiet">Films of your own: drop them on the X-ray page; H shows the map of each, with its '
        "checks.</p>"
    )


def render_study(study: FilmStudies, facts: ModelFacts) -> str:
    """Return all maps of a study as HTML, errors first where they are many enough to read."""
    strongest = max(abs(value) for group in study.groups for row in group.mean_map for value in row)
    single = max(
        (abs(value) for item in (*study.certain, *study.uncertain) for row in item.cells for value in row), default=1.0
    )
    n_errors = sum(group.n for group in study.groups if group.error)
    total = sum(group.n for group in study.groups)
    groups = sorted(study.groups, key=lambda item: (not item.called, item.film_class))
    return (
        f'<section class="mc-film-maps"><p class="mc-quiet">{escape(facts.title)} v{escape(facts.version)} '
        f"({escape(study.sha256[:6])}) on {total} test films at its cut-off of "
        f"{wording.write_percent(study.threshold)}: {n_errors} errors.</p>"
        f"<h2>Where the score comes from, by class and by error</h2>"
        f'<div class="mc-film-row">{"".join(_render_group(item, strongest) for item in groups)}</div>'
        f'<p class="mc-quiet">{escape(_CAPTION)}</p>'
        f"<h2>Single films the model is surest of</h2>{_render_row(study.certain, single)}"
        f"<h2>Single films nearest to the cut-off</h2>{_render_row(study.uncertain, single)}"
        '<p class="mc-quiet">Maps only: no film is kept on this server.</p></section>'
    )


def _render_group(group: FilmGroup, strongest: float) -> str:
    films = "film" if group.n == 1 else "films"
    few = ", too few to read" if group.n < _LEAST_READ else ""
    verdict = group.error or ("found" if group.called else "left alone")
    return render_map(
        group.mean_map,
        title=f"{group.film_class.capitalize()}, {verdict}",
        caption=f"{group.n} {films}{few}; mean {wording.write_percent(group.mean_p)}",
        strongest=strongest,
        film=group.mean_film,
    )


def _render_row(items: Sequence[FilmMap], strongest: float) -> str:
    maps = "".join(
        render_map(
            item.cells,
            title=item.film_class.capitalize(),
            caption=f"scored {wording.write_percent(item.p)}",
            strongest=strongest,
        )
        for item in items
    )
    return f'<div class="mc-film-row">{maps}</div>'
