import re

import fake_models
import pytest

from medcore.errors import ArtifactError, IntegrityError, WorkerDiedError
from medcore.results import Status
from medcore.services.house import find_condition
from medcore.ui import runtime

NUMBER = re.compile(r"\d+ %")


def fill(test, **values):
    for name, value in values.items():
        if name in {item.key for item in test.text_input}:
            test.text_input(key=name).set_value(value)
        elif name in {item.key for item in test.selectbox}:
            test.selectbox(key=name).set_value(value)
        else:
            test.segmented_control(key=name).set_value(value)
    return test.run()


def fill_required(test, **more):
    return fill(test, already_diagnosed="no", age_years="61", sex="male", **more)


@pytest.mark.parametrize("condition", ["diabetes", "heart_disease", "mortality_180d", "breast_cancer"])
def test_every_condition_opens_empty_and_lists_what_is_needed(open_page, read, condition):
    test = open_page(condition=condition)
    assert not test.exception
    assert all(item.value == "" for item in test.text_input)
    assert "Still needed for a score" in read(test)
    assert not NUMBER.search(read(test).split("mc-facts")[0].split("Result")[-1])
    assert not test.metric


@pytest.mark.parametrize("condition", ["diabetes", "heart_disease", "mortality_180d", "breast_cancer"])
def test_every_example_gives_a_result(open_page, read, condition):
    test = open_page(condition=condition)
    for example in find_condition(condition).examples:
        test.menu_button(key="example").click(example.name).run()
        assert not test.exception
        assert "Made up:" in read(test)
        assert "Still needed" not in read(test)


def test_alias_in_the_address_opens_its_condition(open_page):
    test = open_page(condition="hospital_mortality")
    assert test.selectbox(key="condition").value == "mortality_180d"
    assert test.query_params["condition"] in ("mortality_180d", ["mortality_180d"])


def test_nonsense_in_the_address_opens_the_first_condition(open_page):
    test = open_page(condition="<script>alert(1)</script>")
    assert not test.exception
    assert test.selectbox(key="condition").value == "diabetes"


def test_scored_patient_shows_number_range_reasons_and_bars(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway), waist_cm="112", hdl_mg_dl="38")
    html = read(test)
    assert not test.exception
    assert "Scored" in html
    assert "range" in html
    assert "Mainly raised by" in html
    assert "Most useful missing value" in html
    assert "What moved this estimate away from the average (46 %)" in html
    assert "These are patterns in the study, not causes." in html
    assert gateway.calls[-1]["waist_cm"] == 112.0


def test_values_never_reach_the_address(open_page):
    test = fill_required(open_page(), waist_cm="112")
    assert set(test.query_params) == {"condition"}


def test_opening_a_part_does_not_ask_the_model_again(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway))
    before = len(gateway.calls)
    test.pills(key="more").set_value("100 people").run()
    assert "Of 100 people like this one" in read(test)
    test.pills(key="more").set_value("Stable?").run().run()
    assert "92 of 100 repeats" in read(test)
    test.pills(key="more").set_value("Study population").run()
    assert "Not for:" in read(test)
    assert len(gateway.calls) == before


def test_bars_are_refined_once_and_only_when_their_stability_is_looked_at(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway)).run()
    assert gateway.refined == 0
    test.pills(key="more").set_value("Stable?").run()
    assert "is being computed" in read(test)
    test.run()
    assert gateway.refined == 1
    test.run()
    assert gateway.refined == 1
    assert "1024 combinations" in read(test)


def test_a_failed_check_of_stability_says_so_and_is_not_repeated(open_page, read):
    gateway = fake_models.FakeGateway()
    gateway.refine_error = WorkerDiedError("the model process ended before it answered")
    test = fill_required(open_page(gateway=gateway)).run()
    test.pills(key="more").set_value("Stable?").run().run()
    assert "is not known: the model process ended" in read(test)
    assert "Mainly raised by" in read(test)
    test.run()
    assert gateway.refined == 1


