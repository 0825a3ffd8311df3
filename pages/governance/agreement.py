"""The agreement report: how readers and the model get on at this site."""

import streamlit as st

from medcore.ui import agreement, guard, header, theme

theme.title("Readers and model")
theme.dress("audit")
house = guard.open_house("agreement")
with st.container(key="bar", horizontal=True, vertical_alignment="center"):
    condition = header.choose_question()
agreement.show(house, condition)
