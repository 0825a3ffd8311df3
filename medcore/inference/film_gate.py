"""Whether a film is one the model knows: a whole frontal chest, right way up, like the study's films.

Four things are measured on every film, each against summary statistics of the training films (means,
principal directions and spreads, weights of a linear rule; no film and nothing that equals one):

* *layout*: a 32 x 32 picture of it, freed of brightness and contrast, against the study's mean picture and
  principal directions (Tipping and Bishop, 1999);
* *texture*: how its power is spread over coarse and fine detail, its grey values and its symmetry;
* *features*: the network's last features, against the nearest class (Lee et al., 2018);
* *direction*: a linear rule that tells an upright film from the same film turned, upside down or inverted.

Each is brought to one scale on which the middle validation film is 0 and the limit is 1; the largest of the four is the
film's strangeness. Limits are set so that a chosen share of good validation films is withheld in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from medcore.errors import InputError, IntegrityError
from medcore.results import Reason

__all__ = [
    "CAUTION_CODES",
    "WITHHOLDING_CODES",
    "FilmGate",
    "GateRate",
    "fit_film_gate",
    "measure_gate",
]

WITHHOLDING_CODES = frozenset({"distance", "not_chest", "orientation", "inverted"})
"""Codes of reasons for which no score is given."""

CAUTION_CODES = frozenset({"unusual", "mirrored"})
"""Codes of reasons that go with a score."""

_THUMB = 32
_COARSE = 16
_LAYOUT_PARTS = 48
_FEATURE_PARTS = 64
_TEXTURE_FILMS = 1000
_BANDS = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0, 27.0, 40.0)
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_GREYS = 255
_LEAST_SD = 0.02
_RIDGE = 1e-3
_SHRINK = 0.02
_MIRROR_SHARE = 0.01
_NOT_CHEST = 1.5
_RIGHTED = 1.3
_MEASURES = ("layout", "texture", "features", "direction")
_GRID = np.linspace(0.0, 0.99, 100)
_TEXTS = {
    "left": "the film seems to lie on its side, its top to the left",
    "right": "the film seems to lie on its side, its top to the right",
    "down": "the film seems to be upside down",
    "inverted": "black and white seem to be exchanged",
}


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to put a film wrongly: turned to the left ``turns`` times, upended (top to bottom), inverted."""

    name: str
    turns: int = 0
    upended: bool = False
    inverted: bool = False

    def make(self, films: np.ndarray) -> np.ndarray:
        """Put upright films (n, size, size) wrongly."""
        return self._invert(np.rot90(films[:, ::-1] if self.upended else films, self.turns, (1, 2)))

    def undo(self, films: np.ndarray) -> np.ndarray:
        """Put films right again."""
        righted = np.rot90(self._invert(films), -self.turns, (1, 2))
        return righted[:, ::-1] if self.upended else righted

    def _invert(self, films: np.ndarray) -> np.ndarray:
        """Turn white to black; pictures around 0 change their sign."""
        return (1.0 if films.min(initial=0.0) >= 0.0 else 0.0) - films if self.inverted else films


