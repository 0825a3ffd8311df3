"""Calibration of a film model that has to travel: fitted on films as they are and on the same films made harder.

A model that tells nearly all validation films apart gets a steep line, which is overconfident wherever films differ a
little. So half of what teaches the line are the validation films under another light, sharpness and geometry, at
several seeds; and the films are weighted to the study's share of ill ones, so that the probability means that mix.
Labels are readings, and another reader would read some films otherwise: each film counts for a small part as one of
the other kind, so that no probability comes nearer to 0 or 1 than readers agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medcore.imaging.squash import squash
from medcore.inference.film_calibrator import FilmCalibrator, fit_film_calibrator
from medcore.models.calibration import fit_line

__all__ = ["READ_OTHERWISE", "calibrate_films", "carry_over", "make_harder"]

READ_OTHERWISE = 0.02
"""Share of films taken to be read otherwise by another reader, a cautious figure: published disagreement is larger."""

_MOST_CROPPED = 0.08
_GAMMA, _CONTRAST, _BRIGHTNESS = 0.6, 0.4, 0.15


def make_harder(films: np.ndarray, seed: int) -> np.ndarray:
    """Return films (n, size, size), 0..1, under another light, sharpness and geometry, each in its own way.

    Up to 8 % is cut off every side and the rest squashed anew; a film is blurred or sharpened, and gamma, contrast
    and brightness change by up to a factor of 1.8, a factor of 1.5 and 0.15.
    """
    rng = np.random.default_rng(seed)
    size = films.shape[-1]
    out = np.empty(films.shape, dtype=np.float32)
    for i, film in enumerate(np.asarray(films, dtype=np.float32)):
        top, bottom, left, right = rng.integers(0, round(_MOST_CROPPED * size) + 1, 4)
        picture = squash(film[top : size - bottom, left : size - right], size)
        picture = np.clip(picture + (_blur(picture) - picture) * rng.uniform(-0.5, 1.0), 1e-4, 1.0)
        picture = picture ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
        mean = picture.mean()
        contrast, shift = np.exp(rng.uniform(-_CONTRAST, _CONTRAST)), rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
        out[i] = np.clip((picture - mean) * contrast + mean + shift, 0.0, 1.0)
    return out


def _blur(picture: np.ndarray) -> np.ndarray:
    """Mean of each pixel's 3 x 3 neighbourhood."""
    padded = np.pad(picture, 1, mode="edge")
    n = len(picture)
    return np.asarray(sum(padded[i : i + n, j : j + n] for i in range(3) for j in range(3)) / 9.0)


def calibrate_films(
    versions: Sequence[np.ndarray],
    y: np.ndarray,
    *,
    classes: Sequence[str],
    positive: Sequence[str],
    groups: np.ndarray,
    share: float,
    read_otherwise: float = READ_OTHERWISE,
) -> FilmCalibrator:
    """Fit a calibrator on several versions of the same validation films.

    Parameters
    ----------
    versions : sequence of arrays, shape (n, n_classes)
        Logits of the films as they are (first) and changed; the first counts as much as all others together.
    y : int array, shape (n,)
        Class of each film.
    groups : array, shape (n,)
        Patient of each film.
    share : float
        Share of positive films in the study, to which the films are weighted.
    read_otherwise : float
        Part of each film that counts as one of the other kind in the line.
    """
    is_positive = np.isin(np.asarray(classes), list(positive))[y]
    own = float(is_positive.mean())
    balance = np.where(is_positive, share / own, (1.0 - share) / (1.0 - own))
    k = len(versions)
    parts = [1.0] if k == 1 else [0.5, *[0.5 / (k - 1)] * (k - 1)]
    logits, weight = np.concatenate(list(versions)), np.concatenate([balance * part for part in parts])
    fitted = fit_film_calibrator(
        logits,
        np.tile(y, k),
        classes=classes,
        positive=positive,
        groups=np.tile(groups, k),
        weight=weight,
    )
    outcome = np.tile(is_positive, k).astype(np.float64)
    readings = np.concatenate([weight * (1.0 - read_otherwise), weight * read_otherwise])
    line = fit_line(np.tile(fitted.score(logits), 2), np.concatenate([outcome, 1.0 - outcome]), readings)
    factor = line.slope / fitted.slope
    return replace(
        fitted,
        slope=line.slope,
        intercept=line.intercept,
        band_logit=tuple(factor * (at - fitted.intercept) + line.intercept for at in fitted.band_logit),
    )


def carry_over(own: FilmCalibrator, before: FilmCalibrator, after: FilmCalibrator) -> FilmCalibrator:
    """Move a calibrator as another network's had to move from known films (``before``) to shifted ones (``after``).

    The line is applied on the log-odds scale, so networks may differ in the scale of their scores; the band is that
    of the shifted films, the pattern stays.

    Examples
    --------
    >>> table = {"band_logit": (-1.0, 1.0), "band_lo": (0.0, 0.5), "band_hi": (0.5, 1.0)}
    >>> words = {"classes": ("normal", "ill"), "positive": ("ill",), "temperature": 1.0}
    >>> def make(slope, intercept):
    ...     return FilmCalibrator(slope=slope, intercept=intercept, **words, **table)
    >>> moved = carry_over(make(2.0, 0.5), make(4.0, 1.0), make(2.0, -0.5))
    >>> moved.slope, moved.intercept
    (1.0, -0.75)
    """
    ratio = after.slope / before.slope
    return replace(
        own,
        slope=ratio * own.slope,
        intercept=ratio * (own.intercept - before.intercept) + after.intercept,
        band_logit=after.band_logit,
        band_lo=after.band_lo,
        band_hi=after.band_hi,
        n_band=after.n_band,
    )
