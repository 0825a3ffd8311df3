"""Healthy films that look like ill ones where no lung is: a rehearsal for films that lie differently.

Ill children were filmed in another posture: what is seen of neck, shoulders, arms and margins alone tells the
training films apart. A network learns that too, and is then misled by healthy films of another day or room. Such films
can be found without any network: a ridge regression on the margins of small pictures, fitted to other patients, says
how much a film's margins look like those of ill children. A network that learns without the healthy films that look
most so shows, on these, what a shift in posture does to its scores.
"""

from __future__ import annotations

import numpy as np

from medcore.imaging.squash import squash

__all__ = ["find_lookalikes", "score_margins"]

_SIDE, _TOP, _FLANK = 28, 8, 3
_RIDGE = 30.0
_FOLDS = 5


def score_margins(films: np.ndarray, is_positive: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return how much the margins of each film look like those of positive films, shape (n,).

    Parameters
    ----------
    films : uint8 array, shape (n, h, w)
    is_positive : bool array, shape (n,)
    patient : array, shape (n,)
        No film is scored by a regression that saw one of its patient's.

    Notes
    -----
    Pictures of 28 x 28 means, each freed of brightness and contrast and averaged with its mirror image; the upper
    eight rows and three columns on each side. Ridge regression of -1 and 1, both outcomes weighing the same.
    """
    margins = _describe(films)
    truth = np.where(is_positive, 1.0, -1.0)
    names, number = np.unique(patient, return_inverse=True)
    fold = np.random.default_rng(0).integers(0, _FOLDS, len(names))[number]
    scores = np.zeros(len(truth))
    for k in range(_FOLDS):
        others, own = fold != k, fold == k
        mean, spread = margins[others].mean(axis=0), margins[others].std(axis=0) + 1e-6
        design, target = (margins[others] - mean) / spread, truth[others]
        weight = np.where(target > 0, 1 / max((target > 0).sum(), 1), 1 / max((target < 0).sum(), 1)) * len(target) / 2
        normal = design.T @ (design * weight[:, None]) + _RIDGE * np.eye(design.shape[1])
        scores[own] = (margins[own] - mean) / spread @ np.linalg.solve(normal, design.T @ (weight * target))
    return scores


def find_lookalikes(films: np.ndarray, is_positive: np.ndarray, patient: np.ndarray, *, share: float) -> np.ndarray:
    """Return which films are healthy ones of the ``share`` of patients whose margins look most like ill ones, (n,)."""
    healthy = np.flatnonzero(~np.asarray(is_positive, dtype=bool))
    scores = score_margins(films, np.asarray(is_positive, dtype=bool), patient)[healthy]
    _, number = np.unique(np.asarray(patient)[healthy], return_inverse=True)
    of_patient = (np.bincount(number, scores) / np.bincount(number))[number]
    found = np.zeros(len(films), dtype=bool)
    found[healthy[of_patient >= np.quantile(of_patient, 1.0 - share)]] = True
    return found


def _describe(films: np.ndarray) -> np.ndarray:
    small = np.stack([squash(film.astype(np.float32) / np.float32(255), _SIDE) for film in films]).astype(np.float64)
    small -= small.mean(axis=(1, 2), keepdims=True)
    small /= small.std(axis=(1, 2), keepdims=True) + 0.004
    margin = np.zeros((_SIDE, _SIDE), dtype=bool)
    margin[:_TOP], margin[:, :_FLANK], margin[:, -_FLANK:] = True, True, True
    return np.asarray((small + small[:, :, ::-1])[:, margin] / 2)
