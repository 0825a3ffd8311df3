"""Drafts: kept in the background, offered to their author only, never written over by an older one."""

import time
from dataclasses import replace
from datetime import timedelta

import fake_models
import pytest
from actors import TESTER, act_as

from medcore.access import Actor, Role, who_is
from medcore.errors import AccessDeniedError, StorageError
from medcore.journal import Journal
from medcore.services.trust.drafts import KEPT_FOR, DraftKeeper, FormContent, discard_form, list_forms

BY = who_is(TESTER)


@pytest.fixture
def house(tmp_path):
    return fake_models.make_house(tmp_path)


def typed(**values):
    return FormContent(values=values, units={"waist_cm": "in"}, keep={"waist_cm": values.get("waist_cm", "")})


def wait(until, seconds=5):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.02)
    return until()


class TestKeeping:
    def test_written_once_a_moment_after_the_last_change(self, house):
        keeper = DraftKeeper(pause_s=1.0)
        for text in ("4", "44", "44.5"):
            keeper.note(house, "diabetes", None, typed(waist_cm=text))
        assert list_forms(house) == ()
        assert wait(lambda: list_forms(house))
        (form,) = list_forms(house)
        assert (form.content, form.version) == (typed(waist_cm="44.5"), 1)

    def test_an_emptied_form_leaves_no_draft(self, house):
        keeper = DraftKeeper(pause_s=60)
        keeper.note(house, "diabetes", None, typed(age="6"))
        keeper.flush()
        assert len(list_forms(house)) == 1
        keeper.note(house, "diabetes", None, FormContent())
        keeper.flush()
        assert list_forms(house) == ()
        keeper.note(house, "diabetes", None, typed(age="6"))  # undo
        keeper.flush()
        assert len(list_forms(house)) == 1

    def test_one_per_question_and_patient(self, house):
        patient = house.journal.patients.create({}, by=BY)
        keeper = DraftKeeper(pause_s=60)
        forms = [("diabetes", None), ("diabetes", patient.pseudonym), ("heart_disease", None)]
        for number, (condition, pseudonym) in enumerate(forms):
            keeper.note(house, condition, pseudonym, typed(age=str(number)))
        keeper.flush()
        kept = {(form.condition, form.pseudonym): form.content.values["age"] for form in list_forms(house)}
        assert kept == {form: str(number) for number, form in enumerate(forms)}

    def test_dropped_after_saving_even_when_it_still_waits(self, house):
        keeper = DraftKeeper(pause_s=60)
        keeper.note(house, "diabetes", None, typed(age="6"))
        keeper.flush()
        keeper.note(house, "diabetes", None, typed(age="61"))
        keeper.drop(house, "diabetes", None)
        keeper.flush()
        assert list_forms(house) == ()
        keeper.note(house, "diabetes", None, typed(age="61"))  # the page runs again with the saved form
        keeper.flush()
        assert list_forms(house) == ()

    def test_a_failure_is_said_and_tried_again(self, house):
        class Full(Journal):
            full = True

            def writing(self):
                if self.full:
                    raise StorageError("The disk is full. Nothing was done.")
                return super().writing()

        full = replace(house, journal=Full(house.journal.folder.database.parent))
        keeper = DraftKeeper(pause_s=60)
        keeper.note(full, "diabetes", None, typed(age="6"))
        keeper.flush()
        assert keeper.problem == "The disk is full. Nothing was done."
        full.journal.full = False
        keeper.note(full, "diabetes", None, typed(age="6"))
        keeper.flush()
        assert keeper.problem == ""
        assert list_forms(house)[0].content.values == {"age": "6"}


class TestTwoTabs:
    def test_a_later_tab_never_overwrites(self, house):
        first, second = DraftKeeper(pause_s=60), DraftKeeper(pause_s=60)
        first.note(house, "diabetes", None, typed(age="61"))
        first.flush()
        (form,) = list_forms(house)
        second.adopt(form)
        first.note(house, "diabetes", None, typed(age="62"))
        first.flush()
        second.note(house, "diabetes", None, typed(age="99"))
        second.flush()
        assert {form.content.values["age"] for form in list_forms(house)} == {"62", "99"}
        assert not first.ids & second.ids

    def test_one_that_was_saved_elsewhere_is_begun_anew(self, house):
        first, second = DraftKeeper(pause_s=60), DraftKeeper(pause_s=60)
        first.note(house, "diabetes", None, typed(age="61"))
        first.flush()
        second.adopt(list_forms(house)[0])
        first.drop(house, "diabetes", None)
        second.note(house, "diabetes", None, typed(age="63"))
        second.flush()
        assert [form.content.values["age"] for form in list_forms(house)] == ["63"]


class TestWhose:
    def test_another_actor_has_none_of_it(self, house):
        keeper = DraftKeeper(pause_s=60)
        keeper.note(house, "diabetes", None, typed(age="61"))
        keeper.flush()
        other = replace(house, who=lambda: act_as(Role.CLINICIAN))
        assert list_forms(other) == ()
        discard_form(other, list_forms(house)[0])
        assert len(list_forms(house)) == 1
        discard_form(house, list_forms(house)[0])
        assert list_forms(house) == ()

    def test_a_demo_keeps_nothing(self, house):
        demo = replace(house, who=lambda: Actor(name="demo", roles=frozenset(Role), demo=True))
        keeper = DraftKeeper(pause_s=60)
        keeper.note(demo, "diabetes", None, typed(age="61"))
        keeper.flush()
        assert list_forms(demo) == ()
        assert house.journal.drafts.list(by=who_is(demo.actor)) == ()

    @pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.RADIOLOGIST])
    def test_who_may_not_assess_keeps_nothing(self, house, role):
        other = replace(house, who=lambda: act_as(role))
        with pytest.raises(AccessDeniedError):
            DraftKeeper().note(other, "diabetes", None, typed(age="61"))
        with pytest.raises(AccessDeniedError):
            list_forms(other)

    def test_old_ones_go(self, house):
        keeper = DraftKeeper(pause_s=60)
        keeper.note(house, "diabetes", None, typed(age="61"))
        keeper.flush()
        now = house.journal.now() + KEPT_FOR + timedelta(minutes=1)
        late = replace(house, journal=Journal(house.journal.folder.database.parent, clock=lambda: now))
        assert list_forms(late) == ()
        assert house.journal.drafts.list(by=BY) == ()

    def test_sealed_on_disk(self, house, tmp_path):
        keeper = DraftKeeper(pause_s=60)
        keeper.note(house, "diabetes", None, typed(age="Quillfeather-canary"))
        keeper.flush()
        house.journal.close()
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or b"Quillfeather-canary" not in path.read_bytes()
