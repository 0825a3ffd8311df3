"""Strings that have broken other programs, in every text field of the pages: kept exact or refused, shown as text."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import fake_films
import fake_models
import pytest
from access_site import CHEAP, Site, TurnedClock
from actors import TESTER
from hostile_names import MARKUP, SEEN, UNSEEN
from streamlit.testing.v1 import AppTest

from medcore.access import Role, open_access, who_is
from medcore.services.films.reading import Verdict
from medcore.services.trust import activation, recall, site
from medcore.services.trust.patients import make_patient
from medcore.ui import film_state, runtime, visitor, wording

ROOT = Path(__file__).resolve().parents[2]
BY = who_is(TESTER)
TYPED = tuple(text for text in UNSEEN if "\ud800" not in text and len(text) <= 64)
"""What a browser can send: no half a letter, and not more than a field takes."""

ALL = (*SEEN, *MARKUP)
FACTS = fake_models.make_facts("diabetes")


class Reader(HTMLParser):
    """Reads a page as a browser does: its words, and whatever could act."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.words, self.acting = [], []

    def handle_starttag(self, tag, attrs):
        if tag in {"script", "iframe", "object", "embed", "svg", "img"}:
            self.acting.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (value or "").strip().lower().startswith("javascript:"):
                self.acting.append(f"{tag} {name}")

    def handle_data(self, data):
        self.words.append(data)


def look(test):
    """Return the page's words; nothing of it may act or have failed."""
    assert not test.exception, test.exception
    reader = Reader()
    reader.feed("\n".join(item.value for item in test.html))
    assert reader.acting == []
    assert not any(item.allow_html for item in test.markdown)
    return "".join(reader.words)


def pack(texts, most):
    """Put strings together until a field is full, so that every one is typed in few runs."""
    packed = [""]
    for text in texts:
        joined = f"{packed[-1]} | {text}" if packed[-1] else text
        packed[-1:] = [joined] if len(joined) <= most else [packed[-1], text]
    return [text.strip() for text in packed if text.strip()]


def press(test, key):
    return test.button(key=key).click().run()


@pytest.mark.parametrize("text", pack((*ALL, *TYPED), 64))
def test_patients(open_page, text):
    test = open_page("clinical/patients")
    test.segmented_control(key="patients_view").set_value("New patient").run()
    for kind in ("name", "mrn", "birth_date"):
        test.text_input(key=f"new__{kind}").set_value(text[:10] if kind == "birth_date" else text)
    press(test, "do_new")
    assert "Birth date: type year-month-day" in look(test)
    assert (test.text_input(key="new__name").value, test.text_input(key="new__birth_date").value) == (text, text[:10])
    test.text_input(key="new__birth_date").set_value("")
    press(test, "do_new")
    journal = runtime.open_house().journal
    (patient,) = journal.patients.list()
    assert journal.patients.read(patient.pseudonym, by=BY).identifiers == {"name": text, "mrn": text}
    assert text.split()[0].replace("\0", "") in look(test).replace("\ufffd", "").replace("\0", "")
    press(test, "patient_close")
    test.text_input(key="patient_search").set_value(text).run()
    assert "1 patient found" in look(test)


def test_identifiers_that_are_changed(open_page):
    test = open_page("clinical/patients")
    house = runtime.open_house()
    patient = make_patient(house, {"name": "Zenobia"})
    press(test.run(), f"open_{patient.pseudonym}")
    test.segmented_control(key="patients_view").set_value("Identifiers").run()
    form = f"change_{patient.pseudonym}"
    for text in pack(ALL, 120):
        test.text_input(key=f"{form}__name").set_value(text)
        press(test, f"do_{form}")
        assert text.split()[0] in look(test)
        assert house.journal.patients.read(patient.pseudonym, by=BY).identifiers == {"name": text}


@pytest.fixture
def open_site(tmp_path):
    def open_(part=None):
        runtime.use(fake_models.make_house(tmp_path / "data"))
        test = AppTest.from_file(str(ROOT / "pages" / "governance" / "site.py"), default_timeout=90)
        if part:
            test.session_state["site_part"] = part
        return test.run()

    yield open_
    runtime.use(None)


def test_the_name_and_the_figures_of_a_site(open_site):
    test = open_site()
    house = runtime.open_house()
    for text in pack(ALL, 80):
        test.text_input(key="new_site_name").set_value(text)
        press(test, "save_site_name")
        look(test)
        assert site.site_name(house) == text
    field = next(item for item in test.text_input if item.label.startswith("Of 100 here"))
    field.set_value(pack(MARKUP, 500)[0]).run()
    assert "must lie between 0 and 100" in look(test)
    assert site.find_prevalence(house, "diabetes") is None


