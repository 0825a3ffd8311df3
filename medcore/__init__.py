"""Clinical-AI models: calibrated, explained, and honest about when not to use them.

``import medcore`` is quick; the machinery is imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcore.errors import MedcoreError

if TYPE_CHECKING:
    from medcore.api import FilmScorer, Model, list_models, load_model

__all__ = ["FilmScorer", "MedcoreError", "Model", "list_models", "load_model"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name in {"FilmScorer", "Model", "list_models", "load_model"}:
        from medcore import api

        return getattr(api, name)
    raise AttributeError(f"module 'medcore' has no attribute {name!r}")