_WRONG_WAYS = (
    _Way("left", turns=1),
    _Way("down", turns=2),
    _Way("right", turns=3),
    _Way("down", upended=True),
    *(_Way("inverted", turns=turns, inverted=True) for turns in range(4)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRate:
    """What the gate said about ``n`` films of one kind: shares (0-1) withheld and shown with caution."""

    n: int
    withheld: float
    caution: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmGate:
    """Summary statistics of the study's films, and the limits that go with them.

    Attributes
    ----------
    layout_mean, layout_axes, layout_spread : float arrays, shapes (1024,), (1024, q) and (q + 1,)
        Mean picture, principal directions, and the variances along them and (last) per remaining direction.
    texture_mean, texture_axes, texture_spread : float arrays
        The same for texture; all directions kept.
    feature_means : float array, shape (n_classes, d)
        Mean features of each class. ``feature_axes`` and ``feature_spread`` as for the layout, within classes.
    direction : float array, shape (257, 9)
        Linear rule on the coarse picture: upright first, then the wrong ways.
    mirror : float array, shape (257,)
        Linear rule; lower = more like a mirrored film. ``mirror_limit`` is its limit.
    middle, limit : float arrays, shape (4,)
        Median of each measure among good validation films, and the value beyond which a film is withheld.
    caution : float
        Strangeness (0 = middle, 1 = limit) above which a score carries a caution.
    quantiles : float array, shape (100,)
        Strangeness of good validation films: quantiles 0, .01, ... .99.
    """

    layout_mean: np.ndarray
    layout_axes: np.ndarray
    layout_spread: np.ndarray
    texture_mean: np.ndarray
    texture_axes: np.ndarray
    texture_spread: np.ndarray
    feature_means: np.ndarray
    feature_axes: np.ndarray
    feature_spread: np.ndarray
    direction: np.ndarray
    mirror: np.ndarray
    mirror_limit: float
    middle: np.ndarray
    limit: np.ndarray
    caution: float
    quantiles: np.ndarray

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return plain arrays for an ``.npz`` file."""
        return {item.name: np.asarray(getattr(self, item.name), dtype=np.float32) for item in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> FilmGate:
        """Rebuild from :meth:`to_arrays`.

        Raises
        ------
        IntegrityError
            An array is missing, of a shape that does not fit, or not finite.
        """
        try:
            found = {item.name: np.asarray(arrays[item.name], dtype=np.float64) for item in fields(cls)}
            numbers = {name: float(found.pop(name)) for name in ("mirror_limit", "caution")}
            gate = cls(**found, **numbers)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("the film gate of the bundle is incomplete") from error
        gate._check_shapes()
        return gate

    def reasons(self, features: np.ndarray, tensor: np.ndarray) -> tuple[Reason, ...]:
        """Judge one film: why its score must be withheld, or shown with caution; empty = neither.

        Parameters
        ----------
        features : float array, shape (d,)
            Penultimate features of the network.
        tensor : float array, shape (size, size)
            The film as the network sees it, 0..1.
        """
        return self.judge(np.asarray(features)[None], np.asarray(tensor)[None])[0]

    def judge(self, features: np.ndarray, tensors: np.ndarray) -> tuple[tuple[Reason, ...], ...]:
        """Judge many films, shapes (n, d) and (n, size, size), as :meth:`reasons`."""
        return self.examine(features, tensors)[0]

    def percentiles(self, features: np.ndarray, tensors: np.ndarray) -> np.ndarray:
        """Return the share (0-100) of good validation films that are less strange, shape (n,); at most 99."""
        return self.examine(features, tensors)[1]

    def examine(self, features: np.ndarray, tensors: np.ndarray) -> tuple[tuple[tuple[Reason, ...], ...], np.ndarray]:
        """Return :meth:`judge` and :meth:`percentiles` of the same films together."""
        tensors = np.asarray(tensors)
        thumbs = _thumbs(tensors)
        strange = self._strangeness(thumbs, features, tensors)
        mirrored = self._rule(self.mirror, thumbs) < self.mirror_limit
        percentiles = 100.0 * np.interp(strange.max(axis=1), self.quantiles, _GRID)
        reasons = tuple(self._reasons_of(strange[i], bool(mirrored[i]), tensors[i : i + 1]) for i in range(len(thumbs)))
        return reasons, percentiles

    def measure(self, features: np.ndarray, tensors: np.ndarray) -> dict[str, np.ndarray]:
        """Return each measure on the common scale (0 = middle film, 1 = limit), by name, each of shape (n,)."""
        strange = self._strangeness(_thumbs(tensors), features, tensors)
        return {name: strange[:, j] for j, name in enumerate(_MEASURES)}

    def _strangeness(self, thumbs: np.ndarray, features: np.ndarray, tensors: np.ndarray) -> np.ndarray:
        strange = (self._raw(thumbs, features, tensors) - self.middle) / (self.limit - self.middle)
        return np.asarray(np.nan_to_num(strange, nan=np.inf, posinf=np.inf))

    def _raw(self, thumbs: np.ndarray, features: np.ndarray, tensors: np.ndarray) -> np.ndarray:
        features = np.asarray(features, dtype=np.float64)
        if features.shape != (len(thumbs), self.feature_means.shape[1]):
            raise InputError(f"features of shape {features.shape} do not fit {len(thumbs)} films and this model")
        return np.column_stack(
            [
                self._layout(thumbs),
                self._texture_distance(tensors, thumbs),
                self._feature_distance(features),
                self._direction(thumbs),
            ]
        )

    def _layout(self, thumbs: np.ndarray) -> np.ndarray:
        return _distance(_flat(thumbs), self.layout_mean, self.layout_axes, self.layout_spread)

    def _texture_distance(self, tensors: np.ndarray, thumbs: np.ndarray) -> np.ndarray:
        return _distance(_texture(tensors, thumbs), self.texture_mean, self.texture_axes, self.texture_spread)

    def _feature_distance(self, features: np.ndarray) -> np.ndarray:
        per_class = [_distance(features, mean, self.feature_axes, self.feature_spread) for mean in self.feature_means]
        return np.asarray(np.min(per_class, axis=0))

    def _direction(self, thumbs: np.ndarray) -> np.ndarray:
        rule = self._rule(self.direction, thumbs)
        return np.asarray(rule[:, 1:].max(axis=1) - rule[:, 0])

    def _rule(self, weights: np.ndarray, thumbs: np.ndarray) -> np.ndarray:
        return np.asarray(_flat(_coarse(thumbs)) @ weights[:-1] + weights[-1])

    def _reasons_of(self, strange: np.ndarray, mirrored: bool, film: np.ndarray) -> tuple[Reason, ...]:
        """Word the findings about one film, shape (1, size, size)."""
        worst = float(strange.max())
        turned = self._wrong_way(film) if strange[3] > 1.0 else None
        reasons = []
        if worst > 1.0:
            reasons.append(turned or self._strange(worst))
        elif worst > self.caution:
            text = "an unusual film: almost all of the study's films are less so"
            reasons.append(Reason(code="unusual", text=text))
        if mirrored and turned is None and self._fits(film[:, :, ::-1]):
            text = "the film seems to be mirrored, or the heart lies on the right: check the side marker"
            reasons.append(Reason(code="mirrored", text=text))
        return tuple(reasons)

    def _wrong_way(self, film: np.ndarray) -> Reason | None:
        """Say how the film is turned, if turned back it would look like one of the study's; else None."""
        way = _WRONG_WAYS[int(self._rule(self.direction, _thumbs(film))[0, 1:].argmax())]
        if not self._fits(way.undo(film)):
            return None
        return Reason(code="inverted" if way.inverted else "orientation", text=_TEXTS[way.name])

    def _fits(self, film: np.ndarray) -> bool:
        """Whether a film, shape (1, size, size), looks like one of the study's, whatever the network says."""
        thumb = _thumbs(film)
        look = np.array([self._layout(thumb)[0], self._texture_distance(film, thumb)[0]])
        return bool(((look - self.middle[:2]) / (self.limit - self.middle)[:2] <= _RIGHTED).all())

    @staticmethod
    def _strange(worst: float) -> Reason:
        if worst > _NOT_CHEST:
            return Reason(code="not_chest", text="this does not look like a whole frontal chest film")
        return Reason(code="distance", text="less like the study's films than almost all of them are")

    def _check_shapes(self) -> None:
        d = self.feature_means.shape[-1]
        n_texture = len(_QUANTILES) + len(_BANDS)
        expected = {
            "layout_mean": (_THUMB**2,),
            "layout_axes": (_THUMB**2, len(self.layout_spread) - 1),
            "texture_mean": (n_texture,),
            "texture_axes": (n_texture, n_texture),
            "texture_spread": (n_texture + 1,),
            "feature_means": (len(self.feature_means), d),
            "feature_axes": (d, len(self.feature_spread) - 1),
            "direction": (_COARSE**2 + 1, len(_WRONG_WAYS) + 1),
            "mirror": (_COARSE**2 + 1,),
            "middle": (len(_MEASURES),),
            "limit": (len(_MEASURES),),
            "quantiles": (len(_GRID),),
        }
        wrong = [name for name, shape in expected.items() if np.shape(getattr(self, name)) != shape]
        finite = all(np.isfinite(getattr(self, item.name)).all() for item in fields(self))
        spreads = (self.layout_spread, self.texture_spread, self.feature_spread)
        if wrong or not finite or any((spread <= 0).any() for spread in spreads):
            raise IntegrityError(f"the film gate of the bundle does not fit together: {', '.join(wrong)}")
        if not (self.limit > self.middle).all() or (np.diff(self.quantiles) < 0).any():
            raise IntegrityError("the limits of the film gate are not in order")


def fit_film_gate(
    features: np.ndarray,
    tensors: np.ndarray,
    y: np.ndarray,
    *,
    validation_features: np.ndarray,
    validation_tensors: np.ndarray,
    withhold: float = 0.025,
    caution: float = 0.03,
) -> FilmGate:
    """Fit the statistics on training films and set the limits on validation films.

    Parameters
    ----------
    features, tensors, y : arrays, shapes (n, d), (n, size, size) and (n,)
        Training films: penultimate features, pictures 0..1, class.
    validation_features, validation_tensors : arrays
        Good films of other patients.
    withhold, caution : float
        Shares of the validation films to be withheld, and to be shown with caution, in all.

    Raises
    ------
    InputError
        Shapes do not fit, or there are too few films.
    """
    thumbs = _thumbs(tensors)
    features, y = np.asarray(features, dtype=np.float64), np.asarray(y)
    if features.ndim != 2 or len(features) != len(thumbs) or y.shape != (len(thumbs),) or len(thumbs) < 50:
        raise InputError(f"a film gate cannot be fitted on {len(thumbs)} films and features of shape {features.shape}")
    classes, index = np.unique(y, return_inverse=True)
    means = np.array([features[y == c].mean(axis=0) for c in classes])
    layout = _principal(_flat(thumbs), _LAYOUT_PARTS)
    some = np.asarray(tensors)[:: max(1, len(thumbs) // _TEXTURE_FILMS)]
    texture = _principal(np.concatenate([_texture(part, _thumbs(part)) for part in _copies(some)]), None)
    within = _principal(features - means[index], _FEATURE_PARTS)
    n = len(_MEASURES)
    draft = FilmGate(
        layout_mean=layout[0],
        layout_axes=layout[1],
        layout_spread=layout[2],
        texture_mean=texture[0],
        texture_axes=texture[1],
        texture_spread=texture[2],
        feature_means=means,
        feature_axes=within[1],
        feature_spread=within[2],
        direction=_fit_rule(thumbs, [way.make for way in _WRONG_WAYS]),
        mirror=_fit_rule(thumbs, [lambda a: a[:, :, ::-1]]) @ [1.0, -1.0],
        mirror_limit=0.0,
        middle=np.zeros(n),
        limit=np.ones(n),
        caution=1.0,
        quantiles=np.zeros(len(_GRID)),
    )
    return _set_limits(draft, validation_features, validation_tensors, withhold, caution)


def measure_gate(gate: FilmGate, kinds: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, GateRate]:
    """Return what the gate says about each kind of film, given as (features, tensors)."""
    rates = {}
    for kind, (features, tensors) in kinds.items():
        codes = [{reason.code for reason in reasons} for reasons in gate.judge(features, tensors)]
        withheld = [bool(found & WITHHOLDING_CODES) for found in codes]
        caution = [bool(found) and not hidden for found, hidden in zip(codes, withheld, strict=True)]
        rates[kind] = GateRate(n=len(codes), withheld=float(np.mean(withheld)), caution=float(np.mean(caution)))
    return rates


def _set_limits(gate: FilmGate, features: np.ndarray, tensors: np.ndarray, withhold: float, caution: float) -> FilmGate:
    thumbs = _thumbs(tensors)
    raw = gate._raw(thumbs, features, tensors)
    middle = np.median(raw, axis=0)
    low, high = 1.0 - withhold, 1.0
    for _ in range(30):  # one and the same quantile of every measure, so that all together withhold the wanted share
        share = (low + high) / 2.0
        if (raw > np.quantile(raw, share, axis=0)).any(axis=1).mean() > withhold:
            low = share
        else:
            high = share
    limit = np.maximum(np.quantile(raw, high, axis=0), middle + 1e-6)
    worst = ((raw - middle) / (limit - middle)).max(axis=1)
    values = {item.name: getattr(gate, item.name) for item in fields(gate)}
    return FilmGate(
        **{
            **values,
            "middle": middle,
            "limit": limit,
            "caution": min(1.0, float(np.quantile(worst, 1.0 - withhold - caution))),
            "quantiles": np.quantile(worst, _GRID),
            "mirror_limit": float(np.quantile(gate._rule(gate.mirror, thumbs), _MIRROR_SHARE)),
        }
    )


def _thumbs(tensors: np.ndarray) -> np.ndarray:
    """Return 32 x 32 pictures with mean 0 and spread 1, shape (n, 32, 32), of films (n, size, size)."""
    tensors = np.asarray(tensors)
    size = tensors.shape[-1]
    if tensors.ndim != 3 or tensors.shape[1] != size or size % _THUMB or not size:
        raise InputError(f"films for the gate have shape {tensors.shape}, expected (n, size, size)")
    blocks = tensors.reshape(len(tensors), _THUMB, size // _THUMB, _THUMB, size // _THUMB)
    return _standardise(blocks.mean(axis=(2, 4), dtype=np.float64))


def _coarse(thumbs: np.ndarray) -> np.ndarray:
    step = _THUMB // _COARSE
    return _standardise(thumbs.reshape(len(thumbs), _COARSE, step, _COARSE, step).mean(axis=(2, 4)), least=1e-6)


def _standardise(pictures: np.ndarray, least: float = _LEAST_SD) -> np.ndarray:
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), least))


def _flat(pictures: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pictures).reshape(len(pictures), -1)


def _texture(tensors: np.ndarray, thumbs: np.ndarray) -> np.ndarray:
    """Return grey-value quantiles, symmetry and the log share of power in each ring of spatial frequency.

    Rings end at 40 cycles per film: finer detail depends on how a file was made smaller or compressed.
    """
    tensors = np.asarray(tensors, dtype=np.float32)
    symmetry = (thumbs * thumbs[:, :, ::-1]).mean(axis=(1, 2))
    window, ring = _rings(tensors.shape[-1])
    grey = np.empty((len(tensors), len(_QUANTILES)))
    power = np.empty((len(tensors), len(_BANDS) - 1))
    for i, film in enumerate(tensors):
        counts = np.bincount((film * _GREYS + 0.5).astype(np.int64).ravel(), minlength=_GREYS + 1)
        grey[i] = np.searchsorted(counts.cumsum(), np.multiply(_QUANTILES, film.size)) / _GREYS
        found = np.abs(np.fft.rfft2((film - film.mean()) * window)) ** 2
        power[i] = np.bincount(ring, found.ravel(), minlength=len(_BANDS) + 1)[1:-1]
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-9)
    return np.column_stack([grey, symmetry, np.log(share + 1e-7)])


@cache
def _rings(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Hann window (size, size) and the ring of each frequency of a real transform, flattened."""
    taper = np.hanning(size)
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(size) * size, np.fft.fftfreq(size) * size))
    return np.outer(taper, taper).astype(np.float32), np.digitize(frequency, _BANDS).ravel()


def _copies(tensors: np.ndarray) -> Iterator[np.ndarray]:
    """Return the films, and the same films a little flatter, brighter, darker or softer: still good films."""
    tensors = np.asarray(tensors, dtype=np.float32)
    soft = tensors.copy()
    soft[:, 1:-1, 1:-1] = (
        tensors[:, :-2, 1:-1] + tensors[:, 2:, 1:-1] + tensors[:, 1:-1, :-2] + tensors[:, 1:-1, 2:]
    ) / 8.0 + tensors[:, 1:-1, 1:-1] / 2.0
    yield tensors
    yield tensors**0.8
    yield tensors**1.25
    yield 0.8 * tensors + 0.1
    yield soft


def _principal(rows: np.ndarray, keep: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, principal directions, and the variances along them and (last) of each remaining direction."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    variance, axes = np.linalg.eigh(centred.T @ centred / len(rows))
    variance, axes = variance[::-1], axes[:, ::-1]
    variance = (1.0 - _SHRINK) * variance + _SHRINK * max(float(variance.mean()), 1e-12)
    kept = len(variance) if keep is None else min(keep, len(variance) - 1, len(rows) // 4)
    rest = variance[kept:].mean() if kept < len(variance) else variance[-1]
    return mean, axes[:, :kept], np.append(variance[:kept], rest)


def _distance(rows: np.ndarray, mean: np.ndarray, axes: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Squared distance in units of the spread, per dimension; the cube root draws its long tail in."""
    centred = rows - mean
    along = centred @ axes
    rest = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0.0) / spread[-1]
    inside = (along**2 / spread[:-1]).sum(axis=1)
    return np.asarray(np.cbrt((inside + rest) / rows.shape[1]))


def _fit_rule(thumbs: np.ndarray, ways: Sequence[Callable[[np.ndarray], np.ndarray]]) -> np.ndarray:
    """Ridge regression of 'which way' on coarse pictures: weights (257, 1 + n_ways), the constant last."""
    coarse = _coarse(thumbs)
    pictures = np.concatenate([_flat(way(coarse)) for way in [lambda a: a, *ways]])
    design = np.column_stack([pictures, np.ones(len(pictures))])
    target = np.repeat(np.eye(len(ways) + 1), len(thumbs), axis=0)
    penalty = _RIDGE * len(design) * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ target))
