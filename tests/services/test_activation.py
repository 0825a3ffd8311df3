"""Activation and recall: exactly one bundle, signed by an administrator, off again with another hash."""

from dataclasses import replace
from types import SimpleNamespace

import fake_films
import pytest
from actors import act_as
from fake_models import SHA, FakeGateway, make_facts, make_house

from medcore.errors import AccessDeniedError, EditConflictError, InputError, ModelOffError
from medcore.journal import NewAssessment, Who
from medcore.services.bedside import clinic
from medcore.services.compare import same_patient
from medcore.services.films import reading
from medcore.services.house import find_condition
from medcore.services.trust import activation, recall
from medcore.services.trust.activation import LocalValidation, make_activation

FACTS = make_facts("diabetes")
WHY = "Calibration checked on the ward's own patients."
GOOD = LocalValidation(
    n=1200, n_events=310, figures={"auroc": (0.81, 0.78, 0.84)}, done_on="2026-01-02", done_by="A. Nalyst",
    reference="report 17",
)  # fmt: skip


class NamingGateway(FakeGateway):
    """Says which bundle explained, as the real one does."""

    def refine(self, model_id, values):
        return replace(super().refine(model_id, values), sha256=SHA)


def enter(house, *roles, demo=False):
    actor = replace(act_as(*roles), demo=demo)
    return replace(house, who=lambda: actor, access=SimpleNamespace())


@pytest.fixture
def house(tmp_path):
    house = make_house(tmp_path / "data")
    yield house
    house.journal.close()


@pytest.fixture
def boss(house):
    return enter(house, "administrator")


def assess(house, **parts):
    condition = find_condition("diabetes")
    form = clinic.read_form(condition, dict(condition.examples[0].values))
    return clinic.assess(
        "diabetes", FACTS.model_id, form, actor=house.actor, journal=house.journal, gateway=house.gateway,
        catalog=house.catalog, activation=make_activation(house, **parts),
    )  # fmt: skip


@pytest.mark.parametrize("role", ["clinician"])
def test_off_until_signed_and_off_again_with_another_bundle(house, boss, role):
    doctor = enter(house, role)
    with pytest.raises(ModelOffError, match="An administrator has to sign a local validation"):
        assess(doctor)
    assert [event.action for event in house.journal.events()] == []  # nothing was shown
    state = activation.sign(boss, FACTS, GOOD, version=0)
    assert (state.basis, state.validation, state.actor) == ("validated", GOOD, "account:test")
    assert assess(doctor).prediction.p_calibrated is not None
    other = make_activation(doctor).find("ff" * 32)
    assert not other.activated
    assert other.problem


def test_on_trust_only_with_a_reason_in_ones_own_name(house, boss):
    with pytest.raises(InputError, match="Say why"):
        activation.sign_on_trust(boss, FACTS, "  because ", version=0)
    state = activation.sign_on_trust(boss, FACTS, WHY, version=0)
    assert (state.basis, state.reason, state.validation) == ("trust", WHY, None)
    event = house.journal.events(1)[0]
    assert (event.action, event.outcome, event.actor, event.sha256) == ("activate_model", "trust", "account:test", SHA)
    assert activation.switch_off(boss, FACTS, WHY, version=1).activated is False
    assert [act["act"] for act in activation.read_state(boss, SHA).acts] == ["trust", "off"]
    assert house.journal.audit.verify().ok


@pytest.mark.parametrize("roles", [("clinician",), ("radiologist",), ("analyst",), ("auditor",), ()])
def test_only_an_administrator_signs_and_recalls(house, roles):
    inside = enter(house, *roles)
    for act in (
        lambda: activation.sign(inside, FACTS, GOOD, version=0),
        lambda: activation.sign_on_trust(inside, FACTS, WHY, version=0),
        lambda: activation.switch_off(inside, FACTS, WHY, version=0),
        lambda: recall.recall_model(inside, FACTS, WHY, version=0),
        lambda: recall.list_touched(inside, SHA),
        lambda: recall.write_touched(inside, SHA),
    ):
        with pytest.raises(AccessDeniedError):
            act()
    assert house.journal.events() == ()


@pytest.mark.parametrize(
    "change",
    [
        {"n_events": 0}, {"n_events": 1200}, {"n": 10}, {"done_on": "2/1/26"}, {"done_on": "2999-01-01"},
        {"done_by": " "}, {"reference": ""}, {"reference": "a\nb"}, {"figures": {}},
        {"figures": {"auroc": (1.2, None, None)}},
    ],
)  # fmt: skip
def test_a_validation_that_lacks_something(boss, change):
    with pytest.raises(InputError):
        activation.sign(boss, FACTS, replace(GOOD, **change), version=0)


def test_two_administrators(boss):
    activation.sign(boss, FACTS, GOOD, version=0)
    with pytest.raises(EditConflictError):
        activation.switch_off(boss, FACTS, WHY, version=0)


