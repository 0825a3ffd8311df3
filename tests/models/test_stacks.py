"""Stacked training: each member learns as if it were alone, and what ships gives what was trained."""

from dataclasses import replace

import numpy as np
import pytest
from bundles_fixture import CONDITION, make_recipes, make_table

from medcore.conditions.catalog import find_condition
from medcore.encoding import Encoding
from medcore.models.learners import LearningRows
from medcore.models.stacks import NetworkPlan, SchedulePlan, release, train_stack

TABLE = make_table()
ENCODING = Encoding.of(find_condition(CONDITION).schema)
N = len(TABLE.y)
SCHEDULE = SchedulePlan(epochs=3, batch_size=64, learning_rate=1e-2, weight_decay=0.1)


def make_weights():
    rng = np.random.default_rng(2)
    weights = rng.multinomial(N, np.full(N, 1 / N), size=3).astype(float)
    weights[0, :100] = 0.0
    return weights


def train(plan, weights, *, y=TABLE.y, X=TABLE.X, rates=0.0, schedule=SCHEDULE):
    mask = np.full(X.shape[1], rates)
    return train_stack(plan, schedule, ENCODING, X, y.astype(float), weights, mask_rates=mask, seed=4)


PLANS = {
    "mlp": NetworkPlan(kind="mlp", hidden=(6, 4), dropout=0.0),
    "attention": NetworkPlan(kind="attention", width=4, dropout=0.0),
}


@pytest.fixture(scope="module", params=list(PLANS))
def stack(request):
    return train(PLANS[request.param], make_weights())


def test_the_released_model_gives_the_logits_of_the_training_form(stack):
    from medcore.models.stacks import _build_network

    network = _build_network(stack.plan, 3, ENCODING)
    for layer in network.layers:
        if layer.name in stack.weights:
            layer.set_weights(stack.weights[layer.name])
    value, observed = ENCODING.encode(TABLE.X), ENCODING.observed(TABLE.X)
    columns = (value[None] - stack.mean[:, None]) / stack.spread[:, None] * observed[None]
    expected = np.asarray(network(columns.astype(np.float32)))
    np.testing.assert_allclose(stack.scores(TABLE.X), expected, atol=2e-3)


def test_release_picks_the_members_asked_for(stack):
    scores = stack.scores(TABLE.X[:50])
    main, refits = release(stack, np.array([2, 0]), np.array([1]))(TABLE.X[:50].astype(np.float32))
    np.testing.assert_allclose(np.asarray(main), scores[:, [2, 0]], atol=1e-4)
    np.testing.assert_allclose(np.asarray(refits), scores[:, [1]], atol=1e-4)


def test_members_are_standardised_by_their_own_rows(stack):
    weights = make_weights()
    column = ENCODING.slices()[0].start
    values = TABLE.X[:, 0]
    known = ~np.isnan(values)
    for member, weight in enumerate(weights):
        expected = np.average(values[known], weights=weight[known])
        assert stack.mean[member, column] == pytest.approx(expected)


def test_rows_held_out_from_all_teach_nobody():
    weights = make_weights()
    weights[:, :60] = 0.0
    changed, y = TABLE.X.copy(), TABLE.y.copy()
    changed[:60], y[:60] = 1.0, 1 - y[:60]
    one = train(PLANS["mlp"], weights)
    other = train(PLANS["mlp"], weights, X=changed, y=y)
    for name, parts in one.weights.items():
        for a, b in zip(parts, other.weights[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_row_held_out_from_one_member_does_not_teach_it():
    weights = make_weights()
    y = TABLE.y.copy()
    y[:100] = 1 - y[:100]
    one, other = train(PLANS["mlp"], weights).scores(TABLE.X), train(PLANS["mlp"], weights, y=y).scores(TABLE.X)
    np.testing.assert_allclose(one[:, 0], other[:, 0], atol=1e-5)
    assert np.abs(one[:, 1:] - other[:, 1:]).max() > 1e-2


def test_a_member_in_a_stack_learns_as_well_as_alone():
    """Same rows and weights; the initial weights differ, so the level of the loss is compared."""
    weights = np.ones((3, N))
    schedule = replace(SCHEDULE, epochs=25)

    def losses(scores):
        return np.mean(np.logaddexp(0.0, -(2 * TABLE.y[:, None] - 1) * scores), axis=0)

    together = losses(train(PLANS["mlp"], weights, schedule=schedule).scores(TABLE.X))
    alone = losses(train(PLANS["mlp"], weights[:1], schedule=schedule).scores(TABLE.X))
    assert np.ptp(together) < 0.05
    assert alone[0] == pytest.approx(together.mean(), abs=0.05)
    assert together.max() < np.log(2.0) - 0.05


def test_masking_and_soft_targets_are_learnt():
    schedule = replace(SCHEDULE, epochs=30, mask_all_share=0.5, learning_rate=2e-2)
    soft = 0.5 * TABLE.y + 0.4
    scores = train(PLANS["mlp"], np.ones((2, N)), y=soft, rates=0.4, schedule=schedule).scores(TABLE.X)
    assert np.isfinite(scores).all()
    assert 1 / (1 + np.exp(-scores.mean())) == pytest.approx(soft.mean(), abs=0.06)


def test_held_out_picks_the_member_that_did_not_see_the_row():
    folds = np.array([[0, 1, 2, 0, 1], [2, 2, 0, 1, 0]])
    rows = LearningRows(
        encoding=ENCODING,
        X=TABLE.X[:5],
        target=np.ones(5),
        weight=np.array([1.0, 1.0, 1.0, 1.0, 0.5]),
        folds=folds,
        refit_counts=np.ones((2, 5)),
        mask_rates=np.zeros(3),
        seed=0,
    )
    assert rows.members == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    scores = np.arange(30.0).reshape(5, 6)
    assert rows.held_out(scores).tolist() == [[0, 7, 14, 18, 25], [5, 11, 15, 22, 27]]
    weights = rows.member_weights()
    for member, (repeat, fold) in enumerate(rows.members):
        assert ((weights[member] == 0) == (folds[repeat] == fold)).all()
    assert rows.refit_weights().tolist() == [[1, 1, 1, 1, 0.5]] * 2


@pytest.mark.parametrize("name", ["logistic", "forest", "svm"])
def test_held_out_scores_do_not_depend_on_the_rows_own_outcome(name):
    from medcore.models.learners import learn
    from medcore.services.training.training import make_rows

    recipe = replace(make_recipes()[name], repeats=1)
    rows = make_rows(find_condition(CONDITION), TABLE, recipe, 0, n_refits=1)
    row = 17
    target = rows.target.copy()
    target[row] = 1 - target[row]
    one = learn(recipe, rows).held_out_scores(TABLE.X)
    other = learn(recipe, replace(rows, target=target)).held_out_scores(TABLE.X)
    same = rows.folds[0] == rows.folds[0][row]
    np.testing.assert_allclose(one[0, same], other[0, same], atol=1e-9)
    assert np.abs(one[0, ~same] - other[0, ~same]).max() > 1e-6
