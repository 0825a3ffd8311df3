"""The doctor's use case: what a form says, and that nothing is shown which is not journalled."""

from types import SimpleNamespace

import pytest
from actors import TESTER

from medcore import __version__
from medcore.conditions.catalog import find_condition
from medcore.errors import (
    ConflictError,
    InputError,
    MissingFieldError,
    NotANumberError,
    OutOfRangeError,
    StorageError,
    UnknownChoiceError,
)
from medcore.journal import Journal
from medcore.records import PatientRecord
from medcore.registry import Catalog
from medcore.results import Status
from medcore.services.bedside.clinic import assess, hash_values, read_form, refine, respond, withhold
from medcore.services.model_child import LocalGateway

DIABETES = find_condition("diabetes")
HEART = find_condition("heart_disease")
MORTALITY = find_condition("mortality_180d")
MODEL = "diabetes-logistic"
TYPED = {
    "already_diagnosed": "no",
    "age_years": "61",
    "sex": "male",
    "height_cm": "175",
    "weight_kg": "88,5",
    "total_cholesterol_mg_dl": "190",
    "hdl_mg_dl": "41",
}


def read(**changes):
    return read_form(DIABETES, {**TYPED, **changes})


class TestReading:
    def test_a_good_form(self):
        reading = read()
        assert reading.errors == reading.unit_questions == reading.missing_required == ()
        assert reading.record.values["weight_kg"] == 88.5
        assert reading.derived == {"bmi_kg_m2"}
        assert reading.record.values["bmi_kg_m2"] == pytest.approx(88.5 / 1.75**2)
        assert reading.record.derived == {"bmi_kg_m2"}

    def test_what_was_typed_is_not_derived_over(self):
        reading = read(bmi_kg_m2="40")
        assert reading.record.values["bmi_kg_m2"] == 40.0
        assert reading.derived == frozenset()
        assert len(reading.questions) == 1

    def test_one_error_per_bad_field_and_the_rest_is_kept(self):
        reading = read(height_cm="600", sex="maybe", pulse_bpm="fast")
        found = {error.field: type(error) for error in reading.errors}
        assert found == {"height_cm": OutOfRangeError, "sex": UnknownChoiceError, "pulse_bpm": NotANumberError}
        assert {"age_years", "weight_kg"} <= reading.record.values.keys()
        assert not {"height_cm", "sex", "pulse_bpm", "bmi_kg_m2"} & reading.record.values.keys()
        assert [item.name for item in reading.missing_required] == ["sex"]

    def test_missing_required(self):
        reading = read_form(DIABETES, {})
        assert {item.name for item in reading.missing_required} == {
            item.name for item in DIABETES.schema.fields if item.required
        }
        assert reading.errors == ()

    def test_contradictions(self):
        reading = read(hdl_mg_dl="200")
        assert [(type(error), error.field) for error in reading.errors] == [(ConflictError, "hdl_mg_dl")]

    def test_marks_depend_on_sex(self):
        assert read(waist_cm="90").marks == {"bmi_kg_m2": "H"}
        assert read(waist_cm="90", sex="female").marks == {"bmi_kg_m2": "H", "waist_cm": "H", "hdl_mg_dl": "L"}
        assert read(pulse_bpm="40").marks["pulse_bpm"] == "L"

    def test_other_units(self):
        reading = read_form(DIABETES, {**TYPED, "height_cm": "69"}, {"height_cm": "in"})
        assert reading.record.values["height_cm"] == pytest.approx(175.26)

    def test_a_likely_unit_mix_up_is_asked_about_and_never_converted(self):
        studied = {"total_cholesterol_mg_dl": (110.0, 300.0), "hdl_mg_dl": (25.0, 100.0)}
        typed = {**TYPED, "total_cholesterol_mg_dl": "4,9"}
        reading = read_form(DIABETES, typed, studied=studied)
        (question,) = reading.unit_questions
        assert (question.field, question.value, question.other_unit) == ("total_cholesterol_mg_dl", 4.9, "mmol/L")
        assert all(error.field != question.field for error in reading.errors)
        assert reading.record.values.get("total_cholesterol_mg_dl") != pytest.approx(question.converted)
        kept = read_form(DIABETES, typed, studied=studied, keep=frozenset({"total_cholesterol_mg_dl"}))
        assert kept.unit_questions == ()
        assert [error.field for error in kept.errors] == ["total_cholesterol_mg_dl"]

    @pytest.mark.parametrize(
        ("condition", "name", "typed", "unit"),
        [
            (DIABETES, "weight_kg", "196", "lb"),
            (HEART, "fasting_glucose_mg_dl", "5.4", "mmol/L"),
            (HEART, "fasting_glucose_mg_dl", "19", "mmol/L"),
            (MORTALITY, "pao2_mmhg", "9.5", "kPa"),
            (MORTALITY, "pao2_mmhg", "25", "kPa"),
            (MORTALITY, "systolic_mmhg", "16", "kPa"),
            (MORTALITY, "diastolic_mmhg", "10", "kPa"),
        ],
    )
    def test_a_unit_mix_up_in_an_aid_is_asked_about_without_any_studied_range(self, condition, name, typed, unit):
        reading = read_form(condition, {name: typed})
        assert [(question.field, question.other_unit) for question in reading.unit_questions] == [(name, unit)]
        assert read_form(condition, {name: typed}, keep=frozenset({name})).unit_questions == ()
        assert read_form(condition, {name: typed}, {name: unit}).unit_questions == ()

    @pytest.mark.parametrize(
        ("condition", "name", "ordinary"),
        [
            (DIABETES, "weight_kg", ("41", "60", "98", "130", "149")),
            (HEART, "fasting_glucose_mg_dl", ("62", "99", "140", "300", "440")),
            (MORTALITY, "pao2_mmhg", ("38", "60", "95", "400")),
            (MORTALITY, "systolic_mmhg", ("62", "118", "210")),
            (MORTALITY, "diastolic_mmhg", ("32", "75", "125")),
            (MORTALITY, "fio2", ("0.21", "0.6", "1", "21", "100")),
        ],
    )
    def test_ordinary_values_of_an_aid_are_not_asked_about(self, condition, name, ordinary):
        for typed in ordinary:
            assert read_form(condition, {name: typed}).unit_questions == ()

    def test_fields_of_nobody_are_ignored(self):
        assert read(banana="7", patient_name="x").record.values.keys() == read().record.values.keys()


