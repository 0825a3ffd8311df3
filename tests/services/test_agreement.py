"""The agreement report: figures against counts by hand, and nothing that could be about a person."""

import csv
import io
from dataclasses import fields, replace
from datetime import timedelta

import fake_models
import pytest
import verdicts
from actors import act_as

from medcore.errors import AccessDeniedError
from medcore.services.trust import agreement


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCORE_KEY_STORE", "file")
    return replace(fake_models.make_house(tmp_path), who=lambda: act_as("analyst"))


def build(house, version=None):
    chosen = version or agreement.list_versions(house, "diabetes")[0]
    return agreement.report(house, "diabetes", chosen)


def by_name(found):
    return {f"{item.part}: {item.name}": item for item in found.measures}


def fill_three_readers(journal, rows):
    for place, row in enumerate(rows):
        verdicts.add(journal, reader=("ada", "bea", "cid")[place % 3], **row)


def test_figures_by_hand(house):
    """12 readings: 8 agree from the start; 4 do not, of which 2 accept, 1 toward right and 1 toward wrong."""
    rows = [{"before": "yes", "called": True, "outcome": True}] * 4
    rows += [{"before": "no", "called": False, "outcome": False}] * 4
    rows += [{"before": "no", "called": True, "outcome": True}, {"before": "no", "called": True, "outcome": False}]
    rows += [{"before": "yes", "called": False, "accepted": False, "code": "input", "outcome": True}] * 2
    fill_three_readers(house.journal, rows)
    found = by_name(build(house))
    share = {name: item.value.value for name, item in found.items() if item.unit == "share" and item.value}
    assert share["Agreement: Opinion before the answer was the model's"] == pytest.approx(8 / 12)
    assert share["Agreement: Answer accepted"] == pytest.approx(10 / 12)
    assert share["Changes of mind: Reader changed to yes or to no after the answer"] == pytest.approx(2 / 12)
    assert share["Changes of mind: Toward right: wrong before, right after"] == pytest.approx(1 / 12)
    assert share["Changes of mind: Toward wrong: right before, wrong after"] == pytest.approx(1 / 12)
    assert share["Changes of mind: Reader right before the answer"] == pytest.approx(11 / 12)
    assert share["Changes of mind: Reader right after the answer"] == pytest.approx(11 / 12)
    assert share["Changes of mind: Model right"] == pytest.approx(9 / 12)
    assert found["Agreement: The same beyond chance (kappa)"].value.value == pytest.approx((8 / 12 - 0.5) / 0.5)
    assert found["From opening to opinion: Median"].value.value == 30.0
    assert found["From answer to response: Median"].value.value == 5.0
    for item in found.values():
        assert item.value is None or item.value.lo <= item.value.value <= item.value.hi


def test_small_numbers_are_withheld_with_the_reason(house):
    fill_three_readers(house.journal, [{"before": "yes", "called": True}] * 12)
    found = by_name(build(house))
    for name in ("Changes of mind: Model right", "Overrides by reason, of all readings: Another reason"):
        assert found[name].value is None
        assert "fewer than 10" in found[name].withheld
    assert "not defined" in found["Agreement: The same beyond chance (kappa)"].withheld


def test_fewer_than_ten_readings(house):
    fill_three_readers(house.journal, [{"before": "yes", "called": True}] * 9)
    found = build(house)
    assert found.measures == ()
    assert found.n_readings is None
    assert "Fewer than 10" in found.withheld


@pytest.mark.parametrize("readers", [("ada",), ("ada", "bea")])
def test_what_would_be_about_persons_is_withheld(house, readers):
    verdicts.fill(house.journal, 40, readers=readers)
    found = build(house)
    assert found.measures == ()
    assert "about persons" in found.withheld


def test_no_reader_and_no_day_can_be_chosen_or_read(house):
    verdicts.fill(house.journal, 40)
    found = build(house)
    assert not any(name in repr(found) for name in ("ada", "bea", "cid", "account:", "P-"))
    assert {item.name for item in fields(agreement.Version)} == {"model_id", "sha256"}
    assert "ada" not in agreement.export_csv(house, "diabetes")


def test_the_newest_response_of_a_reader_counts_once(house):
    fill_three_readers(house.journal, [{"before": "yes", "called": True}] * 11)
    saved = verdicts.add(house.journal, before="yes", called=True)
    kept = house.journal.verdicts.list(assessment_id=saved.id)[0].verdict
    from medcore.journal import Who

    changed = replace(kept, response="overridden", reason="made up", reason_code="other")
    house.journal.verdicts.add(changed, by=Who(actor="account:ada"))
    found = build(house)
    assert found.n_readings == 12
    assert by_name(found)["Agreement: Answer accepted"].value.value == pytest.approx(11 / 12)


