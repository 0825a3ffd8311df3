"""Streamlit components, session keys, theme and server."""
