"""One patient through several models: real released bundles, and made-up answers for what they cannot be made to do."""

import math
from pathlib import Path

import fake_models
import pytest
from tiny_bundle import write_tiny_bundle

from medcore.conditions.catalog import find_condition
from medcore.errors import ArtifactError, MissingFieldError, StorageError, WorkerError
from medcore.registry import Catalog
from medcore.results import Applicability, Explanation, Interval, Prediction, Status
from medcore.services.compare.same_patient import (
    PatientView,
    assess_all,
    assess_each,
    compare_explanations,
    find_disagreements,
    list_made_up,
    put_together,
    read_values,
)
from medcore.services.model_child import LocalGateway

RELEASED = Path(__file__).resolve().parents[2] / "assets" / "models"
DIABETES = find_condition("diabetes")
MODELS = ("diabetes-logistic", "diabetes-svm")


def make_view(name, p=None, lo=None, hi=None, problem="", **changes):
    facts = fake_models.make_facts("diabetes", name)
    if p is None:
        return PatientView(facts=facts, problem=problem or "failed")
    prediction = Prediction(
        condition="diabetes",
        model_id=facts.model_id,
        sha256=facts.sha256,
        applicability=Applicability(status=Status.SCORED),
        p_calibrated=p,
        interval=Interval(lo=lo, hi=hi),
    )
    explanation = None
    if changes:
        explanation = Explanation(
            base=0.1, contributions=changes, standard_error={}, p_calibrated=p, n_coalitions=8, sha256=facts.sha256
        )
    return PatientView(facts=facts, prediction=prediction, explanation=explanation)


@pytest.mark.parametrize("condition_id", ["breast_cancer", "diabetes", "heart_disease", "mortality_180d"])
def test_every_released_made_up_patient_can_be_read_and_is_described(condition_id):
    catalog = Catalog(RELEASED)
    patients = list_made_up(catalog, catalog.default(condition_id).model_id)
    assert [item.number for item in patients] == list(range(1, 501))
    for item in patients[:60]:
        reading = read_values(find_condition(condition_id), item.values)
        assert not reading.missing_required
        assert "not readable" not in item.line
        assert f"of {sum(f.in_form for f in find_condition(condition_id).schema.inputs)} fields known" in item.line


def test_released_models_answer_for_one_patient_and_every_answer_is_journalled(tmp_path):
    house = fake_models.make_house(tmp_path, catalog=Catalog(RELEASED), gateway=LocalGateway(RELEASED))
    patient = list_made_up(house.catalog, MODELS[0])[1]
    result = assess_all(house, "diabetes", MODELS, patient.values, cut_off=0.05)
    assert [view.facts.model_id for view in result.views] == list(MODELS)
    for view in result.views:
        assert 0.0 < view.interval.lo <= view.p <= view.interval.hi < 1.0
        total = view.explanation.base + sum(view.explanation.contributions.values())
        assert total == pytest.approx(view.p, abs=1e-6)
    (agreement,) = result.agreements
    assert -1.0 <= agreement.spearman <= 1.0
    assert 0 <= agreement.n_shared <= agreement.n_top == 5
    events = house.journal.events()
    assert [(event.action, event.model_id) for event in reversed(events)] == [("assess", name) for name in MODELS]
    assert all(event.input_hash for event in events)


def test_a_failing_model_is_one_of_the_answers(tmp_path):
    class OneFails(fake_models.FakeGateway):
        def assess(self, model_id, values, *, precision=0.02):
            if model_id.endswith("mlp"):
                raise WorkerError("the model process ended")
            return super().assess(model_id, values)

    house = fake_models.make_house(tmp_path, gateway=OneFails())
    result = assess_all(
        house, "diabetes", ("diabetes-mlp", "diabetes-logistic"), {"age_years": 61.0, "sex": 1.0}, cut_off=0.1
    )
    first, second = result.views
    assert (first.p, first.problem) == (None, "the model process ended")
    assert second.p is not None
    assert result.agreements == ()


def test_a_withheld_answer_has_its_reason_and_no_number(tmp_path):
    house = fake_models.make_house(tmp_path, gateway=fake_models.FakeGateway(status=Status.WITHHELD))
    (view,) = assess_all(house, "diabetes", ("diabetes-mlp",), {"age_years": 61.0, "sex": 1.0}, cut_off=0.1).views
    assert (view.p, view.interval) == (None, None)
    assert "Pulse 190" in view.problem


def test_answers_come_one_by_one(tmp_path):
    house = fake_models.make_house(tmp_path)
    reading = read_values(DIABETES, {"age_years": 61.0, "sex": 1.0})
    answers = assess_each(house, "diabetes", ("diabetes-logistic", "diabetes-mlp"), reading)
    next(answers)
    assert len(house.gateway.calls) == 1


