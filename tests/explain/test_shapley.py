import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from medcore.errors import ExplanationError, InputError
from medcore.explain import Background, TableExplainer

from .scores import Network, brute_force, tangled


def background(n_fields, n_rows=20, seed=0, blanks=0.1):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_fields))
    rows[rng.random(rows.shape) < blanks] = np.nan
    return Background(rows, rng.random(n_rows) + 0.5)


@pytest.mark.parametrize("n_fields", [3, 4, 5, 7])
def test_all_coalitions_give_the_definition(n_fields):
    reference = background(n_fields)
    row = np.random.default_rng(1).normal(size=n_fields)
    got = TableExplainer(tangled, reference).explain(row, 2**n_fields)
    assert got.values == pytest.approx(brute_force(tangled, row, reference.rows, reference.weights), abs=1e-6)
    assert got.worst_error == 0.0


def test_one_field_gets_everything():
    got = TableExplainer(lambda X: 0.1 + 0.2 * X[:, 0], Background(np.zeros((4, 1)))).explain(np.array([2.0]))
    assert got.values == pytest.approx([0.4])


@pytest.mark.parametrize("n_fields", [13, 20])
def test_sampled_coalitions_come_near_the_reference(n_fields):
    reference = background(n_fields, 30)
    network = Network(n_fields, np.random.default_rng(n_fields))
    row = np.random.default_rng(2).normal(size=n_fields)
    truth = TableExplainer(network, reference, seed=9).explain(row, 16_384).values
    for seed in range(3):
        got = TableExplainer(network, reference, seed=seed).explain(row, 256)
        assert np.abs(got.values - truth).max() < 0.01


def test_plain_and_fieldwise_scores_agree():
    reference, network = background(12, 25), Network(12, np.random.default_rng(0))
    row = np.random.default_rng(3).normal(size=12)
    row[4] = np.nan
    plain = TableExplainer(network.plain, reference).explain(row, 300)
    fast = TableExplainer(network, reference).explain(row, 300)
    assert fast.values == pytest.approx(plain.values, abs=1e-5)
    assert fast.base == pytest.approx(plain.base, abs=1e-6)


def test_a_blank_of_the_patient_replaces_known_values():
    """Blank is a value like any other: here it counts as 0 where the background has 1."""
    reference = Background(np.array([[1.0, 1.0]]))
    got = TableExplainer(lambda X: 0.2 + 0.3 * np.nan_to_num(X[:, 0]), reference).explain(np.array([np.nan, 1.0]))
    assert got.values == pytest.approx([-0.3, 0.0], abs=1e-6)


def test_base_is_the_weighted_mean_and_p_the_score_of_the_row():
    reference = background(6)
    row = np.random.default_rng(4).normal(size=6)
    got = TableExplainer(tangled, reference).explain(row, 40)
    assert got.base == pytest.approx(float(tangled(reference.rows) @ reference.weights), abs=1e-6)
    assert got.p == pytest.approx(float(tangled(row[None])[0]), abs=1e-6)


def test_closed_form_of_a_linear_score():
    rng = np.random.default_rng(5)
    slope = rng.normal(size=18) / 100
    rows, weights, row = rng.normal(size=(30, 18)), rng.random(30), rng.normal(size=18)
    reference = Background(rows, weights)
    got = TableExplainer(lambda X: 0.5 + X @ slope, reference).explain(row, 128)
    assert got.values == pytest.approx(slope * (row - reference.weights @ rows), abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(
    row=arrays(np.float64, 10, elements=st.floats(-3, 3, width=32)),
    seed=st.integers(0, 1000),
    budget=st.sampled_from([40, 64, 128]),
)
def test_contributions_add_up(row, seed, budget):
    network = Network(10, np.random.default_rng(seed))
    got = TableExplainer(network, background(10, 12), seed=seed).explain(row, budget)
    assert got.base + got.values.sum() == pytest.approx(got.p, abs=1e-9)
    assert (got.standard_error >= 0).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_interchangeable_fields_share_equally_and_an_unused_field_gets_nothing(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(10, 5))
    rows[:, 1] = rows[:, 0]
    row = rng.normal(size=5)
    row[1] = row[0]
    slopes = rng.normal(size=3)

    def score(X):
        return expit(slopes[0] * (X[:, 0] + X[:, 1]) ** 2 + slopes[1] * X[:, 2] * X[:, 3] + slopes[2] * X[:, 3])

    got = TableExplainer(score, Background(rows)).explain(row, 64)
    assert got.values[0] == pytest.approx(got.values[1], abs=1e-6)
    assert got.values[4] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("budget", "most"), [(64, 2.0), (256, 1.6)])
