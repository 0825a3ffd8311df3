"""Everything measured about a film model before it is released: figures on the test films, and checks for shortcuts.

Nothing is chosen here. The test films are scored once, when the bundle is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from medcore.datasets.chest_films import FilmTable, OriginalFilm
from medcore.evaluation.calibration import calibration_fit
from medcore.evaluation.discrimination import auroc, auroc_interval, roc_curve
from medcore.evaluation.scoreboard import evaluate
from medcore.evaluation.thresholds import choose_by_sensitivity, choose_by_specificity
from medcore.imaging.squash import squash
from medcore.inference.film_calibrator import FilmCalibrator
from medcore.inference.film_gate import FilmGate, GateRate, measure_gate
from medcore.inference.film_model import FilmNetwork, FilmOutputs
from medcore.results import MetricValue

__all__ = [
    "PATTERN_METRIC",
    "FilmFigures",
    "Shortcuts",
    "choose_points",
    "count_at",
    "describe_validation",
    "find_shortcuts",
    "make_strange_films",
    "measure_test",
    "rate_gate",
    "rebase",
    "spread_outputs",
    "to_pictures",
]

PATTERN_METRIC = "bacterial_viral_auroc"
"""Name of the AUROC of bacterial against viral among films with pneumonia."""

_SCREENING_SENSITIVITY = 0.98
_CONFIDENT_SPECIFICITY = 0.98
_N_RESAMPLES = 2000
_STRETCH = 1.25
_N_STRANGE = 100
_N_KNOWN = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcuts:
    """How much size and aspect ratio give the class away, and how much of that the model uses.

    ``aspect_auroc``, ``size_auroc``: AUROC of width/height and of the number of pixels alone, over ``n_known`` films.
    ``aspect_correlation``: Spearman correlation of score and aspect ratio within healthy and within ill films, in a
    sample of them.
    ``stretched``: AUROC on validation films as they are, widened and heightened by a quarter.
    ``stretch_shift``: mean change of the score (log-odds) when widened, healthy and ill.
    ``n_originals``, ``original_gap``: films known at full size, and the largest difference in probability between
    such a film squashed by our code and its stored copy.
    """

    n_known: int
    aspect_auroc: float
    size_auroc: float
    aspect_correlation: tuple[float, float]
    stretched: tuple[float, float, float]
    stretch_shift: tuple[float, float]
    n_originals: int
    original_gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmFigures:
    """What the card of a film model reports.

    ``metrics`` on the test films at the cut-off ``points["default"]``; ``parts`` films and share of positive ones of
    each part; ``validation`` AUROC, Brier score and slope on validation films; ``at_points`` sensitivity and
    specificity on the test films at each operating point; ``deciles`` test outcome and probability.
    ``rebased`` is the Brier score and the intercept on the test films once the probability is restated at their
    own share of positive films. ``rehearsed`` is the number of lookalikes and the AUROC of the rehearsal, if there
    was one (:mod:`medcore.services.training.film_rehearsal`).
    """

    metrics: Mapping[str, MetricValue]
    points: Mapping[str, float]
    parts: Mapping[str, tuple[int, float]]
    validation: Mapping[str, float]
    at_points: Mapping[str, tuple[float, float]]
    y: np.ndarray
    p: np.ndarray
    rebased: tuple[float, float]
    gate: Mapping[str, GateRate]
    shortcuts: Shortcuts
    rehearsed: tuple[int, float] | None = None


def to_pictures(films: np.ndarray) -> np.ndarray:
    """Return float32 films 0..1 of uint8 films."""
    return np.asarray(films, dtype=np.float32) / np.float32(255)


def choose_points(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Choose the operating points on validation films, in rising order.

    ``screening`` is the lower and ``high_confidence`` the higher of two: the highest cut-off that finds 98 of 100 ill
    films, and the lowest that leaves 98 of 100 healthy films alone. Where the classes are well apart, both keep
    both promises. ``balanced`` lies
    in the middle (on the log-odds scale) of the cut-offs with the largest sensitivity plus specificity, between the
    others. ``default`` is the balanced one.

    Parameters
    ----------
    y, p : arrays, shape (n,)
        Outcome 0 or 1, and probability.
    """
    curve = roc_curve(y, p)
    gain = curve.sensitivity - curve.false_positive_rate
    best = int(np.argmax(gain))
    scores = np.sort(np.unique(p))
    upper = float(np.clip(curve.thresholds[best], scores[0], scores[-1]))
    below = scores[scores < upper]
    lower = float(below[-1]) if len(below) else upper
    found = choose_by_sensitivity(y, p, at_least=_SCREENING_SENSITIVITY).threshold
    spared = choose_by_specificity(y, p, at_least=_CONFIDENT_SPECIFICITY).threshold
    screening, confident = min(found, spared), max(found, spared)
    balanced = float(np.clip(_expit((_logit(lower) + _logit(upper)) / 2), screening, confident))
    points = {"screening": screening, "balanced": balanced, "high_confidence": confident, "default": balanced}
    return {name: round(float(value), 4) for name, value in points.items()}


