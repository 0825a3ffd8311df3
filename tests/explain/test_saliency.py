"""Heat maps and SHAP values of films: checked against finite differences, the shap package and planted opacities."""

import math
from itertools import permutations

import numpy as np
import pytest
from film_bundle import MODEL_ID, draw_films

from medcore.errors import ExplanationError, InputError
from medcore.explain import saliency
from medcore.explain.saliency import FilmExplainer, explain_film, explain_film_shap, share_out
from medcore.inference.film_model import FilmModel
from medcore.registry import open_bundle


@pytest.fixture(scope="module")
def model(film_models):
    return FilmModel.load(open_bundle(film_models / MODEL_ID))


@pytest.fixture(scope="module")
def explainer(model):
    return FilmExplainer(model)


@pytest.fixture(scope="module")
def sick():
    """Films with one opacity each, at a known place."""
    return draw_films(30, 401, y=1)


@pytest.fixture(scope="module")
def maps(explainer, sick):
    return [explainer.heat_map(film) for film in sick.tensors]


def test_the_gradient_is_that_of_finite_differences(model, explainer, sick):
    network, calibrator = model.network, model.calibrator
    maps = network(sick.tensors[:1]).maps
    cells = explainer._cells(maps)
    step = 1e-2
    for row, column in ((1, 2), (3, 4), (5, 5)):
        scores = []
        for sign in (1, -1):
            moved = maps.copy()
            moved[0, row, column] *= 1 + sign * step
            scores.append(calibrator.score(np.asarray(network.head(moved)))[0])
        assert cells[row, column] == pytest.approx((scores[0] - scores[1]) / (2 * step), abs=2e-3)


def test_a_planted_opacity_is_found(maps, sick):
    found = []
    for item, (row, column, radius) in zip(maps, sick.spots, strict=True):
        grid = np.array(item.grid)
        top = np.unravel_index(grid.argmax(), grid.shape)
        at = (np.array(top) + 0.5) / grid.shape
        found.append(math.hypot(at[0] - row, at[1] - column) < radius + 0.15)
    assert np.mean(found) >= 0.6  # a place drawn at random is that near in one of six


def test_the_grid_is_a_share_of_the_strongest_part(maps):
    for item in maps:
        grid = np.array(item.grid)
        assert grid.shape == (7, 7)
        assert grid.min() >= 0
        assert grid.max() == pytest.approx(1.0)


def test_figures_are_probabilities_and_the_score_is_the_models(maps, model, sick):
    np.testing.assert_allclose([item.p_calibrated for item in maps], model.probability(sick.tensors), atol=1e-6)
    for item in maps:
        parts = (item.deletion, item.insertion, item.deletion_random, item.insertion_random, item.randomised_similarity)
        assert all(0 <= part <= 1 for part in parts)
        assert item.reliable == (item.reason is None)
        assert (item.method, item.sha256, item.base) == ("hirescam", model.sha256, None)


def test_the_same_film_has_the_same_map(explainer, sick, maps):
    assert explainer.heat_map(sick.tensors[3]) == maps[3]


def test_a_low_score_has_no_map_to_trust(explainer):
    healthy = draw_films(4, 402, y=0).tensors
    found = [item for item in map(explainer.heat_map, healthy) if item.p_calibrated < 0.5]
    assert found
    assert all(item.reason.startswith("the score is low") and not item.reliable for item in found)


def test_a_map_that_marks_anything_else_fails_its_checks(explainer, sick, monkeypatch):
    cells, rng = explainer._cells, np.random.default_rng(0)

    class Shuffled:
        def __call__(self, maps):
            return rng.permutation(cells(maps).ravel()).reshape(7, 7)

        def similarity(self, *_):
            return 0.0

    monkeypatch.setattr(explainer, "_cells", Shuffled())
    reliable = [explainer.heat_map(film).reliable for film in sick.tensors[:15]]
    assert np.mean(reliable) <= 0.5


def test_a_map_that_is_the_same_with_random_weights_fails_its_check(explainer, sick, maps, monkeypatch):
    good = next(i for i, item in enumerate(maps) if item.reliable)
    monkeypatch.setattr(explainer._cells, "similarity", lambda *_: 0.9)
    item = explainer.heat_map(sick.tensors[good])
    assert not item.reliable
    assert "random weights" in item.reason


