"""The site's page: what each role sees and changes."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import fake_models
import pytest
from actors import act_as
from streamlit.testing.v1 import AppTest

from medcore.journal import NewAssessment, Who
from medcore.services.trust import activation, recall, retention, site
from medcore.ui import runtime

ROOT = Path(__file__).resolve().parents[2]
FACTS = fake_models.make_facts("diabetes")
BY = Who(actor="account:else")
WHY = "The supplier found a coding error."


@pytest.fixture
def open_site(tmp_path):
    def open_(*roles, demo=False, part=None, before=lambda house: None):
        house = fake_models.make_house(tmp_path / "data")
        before(house)
        actor = replace(act_as(*roles), demo=demo)
        house = replace(house, who=lambda: actor, settings=replace(house.settings, demo=demo))
        runtime.use(house)
        test = AppTest.from_file(str(ROOT / "pages" / "governance" / "site.py"), default_timeout=90)
        if part:
            test.session_state["site_part"] = part
        return test.run()

    yield open_
    runtime.use(None)


def find(widgets, label):
    return next(item for item in widgets if item.label.startswith(label))


@pytest.mark.parametrize("part", ["Questions", "Models in use", "Patients' data", "Maintenance"])
@pytest.mark.parametrize("role", ["clinician", "radiologist", "analyst", "auditor"])
def test_others_see_and_cannot_change(open_site, read, role, part):
    test = open_site(role, part=part)
    assert not test.exception
    assert "Only administrators change" in read(test)
    assert not [*test.text_input, *test.toggle, *test.checkbox, *test.number_input]
    assert not test.button


def test_a_demo_says_that_everything_is_on(open_site, read):
    test = open_site("administrator", "clinician", demo=True, part="Models in use")
    assert not test.exception
    assert "Demo: every model is in use" in read(test)
    assert "on (demo)" in read(test)
    assert not test.button


def test_questions(open_site, read):
    test = open_site("administrator")
    find(test.text_input, "Name of this site").set_value("St. <b>Elsewhere</b>").run()
    find(test.button, "Save").click().run()
    house = runtime.open_house()
    assert site.site_name(house) == "St. <b>Elsewhere</b>"
    find(test.text_input, "Of 100 here").set_value("twelve").run()
    assert "must lie between 0 and 100" in read(test)
    assert site.find_prevalence(house, "diabetes") is None
    find(test.text_input, "Of 100 here").set_value("12,5 %").run()
    assert site.find_prevalence(house, "diabetes") == pytest.approx(0.125)
    test.toggle[0].set_value(True).run()
    assert site.is_read_first(house, "diabetes")
    assert "settled by account:test" in read(test)
    assert not test.exception


def test_somebody_else_was_faster(open_site, read):
    test = open_site("administrator")
    house = runtime.open_house()
    house.journal.site.put(site.SITE_NAME, "Other", version=0, by=Who(actor="account:else"))
    find(test.text_input, "Name of this site").set_value("Mine").run()
    house.journal.site.put(site.SITE_NAME, "Third", version=1, by=Who(actor="account:else"))
    test.button(key="save_site_name").click().run()
    assert site.site_name(house) in ("Mine", "Third")
    assert not test.exception


def test_a_validation_is_signed(open_site, read):
    test = open_site("administrator", part="Models in use")
    assert find(test.button, "Sign and put to use").disabled
    find(test.checkbox, "I sign this").check().run()
    find(test.button, "Sign and put to use").click().run()
    assert "Patients: type a whole number" in read(test)
    for label, text in (
        ("Patients", "1,200"), ("With the outcome", "310"), ("AUROC", "0.81"), ("Done by", "A. Nalyst"),
        ("Where its report", "report 17"),
    ):  # fmt: skip
        find(test.text_input, label).set_value(text)
    test.date_input[0].set_value(date(2026, 1, 2))
    find(test.button, "Sign and put to use").click().run()
    state = activation.read_state(runtime.open_house(), FACTS.sha256)
    assert (state.basis, state.validation.n, state.actor) == ("validated", 1200, "account:test")
    assert "on, validated here" in read(test)
    assert "1,200 patients, 310 with the outcome" in read(test)


def test_on_trust_recall_and_lift(open_site, read):
    def fill(house):
        new = NewAssessment(condition="diabetes", model_id="m", sha256=FACTS.sha256, status="scored", inputs={"a": 1.0})
        house.journal.assessments.save(new, by=Who(actor="dr.test"))

    test = open_site("administrator", part="Models in use", before=fill)
    test.radio[0].set_value(test.radio[0].options[-1]).run()
    test.text_area[0].set_value("A supervised trial on ward 3.").run()
    find(test.checkbox, "I sign this").check().run()
    find(test.button, "Put to use on trust").click().run()
    assert "on, on trust" in read(test)
    find(test.text_input, "Why it is recalled").set_value(WHY).run()
    find(test.checkbox, "Yes, stop this model").check().run()
    find(test.button, "Recall").click().run()
    assert "1 saved result of this model" in read(test)
    find(test.button, "Make the list").click().run()
    assert runtime.open_house().journal.events(1)[0].action == "export_recall_list"
    find(test.text_input, "Why the recall is lifted").set_value("Checked with the supplier.").run()
    find(test.button, "Lift the recall").click().run()
    assert not recall.find_recall(runtime.open_house(), FACTS.sha256).recalled
    assert not test.exception


def test_a_patient_is_erased_only_after_both_confirmations(open_site, read):
    names = []
    test = open_site(
        "administrator", part="Patients' data",
        before=lambda house: names.append(house.journal.patients.create({"name": "Z"}, by=Who(actor="dr")).pseudonym),
    )  # fmt: skip
    assert find(test.button, "Erase").disabled
    find(test.text_input, "Pseudonym").set_value(names[0])
    find(test.text_input, "The same").set_value("P-OTHER").run()
    test.selectbox[0].select_index(0).run()
    find(test.checkbox, "Yes, erase this patient").check().run()
    find(test.button, "Erase").click().run()
    assert "the two differ" in read(test)
    assert find(test.button, "Erase").disabled  # asked again
    find(test.text_input, "The same").set_value(names[0]).run()
    find(test.checkbox, "Yes, erase this patient").check().run()
    find(test.button, "Erase").click().run()
    assert f"{names[0]} is erased" in read(test)
    assert runtime.open_house().journal.patients.list()[0].erased_at


def test_a_rule_is_settled_after_its_list_was_seen(open_site, read):
    test = open_site("administrator", part="Patients' data")
    assert not [button for button in test.button if button.label == "Settle the rule"]
    find(test.button, "Show what it would erase").click().run()
    assert "nobody would be erased today" in read(test)
    find(test.checkbox, "Yes, settle this rule").check().run()
    find(test.button, "Settle the rule").click().run()
    assert retention.find_days(runtime.open_house()) == 3650
    assert "3,650 days" in read(test)
    find(test.button, "Keep everything").click().run()
    assert retention.find_days(runtime.open_house()) is None


def test_maintenance(open_site, read):
    test = open_site("administrator", part="Maintenance")
    assert "writable" in read(test)
    find(test.button, "Begin read-only mode").click().run()
    assert site.is_read_only(runtime.open_house())
    find(test.button, "End read-only mode").click().run()
    assert not site.is_read_only(runtime.open_house())


def test_every_page_says_that_nothing_is_saved(open_site, read):
    test = open_site("clinician", before=lambda house: house.journal.site.put("read_only", True, version=0, by=BY))
    assert "Maintenance: everything can be read, nothing is saved" in read(test)


def test_the_risk_page_says_who_can_put_a_model_to_use(open_site, read):
    open_site("clinician")
    house = replace(runtime.open_house(), access=SimpleNamespace())
    facts = house.catalog.find(FACTS.model_id)
    assert "An administrator has to sign" in activation.describe_problem(house, facts.sha256)
