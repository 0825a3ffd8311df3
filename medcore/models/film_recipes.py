"""Which film recipes there are: network, how far films are changed while it learns, and for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from medcore.errors import UnknownNameError
from medcore.models.film_nets import NetPlan, cnn_plan
from medcore.models.lite import lite_plan

__all__ = [
    "FILM_SIMPLEST_FIRST",
    "FILM_TITLES",
    "AugmentPlan",
    "FilmRecipe",
    "FilmSchedule",
    "FilmTeaching",
    "find_film_recipe",
]

_WARM_UP_STEPS = 150
_LAST_RATE = 0.002

FILM_SIMPLEST_FIRST = ("cnn_binarised", "cnn", "transfer")
"""Recipe names, simplest first: the order in which ties are broken."""

FILM_TITLES: Mapping[str, str] = {
    "cnn_binarised": "Convolutional network on black and white (Keras)",
    "cnn": "Convolutional network (Keras)",
    "transfer": "EfficientNet-Lite0, fine-tuned (Keras)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentPlan:
    """How far films are changed while a network learns: the largest change of each kind.

    ``turn`` in radians; ``zoom``, ``aspect``, ``gamma`` and ``contrast`` as logarithms of a factor; ``shear``;
    ``shift`` as a share of a side; ``brightness`` and ``noise`` of the range 0..1. ``detail`` is the share of
    films that are blurred or sharpened, ``cover`` that of films with a covered part, ``level`` that of films
    whose histogram is partly equalised.
    """

    turn: float = 0.2
    zoom: float = 0.16
    aspect: float = 0.12
    shear: float = 0.08
    shift: float = 0.07
    gamma: float = 0.6
    contrast: float = 0.35
    brightness: float = 0.15
    noise: float = 0.05
    detail: float = 0.6
    cover: float = 0.3
    level: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSchedule:
    """How long and how fast to learn.

    Attributes
    ----------
    phases : tuple of (side in pixels, epochs)
        Small films first: most is learnt at a third of the time.
    decay : float
        Share of the running mean of the weights that a step keeps.
    smoothing : float
        Share of the target spread over all classes.
    mix : float
        Share of batches in which films are blended in pairs (Zhang et al., ICLR 2018).
    balance : float
        Classes weigh as their count to the power of minus this.
    """

    phases: tuple[tuple[int, int], ...]
    batch_size: int = 64
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    smoothing: float = 0.05
    decay: float = 0.995
    mix: float = 0.5
    balance: float = 0.75

    @property
    def epochs(self) -> int:
        """All epochs."""
        return sum(epochs for _, epochs in self.phases)

    def size_of(self, epoch: int) -> int:
        """Side of the films in an epoch, counted from 0.

        Examples
        --------
        >>> schedule = FilmSchedule(phases=((128, 2), (224, 1)))
        >>> [schedule.size_of(epoch) for epoch in range(3)]
        [128, 128, 224]
        """
        for size, epochs in self.phases:
            if epoch < epochs:
                return size
            epoch -= epochs
        return self.phases[-1][0]

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, counted from 1: a short rise, then a cosine."""
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / steps)) + _LAST_RATE
        return self.learning_rate * min(1.0, step / min(_WARM_UP_STEPS, steps / 5)) * cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmTeaching:
    """How one network learns: its schedule and how far films are changed for it."""

    schedule: FilmSchedule
    augmentation: AugmentPlan = AugmentPlan()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmRecipe:
    """A network and how it learns.

    Attributes
    ----------
    pretrained : int, optional
        Version of EfficientNet-Lite whose weights it starts from.
    others : tuple of FilmTeaching
        Networks of the same plan that learn in another way, each from its own seed; the released one is the mean.
    flip_average : bool
        Whether a film and its mirror image are averaged too.
    rehearsal : tuple of (side in pixels, epochs)
        How long networks learn whose answers to healthy films of an unknown kind teach calibration and cut-offs;
        empty = no rehearsal.
    """

    plan: NetPlan
    schedule: FilmSchedule
    augmentation: AugmentPlan = AugmentPlan()
    pretrained: int | None = None
    others: tuple[FilmTeaching, ...] = ()
    flip_average: bool = False
    rehearsal: tuple[tuple[int, int], ...] = ()

    @property
    def members(self) -> tuple[FilmRecipe, ...]:
        """One recipe for each network."""
        others = (replace(self, schedule=item.schedule, augmentation=item.augmentation) for item in self.others)
        return tuple(replace(recipe, others=()) for recipe in (self, *others))


_GENTLE = AugmentPlan(
    turn=0.1,
    zoom=0.1,
    aspect=0.06,
    shear=0.0,
    gamma=0.3,
    contrast=0.2,
    brightness=0.1,
    noise=0.0,
    detail=0.2,
    cover=0.0,
)
_CNN_SCHEDULE = FilmSchedule(
    phases=((112, 5), (224, 1)),
    batch_size=32,
    learning_rate=1e-3,
    weight_decay=1e-3,
    smoothing=0.0,
    decay=0.99,
    mix=0.0,
)
_RECIPES: Mapping[str, FilmRecipe] = {
    "cnn": FilmRecipe(plan=cnn_plan(), schedule=_CNN_SCHEDULE, augmentation=_GENTLE),
    "cnn_binarised": FilmRecipe(plan=cnn_plan(binarised=True), schedule=_CNN_SCHEDULE, augmentation=_GENTLE),
    "transfer": FilmRecipe(
        plan=lite_plan(0),
        schedule=FilmSchedule(phases=((128, 6), (160, 3), (224, 8))),
        pretrained=0,
        rehearsal=((128, 3),),
    ),
}


def find_film_recipe(name: str) -> FilmRecipe:
    """Return a recipe.

    Raises
    ------
    UnknownNameError
        There is no recipe of that name.
    """
    if name not in _RECIPES:
        known = ", ".join(FILM_SIMPLEST_FIRST)
        raise UnknownNameError(f"there is no film recipe {name!r}. Recipes: {known}.", field="model", value=name)
    return _RECIPES[name]
