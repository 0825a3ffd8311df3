"""What a labelled table's column ``label`` may say."""

from __future__ import annotations

__all__ = ["LABEL_COLUMN", "parse_label"]

LABEL_COLUMN = "label"
_WORDS = {
    "1": 1, "1.0": 1, "yes": 1, "true": 1, "positive": 1,
    "0": 0, "0.0": 0, "no": 0, "false": 0, "negative": 0,
}  # fmt: skip


def parse_label(text: str) -> int | None:
    """Return 1 (has the outcome), 0, or None where the text is neither.

    Examples
    --------
    >>> parse_label("1"), parse_label("No"), parse_label("")
    (1, 0, None)
    """
    return _WORDS.get(text.strip().lower())