def test_nothing_is_shown_that_cannot_be_journalled_or_asked(tmp_path):
    house = fake_models.make_house(tmp_path)
    with pytest.raises(MissingFieldError, match="still needed"):
        assess_all(house, "diabetes", ("diabetes-mlp",), {"age_years": 61.0}, cut_off=0.1)
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    house = fake_models.make_house(blocked)
    with pytest.raises(StorageError):
        assess_all(house, "diabetes", ("diabetes-mlp",), {"age_years": 61.0, "sex": 1.0}, cut_off=0.1)


def test_questions_about_who_fits_are_answered_for_a_made_up_patient():
    reading = read_values(DIABETES, {"age_years": 61.0, "sex": 1.0})
    assert not reading.missing_required
    assert DIABETES.population_limits(reading.record.values) == ()


def test_a_bundle_without_made_up_patients(tmp_path):
    write_tiny_bundle(tmp_path)
    catalog = Catalog(tmp_path)
    assert len(list_made_up(catalog, "diabetes-logistic")) == 200
    with pytest.raises(ArtifactError, match="holds no made-up patients"):
        list_made_up(Catalog(RELEASED), "pneumonia-cnn")


class TestDisagreement:
    def test_two_sides_of_the_cut_off(self):
        views = [make_view("a", 0.12, 0.05, 0.2), make_view("b", 0.08, 0.04, 0.2), make_view("c", 0.3, 0.1, 0.4)]
        (sentence,) = find_disagreements(views, 0.1)
        assert sentence == (
            "The models fall on two sides of the cut-off of 10 %: Made-up a and Made-up c at or above, Made-up b below."
        )

    def test_at_the_cut_off_counts_as_called(self):
        assert find_disagreements([make_view("a", 0.1, 0.05, 0.2), make_view("b", 0.2, 0.1, 0.3)], 0.1) == ()

    def test_ranges_apart(self):
        views = [make_view("a", 0.2, 0.15, 0.25), make_view("b", 0.4, 0.3, 0.5), make_view("c", 0.28, 0.24, 0.31)]
        assert find_disagreements(views, 0.1) == ("The ranges of Made-up a and Made-up b do not overlap.",)

    def test_models_without_a_number_do_not_take_part(self):
        assert find_disagreements([make_view("a", 0.2, 0.1, 0.3), make_view("b")], 0.5) == ()


class TestAgreement:
    def test_the_same_order_and_the_opposite_one(self):
        one = make_view("a", 0.2, 0.1, 0.3, x=0.1, y=0.02, z=-0.05)
        same = make_view("b", 0.2, 0.1, 0.3, x=0.3, y=0.01, z=-0.2)
        turned = make_view("c", 0.2, 0.1, 0.3, x=-0.3, y=-0.01, z=0.2)
        by_pair = {
            (item.first[-1], item.second[-1]): item.spearman for item in compare_explanations([one, same, turned])
        }
        assert by_pair == pytest.approx({("a", "b"): 1.0, ("a", "c"): -1.0, ("b", "c"): -1.0})

    def test_ties_have_average_ranks(self):
        from scipy.stats import spearmanr

        first, second = [0.1, 0.1, 0.3, -0.2, 0.0, 0.1], [0.2, 0.0, 0.0, -0.1, 0.5, 0.4]
        names = "uvwxyz"
        views = [
            make_view(n, 0.2, 0.1, 0.3, **dict(zip(names, v, strict=True))) for n, v in (("a", first), ("b", second))
        ]
        (agreement,) = compare_explanations(views)
        assert agreement.spearman == pytest.approx(spearmanr(first, second).statistic)

    def test_the_strongest_five(self):
        one = make_view("a", 0.2, 0.1, 0.3, a=9, b=8, c=7, d=6, e=5, f=1, g=0)
        two = make_view("b", 0.2, 0.1, 0.3, a=-9, b=8, c=0, d=6, e=1, f=7, g=5)
        (agreement,) = compare_explanations([one, two])
        assert (agreement.n_shared, agreement.n_top) == (3, 5)

    def test_no_variation_is_not_known(self):
        views = [make_view("a", 0.2, 0.1, 0.3, x=0.0, y=0.0), make_view("b", 0.2, 0.1, 0.3, x=0.1, y=0.2)]
        (agreement,) = compare_explanations(views)
        assert math.isnan(agreement.spearman)
        assert put_together("diabetes", views, cut_off=0.1).agreements[0].n_top == 2
