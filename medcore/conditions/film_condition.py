"""What one question about films is: classes, whom the model knows, wording, data and card.

Declared once, in its own file, like a :class:`medcore.conditions.condition.Condition`; a film needs no form,
so there is no schema, no derived value and no example patient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medcore.conditions.condition import CardText, PrevalencePolicy
from medcore.datasets.chest_films import FilmTable
from medcore.errors import UnknownNameError
from medcore.imaging.quality import FilmLimits

__all__ = ["FilmClass", "FilmCondition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmClass:
    """One class of a film model: ``code`` is its place among the logits, ``word`` its name in files."""

    code: int
    word: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCondition:
    """One question about films.

    Attributes
    ----------
    classes : tuple of FilmClass
        In the order of the model's logits.
    positive : tuple of str
        Words of the classes that together make the headline.
    limits : FilmLimits
        The children, views and modalities the model knows; anything else is withheld.
    sentence : callable
        ``sentence(p, lo, hi, site, study)`` writes the result from texts such as ``"83 %"``, ``"71 %"``, ``"91 %"``;
        ``site`` and ``study`` are the positive films among 100, as text; ``site`` is ``""`` where it is not set.
    pattern_caption : str
        What must stand below the shares of the positive classes.
    not_assessed : tuple of str
        Findings a reader may look for that the model says nothing about.
    foot_line : str
        What stands below every film.
    """

    id: str
    title: str
    outcome: str
    outcome_short: str
    aliases: tuple[str, ...] = ()
    kind: str = "image"
    classes: tuple[FilmClass, ...]
    positive: tuple[str, ...]
    limits: FilmLimits
    sentence: Callable[[str, str, str, str, str], str]
    pattern_caption: str
    not_assessed: tuple[str, ...]
    foot_line: str
    load_training: Callable[[Path], FilmTable]
    prevalence: PrevalencePolicy
    card: CardText
    facts_line: str
    references: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Class words in the order of the logits."""
        return tuple(item.word for item in self.classes)

    def find_class(self, word: str) -> FilmClass:
        """Return the class of this word.

        Raises
        ------
        UnknownNameError
            There is none.
        """
        for item in self.classes:
            if item.word == word:
                return item
        known = ", ".join(self.words)
        raise UnknownNameError(f"{self.id} has no class {word!r}. Classes: {known}.", value=word, expected=known)
