"""Launcher and router of the dashboard, for ``streamlit run`` and for any ASGI server (``streamlit_app:app``)."""

import streamlit as st
from streamlit import runtime

from medcore.ui import server

app = st.App(__file__, lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE)

if runtime.exists():
    server.prepare()
    from medcore.ui import navigation, theme

    st.set_page_config(page_title="Medcore", page_icon=theme.ICON, layout="wide", initial_sidebar_state="collapsed")
    theme.apply()
    navigation.run()
