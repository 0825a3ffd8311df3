"""The tabs below the compare page's figures, on the released bundles: each opens and says its figures."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import fake_models
import pytest
from streamlit.testing.v1 import AppTest

from medcore.registry import Catalog
from medcore.results import Explanation, Status
from medcore.services.compare import labelled
from medcore.services.compare.comparing import compare_bundles, differences, folds, subgroups
from medcore.services.compare.same_patient import PatientView, list_made_up, read_values
from medcore.services.trust import opinions, site
from medcore.ui import compare_tabs, read_first, runtime, state
from medcore.ui.compare_differences import describe_differences, draw_differences, draw_folds
from medcore.ui.compare_patient import render_patient
from medcore.ui.compare_scene import Scene
from medcore.ui.compare_subgroups import describe_gaps, divide_blanks, draw_groups, sort_groups

RELEASED = Path(__file__).resolve().parents[2] / "assets" / "models"
MODELS = ("diabetes-logistic", "diabetes-forest", "diabetes-svm")
SCRIPT = """
import streamlit as st
from medcore.services.compare.comparing import compare_bundles
from medcore.services.compare.same_patient import PatientView, list_made_up, read_values
from medcore.ui import compare_tabs, runtime

house = runtime.open_house()
comparison = compare_bundles(house.catalog, st.query_params["condition"], st.query_params["models"].split(","))
upload = st.session_state.get("mc_labelled")
compare_tabs.show_tabs(house, upload.comparison if upload else comparison, cut_off=0.05, use="find cases")
"""


@pytest.fixture(scope="module")
def catalog():
    return Catalog(RELEASED)


@pytest.fixture
def open_tab(tmp_path, catalog):
    """Return a function that opens one tab on real bundles with a made-up model side."""

    def open_(tab, condition="diabetes", models=MODELS, **parts):
        environ = {"MEDCORE_DATA": str(tmp_path)}
        house = fake_models.make_house(tmp_path, environ=environ, **{"catalog": catalog, **parts})
        runtime.use(house)
        test = AppTest.from_string(SCRIPT, default_timeout=60)
        test.query_params["condition"] = condition
        test.query_params["models"] = ",".join(models)
        test.session_state[compare_tabs.TAB_KEY] = tab
        test.run()
        assert not test.exception
        return test

    yield open_
    runtime.use(None)


@pytest.fixture(scope="module")
def scene(catalog):
    house = fake_models.make_house(Path("unused"), catalog=catalog)
    return Scene(house=house, comparison=compare_bundles(catalog, "diabetes", MODELS), cut_off=0.05, use="find cases")


def read(test):
    """All HTML of the page but the style sheet."""
    return "\n".join(item.value for item in test.html if not item.value.startswith("<style"))


@pytest.mark.parametrize("tab", list(compare_tabs.TABS))
@pytest.mark.parametrize(("condition", "models"), [("diabetes", MODELS), ("pneumonia", ("pneumonia-cnn",))])
def test_every_tab_opens_for_tables_and_films(open_tab, tab, condition, models):
    html = read(open_tab(tab, condition, models))
    assert re.search(r"mc-forest|mc-lead|mc-table|Made up", html)
    assert not re.search(r"\bnan\b", html.lower())


class TestDifferences:
    def test_verdicts_are_those_of_the_service(self, scene, catalog):
        found = differences(catalog, "diabetes", MODELS, reference=MODELS[0], cut_off=0.05)
        forest = draw_differences(scene, found, "auroc")
        assert [row.label for row in forest.rows] == [scene.title(item.model) for item in found]
        assert [row.value for row in forest.rows] == [item.auroc.gain.value for item in found]
        per_1000 = draw_differences(scene, found, "net_benefit")
        assert per_1000.rows[0].lo == pytest.approx(1000 * found[0].net_benefit.gain.lo)
        assert per_1000.margin == pytest.approx(1000 * found[0].net_benefit.margin)
        words = describe_differences(scene, found)
        assert scene.title(MODELS[0]) in words

    def test_the_reference_can_be_chosen_and_p_values_are_closed(self, open_tab):
        test = open_tab("Differences")
        test.selectbox(key="difference_reference").set_value(MODELS[1]).run()
        html = read(test)
        assert "against Random forest" in html
        assert "<details" in html.split("p values")[0].rsplit("</table>", 1)[-1]

    def test_one_model_alone(self, open_tab):
        assert "Choose two models or more" in read(open_tab("Differences", models=MODELS[:1]))


class TestSubgroups:
    def test_counts_figures_and_grey_reasons(self, scene, catalog):
        rows = subgroups(catalog, "diabetes", MODELS, cut_off=0.05)[MODELS[0]]
        forest = draw_groups(scene, rows, "sensitivity", MODELS[0])
        assert len(forest.rows) == len(rows)
        by_label = {(row.group, row.label): row for row in forest.rows}
        female = next(row for row in rows if (row.attribute, row.group) == ("sex", "female"))
        drawn = by_label["Sex at birth", "female"]
        assert drawn.value == female.metrics["sensitivity"].value
        assert drawn.counts == f"{female.n_events:,} of {female.n:,} with the outcome"
        few = replace(female, too_few=True, n_events=7)
        assert draw_groups(scene, [few], "auroc", MODELS[0]).rows[0].grey == "too few: 7 with the outcome"

    def test_gaps_leave_out_what_must_not_be_read(self, scene, catalog):
        rows = [
            row for row in subgroups(catalog, "diabetes", MODELS, cut_off=0.05)[MODELS[0]] if row.attribute == "sex"
        ]
        words = describe_gaps(scene, rows, "auroc")
        low, high = sorted(row.metrics["auroc"].value for row in rows)
        assert f"a gap of {high - low:.3f}" in words
        assert "fewer than two groups" in describe_gaps(scene, [replace(rows[0], too_few=True), rows[1]], "auroc")

    def test_young_first_and_what_was_put_together_last(self, scene, catalog):
        rows = [r for r in subgroups(catalog, "diabetes", MODELS, cut_off=0.05)[MODELS[0]] if r.attribute == "age_band"]
        rows = [replace(rows[0], group="small"), *rows]
        assert [row.group for row in sort_groups(rows)] == ["under 45", "45-64", "65+", "small"]

    def test_the_figure_can_be_chosen(self, open_tab):
        test = open_tab("Subgroups")
        test.selectbox(key="subgroup_figure").set_value("calibration_intercept").run()
        assert "more cases than expected" in read(test)


def test_folds_show_every_fold(scene, catalog):
    found = folds(catalog, "diabetes", MODELS)
    forest = draw_folds(scene, found, "brier")
    spread = found[scene.model_ids[0]]["brier"]
    assert forest.rows[0].points == spread.values
    assert (forest.rows[0].lo, forest.rows[0].value, forest.rows[0].hi) == (
        spread.minimum,
        spread.median,
        spread.maximum,
    )


class TestBlanks:
    def test_without_a_study_it_says_so(self, open_tab):
        if list(RELEASED.glob("study-diabetes.json")):
            pytest.skip("a study of blanks is released")
        assert "Not known for these models" in read(open_tab("Blanks"))

    def test_a_study_of_these_bundles_is_drawn_and_of_others_is_not(self, open_tab, tmp_path):
        folder = tmp_path / "models"
        folder.mkdir()
        for name in MODELS[:2]:
            shutil.copytree(RELEASED / name, folder / name)
        catalog = Catalog(folder)
        figure = {"value": 0.8, "lo": 0.75, "hi": 0.85}
        group = {"label": "none", "n": 300, "n_events": 40, "metrics": {"auroc": figure}}
        few = {"label": "blank", "n": 30, "n_events": 3, "metrics": {}}
        blanks = [
            {
                "model_id": name,
                "sha256": sha,
                "by_count": [group],
                "by_field": {"waist_cm": [few, {**group, "label": "known"}]},
            }
            for name, sha in ((MODELS[0], catalog.find(MODELS[0]).sha256), (MODELS[1], "0" * 64))
        ]
        study = {"condition": "diabetes", "data": {}, "blanks": blanks}
        (folder / "study-diabetes.json").write_text(json.dumps(study))
        test = open_tab("Blanks", models=MODELS[:2], catalog=catalog)
        html = read(test)
        assert "0.800 (0.750 to 0.850)" in html
        assert "Blank too rarely to tell: Waist" in html
        assert test.selectbox(key="blank_model").options == [catalog.find(MODELS[0]).title]

    def test_fields_with_a_small_group_are_only_named(self, catalog):
        (row, *_) = subgroups(catalog, "diabetes", MODELS, cut_off=0.05)[MODELS[0]]
        rows = [
            replace(row, attribute="blank fields", too_few=True),
            replace(row, attribute="Waist", too_few=True),
            replace(row, attribute="Waist"),
            replace(row, attribute="Pulse"),
        ]
        shown, rare = divide_blanks(rows)
        assert [item.attribute for item in shown] == ["blank fields", "Pulse"]
        assert rare == ["Waist"]


class TestSamePatient:
    def test_all_models_are_asked_once_and_again_only_for_other_values(self, open_tab):
        gateway = fake_models.FakeGateway()
        test = open_tab("Same patient", gateway=gateway)
        assert "Made up" in read(test)
        assert gateway.calls == []
        test.button(key="ask_all_models").click().run()
        html = read(test)
        assert len(gateway.calls) == len(MODELS)
        assert "Estimated risk of the same patient" in html
        assert "What moved each estimate" in html
        test.run()
        assert len(gateway.calls) == len(MODELS)
        test.number_input(key="same_patient_number").set_value(7).run()
        assert "Estimated risk" not in read(test)

    def test_fields_that_no_form_asks_for_are_named_too(self, open_tab):
        open_tab("Same patient", "mortality_180d", ("mortality_180d-logistic", "mortality_180d-svm"))
        scene = Scene(
            house=runtime.open_house(),
            comparison=compare_bundles(Catalog(RELEASED), "mortality_180d", ("mortality_180d-logistic",)),
            cut_off=0.4,
            use="find cases",
        )
        condition = scene.question
        hidden = [item for item in condition.schema.inputs if not item.in_form]
        assert hidden
        values = next(p.values for p in list_made_up(scene.house.catalog, "mortality_180d-logistic") if p.number == 2)
        contributions = {item.name: 0.01 * k for k, item in enumerate(hidden, start=1)}
        explanation = Explanation(
            base=0.4,
            contributions=contributions,
            standard_error={},
            p_calibrated=0.4 + sum(contributions.values()),
            n_coalitions=8,
        )
        view = PatientView(facts=scene.models[0], explanation=explanation)
        html = render_patient(scene, read_values(condition, values), [view])
        for item in hidden:
            assert item.label in html
            assert f">{item.name}<" not in html

    def test_withheld_models_show_their_reason_and_no_number(self, open_tab):
        test = open_tab("Same patient", gateway=fake_models.FakeGateway(status=Status.WITHHELD))
        test.button(key="ask_all_models").click().run()
        html = read(test)
        assert html.count("no score") == len(MODELS)
        assert "Pulse 190" in html
        assert "mc-aligned" not in html

    def test_models_that_start_are_waited_for_in_words(self, open_tab):
        test = open_tab("Same patient", gateway=fake_models.FakeGateway(ready=False))
        test.button(key="ask_all_models").click().run()
        assert "The models are starting" in read(test)

    def test_the_risk_page_s_values(self, open_tab):
        test = open_tab("Same patient")
        test.radio(key="same_patient_source").set_value("Patient on the risk page").run()
        assert "Nothing is entered" in read(test)

    def test_it_is_no_way_round_the_opinion_that_comes_first(self, open_tab, tmp_path):
        gateway = fake_models.FakeGateway()
        test = open_tab("Same patient", gateway=gateway)
        house = runtime.open_house()
        site.set_read_first(house, "diabetes", True, version=0)
        values = {"already_diagnosed": "no", "age_years": "61", "sex": "male"}
        draft = state.Draft(values=values, case="one")
        test.session_state[state.DRAFTS_KEY] = {"diabetes": draft}
        test.radio(key="same_patient_source").set_value("Patient on the risk page").run()
        assert "say on the risk page what you think" in read(test)
        assert "ask_all_models" not in {button.key for button in test.button}
        assert gateway.calls == []
        test.session_state[state.DRAFTS_KEY] = {"diabetes": draft}
        given = opinions.commit(house, "diabetes", MODELS[0], "no", opened_at=house.journal.now())
        test.session_state["mc_opinions"] = {"one": read_first._Case(opened_at=given.opened_at, opinion=given)}
        test.run()
        test.button(key="ask_all_models").click().run()
        assert len(gateway.calls) == len(MODELS)
        site.set_read_first(house, "diabetes", False, version=1)
        test.session_state["mc_opinions"] = {}
        test.run()
        assert "say on the risk page" not in read(test)

    def test_made_up_patients_need_no_opinion(self, open_tab):
        test = open_tab("Same patient")
        site.set_read_first(runtime.open_house(), "diabetes", True, version=0)
        test.run()
        test.button(key="ask_all_models").click().run()
        assert "Estimated risk of the same patient" in read(test)


class TestBoardPaper:
    def test_it_is_made_on_demand_and_forgotten_when_the_model_changes(self, open_tab):
        test = open_tab("Board paper")
        assert not test.get("download_button")
        test.button(key="make_paper").click().run()
        assert test.get("download_button")
        kept = test.session_state["mc_board_paper"]
        assert kept.content.startswith(b"%PDF-")
        assert kept.name.startswith("medcore-diabetes-")
        test.selectbox(key="paper_model").set_value(MODELS[2]).run()
        assert not test.get("download_button")


def test_each_model_is_marked_with_the_figure_behind_the_word(open_tab):
    from medcore.services.model_child import LocalGateway

    html = read(open_tab("Good at", models=MODELS[:2], gateway=LocalGateway(RELEASED)))
    assert html.count("AUROC 0.") == 2
    assert html.count(" MB</small>") == 2
    assert html.count(" ms a case</small>") == 2
    assert html.count(" s a patient</small>") == 2
    assert "over the folds</small>" in html
    assert "not measured" not in html


def test_methods_stand_in_full(open_tab):
    test = open_tab("Methods")
    assert any("The scoreboard" in item.value for item in test.markdown)


class TestYourData:
    @pytest.fixture
    def upload(self, catalog, tmp_path):
        """A real upload of made-up rows, scored by the real models in this process."""
        from medcore.services.model_child import LocalGateway

        house = fake_models.make_house(
            tmp_path, catalog=catalog, gateway=LocalGateway(RELEASED), environ={"MEDCORE_DATA": str(tmp_path)}
        )
        rows = ["age_years,sex,bmi_kg_m2,waist_cm,already_diagnosed,site,label"]
        rows += [
            f"{30 + k % 50},{k % 2},{22 + k % 15},{'' if k % 5 == 0 else 80 + k % 40},no,s{k % 2},{k % 3 == 0:d}"
            for k in range(240)
        ]
        rows += ["40,1,25,90,no,s1,maybe"]
        try:
            yield labelled.score_upload(house, "\n".join(rows).encode(), "own.csv", "diabetes", MODELS[:2])
        finally:
            house.analysis.close()

    def test_every_tab_speaks_of_the_uploaded_rows(self, open_tab, upload):
        for tab in ("Your data", "Differences", "Subgroups", "Folds", "Blanks", "Board paper"):
            test = open_tab(tab)
            test.session_state["mc_labelled"] = upload
            test.run()
            assert not test.exception, tab
            html = read(test)
            assert not re.search(r"\bnan\b", html.lower()), tab
            if tab == "Your data":
                counts = upload.counts
                assert (counts.rows, counts.errors) == (241, 1)
                assert f"241 rows. {counts.scored:,} scored" in html
                assert f"{counts.withheld:,} withheld" in html
                assert "maybe" in html
                assert "Waist" in html
            if tab == "Subgroups":
                assert "s0" in html
            if tab == "Folds":
                assert "not divided into folds" in html

    def test_a_copy_is_written_only_after_reason_and_confirmation(self, open_tab, upload, tmp_path):
        from medcore.services.model_child import LocalGateway

        test = open_tab("Your data", models=MODELS[:2], gateway=LocalGateway(RELEASED))
        test.session_state["mc_labelled"] = upload
        test.run()
        assert not test.exception
        html = read(test)
        assert "As it is" in html
        assert "gain in Brier score" in html
        assert test.button(key="export_now").disabled
        test.checkbox(key="export_sure").check().run()
        assert test.button(key="export_now").disabled
        test.text_input(key="export_reason").set_value("our lab differs").run()
        assert not list(tmp_path.glob("bundles/*"))
        test.button(key="export_now").click().run()
        assert not test.exception
        assert "Written" in read(test)
        (folder,) = tmp_path.glob("bundles/*")
        assert folder.name.endswith("-local-1")
        assert not test.checkbox(key="export_sure").value

    def test_closing_goes_back_to_the_study(self, open_tab, upload):
        test = open_tab("Your data")
        test.session_state["mc_labelled"] = upload
        test.run()
        test.button(key="close_labelled").click().run()
        assert "mc_labelled" not in test.session_state
        assert "never stored" in read(test)

    def test_before_an_upload_columns_are_described(self, open_tab):
        html = read(open_tab("Your data"))
        assert "<code>waist_cm</code>" in html
        assert "female, male" in html
