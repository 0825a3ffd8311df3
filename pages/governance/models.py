"""The model's facts page: every model of a question with its figures, and the card of one of them."""

import streamlit as st

from medcore.ui import card, guard, header, theme

theme.title("Models and their facts")
house = guard.open_house("models")
with st.container(key="bar", horizontal=True, vertical_alignment="center"):
    condition = header.choose_question()
card.show_problems(house.catalog)
card.show_models(house.catalog, condition)
