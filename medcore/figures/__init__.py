"""Results drawn as Plotly figures; no Streamlit."""
