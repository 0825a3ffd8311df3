"""The timeline: what was saved, as it was, with what is known since."""

from dataclasses import replace

import fake_films
import fake_models
import numpy as np
import pytest
from actors import TESTER, act_as

from medcore.access import Role, who_is
from medcore.conditions.catalog import find_condition
from medcore.errors import AccessDeniedError, InputError, StorageError, UnknownNameError
from medcore.imaging.identity import hash_number
from medcore.imaging.reader import _SALT
from medcore.journal import NewVerdict
from medcore.services.bedside.case_file import CaseFormat, export_case_file
from medcore.services.bedside.clinic import assess, read_form
from medcore.services.films import reading
from medcore.services.films.reading import Desk, OwnReading
from medcore.services.house import list_conditions
from medcore.services.trust.cases import confirm_film, save_assessment, save_film
from medcore.services.trust.fit import compare_film, compare_form, fits_number
from medcore.services.trust.patients import make_patient
from medcore.services.trust.recall import recall_model
from medcore.services.trust.saved_case import make_saved_case_file
from medcore.services.trust.timeline import (
    Stage,
    find_stage,
    open_saved_film,
    read_timeline,
    record_outcome,
    spell_values,
)

BY = who_is(TESTER)
EXAMPLES = [
    pytest.param(condition.id, number, id=f"{condition.id}-{number}")
    for condition in list_conditions()
    for number in range(len(condition.examples))
]


@pytest.fixture
def house(tmp_path):
    return fake_models.make_house(tmp_path)


@pytest.fixture
def patient(house):
    return make_patient(house, {"name": "Zenobia Quillfeather", "mrn": "0815", "birth_date": "1965-03-09"})


def read_example(condition_id, number):
    condition = find_condition(condition_id)
    example = condition.examples[number]
    return read_form(condition, example.values, example.units)


def save(house, patient, condition_id="diabetes", number=1):
    form = read_example(condition_id, number)
    parts = {"journal": house.journal, "gateway": house.gateway, "catalog": house.catalog}
    shown = assess(condition_id, house.catalog.default(condition_id).model_id, form, actor=house.actor, **parts)
    return save_assessment(
        house, condition_id=condition_id, reading=form, assessment=shown, pseudonym=patient.pseudonym, key="k"
    )


def save_a_film(house, patient, keep_image=True, **header):
    desk = Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: house.actor,
        journal=house.journal,
        gateway=fake_films.FakeFilmGateway(),
    )
    film = fake_films.draw_film(fake_films.make_file(1, **header))
    case = reading.open_film(desk, reading.new_case(1, "a.dcm"), film)
    case = reading.read(desk, reading.score(desk, [case])[0], OwnReading.PNEUMONIA)
    finding = reading.reveal(desk, case)
    save_film(
        house, case=case, finding=finding, pseudonym=patient.pseudonym, keep_image=keep_image, key="film"
    )  # fmt: skip
    return case