def measure_test(
    outcome: np.ndarray,
    p: np.ndarray,
    is_viral: np.ndarray,
    pattern: np.ndarray,
    patient: np.ndarray,
    threshold: float,
    seed: int,
) -> dict[str, MetricValue]:
    """Return the agreed figures on the test films with intervals that count patients, and that of the pattern.

    Parameters
    ----------
    pattern : array, shape (n,)
        Share of the second of the two patterns; judged among ill films only.
    """
    _, groups = np.unique(patient, return_inverse=True)
    rng = np.random.default_rng(seed)
    metrics = evaluate(outcome, p, threshold=threshold, groups=groups, rng=rng, n_resamples=_N_RESAMPLES)
    ill = outcome > 0
    metrics[PATTERN_METRIC] = auroc_interval(is_viral[ill], _unit(pattern[ill]), groups=groups[ill])
    return metrics


def rate_gate(gate: FilmGate, network: FilmNetwork, good: Mapping[str, np.ndarray], seed: int) -> dict[str, GateRate]:
    """Return what the gate says about good films and about each kind of strange picture, all (n, size, size)."""
    kinds = {**good, **make_strange_films(next(iter(good.values())), seed)}
    return measure_gate(gate, {name: (network(films).features, films) for name, films in kinds.items()})


def make_strange_films(films: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Make pictures that no model of chest films should answer for, out of films (n, size, size) and of nothing."""
    rng = np.random.default_rng(seed)
    some = films[:_N_STRANGE]
    size = films.shape[-1]
    n = len(some)
    smooth = np.stack([squash(part, size) for part in rng.random((n, 12, 12), dtype=np.float32)])
    return {
        "turned to the side": np.rot90(some, 1, (1, 2)).copy(),
        "upside down": np.rot90(some, 2, (1, 2)).copy(),
        "black and white exchanged": 1.0 - some,
        "noise": rng.random((n, size, size), dtype=np.float32),
        "clouds": smooth,
        "blank": np.repeat(rng.random((n, 1, 1), dtype=np.float32), size, 1).repeat(size, 2),
        "photographs": _photographs(n, size, rng),
    }


def find_shortcuts(
    table: FilmTable, network: FilmNetwork, calibrator: FilmCalibrator, originals: Sequence[OriginalFilm]
) -> Shortcuts:
    """Measure what size and aspect ratio give away, and whether the model's score follows them."""
    known = np.flatnonzero(table.width > 0)
    ill, aspect, area = (
        table.y[known] > 0,
        table.width[known] / table.height[known],
        table.width[known] * table.height[known],
    )
    some = np.sort(np.random.default_rng(0).permutation(len(known))[:_N_KNOWN])
    score = calibrator.score(network(to_pictures(table.pixels[known[some]])).logits)
    healthy, sick = ~ill[some], ill[some]
    validation = table.rows("validation")
    films, outcome = to_pictures(table.pixels[validation]), table.y[validation] > 0
    scores = [calibrator.score(network(each).logits) for each in (films, _stretch(films, True), _stretch(films, False))]
    change = scores[1] - scores[0]
    return Shortcuts(
        n_known=len(known),
        aspect_auroc=_unsigned_auroc(ill, aspect),
        size_auroc=_unsigned_auroc(ill, area),
        aspect_correlation=tuple(_correlation(score[of], aspect[some][of]) for of in (healthy, sick)),  # type: ignore[arg-type]
        stretched=tuple(float(auroc(outcome, _expit(each))) for each in scores),  # type: ignore[arg-type]
        stretch_shift=(float(change[~outcome].mean()), float(change[outcome].mean())),
        n_originals=len(originals),
        original_gap=_original_gap(network, calibrator, originals),
    )


def describe_validation(outcome: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return AUROC, Brier score and calibration slope of validation films."""
    return {
        "auroc": float(auroc(outcome, p)),
        "brier": float(np.mean((p - outcome) ** 2)),
        "calibration_slope": float(calibration_fit(outcome, p).slope.value),
    }


def rebase(outcome: np.ndarray, p: np.ndarray, studied: float) -> tuple[float, float]:
    """Return Brier score and calibration intercept once p is restated from the study's share of ill films to these."""
    own = float(np.mean(outcome))
    restated = _expit(_logit(p) + _logit(own) - _logit(studied))
    return float(np.mean((restated - outcome) ** 2)), float(calibration_fit(outcome, restated).intercept.value)


def count_at(points: Mapping[str, float], outcome: np.ndarray, p: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return sensitivity and specificity at each operating point but the default, which is one of the others."""
    ill = outcome > 0
    return {
        name: (float(np.mean(p[ill] >= cut)), float(np.mean(p[~ill] < cut)))
        for name, cut in points.items()
        if name != "default"
    }


def spread_outputs(network: FilmNetwork, films: np.ndarray) -> FilmOutputs:
    """Return logits and features of uint8 films; the maps are not kept."""
    parts = [network(to_pictures(films[i : i + 256])) for i in range(0, len(films), 256)]
    return FilmOutputs(
        logits=np.concatenate([part.logits for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        maps=parts[0].maps[:0],
    )


def _stretch(films: np.ndarray, wide: bool) -> np.ndarray:
    """Show the films as if they had been taken wider (or higher) by a quarter: the middle part, squashed anew."""
    size = films.shape[-1]
    margin = round(size * (1.0 - 1.0 / _STRETCH) / 2)
    middle = films[:, :, margin : size - margin] if wide else films[:, margin : size - margin]
    return np.stack([squash(film, size) for film in middle])


def _photographs(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut grey squares out of the two sample photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    photos = [photo.mean(axis=2, dtype=np.float32) / np.float32(255) for photo in load_sample_images().images]
    cuts = []
    for i in range(n):
        photo = photos[i % len(photos)]
        side = int(rng.integers(size // 2, min(photo.shape) + 1))
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape)
        cuts.append(squash(photo[top : top + side, left : left + side], size))
    return np.stack(cuts)


def _original_gap(network: FilmNetwork, calibrator: FilmCalibrator, originals: Sequence[OriginalFilm]) -> float:
    if not originals:
        return float("nan")
    squashed = np.stack([squash(to_pictures(film.pixels), network.spec.size) for film in originals])
    stored = to_pictures(np.stack([film.stored for film in originals]))
    own, copies = (calibrator.probability(calibrator.score(network(each).logits)) for each in (squashed, stored))
    return float(np.abs(own - copies).max())


def _unsigned_auroc(ill: np.ndarray, values: np.ndarray) -> float:
    """AUROC of a plain number, whichever way it points."""
    area = float(auroc(ill, _unit(values)))
    return max(area, 1.0 - area)


def _unit(values: np.ndarray) -> np.ndarray:
    """Ranks as numbers in 0..1: areas under curves look at nothing else."""
    _, ranks = np.unique(values, return_inverse=True)
    return np.asarray(ranks / max(1, int(ranks.max())))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(spearmanr(a, b).statistic)


def _logit(p: np.ndarray | float) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _expit(x: np.ndarray | float) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -30, 30))))
