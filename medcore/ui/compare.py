"""The compare page's parts: what is compared, the figures, and the cut-off that is locked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from medcore.errors import InputError, MedcoreError
from medcore.evaluation.compared import Comparison
from medcore.figures.curve_payload import STYLES, build_payload, name_shortly, style_models
from medcore.results import ModelFacts
from medcore.services.compare import cut_offs, shelf
from medcore.services.compare.comparing import choose_first, compare_bundles, list_models, open_comparison
from medcore.services.house import Condition, FilmCondition, House
from medcore.services.prevalence import restate_risk
from medcore.ui import curves, guard, timing
from medcore.ui.curves import Choice

__all__ = [
    "LABELLED_KEY",
    "choose_models",
    "choose_prevalence",
    "compare",
    "explain_empty",
    "find_upload",
    "read_prevalence",
    "show_curves",
    "show_lock",
    "show_origins",
    "show_source",
    "show_times",
]

LABELLED_KEY = "mc_labelled"
_PREVALENCE_KEY = "local_prevalence"
_SEEN_KEY = "mc_compared"
_PAYLOAD_KEY = "mc_curve_payload"
_MESSAGE_KEY = "mc_lock_message"
_CHOICE_KEY = "mc_cut_offs"
_FIRST = Choice(cut_off=0.1, use="find cases")
_MOST = len(STYLES)


def choose_models(house: House, condition: Condition | FilmCondition) -> tuple[str, ...]:
    """Draw the choice of at most six models of the question and return their ids; empty where there are none."""
    models = list_models(house.catalog, condition.id)
    if not models:
        return ()
    titles = name_shortly(models)
    own = [facts for facts in models if not shelf.describe_origin(house.catalog, facts)]
    key = f"compared_{condition.id}"
    kept: dict[str, list[str]] = st.session_state.setdefault(_SEEN_KEY, {})
    if key not in st.session_state:
        known = [name for name in kept.get(condition.id, ()) if name in titles]
        st.session_state[key] = known or list(choose_first(own or models))
    chosen: list[str] = st.multiselect(
        "Models",
        list(titles),
        format_func=lambda name: titles.get(name, name),
        key=key,
        max_selections=_MOST,
        label_visibility="collapsed",
        placeholder="Choose models",
    )
    kept[condition.id] = chosen
    return tuple(chosen)


def show_origins(house: House, chosen: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Say which of the chosen models are not installed, which cannot be compared here, and what was refused."""
    lines = []
    for name in chosen:
        facts = house.catalog.find(name)
        origin = shelf.describe_origin(house.catalog, facts)
        if name in left_out:
            why = f"Not in the figures: {left_out[name]}. It is scored on data you upload."
            lines.append(f'<p class="mc-ask">⚠ <b>{escape(facts.title)}</b> ({escape(name)}): {escape(why)}</p>')
        if origin:
            lines.append(f"<p><b>{escape(name)}</b>: {escape(origin)}.</p>")
    refused = "".join(f"<li>{escape(problem.message)}</li>" for problem in shelf.list_refused(house.catalog).values())
    if refused:
        lines.append(
            '<details class="mc-details"><summary>Refused bundles beside the installed ones</summary>'
            f"<ul>{refused}</ul></details>"
        )
    if lines:
        st.html(f'<div class="mc-origins">{"".join(lines)}</div>')


def choose_prevalence() -> float | None:
    """Draw the field for the local prevalence; return it as a fraction, None for the study's own or a wrong entry."""
    text = st.text_input("Prevalence %", key=_PREVALENCE_KEY, placeholder="as studied", autocomplete="off")
    try:
        return read_prevalence(text)
    except InputError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return None


def read_prevalence(text: str) -> float | None:
    """Return a prevalence typed in per cent as a fraction; None for an empty field.

    Raises
    ------
    InputError
        No number, or not between 0 and 100.

    Examples
    --------
    >>> read_prevalence("4,5 %")
    0.045
    """
    typed = text.strip().removesuffix("%").strip().replace(",", ".")
    if not typed:
        return None
    try:
        value = float(typed)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 100.0:
        raise InputError("Between 0 and 100 %, for instance 4.5.", field="prevalence", value=text)
    return value / 100


def compare(
    house: House, condition: Condition | FilmCondition, model_ids: Sequence[str], prevalence: float | None
) -> Comparison:
    """Return the comparison; the first look at each set of versions is written to the journal.

    Raises
    ------
    MedcoreError
        The models cannot be compared, or the journal cannot be written.
    """
    versions = tuple(sorted(house.catalog.find(name).sha256 for name in model_ids))
    seen: set[tuple[str, ...]] = st.session_state.setdefault(f"{_SEEN_KEY}_versions", set())
    act = compare_bundles
    if versions in seen:
        return act(house.catalog, condition.id, model_ids, prevalence=prevalence)
    comparison = open_comparison(house, condition.id, model_ids, prevalence=prevalence)
    seen.add(versions)
    return comparison


