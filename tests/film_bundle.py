"""Made-up films for tests: phantoms as different as films of one study are, healthy or with opacities."""

from dataclasses import dataclass

import numpy as np

from medcore.imaging.phantom import make_phantom
from medcore.imaging.squash import film_tensor, squash

CLASSES, POSITIVE = ("normal", "bacterial", "viral"), ("bacterial", "viral")
SIZE = 224


@dataclass(frozen=True, kw_only=True)
class Films:
    """Tensors (n, 224, 224), classes (n,), and where the opacity of each film is (row, column, radius), 0..1."""

    tensors: np.ndarray
    y: np.ndarray
    spots: np.ndarray


def draw_films(n, seed, *, y=None):
    """Draw films: another trunk, crop, exposure, veil and grain each; class 1 has one opacity, class 2 many specks."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n) if y is None else np.full(n, y)
    spots = np.column_stack([rng.uniform(0.35, 0.6, n), rng.choice([0.28, 0.72], n), rng.uniform(0.09, 0.13, n)])
    films = np.array([_draw(rng, seed * 100_000 + i, int(y[i]), spots[i]) for i in range(n)])
    return Films(tensors=films, y=y, spots=spots)


def _draw(rng, seed, kind, spot):
    base = film_tensor(make_phantom(seed, 150, 128), 160)
    top, bottom, left, right = rng.integers(0, 10, 4)
    base = squash(base[top : 160 - bottom, left : 160 - right])
    veil = squash(rng.normal(size=(4, 4)).astype(np.float32))
    film = base ** rng.uniform(0.8, 1.25) + 0.05 * veil + rng.normal(0, 0.02, base.shape)
    if kind == 1:
        film = film + rng.uniform(0.3, 0.4) * _spot(*spot)
    if kind == 2:
        specks = squash(rng.normal(size=(28, 28)).astype(np.float32)).clip(0, None)
        film = film + 0.35 * specks * (_spot(0.45, 0.28, 0.2) + _spot(0.45, 0.72, 0.2))
    return np.clip(film, 0, 1).astype(np.float32)


def _spot(row, column, radius):
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    return np.exp(-(((y - row) ** 2 + (x - column) ** 2) / (2 * (radius / 1.5) ** 2)))
