"""Summaries of many explanations against hand calculation and against patterns put in on purpose."""

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.explain.global_shap import find_interactions, mean_contributions, rank_distance, shuffle_weights
from medcore.explain.groups import find_groups


def test_mean_contributions_and_their_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(0, [0.1, 0.02], (400, 2))
    found = mean_contributions(values)
    assert found.value == pytest.approx(np.abs(values).mean(axis=0))
    half = 1.96 * np.abs(values).std(axis=0, ddof=1) / 20
    assert found.hi - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.lo == pytest.approx(half, rel=0.15)


def test_interval_of_the_mean_covers():
    rng = np.random.default_rng(1)
    truth = 0.1 * np.sqrt(2 / np.pi)
    held = 0
    for seed in range(200):
        found = mean_contributions(rng.normal(0, 0.1, (150, 1)), n_resamples=300, seed=seed)
        held += found.lo[0] <= truth <= found.hi[0]
    assert held >= 178


def test_a_product_is_found_and_sums_are_not():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(500, 4))
    values = np.column_stack(
        [0.1 * X[:, 0] + 0.02 * X[:, 0] * X[:, 1], 0.02 * X[:, 0] * X[:, 1], np.tanh(X[:, 2]) / 10, 0.05 * X[:, 3] ** 2]
    )
    joint = find_interactions(X, values, np.zeros(4, dtype=bool))
    assert joint == pytest.approx(joint.T)
    assert np.unravel_index(joint.argmax(), joint.shape) in ((0, 1), (1, 0))
    assert 0.02 < joint[0, 1] < 0.05  # each half has a root mean square of .02
    others = joint.copy()
    others[0, 1] = others[1, 0] = 0
    assert others.max() < 0.25 * joint[0, 1]


def test_noise_is_no_interaction_and_correlation_alone_is_none():
    rng = np.random.default_rng(3)
    first = rng.normal(size=500)
    X = np.column_stack([first, first + 0.3 * rng.normal(size=500), rng.integers(0, 3, 500)])
    values = np.column_stack([0.1 * np.sin(2 * first), 0.05 * X[:, 1], 0.03 * (X[:, 2] - 1)])
    values += rng.normal(0, 0.002, values.shape)
    joint = find_interactions(X, values, np.array([False, False, True]))
    assert joint.max() < 0.006


def test_interactions_with_blanks_and_codes():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.integers(0, 2, 400).astype(float), rng.normal(size=400), np.full(400, np.nan)])
    X[:40, 1] = np.nan
    both = 0.03 * (X[:, 0] - 0.5) * np.nan_to_num(X[:, 1])
    joint = find_interactions(X, np.column_stack([both, both, np.zeros(400)]), np.array([True, False, False]))
    assert joint[0, 1] > 0.015
    assert np.isfinite(joint).all()
    assert joint[2].max() < 1e-9 + joint[0, 1] / 4


def test_too_few_patients_or_shapes_that_differ_are_refused():
    with pytest.raises(InputError, match="60 patients"):
        find_interactions(np.zeros((10, 2)), np.zeros((10, 2)), np.zeros(2, dtype=bool))
    with pytest.raises(InputError, match="one contribution"):
        find_interactions(np.zeros((70, 3)), np.zeros((70, 2)), np.zeros(2, dtype=bool))
    with pytest.raises(InputError, match="finite numbers"):
        mean_contributions(np.array([[np.nan]]))


def test_shuffled_weights():
    found = shuffle_weights(np.array([[0.1, 0.0], [0.2, 0.0]]))
    assert found.value == pytest.approx([0.15, 0.0])
    assert found.hi[0] == pytest.approx(0.15 + 12.706 * 0.0707107 / np.sqrt(2), rel=1e-3)
    assert shuffle_weights(np.array([[0.1]])).lo == pytest.approx([0.1])


def test_rank_distance_counts_places():
    assert rank_distance(np.array([0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.3])).tolist() == [2, 0, -2]


def test_groups_that_were_put_in_are_found():
    rng = np.random.default_rng(5)
    centers = np.array([[0.2, 0, 0], [-0.2, 0.1, 0], [0, -0.3, 0.1]])
    truth = rng.integers(0, 3, 300)
    found = find_groups(centers[truth] + rng.normal(0, 0.02, (300, 3)))
    assert found.n_groups == 3
    assert found.silhouette > 0.7
    for g in range(3):
        assert len(set(found.label[truth == g])) == 1
    sums = [(centers[truth[found.label == g][0]]).sum() for g in range(3)]
    assert sums == sorted(sums, reverse=True)


def test_silhouette_equals_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    values = np.random.default_rng(6).normal(size=(200, 4))
    found = find_groups(values)
    assert found.silhouette == pytest.approx(metrics.silhouette_score(values, found.label), abs=1e-6)


def test_groups_need_patients_who_differ():
    with pytest.raises(InputError, match="20 patients"):
        find_groups(np.zeros((5, 2)))
    with pytest.raises(InputError, match="the same"):
        find_groups(np.ones((50, 2)))