def test_a_verdict_that_was_assigned_to_a_patient_later_counts_there_only(house):
    from medcore.journal import NewAssessment, Who

    fill_three_readers(house.journal, [{"before": "yes", "called": True, "outcome": None}] * 11)
    saved = verdicts.add(house.journal, before="no", called=True)
    (kept,) = house.journal.verdicts.list(assessment_id=saved.id)
    by = Who(actor=kept.actor)
    patient = house.journal.patients.create({"name": "Zenobia"}, by=by)
    new = NewAssessment(
        condition="diabetes", model_id=saved.model_id, sha256=saved.sha256, status="scored", inputs={},
        pseudonym=patient.pseudonym,
    )  # fmt: skip
    again = replace(kept.verdict, assessment_id=house.journal.assessments.save(new, by=by).id, repeats=kept.id)
    house.journal.verdicts.add(again, by=by)
    assert build(house).n_readings == 12
    house.journal.patients.erase(patient.pseudonym, by=by)
    assert build(house).n_readings == 12  # what was nobody's stays


def test_who_gave_no_response_is_counted_once_and_only_there(house):
    from medcore.journal import Who

    fill_three_readers(house.journal, [{"before": "yes", "called": True}] * 12)
    known = house.journal.verdicts.list()
    for i, item in enumerate(known):  # each was first stored as the answer was shown
        opened = replace(item.verdict, committed_at=verdicts.START + timedelta(seconds=i))
        house.journal.verdicts.add(opened, by=Who(actor=item.actor))
        shown = replace(opened, response="", responded_at=None)
        house.journal.verdicts.add(shown, by=Who(actor=item.actor))
    silent = "Agreement: Opinion given, answer shown, no response"
    found = by_name(build(house))[silent]
    assert (found.value.value, found.n) == (0.0, 12)
    for seconds in (100, 100, 200, 300, 400):  # the same opinion twice
        at = verdicts.START + timedelta(seconds=seconds)
        left = replace(known[0].verdict, response="", responded_at=None, committed_at=at)
        house.journal.verdicts.add(left, by=Who(actor="account:ada"))
    unseen = replace(known[0].verdict, response="", responded_at=None, revealed_at=None, committed_at=verdicts.START)
    house.journal.verdicts.add(unseen, by=Who(actor="account:bea"))
    report = build(house)
    found = by_name(report)[silent]
    assert (found.value.value, found.n) == (pytest.approx(4 / 16), 16)
    assert report.n_readings == 12
    assert by_name(report)["Agreement: Answer accepted"].n == 12


def test_versions_are_kept_apart(house):
    verdicts.fill(house.journal, 20)
    verdicts.fill(house.journal, 30, sha256="cd" * 32)
    first, second = agreement.list_versions(house, "diabetes")
    assert (first.sha256, build(house, first).n_readings) == ("cd" * 32, 30)
    assert (second.sha256, build(house, second).n_readings) == (verdicts.SHA, 20)
    assert agreement.list_versions(house, "mortality_180d") == ()


def test_an_erased_patient_is_not_counted(house):
    verdicts.fill(house.journal, 12)
    from medcore.journal import NewAssessment, NewVerdict, Who

    by = Who(actor="account:ada")
    patient = house.journal.patients.create({"name": "Ada Quill"}, by=by)
    new = NewAssessment(
        condition="diabetes", model_id="diabetes-logistic", sha256=verdicts.SHA, status="scored", inputs={},
        pseudonym=patient.pseudonym,
    )  # fmt: skip
    saved = house.journal.assessments.save(new, by=by)
    verdict = NewVerdict(assessment_id=saved.id, opinion="yes", response="accepted", called=True)
    house.journal.verdicts.add(verdict, by=by)
    assert build(house).n_readings == 13
    house.journal.patients.erase(patient.pseudonym, by=by)
    assert build(house).n_readings == 12


def test_csv(house):
    verdicts.fill(house.journal, 120)
    rows = list(csv.DictReader(io.StringIO(agreement.export_csv(house, "diabetes"))))
    accepted = next(row for row in rows if row["measure"] == "Answer accepted")
    assert (accepted["value"], accepted["n"], accepted["unit"]) == ("0.75", "120", "share")
    assert house.journal.events(1)[0].action == "export_agreement"


def test_each_look_is_an_event(house):
    verdicts.fill(house.journal, 12)
    build(house)
    newest = house.journal.events(1)[0]
    assert (newest.action, newest.sha256) == ("view_agreement", verdicts.SHA)


@pytest.mark.parametrize("role", ["clinician", "radiologist", "auditor", "administrator"])
def test_only_the_analyst_takes_it_away(house, role):
    house = replace(house, who=lambda: act_as(role))
    assert agreement.list_versions(house, "diabetes") == ()
    assert not agreement.may_export(house)
    with pytest.raises(AccessDeniedError):
        agreement.export_csv(house, "diabetes")