def test_a_case_file_is_made_on_request_and_dropped_when_a_value_changes(open_page, read):
    test = fill_required(open_page())
    test.pills(key="more").set_value("Case file").run()
    assert not test.get("download_button")
    test.segmented_control(key="case_format").set_value("html").run()
    test.text_input(key="case_patient").set_value("Ann <b>Example</b>").run()
    test.button(key="case_make").click().run()
    assert not test.exception
    assert len(test.get("download_button")) == 1
    assert "Content hash" in read(test)
    fill(test, waist_cm="101")
    assert not test.get("download_button")


def test_sweep_draws_a_chart_with_its_caption_and_table(open_page, read):
    test = fill_required(open_page())
    test.pills(key="more").set_value("How the score reacts").run()
    assert not test.exception
    assert "It does not show what treatment would do." in read(test)
    assert "As a table" in read(test)
    assert len(test.get("plotly_chart")) == 1
    assert "what if" not in read(test).lower()


def test_prevalence_is_refused_with_the_reason_where_it_is_not_valid(open_page, read):
    test = fill_required(open_page())
    test.pills(key="more").set_value("Prevalence").run()
    assert "Not offered for this question." in read(test)
    assert "prevalence" not in {item.key for item in test.text_input}


@pytest.mark.parametrize(("text", "shown"), [("24", "At that prevalence:"), ("0", "type a per cent"), ("x", "type a")])
def test_prevalence_restates_beside_the_estimate(open_page, read, text, shown):
    test = open_page(condition="breast_cancer")
    test.menu_button(key="example").click(test.menu_button(key="example").options[0]).run()
    test.pills(key="more").set_value("Prevalence").run()
    test.text_input(key="prevalence").set_value(text).run()
    assert shown in read(test)


def test_caution_says_why(open_page, read):
    test = fill_required(open_page(gateway=fake_models.FakeGateway(status=Status.CAUTION, wide=True)))
    html = read(test)
    assert "mc-caution" in html
    assert "above the values studied" in html
    assert "too wide to tell low from high" in html


def test_withheld_by_the_model_shows_no_number_and_no_bar(open_page, read):
    test = fill_required(open_page(gateway=fake_models.FakeGateway(status=Status.WITHHELD)))
    html = read(test)
    assert "Withheld" in html
    assert "No score." in html
    for absent in ("mc-number", "mc-bars", 'mc-sentence"><strong>Est', "Mainly raised"):
        assert absent not in html
    assert test.pills(key="more").options == ["Study population", "Case file"]


def test_patient_outside_the_population_is_withheld_even_with_blanks(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill(open_page(gateway=gateway), already_diagnosed="yes")
    assert "already diagnosed" in read(test)
    assert "mc-number" not in read(test)
    assert not gateway.calls
    events = runtime.open_house().journal.events(10)
    assert [(event.action, event.outcome) for event in events] == [("assess", "withheld")]


@pytest.mark.parametrize("text", ["500", "-3", "abc", "1e999", "5 4", "nan3"])
def test_wrong_input_stands_under_its_field_and_blocks_the_score(open_page, read, text):
    test = fill_required(open_page(), waist_cm=text)
    html = read(test)
    assert not test.exception
    assert 'class="mc-error"' in html
    assert "Not scored yet: please correct" in html
    assert "mc-number" not in html
    fill(test, waist_cm="100")
    assert "mc-number" in read(test)


def test_text_typed_by_a_user_is_never_html(open_page, read):
    test = fill_required(open_page(), waist_cm="<b>1</b>")
    assert "<b>1</b>" not in read(test)


def test_decimal_comma_and_detection_limit(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway), hdl_mg_dl="<38,5")
    assert gateway.calls[-1]["hdl_mg_dl"] == 38.5
    assert "below limit" in read(test)


