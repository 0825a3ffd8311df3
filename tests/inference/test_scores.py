"""Loaded scores against the estimators they were folded from, and the additive form against the risk."""

import math

import numpy as np
import pytest
from bundles_fixture import CONDITION, RECIPES, make_recipes, make_table
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from medcore.conditions.catalog import find_condition
from medcore.errors import InputError, SelfTestError
from medcore.inference.fieldwise import FieldwiseLogistic, FieldwiseNetwork
from medcore.inference.risk_model import RiskModel
from medcore.registry import load_skops, open_bundle
from medcore.results import Reason, Status


@pytest.fixture(scope="module")
def loaded(shelf):
    return {name: RiskModel.load(open_bundle(shelf.folder / f"{CONDITION}-{name}")) for name in RECIPES}


@pytest.fixture(scope="module")
def rows():
    return make_table(CONDITION, n=60, seed=5).X


def unfold(shelf, name):
    bundle = open_bundle(shelf.folder / f"{CONDITION}-{name}")
    return load_skops(bundle), RiskModel.load(bundle)


def fill(X):
    return np.nan_to_num(X)


def test_linear_scores_are_those_of_the_pipelines(shelf, rows):
    parts, model = unfold(shelf, "logistic")
    Z = model.encoding.encode(rows, blank=np.nan)

    def decide(pair):
        return make_pipeline(pair[0], FunctionTransformer(fill), pair[1]).decision_function(Z)

    np.testing.assert_allclose(model.scores.main(rows), np.mean([decide(p) for p in parts["main"]], axis=0))
    np.testing.assert_allclose(model.scores.refits(rows), np.column_stack([decide(p) for p in parts["refits"]]))


def test_kernel_scores_are_those_of_nystroem_and_linear_svc(shelf, rows):
    parts, model = unfold(shelf, "svm")
    Z = fill(parts["scaler"].transform(model.encoding.encode(rows, blank=np.nan)))
    features = parts["map"].transform(Z)
    expected = np.column_stack([machine.decision_function(features) for machine in parts["refits"]])
    np.testing.assert_allclose(model.scores.main(rows), parts["main"][0].decision_function(features), atol=1e-8)
    np.testing.assert_allclose(model.scores.refits(rows), expected, atol=1e-8)


def test_forest_scores_are_those_of_the_forest(shelf, rows):
    parts, model = unfold(shelf, "forest")
    Z = model.encoding.encode(rows, blank=np.nan)
    filled = np.where(np.isnan(Z), parts["fill"], Z).astype(np.float32)
    p = parts["forest"].predict_proba(filled)[:, 1].clip(1e-4, 1 - 1e-4)
    np.testing.assert_allclose(model.scores.main(rows), np.log(p / (1 - p)), atol=1e-6)
    assert model.scores.refits(rows).shape == (len(rows), len(parts["forest"].estimators_) // parts["trees_per_bag"])


@pytest.mark.parametrize("name", ["logistic", "forest", "svm"])
def test_a_loaded_bundle_scores_like_freshly_trained_parts(loaded, rows, name):
    from medcore.services.training.training import learn_parts, make_rows

    recipe = make_recipes()[name]
    learning = make_rows(find_condition(CONDITION), make_table(CONDITION), recipe, 3)
    _, fresh = learn_parts(recipe, name, learning)
    np.testing.assert_allclose(loaded[name].scores.main(rows), fresh.main(rows), atol=1e-6)
    np.testing.assert_allclose(loaded[name].scores.refits(rows), fresh.refits(rows), atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "attention"])
