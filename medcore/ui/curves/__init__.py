"""The figures of the compare page: everything that follows the cut-off is answered in the browser."""

from medcore.ui.curves.component import Choice, show

__all__ = ["Choice", "show"]
