"""The analyst's page: which model, at which cut-off, for whom."""

import streamlit as st

from medcore.errors import MedcoreError
from medcore.services.compare import shelf
from medcore.ui import compare, compare_tabs, guard, header, theme

theme.title("Compare models")
theme.dress("compare")
house = shelf.widen(guard.open_house("compare"))
with st.container(key="bar", horizontal=True, vertical_alignment="center"):
    condition = header.choose_question()
    chosen = compare.choose_models(house, condition)
    prevalence = compare.choose_prevalence()
if not chosen:
    compare.explain_empty(house, condition)
    st.stop()
own = compare.find_upload(condition)
try:
    comparable = shelf.sort_out(house.catalog, condition.id, chosen)
    comparison = own or compare.compare(house, condition, comparable.model_ids, prevalence)
except MedcoreError as error:
    guard.stop_with("These models cannot be compared", error.message)


compare.show_origins(house, chosen, comparable.left_out)
if own is not None:
    compare.show_source(own)


@st.fragment
def work() -> None:
    """Figures, lock and tabs: a cut-off that has come to rest reruns only these."""
    guard.recheck(house, "compare")
    choice = compare.show_curves(house, condition, comparison)
    compare.show_lock(house, comparison, choice)
    compare_tabs.show_tabs(house, comparison, cut_off=choice.cut_off, use=choice.use, chosen=chosen)


work()
compare.show_times(house, comparison)
