"""Results drawn: HTML and SVG where a picture is small and still, Plotly where it is explored; no Streamlit."""
