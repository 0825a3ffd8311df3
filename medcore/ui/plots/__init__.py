"""Figures of global explanations, drawn in the browser."""

from medcore.ui.plots.component import show

__all__ = ["show"]
