"""The page of patients: find or make one, see what was saved along the clinical course."""

import streamlit as st

from medcore.ui import banner, guard, patients, theme

theme.title("Patients")
theme.dress("patients")
house = guard.open_house("patients")
with st.container(key="patients_page"):
    patients.show(house, banner.show(house, linked=False))