def test_chip_with_a_value_asks_before_it_converts(open_page, read):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway), hdl_mg_dl="40")
    test.button(key="hdl_mg_dl__unit").click().run()
    assert "convert 40 or keep 40?" in read(test)
    assert gateway.calls[-1]["hdl_mg_dl"] == 40
    test.button(key="hdl_mg_dl__convert").click().run()
    assert test.text_input(key="hdl_mg_dl").value == "1.034"
    assert gateway.calls[-1]["hdl_mg_dl"] == pytest.approx(40, rel=1e-3)
    test.button(key="hdl_mg_dl__unit").click().run()
    test.button(key="hdl_mg_dl__cancel").click().run()
    assert test.text_input(key="hdl_mg_dl").value == "1.034"


def test_chip_without_a_value_just_changes(open_page):
    test = open_page()
    assert "mg/dL" in test.button(key="hdl_mg_dl__unit").label
    test.button(key="hdl_mg_dl__unit").click().run()
    assert "mmol/L" in test.button(key="hdl_mg_dl__unit").label


def unit_mixed_up(open_page, gateway):
    catalog = fake_models.FakeCatalog(studied={"hdl_mg_dl": (25.0, 110.0)})
    return fill_required(open_page(catalog=catalog, gateway=gateway), hdl_mg_dl="1.2")


def test_unit_mix_up_is_asked_and_yes_converts(open_page, read):
    gateway = fake_models.FakeGateway()
    test = unit_mixed_up(open_page, gateway)
    assert "Did you mean 1.2 mmol/L" in read(test)
    assert "mc-number" not in read(test)
    test.button(key="hdl_mg_dl__yes").click().run()
    assert gateway.calls[-1]["hdl_mg_dl"] == pytest.approx(46.4, abs=0.1)
    assert "mc-number" in read(test)


def test_unit_mix_up_answered_no_keeps_until_the_text_changes(open_page, read):
    gateway = fake_models.FakeGateway()
    test = unit_mixed_up(open_page, gateway)
    test.button(key="hdl_mg_dl__keep").click().run()
    assert "Did you mean" not in read(test)
    fill(test, hdl_mg_dl="1.3")
    assert "Did you mean 1.3 mmol/L" in read(test)


def test_paste_fills_fields_and_can_be_undone(open_page, read):
    test = open_page()
    test.text_input(key="paste").set_value("HDL 1,2 mmol/l  waist 101  foo 12").run()
    assert test.text_input(key="hdl_mg_dl").value == "1,2"
    assert "mmol/L" in test.button(key="hdl_mg_dl__unit").label
    assert test.text_input(key="waist_cm").value == "101"
    assert test.text_input(key="paste").value == ""
    assert "understood 2" in read(test)
    assert "foo 12" in read(test)
    test.button(key="undo_paste").click().run()
    assert test.text_input(key="waist_cm").value == ""


def test_clear_empties_and_undo_brings_back(open_page):
    test = fill_required(open_page(), waist_cm="101")
    test.button(key="clear").click().run()
    assert all(item.value == "" for item in test.text_input)
    test.button(key="undo").click().run()
    assert test.text_input(key="waist_cm").value == "101"
    assert test.segmented_control(key="sex").value == "male"


def test_each_condition_keeps_its_own_form(open_page):
    test = fill_required(open_page(), waist_cm="101")
    test.selectbox(key="condition").set_value("heart_disease").run()
    assert test.text_input(key="age_years").value == ""
    test.selectbox(key="condition").set_value("diabetes").run()
    assert test.text_input(key="age_years").value == "61"
    assert test.text_input(key="waist_cm").value == "101"


def test_derived_value_is_shown_and_an_entered_one_wins(open_page):
    gateway = fake_models.FakeGateway()
    test = fill_required(open_page(gateway=gateway), height_cm="170", weight_kg="80")
    assert test.text_input(key="bmi_kg_m2").placeholder == "27.7"
    fill(test, bmi_kg_m2="27.0")
    assert gateway.calls[-1]["bmi_kg_m2"] == 27.0


