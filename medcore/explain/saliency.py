"""Where in a film a model's score comes from: a heat map with its own checks, and SHAP values of its parts.

The heat map is HiResCAM (Draelos and Carin, 2020): the gradient of the headline score with respect to the last maps,
times those maps, summed over channels. Where the maps are averaged and weighted, as here, its cells
add up to the score but for a constant, which Grad-CAM's need not.

Three checks say whether a map may be trusted: blurring the marked parts first must lower the score more, and showing
them first raise it more, than parts in random orders (Petsiuk et al., 2018); the map must not look the same when the
weights behind the maps are random (Adebayo et al., 2018); and there must be a raised score to explain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from medcore.errors import ExplanationError, MedcoreError
from medcore.inference.film_model import FilmModel, FilmOutputs, check_films
from medcore.results import Saliency

__all__ = ["BLUR_SHARE", "FilmExplainer", "explain_film", "explain_film_shap"]

BLUR_SHARE = 0.08
"""Spread of the blur that hides a part of a film, as a share of the film's side."""

SHAP_EVALUATIONS = 320
"""Films scored for one SHAP explanation."""

_SHARES = (0.1, 0.25, 0.5)
_CHECK_SIDE = 7
_SHAP_SIDE = 8
_N_RANDOM_HEADS = 6
_MOST_ALIKE = 0.75
_SEED = 20
_WORST_GAP = 1e-3


def explain_film(model: FilmModel, tensor: np.ndarray) -> Saliency:
    """Draw the heat map of one film, with its checks.

    Parameters
    ----------
    model : FilmModel
    tensor : float array, shape (size, size)
        The film as the model sees it, 0..1.

    Returns
    -------
    Saliency
        ``grid`` 0..1, 1 = the part that raises the score most; all 0 where nothing raises it.

    Raises
    ------
    InputError
        The film is not one the model could see.
    ExplanationError
        The score stands but could not be explained.
    """
    return FilmExplainer(model).heat_map(tensor)


def explain_film_shap(model: FilmModel, tensor: np.ndarray, *, n_evaluations: int = SHAP_EVALUATIONS) -> Saliency:
    """Share a film's calibrated probability out among 8 x 8 parts; slower than the heat map.

    SHAP values by ``shap.PartitionExplainer`` (Owen values over neighbouring parts), a part being hidden by
    blurring it; ``base`` is the score of the film blurred all over.

    Raises
    ------
    InputError, ExplanationError
        As :func:`explain_film`.
    """
    return FilmExplainer(model).shap(tensor, n_evaluations=n_evaluations)