def test_standard_errors_are_honest(budget, most):
    """Errors over many coalition streams: their mean square is what the standard errors announce."""
    reference, network = background(16, 15, blanks=0.0), Network(16, np.random.default_rng(7), steepness=4.0)
    row = np.random.default_rng(8).normal(size=16)
    truth = TableExplainer(network, reference, seed=1000).explain(row, 60_000).values
    runs = [TableExplainer(network, reference, seed=seed).explain(row, budget) for seed in range(25)]
    true = np.sqrt(np.mean([(run.values - truth) ** 2 for run in runs]))
    told = np.sqrt(np.mean([run.standard_error**2 for run in runs]))
    assert 0.8 < told / true < most
    inside = np.mean([np.abs(run.values - truth) <= 2 * run.standard_error for run in runs])
    assert inside > 0.85


def make_counted():
    """Return an explainer of 14 fields and the list to which it adds the number of rows of each call of its model."""
    calls = []
    network = Network(14, np.random.default_rng(3), steepness=6.0)

    def counted(X):
        calls.append(len(X))
        return network.plain(X)

    return TableExplainer(counted, background(14, 10)), calls


def test_refining_reaches_the_precision_and_keeps_what_was_done():
    explainer, calls = make_counted()
    progress = explainer.begin(np.random.default_rng(9).normal(size=14) * 2)
    coarse = progress.refine(0.02)
    before = sum(calls)
    fine = progress.refine(0.002)
    assert coarse.worst_error <= 0.02
    assert fine.worst_error <= 0.002
    assert fine.n_coalitions > coarse.n_coalitions
    assert sum(calls) - before < 1.01 * 10 * fine.n_coalitions
    calls.clear()
    assert progress.refine(0.02).values == pytest.approx(coarse.values)
    assert calls == []


def test_refining_stops_at_the_cap():
    explainer = TableExplainer(Network(14, np.random.default_rng(3)), background(14, 10))
    assert explainer.refine(np.ones(14), precision=1e-9, cap=300).n_coalitions <= 300


@pytest.mark.parametrize("kind", ["plain", "fieldwise"])
def test_many_rows_are_explained_as_each_alone(kind):
    """More rows than one batch; some need one round, some several; blanks in some."""
    network = Network(14, np.random.default_rng(3), steepness=5.0)
    score = network if kind == "fieldwise" else network.plain
    explainer = TableExplainer(score, background(14, 10))
    rows = np.random.default_rng(9).normal(size=(70, 14)) * np.linspace(0.1, 2.5, 70)[:, None]
    rows[::7, 3] = np.nan
    many = explainer.refine_rows(rows, 0.01, 2048)
    assert len({item.n_coalitions for item in many}) >= 3
    for i in (0, 7, 40, 63, 64, 69):
        alone = explainer.refine(rows[i], 0.01, 2048)
        assert many[i].n_coalitions == alone.n_coalitions
        assert many[i].values == pytest.approx(alone.values, abs=1e-6)
        assert many[i].standard_error == pytest.approx(alone.standard_error, abs=1e-6)
        assert many[i].p == pytest.approx(alone.p, abs=1e-6)
    assert all(item.worst_error <= 0.01 for item in many)


def test_rows_are_scored_once_for_every_coalition_they_need():
    explainer, calls = make_counted()
    calls.clear()
    found = explainer.refine_rows(np.random.default_rng(9).normal(size=(5, 14)) * 2, 0.004)
    assert max(item.n_coalitions for item in found) > 200
    assert sum(calls) < 1.02 * 10 * sum(item.n_coalitions for item in found)


