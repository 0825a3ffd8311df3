"""The doctor's page: type what is known, read a calibrated, explained risk."""

import streamlit as st

from medcore.ui import banner, drafting, form, guard, header, result, theme

theme.title("Risk of one patient")
house = guard.open_house("risk")
banner.show(house)
with st.container(key="bar", horizontal=True, vertical_alignment="center"):
    condition = header.choose_condition()
    header.show_actions(condition)
facts = guard.find_model(house, condition)
studied = house.catalog.studied(facts.model_id)


@st.fragment
def work() -> None:
    """Form and result: an edit reruns only these."""
    guard.recheck(house, "risk")
    with st.container(key="work"):
        with st.container(key="form"):
            drafting.offer(house, condition)
            reading = form.show(condition, studied)
            drafting.keep(house, condition)
        with st.container(key="result"):
            result.show(house, condition, facts, reading)


work()
