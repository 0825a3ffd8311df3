"""The radiologist's page: read chest films, then see what the model says about them."""

import streamlit as st

from medcore.services.house import list_film_conditions
from medcore.ui import banner, film_state, films, guard, runtime, theme

theme.title("Chest films")
theme.darken()
house = guard.open_house("xray")
banner.show(house)
condition = list_film_conditions()[0]
worklist = film_state.open_worklist(house, condition, guard.find_film_model(house, condition))
runtime.start_reader()


@st.fragment
def work() -> None:
    """List, viewer and panel: a key or a click reruns only these."""
    guard.recheck(house, "xray")
    films.show(house, worklist)


work()