def test_keras_scores_are_the_means_of_the_members(loaded, rows, name):
    main, refits = loaded[name].scores.model(rows.astype(np.float32))
    np.testing.assert_allclose(loaded[name].scores.main(rows), np.asarray(main).mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(loaded[name].scores.refits(rows), np.asarray(refits), atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("n", [1, 60])
def test_both_at_once_are_what_each_is_alone(loaded, rows, name, n):
    scores = loaded[name].scores
    main, refits = scores.both(rows[:n])
    np.testing.assert_allclose(main, scores.main(rows[:n]), atol=1e-6)
    np.testing.assert_allclose(refits, scores.refits(rows[:n]), atol=1e-6)
    assert main.shape == (n,)


@pytest.mark.parametrize("name", ["logistic", "forest", "svm", "mlp"])
def test_many_rows_score_like_each_alone(loaded, rows, name):
    many = loaded[name].risk(np.tile(rows, (150, 1)))
    one = loaded[name].risk(rows[:3])
    for part in ("p", "lo", "hi"):
        np.testing.assert_allclose(getattr(many, part)[:3], getattr(one, part), atol=1e-5)
        np.testing.assert_allclose(getattr(many, part)[-len(rows) :][:3], getattr(one, part), atol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_risks_are_ordered_for_any_row(loaded, rows, name):
    blank = np.full((1, rows.shape[1]), np.nan)
    extreme = np.vstack([rows, blank, rows[:5] * 1e4, -rows[:5]])
    batch = loaded[name].risk(extreme)
    assert ((batch.lo >= 0) & (batch.lo <= batch.p) & (batch.p <= batch.hi) & (batch.hi <= 1)).all()


@pytest.mark.parametrize(("name", "kind"), [("logistic", FieldwiseLogistic), ("mlp", FieldwiseNetwork)])
def test_the_additive_form_is_the_probability(loaded, rows, name, kind):
    form = loaded[name].fieldwise()
    assert isinstance(form, kind)
    terms = form.field_terms(rows)
    assert terms.shape[:2] == rows.shape
    some = terms.shape[1] // 3
    for rest, own in ((terms[:, :some], terms[:, some:]), (terms[:, :0], terms)):
        p = form.finish(rest.sum(axis=1)[:, None], own.sum(axis=1))
        np.testing.assert_allclose(p[:, 0], loaded[name].probability(rows), atol=2e-6)


@pytest.mark.parametrize("name", ["svm", "forest", "attention"])
def test_the_others_have_no_additive_form(loaded, name):
    assert loaded[name].fieldwise() is None


def test_other_activations_have_no_additive_form(loaded, monkeypatch):
    monkeypatch.setattr(loaded["mlp"].scores.model.get_layer("main_hidden_0"), "activation", "silu")
    assert loaded["mlp"].fieldwise() is None


@pytest.mark.parametrize("shape", [(3,), (1, 2), (2, 2, 2)])
def test_rows_of_another_width(loaded, shape):
    with pytest.raises(InputError, match="expects"):
        loaded["logistic"].risk(np.zeros(shape))


def test_infinite_values(loaded, rows):
    X = rows[:1].copy()
    X[0, 0] = np.inf
    with pytest.raises(InputError, match="infinite"):
        loaded["logistic"].risk(X)


@pytest.mark.parametrize("name", RECIPES)
def test_the_self_test_notices_other_answers(loaded, shelf, name):
    golden = open_bundle(shelf.folder / f"{CONDITION}-{name}").read_json("golden.json")
    loaded[name].self_test(golden)
    golden["hi"][2] = min(golden["hi"][2] + 3e-4, 1.0) if golden["hi"][2] < 0.9 else golden["hi"][2] - 3e-4
    with pytest.raises(SelfTestError, match="does not reproduce"):
        loaded[name].self_test(golden)


def test_a_withheld_patient_has_no_number(loaded, rows):
    reason = Reason(code="population", text="Already diagnosed.")
    prediction = loaded["logistic"].predict(rows[1], (reason,))
    assert prediction.status is Status.WITHHELD
    assert prediction.p_calibrated is None
    assert prediction.interval is None
    assert prediction.label is None


def test_a_score_that_is_no_number_is_never_returned(loaded, rows, monkeypatch):
    model = loaded["logistic"]
    _, refits = model.scores.both(rows[:1])
    monkeypatch.setattr(model.scores, "both", lambda X: (np.full(len(X), math.nan), refits))
    with pytest.raises(SelfTestError, match="not a number"):
        model.risk(rows[:1])