class FilmExplainer:
    """Explains one model's films; keeps what is compiled once."""

    def __init__(self, model: FilmModel) -> None:
        self._model = model
        self._cells = _Gradient(model)

    def heat_map(self, tensor: np.ndarray) -> Saliency:
        """See :func:`explain_film`."""
        film = check_films(np.asarray(tensor)[None], self._model.network.spec.size)[0]
        try:
            outputs = self._model.network(film[None])
            cells = self._cells(outputs.maps)
            checks = self._check(film, outputs, cells)
        except MedcoreError:
            raise
        except Exception as error:
            raise ExplanationError(f"no heat map for this film ({type(error).__name__}); the score stands") from error
        if not np.isfinite(cells).all():
            raise ExplanationError("no heat map for this film (not a number); the score stands")
        raised = np.maximum(cells, 0.0)
        top = float(raised.max())
        return Saliency(
            method="hirescam",
            grid=_rows(raised / top if top > 0.0 else raised),
            p_calibrated=checks.p,
            deletion=checks.deletion,
            insertion=checks.insertion,
            deletion_random=checks.deletion_random,
            insertion_random=checks.insertion_random,
            randomised_similarity=checks.similarity,
            reliable=checks.reason is None,
            reason=checks.reason,
            sha256=self._model.sha256,
        )

    def shap(self, tensor: np.ndarray, *, n_evaluations: int = SHAP_EVALUATIONS) -> Saliency:
        """See :func:`explain_film_shap`."""
        film = check_films(np.asarray(tensor)[None], self._model.network.spec.size)[0]
        try:
            base, values = _share_out(self._model, film, n_evaluations)
        except MedcoreError:
            raise
        except Exception as error:
            raise ExplanationError(
                f"no SHAP values for this film ({type(error).__name__}); the score stands"
            ) from error
        p = float(self._model.probability(film[None])[0])
        if not abs(base + float(values.sum()) - p) <= _WORST_GAP:
            raise ExplanationError("the SHAP values of this film do not add up to its score; the score stands")
        return Saliency(method="shap", grid=_rows(values), p_calibrated=p, base=base, sha256=self._model.sha256)

    def _check(self, film: np.ndarray, outputs: FilmOutputs, cells: np.ndarray) -> _Checks:
        """Blur and show parts in the map's order and in random orders, all in one batch."""
        soft = _blur(film)
        order = _order(cells)
        random = np.random.default_rng(_SEED).permutation(order)
        masks = np.array([_first(chosen, share) for chosen in (order, random, random[::-1]) for share in _SHARES])
        grown = _grow(masks, len(film))
        films = np.concatenate([soft[None], np.where(grown, soft, film), np.where(grown, film, soft)])
        score = self._model.calibrator.score(np.concatenate([outputs.logits, self._model.network(films).logits]))
        p = self._model.calibrator.probability(score)
        n = len(masks)
        curves = {
            "deletion": [(0, 2 + k * len(_SHARES), 1) for k in range(3)],
            "insertion": [(1, 2 + n + k * len(_SHARES), 0) for k in range(3)],
        }
        area = {name: [_area(p, *curve) for curve in found] for name, found in curves.items()}
        score_area = {name: [_area(score, *curve) for curve in found] for name, found in curves.items()}
        similarity = self._cells.similarity(outputs.maps, cells)
        threshold = self._model.threshold
        return _Checks(
            p=float(p[0]),
            deletion=area["deletion"][0],
            insertion=area["insertion"][0],
            deletion_random=float(np.mean(area["deletion"][1:])),
            insertion_random=float(np.mean(area["insertion"][1:])),
            similarity=similarity,
            reason=_find_fault(float(p[0]), threshold if threshold is not None else 0.5, score_area, similarity),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checks:
    p: float
    deletion: float
    insertion: float
    deletion_random: float
    insertion_random: float
    similarity: float
    reason: str | None


class _Gradient:
    """Gradient times maps, summed over channels, with the learnt head and with heads of random weights."""

    def __init__(self, model: FilmModel) -> None:
        import keras
        import tensorflow as tf

        head = model.network.head
        spec = model.network.spec
        sick = [i for i, word in enumerate(spec.classes) if word in spec.positive]
        well = [i for i, word in enumerate(spec.classes) if word not in spec.positive]
        random = np.random.default_rng(_SEED)
        self._heads = [head]
        for _ in range(_N_RANDOM_HEADS):
            copy = keras.models.clone_model(head)
            copy.set_weights([random.normal(0.0, max(float(w.std()), 1e-6), w.shape) for w in head.get_weights()])
            self._heads.append(copy)

        def cells(maps: Any) -> Any:
            found = []
            for one in self._heads:
                with tf.GradientTape() as tape:
                    tape.watch(maps)
                    logits = one(maps, training=False)
                    parts = [tf.reduce_logsumexp(tf.gather(logits, side, axis=1), axis=1) for side in (sick, well)]
                    score = parts[0] - parts[1]
                found.append(tf.reduce_sum(tape.gradient(score, maps) * maps, axis=-1))
            return tf.stack(found)

        shape = (1, *(int(side) for side in head.inputs[0].shape[1:]))
        self._run = tf.function(cells, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Return the cells of one film, shape (h, w), in units of the score."""
        return np.asarray(self._run(maps)[0, 0], dtype=np.float64)

    def similarity(self, maps: np.ndarray, cells: np.ndarray) -> float:
        """Return the mean rank correlation, without its sign, with the cells of random heads."""
        others = np.asarray(self._run(maps)[1:, 0], dtype=np.float64)
        return float(np.mean([abs(_rank_correlation(cells.ravel(), other.ravel())) for other in others]))


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; 1 where one side has no order at all."""
    if np.ptp(a) <= 0.0 or np.ptp(b) <= 0.0:
        return 1.0
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2.0)[index])


