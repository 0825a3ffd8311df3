"""The analyst's page: what a model goes by, over many patients at once."""

import streamlit as st

from medcore.ui import explore, explore_films, guard, header, theme

theme.title("Explore explanations")
theme.dress("explore")
house = guard.open_house("explore")
with st.container(key="bar", horizontal=True, vertical_alignment="center"):
    condition = header.choose_question()
    facts = explore.choose_model(house, condition)
if facts is None:
    explore_films.show(house, condition)
    st.stop()
study = explore.choose_study(house, facts)
if study is not None:
    explore.show(house, study)
