"""The patients a demo begins with: made up, really scored, once, with nothing that a reader would have said."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import fake_models
import numpy as np
import pytest
from actors import TESTER

from medcore.access import Actor, Role, who_is
from medcore.errors import AccessDeniedError, InputError, WorkerError
from medcore.imaging.phantom import make_phantom
from medcore.registry import Catalog
from medcore.services.films.reading import OwnReading, new_case
from medcore.services.trust.cases import save_unread_film
from medcore.services.trust.demo_patients import COURSES, MAKER, fill_demo, is_filled, name_made_up
from medcore.services.trust.patients import find_patients, list_patients
from medcore.services.trust.timeline import open_saved_film, read_timeline

RELEASED = Path(__file__).resolve().parents[2] / "assets" / "models"
N_RESULTS = sum(course.n_results for course in COURSES)


@pytest.fixture
def house(tmp_path):
    made = fake_models.make_house(tmp_path, catalog=Catalog(RELEASED))
    yield replace(made, settings=replace(made.settings, demo=True, journal_url=""))
    made.journal.close()


def read_all(house):
    """Return the results of every made-up patient, oldest first, by number."""
    found = {}
    for course in COURSES:
        (patient,) = find_patients(house, name_made_up(course.number)["name"])
        found[course.number] = (patient, tuple(reversed(read_timeline(house, patient))))
    return found


def test_a_demo_is_filled_once(house):
    assert not is_filled(house)
    assert fill_demo(house) == N_RESULTS
    assert is_filled(house)
    assert fill_demo(house) == 0
    patients = list_patients(house).patients
    assert len(patients) == len(COURSES)
    assert all(patient.made_up for patient in patients)
    for course in COURSES:
        patient, entries = read_all(house)[course.number]
        assert patient.identifiers == name_made_up(course.number)
        assert len(entries) == course.n_results
        assert {entry.saved.actor for entry in entries} == {MAKER.name}
        assert {entry.saved.condition for entry in entries} == {course.condition_id}
    assert house.journal.audit.verify().ok


def test_scores_are_the_gateways_and_the_values_change(house):
    fill_demo(house)
    for course in COURSES[:-1]:
        _, entries = read_all(house)[course.number]
        values = [entry.saved.inputs for entry in entries]
        for entry in entries:
            assert entry.p == house.gateway.assess(entry.saved.model_id, entry.saved.inputs).prediction.p_calibrated
            assert entry.saved.model_id == house.catalog.default(course.condition_id).model_id
        assert all(one != other for one, other in pairwise(values)), course
        fixed = ("age_years", "sex")
        assert len({tuple(one.get(name) for name in fixed) for one in values}) == 1


def test_outcomes_follow_the_number_and_nothing_is_said_for_a_reader(house):
    fill_demo(house)
    for number, (_, entries) in read_all(house).items():
        known = [entry.outcome.outcome if entry.outcome else None for entry in entries]
        assert known == [number % 2 == 0 if number <= 4 else None, *[None] * (len(entries) - 1)]
        assert not any(entry.verdicts for entry in entries)
        assert not any(entry.result.get("reader", {}).get("reading") for entry in entries)
    assert not house.journal.verdicts.list()


def test_films_are_kept_without_a_score(house):
    fill_demo(house)
    _, entries = read_all(house)[8]
    films = [open_saved_film(house, entry).stored for entry in entries]
    assert not np.array_equal(*films)
    assert np.array_equal(films[0], make_phantom(80, 600, 500).stored)
    for entry in entries:
        assert entry.p is None
        assert entry.model == "no model"
        assert "Nobody has read" in entry.saved.applicability["reasons"][0]["text"]


@pytest.mark.parametrize("n_before", [0, 1, 5, N_RESULTS - 1])
def test_what_was_broken_off_is_completed(house, n_before):
    left = iter(range(n_before))
    assert fill_demo(house, go_on=lambda: next(left, None) is not None) == n_before
    assert not is_filled(house)
    assert fill_demo(house) == N_RESULTS - n_before
    assert [len(entries) for _, entries in read_all(house).values()] == [course.n_results for course in COURSES]
    assert len(list_patients(house).patients) == len(COURSES)


def test_a_model_that_fails_leaves_the_rest_to_the_next_start(house):
    house.gateway.error = WorkerError("it ended")
    with pytest.raises(WorkerError):
        fill_demo(house)
    house.gateway.error = None
    assert fill_demo(house) == N_RESULTS
    assert len(list_patients(house).patients) == len(COURSES)


@pytest.mark.parametrize("changes", [{"demo": False}, {"journal_url": "postgresql://user@host/name"}])
def test_nothing_happens_elsewhere(house, changes):
    other = replace(house, settings=replace(house.settings, **changes))
    assert fill_demo(other) == 0
    assert not list_patients(house).patients


def test_the_maker_manages_nothing():
    assert MAKER.demo
    assert MAKER.roles == {Role.CLINICIAN, Role.RADIOLOGIST}


class TestUnreadFilm:
    def case(self, **changes):
        return replace(new_case(1, "x.dcm"), film=make_phantom(1, 300, 250), **changes)

    def test_a_film_that_was_read_is_saved_with_its_result(self, house):
        with pytest.raises(InputError, match="has been read"):
            save_unread_film(house, "pneumonia", case=self.case(reading=OwnReading.NORMAL), pseudonym=None, key="k")

    def test_a_film_that_is_not_open(self, house):
        with pytest.raises(InputError, match="not open"):
            save_unread_film(house, "pneumonia", case=new_case(1, "x.dcm"), pseudonym=None, key="k")

    def test_a_demo_keeps_made_up_patients_only(self, house):
        patient = house.journal.patients.create({"name": "Zenobia Quillfeather"}, by=who_is(TESTER))
        demo = replace(house, who=lambda: Actor(name="demo", roles=frozenset(Role), demo=True))
        with pytest.raises(AccessDeniedError, match="made-up"):
            save_unread_film(demo, "pneumonia", case=self.case(), pseudonym=patient.pseudonym, key="k")
        assert not house.journal.assessments.read_all(patient.pseudonym, by=who_is(TESTER))

    def test_twice_with_one_key_is_once(self, house):
        first, second = (
            save_unread_film(house, "pneumonia", case=self.case(), pseudonym=None, key="k") for _ in range(2)
        )
        assert first.id == second.id
        assert len(house.journal.images.list(assessment_id=first.id)) == 1