def find_upload(condition: Condition | FilmCondition) -> Comparison | None:
    """Return the comparison on the analyst's own rows, where some are open for this question."""
    upload = st.session_state.get(LABELLED_KEY)
    comparison: Comparison | None = getattr(upload, "comparison", None)
    return comparison if comparison is not None and comparison.condition == condition.id else None


def show_source(comparison: Comparison) -> None:
    """Say that the figures are those of the analyst's own rows, and offer the way back."""
    with st.container(key="own_rows", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<p class="mc-warn" role="status">Your own data: {escape(comparison.source)}. The choice of models and '
            "the prevalence above do not change them.</p>"
        )
        st.button("Back to the study's patients", key="leave_rows", on_click=_leave_rows)


def _leave_rows() -> None:
    st.session_state.pop(LABELLED_KEY, None)


def show_curves(house: House, condition: Condition | FilmCondition, comparison: Comparison) -> Choice:
    """Draw cut-off, verdict, table and figures, and return the cut-off the reader has come to rest on."""
    signature = _sign(comparison)
    kept: dict[str, str] = st.session_state.setdefault(_PAYLOAD_KEY, {})
    if signature not in kept:
        kept.clear()
        kept[signature] = _pack(house, condition, comparison)
    chosen: dict[str, Choice] = st.session_state.setdefault(_CHOICE_KEY, {})
    choice = curves.show(
        kept[signature],
        condition=condition.id,
        key=f"curves_{condition.id}",
        signature=signature,
        start=chosen.get(condition.id) or _find_start(house, comparison),
        milliseconds={**timing.find_stopwatch().read(comparison.models), **comparison.milliseconds},
    )
    chosen[condition.id] = choice
    return choice


def show_times(house: House, comparison: Comparison) -> None:
    """Measure the time per case beside the page, where it is not known, and run the page again once it is."""
    if timing.find_stopwatch().start(house, comparison.models):
        _wait_for_times(house, comparison)


@st.fragment(run_every=2)
def _wait_for_times(house: House, comparison: Comparison) -> None:
    guard.recheck(house, "compare", timer=True)
    if not timing.find_stopwatch().start(house, comparison.models):
        st.rerun()


def explain_empty(house: House, condition: Condition | FilmCondition) -> None:
    """Say why there is nothing to compare."""
    if list_models(house.catalog, condition.id):
        st.html('<p class="mc-text mc-empty">Choose one model or more to see how they do.</p>')
        return
    problems = [f"{name}: {problem.message}" for name, problem in house.catalog.problems.items()]
    guard.stop_with("No model for this question", "There is no usable model to compare.", problems)


def show_lock(house: House, comparison: Comparison, choice: Choice) -> None:
    """Draw the choice of a model to lock the cut-off for, and what is locked already."""
    titles = {facts.model_id: facts.title for facts in comparison.models}
    with st.container(key="lock", horizontal=True, vertical_alignment="bottom"):
        st.html(f'<p class="mc-lock-words">{_describe_choice(comparison, choice)}</p>')
        model_id = st.selectbox("For the model", list(titles), format_func=titles.__getitem__, key="lock_model")
        reason = st.text_input("Reason (optional)", key="lock_reason", max_chars=500, autocomplete="off")
        st.button(
            "Lock this cut-off",
            key="lock_now",
            type="primary",
            on_click=_lock,
            args=(house, comparison, choice, model_id, reason),
        )
    message = st.session_state.pop(_MESSAGE_KEY, "")
    if message:
        st.html(f'<p class="mc-error" role="alert">{escape(message)}</p>')
    _show_locked(house, comparison)


def _describe_choice(comparison: Comparison, choice: Choice) -> str:
    ratio = (1 - choice.cut_off) / choice.cut_off
    number = f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.2g}"
    words = (
        f"missing 1 case to spare {number} healthy ones a work-up"
        if choice.use == "rule out"
        else f"{number} false alarms for 1 case found"
    )
    return (
        f"<b>Cut-off {_write_share(choice.cut_off)}</b>, to {escape(choice.use)}: {words}; "
        f"prevalence {_write_share(comparison.prevalence)}"
    )


def _write_share(share: float) -> str:
    return f"{100 * share:.3g}\u00a0%"


