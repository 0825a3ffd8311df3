"""Small scores with known behaviour, and Shapley values by their definition."""

from itertools import combinations
from math import factorial

import numpy as np
from scipy.special import expit


class Network:
    """A random one-hidden-layer network, as a plain score and as a fieldwise one. Blank counts as 0."""

    def __init__(self, n_fields, rng, width=16, steepness=1.5):
        self.first = rng.normal(size=(n_fields, width)).astype(np.float32)
        self.bias = rng.normal(size=width).astype(np.float32)
        self.last = rng.normal(size=width).astype(np.float32) * steepness / np.sqrt(width * n_fields)

    def field_terms(self, X):
        return np.nan_to_num(np.asarray(X, dtype=np.float32))[:, :, None] * self.first

    def finish(self, rest, own):
        return expit(np.maximum(rest + own[:, None] + self.bias, 0.0) @ self.last)

    def plain(self, X):
        return self.finish(np.nan_to_num(np.asarray(X, dtype=np.float32))[:, None] @ self.first, np.float32([0.0]))[
            :, 0
        ]


def tangled(X):
    """Interactions of two and three fields; the last field is never looked at."""
    X = np.nan_to_num(np.asarray(X, dtype=np.float64))
    return expit(X[:, 0] * X[:, 1] - np.tanh(X[:, 0] * X[:, 2] * X[:, 1]) + 0.5 * X[:, 2])


def brute_force(score, row, rows, weights):
    """Shapley values by the sum over all orders (Shapley 1953)."""
    n_fields = len(row)

    def value(members):
        masked = np.array(rows, dtype=np.float64)
        masked[:, list(members)] = row[list(members)]
        return float(score(masked) @ weights)

    out = np.zeros(n_fields)
    for field in range(n_fields):
        others = [index for index in range(n_fields) if index != field]
        for size in range(n_fields):
            share = factorial(size) * factorial(n_fields - size - 1) / factorial(n_fields)
            for members in combinations(others, size):
                out[field] += share * (value((*members, field)) - value(members))
    return out
