"""Studies beside the bundles: blanks, a group never seen, fewer patients; on made-up patients of one condition."""

import json
import shutil

import numpy as np
import pytest
from bundles_fixture import CONDITION, make_recipes, make_table

from medcore.conditions.catalog import find_condition
from medcore.errors import InputError, IntegrityError
from medcore.evaluation.drift import field_drift
from medcore.models import recipes as known_recipes
from medcore.registry import Catalog
from medcore.services.compare import studies
from medcore.services.compare.studies import (
    describe_fields,
    find_study,
    measure_blanks,
    run_study,
    study_groups,
    study_size,
)

DIABETES = find_condition(CONDITION)
MODEL = f"{CONDITION}-logistic"


@pytest.fixture
def small(monkeypatch):
    """Small recipes in the place of the real ones."""
    monkeypatch.setattr(known_recipes, "find_recipe", lambda condition, name: make_recipes()[name])


@pytest.fixture
def folder(shelf, tmp_path):
    target = tmp_path / "models"
    target.mkdir()
    shutil.copytree(shelf.folder / MODEL, target / MODEL)
    return target


def test_blanks_are_counted_on_the_rows_the_predictions_belong_to(folder, shelf):
    table = shelf.tables[CONDITION]
    found = measure_blanks(Catalog(folder), DIABETES, table, MODEL)
    asked = table.eligible
    count = np.isnan(table.X[asked]).sum(axis=1)
    assert {group.label: (group.n, group.n_events) for group in found.by_count} == {
        label: (int(rows.sum()), int(table.y[asked][rows].sum()))
        for label, rows in (("none", count == 0), ("1-2", (count >= 1) & (count <= 2)), ("3-5", count >= 3))
        if rows.sum() >= 10
    }
    for name, (blank, known) in found.by_field.items():
        column = np.isnan(table.X[asked][:, DIABETES.schema.input_names.index(name)])
        assert (blank.n, known.n) == (column.sum(), (~column).sum())
    assert any(known.metrics for _, known in found.by_field.values())


def test_other_rows_than_the_bundles_are_refused(folder, shelf):
    with pytest.raises(InputError, match="other rows"):
        measure_blanks(Catalog(folder), DIABETES, make_table(seed=12), MODEL)


def test_a_group_left_out_is_judged_by_a_model_that_never_saw_it(small):
    """In one group the outcome is turned round: a model that had seen it would not be as wrong about it."""
    table = make_table(n=900)
    odd = table.groups["sex"] == "male"
    turned = make_table(n=900)
    turned.y[odd] = 1 - turned.y[odd]
    groups = {group.label: group for group in study_groups(DIABETES, turned, "logistic", "sex").groups}
    assert groups["male"].n == (odd & table.eligible).sum()
    assert groups["male"].metrics["auroc"].value < 0.35
    same = {group.label: group for group in study_groups(DIABETES, table, "logistic", "sex").groups}
    assert same["male"].metrics["auroc"].value > 0.65


def test_more_patients_make_a_better_model_and_all_are_judged(small):
    table = make_table(n=900)
    points = study_size(DIABETES, table, "logistic", shares=(0.06, 1.0))
    assert [point.n_train for point in points] == sorted(point.n_train for point in points)
    assert points[1].n_train == round(0.9 * int(table.eligible.sum()))
    assert points[0].metrics["brier"].value > points[1].metrics["brier"].value


def test_a_study_is_written_read_again_and_added_to(folder, shelf, small, monkeypatch):
    table = shelf.tables[CONDITION]
    monkeypatch.setattr(type(DIABETES), "load_training", lambda self, folder: table)
    monkeypatch.setattr(studies, "LEFT_OUT", {CONDITION: "sex"})
    monkeypatch.setattr(studies, "_SHARES", (0.5, 1.0))
    told = []
    assert find_study(folder, CONDITION) is None
    about = {"data_dir": folder, "models_dir": folder, "progress": told.append}
    first = run_study(CONDITION, recipes=["logistic"], **about)
    assert {item.recipe for item in first.left_out} == {"logistic"}
    both = run_study(CONDITION, recipes=["forest"], **about)
    assert {item.recipe for item in both.left_out} == {"logistic", "forest"}
    assert {item.recipe for item in both.learning} == {"logistic", "forest"}
    assert [item.sha256 for item in both.blanks] == [Catalog(folder).find(MODEL).sha256]
    again = find_study(folder, CONDITION)
    assert again.fields == both.fields == describe_fields(DIABETES, table)
    assert again.left_out[0].groups[0].n == both.left_out[0].groups[0].n
    assert Catalog(folder).models(CONDITION)
    assert told


def test_fields_are_described_without_their_extremes_and_compare_as_the_rows_do():
    table = make_table(n=1200)
    X = table.X[table.eligible]
    names = DIABETES.schema.input_names
    shapes = {shape.field: shape for shape in describe_fields(DIABETES, table)}
    assert tuple(shapes) == names
    age = shapes["age_years"]
    column = np.sort(X[:, names.index("age_years")])
    assert age.values[0] == pytest.approx(column[9])
    assert age.values[-1] == pytest.approx(column[-10])
    assert age.shares[-1] == 1.0
    assert field_drift(age.summary(), column).verdict == "little"
    assert field_drift(age.summary(), column + 25).verdict == "large"
    sex = shapes["sex"]
    assert sex.is_choice
    assert sum(sex.shares) == pytest.approx(1.0, abs=1e-4)
    assert field_drift(sex.summary(), X[:, names.index("sex")].astype(int).astype(str)).verdict == "little"


def test_a_damaged_study_says_how_to_make_it_anew(folder):
    path = folder / f"study-{CONDITION}.json"
    path.write_text("{")
    with pytest.raises(IntegrityError, match="medcore study"):
        find_study(folder, CONDITION)
    path.write_text(json.dumps({"condition": CONDITION, "data": {}, "learning": [{"recipe": "mlp"}]}))
    with pytest.raises(IntegrityError, match="medcore study"):
        find_study(folder, CONDITION)