class Watched:
    """The real gateway, with the number of journalled events at each answer."""

    def __init__(self, folder):
        self.real = LocalGateway(folder)
        self.asked = 0

    def assess(self, model_id, values, *, precision=0.02):
        self.asked += 1
        return self.real.assess(model_id, values, precision=precision)

    def respond(self, model_id, values, field):
        self.asked += 1
        return self.real.respond(model_id, values, field)

    def refine(self, model_id, values):
        self.asked += 1
        return self.real.refine(model_id, values)


@pytest.fixture(scope="module")
def gateway(shelf):
    return Watched(shelf.folder)


@pytest.fixture
def parts(shelf, gateway, tmp_path):
    gateway.asked = 0
    with Journal(tmp_path / "data") as journal:
        yield {"actor": TESTER, "journal": journal, "gateway": gateway, "catalog": Catalog(shelf.folder)}


def without_catalog(parts):
    return {name: part for name, part in parts.items() if name != "catalog"}


class TestAssess:
    def test_scored_and_journalled(self, parts):
        assessment = assess("diabetes", MODEL, read(), **parts)
        prediction = assessment.prediction
        assert prediction.status is not Status.WITHHELD
        assert prediction.interval.lo <= prediction.p_calibrated <= prediction.interval.hi
        assert assessment.explanation is not None
        assert assessment.most_useful_missing is not None
        assert assessment.marks == read().marks
        (event,) = parts["journal"].events()
        assert event.id == assessment.journal_id
        assert (event.action, event.outcome, event.actor) == ("assess", prediction.status.value, "local:test")
        assert (event.model_id, event.sha256) == (MODEL, prediction.sha256)
        assert event.app_version == __version__

    def test_the_journal_holds_no_value_and_no_plain_fingerprint(self, parts):
        assess("diabetes", MODEL, read(), **parts)
        (event,) = parts["journal"].events()
        assert event.input_hash not in ("", hash_values(read().record.values))
        assert "88" not in f"{event.action}{event.outcome}{event.condition}"

    def test_the_same_patient_is_recognised_and_another_is_not(self, parts):
        for reading in (read(), read(), read(age_years="62")):
            assess("diabetes", MODEL, reading, **parts)
        third, second, first = parts["journal"].events()
        assert first.input_hash == second.input_hash != third.input_hash

    def test_nothing_is_shown_when_the_journal_fails(self, parts, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        with Journal(blocked) as journal, pytest.raises(StorageError):
            assess("diabetes", MODEL, read(), **{**parts, "journal": journal})
        with Journal(blocked) as journal, pytest.raises(StorageError):
            assess("diabetes", MODEL, read(already_diagnosed="yes"), **{**parts, "journal": journal})
        with Journal(blocked) as journal, pytest.raises(StorageError):
            respond("diabetes", MODEL, read(), "pulse_bpm", **{**without_catalog(parts), "journal": journal})

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"already_diagnosed": "yes"}, "population"),
            ({"pregnant": "yes"}, "population"),
            ({"age_years": "12"}, "population"),
            ({"height_cm": "600"}, "outside_possible"),
            ({"hdl_mg_dl": "200"}, "conflict"),
        ],
    )
    def test_withheld_carries_no_number_and_the_model_is_not_asked(self, parts, change, code):
        assessment = assess("diabetes", MODEL, read(**change), **parts)
        prediction = assessment.prediction
        assert prediction.status is Status.WITHHELD
        assert code in {reason.code for reason in prediction.applicability.reasons}
        assert (prediction.p_calibrated, prediction.interval, prediction.label) == (None, None, None)
        assert (assessment.explanation, assessment.most_useful_missing) == (None, None)
        assert parts["gateway"].asked == 0
        assert parts["journal"].events()[0].outcome == "withheld"

    def test_an_open_unit_question_withholds(self, parts):
        typed = {**TYPED, "total_cholesterol_mg_dl": "4.9"}
        reading = read_form(DIABETES, typed, studied={"total_cholesterol_mg_dl": (110.0, 300.0)})
        prediction = assess("diabetes", MODEL, reading, **parts).prediction
        assert [reason.code for reason in prediction.applicability.reasons] == ["unit_question"]

    def test_a_required_blank_is_no_case_yet(self, parts):
        with pytest.raises(MissingFieldError, match="still needed: Sex") as caught:
            assess("diabetes", MODEL, read(sex=""), **parts)
        assert caught.value.field == "sex"
        assert parts["journal"].events() == ()

    def test_a_population_limit_is_answered_before_anything_more_is_asked_for(self, parts):
        reading = read_form(DIABETES, {"already_diagnosed": "yes", "height_cm": "175"})
        assert reading.missing_required
        prediction = assess("diabetes", MODEL, reading, **parts).prediction
        applicability = prediction.applicability
        assert [reason.code for reason in applicability.reasons] == ["population"]
        inputs = [item for item in DIABETES.schema.inputs if item.in_form]
        assert (applicability.n_known, applicability.n_fields) == (1, len(inputs))
        assert parts["gateway"].asked == 0
        (event,) = parts["journal"].events()
        assert (event.action, event.outcome, event.sha256) == ("assess", "withheld", prediction.sha256)

    def test_hidden_fields_are_not_counted(self):
        facts = SimpleNamespace(condition="mortality_180d", model_id="m", sha256="ab")
        record = PatientRecord(values={"age_years": 71.0, "coma_support": 0.0, "pao2_mmhg": 80.0})
        applicability = withhold(SimpleNamespace(find=lambda _: facts), "m", (), record).applicability
        assert applicability.n_known == 1
        assert applicability.n_fields == len(MORTALITY.schema.inputs) - 1

    def test_a_failed_explanation_leaves_the_score(self, parts, monkeypatch):
        def fail(*_args, **_options):
            raise FloatingPointError("overflow")

        model = parts["gateway"].real._model(MODEL)
        monkeypatch.setattr(model.explainer, "explain", fail)
        assessment = assess("diabetes", MODEL, read(), **parts)
        assert assessment.prediction.p_calibrated is not None
        assert assessment.explanation is None
        assert "explanation unavailable" in assessment.explanation_error
        assert assessment.journal_id == 1


