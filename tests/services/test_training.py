"""Training: what goes into a bundle, that no figure comes from rows a model saw, and the rule for defaults."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bundles_fixture import CONDITION, RECIPES, SECOND, make_recipes, make_table, train_small

from medcore.conditions.catalog import find_condition
from medcore.errors import ArtifactError, UnknownNameError
from medcore.evaluation.discrimination import auroc
from medcore.inference.risk_model import RiskModel
from medcore.registry import Catalog, open_bundle, write_bundle
from medcore.registry.bundle import pack_arrays
from medcore.services.training import training
from medcore.services.training.training import (
    calibrate,
    choose_defaults,
    default_threshold,
    evaluation_arrays,
    judge,
    learn_parts,
    make_rows,
    studied_ranges,
    teaching_scores,
)

DIABETES = find_condition(CONDITION)
FILES = {"card.md", "calibrator.json", "reference.npz", "cohort.npz", "evaluation.npz", "golden.json"}
FOLDERS = [(CONDITION, name) for name in RECIPES] + [(SECOND, "logistic")]


@pytest.fixture(params=FOLDERS, ids=lambda pair: "-".join(pair))
def bundle(shelf, request):
    return open_bundle(shelf.folder / "-".join(request.param))


class TestBundles:
    def test_files_and_facts(self, bundle, shelf):
        manifest = bundle.manifest
        table = shelf.tables[manifest.condition]
        model_file = "model.keras" if manifest.kind == "keras" else "model.skops"
        assert set(manifest.files) == FILES | {model_file}
        assert manifest.n_train == table.eligible.sum()
        assert manifest.base_rate == pytest.approx(table.y[table.eligible].mean())
        assert manifest.trained_on["seed"] == 3
        for metric in manifest.metrics.values():
            if None not in metric.values():
                assert metric["lo"] <= metric["value"] <= metric["hi"]

    def test_the_metrics_are_those_of_the_released_out_of_fold_answers(self, bundle):
        arrays = bundle.read_arrays("evaluation.npz")
        assert bundle.manifest.metrics["auroc"]["value"] == pytest.approx(auroc(arrays["y"], arrays["p"]), abs=1e-5)
        brier = float(np.mean((arrays["y"] - arrays["p"]) ** 2))
        assert bundle.manifest.metrics["brier"]["value"] == pytest.approx(brier, abs=1e-5)
        assert 0.5 < bundle.manifest.metrics["calibration_slope"]["value"] < 1.5

    def test_no_array_holds_a_training_row(self, bundle, shelf):
        table = shelf.tables[bundle.manifest.condition]
        real = {np.nan_to_num(row, nan=-1.0).astype(np.float32).tobytes() for row in table.X}
        for name, key in (("reference.npz", "background"), ("cohort.npz", "X")):
            rows = np.nan_to_num(bundle.read_arrays(name)[key], nan=-1.0).astype(np.float32)
            assert not any(row.tobytes() in real for row in rows)

    def test_the_explanations_start_from_the_mean_out_of_fold_risk(self, bundle):
        model = RiskModel.load(bundle)
        base = model.background_weight @ model.probability(model.background)
        assert base == pytest.approx(bundle.read_arrays("evaluation.npz")["p"].mean(), abs=0.005)
        assert model.background_weight.sum() == pytest.approx(1.0)

    def test_the_card_has_every_section(self, bundle):
        card = bundle.read_bytes("card.md").decode()
        for title in ("Purpose", "Population", "When not to use it", "Data and licence", "Performance", "Limits"):
            assert f"## {title}\n\n" in card
        assert "nan" not in card.lower().split()
        assert "another outcome: AUROC" in card
        if bundle.manifest.condition == SECOND:
            assert "without slope, fluoroscopy and thallium: auroc" in card

    def test_the_interval_has_the_width_the_study_found(self, bundle):
        calibrator = bundle.read_json("calibrator.json")
        assert calibrator["width"] == 1.2
        assert len(calibrator["refits"]) >= 10


class TestEvaluation:
    recipe = replace(make_recipes()["logistic"], repeats=2)
    table = make_table()

    def test_a_rows_own_outcome_reaches_neither_its_score_nor_its_line_directly(self):
        """Its fold's members and line never use it; members of other folds do, which moves lines by about 1 / n."""
        rows = make_rows(DIABETES, self.table, self.recipe, 0, n_refits=1)
        learnt, _ = learn_parts(self.recipe, "logistic", rows)
        one = teaching_scores(learnt, self.table, rows)
        p_one = judge(self.table, rows, one, one[0])
        row = 21
        y = self.table.y.copy()
        y[row] = 1 - y[row]
        turned = replace(self.table, y=y)
        again = replace(rows, target=y.astype(float))  # the same folds
        other, _ = learn_parts(self.recipe, "logistic", again)
        two = teaching_scores(other, turned, again)
        p_two = judge(turned, again, two, two[0])
        held_out = rows.folds == rows.folds[:, [row]]
        np.testing.assert_allclose(two[0][held_out], one[0][held_out], atol=1e-9)
        assert np.abs(two[0][~held_out] - one[0][~held_out]).min() > 0.0
        both = held_out.all(axis=0)
        assert both[row]
        assert np.abs(p_two[both] - p_one[both]).max() < 3 / len(y)

    def test_folds_are_stratified_and_the_same_for_every_recipe(self):
        one = make_rows(DIABETES, self.table, self.recipe, 0)
        other = make_rows(DIABETES, self.table, replace(make_recipes()["svm"], repeats=2), 99)
        np.testing.assert_array_equal(one.folds, other.folds)
        assert (one.refit_counts != other.refit_counts).any()
        rates = [self.table.y[one.folds[0] == k].mean() for k in range(10)]
        assert np.ptp(rates) < 0.06

    def test_refits_redraw_all_patients(self):
        rows = make_rows(DIABETES, self.table, self.recipe, 0)
        assert rows.refit_counts.shape == (training.N_REFITS, len(self.table.y))
        assert (rows.refit_counts.sum(axis=1) == len(self.table.y)).all()

    def test_hidden_fields_are_judged_by_the_lines_of_the_rows_as_they_are(self):
        rows = make_rows(DIABETES, self.table, self.recipe, 0, n_refits=1)
        learnt, _ = learn_parts(self.recipe, "logistic", rows)
        versions = teaching_scores(learnt, self.table, rows)
        plain = judge(self.table, rows, versions, versions[0])
        hidden = judge(self.table, rows, versions, learnt.held_out_scores(np.full_like(self.table.X, np.nan)))
        assert hidden.std() < 0.5 * plain.std()  # what is left differs by fold only
        assert len(np.unique(hidden.round(9))) <= 10 * 10

    def test_rows_teach_calibration_with_and_without_the_maskable_fields(self):
        rows = make_rows(DIABETES, self.table, self.recipe, 0, n_refits=1)
        learnt, _ = learn_parts(self.recipe, "logistic", rows)
        assert len(teaching_scores(learnt, self.table, rows)) == 1
        masked = replace(rows, mask_rates=np.r_[0.5, np.zeros(len(rows.mask_rates) - 1)])
        versions = teaching_scores(learnt, self.table, masked)
        blanked = self.table.X.copy()
        blanked[:, 0] = np.nan
        np.testing.assert_allclose(versions[1], learnt.held_out_scores(blanked))
        assert (versions[0] != versions[1]).any()

    def test_rows_not_asked_about_do_not_calibrate(self):
        rows = make_rows(DIABETES, self.table, self.recipe, 0, n_refits=3)
        learnt, _ = learn_parts(self.recipe, "logistic", rows)
        y = np.where(self.table.eligible, self.table.y, 1 - self.table.y)
        turned = replace(self.table, y=y)
        versions = teaching_scores(learnt, self.table, rows)
        one, other = (judge(table, rows, versions, versions[0]) for table in (self.table, turned))
        np.testing.assert_array_equal(one, other)
        assert calibrate(versions, self.table, rows, 3, 1.0) == calibrate(versions, turned, rows, 3, 1.0)

    def test_evaluation_arrays_are_shuffled_alike_and_hold_no_small_cell(self):
        p = np.linspace(0, 1, len(self.table.y))
        fold = np.arange(len(p)) % 10
        groups = {"site": np.where(np.arange(len(p)) < 4, "tiny", "large")}
        arrays = evaluation_arrays(CONDITION, replace(self.table, groups=groups), p, fold)
        again = evaluation_arrays(CONDITION, self.table, 1 - p, fold)
        np.testing.assert_array_equal(arrays["y"], again["y"])
        np.testing.assert_allclose(arrays["p"], 1 - again["p"], atol=1e-6)
        assert len(arrays["y"]) == self.table.eligible.sum()
        assert set(arrays["group_site"]) == {"small", "large"}
        assert np.abs(np.diff(arrays["p"])).mean() > 0.1

    @pytest.mark.parametrize(("rate", "cut_off"), [(0.5, 0.5), (0.3, 0.5), (0.7, 0.5), (0.0451, 0.0451), (0.9, 0.9)])
    def test_the_cut_off_is_a_rule(self, rate, cut_off):
        assert default_threshold(rate) == cut_off

    def test_studied_ranges(self):
        ranges = studied_ranges(DIABETES, self.table.X)
        j = DIABETES.schema.input_names.index("pulse_bpm")
        known = self.table.X[~np.isnan(self.table.X[:, j]), j]
        assert ranges["pulse_bpm"] == pytest.approx((np.percentile(known, 1), np.percentile(known, 99)))
        assert "sex" not in ranges


