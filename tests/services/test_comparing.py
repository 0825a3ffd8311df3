"""Comparing the models of a condition: what is read, how models stand, and what is refused."""

import numpy as np
import pytest
from bundles_fixture import reseal
from fake_models import FakeGateway, make_house

from medcore.errors import ArtifactError, InputError, UnknownNameError, WorkerError
from medcore.evaluation import compare_auroc, evaluate
from medcore.registry import Catalog
from medcore.results import Status
from medcore.services.compare import comparing
from medcore.services.compare.comparing import (
    choose_first,
    compare_bundles,
    differences,
    folds,
    list_models,
    measure_milliseconds,
    open_comparison,
    read_scores,
    subgroups,
)
from medcore.services.compare.measuring import BEST, CANNOT_TELL, NOT_WORSE, WORSE, judge, measure

ALL = ["logistic", "forest", "svm", "mlp", "attention"]
IDS = [f"diabetes-{name}" for name in ALL]


@pytest.fixture
def catalog(shelf):
    comparing._kept.clear()
    return Catalog(shelf.folder)


def rewrite(folder, **changes):
    """Change arrays of a bundle's evaluation.npz; None removes one."""
    path = folder / "evaluation.npz"
    with np.load(path) as old:
        arrays = {**{name: old[name] for name in old.files}, **changes}
    np.savez(path, **{name: item for name, item in arrays.items() if item is not None})
    reseal(folder)


class TestChoice:
    def test_a_page_starts_with_the_default_logistic_and_forest(self, catalog):
        models = list_models(catalog, "diabetes")
        assert {item.model_id for item in models} == set(IDS)
        first = choose_first(models)
        assert first[0] == catalog.default("diabetes").model_id
        assert {"diabetes-logistic", "diabetes-forest"} <= set(first)
        assert len(first) <= 3

    def test_no_model_no_choice(self, catalog):
        assert choose_first(list_models(catalog, "pneumonia")) == ()

    @pytest.mark.parametrize(
        ("ids", "error"),
        [
            ([], InputError),
            (["diabetes-oracle"], UnknownNameError),
            (["diabetes-logistic", "heart_disease-logistic"], InputError),
        ],
    )
    def test_what_cannot_be_compared(self, catalog, ids, error):
        with pytest.raises(error):
            compare_bundles(catalog, "diabetes", ids)

    def test_seven_models_are_too_many(self):
        with pytest.raises(InputError, match="at most 6"):
            comparing.check_choice([str(i) for i in range(7)])


