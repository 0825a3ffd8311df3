"""The classical learners: soft targets, half-samples, centres that are nobody."""

import numpy as np
import pytest
from bundles_fixture import CONDITION, make_table
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from medcore.conditions.catalog import find_condition
from medcore.encoding import Encoding
from medcore.models.classical import (
    ForestPlan,
    KernelPlan,
    LogisticPlan,
    draw_blanks,
    fill_blanks,
    find_fill,
    fit_forest,
    fit_kernel_map,
    fit_logistic,
    hide_fields,
    split_fractions,
    standardise,
)


@pytest.fixture(scope="module")
def study():
    table = make_table()
    return Encoding.of(find_condition(CONDITION).schema).encode(table.X, blank=np.nan), table.y.astype(float)


class TestHideFields:
    X = np.arange(12.0).reshape(4, 3)

    def test_nothing_to_hide(self):
        rows, source = hide_fields(self.X, np.zeros(3), np.random.default_rng(0))
        assert rows is self.X
        assert source.tolist() == [0, 1, 2, 3]

    def test_as_they_are_all_hidden_half_hidden(self):
        X = np.tile(self.X, (100, 1))
        rows, source = hide_fields(X, np.array([0.0, 0.3, 0.3]), np.random.default_rng(0))
        plain, hidden, mixed = np.split(rows, 3)
        assert source.tolist() == [*range(400)] * 3
        np.testing.assert_array_equal(plain, X)
        assert np.isnan(hidden[:, 1:]).all()
        assert 0.4 < np.isnan(mixed[:, 1:]).mean() < 0.6
        for part in (plain, hidden, mixed):
            np.testing.assert_array_equal(part[:, 0], X[:, 0])
        assert not np.isnan(X).any()


class TestSplitFractions:
    def test_by_hand(self):
        rows = np.array([[1.0], [2.0], [3.0], [4.0]])
        found, labels, counts = split_fractions(rows, np.array([1.0, 0.0, 0.25, 1.0]), np.array([1.0, 2.0, 4.0, 0.0]))
        assert list(zip(found[:, 0], labels, counts, strict=True)) == [(1, 1, 1), (3, 1, 1), (2, 0, 2), (3, 0, 3)]

    def test_the_weight_is_kept(self):
        rng = np.random.default_rng(0)
        target, weight = rng.uniform(0.05, 0.95, 50), rng.uniform(0.5, 2.0, 50)
        _, labels, counts = split_fractions(np.zeros((50, 1)), target, weight)
        assert counts.sum() == pytest.approx(weight.sum())
        assert counts[labels == 1].sum() == pytest.approx((weight * target).sum())


class TestLogistic:
    def test_whole_targets_are_plain_logistic_regression(self, study):
        Z, y = study
        scaler, model = fit_logistic(Z, y, np.ones(len(y)), LogisticPlan(inverse_penalty=0.5))
        rows = np.nan_to_num(StandardScaler().fit_transform(Z))
        other = LogisticRegression(C=0.5, max_iter=5000, tol=1e-10).fit(rows, y)
        np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-4)
        np.testing.assert_allclose(scaler.mean_, np.nanmean(Z, axis=0))

    def test_rows_without_weight_teach_nothing(self, study):
        Z, y = study
        weight = (np.arange(len(y)) % 3 > 0).astype(float)
        changed = np.where(weight[:, None] > 0, Z, 1e3)
        plan = LogisticPlan(inverse_penalty=0.5)
        one, other = fit_logistic(Z, y, weight, plan), fit_logistic(changed, 1 - y + weight * (2 * y - 1), weight, plan)
        np.testing.assert_allclose(one[1].coef_, other[1].coef_)
        np.testing.assert_allclose(one[0].mean_, other[0].mean_)

    def test_a_soft_target_of_one_half_pulls_risks_to_one_half(self, study):
        Z, y = study
        plan, weight = LogisticPlan(inverse_penalty=0.5), np.ones(len(y))
        hard, soft = fit_logistic(Z, y, weight, plan), fit_logistic(Z, 0.5 * y + 0.25, weight, plan)
        assert np.abs(soft[1].coef_).max() < np.abs(hard[1].coef_).max()

    @pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
    def test_a_column_that_is_always_blank_or_always_the_same(self, study):
        Z, y = study
        Z = np.column_stack([Z, np.full(len(y), np.nan), np.ones(len(y))])
        scaler, model = fit_logistic(Z, y, np.ones(len(y)), LogisticPlan(inverse_penalty=0.5))
        assert np.isfinite(model.decision_function(standardise(scaler, Z))).all()