class TestTimeline:
    def test_newest_first_each_as_it_was_shown(self, house, patient):
        assert read_timeline(house, patient) == ()
        saved = [save(house, patient, name) for name in ("diabetes", "heart_disease", "mortality_180d")]
        entries = read_timeline(house, patient)
        assert [entry.saved.id for entry in entries] == [item.id for item in reversed(saved)]
        newest = entries[0]
        assert (newest.p, newest.lo, newest.hi) == (
            saved[2].result["p"], saved[2].result["interval"]["lo"], saved[2].result["interval"]["hi"],
        )  # fmt: skip
        assert newest.model == "Made-up logistic 1.2 (ab12cd)"
        assert {item.name: item.value for items in newest.inputs.values() for item in items} == saved[2].inputs
        event = house.journal.events(1)[0]
        assert (event.action, event.patient, event.n_records) == ("view_timeline", patient.pseudonym, 3)

    def test_another_patient_has_none_of_it(self, house, patient):
        save(house, patient)
        assert read_timeline(house, make_patient(house, {})) == ()

    def test_withheld_has_no_number(self, house, patient):
        withheld = replace(house, gateway=fake_models.FakeGateway(status=fake_models.Status.WITHHELD))
        save(withheld, patient)
        (entry,) = read_timeline(house, patient)
        assert (entry.p, entry.lo, entry.hi, entry.saved.status) == (None, None, None, "withheld")

    def test_a_model_that_was_replaced_or_removed_is_named(self, house, patient):
        save(house, patient)

        class Moved(fake_models.FakeCatalog):
            def find(self, model_id):
                return replace(super().find(model_id), sha256="ff" * 32, version="2.0")

        class Gone(fake_models.FakeCatalog):
            def find(self, model_id):
                raise UnknownNameError("there is no such model")

        assert read_timeline(house, patient)[0].note == ""
        assert "replaced since, by version 2.0" in read_timeline(replace(house, catalog=Moved()), patient)[0].note
        assert "no longer installed" in read_timeline(replace(house, catalog=Gone()), patient)[0].note

    def test_a_recalled_model_is_named_with_the_reason(self, house, patient):
        save(house, patient)
        recall_model(house, house.catalog.default("diabetes"), "drifts since the new analyser", version=0)
        assert read_timeline(house, patient)[0].note.startswith("This model was recalled since: drifts since")

    def test_verdicts_and_outcome(self, house, patient):
        saved = save(house, patient)
        verdict = NewVerdict(assessment_id=saved.id, opinion="no", response="overridden", reason="seen before")
        house.journal.verdicts.add(verdict, by=BY)
        (entry,) = read_timeline(house, patient)
        assert [(item.opinion, item.response) for item in entry.verdicts] == [("no", "overridden")]
        assert entry.outcome is None
        for outcome in (True, False):
            record_outcome(house, entry, outcome)
            (entry,) = read_timeline(house, patient)
            assert entry.outcome.outcome is outcome

    def test_after_an_erasure_nothing_is_left_but_the_line(self, house, patient):
        save(house, patient)
        save_a_film(house, patient)
        house.journal.patients.erase(patient.pseudonym, by=BY)
        entries = read_timeline(house, patient)
        assert [(entry.saved.readable, entry.p, dict(entry.inputs)) for entry in entries] == [(False, None, {})] * 2
        with pytest.raises(InputError):
            make_saved_case_file(house, entries[1], patient)

    @pytest.mark.parametrize("role", [Role.ANALYST, Role.AUDITOR, Role.ADMINISTRATOR])
    def test_denied(self, house, patient, role):
        save(house, patient)
        (entry,) = read_timeline(house, patient)
        other = replace(house, who=lambda: act_as(role))
        for act in (
            lambda: read_timeline(other, patient),
            lambda: record_outcome(other, entry, True),
            lambda: open_saved_film(other, entry),
        ):
            with pytest.raises(AccessDeniedError):
                act()


class TestReopening:
    @pytest.mark.parametrize(("condition_id", "number"), EXAMPLES)
    def test_values_put_back_give_the_same_record(self, house, patient, condition_id, number):
        save(house, patient, condition_id, number)
        (entry,) = read_timeline(house, patient)
        before, again = (
            read_example(condition_id, number),
            read_form(find_condition(condition_id), spell_values(entry)),
        )
        assert again.record.values == pytest.approx(dict(before.record.values), rel=1e-9)
        assert again.record.qualifiers == before.record.qualifiers
        assert again.derived == before.derived

    def test_case_file_of_a_saved_result(self, house, patient):
        saved = save(house, patient)
        (entry,) = read_timeline(house, patient)
        case = make_saved_case_file(house, entry, patient)
        assert (case.patient.name, case.patient.identifier) == ("Zenobia Quillfeather", "0815")
        assert case.assessed_at == saved.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        html = export_case_file(house, case, CaseFormat.HTML).data.decode()
        assert "Zenobia Quillfeather" in html
        assert case.reader is None

    def test_the_readers_verdict_and_a_recall_stand_in_it(self, house, patient):
        saved = save(house, patient)
        for response, reason in (("overridden", "seen before"), ("accepted", "")):
            verdict = NewVerdict(assessment_id=saved.id, opinion="no", response=response, reason=reason, revised=True)
            house.journal.verdicts.add(verdict, by=BY)
        recall_model(house, house.catalog.default("diabetes"), "Dr Smith saw drift", version=0)
        (entry,) = read_timeline(house, patient)
        case = make_saved_case_file(house, entry, patient)
        assert (case.reader.reading, case.reader.verdict) == ("no (before the values were changed)", "agrees")
        assert "This model was recalled since." in case.notices
        assert "Smith" not in repr(case)
        for form in (CaseFormat.HTML, CaseFormat.FHIR):
            assert b"agrees" in export_case_file(house, case, form).data

    def test_a_film_opens_from_the_store(self, house, patient):
        case = save_a_film(house, patient)
        (entry,) = read_timeline(house, patient)
        assert entry.is_film
        assert np.array_equal(open_saved_film(house, entry).stored, case.film.stored)
        assert house.journal.events(1)[0].action == "view_image"
        (path,) = house.journal.folder.images.iterdir()
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(StorageError, match="changed or damaged"):
            open_saved_film(house, entry)

    def test_a_film_without_its_image(self, house, patient):
        save_a_film(house, patient, keep_image=False)
        (entry,) = read_timeline(house, patient)
        with pytest.raises(InputError, match="not kept"):
            open_saved_film(house, entry)