def _lock(house: House, comparison: Comparison, choice: Choice, model_id: str, reason: str) -> None:
    """Store the cut-off on the model's own scale: one chosen at a local prevalence is moved back to the study's."""
    own = restate_risk(choice.cut_off, comparison.prevalence, comparison.prevalence_study)
    try:
        cut_offs.lock_cut_off(
            house,
            condition_id=comparison.condition,
            model_id=model_id,
            cut_off=own,
            use=choice.use,
            harm_ratio=(1 - choice.cut_off) / choice.cut_off,
            prevalence=comparison.prevalence,
            reason=reason,
        )
        st.session_state["lock_reason"] = ""
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = error.message


def _unlock(house: House, model_id: str) -> None:
    try:
        cut_offs.unlock(house, model_id)
    except MedcoreError as error:
        st.session_state[_MESSAGE_KEY] = error.message


def _show_locked(house: House, comparison: Comparison) -> None:
    try:
        locked = cut_offs.list_locked(house, comparison.condition)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    for item in locked:
        with st.container(key=f"locked_{item.model_id}", horizontal=True, vertical_alignment="center"):
            st.html(_describe_locked(house, item))
            st.button("Unlock", key=f"unlock_{item.model_id}", on_click=_unlock, args=(house, item.model_id))


def _describe_locked(house: House, item: cut_offs.LockedCutOff) -> str:
    try:
        title = house.catalog.find(item.model_id).title
    except MedcoreError:
        title = item.model_id
    what = (
        f"<b>{escape(title)}</b>: cut-off {_write_share(item.cut_off)} of the model's risk, to {escape(item.use)}, "
        f"chosen at a prevalence of {_write_share(item.prevalence)}, {escape(item.at_utc[:16].replace('T', ' '))} UTC "
        f"by {escape(item.actor)}, version {escape(item.sha256[:6])}"
    )
    reason = f" · {escape(item.reason)}" if item.reason else ""
    if item.holds:
        return f'<p class="mc-locked">Locked. {what}{reason}</p>'
    return f'<p class="mc-locked mc-ask">⚠ Refused: {escape(item.refusal)}. {what}{reason}</p>'


def _find_start(house: House, comparison: Comparison) -> Choice:
    """Return where the cut-off starts: at one that is locked for these models, else at 9 false alarms a case."""
    try:
        locked = {item.model_id: item for item in cut_offs.list_locked(house, comparison.condition) if item.holds}
    except MedcoreError:
        return _FIRST
    for facts in comparison.models:
        item = locked.get(facts.model_id)
        if item is not None:
            own = restate_risk(item.cut_off, comparison.prevalence_study, comparison.prevalence)
            return Choice(cut_off=own, use=item.use)
    return _FIRST


def _sign(comparison: Comparison) -> str:
    parts = [comparison.condition, comparison.source, comparison.n, comparison.n_events, comparison.prevalence]
    parts += [f"{facts.model_id}:{facts.sha256}" for facts in comparison.models]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _pack(house: House, condition: Condition | FilmCondition, comparison: Comparison) -> str:
    models = list_models(house.catalog, condition.id)
    first = choose_first([facts for facts in models if not shelf.describe_origin(house.catalog, facts)])
    known = [*first, *(facts.model_id for facts in models if facts.model_id not in first)]
    films = any(facts.kind.endswith("image") for facts in comparison.models)
    payload = build_payload(
        comparison,
        title=condition.title,
        noun="films" if films else "patients",
        styles=style_models([facts.model_id for facts in comparison.models], known),
        details={facts.model_id: _list_details(house, facts) for facts in comparison.models},
    )
    return json.dumps(payload, separators=(",", ":"), allow_nan=False)


def _list_details(house: House, facts: ModelFacts) -> list[tuple[str, str]]:
    """Return what is known of a model's making and size, for the row's rest."""
    trained = facts.trained_on
    found = []
    if isinstance(trained.get("seconds"), int | float):
        found.append(("Trained in", f"{trained['seconds']:g} s"))
    if trained.get("device"):
        found.append(("Trained on", str(trained["device"])))
    if isinstance(trained.get("parameters"), int):
        found.append(("Parameters", f"{trained['parameters']:,}".replace(",", "\u202f")))
    try:
        folder = house.catalog.bundle(facts.model_id).folder
        n_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        found.append(("Size", f"{n_bytes / 1e6:.2g} MB"))
    except (MedcoreError, OSError):
        pass
    origin = shelf.describe_origin(house.catalog, facts)
    if origin:
        found.append(("Comes from", origin))
    rows = "films" if facts.kind.endswith("image") else "patients"
    return [*found, ("Learnt from", f"{facts.n_train} {rows}")]
