"""The figures of the explore page: drawn and answered in the browser, from one packet of figures and words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["read_script", "show"]

_FOLDER = Path(__file__).parent
_SCRIPTS = ("base", "fields", "field", "tables", "patient", "plots")


@cache
def read_script() -> str:
    """Return the script: its files in order, the last of which exports."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


def show(found: dict[str, Any], *, key: str) -> None:
    """Show an exploration as :func:`medcore.services.explore.explore_view.describe_exploration` gives it.

    ``key`` names what is shown: the figures are drawn anew, and what was chosen in them forgotten, when it changes.
    """
    _declare()(key="plots", data={"key": key, "found": found}, width="stretch", height="content")


@cache
def _declare() -> Any:
    read = {kind: (_FOLDER / f"plots.{kind}").read_text(encoding="utf-8") for kind in ("html", "css")}
    return st.components.v2.component("medcore_plots", html=read["html"], css=read["css"], js=read_script())