class TestRespond:
    def test_swept_and_journalled(self, parts):
        response = respond("diabetes", MODEL, read(), "hdl_mg_dl", **without_catalog(parts))
        assert response.measured == 41.0
        (event,) = parts["journal"].events()
        assert (event.action, event.outcome) == ("respond", "hdl_mg_dl")
        assert (event.sha256, event.app_version) == (parts["catalog"].find(MODEL).sha256, __version__)

    def test_refined_and_journalled(self, parts):
        explanation = refine("diabetes", MODEL, read(), **without_catalog(parts))
        assert explanation.top_stability is not None
        (event,) = parts["journal"].events()
        assert (event.action, event.outcome) == ("refine", "explained")
        assert (event.sha256, event.app_version) == (parts["catalog"].find(MODEL).sha256, __version__)

    def test_a_withheld_patient_is_not_refined(self, parts):
        with pytest.raises(InputError, match="withheld"):
            refine("diabetes", MODEL, read(already_diagnosed="yes"), **without_catalog(parts))
        assert parts["journal"].events() == ()

    @pytest.mark.parametrize("field", ["age_years", "systolic_mmhg", "banana"])
    def test_fields_that_are_not_offered(self, parts, field):
        with pytest.raises(InputError, match="cannot be swept"):
            respond("diabetes", MODEL, read(), field, **without_catalog(parts))

    @pytest.mark.parametrize("change", [{"already_diagnosed": "yes"}, {"height_cm": "600"}, {"sex": ""}])
    def test_no_number_for_a_withheld_patient(self, parts, change):
        with pytest.raises(InputError, match="no score to sweep"):
            respond("diabetes", MODEL, read(**change), "hdl_mg_dl", **without_catalog(parts))
        assert parts["gateway"].asked == 0
        assert parts["journal"].events() == ()
