"""The board paper on the released bundles: what is collected, and how it is printed."""

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fake_models
import numpy as np
import pytest

from medcore.errors import InputError, StorageError, UnknownNameError
from medcore.evaluation.subgroups import SubgroupRow
from medcore.registry import Catalog
from medcore.services.compare.board import (
    collect_board_paper,
    find_question,
    make_board_paper,
    name_group,
    read_table,
    say_too_few,
)
from medcore.services.compare.comparing import compare_bundles
from medcore.services.compare.cut_offs import lock_cut_off

RELEASED = Path(__file__).resolve().parents[2] / "assets" / "models"
MODELS = ("diabetes-logistic", "diabetes-forest")
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalog():
    return Catalog(RELEASED)


@pytest.fixture
def house(tmp_path, catalog):
    return fake_models.make_house(tmp_path, catalog=catalog, environ={"MEDCORE_DATA": str(tmp_path)})


@pytest.fixture(scope="module")
def comparison(catalog):
    return compare_bundles(catalog, "diabetes", MODELS)


def collect(house, comparison, **parts):
    options = {"model_id": MODELS[1], "cut_off": 0.05, "use": "find cases", "at": NOON, **parts}
    return collect_board_paper(house, comparison, **options)


def test_counts_are_those_of_the_scores(house, comparison, catalog):
    paper = collect(house, comparison)
    assert [model.model_id for model in paper.models] == [MODELS[1], MODELS[0]]
    arrays = catalog.bundle(MODELS[1]).read_arrays("evaluation.npz")
    y, p = arrays["y"], arrays["p"].astype(float)
    model = paper.models[0]
    assert model.found.value == pytest.approx(1000 * np.mean((p >= 0.05) & (y == 1)), abs=1e-6)
    assert model.false_alarms.value == pytest.approx(1000 * np.mean((p >= 0.05) & (y == 0)), abs=1e-6)
    assert model.found.value + model.missed.value == pytest.approx(1000 * y.mean())
    assert model.net_benefit.value == pytest.approx(
        model.found.value - model.false_alarms.value * 0.05 / 0.95, abs=1e-6
    )
    for figure in (model.found, model.missed, model.false_alarms, model.net_benefit):
        assert figure.lo < figure.value < figure.hi


def test_it_says_for_whom_and_what_is_not_known(house, comparison):
    paper = collect(house, comparison)
    assert "pregnancy" in paper.not_covered
    assert {group.group for group in paper.blanks} >= {"none", "1-2"}
    assert sum(group.n for group in paper.blanks) <= comparison.n
    assert paper.locked == "This cut-off is not locked."
    assert paper.made_at == "2026-01-02 12:00 UTC"
    assert "age band" in {group.attribute for group in paper.groups}
    assert sum(g.n for g in paper.groups if g.attribute == paper.groups[0].attribute) == paper.n


def test_a_locked_cut_off_is_named(house, comparison):
    lock_cut_off(
        house,
        condition_id="diabetes",
        model_id=MODELS[1],
        cut_off=0.05,
        use="find cases",
        harm_ratio=19.0,
        prevalence=comparison.prevalence,
    )
    assert collect(house, comparison).locked.startswith("Locked for this version of the model on ")
    assert "another one (5.0 %)" in collect(house, comparison, cut_off=0.1).locked


def test_uploaded_groups_and_blanks_take_the_place_of_the_study_s(house, comparison):
    row = SubgroupRow(attribute="sex", group="male", n=40, n_events=7, n_patients=40, too_few=True, metrics={})
    paper = collect(house, comparison, groups=[row], blanks=[replace(row, attribute="blanks", group="0")])
    (group,) = paper.groups
    assert (group.group, group.grey) == ("male", "too few: 7 with the outcome")
    assert paper.blanks[0].group == "0"
    assert paper.blanks_text == ""


def test_no_drawing_library_is_loaded_by_the_service():
    code = "import sys, medcore.services.compare.board; print(*(n for n in ('PIL', 'reportlab') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_printing_is_journalled_first(house, comparison):
    pdf = make_board_paper(house, collect(house, comparison))
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    (event,) = house.journal.events()
    assert (event.action, event.model_id, event.n_records, event.input_hash) == ("board_paper", MODELS[1], 0, "")


def test_nothing_is_printed_that_cannot_be_journalled(tmp_path, catalog, comparison):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    house = fake_models.make_house(blocked, catalog=catalog, environ={"MEDCORE_DATA": str(tmp_path)})
    with pytest.raises(StorageError):
        make_board_paper(house, collect(house, comparison))


@pytest.mark.parametrize("cut_off", [0.0, 1.0, float("nan")])
def test_an_impossible_cut_off_is_refused(house, comparison, cut_off):
    with pytest.raises(InputError, match="not strictly between"):
        collect(house, comparison, cut_off=cut_off)


def test_a_model_that_was_not_compared_is_refused(house, comparison):
    with pytest.raises(UnknownNameError, match="not among the models compared"):
        collect(house, comparison, model_id="diabetes-mlp")


def test_the_table_is_read_between_its_own_cut_offs(comparison):
    table = comparison.curves[MODELS[0]].table
    at = read_table(table, float(table.cut_off[7]))
    assert at["sensitivity"].value == table.sensitivity[7]
    assert at["specificity"].lo == table.specificity_lo[7]


def test_films_have_no_missing_inputs(house, catalog):
    films = compare_bundles(catalog, "pneumonia", ["pneumonia-cnn"])
    paper = collect_board_paper(house, films, model_id="pneumonia-cnn", cut_off=0.3, use="find cases")
    assert paper.blanks_text == "A film has no missing inputs."
    assert paper.groups == ()
    assert paper.groups_text


def test_groups_in_words():
    mortality = find_question("mortality_180d")
    assert name_group("sex", "small", mortality) == "small groups together"
    assert name_group("disease_group", "chf", mortality) != "chf"
    assert name_group("disease_group", "no such", mortality) == "no such"
    assert name_group("age_band", "under_45", mortality) == "under 45"
    row = SubgroupRow(attribute="sex", group="m", n=30, n_events=28, n_patients=30, too_few=True, metrics={})
    assert say_too_few(row) == "too few: 2 without the outcome"
    assert say_too_few(replace(row, too_few=False)) == ""
