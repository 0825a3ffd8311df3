"""The agreement report: how readers and a model get on at this site, in one table, never about persons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby

import streamlit as st

from medcore.errors import MedcoreError
from medcore.results import MetricValue
from medcore.services.house import Condition, FilmCondition, House
from medcore.services.trust import agreement
from medcore.services.trust.agreement import LEAST_READERS, LEAST_READINGS, AgreementReport, Measure, Version

__all__ = ["render_report", "show"]

_FILE_KEY = "mc_agreement_file"
_VERSION_KEY = "agreement_version"


def show(house: House, condition: Condition | FilmCondition) -> None:
    """Draw the choice of the model version, the report, and the export for whom the role allows it."""
    try:
        versions = agreement.list_versions(house, condition.id)
        if not versions:
            st.html(_render_empty(condition))
            return
        version = _choose(versions)
        found = agreement.report(house, condition.id, version)
    except MedcoreError as error:
        st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        return
    st.html(render_report(found))
    if agreement.may_export(house):
        _offer_csv(house, condition.id)


def render_report(found: AgreementReport) -> str:
    """Return the report as one table with a heading for each part."""
    notes = (
        '<p class="mc-caption">95 % intervals; they take readings as independent, so true ones are somewhat wider. '
        "Counted is the newest response of each reader to each saved result. A reader who accepts ends at the model's "
        "yes or no, one who overrides at the other. Figures are for the site; there are none for persons, and none "
        f"from fewer than {LEAST_READERS} readers or {LEAST_READINGS} readings.</p>"
    )
    if found.withheld:
        return f'<p class="mc-text"><b>Nothing is shown yet.</b> {escape(found.withheld)}</p>{notes}'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "Figure", "95 % interval", "Readings"))
    body = "".join(
        f'<tr><th scope="rowgroup" colspan="4" class="mc-part">{escape(part)}</th></tr>'
        + "".join(_render_measure(item) for item in items)
        for part, items in groupby(found.measures, key=lambda item: item.part)
    )
    return (
        f'<p class="mc-text">{found.n_readings} readings of model {escape(found.version.model_id)}, '
        f"<code>{escape(found.version.sha256[:12])}</code>.</p>"
        f'<div class="mc-scroll"><table class="mc-table mc-agreement"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{notes}"
    )


def write_seconds(seconds: float) -> str:
    """Write a duration as people say it.

    Examples
    --------
    >>> write_seconds(4.25), write_seconds(75.0), write_seconds(3900.0)
    ('4.2 s', '1 min 15 s', '1 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _render_measure(item: Measure) -> str:
    name = f'<th scope="row">{escape(item.name)}</th>'
    if item.value is None:
        return f'<tr>{name}<td colspan="3" class="mc-held">withheld: {escape(item.withheld)}</td></tr>'
    return (
        f"<tr>{name}<td><b>{_write(item.value.value, item.unit)}</b></td><td>{_write_range(item.value, item.unit)}</td>"
        f"<td>{item.n}</td></tr>"
    )


def _write(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f} %"
    return write_seconds(value) if unit == "s" else f"{value:.2f}".replace("-", "\u2212")


def _write_range(value: MetricValue, unit: str) -> str:
    lo, hi = math.isfinite(value.lo), math.isfinite(value.hi)
    if not lo or not hi:
        return f"up to {_write(value.hi, unit)}" if hi else f"{_write(value.lo, unit)} or more" if lo else "not bounded"
    return f"{_write(value.lo, unit)} to {_write(value.hi, unit)}"


def _render_empty(condition: Condition | FilmCondition) -> str:
    return (
        '<section class="mc-head mc-empty"><p class="mc-title">No opinions yet on this question</p>'
        f'<p class="mc-text">Once readers of <b>{escape(condition.title)}</b> have said what they think before the '
        "model's answer, and then agreed with it or overridden it, this page shows how often they agree, how often "
        "they change their mind and toward what, why they override, and how long it takes; for each version of the "
        "model, for the site as a whole.</p>"
        '<p class="mc-quiet">An administrator switches on "read first" for a question on the Site page; for films it '
        "is on.</p></section>"
    )


def _choose(versions: Sequence[Version]) -> Version:
    names = {item.sha256: f"{item.model_id} · {item.sha256[:12]}" for item in versions}
    if st.session_state.get(_VERSION_KEY) not in names:
        st.session_state.pop(_VERSION_KEY, None)
    chosen = st.selectbox("Model version", list(names), format_func=names.__getitem__, key=_VERSION_KEY, width=480)
    return next(item for item in versions if item.sha256 == chosen)


def _offer_csv(house: House, condition_id: str) -> None:
    with st.container(key="agreement_bar", horizontal=True, vertical_alignment="center"):
        if st.button("Make CSV of all versions", key="agreement_csv"):
            try:
                st.session_state[_FILE_KEY] = (condition_id, agreement.export_csv(house, condition_id))
            except MedcoreError as error:
                st.html(f'<p class="mc-error" role="alert">{escape(error.message)}</p>')
        kept = st.session_state.get(_FILE_KEY)
        if kept is not None and kept[0] == condition_id:
            name = f"medcore-agreement-{condition_id}.csv"
            st.download_button(
                f"Save {name}", kept[1], file_name=name, mime="text/csv", key="agreement_save", on_click="ignore"
            )