def test_an_explanation_does_not_depend_on_those_before_it():
    """What is kept of the background from the first one on must not leak into the next."""
    reference, network = background(12, 10), Network(12, np.random.default_rng(0), steepness=3.0)
    rows = np.random.default_rng(1).normal(size=(3, 12))
    used, fresh = TableExplainer(network, reference), TableExplainer(network, reference)
    for row in rows:
        used.refine(row, 0.002)
    used.explain_rows(rows, 128)
    got, expected = used.refine(rows[2], 0.002), fresh.refine(rows[2], 0.002)
    assert (got.values == expected.values).all()
    assert (got.standard_error == expected.standard_error).all()


@pytest.mark.parametrize("n_fields", [13, 23, 30])
def test_the_first_coalitions_state_their_error_honestly(n_fields):
    """Refining stops after these where their own error is small enough, so it has to be true for many patients."""
    reference = background(n_fields, 12, blanks=0.0)
    network = Network(n_fields, np.random.default_rng(7), steepness=4.0)
    rows = np.random.default_rng(8).normal(size=(12, n_fields))
    truth = np.array([item.values for item in TableExplainer(network, reference, seed=1).explain_rows(rows, 16_384)])
    first = [TableExplainer(network, reference, seed=seed).refine_rows(rows, 1.0) for seed in range(4)]
    off = np.array([[item.values for item in found] for found in first]) - truth
    told = np.array([[item.standard_error for item in found] for found in first])
    assert 0.8 < np.sqrt(np.mean(told**2) / np.mean(off**2)) < 2.0
    assert np.mean(np.abs(off) <= 2 * told) > 0.88


def test_named_result_carries_the_numbers():
    got = TableExplainer(tangled, background(3)).explain(np.ones(3))
    named = got.named(["a", "b", "c"], top_stability=0.9)
    assert named.contributions["b"] == pytest.approx(got.values[1])
    assert named.base + sum(named.contributions.values()) == pytest.approx(named.p_calibrated)
    assert (named.worst_error, named.top_stability) == (got.worst_error, 0.9)


class TestBadInput:
    @pytest.mark.parametrize("row", [np.zeros(3), np.zeros((1, 4)), np.array([0, np.inf, 0, 0])])
    def test_rows(self, row):
        with pytest.raises(InputError, match="4 finite or blank values"):
            TableExplainer(tangled, background(4)).explain(row)

    @pytest.mark.parametrize(
        ("rows", "weights"),
        [
            (np.zeros((0, 3)), None),
            (np.zeros(3), None),
            (np.array([[np.inf]]), None),
            (np.zeros((2, 3)), np.ones(3)),
            (np.zeros((2, 3)), np.array([1.0, -1.0])),
            (np.zeros((2, 3)), np.array([1.0, np.nan])),
            (np.zeros((2, 3)), np.zeros(2)),
        ],
    )
    def test_backgrounds(self, rows, weights):
        with pytest.raises(InputError, match="background"):
            Background(rows, weights)

    def test_a_score_that_is_not_a_number(self):
        with pytest.raises(ExplanationError, match="not a number"):
            TableExplainer(lambda X: np.full(len(X), np.nan), background(4))

    def test_a_score_of_the_wrong_shape(self):
        with pytest.raises(ExplanationError, match="shape"):
            TableExplainer(lambda X: np.zeros((len(X), 1)), background(4))

    @pytest.mark.parametrize("rows", [np.zeros((2, 3)), np.zeros(4), np.full((1, 4), np.inf)])
    def test_many_rows(self, rows):
        with pytest.raises(InputError, match="4 finite or blank values each"):
            TableExplainer(tangled, background(4)).refine_rows(rows)

    def test_precision(self):
        with pytest.raises(InputError, match="positive"):
            TableExplainer(tangled, background(4)).refine(np.zeros(4), precision=0.0)