def test_reasons_about_models(open_site, open_page):
    test = open_site("Models in use")
    house, (text, *_) = runtime.open_house(), pack(ALL, 500)
    activation.sign_on_trust(house, FACTS, text, version=0)
    assert text.split()[0] in look(test.run())
    assert activation.read_state(house, FACTS.sha256).reason == text
    test.text_input(key="recall_reason").set_value(text).run()
    test.checkbox(key=f"recall_sure_{FACTS.sha256}").check().run()
    press(test, "recall_model")
    assert recall.find_recall(house, FACTS.sha256).reason == text
    assert text.split()[0] in look(test)
    test.text_input(key="lift_reason").set_value(text).run()
    press(test, "lift_recall")
    assert not recall.find_recall(house, FACTS.sha256).recalled
    look(test)


def test_the_pseudonym_to_erase(open_site):
    test = open_site("Patients' data")
    for text in pack(MARKUP, 500):
        for key in ("erase_one", "erase_again"):
            test.text_input(key=key).set_value(text).run()
        look(test)


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    house = fake_models.make_house(tmp_path)
    access = open_access(tmp_path, house.journal, clock=TurnedClock(), cost=CHEAP)
    people = Site(access=access, journal=house.journal, clock=TurnedClock(), folder=tmp_path)
    people.add("root", [Role.ADMINISTRATOR])
    token = people.enter("root")
    runtime.use(replace(house, access=access, who=lambda: None))
    monkeypatch.setattr(visitor, "read_token", lambda: token)
    test = AppTest.from_file(str(ROOT / "pages" / "governance" / "accounts.py"), default_timeout=90)
    yield test.run(), people
    runtime.use(None)
    access.close()


def test_user_names(accounts):
    """A name is kept exact, or refused in words and left in its field."""
    test, people = accounts
    made = 0
    for text in (*MARKUP, *SEEN[:8], *TYPED[-6:]):
        key = next(item.key for item in test.text_input if item.key.startswith("new_name_"))
        roles = next(item for item in test.multiselect if item.key.startswith("new_roles_"))
        test.text_input(key=key).set_value(text)
        roles.set_value([roles.options[0]])
        next(item for item in test.button if item.label == "Make the account").click().run()
        look(test)
        names = {item.name for item in people.accounts.list_accounts(people.administrator)}
        still = [item.value for item in test.text_input if item.key == key]
        assert (text in names) is not bool(still), text
        assert still in ([], [text])
        made += text in names
    assert made >= len(MARKUP)


@pytest.mark.parametrize("text", pack(ALL, 500))
def test_films(open_page, monkeypatch, text):
    monkeypatch.setattr(film_state, "find_points", lambda catalog, model_id: fake_films.POINTS)

    class Catalog(fake_models.FakeCatalog):
        def default(self, condition):
            return fake_films.FACTS if condition == "pneumonia" else super().default(condition)

        def find(self, model_id):
            return fake_films.FACTS if model_id == fake_films.FACTS.model_id else super().find(model_id)

    parts = {"catalog": Catalog(), "gateway": fake_films.FakeFilmGateway(), "reader": fake_films.FakeReader()}
    test = open_page("clinical/xray", **parts)
    worklist = test.session_state[film_state.WORKLIST_KEY]
    worklist.add([(text, fake_films.make_file(1))])
    assert worklist.wait(lambda: not worklist.counts.busy, 30)
    house, name = runtime.open_house(), text[:120].strip()
    patient = make_patient(house, {"name": name})
    test.session_state["mc_patient"] = patient
    test.run()
    (case,) = worklist.cases
    test.text_input(key=f"note_{case.id}").set_value(text)
    press(test, "own_2")
    press(test, "override")
    test.selectbox(key=f"why_{case.id}").set_value("other").run()
    test.text_input(key=f"reason_{case.id}").set_value(text).run()
    press(test, "override_keep")
    assert text.split()[0] in look(test)
    (kept,) = worklist.cases
    assert (kept.name, kept.note, kept.verdict) == (text, text, Verdict(agrees=False, code="other", reason=text))
    test.text_input(key="site_prevalence").set_value(text).run()
    assert "type a number between 0 and 100" in look(test)
    (tick,) = [box for box in test.checkbox if box.label.startswith("I checked")]
    assert tick.label == f"I checked: this is {wording.escape_markdown(name)}"
    tick.check().run()
    press(test, "save_result")
    (saved,) = house.journal.assessments.read_all(patient.pseudonym, by=BY)
    assert (saved.result["reader"]["note"], saved.result["reader"]["reason"]) == (text, f"Another reason: {text}")
    assert "Saved to" in look(test)
    page = AppTest.from_file(str(ROOT / "pages" / "clinical" / "patients.py"), default_timeout=60)
    page.session_state["mc_patient"] = patient
    press(page.run(), f"entry_open_{saved.id}")
    assert text.split()[0] in look(page)


def test_the_auditors_filter(open_page):
    test = open_page("governance/audit")
    for text in pack(MARKUP, 500):
        test.text_input(key="audit_patient").set_value(text).run()
        assert "pseudonym" in look(test)
    assert not [event for event in runtime.open_house().journal.events(100) if "script" in repr(event)]