def _find_fault(p: float, threshold: float, area: dict[str, list[float]], similarity: float) -> str | None:
    """Say in a reader's words which check a map failed; None if none."""
    if p < threshold:
        return "the score is low: there is little for a map to show"
    if area["deletion"][0] >= np.mean(area["deletion"][1:]):
        return "blurring the marked parts changes the score no more than blurring parts drawn at random"
    if area["insertion"][0] <= np.mean(area["insertion"][1:]):
        return "the marked parts alone raise the score no more than parts drawn at random"
    if similarity > _MOST_ALIKE:
        return "the map looks much the same with random weights: it shows the film more than what was learnt"
    return None


def _order(cells: np.ndarray) -> np.ndarray:
    """Return the parts of a 7 x 7 division, the one that raises the score most first."""
    grid = _resample(cells, _CHECK_SIDE)
    return np.argsort(-grid.ravel(), kind="stable")


def _first(order: np.ndarray, share: float) -> np.ndarray:
    mask = np.zeros(len(order), dtype=bool)
    mask[order[: max(1, round(share * len(order)))]] = True
    return mask


def _area(values: np.ndarray, start: int, first: int, end: int) -> float:
    """Mean of a curve over the share of the film that is changed, 0 to 1."""
    heights = [values[start], *values[first : first + len(_SHARES)], values[end]]
    return float(np.trapezoid(heights, [0.0, *_SHARES, 1.0]))


def _blur(film: np.ndarray) -> np.ndarray:
    weights = _blur_weights(len(film))
    return np.clip(weights @ film @ weights.T, 0.0, 1.0)


@cache
def _blur_weights(size: int) -> np.ndarray:
    at = np.arange(size)
    weights = np.exp(-0.5 * ((at[:, None] - at) / (BLUR_SHARE * size)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _grow(masks: np.ndarray, size: int) -> np.ndarray:
    """Enlarge masks (n, side * side) to (n, size, size)."""
    side = round(masks.shape[1] ** 0.5)
    at = np.arange(size) * side // size
    return masks.reshape(-1, side, side)[:, at[:, None], at[None, :]]


def _resample(cells: np.ndarray, side: int) -> np.ndarray:
    """Mean of the cells over a division into side x side parts, whatever their number."""
    weights = [_shares(n, side) for n in cells.shape]
    return np.asarray(weights[0] @ cells @ weights[1].T)


@cache
def _shares(n: int, side: int) -> np.ndarray:
    edges = np.linspace(0.0, n, side + 1)
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.clip(np.minimum(np.arange(1, n + 1), high) - np.maximum(np.arange(n), low), 0.0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True))


def _rows(grid: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 6) for value in row) for row in grid)


def _share_out(model: FilmModel, film: np.ndarray, n_evaluations: int) -> tuple[float, np.ndarray]:
    """Return the score of the blurred film, and the SHAP value of each part, shape (side, side)."""
    import shap

    soft = _blur(film)

    def score(masks: np.ndarray) -> np.ndarray:
        return model.probability(np.where(_grow(np.asarray(masks) > 0.5, len(film)), film, soft))

    n_parts = _SHAP_SIDE**2
    hidden = np.zeros((1, n_parts))
    masker = shap.maskers.Partition(hidden, clustering=_neighbours(_SHAP_SIDE))
    explainer = shap.PartitionExplainer(score, masker)
    found = explainer(np.ones((1, n_parts)), max_evals=n_evaluations, batch_size=32, silent=True)
    return float(np.ravel(found.base_values)[0]), np.asarray(found.values[0], dtype=np.float64).reshape(
        _SHAP_SIDE, _SHAP_SIDE
    )


def _neighbours(side: int) -> np.ndarray:
    """Return the tree that halves a square again and again, as a linkage matrix: neighbouring parts belong together."""
    rows: list[list[float]] = []
    n = side * side

    def join(top: int, left: int, height: int, width: int) -> tuple[int, int]:
        if height == width == 1:
            return top * side + left, 1
        half = (height + 1) // 2 if height >= width else (width + 1) // 2
        if height >= width:
            first, second = join(top, left, half, width), join(top + half, left, height - half, width)
        else:
            first, second = join(top, left, height, half), join(top, left + half, height, width - half)
        count = first[1] + second[1]
        rows.append([first[0], second[0], float(count), float(count)])
        return n + len(rows) - 1, count

    join(0, 0, side, side)
    return np.array(rows)
