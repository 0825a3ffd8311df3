"""The Python API: list, load, predict, explain; whatever comes in, only typed errors come out."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import medcore
from medcore.conditions.catalog import find_condition
from medcore.errors import (
    ArtifactError,
    ConflictError,
    ExplanationError,
    InputError,
    MedcoreError,
    OutOfRangeError,
    UnknownNameError,
)
from medcore.records import PatientRecord
from medcore.results import Status

RECORD = {"already_diagnosed": "no", "age_years": 61, "sex": "male", "height_cm": "175", "weight_kg": "88"}


@pytest.fixture(scope="module")
def model(shelf):
    return medcore.load_model("diabetes-logistic", shelf.folder)


def test_list_models_defaults_first(shelf):
    found = medcore.list_models(models_dir=shelf.folder)
    assert len(found) == 6
    assert [facts.default for facts in medcore.list_models("diabetes", shelf.folder)] == [True] + [False] * 4
    assert {facts.condition for facts in medcore.list_models("heart_disease", shelf.folder)} == {"heart_disease"}


def test_facts_are_those_of_the_bundle(shelf, model):
    facts = model.facts
    assert facts.sha256 == model.risk_model.sha256
    assert 0.0 < facts.metrics["auroc"].lo <= facts.metrics["auroc"].value <= facts.metrics["auroc"].hi <= 1.0
    assert facts.n_train == shelf.tables["diabetes"].eligible.sum()
    assert facts.base_rate == pytest.approx(shelf.tables["diabetes"].y[shelf.tables["diabetes"].eligible].mean())


def test_unknown_names(shelf, tmp_path):
    with pytest.raises(UnknownNameError, match="there is no model"):
        medcore.load_model("banana", shelf.folder)
    with pytest.raises(UnknownNameError, match="no condition"):
        medcore.list_models("banana", shelf.folder)
    with pytest.raises(ArtifactError, match="does not exist"):
        medcore.list_models(models_dir=tmp_path / "nowhere")


def test_predict_reads_words_and_numbers_alike(model):
    typed, plain = model.predict([RECORD, {**RECORD, "already_diagnosed": 0, "sex": 1, "height_cm": 175.0}])
    assert typed == plain
    assert typed.status in (Status.SCORED, Status.CAUTION)
    assert typed.interval.lo <= typed.p_calibrated <= typed.interval.hi


def test_a_record_object_gives_the_same(model):
    values = {"already_diagnosed": 0.0, "age_years": 61.0, "sex": 1.0, "height_cm": 175.0, "weight_kg": 88.0}
    assert model.predict_one(PatientRecord(values=values)) == model.predict_one(RECORD)


def test_rows_give_the_same_as_a_record(model):
    row = np.full((1, len(model.condition.schema.inputs)), np.nan)
    names = model.condition.schema.input_names
    known = {"age_years": 61.0, "sex": 1.0, "height_cm": 175.0, "bmi_kg_m2": 88 / 1.75**2}
    for name, value in known.items():
        row[0, names.index(name)] = value
    assert model.predict_rows(row).p[0] == pytest.approx(model.predict_one(RECORD).p_calibrated)


def test_out_of_range_names_field_value_range_and_unit(model):
    with pytest.raises(OutOfRangeError, match="Height 600 cm: possible values are 90 to 250 cm") as caught:
        model.predict([{**RECORD, "height_cm": "600"}])
    assert (caught.value.field, caught.value.value) == ("height_cm", "600")


@pytest.mark.parametrize("value", [0.0, -5.0, 1e9, math.inf, math.nan, "tall", None, True, [1], b"1"])
def test_a_record_object_with_an_impossible_value(model, value):
    record = PatientRecord(values={"age_years": 61.0, "sex": 1.0, "weight_kg": 80.0, "height_cm": value})
    for ask in (model.predict_one, model.explain, model.most_useful_missing):
        with pytest.raises(MedcoreError):
            ask(record)


@pytest.mark.parametrize("age", [80.0, 95.0, 120.0])
def test_a_record_object_is_top_coded_like_a_text(model, age):
    values = {"already_diagnosed": 0.0, "age_years": age, "sex": 1.0, "height_cm": 175.0, "weight_kg": 88.0}
    typed = model.predict_one({**RECORD, "age_years": f"{age:g}"})
    assert model.predict_one(PatientRecord(values=values)) == typed


def test_contradictions_are_raised_on_every_path(model):
    wrong = {**RECORD, "total_cholesterol_mg_dl": 150, "hdl_mg_dl": 160}
    values = {"already_diagnosed": 0.0, "age_years": 61.0, "sex": 1.0, "total_cholesterol_mg_dl": 150, "hdl_mg_dl": 160}
    for record in (wrong, PatientRecord(values=values)):
        for ask in (model.predict_one, model.explain, model.refine, model.most_useful_missing):
            with pytest.raises(ConflictError) as caught:
                ask(record)
            assert caught.value.field == "hdl_mg_dl"
    with pytest.raises(ConflictError):
        model.predict([RECORD, wrong])


def test_a_withheld_patient_is_not_explained_and_the_model_is_not_asked(model, monkeypatch):
    def refuse(*_):
        pytest.fail("the model was asked")

    monkeypatch.setattr(type(model.risk_model), "risk", refuse)
    monkeypatch.setattr(type(model.risk_model), "probability", refuse)
    for withheld in ({**RECORD, "already_diagnosed": "yes"}, {**RECORD, "sex": ""}, {}):
        for ask in (model.explain, model.refine, model.most_useful_missing):
            with pytest.raises(InputError, match="withheld"):
                ask(withheld)


def test_explanations_add_up(model):
    explanation = model.explain(RECORD)
    assert set(explanation.contributions) == set(model.condition.schema.input_names)
    assert explanation.base + sum(explanation.contributions.values()) == pytest.approx(explanation.p_calibrated)
    assert explanation.p_calibrated == pytest.approx(model.predict_one(RECORD).p_calibrated, abs=1e-6)
    assert explanation.worst_error <= 0.02


@pytest.mark.parametrize("kind", ["forest", "svm", "mlp", "attention"])
def test_every_kind_explains(shelf, kind):
    other = medcore.load_model(f"diabetes-{kind}", shelf.folder)
    explanation = other.explain(RECORD)
    p = other.predict_one(RECORD).p_calibrated
    assert explanation.base + sum(explanation.contributions.values()) == pytest.approx(p, abs=1e-5)


def test_an_explanation_that_fails_is_one_typed_error(model, monkeypatch):
    def fail(*_args, **_options):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(model.explainer, "explain", fail)
    with pytest.raises(ExplanationError, match="the score stands"):
        model.explain(RECORD)


@pytest.mark.parametrize("field", ["sex", "weight_kg", "banana", "", None])
def test_a_field_that_cannot_be_swept(model, field):
    with pytest.raises(MedcoreError):
        model.respond(RECORD, field)


def test_a_withheld_patient_is_not_swept(model):
    diagnosed = {**RECORD, "already_diagnosed": "yes"}
    assert model.predict_one(diagnosed).p_calibrated is None
    with pytest.raises(InputError, match="withheld"):
        model.respond(diagnosed, "pulse_bpm")


def test_a_sweep_stays_within_the_studied_range(model):
    response = model.respond(RECORD, "pulse_bpm")
    lo, hi = model.risk_model.manifest.studied["pulse_bpm"]
    assert (response.values[0], response.values[-1]) == (lo, hi)
    for low, p, high in zip(response.lo, response.p, response.hi, strict=True):
        assert 0 <= low <= p <= high <= 1


@pytest.mark.parametrize("records", [None, 3, RECORD, "text", b"x", [None], [3], ["text"], [[1, 2]], [object()]])
def test_what_is_no_list_of_records(model, records):
    with pytest.raises(InputError):
        model.predict(records)


names = st.sampled_from([item.name for item in find_condition("diabetes").schema.fields])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.binary(max_size=4),
    st.complex_numbers(),
)
anything = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
near = st.one_of(st.floats(-10, 500), st.sampled_from(["5,4", "<0.2", "1e999", "yes", "male", "٣", "1,234", "", "NaN"]))
garbage = st.dictionaries(
    st.one_of(names, scalars.filter(lambda key: key == key)), st.one_of(anything, near), max_size=8
)


def assert_only_typed_errors(ask, *arguments):
    try:
        return ask(*arguments)
    except MedcoreError:
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(record=garbage)
def test_garbage_raises_typed_errors_only(model, record):
    found = assert_only_typed_errors(model.predict, [record])
    if found is not None and found[0].status is not Status.WITHHELD:
        interval = found[0].interval
        assert 0 <= interval.lo <= found[0].p_calibrated <= interval.hi <= 1
    assert_only_typed_errors(model.predict, [PatientRecord(values=record)])
    assert_only_typed_errors(model.respond, record, "pulse_bpm")


@settings(max_examples=60, deadline=None)
@given(record=anything)
def test_garbage_in_place_of_a_record(model, record):
    assert_only_typed_errors(model.predict, [record])
    assert_only_typed_errors(model.predict, record)
    assert_only_typed_errors(model.explain, record)