class TestKernelMap:
    def test_no_centre_is_a_patient(self, study):
        Z, _ = study
        for centers in (10, 300):
            plan = KernelPlan(gamma=0.3, inverse_penalty=0.3, centers=centers)
            scaler, mapping = fit_kernel_map(Z, np.ones(len(Z)), np.arange(len(Z)), plan, 0)
            rows = standardise(scaler, Z)
            distance = np.abs(rows[:, None] - mapping.components_[None]).max(axis=2)
            assert distance.min() > 1e-3
            assert 2 <= len(mapping.components_) <= min(centers, len(Z) // 8)

    def test_twins_do_not_become_a_centre_of_few(self, study):
        Z, _ = study
        Z = np.vstack([Z, np.full((2, Z.shape[1]), 500.0)])
        scaler, mapping = fit_kernel_map(
            Z, np.ones(len(Z)), np.arange(len(Z)), KernelPlan(gamma=0.3, inverse_penalty=0.3), 0
        )
        twin = standardise(scaler, Z)[-1]
        assert np.abs(mapping.components_ - twin).max(axis=1).min() > 1e-3

    def test_copies_of_one_patient_count_once(self, study):
        Z, _ = study
        copies = np.vstack([Z, np.full((6, Z.shape[1]), 500.0)])
        patient = np.r_[np.arange(len(Z)), np.repeat(len(Z), 6)]
        plan = KernelPlan(gamma=0.3, inverse_penalty=0.3)
        scaler, mapping = fit_kernel_map(copies, np.ones(len(copies)), patient, plan, 0)
        alone = standardise(scaler, copies)[-1]
        assert np.abs(mapping.components_ - alone).max(axis=1).min() > 1e-3

    def test_the_map_approximates_the_kernel(self, study):
        Z, _ = study
        plan = KernelPlan(gamma=0.1, inverse_penalty=0.3, centers=40)
        scaler, mapping = fit_kernel_map(Z, np.ones(len(Z)), np.arange(len(Z)), plan, 0)
        rows = standardise(scaler, Z)[:40]
        features = mapping.transform(rows)
        exact = np.exp(-mapping.gamma * ((rows[:, None] - rows[None]) ** 2).sum(axis=2))
        assert np.abs(features @ features.T - exact).mean() < 0.05


class TestForest:
    def grow(self, Z, y, patient=None, **plan):
        patient = np.arange(len(y)) if patient is None else patient
        plan = ForestPlan(**{"bags": 6, "trees_per_bag": 3, "most_leaves": 8, **plan})
        return fit_forest(np.nan_to_num(Z), y, np.ones(len(y)), patient, plan, np.random.default_rng(0))

    def test_bags_are_half_samples_of_patients(self, monkeypatch):
        """Every row carries its patient's number; a bag's trees together see at most half of the patients, whole."""
        seen = []
        monkeypatch.setattr(
            "medcore.models.classical._grow", lambda Z, target, weight, plan, seed: seen.append(weight) or _Tree()
        )
        patient = np.tile(np.arange(40), 3)
        Z = patient[:, None].astype(float)
        self.grow(Z, np.tile([0.0, 1.0], 60), patient)
        assert len(seen) == 18
        for bag in np.array(seen).reshape(6, 3, -1):
            inside = set(patient[bag.sum(axis=0) > 0])
            assert len(inside) <= 20
            assert (bag.sum(axis=1) == 60).all()
        assert len({tuple(weights) for weights in seen}) == 18

    def test_soft_targets(self, study):
        Z, y = study
        forest = self.grow(Z, np.full(len(y), 0.3))
        p = np.mean([tree.tree_.predict(np.nan_to_num(Z).astype(np.float32))[:, -1] for tree in forest.estimators_])
        assert p == pytest.approx(0.3, abs=1e-6)

    def test_a_bag_without_an_event_has_no_risk_rather_than_a_certain_one(self, study):
        Z, y = study
        forest = self.grow(Z, np.zeros(len(y)))
        p = np.array([tree.tree_.predict(np.nan_to_num(Z).astype(np.float32))[:, -1] for tree in forest.estimators_])
        assert p.max() < 1e-6


class _Tree:
    """A tree that nobody asks."""


def test_a_filled_blank_looks_like_the_mean_of_those_with_weight():
    Z = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan], [100.0, np.nan]])
    fill = find_fill(Z, np.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(fill, [2.0, 0.0])
    np.testing.assert_allclose(fill_blanks(Z, fill)[2], [2.0, 0.0])


def test_drawn_blanks_come_from_the_field_and_known_blanks_stay():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.where(rng.random(200) < 0.5, np.nan, 7.0 + np.arange(200)), np.full(200, np.nan)])
    X[0, 1] = 3.0
    drawn = draw_blanks(X, np.array([False, True]), rng)
    blank = np.isnan(X[:, 0])
    assert np.isin(drawn[blank, 0], X[~blank, 0]).all()
    assert len(np.unique(drawn[blank, 0])) > 20
    np.testing.assert_array_equal(drawn[~blank, 0], X[~blank, 0])
    np.testing.assert_array_equal(drawn[:, 1], X[:, 1])
