"""Style sheet and icon of the dashboard."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

import streamlit as st

from medcore.services.trust.entrance import DEMO_NOTICE

__all__ = ["ICON", "apply", "darken", "dress", "show_demo_notice", "title"]

_ASSETS = Path(__file__).resolve().parents[2] / "assets"
ICON = str(_ASSETS / "logo.svg")


@cache
def _read_css(name: str = "medcore") -> str:
    return f"<style>{(_ASSETS / 'css' / f'{name}.css').read_text(encoding='utf-8')}</style>"


def title(text: str) -> None:
    """Name the page for screen readers; the top bar shows it to everyone else."""
    st.html(f'<h1 class="mc-sr">{escape(text)}</h1>')


def apply() -> None:
    """Put the name into the top bar and the style sheet on the page."""
    st.logo(ICON, size="small")
    st.html(_read_css())


def show_demo_notice() -> None:
    """Say in the top bar that this is a demo."""
    st.html(f'<p class="mc-demo" role="note">{escape(DEMO_NOTICE)}</p>')


def darken() -> None:
    """Make this page dark, for a reading room."""
    st.html(_read_css("xray"))


def dress(name: str) -> None:
    """Add the style sheet of one page, ``assets/css/<name>.css``."""
    st.html(_read_css(name))
