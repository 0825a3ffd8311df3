"""The page of patients, the banner, saving and drafts, each on the real page."""

from dataclasses import replace

import fake_films
import fake_models
import pytest
from actors import TESTER, act_as
from hostile_names import SEEN

from medcore.access import Role, who_is
from medcore.errors import SessionExpiredError, SessionRevokedError, StorageError
from medcore.services.films import reading as films
from medcore.services.films.reading import Desk, OwnReading
from medcore.services.trust.cases import save_film
from medcore.services.trust.drafts import list_forms
from medcore.services.trust.patients import change_patient, make_patient
from medcore.ui import runtime

BY = who_is(TESTER)
PAGE = "clinical/patients"


def view(test, name):
    return test.segmented_control(key="patients_view").set_value(name).run()


def make(test, **typed):
    view(test, "New patient")
    for kind, text in typed.items():
        test.text_input(key=f"new__{kind}").set_value(text)
    return test.button(key="do_new").click().run()


def keys(test):
    return [button.key for button in test.button]


def house():
    return runtime.open_house()


class TestPage:
    def test_empty(self, open_page, read):
        test = open_page(PAGE)
        assert not test.exception
        assert "No patients yet" in read(test)
        assert "No patient is open." in read(test)

    def test_made_opened_closed_found_and_opened_again(self, open_page, read):
        test = make(open_page(PAGE), name="Zenobia Quillfeather", mrn="0815", birth_date="1965-03-09")
        (patient,) = house().journal.patients.list()
        assert f"Patient {patient.pseudonym} was made and is open." in read(test)
        assert "Zenobia Quillfeather" in read(test)
        assert "Nothing was saved of this patient yet" in read(test)
        test.button(key="patient_close").click().run()
        assert "No patient is open." in read(test)
        assert "Quillfeather" not in read(test)
        assert patient.pseudonym in read(test)
        test.text_input(key="patient_search").set_value("zenobia quillfeather").run()
        assert "1 patient found" in read(test)
        test.button(key=f"open_{patient.pseudonym}").click().run()
        assert "birth date <bdi>1965-03-09</bdi>" in read(test)
        assert not test.exception
        assert set(test.query_params) == {"condition"}

    @pytest.mark.parametrize(("typed", "said"), [("9.3.1965", "year-month-day"), ("2965-03-09", "still to come")])
    def test_wrong_input_is_said_beside_its_field_and_kept(self, open_page, read, typed, said):
        test = make(open_page(PAGE), name="Zenobia", birth_date=typed)
        assert said in read(test)
        assert test.text_input(key="new__name").value == "Zenobia"
        assert test.text_input(key="new__birth_date").value == typed
        assert house().journal.patients.list() == ()

    def test_nobody_found(self, open_page, read):
        test = open_page(PAGE)
        test.text_input(key="patient_search").set_value("<b>nobody").run()
        assert "Nobody found" in read(test)
        assert not test.exception

    def test_pages_of_the_list(self, open_page, read):
        test = open_page(PAGE)
        names = {make_patient(house(), {}).pseudonym for _ in range(25)}
        test.run()
        first = {name for name in names if name in read(test)}
        test.button(key="patients_next").click().run()
        second = {name for name in names if name in read(test)}
        assert (len(first), len(second), first | second) == (20, 5, names)
        test.button(key="patients_first").click().run()
        assert first == {name for name in names if name in read(test)}

    def test_two_people_edit_one_patient(self, open_page, read):
        test = make(open_page(PAGE), name="Zenobia")
        (patient,) = house().journal.patients.list()
        view(test, "Identifiers")
        form = f"change_{patient.pseudonym}"
        mine = house().journal.patients.read(patient.pseudonym, by=BY)
        change_patient(house(), mine, {"name": "Zenobia B."})
        test.text_input(key=f"{form}__name").set_value("Zenobia C.")
        test.button(key=f"do_{form}").click().run()
        assert "Somebody else changed this patient" in read(test)
        assert "Zenobia B." in read(test)
        assert "Zenobia C." in read(test)
        test.button(key="conflict_mine").click().run()
        assert house().journal.patients.read(patient.pseudonym, by=BY).identifiers == {"name": "Zenobia C."}
        assert not test.exception

    def test_typing_slowly_does_not_hide_a_change_by_somebody_else(self, open_page, read):
        test = make(open_page(PAGE), name="Zenobia")
        (patient,) = house().journal.patients.list()
        view(test, "Identifiers")
        form = f"change_{patient.pseudonym}"
        test.text_input(key=f"{form}__name").set_value("Zenobia C.").run()
        mine = house().journal.patients.read(patient.pseudonym, by=BY)
        change_patient(house(), mine, {"name": "Zenobia B."})
        test.text_input(key=f"{form}__mrn").set_value("1").run()  # the page runs again and knows the new version
        test.button(key=f"do_{form}").click().run()
        assert "Somebody else changed this patient" in read(test)
        test.button(key="conflict_theirs").click().run()
        assert test.text_input(key=f"{form}__name").value == "Zenobia B."

    @pytest.mark.parametrize("text", SEEN[:12])
    def test_hostile_names_are_shown_escaped(self, open_page, read, text):
        test = make(open_page(PAGE), name=text, mrn=text)
        assert not test.exception
        (patient,) = house().journal.patients.list()
        assert house().journal.patients.read(patient.pseudonym, by=BY).identifiers == {"name": text, "mrn": text}
        assert "<script>" not in read(test)
        assert "<img src=x" not in read(test)

    @pytest.mark.parametrize("role", list(Role))
    def test_roles(self, open_page, read, role):
        test = open_page(PAGE)
        make(test, name="Zenobia Quillfeather")
        runtime.use(replace(house(), who=lambda: act_as(role)))
        test.run()
        sees = role in (Role.CLINICIAN, Role.RADIOLOGIST)
        assert ("This page is not open to you" in read(test)) is not sees
        assert "Quillfeather" not in read(test)  # another account came in: this tab forgets who was open
        if sees:
            test.text_input(key="patient_search").set_value("Zenobia Quillfeather").run()
        assert ("Quillfeather" in read(test)) is sees

    def test_a_patient_erased_meanwhile_is_closed(self, open_page, read):
        test = make(open_page(PAGE), name="Zenobia Quillfeather")
        (patient,) = house().journal.patients.list()
        house().journal.patients.erase(patient.pseudonym, by=BY)
        test.run()
        assert "was closed" in read(test)
        assert "Quillfeather" not in read(test)