@pytest.mark.parametrize("error", [ValueError, MemoryError, RuntimeError])
def test_whatever_fails_is_an_explanation_error(explainer, sick, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(saliency, "_blur", fail)
    for explain in (explainer.heat_map, explainer.shap):
        with pytest.raises(ExplanationError, match="the score stands"):
            explain(sick.tensors[0])


def test_a_film_of_another_size_is_refused(model):
    with pytest.raises(InputError, match="expects"):
        explain_film(model, np.zeros((50, 50)))
    with pytest.raises(InputError, match="expects"):
        explain_film_shap(model, np.zeros((50, 50)))


# SHAP


def test_shap_values_add_up_to_the_score(explainer, sick, model):
    for film in sick.tensors[:3]:
        item = explainer.shap(film, n_evaluations=120)
        assert item.method == "shap"
        assert item.base + np.sum(item.grid) == pytest.approx(item.p_calibrated, abs=1e-4)
        assert item.p_calibrated == pytest.approx(model.probability(film[None])[0], abs=1e-6)
        assert item.base == pytest.approx(model.probability(saliency._blur(film)[None])[0], abs=1e-6)


def set_function(side, seed):
    """A score of masks with effects of single parts and of pairs."""
    rng = np.random.default_rng(seed)
    single, pairs = rng.normal(size=side * side), rng.normal(size=(side * side, side * side)) / side

    def score(masks):
        shown = np.asarray(masks, dtype=float)
        return 0.3 + shown @ single + np.einsum("ni,ij,nj->n", shown, pairs, shown)

    return score


def test_four_parts_have_the_owen_values_of_all_orders():
    score = set_function(2, 1)
    base, full, values = share_out(score, 2, 10_000)
    expected = np.zeros(4)
    orders = [order for order in permutations(range(4)) if {order[0], order[1]} in ({0, 1}, {2, 3})]
    for order in orders:  # halves of a half stay together
        shown = np.zeros((1, 4), dtype=bool)
        for part in order:
            before = score(shown)[0]
            shown[0, part] = True
            expected[part] += (score(shown)[0] - before) / len(orders)
    np.testing.assert_allclose(values, expected)
    assert base + values.sum() == pytest.approx(full)


def test_the_values_are_those_of_the_shap_package():
    import shap

    side = 4
    score = set_function(side, 2)
    masker = shap.maskers.Partition(np.zeros((1, side * side)), clustering=linkage_of(side))
    found = shap.PartitionExplainer(score, masker)(np.ones((1, side * side)), max_evals=5000, silent=True)
    base, _, values = share_out(score, side, 5000)
    assert base == pytest.approx(float(np.ravel(found.base_values)[0]))
    np.testing.assert_allclose(values, found.values[0], atol=1e-9)


def linkage_of(side):
    """The tree of halves as a linkage matrix: left child, right child, height, number of parts."""
    rows = []

    def join(box):
        if box[2] == box[3] == 1:
            return box[0] * side + box[1], 1
        (first, n), (second, m) = (join(half) for half in saliency._halve(box))
        rows.append([first, second, float(n + m), float(n + m)])
        return side * side + len(rows) - 1, n + m

    join((0, 0, side, side))
    return np.array(rows)


@pytest.mark.parametrize("n_evaluations", [2, 20, 100, 100_000])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_values_add_up_however_early_the_work_ends(side, n_evaluations):
    base, full, values = share_out(set_function(side, 3), side, n_evaluations)
    assert base + values.sum() == pytest.approx(full)


def test_the_work_ends_soon_after_the_evaluations_asked_for():
    counts = []

    def score(masks):
        counts.append(len(masks))
        return set_function(8, 4)(masks)

    share_out(score, 8, 200)
    assert 200 <= sum(counts) <= 220


def test_a_single_part_that_matters_is_found():
    def score(masks):
        return 0.1 + 0.8 * masks[:, 19]

    _, _, values = share_out(score, 8, 150)
    assert values.argmax() == 19
    assert values[19] == pytest.approx(0.8)
