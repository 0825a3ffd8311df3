"""Where in a film a model's score comes from: a heat map with its own checks, and SHAP values of its parts.

The heat map is HiResCAM (Draelos and Carin, 2020): the gradient of the headline score with respect to the last maps,
times those maps, summed over channels. Where the maps are averaged and weighted, as here, its cells
add up to the score but for a constant, which Grad-CAM's need not.

Three checks say whether a map may be trusted. Showing the marked parts first on a blurred film, and blurring them first
on the film, must together move the score more than each of four random orders does (insertion and deletion, Petsiuk et
al., 2018; together, because a blurred lung looks hazy to such models and blurring alone can raise a score). The map
must not look the same when the weights behind the maps are random (Adebayo et al., 2018). And there must be a
raised score to explain.

SHAP values are Owen values (1977) over a tree of neighbouring parts, as ``shap.PartitionExplainer`` computes them
(Lundberg and Lee, 2017), a part being hidden by blurring it. They are computed here, without compiling anything at
the first use; a test compares them with that package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from medcore.errors import ExplanationError, MedcoreError
from medcore.inference.film_model import FilmModel, FilmOutputs, check_films
from medcore.results import Saliency

__all__ = ["BLUR_SHARE", "SHAP_EVALUATIONS", "FilmExplainer", "explain_film", "explain_film_shap", "share_out"]

BLUR_SHARE = 0.08
"""Spread of the blur that hides a part of a film, as a share of the film's side."""

SHAP_EVALUATIONS = 320
"""Films scored for one SHAP explanation."""