def test_demo_and_command_line_need_no_signature(house):
    assert assess(house).prediction.p_calibrated is not None
    demo = replace(house, settings=replace(house.settings, demo=True), access=SimpleNamespace())
    assert make_activation(demo).find(SHA).problem == ""
    visitor = enter(demo, "administrator", demo=True)
    with pytest.raises(AccessDeniedError, match="demo"):
        recall.recall_model(visitor, FACTS, WHY, version=0)


def test_an_analyst_compares_a_model_that_is_off_a_clinician_does_not(house):
    condition = find_condition("diabetes")
    form = clinic.read_form(condition, dict(condition.examples[0].values))
    (seen,) = same_patient.assess_each(enter(house, "analyst"), "diabetes", [FACTS.model_id], form)
    assert seen.prediction is not None
    (seen,) = same_patient.assess_each(enter(house, "clinician"), "diabetes", [FACTS.model_id], form)
    assert seen.prediction is None
    assert "not in use at this site" in seen.problem


class TestRecall:
    def test_counts_everywhere_at_once_and_is_lifted(self, house, boss):
        activation.sign(boss, FACTS, GOOD, version=0)
        doctor = enter(house, "clinician")
        assess(doctor)
        made = recall.recall_model(boss, FACTS, WHY, version=0)
        for inside in (doctor, house):  # with sign-in, and on the command line or in a demo
            with pytest.raises(ModelOffError, match=r"recalled on .*own patients\. It gives no score"):
                assess(inside)
        (seen,) = same_patient.assess_each(
            enter(house, "analyst"), "diabetes", [FACTS.model_id],
            clinic.read_form(find_condition("diabetes"), dict(find_condition("diabetes").examples[0].values)),
        )  # fmt: skip
        assert seen.prediction is None
        with pytest.raises(InputError, match="already"):
            recall.recall_model(boss, FACTS, WHY, version=made.version)
        lifted = recall.lift_recall(boss, made, "The supplier's correction was checked.")
        assert assess(doctor).prediction.p_calibrated is not None
        assert [act["act"] for act in lifted.acts] == ["recalled", "lifted"]
        actions = [event.action for event in house.journal.events()]
        assert actions[:3] == ["assess", "lift_recall", "recall_model"]
        assert house.journal.audit.verify().ok

    def test_lists_what_it_touched(self, house, boss):
        by = Who(actor="dr.test")
        patient = house.journal.patients.create({"name": "Zenobia Quillfeather"}, by=by)
        for sha256, pseudonym in ((SHA, patient.pseudonym), (SHA, None), ("ff" * 32, None)):
            house.journal.assessments.save(
                NewAssessment(
                    condition="diabetes", model_id="m", sha256=sha256, status="scored", inputs={"age": 5.4321987},
                    pseudonym=pseudonym,
                ),
                by=by,
            )  # fmt: skip
        assert len(recall.list_touched(boss, SHA)) == 2
        text = recall.write_touched(boss, SHA).decode()
        assert text.count("\r\n") == 3
        assert patient.pseudonym in text
        assert "Quillfeather" not in text
        assert "5.43" not in text
        event = house.journal.events(1)[0]
        assert (event.action, event.n_records) == ("export_recall_list", 2)

    def test_explanations_stop_too(self, house, boss):
        recall.recall_model(boss, FACTS, WHY, version=0)
        condition = find_condition("diabetes")
        form = clinic.read_form(condition, dict(condition.examples[0].values))
        parts = {"actor": house.actor, "journal": house.journal, "gateway": NamingGateway()}
        with pytest.raises(ModelOffError):
            clinic.refine("diabetes", FACTS.model_id, form, **parts)


class TestFilms:
    @pytest.fixture
    def desk(self, house):
        reader = enter(house, "radiologist")
        return reading.Desk(
            condition=fake_films.PNEUMONIA,
            facts=fake_films.FACTS,
            who=lambda: reader.actor,
            journal=house.journal,
            gateway=fake_films.FakeFilmGateway(),
            activation=lambda: make_activation(reader),
        )

    def open_case(self, desk):
        return reading.open_film(desk, reading.new_case(1, "a.dcm"), fake_films.draw_film(fake_films.make_file(1)))

    def test_no_score_until_signed(self, desk, boss):
        case = self.open_case(desk)
        with pytest.raises(ModelOffError, match="not in use at this site"):
            reading.score(desk, [case])
        activation.sign_on_trust(boss, fake_films.FACTS, WHY, version=0)
        (scored,) = reading.score(desk, [case])
        assert scored.scored

    def test_a_recall_takes_back_what_is_on_the_screen(self, desk, boss):
        activation.sign_on_trust(boss, fake_films.FACTS, WHY, version=0)
        (case,) = reading.score(desk, [self.open_case(desk)])
        case = reading.read(desk, case, reading.OwnReading.PNEUMONIA)
        assert reading.withdraw(desk, case) is case
        recall.recall_model(boss, fake_films.FACTS, WHY, version=0)
        empty = reading.withdraw(desk, case)
        assert not empty.scored
        assert empty.reading is reading.OwnReading.PNEUMONIA
        assert "recalled" in empty.score_error.message
        assert reading.reveal(desk, empty) is None
