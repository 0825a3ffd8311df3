"""Why a reader overrides a model: one list of words for every page, so that the agreement report can count them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["MOST_REASON_CHARS", "OTHER", "REASONS", "write_reason"]

OTHER = "other"
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "patient": "I know something about this patient that the model does not",
        "input": "A value is wrong, old or not known",
        "population": "This patient is unlike those of the study",
        "explanation": "The explanation does not make sense here",
        OTHER: "Another reason",
    }
)
"""Why a reader overrides: the word that is stored and the sentence for the page."""

MOST_REASON_CHARS = 500


def write_reason(code: str, remark: str = "") -> str:
    """Return reason and remark in one text.

    Examples
    --------
    >>> write_reason("other", " an old scar ")
    'Another reason: an old scar'
    """
    own = remark.strip()[:MOST_REASON_CHARS]
    return f"{REASONS[code]}: {own}" if own else REASONS[code]