@pytest.fixture
def risk(open_page):
    """Return a function that opens the risk page, with a patient in it if told, and fills the form."""

    def open_(identifiers=None, **parts):
        test = open_page(**parts)
        patient = None
        if identifiers is not None:
            patient = make_patient(house(), identifiers)
            test.session_state["mc_patient"] = patient
            test.run()
        return test, patient

    return open_


def fill(test, **values):
    for name, value in {"already_diagnosed": "no", "sex": "male", "age_years": "61", **values}.items():
        if name in {item.key for item in test.text_input}:
            test.text_input(key=name).set_value(value)
        else:
            test.segmented_control(key=name).set_value(value)
    return test.run()


class TestSaving:
    def test_without_a_patient(self, risk, read):
        test, _ = risk()
        fill(test, waist_cm="112")
        test.button(key="save_result").click().run()
        (saved,) = house().journal.assessments.list()
        assert saved.pseudonym is None
        assert "Saved without a patient" in read(test)
        assert saved.id[:8] in read(test)

    def test_to_the_open_patient_once(self, risk, read):
        test, patient = risk({"name": "Zenobia Quillfeather"})
        fill(test, waist_cm="112")
        assert test.button(key="save_result").label == "Save to Zenobia Quillfeather"
        test.button(key="save_result").click().run()
        assert "Saved to <bdi>Zenobia Quillfeather</bdi>" in read(test)
        assert [item.pseudonym for item in house().journal.assessments.list()] == [patient.pseudonym]
        assert "save_result" not in keys(test)
        fill(test, waist_cm="113")
        assert "save_result" in keys(test)

    def test_an_age_that_does_not_fit_needs_a_tick(self, risk, read):
        test, _ = risk({"name": "Zenobia", "birth_date": "2001-01-01"})
        fill(test)
        assert "is this the right patient?" in read(test)
        assert test.button(key="save_result").disabled
        next(box for box in test.checkbox if "I checked" in box.label).check().run()
        test.button(key="save_result").click().run()
        assert len(house().journal.assessments.list()) == 1

    def test_a_made_up_example_needs_a_tick(self, risk, read):
        test, _ = risk({"name": "Zenobia"})
        test.menu_button(key="example").click(test.menu_button(key="example").options[0]).run()
        assert "These values are a made-up example." in read(test)
        assert test.button(key="save_result").disabled

    def test_a_failure_is_said_and_the_form_stays(self, risk, read, monkeypatch):
        test, _ = risk({"name": "Zenobia"})
        fill(test, waist_cm="112")

        def refuse(self, new, *, by):
            raise StorageError("The disk is full. Nothing was done.")

        monkeypatch.setattr("medcore.journal.assessments.Assessments.save", refuse)
        test.button(key="save_result").click().run()
        assert "Not saved. The disk is full." in read(test)
        assert test.text_input(key="waist_cm").value == "112"
        monkeypatch.undo()
        test.button(key="save_result").click().run()
        assert "Saved to" in read(test)

    def test_two_patients_never_share_a_form(self, risk, read):
        test, first = risk({"name": "Zenobia"})
        fill(test, waist_cm="112")
        test.button(key="patient_close").click().run()
        assert test.text_input(key="waist_cm").value == ""
        assert "undo" not in keys(test)
        fill(test, waist_cm="99")
        assert test.session_state["mc_forms_of"][first.pseudonym]["diabetes"].values["waist_cm"] == "112"
        test.button(key="save_result").click().run()
        (saved,) = house().journal.assessments.list()
        assert (saved.pseudonym, house().journal.assessments.read(saved.id, by=BY).inputs["waist_cm"]) == (None, 99.0)