_SHARES = (0.15, 0.4)
_N_RANDOM_PAIRS = 2
_CHECK_SIDE = 7
_SHAP_SIDE = 8
_N_RANDOM_HEADS = 6
_MANY = 32
_MOST_ALIKE = 0.75
_SEED = 20
_Box = tuple[int, int, int, int]
_NODES_AT_ONCE = 8


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

    A part is hidden by blurring it; ``base`` is the score of the film blurred all over. Where a neighbourhood
    matters little it is not divided further, and its parts share its value evenly.

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

    def cells(self, tensors: np.ndarray) -> np.ndarray:
        """Return the maps of many films without their checks, shape (n, h, w), in log-odds: where the score comes from.

        Cells add up to the score but for a constant where maps are averaged and weighted; see :func:`explain_film`.
        """
        films = check_films(np.asarray(tensors), self._model.network.spec.size)
        parts = [films[i : i + _MANY] for i in range(0, len(films), _MANY)]
        return np.concatenate([self._cells.of_many(self._model.network(part).maps) for part in parts])

    def shap(self, tensor: np.ndarray, *, n_evaluations: int = SHAP_EVALUATIONS) -> Saliency:
        """See :func:`explain_film_shap`."""
        film = check_films(np.asarray(tensor)[None], self._model.network.spec.size)[0]
        try:
            base, p, values = _share_out(self._model, film, n_evaluations)
        except MedcoreError:
            raise
        except Exception as error:
            raise ExplanationError(
                f"no SHAP values for this film ({type(error).__name__}); the score stands"
            ) from error
        return Saliency(method="shap", grid=_rows(values), p_calibrated=p, base=base, sha256=self._model.sha256)

    def _check(self, film: np.ndarray, outputs: FilmOutputs, cells: np.ndarray) -> _Checks:
        """Blur and show parts in the map's order and in random orders, all in one batch."""
        soft = _blur(film)
        order = _order(cells)
        rng = np.random.default_rng(_SEED)
        drawn = [rng.permutation(len(order)) for _ in range(_N_RANDOM_PAIRS)]
        orders = [order, *drawn, *(one[::-1] for one in drawn)]
        parts = _grow(np.array([_first(one, share) for one in orders for share in _SHARES]), len(film))
        films = np.concatenate([soft[None], np.where(parts, soft, film), np.where(parts, film, soft)])
        score = self._model.calibrator.score(np.concatenate([outputs.logits, self._model.network(films).logits]))
        p = self._model.calibrator.probability(score)
        deletion, insertion = _areas(p, len(orders))
        gain = np.subtract(*_areas(score, len(orders))[::-1])
        similarity = self._cells.similarity(outputs.maps, cells)
        threshold = self._model.threshold
        return _Checks(
            p=float(p[0]),
            deletion=float(deletion[0]),
            insertion=float(insertion[0]),
            deletion_random=float(deletion[1:].mean()),
            insertion_random=float(insertion[1:].mean()),
            similarity=similarity,
            reason=_find_fault(float(p[0]), 0.5 if threshold is None else threshold, gain, similarity),
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

        shape = (None, *(int(side) for side in head.inputs[0].shape[1:]))
        self._run = tf.function(cells, input_signature=[tf.TensorSpec(shape, tf.float32)])

    def __call__(self, maps: np.ndarray) -> np.ndarray:
        """Return the cells of one film, shape (h, w), in units of the score."""
        return np.asarray(self._run(maps)[0, 0], dtype=np.float64)

    def of_many(self, maps: np.ndarray) -> np.ndarray:
        """Return the cells of several films, shape (n, h, w), in units of the score."""
        return np.asarray(self._run(maps)[0], dtype=np.float64)

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


def _find_fault(p: float, threshold: float, gain: np.ndarray, similarity: float) -> str | None:
    """Say in a reader's words which check a map failed; None if none."""
    if p < threshold:
        return "the score is low: there is little for a map to show"
    if gain[0] <= gain[1:].max():
        return "parts of the film drawn at random matter as much for the score as the marked ones"
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


def _areas(values: np.ndarray, n_orders: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each order's deletion and insertion curve over the share of the film changed, 0 to 1.

    ``values`` are those of the film, of the blurred film, and of the films of both curves.
    """
    film, soft, *rest = values
    curves = np.reshape(rest, (2, n_orders, len(_SHARES)))
    at = [0.0, *_SHARES, 1.0]
    found = []
    for heights, start, end in ((curves[0], film, soft), (curves[1], soft, film)):
        ends = np.full((2, n_orders, 1), [[[start]], [[end]]])
        found.append(np.trapezoid(np.concatenate([ends[0], heights, ends[1]], axis=1), at, axis=1))
    return found[0], found[1]


def _blur(film: np.ndarray) -> np.ndarray:
    weights = _blur_weights(len(film))
    return np.asarray(np.clip(weights @ film @ weights.T, 0.0, 1.0))


@cache
def _blur_weights(size: int) -> np.ndarray:
    at = np.arange(size)
    weights = np.exp(-0.5 * ((at[:, None] - at) / (BLUR_SHARE * size)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _grow(masks: np.ndarray, size: int) -> np.ndarray:
    """Enlarge masks (n, side * side) to (n, size, size)."""
    side = round(masks.shape[1] ** 0.5)
    at = np.arange(size) * side // size
    return np.asarray(masks.reshape(-1, side, side)[:, at[:, None], at[None, :]])


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


def _share_out(model: FilmModel, film: np.ndarray, n_evaluations: int) -> tuple[float, float, np.ndarray]:
    """Return the score of the blurred film, that of the film, and the value of each part, shape (side, side)."""
    soft = _blur(film)

    def score(masks: np.ndarray) -> np.ndarray:
        return model.probability(np.where(_grow(masks, len(film)), film, soft))

    base, p, values = share_out(score, _SHAP_SIDE, n_evaluations)
    return base, p, values.reshape(_SHAP_SIDE, _SHAP_SIDE)


def share_out(
    score: Callable[[np.ndarray], np.ndarray], side: int, n_evaluations: int
) -> tuple[float, float, np.ndarray]:
    """Share a score out among the parts of a square, side x side, by Owen values over halves of halves.

    Parameters
    ----------
    score : callable
        Masks (n, side * side), True = shown -> scores (n,).
    side : int
        Parts along one side.
    n_evaluations : int
        About how many masks are scored; neighbourhoods that matter most are divided first.

    Returns
    -------
    base, full : float
        Score with nothing shown, and with all shown.
    values : array, shape (side * side,)
        ``base + values.sum() == full``.
    """
    nothing = np.zeros(side * side, dtype=bool)
    base, full = map(float, score(np.array([nothing, ~nothing])))
    values = np.zeros(side * side)
    ticket = count()
    waiting = [(0.0, next(ticket), _Node((0, 0, side, side), nothing, base, full, 1.0))]
    done = 2
    while waiting and done < n_evaluations:
        nodes = [heappop(waiting)[2] for _ in range(min(_NODES_AT_ONCE, len(waiting)))]
        divided = [node for node in nodes if not node.is_single]
        for node in nodes:
            if node.is_single:
                values[_fill(node.box, side)] += node.value
        if not divided:
            continue
        shown = np.array([node.shown | _fill(half, side) for node in divided for half in _halve(node.box)])
        scores = score(shown)
        done += len(shown)
        for k, node in enumerate(divided):
            for child in node.divide(shown[2 * k : 2 * k + 2], scores[2 * k : 2 * k + 2]):
                heappush(waiting, (-abs(child.value), next(ticket), child))
    for _, _, node in waiting:
        inside = _fill(node.box, side)
        values[inside] += node.value / inside.sum()
    return base, full, values


@dataclass(frozen=True, slots=True)
class _Node:
    """A box of parts whose worth is to be shared out: scores without and with it, on top of what is ``shown``."""

    box: _Box
    shown: np.ndarray
    low: float
    high: float
    weight: float

    @property
    def value(self) -> float:
        return self.weight * (self.high - self.low)

    @property
    def is_single(self) -> bool:
        return self.box[2] == self.box[3] == 1

    def divide(self, shown: np.ndarray, scores: np.ndarray) -> Iterator[_Node]:
        """Yield each half alone and on top of the other half, given the masks and scores with one half more."""
        for own, half in enumerate(_halve(self.box)):
            other = 1 - own
            yield _Node(half, self.shown, self.low, float(scores[own]), self.weight / 2.0)
            yield _Node(half, shown[other], float(scores[other]), self.high, self.weight / 2.0)


def _halve(box: _Box) -> tuple[_Box, _Box]:
    """Cut a box (top, left, height, width) across its longer side."""
    top, left, height, width = box
    if height >= width:
        half = (height + 1) // 2
        return (top, left, half, width), (top + half, left, height - half, width)
    half = (width + 1) // 2
    return (top, left, height, half), (top, left + half, height, width - half)


def _fill(box: _Box, side: int) -> np.ndarray:
    top, left, height, width = box
    mask = np.zeros((side, side), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask.ravel()