class TestDefaults:
    """Hand-made evaluation arrays in copies of one real bundle."""

    y = np.arange(400) % 2
    signal = np.random.default_rng(0).normal(size=400)

    def put(self, shelf, models, recipe, p, brier):
        bundle = open_bundle(shelf.folder / "diabetes-logistic")
        contents = {name: bundle.read_bytes(name) for name in bundle.manifest.files}
        contents["evaluation.npz"] = pack_arrays({"y": self.y, "p": p})
        metrics = {
            "auroc": {"value": float(auroc(self.y, p)), "lo": None, "hi": None},
            "brier": {"value": brier, "lo": None, "hi": None},
        }
        manifest = replace(bundle.manifest, id=f"diabetes-{recipe}", recipe=recipe, metrics=metrics)
        write_bundle(models / manifest.id, manifest, contents)

    def risk(self, strength):
        return 1 / (1 + np.exp(-strength * (2 * self.y - 1) - self.signal))

    def choose(self, models):
        return choose_defaults(models)["diabetes"]

    def test_the_lowest_brier_among_the_non_inferior(self, shelf, tmp_path):
        self.put(shelf, tmp_path, "logistic", self.risk(0.2), 0.050)
        self.put(shelf, tmp_path, "svm", self.risk(0.995), 0.150)
        self.put(shelf, tmp_path, "mlp", self.risk(1.0), 0.160)
        chosen = self.choose(tmp_path)
        assert chosen["model"] == "diabetes-svm"
        assert chosen["highest_auroc"] == "diabetes-mlp"
        assert chosen["non_inferior"] == ["diabetes-svm", "diabetes-mlp"]

    def test_the_simplest_on_a_tie(self, shelf, tmp_path):
        for recipe, brier in (("attention", 0.16002), ("logistic", 0.16004), ("mlp", 0.15998), ("forest", 0.1601)):
            self.put(shelf, tmp_path, recipe, self.risk(1.0), brier)
        assert self.choose(tmp_path)["model"] == "diabetes-logistic"

    def test_a_perfect_model_is_not_taken_for_one_without_a_figure(self, shelf, tmp_path):
        self.put(shelf, tmp_path, "logistic", self.risk(9.0), 0.002)
        self.put(shelf, tmp_path, "mlp", self.risk(9.0), 0.0)
        assert self.choose(tmp_path)["model"] == "diabetes-mlp"

    def test_what_is_written_is_what_the_catalog_reads(self, shelf, tmp_path):
        self.put(shelf, tmp_path, "forest", self.risk(1.0), 0.15)
        self.put(shelf, tmp_path, "mlp", self.risk(1.0), 0.16)
        chosen = self.choose(tmp_path)
        assert json.loads((tmp_path / "defaults.json").read_text())["diabetes"] == chosen
        assert Catalog(tmp_path).default("diabetes").model_id == "diabetes-forest"
        assert Catalog(tmp_path).find("diabetes-forest").sha256 == chosen["sha256"]


