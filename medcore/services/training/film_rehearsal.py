"""Rehearsing a shift: what a network says about healthy films of a kind that it has never seen.

Validation films are told apart almost perfectly, so neither calibration nor cut-offs can be learnt from them alone. A
second, shorter run of the same recipe therefore learns without the healthy films that look most like ill ones outside
the lungs (:mod:`medcore.models.film_lookalikes`). How its calibration has to move from plain validation films to those
films is carried over to the released network, and the cut-offs are chosen on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medcore.conditions.film_condition import FilmCondition
from medcore.datasets.chest_films import FilmTable
from medcore.inference.film_calibrator import FilmCalibrator, fit_film_calibrator
from medcore.models.film_calibration import calibrate_films, make_harder
from medcore.models.film_lookalikes import find_lookalikes
from medcore.models.film_recipes import FilmRecipe

__all__ = ["HARDER_SEEDS", "Rehearsal", "rehearse"]

HARDER_SEEDS = (1, 2, 3)
"""Seeds of the changed copies of validation films."""

_SHARE = 0.35


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rehearsal:
    """Answers of a network that learnt without lookalikes.

    Attributes
    ----------
    before : FilmCalibrator
        Its calibration on validation films without lookalikes.
    after : FilmCalibrator
        Its calibration on lookalikes and the ill validation films.
    lookalike : bool array, shape (n films of the table,)
        The healthy films that it never saw.
    y, p : arrays
        Outcome of those films and of the ill validation films, and the probability that ``after`` gives.
    auroc : float
        How well it tells them apart.
    seconds : float
        What it took.
    """

    before: FilmCalibrator
    after: FilmCalibrator
    lookalike: np.ndarray
    y: np.ndarray
    p: np.ndarray
    auroc: float
    seconds: float


def rehearse(
    condition: FilmCondition, table: FilmTable, recipe: FilmRecipe, seed: int, checkpoint: Path | None = None
) -> Rehearsal:
    """Learn without lookalikes and calibrate on them; no test film is used.

    Parameters
    ----------
    recipe : FilmRecipe
        With at least one phase in ``rehearsal``.
    checkpoint : Path, optional
        What the files of states begin with; a number and ``.pt`` follow.
    """
    from medcore.evaluation.discrimination import auroc
    from medcore.models.film_learners import learn_films, predict_logits

    ill = np.isin(np.asarray(condition.words), condition.positive)[table.y]
    known = table.part != "test"
    lookalike = np.zeros(len(table.y), dtype=bool)
    lookalike[known] = find_lookalikes(table.pixels[known], ill[known], table.patient[known], share=_SHARE)
    rows = np.flatnonzero((table.part == "train") & ~lookalike)
    size = recipe.rehearsal[-1][0]
    nets, seconds = [], 0.0
    for k, member in enumerate(recipe.members, start=seed):
        net, spent = learn_films(
            replace(member, schedule=replace(member.schedule, phases=recipe.rehearsal)),
            table.pixels[rows],
            table.y[rows],
            n_classes=len(condition.classes),
            seed=k,
            watch=lambda *told: None,
            checkpoint=None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{k}.pt"),
        )
        nets.append(net)
        seconds += spent
    share = float(ill[known].mean())
    plain = np.flatnonzero((table.part == "validation") & ~lookalike)
    shifted = np.flatnonzero(lookalike | ((table.part == "validation") & ill))

    def answer(films: np.ndarray) -> np.ndarray:
        sides = (films, films[:, :, ::-1]) if recipe.flip_average else (films,)
        return np.asarray(np.mean([predict_logits(net, side, size) for net in nets for side in sides], axis=0))

    def harder(seed: int) -> np.ndarray:
        films = make_harder(table.pixels[plain].astype(np.float32) / np.float32(255), seed)
        return answer(np.round(films * 255).astype(np.uint8))

    before = calibrate_films(
        [answer(table.pixels[plain]), *(harder(k) for k in HARDER_SEEDS)],
        table.y[plain],
        classes=condition.words,
        positive=condition.positive,
        groups=_number(table.patient[plain]),
        share=share,
    )
    logits, outcome = answer(table.pixels[shifted]), ill[shifted]
    own = float(outcome.mean())
    after = fit_film_calibrator(
        logits,
        table.y[shifted],
        classes=condition.words,
        positive=condition.positive,
        groups=_number(table.patient[shifted]),
        weight=np.where(outcome, share / own, (1.0 - share) / (1.0 - own)),
    )
    p = after.probability(after.score(logits))
    y = outcome.astype(np.int64)
    return Rehearsal(
        before=before, after=after, lookalike=lookalike, y=y, p=p, auroc=float(auroc(y, p)), seconds=seconds
    )


def _number(patient: np.ndarray) -> np.ndarray:
    return np.asarray(np.unique(patient, return_inverse=True)[1])
