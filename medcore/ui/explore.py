"""The explore page's parts: which model on which patients, the work with its progress, and the figures."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import ModelFacts
from medcore.services.explore.explore_store import find_kept, keep
from medcore.services.explore.explore_studies import (
    MOST_ROWS,
    Origin,
    Study,
    made_up_study,
    offered_origins,
    read_upload,
    wisconsin_study,
)
from medcore.services.explore.explore_view import describe_exploration
from medcore.services.explore.exploring import Exploration, ExploreJob
from medcore.services.house import Condition, FilmCondition, House
from medcore.ui import guard, plots, runtime

__all__ = ["choose_model", "choose_study", "show"]

MODEL_KEY = "explore_model"
ORIGIN_KEY = "explore_origin"
UPLOAD_KEY = "explore_file"
_JOB_KEY = "mc_explore_job"
_FOUND_KEY = "mc_explored"
_NAMES = {
    Origin.MADE_UP: "Made-up patients",
    Origin.WISCONSIN: "The public Wisconsin slides",
    Origin.UPLOAD: "A file of yours",
}
_POLL_S = 1.0
_MOST_KEPT = 4


@dataclass(slots=True, kw_only=True)
class _Shown:
    """A finished exploration of this session, ready to be drawn."""

    packet: dict[str, Any]


def choose_model(house: House, condition: Condition | FilmCondition) -> ModelFacts | None:
    """Draw the choice of a model of the question, the default first, and return it; None for a question about films."""
    if isinstance(condition, FilmCondition):
        return None
    models = {facts.model_id: facts for facts in house.catalog.models(condition.id)}
    if not models:
        return guard.find_model(house, condition)
    key = f"{MODEL_KEY}_{condition.id}"
    if st.session_state.get(key) not in models:
        wanted = st.query_params.get("model")
        st.session_state[key] = wanted if wanted in models else next(iter(models))
    chosen = st.selectbox(
        "Model",
        list(models),
        format_func=lambda name: f"{models[name].title}{' (default)' if models[name].default else ''}",
        key=key,
        label_visibility="collapsed",
    )
    return models[chosen]


def choose_study(house: House, facts: ModelFacts) -> Study | None:
    """Draw the choice of patients and return them; None while a file is awaited or cannot be used."""
    origins = offered_origins(facts.condition)
    if st.session_state.get(ORIGIN_KEY) not in origins:
        st.session_state[ORIGIN_KEY] = origins[0]
    with st.container(key="explore_source", horizontal=True, vertical_alignment="center"):
        origin = st.segmented_control(
            "Explained on",
            list(origins),
            format_func=_NAMES.__getitem__,
            key=ORIGIN_KEY,
            required=True,
            label_visibility="collapsed",
        )
        if origin is Origin.UPLOAD:
            file = st.file_uploader(
                "CSV file of patients", type=["csv", "txt", "tsv"], key=UPLOAD_KEY, label_visibility="collapsed"
            )
    try:
        if origin is Origin.UPLOAD:
            return _read_file(house, facts, file)
        return (made_up_study if origin is Origin.MADE_UP else wisconsin_study)(house.catalog, facts.model_id)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return None


def _read_file(house: House, facts: ModelFacts, file: Any) -> Study | None:
    if file is None:
        st.html(
            f'<p class="mc-text">One line per patient; the columns are the field names of '
            f"<code>medcore conditions</code>, empty cells are blanks. A column <code>label</code> (1 or 0) adds what "
            f"shuffling costs in accuracy. At most {MOST_ROWS:,} rows are explained. The file is read in memory and "
            "never stored; that it was explained is written to the journal.</p>"
        )
        return None
    return read_upload(house.catalog, facts.model_id, file.getvalue())


def show(house: House, study: Study) -> None:
    """Draw the figures of a study, or what is needed before there are any."""
    shown = _find_shown(house, study)
    if shown is None:
        _show_work(house, study)
        return
    st.html(f'<p class="mc-explored">{_describe(study)}</p>')
    plots.show(shown.packet, key=study.key)


def _find_shown(house: House, study: Study) -> _Shown | None:
    kept: dict[str, _Shown] = st.session_state.setdefault(_FOUND_KEY, {})
    if study.key not in kept:
        found = _take_result(study) or find_kept(study, house.settings.data_dir)
        if found is None:
            return None
        while len(kept) >= _MOST_KEPT:
            kept.pop(next(iter(kept)))
        kept[study.key] = _Shown(packet=describe_exploration(study, found))
    return kept[study.key]


def _take_result(study: Study) -> Exploration | None:
    job = _find_job(study)
    if job is None or job.result is None:
        return None
    st.session_state.pop(_JOB_KEY, None)
    return job.result


def _find_job(study: Study) -> ExploreJob | None:
    job: ExploreJob | None = st.session_state.get(_JOB_KEY)
    return job if job is not None and job.study.key == study.key else None


def _describe(study: Study) -> str:
    facts = study.facts
    who = {
        Origin.MADE_UP: f"<b>{len(study.X)} made-up patients</b> drawn by our code; nobody's data",
        Origin.WISCONSIN: f"<b>{len(study.X)} public slides</b> of the Wisconsin study",
        Origin.UPLOAD: f"<b>{len(study.X)} patients of your file</b>, kept in this session only",
    }[study.origin]
    note = f" ({escape(study.note)})" if study.note else ""
    return f"{escape(facts.title)} v{escape(facts.version)} ({facts.sha256[:6]}) on {who}{note}."


def _show_work(house: House, study: Study) -> None:
    """Offer to compute, or show how far that is; redrawn by itself while it runs."""
    job = _find_job(study)
    other: ExploreJob | None = st.session_state.get(_JOB_KEY)
    if job is None or not (job.running() or job.result):
        if job is not None and job.error is not None:
            st.html(f'<p class="mc-error" role="alert">{escape(job.error.message)}</p>')
        if other is not None and job is None:
            other.cancel()
        _offer(house, study)
        return
    _watch(house, study)


def _offer(house: House, study: Study) -> None:
    st.html(
        f'<p class="mc-text">{_describe(study)}</p><p class="mc-text">Not computed yet for this version of the model: '
        f"{len(study.X)} patients, each asked in hundreds of variants. A logistic regression takes seconds, a network "
        "minutes, an attention network up to half an hour. Other pages keep working meanwhile"
        f"{', and the result is kept' if study.origin is not Origin.UPLOAD else ''}.</p>"
    )
    state = runtime.model_state()
    if state == "failed":
        st.html(f'<p class="mc-error" role="alert">{escape(runtime.explain_failure())}</p>')
    st.button("Compute", key="explore_start", type="primary", on_click=_start, args=(house, study))


def _start(house: House, study: Study) -> None:
    old: ExploreJob | None = st.session_state.get(_JOB_KEY)
    if old is not None:
        old.cancel()
    job = ExploreJob(
        study=study,
        gateway=house.gateway,
        journal=house.journal,
        actor=house.actor,
        save=lambda found: _save(study, found, house),
    )
    st.session_state[_JOB_KEY] = job
    job.start()


def _save(study: Study, found: Exploration, house: House) -> None:
    keep(study, found, house.settings.data_dir)


@st.fragment(run_every=_POLL_S)
def _watch(house: House, study: Study) -> None:
    """Show how far the work is; the whole page is drawn again once it has ended."""
    guard.recheck(house, "explore", timer=True)
    job = _find_job(study)
    if job is None or not job.running():
        st.rerun()
        return
    waiting = runtime.model_state() == "starting"
    st.progress(
        min(job.share, 1.0), text="The models are being loaded" if waiting else f"{100 * job.share:.0f} % · {job.text}"
    )
    st.button("Cancel", key="explore_cancel", on_click=job.cancel)
