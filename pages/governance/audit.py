"""The auditor's page: who did what, whether the trail is whole, and a copy of it."""

import streamlit as st

from medcore.ui import audit, guard, theme

theme.title("Audit trail")
theme.dress("audit")
house = guard.open_house("audit")
wanted = audit.take_filter(house)
if wanted is None:
    st.stop()
audit.show_actions(house, wanted)
audit.show_trail(house, wanted)