@pytest.mark.parametrize("condition", list_conditions(), ids=lambda condition: condition.id)
def test_every_field_has_its_station(condition):
    stages = {item.name: find_stage(item) for item in condition.schema.fields}
    assert stages["age_years"] is Stage.HISTORY
    for name, stage in stages.items():
        if "cholesterol" in name or "creatinine" in name:
            assert stage is Stage.LABS
        if "mmhg" in name and "pao2" not in name:
            assert stage is Stage.EXAM
    assert Stage.PLAN not in stages.values()


class TestWrongPatient:
    def test_the_form_is_of_somebody_of_another_age(self, house, patient):
        form = read_example("diabetes", 1)
        assert compare_form("diabetes", form, patient) == ()
        young = replace(patient, identifiers={"birth_date": "2001-01-01"})
        (said,) = compare_form("diabetes", form, young)
        assert said == "The age on the form does not fit the patient's record: is this the right patient?"
        assert compare_form("diabetes", form, replace(patient, identifiers={})) == ()

    def test_the_film_is_of_somebody_of_another_age(self, patient):
        film = fake_films.draw_film(fake_films.make_file(1, age_years=3.0))
        (said,) = compare_film(film, patient).values()
        assert "in the film's header" in said
        assert compare_film(replace(film, age_years=None), patient) == {}

    @pytest.mark.parametrize(
        ("stated", "doubts", "fits"),
        [("0815", set(), True), (" 0815 ", set(), True), ("", set(), None), ("4711", {"number"}, False)],
    )
    def test_the_number_in_the_header(self, patient, stated, doubts, fits):
        film = fake_films.draw_film(fake_films.make_file(1, age_years=None))
        film = replace(film, number_key=hash_number(stated, _SALT))
        assert set(compare_film(film, patient)) == doubts
        assert fits_number(film, patient) is fits
        assert "4711" not in repr(film) + repr(compare_film(film, patient))

    def test_without_a_record_number_only_the_pseudonym_can_fit(self, patient):
        film = fake_films.draw_film(fake_films.make_file(1, age_years=None))
        bare = replace(patient, identifiers={})
        for number, fits in (("4711", None), (patient.pseudonym.lower(), True)):
            stated = replace(film, number_key=hash_number(number, _SALT))
            assert fits_number(stated, bare) is fits
            assert fits_number(stated, patient) is bool(fits)

    def test_a_film_confirmed_against_its_header_is_an_event(self, house, patient):
        film = fake_films.draw_film(fake_films.make_file(1, age_years=3.0))
        case = reading.new_case(1, "a.dcm")
        for number, outcomes in (("0815", []), ("4711", ["despite_number"])):
            known = replace(film, age_years=None, number_key=hash_number(number, _SALT))
            confirm_film(house, replace(case, film=known), patient)
            events = [item for item in house.journal.events() if item.action == "confirm_patient"]
            assert [item.outcome for item in events] == outcomes
        assert events[0].patient == patient.pseudonym
        assert "4711" not in repr(events)
        confirm_film(house, replace(case, film=replace(film, number_key=known.number_key)), patient)
        assert house.journal.events(1)[0].outcome == "despite_age_number"
        analyst = replace(house, who=lambda: act_as(Role.ANALYST))
        with pytest.raises(AccessDeniedError):
            confirm_film(analyst, replace(case, film=known), patient)
