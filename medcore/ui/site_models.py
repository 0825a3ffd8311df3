"""The models in use: signed local validations, models on trust, recalls and what a recalled model had answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from html import escape

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import ModelFacts
from medcore.services.house import House
from medcore.services.trust import activation, recall, site
from medcore.services.trust.activation import LocalValidation, ModelState
from medcore.services.trust.recall import Recall
from medcore.ui.site_acts import attempt, is_managing, say_who, write_moment

__all__ = ["describe_state", "describe_validation", "show"]

_FILE_KEY = "mc_recall_file"
_SHA_CHARS = 12
_OTHER, _TRUST = "A validation made elsewhere", "On trust, without local data"
_FIGURES = {
    "auroc": "AUROC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


def show(house: House) -> None:
    """Draw the states of all models of one question, and what can be done with one of them."""
    questions = dict(site.list_questions())
    st.html(
        '<p class="mc-quiet">A model gives scores to clinicians and radiologists only after an administrator has '
        "signed a local validation of exactly this version. A new version is off again. A recall stops a version for "
        "everybody at once.</p>"
    )
    with st.container(key="site_choice"):
        chosen = st.selectbox("Question", list(questions), format_func=questions.__getitem__, key="site_question")
    models = house.catalog.models(chosen)
    if not models:
        st.html('<p class="mc-text">No model of this question is installed.</p>')
    states = {facts.model_id: activation.read_state(house, facts.sha256) for facts in models}
    if models:
        st.html(_write_table(house, chosen, models, states))
    if models and is_managing(house):
        _show_one(house, models, states)
    _show_recalls(house)


def describe_state(state: ModelState, *, demo: bool = False) -> str:
    """Return the state of a bundle in a few words."""
    if state.recalled:
        return "recalled"
    if demo:
        return "on (demo)"
    return {"validated": "on, validated here", "trust": "on, on trust"}.get(state.basis, "off")


def describe_validation(validation: LocalValidation) -> str:
    """Return a local validation on one line.

    Examples
    --------
    >>> describe_validation(LocalValidation(
    ...     n=1200, n_events=310, figures={"auroc": (0.812, 0.78, 0.84)}, done_on="2026-01-02", done_by="ada",
    ...     reference="report 17"))
    '2026-01-02 by ada: 1,200 patients, 310 with the outcome; AUROC 0.81 (0.78 to 0.84); report 17'
    """
    parts = []
    for name, (value, low, high) in validation.figures.items():
        ends = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
        parts.append(f"{_FIGURES.get(name, name)} {value:.2f}{ends}".replace("-", "−"))
    counts = f"{validation.n:,} patients, {validation.n_events:,} with the outcome"
    words = "; ".join([counts, *([", ".join(parts)] if parts else []), validation.reference])
    return f"{validation.done_on} by {validation.done_by}: {words}"


def _write_table(house: House, condition_id: str, models: tuple[ModelFacts, ...], states: dict[str, ModelState]) -> str:
    default = _find_default(house, condition_id)
    rows = []
    for facts in models:
        state = states[facts.model_id]
        words = describe_state(state, demo=house.settings.demo)
        basis = describe_validation(state.validation) if state.validation else state.reason
        off = ' class="mc-off"' if words in ("off", "recalled") else ""
        place = "asked on the clinical pages" if facts.model_id == default else "for comparison"
        signed = say_who(state.actor, state.changed_at) if state.version else ""
        if state.recalled:  # what counts now, not the signature of before
            basis, signed = state.problem, ""
        rows.append(
            f"<tr><th scope='row'>{escape(facts.title)}<small>{escape(facts.model_id)}, "
            f"version {escape(facts.version)}, <code>{facts.sha256[:_SHA_CHARS]}</code></small></th><td>{place}</td>"
            f"<td><span{off}>{words}</span></td><td>{escape(basis)} {signed}</td></tr>"
        )
    head = "".join(f"<th scope='col'>{word}</th>" for word in ("Model", "Used", "State", "Because"))
    return (
        f'<div class="mc-scroll"><table class="mc-table mc-models"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _find_default(house: House, condition_id: str) -> str:
    try:
        return house.catalog.default(condition_id).model_id
    except MedcoreError:
        return ""


def _show_one(house: House, models: tuple[ModelFacts, ...], states: dict[str, ModelState]) -> None:
    titles = {facts.model_id: facts.title for facts in models}
    default = _find_default(house, models[0].condition)
    ids = sorted(titles, key=lambda model_id: model_id != default)
    with st.container(key="site_choice_model"):
        chosen = st.selectbox(
            "Change one model", ids, format_func=titles.__getitem__, key=f"site_model_{models[0].condition}"
        )
    facts = next(facts for facts in models if facts.model_id == chosen)
    state = states[chosen]
    with st.container(key="site_two"):
        with st.container(key="site_part_sign"):
            if state.activated:
                _show_switch_off(house, facts, state)
            else:
                _show_sign(house, facts, state)
        with st.container(key="site_part_recall"):
            _show_recall(house, facts)


def _show_sign(house: House, facts: ModelFacts, state: ModelState) -> None:
    st.html(f"<h3>Put {escape(facts.title)} to use</h3>")
    handed = {describe_validation(item): item for item in activation.list_validations(house, facts.sha256)}
    basis = st.radio("On what basis", [*handed, _OTHER, _TRUST], key=f"basis_{facts.sha256}")
    made: Callable[[], LocalValidation] | None = None
    if basis == _OTHER:
        _ask_validation()
        made = _read_validation
    elif basis != _TRUST:
        validation = handed[basis]
        made = lambda: validation  # noqa: E731 - what the form above does for the other kind
        if validation.is_small:
            st.html(
                f'<p class="mc-warn">Fewer than {activation.ENOUGH_EVENTS} patients with or without the outcome: such '
                "figures say little about calibration.</p>"
            )
    else:
        st.html(
            '<p class="mc-warn">Nobody has measured this model on your patients. Your name and your reason stay with '
            "it.</p>"
        )
        st.text_area("Why without local data", key="trust_reason", max_chars=500, height=80)
    sure = st.checkbox(
        f"I sign this for exactly version {facts.sha256[:_SHA_CHARS]}, as {house.actor.name}",
        key=f"sure_{facts.sha256}",
    )
    label = "Put to use on trust" if basis == _TRUST else "Sign and put to use"
    st.button(label, key="sign_model", disabled=not sure, on_click=_sign, args=(house, facts, state.version, made))


def _ask_validation() -> None:
    with st.container(key="site_figures"):
        st.text_input("Patients", key="val_n", autocomplete="off")
        st.text_input("With the outcome", key="val_events", autocomplete="off")
        st.text_input("AUROC", key="val_auroc", autocomplete="off", placeholder="0.81")
        st.text_input("Brier score (optional)", key="val_brier", autocomplete="off")
        st.text_input("Calibration slope (optional)", key="val_slope", autocomplete="off")
        st.date_input("Done on", key="val_day", value=None, max_value=date.today())
    st.text_input("Done by", key="val_by", max_chars=200, autocomplete="off")
    st.text_input("Where its report is kept", key="val_where", max_chars=500, autocomplete="off")


def _read_validation() -> LocalValidation:
    words = {name: str(st.session_state.get(f"val_{name}") or "").strip() for name in ("n", "events", "by", "where")}
    figures = {}
    for name, key in (("auroc", "auroc"), ("brier", "brier"), ("calibration_slope", "slope")):
        text = str(st.session_state.get(f"val_{key}") or "").strip().replace(",", ".")
        if text:
            figures[name] = (activation.parse_figure(text, _FIGURES[name]), None, None)
    return LocalValidation(
        n=activation.parse_count(words["n"], "Patients"),
        n_events=activation.parse_count(words["events"], "With the outcome"),
        figures=figures,
        done_on=str(st.session_state.get("val_day") or ""),
        done_by=words["by"],
        reference=words["where"],
    )


def _sign(house: House, facts: ModelFacts, version: int, made: Callable[[], LocalValidation] | None) -> None:
    def act() -> None:
        if made is None:
            reason = str(st.session_state.get("trust_reason") or "")
            activation.sign_on_trust(house, facts, reason, version=version)
        else:
            activation.sign(house, facts, made(), version=version)

    attempt(act, f"{facts.title} gives scores from now on.")


def _show_switch_off(house: House, facts: ModelFacts, state: ModelState) -> None:
    words = "has a signature, but is recalled" if state.recalled else "is in use"
    st.html(f"<h3>{escape(facts.title)} {words}</h3>")
    st.text_input("Why it is switched off", key="off_reason", max_chars=500, autocomplete="off")
    st.button("Switch off", key="switch_model_off", on_click=_switch_off, args=(house, facts, state.version))


def _switch_off(house: House, facts: ModelFacts, version: int) -> None:
    reason = str(st.session_state.get("off_reason") or "")
    done = f"{facts.title} gives no scores to clinicians and radiologists any more."
    if attempt(lambda: activation.switch_off(house, facts, reason, version=version), done):
        st.session_state["off_reason"] = ""


def _show_recall(house: House, facts: ModelFacts) -> None:
    found = recall.find_recall(house, facts.sha256)
    if found is not None and found.recalled:
        st.html(
            f"<h3>{escape(facts.title)} is recalled</h3><p class='mc-quiet'>Below: what it answered, and lifting.</p>"
        )
        return
    st.html(
        "<h3>Recall</h3><p class='mc-quiet'>Stops this version for everybody at once, also in pages that are open, and "
        "lists the saved results it gave.</p>"
    )
    st.text_input("Why it is recalled (readers see this)", key="recall_reason", max_chars=500, autocomplete="off")
    sure = st.checkbox("Yes, stop this model now", key=f"recall_sure_{facts.sha256}")
    version = found.version if found else 0
    st.button("Recall", key="recall_model", disabled=not sure, on_click=_recall, args=(house, facts, version))


def _recall(house: House, facts: ModelFacts, version: int) -> None:
    reason = str(st.session_state.get("recall_reason") or "")
    if attempt(lambda: recall.recall_model(house, facts, reason, version=version), f"{facts.title} is recalled."):
        st.session_state["recall_reason"] = ""
        st.session_state["site_recalled"] = facts.sha256


def _show_recalls(house: House) -> None:
    recalls = {item.sha256: item for item in recall.list_recalls(house)}
    if not recalls:
        return
    st.html("<h2>Recalls</h2>" + _write_recalls(tuple(recalls.values())))
    if not is_managing(house):
        return
    with st.container(key="site_choice_recall"):
        chosen = st.selectbox(
            "Look at one recall",
            list(recalls),
            format_func=lambda sha256: f"{recalls[sha256].model_id}, {sha256[:_SHA_CHARS]}",
            key="site_recalled",
        )
    _show_touched(house, recalls[chosen])
    if recalls[chosen].recalled:
        st.text_input("Why the recall is lifted", key="lift_reason", max_chars=500, autocomplete="off")
        st.button("Lift the recall", key="lift_recall", on_click=_lift, args=(house, recalls[chosen]))


def _write_recalls(recalls: tuple[Recall, ...]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(item.model_id)}<small><code>{item.sha256[:_SHA_CHARS]}</code></small></th>"
        f"<td><span{' class=mc-off' if item.recalled else ''}>{'recalled' if item.recalled else 'lifted'}</span></td>"
        f"<td>{escape(item.reason)} {say_who(item.actor, item.changed_at)}</td></tr>"
        for item in recalls
    )
    head = "".join(f"<th scope='col'>{word}</th>" for word in ("Model", "State", "Because"))
    return f'<table class="mc-table mc-models"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _show_touched(house: House, item: Recall) -> None:
    touched = recall.list_touched(house, item.sha256)
    words = f"{len(touched):,} saved result{'' if len(touched) == 1 else 's'} of this model"
    rows = "".join(
        f"<tr><td>{write_moment(saved.created_at)}</td><td>{escape(saved.pseudonym or 'without a patient')}</td>"
        f"<td>{escape(saved.status)}{'' if saved.readable else ', erased'}</td><td>{escape(saved.actor)}</td></tr>"
        for saved in touched[:100]
    )
    head = "".join(f"<th scope='col'>{word}</th>" for word in ("Saved", "Patient", "Result", "By"))
    more = "" if len(touched) <= 100 else '<p class="mc-quiet">The newest 100; the file has all.</p>'
    table = (
        f'<table class="mc-table mc-models"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>' if rows else ""
    )
    st.html(f'<p class="mc-text">{words}.</p><div class="mc-scroll mc-short">{table}</div>{more}')
    kept = st.session_state.get(_FILE_KEY)
    with st.container(key="site_file", horizontal=True):
        st.button("Make the list as a file", key="make_list", on_click=_make_file, args=(house, item.sha256))
        if kept is not None and kept[0] == item.sha256:
            st.download_button(
                "Save the list (CSV)",
                kept[1],
                f"medcore-recall-{item.sha256[:_SHA_CHARS]}.csv",
                "text/csv",
                key="get_list",
            )


def _make_file(house: House, sha256: str) -> None:
    def act() -> None:
        st.session_state[_FILE_KEY] = (sha256, recall.write_touched(house, sha256))

    attempt(act, "The list is ready.")


def _lift(house: House, item: Recall) -> None:
    reason = str(st.session_state.get("lift_reason") or "")
    if attempt(lambda: recall.lift_recall(house, item, reason), "The recall is lifted."):
        st.session_state["lift_reason"] = ""