def test_models_that_still_start_show_a_skeleton_then_the_result(open_page, read):
    gateway = fake_models.FakeGateway(ready=False)
    test = fill_required(open_page(gateway=gateway))
    assert "The models are starting" in read(test)
    assert "mc-number" not in read(test)
    gateway.is_ready = True
    test.run()
    assert "mc-number" in read(test)


def test_models_that_cannot_start_are_a_sentence_and_come_back_by_themselves(open_page, read):
    gateway = fake_models.FakeGateway(ready=False)
    gateway.failure = WorkerDiedError("The model process ended before it was ready")
    test = fill_required(open_page(gateway=gateway))
    assert not test.exception
    assert "The models cannot be started" in read(test)
    assert "The model process ended before it was ready. It is tried again by itself" in read(test)
    assert "medcore verify" in read(test)
    assert "mc-number" not in read(test)
    assert gateway.retried
    gateway.is_ready, gateway.failure = True, None
    test.run()
    assert "mc-number" in read(test)
    assert test.text_input(key="age_years").value == "61"


def test_the_caution_of_a_question_stands_beside_every_number(open_page, read):
    test = fill(
        open_page(condition="mortality_180d"),
        disease_group="chf",
        age_years="68",
        mean_bp_mmhg="64",
        heart_rate_bpm="104",
    )
    assert "mc-scored" in read(test)
    assert 'class="mc-warn"' in read(test)
    assert "Care has changed since 1989-94" in read(test)
    fill(test, disease_group="none")
    assert "mc-withheld" in read(test)
    assert 'class="mc-warn"' not in read(test)


def test_a_unit_question_is_answered_beside_the_result_too(open_page, read):
    catalog = fake_models.FakeCatalog(studied={"creatinine_mg_dl": (0.4, 9.0)})
    test = fill(
        open_page(condition="mortality_180d", catalog=catalog),
        disease_group="chf",
        age_years="68",
        mean_bp_mmhg="64",
        heart_rate_bpm="104",
        creatinine_mg_dl="190",
    )
    assert "Not scored yet: please answer" in read(test)
    assert "Withheld" in read(test)
    test.button(key="creatinine_mg_dl__yesresult").click().run()
    assert "mc-number" in read(test)


def test_a_bundle_replaced_while_the_page_is_open_redraws_the_page(open_page, read, monkeypatch):
    catalog, gateway, new = fake_models.FakeCatalog(), fake_models.FakeGateway(), "cd34ef" + "1" * 58
    test = fill_required(open_page(catalog=catalog, gateway=gateway))
    monkeypatch.setattr(fake_models, "SHA", new)
    fill(test, waist_cm="99")
    assert not test.exception
    assert "mc-number" in read(test)


def test_a_dead_model_process_is_a_sentence_and_keeps_the_form(open_page, read):
    gateway = fake_models.FakeGateway(error=WorkerDiedError("the model process ended before it answered"))
    test = fill_required(open_page(gateway=gateway))
    assert not test.exception
    assert "The model process ended before it answered." in read(test)
    gateway.error = None
    test.button(key="retry").click().run()
    assert "mc-number" in read(test)
    assert test.text_input(key="age_years").value == "61"


def test_score_stands_without_its_explanation(open_page, read):
    test = fill_required(open_page(gateway=fake_models.FakeGateway(explanation_error="not finite")))
    assert "mc-number" in read(test)
    assert "Explanation unavailable" in read(test)
    assert "mc-bars" not in read(test)


def test_refused_bundles_are_named(open_page, read):
    catalog = fake_models.FakeCatalog(empty=True, problems={"diabetes-mlp": IntegrityError("hash differs")})
    html = read(open_page(catalog=catalog))
    assert "No model for this question" in html
    assert "diabetes-mlp: hash differs" in html


def test_an_unusable_model_folder_is_a_sentence(open_page, read, monkeypatch):
    def fail():
        raise ArtifactError("the model folder does not exist")

    monkeypatch.setattr(runtime, "open_house", fail)
    test = open_page()
    assert not test.exception
    assert "the model folder does not exist" in read(test)
    assert not test.text_input
