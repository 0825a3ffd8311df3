"""Launcher and router of the dashboard, for ``streamlit run`` and for any ASGI server (``streamlit_app:app``)."""

import streamlit as st
from streamlit import runtime

from medcore.ui import server

app = st.App(__file__, lifespan=server.lifespan, routes=server.ROUTES, middleware=server.MIDDLEWARE)

if runtime.exists():
    from medcore.ui import theme

    st.set_page_config(page_title="Medcore", page_icon=theme.ICON, layout="wide", initial_sidebar_state="collapsed")
    theme.apply()
    nav = st.navigation(
        [
            st.Page("pages/clinical/risk.py", title="Risk", url_path="risk", default=True),
            st.Page("pages/clinical/xray.py", title="X-ray", url_path="xray"),
            st.Page("pages/analysis/compare.py", title="Compare", url_path="compare"),
            st.Page("pages/analysis/explore.py", title="Explore", url_path="explore"),
            st.Page("pages/governance/models.py", title="Models", url_path="models"),
        ],
        position="top",
    )
    nav.run()