class TestBanner:
    @pytest.mark.parametrize("page", ["clinical/risk", "clinical/xray"])
    def test_on_every_clinical_page(self, open_page, read, page):
        test = open_page(page)
        assert "No patient is open." in read(test)
        test.session_state["mc_patient"] = make_patient(house(), {"name": "Zenobia <i>Q</i>", "mrn": "0815"})
        test.run()
        assert "Zenobia &lt;i&gt;Q&lt;/i&gt;" in read(test)
        assert "record number <bdi>0815</bdi>" in read(test)


def flush(test):
    test.session_state["mc_draft_keeper"].flush()


class TestDrafts:
    def test_a_new_tab_offers_what_was_typed_and_takes_it_up(self, risk, read):
        test, patient = risk({"name": "Zenobia"})
        fill(test, waist_cm="112")
        flush(test)
        second = type(test).from_file(test._script_path, default_timeout=30)
        second.query_params["condition"] = "heart_disease"
        second.run()
        assert f"Not finished: Undiagnosed diabetes (adults, today) · {patient.pseudonym} · 4 values" in read(second)
        assert "Zenobia" not in read(second)
        (form,) = list_forms(house())
        second.button(key=f"draft_open_{form.id}").click().run()
        assert second.text_input(key="waist_cm").value == "112"
        assert second.segmented_control(key="sex").value == "male"
        assert "Zenobia" in read(second)
        assert not second.exception

    def test_discarded_and_gone_after_saving(self, risk, read):
        test, _ = risk()
        fill(test, waist_cm="112")
        flush(test)
        (form,) = list_forms(house())
        second = type(test).from_file(test._script_path, default_timeout=30).run()
        second.button(key=f"draft_drop_{form.id}").click().run()
        assert list_forms(house()) == ()
        assert "Not finished" not in read(second)
        fill(test, waist_cm="113")
        flush(test)
        assert len(list_forms(house())) == 1
        test.button(key="save_result").click().run()
        flush(test)
        assert list_forms(house()) == ()

    @pytest.mark.parametrize(
        ("error", "kept"), [(SessionExpiredError("over"), "112"), (SessionRevokedError("taken away"), None)]
    )
    def test_what_is_typed_in_the_run_in_which_the_session_runs_out(self, risk, read, error, kept):
        test, _ = risk({"name": "Zenobia"})
        fill(test)
        flush(test)
        present = house()

        def who():
            raise error

        runtime.use(replace(present, who=who))
        test.text_input(key="waist_cm").set_value("112").run()
        assert not test.text_input
        runtime.use(present)
        (form,) = list_forms(present)
        assert form.content.values.get("waist_cm") == kept
        second = type(test).from_file(test._script_path, default_timeout=30).run()
        second.button(key=f"draft_open_{form.id}").click().run()
        assert second.text_input(key="waist_cm").value == (kept or "")

    def test_an_example_is_not_kept(self, risk):
        test, _ = risk()
        test.menu_button(key="example").click(test.menu_button(key="example").options[0]).run()
        flush(test)
        assert list_forms(house()) == ()

    def test_cleared_and_undone(self, risk):
        test, _ = risk()
        fill(test, waist_cm="112")
        flush(test)
        test.button(key="clear").click().run()
        flush(test)
        assert list_forms(house()) == ()
        test.button(key="undo").click().run()
        flush(test)
        assert list_forms(house())[0].content.values["waist_cm"] == "112"


