"""Made-up cohorts with known properties, shared by the tests of the evaluation room."""

from __future__ import annotations

import numpy as np
import pytest


def draw_cohort(n: int, *, seed: int = 0, slope: float = 0.8, shift: float = 0.3, decimals: int | None = None):
    """Outcomes follow logit(P) = shift + slope * x; the model reports p = expit(x)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-1.0, 1.2, n)
    y = rng.random(n) < 1.0 / (1.0 + np.exp(-(shift + slope * x)))
    p = 1.0 / (1.0 + np.exp(-x))
    return y.astype(int), p if decimals is None else np.round(p, decimals)


@pytest.fixture(params=[None, 1], ids=["continuous", "tied"])
def cohort(request):
    """Four hundred patients; with ``tied`` only eleven distinct probabilities occur."""
    return draw_cohort(400, seed=11, decimals=request.param)


@pytest.fixture
def make_cohort():
    """The cohort generator itself."""
    return draw_cohort


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(20240517)
