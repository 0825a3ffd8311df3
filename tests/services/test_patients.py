"""Patients as a service: checked, stored as typed, found by whole identifiers, and only for those who treat them."""

from dataclasses import replace
from datetime import date

import fake_models
import pytest
from actors import act_as
from hostile_names import SEEN

from medcore.access import Actor, Role
from medcore.errors import AccessDeniedError, EditConflictError, InputError
from medcore.services.trust.patients import (
    change_patient,
    check_identifiers,
    find_patients,
    list_patients,
    make_patient,
    open_patient,
    refresh_patient,
)

TYPED = {"mrn": "MRN 0815", "name": "Zenobia Quillfeather", "birth_date": "1965-03-09"}


@pytest.fixture
def house(tmp_path):
    return fake_models.make_house(tmp_path)


class TestMake:
    @pytest.mark.parametrize("typed", [{}, {"name": ""}, {"name": "A"}, TYPED])
    def test_identifiers_are_optional(self, house, typed):
        patient = make_patient(house, typed)
        assert patient.identifiers == {kind: text for kind, text in typed.items() if text}
        assert open_patient(house, patient.pseudonym) == patient

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("9.3.1965", "year-month-day"),
            ("1965-02-30", "year-month-day"),
            ("65-03-09", "year-month-day"),
            ("1965-03-9x", "year-month-day"),
            ("1879-12-31", "from 1880"),
            ("2026-05-05", "still to come"),
        ],
    )
    def test_a_birth_date_is_a_day_of_the_past(self, text, reason):
        with pytest.raises(InputError, match=reason) as caught:
            check_identifiers({"birth_date": text}, today=date(2026, 5, 4))
        assert caught.value.field == "birth_date"

    @pytest.mark.parametrize(("kind", "longest"), [("mrn", 64), ("name", 120)])
    def test_too_long(self, kind, longest):
        assert check_identifiers({kind: "x" * longest}) == {kind: "x" * longest}
        with pytest.raises(InputError, match=f"at most {longest}"):
            check_identifiers({kind: "x" * (longest + 1)})

    def test_half_a_character(self, house):
        with pytest.raises(InputError, match="half a character"):
            make_patient(house, {"name": "a\ud800b"})
        with pytest.raises(InputError, match="half a character"):
            find_patients(house, "a\ud800b")

    @pytest.mark.parametrize("text", SEEN)
    def test_hostile_text_is_stored_exactly_and_found(self, house, text):
        patient = make_patient(house, {"name": text, "mrn": text})
        assert open_patient(house, patient.pseudonym).identifiers == {"name": text, "mrn": text}
        assert [found.pseudonym for found in find_patients(house, text)] == [patient.pseudonym]

    def test_every_patient_of_a_demo_is_made_up(self, house):
        demo = replace(house, who=lambda: Actor(name="demo", roles=frozenset(Role), demo=True))
        assert make_patient(demo, TYPED).made_up
        assert not make_patient(house, {}).made_up


class TestFind:
    @pytest.mark.parametrize("text", ["mrn 0815", "zenobia   QUILLFEATHER", "1965-03-09"])
    def test_by_each_identifier(self, house, text):
        patient = make_patient(house, TYPED)
        assert find_patients(house, text) == (patient,)

    def test_by_pseudonym_in_small_letters(self, house):
        patient = make_patient(house, TYPED)
        assert find_patients(house, patient.pseudonym.lower()) == (patient,)
        assert find_patients(house, "P-AAAAAAAA") == ()

    @pytest.mark.parametrize("text", ["Quillfeather", "MRN", "%", "*", "' OR 1=1 --"])
    def test_a_part_finds_nobody(self, house, text):
        make_patient(house, TYPED)
        assert find_patients(house, text) == ()

    def test_nothing_typed(self, house):
        with pytest.raises(InputError, match="Type a pseudonym"):
            find_patients(house, "  ")

    def test_what_was_typed_is_not_in_the_trail(self, house):
        make_patient(house, TYPED)
        find_patients(house, "Zenobia Quillfeather")
        assert "enobia" not in repr(house.journal.events(50))


class TestList:
    def test_pages(self, house):
        names = [make_patient(house, {"name": f"n{i}"}).pseudonym for i in range(5)]
        first = list_patients(house, limit=2)
        second = list_patients(house, limit=2, before=first.after)
        last = list_patients(house, limit=2, before=second.after)
        listed = [patient.pseudonym for page in (first, second, last) for patient in page.patients]
        assert sorted(listed) == sorted(names)
        assert last.after is None
        assert not any(patient.identifiers for patient in first.patients)
        assert house.journal.events(1)[0].action == "list_patients"


class TestChange:
    def test_the_second_editor_gets_both_versions(self, house):
        patient = make_patient(house, TYPED)
        first = change_patient(house, patient, {**TYPED, "name": "Z. Quillfeather"})
        with pytest.raises(EditConflictError) as caught:
            change_patient(house, patient, {**TYPED, "mrn": "2"})
        assert caught.value.value == first
        assert open_patient(house, patient.pseudonym) == first
        assert change_patient(house, first, {"mrn": "2"}).identifiers == {"mrn": "2"}

    def test_refreshed_only_when_changed(self, house):
        patient = make_patient(house, TYPED)
        assert refresh_patient(house, patient) is patient
        changed = change_patient(house, patient, {"name": "B"})
        assert refresh_patient(house, patient) == changed

    def test_erased_patients_do_not_open(self, house):
        patient = make_patient(house, TYPED)
        from medcore.access import who_is

        house.journal.patients.erase(patient.pseudonym, by=who_is(house.actor))
        with pytest.raises(InputError, match="erased"):
            refresh_patient(house, patient)
        assert find_patients(house, "Zenobia Quillfeather") == ()


@pytest.mark.parametrize("role", list(Role))
def test_only_readers_see_or_make_patients(house, role):
    patient = make_patient(house, TYPED)
    actor = replace(house, who=lambda: act_as(role))
    acts = (
        lambda: list_patients(actor),
        lambda: find_patients(actor, "MRN 0815"),
        lambda: open_patient(actor, patient.pseudonym),
        lambda: refresh_patient(actor, patient),
        lambda: make_patient(actor, {}),
        lambda: change_patient(actor, patient, TYPED),
    )
    if role in (Role.CLINICIAN, Role.RADIOLOGIST):
        for act in acts:
            act()
        return
    for act in acts:
        with pytest.raises(AccessDeniedError):
            act()