class TestTimeline:
    def test_saved_opened_outcome_and_put_back(self, risk, read):
        test, patient = risk({"name": "Zenobia"})
        fill(test, waist_cm="112", hdl_mg_dl="38")
        test.button(key="save_result").click().run()
        page = type(test).from_file(str(fake_models.__file__).replace("tests/fake_models.py", f"pages/{PAGE}.py"))
        page.default_timeout = 30
        page.session_state["mc_patient"] = patient
        page.run()
        assert "Waist <b>112 cm H</b>" in read(page)
        (saved,) = house().journal.assessments.list()
        page.button(key=f"outcome_Yes_{saved.id}").click().run()
        assert "Outcome: <b>yes</b>" in read(page)
        page.button(key=f"entry_open_{saved.id}").click().run()
        assert "Estimated chance of <b>undiagnosed diabetes today</b>" in read(page)
        page.button(key=f"refill_{saved.id}").click().run()
        assert page.session_state["mc_drafts"]["diabetes"].values["waist_cm"] == "112"
        assert not page.exception

    def test_a_saved_film_has_its_case_file(self, open_page, read):
        test = open_page(PAGE, catalog=FilmCatalog())
        patient = make_patient(house(), {"name": "Zenobia"})
        save_a_film(patient)
        test.session_state["mc_patient"] = patient
        view(test.run(), "Timeline")
        (saved,) = house().journal.assessments.list()
        test.button(key=f"entry_open_{saved.id}").click().run()
        test.segmented_control(key="case_format").set_value("html").run()
        test.checkbox(key="case_bare").check().run()
        test.checkbox(key="case_checked").check().run()
        test.button(key="case_make").click().run()
        assert "Content hash" in read(test)
        event = house().journal.events(1)[0]
        assert (event.action, event.outcome, event.condition) == ("export_case", "html_deidentified", "pneumonia")
        assert not test.exception


class FilmCatalog(fake_models.FakeCatalog):
    """The shelf with a model for films."""

    def find(self, model_id):
        return fake_films.FACTS if model_id == fake_films.FACTS.model_id else super().find(model_id)


def save_a_film(patient):
    desk = Desk(
        condition=fake_films.PNEUMONIA, facts=fake_films.FACTS, who=lambda: house().actor, journal=house().journal,
        gateway=fake_films.FakeFilmGateway(), points=fake_films.POINTS,
    )  # fmt: skip
    film = fake_films.draw_film(fake_films.make_file(1))
    case = films.score(desk, [films.open_film(desk, films.new_case(1, "a.dcm"), film)])[0]
    case = films.see(desk, films.read(desk, case, OwnReading.PNEUMONIA))
    save_film(
        house(), case=case, finding=films.reveal(desk, case), pseudonym=patient.pseudonym, keep_image=True, key="f"
    )  # fmt: skip