def test_the_same_seed_gives_the_same_bundle(shelf, tmp_path):
    (tmp_path / "models").mkdir()
    train_small(tmp_path / "models", CONDITION, ("logistic",))
    one = open_bundle(shelf.folder / "diabetes-logistic").manifest
    other = open_bundle(tmp_path / "models" / "diabetes-logistic").manifest
    same = set(FILES) - {"card.md"}  # the card says how long it took
    assert {name: one.files[name] for name in same} == {name: other.files[name] for name in same}
    assert one.metrics == other.metrics


def test_soft_targets_weights_and_strata_are_used(tmp_path):
    table = make_table()
    soft = replace(table, target=0.6 * table.y + 0.2, weight=np.ones(len(table.y)), strata=table.y * 2)
    (tmp_path / "models").mkdir()
    train_small(tmp_path / "models", CONDITION, ("logistic",), table=soft)
    metrics = open_bundle(tmp_path / "models" / "diabetes-logistic").manifest.metrics
    assert 0.5 < metrics["calibration_slope"]["value"] < 1.5
    assert metrics["auroc"]["value"] > 0.65


def test_names_that_do_not_exist(tmp_path):
    with pytest.raises(UnknownNameError, match="no condition"):
        training.train("banana", data_dir=tmp_path, models_dir=tmp_path / "out")
    with pytest.raises(UnknownNameError, match="no recipe"):
        training.train(CONDITION, recipe="banana", data_dir=tmp_path, models_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_whose_intervals_were_not_studied_is_not_trained(tmp_path, monkeypatch):
    from medcore.models import coverage

    monkeypatch.setattr(coverage, "COVERAGE_PATH", tmp_path / "none.json")
    with pytest.raises(ArtifactError, match="interval study has not been run"):
        training.train_recipe(DIABETES, make_table(), "logistic", models_dir=tmp_path, seed=0, progress=len)