class TestComparison:
    def test_figures_are_those_of_the_evaluation_room(self, catalog):
        found = compare_bundles(catalog, "diabetes", IDS)
        scores = read_scores(catalog, "diabetes", IDS)
        assert (found.n, found.n_events, found.n_patients) == (scores.y.size, scores.y.sum(), scores.y.size)
        assert found.prevalence == found.prevalence_study == pytest.approx(scores.y.mean())
        for name in IDS:
            full = evaluate(
                scores.y, scores.p[name], threshold=0.5, rng=np.random.default_rng(0), n_resamples=50, groups=None
            )
            for metric in ("auroc", "auprc", "brier", "log_loss", "ece", "calibration_slope", "calibration_intercept"):
                assert found.board[name][metric].value == pytest.approx(full[metric].value, abs=1e-9), metric
        briers = [found.board[item.model_id]["brier"].value for item in found.models]
        assert briers == sorted(briers)
        assert found.standing[found.models[0].model_id] == BEST
        assert set(found.curves) == set(IDS)

    def test_another_prevalence(self, catalog):
        own = compare_bundles(catalog, "diabetes", IDS[:2])
        other = compare_bundles(catalog, "diabetes", IDS[:2], prevalence=0.05)
        assert other.prevalence == 0.05
        assert other.prevalence_study == own.prevalence_study
        for name in IDS[:2]:
            assert other.board[name]["auroc"].value == pytest.approx(own.board[name]["auroc"].value)
            assert other.board[name]["brier"].value < own.board[name]["brier"].value
            assert other.curves[name].calibration.x.max() < own.curves[name].calibration.x.max()

    @pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, float("nan"), 5.0])
    def test_a_prevalence_that_cannot_be(self, catalog, prevalence):
        with pytest.raises(InputError, match="prevalence"):
            compare_bundles(catalog, "diabetes", IDS[:1], prevalence=prevalence)

    def test_where_restating_is_doubtful_the_reader_is_told(self, catalog):
        (warning,) = [
            text
            for text in compare_bundles(catalog, "heart_disease", ["heart_disease-logistic"], prevalence=0.2).warnings
            if "Restated" in text
        ] or [""]
        from medcore.conditions.catalog import find_condition

        assert bool(warning) != find_condition("heart_disease").prevalence.allowed

    def test_the_same_bundles_are_computed_once(self, catalog, monkeypatch):
        first = compare_bundles(catalog, "diabetes", IDS[:2])
        monkeypatch.setattr(comparing, "measure", None)
        again = compare_bundles(catalog, "diabetes", [*IDS[:2], IDS[0]])
        assert again.board is first.board

    def test_an_altered_bundle_is_computed_again(self, shelf, tmp_path):
        comparing._kept.clear()
        models = shelf.copy(tmp_path / "models", *IDS[:2])
        first = compare_bundles(Catalog(models), "diabetes", IDS[:2])
        p = read_scores(Catalog(models), "diabetes", IDS[:1]).p[IDS[0]]
        rewrite(models / IDS[0], p=1.0 - p)
        second = compare_bundles(Catalog(models), "diabetes", IDS[:2])
        assert second.board[IDS[0]]["auroc"].value == pytest.approx(1 - first.board[IDS[0]]["auroc"].value)
        assert second.standing[IDS[0]] == WORSE

    def test_models_judged_on_different_rows_are_refused(self, shelf, tmp_path):
        models = shelf.copy(tmp_path / "models", *IDS[:2])
        y = read_scores(Catalog(models), "diabetes", IDS[:1]).y
        rewrite(models / IDS[1], y=y[::-1].copy())
        with pytest.raises(ArtifactError, match="different patients"):
            compare_bundles(Catalog(models), "diabetes", IDS[:2])

    @pytest.mark.parametrize("changes", [{"p": None}, {"p": np.full(3, 0.5)}, {"y": None}])
    def test_a_bundle_whose_scores_cannot_be_read(self, shelf, tmp_path, changes):
        models = shelf.copy(tmp_path / "models", IDS[0])
        rewrite(models / IDS[0], **changes)
        with pytest.raises(ArtifactError, match="scores"):
            compare_bundles(Catalog(models), "diabetes", IDS[:1])

    def test_a_bundle_without_scores(self, shelf, tmp_path):
        models = shelf.copy(tmp_path / "models", IDS[0])
        (models / IDS[0] / "evaluation.npz").unlink()
        reseal(models / IDS[0])
        with pytest.raises(ArtifactError, match="no scores"):
            compare_bundles(Catalog(models), "diabetes", IDS[:1])

    def test_only_test_films_count_and_films_of_one_patient_go_together(self, shelf, tmp_path):
        comparing._kept.clear()
        models = shelf.copy(tmp_path / "models", IDS[0])
        n = read_scores(Catalog(models), "diabetes", IDS[:1]).y.size
        part = np.where(np.arange(n) % 2 == 0, "test", "validation")
        rewrite(models / IDS[0], part=part, patient=np.arange(n) // 4)
        found = compare_bundles(Catalog(models), "diabetes", IDS[:1])
        assert found.n == (part == "test").sum()
        assert found.n_patients == len(set((np.arange(n) // 4)[part == "test"]))
        assert any("rows of one patient together" in text for text in found.warnings)

    def test_opening_is_journalled(self, catalog, tmp_path):
        house = make_house(tmp_path, catalog=catalog)
        open_comparison(house, "diabetes", IDS[:2])
        events = house.journal.events()
        assert {(event.action, event.model_id, event.sha256) for event in events} == {
            ("compare", name, catalog.find(name).sha256) for name in IDS[:2]
        }


class TestStanding:
    def draw(self, n, rng, noise):
        y = (rng.random(n) < 0.4).astype(int)
        z = 2.0 * (y - 0.5) + rng.normal(size=n)
        return y, 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(-(z + noise * rng.normal(size=n))))

    def test_the_rule_agrees_with_a_bootstrap_of_patients(self):
        rng = np.random.default_rng(1)
        y, good, bad = self.draw(4000, rng, 1.0)
        assert judge(y, {"good": good, "bad": bad}, best="good") == {"good": BEST, "bad": WORSE}
        gain = compare_auroc(y, bad, good, rng=rng, n_resamples=200).gain
        assert gain.hi < 0
        y, good, alike = self.draw(4000, rng, 0.05)
        assert judge(y, {"good": good, "alike": alike}, best="good")["alike"] == NOT_WORSE
        assert compare_auroc(y, alike, good, rng=rng, n_resamples=200).gain.lo > -0.02

    def test_too_few_cases(self):
        y, good, bad = self.draw(60, np.random.default_rng(2), 0.6)
        y[np.flatnonzero(y)[10:]] = 0
        assert judge(y, {"good": good, "bad": bad}, best="good")["bad"] == CANNOT_TELL
        assert any("Only 10 with the outcome" in text for text in measure(y, {"good": good}).warnings)

    def test_patients_with_several_rows(self):
        y, good, bad = self.draw(1500, np.random.default_rng(3), 2.0)
        patients = np.arange(1500) // 3
        assert judge(y, {"good": good, "bad": bad}, best="good", patients=patients)["bad"] == WORSE

    def test_constant_scores_are_named(self):
        y = np.repeat([0, 1], 200)
        found = measure(y, {"flat": np.full(400, 0.5)})
        assert any("same probability" in text for text in found.warnings)

    @pytest.mark.parametrize("y", [np.zeros(50, int), np.ones(50, int), np.array([0, 1]), np.array([0, 0, 0, 1])])
    def test_one_class_or_two_rows(self, y):
        with pytest.raises(InputError, match="rows"):
            measure(y, {"a": np.linspace(0.1, 0.9, y.size)})


class TestDifferencesAndFolds:
    def test_differences_are_those_between_the_models_figures(self, catalog):
        found = differences(catalog, "diabetes", IDS, reference=IDS[0], cut_off=0.4)
        board = compare_bundles(catalog, "diabetes", IDS).board
        assert [item.model for item in found] == IDS[1:]
        for item in found:
            gain = board[item.model]["auroc"].value - board[IDS[0]]["auroc"].value
            assert item.auroc.gain.value == pytest.approx(gain)
            assert item.auroc.gain.lo < gain < item.auroc.gain.hi

    def test_the_reference_need_not_be_chosen(self, catalog):
        (found,) = differences(catalog, "diabetes", [IDS[1]], reference=IDS[0], cut_off=0.4, prevalence=0.1)
        assert (found.model, found.reference) == (IDS[1], IDS[0])
        assert differences(catalog, "diabetes", [IDS[0]], reference=IDS[0], cut_off=0.4) == ()

    def test_a_margin_or_cut_off_that_cannot_be(self, catalog):
        for changes in ({"margin": 0.0}, {"cut_off": 1.5}, {"reference": "heart_disease-logistic"}):
            with pytest.raises(InputError):
                differences(catalog, "diabetes", IDS[:2], **{"reference": IDS[0], "cut_off": 0.4} | changes)

    def test_folds(self, catalog):
        found = folds(catalog, "diabetes", IDS[:2])
        scores = read_scores(catalog, "diabetes", IDS[:2])
        assert list(found) == IDS[:2]
        spread = found[IDS[0]]["brier"]
        part = scores.folds[IDS[0]]
        expected = [np.mean((scores.p[IDS[0]] - scores.y)[part == k] ** 2) for k in np.unique(part)]
        assert spread.values == pytest.approx(expected)
        assert spread.minimum == pytest.approx(min(expected))


class TestSubgroups:
    def test_counts_figures_and_small_groups(self, catalog):
        scores = read_scores(catalog, "diabetes", IDS[:2])
        rows = subgroups(catalog, "diabetes", IDS[:2], cut_off=0.4)
        assert list(rows) == IDS[:2]
        for row in rows[IDS[0]]:
            inside = scores.attributes[row.attribute] == row.group
            y, p = scores.y[inside], scores.p[IDS[0]][inside]
            assert (row.n, row.n_events) == (inside.sum(), y.sum())
            assert row.too_few == (min(y.sum(), (1 - y).sum()) < 20)
            assert row.metrics["sensitivity"].value == pytest.approx((p[y == 1] >= 0.4).mean())
            assert row.metrics["brier"].value == pytest.approx(np.mean((p - y) ** 2))
            assert row.metrics["auroc"].lo < row.metrics["auroc"].value < row.metrics["auroc"].hi

    def test_the_same_patients_are_called_at_another_prevalence(self, catalog):
        from medcore.services.prevalence import restate_risk

        rate = read_scores(catalog, "diabetes", IDS[:1]).rate
        own = subgroups(catalog, "diabetes", IDS[:1], cut_off=0.4)
        there = subgroups(catalog, "diabetes", IDS[:1], cut_off=restate_risk(0.4, rate, 0.05), prevalence=0.05)
        assert [row.metrics["sensitivity"] for row in own[IDS[0]]] == [
            row.metrics["sensitivity"] for row in there[IDS[0]]
        ]

    def test_a_group_with_one_outcome_has_counts_only(self):
        from medcore.services.compare.group_figures import measure_groups

        y = np.array([0, 0, 0, 1, 0, 1, 1, 0])
        where = np.array(["a"] * 3 + ["b"] * 4 + ["c"])
        rows = measure_groups(y, {"m": np.linspace(0.1, 0.8, 8)}, {"ward": where}, cut_off=0.5)["m"]
        assert [(row.group, row.n, row.n_events, bool(row.metrics), row.too_few) for row in rows] == [
            ("a", 3, 0, False, True),
            ("b", 4, 3, True, True),
            ("c", 1, 0, False, True),
        ]
        assert np.isnan(rows[1].metrics["auroc"].lo)
        assert rows[1].metrics["auroc"].value == pytest.approx(2 / 3)

    def test_rows_of_one_patient_widen_the_limits(self):
        from medcore.services.compare.group_figures import measure_group

        rng = np.random.default_rng(5)
        y = np.repeat((rng.random(150) < 0.5).astype(int), 4)
        p = np.repeat(rng.random(150), 4)
        once = measure_group(y, p, cut_off=0.5)["sensitivity"]
        together = measure_group(y, p, cut_off=0.5, patients=np.arange(600) // 4)["sensitivity"]
        assert together.value == pytest.approx(once.value)
        assert together.hi - together.lo > 1.5 * (once.hi - once.lo)


class TestSpeed:
    def test_time_of_one_case(self, catalog):
        gateway = FakeGateway()
        found = measure_milliseconds(gateway, catalog, IDS[:2])
        assert set(found) == set(IDS[:2])
        assert all(0.0 < value < 1000.0 for value in found.values())
        assert len(gateway.calls) == 2 * 4

    def test_a_model_that_cannot_be_asked_is_left_out(self, catalog):
        assert measure_milliseconds(FakeGateway(error=WorkerError("busy")), catalog, IDS[:1]) == {}
        assert measure_milliseconds(FakeGateway(status=Status.WITHHELD), catalog, IDS[:1]) == {}
        assert measure_milliseconds(FakeGateway(), catalog, ["diabetes-oracle"]) == {}
