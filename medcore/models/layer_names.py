"""Names of the registered layers, readable without Keras: what a bundle's model may be made of."""

from __future__ import annotations

__all__ = ["NAMES", "PACKAGE"]

PACKAGE = "medcore"
NAMES = frozenset(
    {
        "BinariseFilm",
        "FieldEncoding",
        "FieldTokens",
        "MemberLogits",
        "StackedAttention",
        "StackedDense",
        "StackedFeedForward",
        "StandardiseFilm",
        "TokenMean",
    }
)
