"""What a labelled table's column ``label`` may say, and how folders of labelled films may be named."""

from __future__ import annotations

from collections.abc import Mapping

from medcore.conditions.film_condition import FilmCondition

__all__ = ["LABEL_COLUMN", "name_classes", "parse_label"]

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


def name_classes(condition: FilmCondition) -> Mapping[str, int]:
    """Return what a folder or a label of films may be called, in lower case, and whether it has the outcome (1 or 0).

    Examples
    --------
    >>> from medcore.conditions.catalog import find_film_condition
    >>> known = name_classes(find_film_condition("pneumonia"))
    >>> known["pneumonia"], known["viral"], known["normal"]
    (1, 1, 0)
    """
    words = {item.word.lower(): int(item.word in condition.positive) for item in condition.classes}
    return {"0": 0, "no": 0, "negative": 0, "1": 1, "yes": 1, "positive": 1, condition.id: 1, **words}
