"""Studies beside the bundles as rows of subgroups: for the very bundle only, and none where none were made."""

import json
import shutil
from pathlib import Path

import fake_models
import pytest

from medcore.errors import IntegrityError
from medcore.registry import Catalog
from medcore.services.compare.blank_rows import BY_COUNT, find_blank_rows, find_left_out, find_points
from medcore.services.compare.board import collect_board_paper
from medcore.services.compare.comparing import compare_bundles

RELEASED = Path(__file__).resolve().parents[2] / "assets" / "models"
MODELS = ("heart_disease-logistic", "heart_disease-svm")
FIGURE = {"value": 0.8, "lo": 0.75, "hi": 0.85}


def group(label, n=300, n_events=40):
    return {"label": label, "n": n, "n_events": n_events, "metrics": {"auroc": FIGURE} if n_events >= 20 else {}}


@pytest.fixture
def catalog(tmp_path):
    """Two released bundles with an invented study, of which one bundle has been replaced since."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in MODELS:
        shutil.copytree(RELEASED / name, folder / name)
    hashes = [Catalog(folder).find(MODELS[0]).sha256, "0" * 64]
    blanks = [
        {
            "model_id": name,
            "sha256": sha,
            "by_count": [group("none"), group("1-2", 30, 5)],
            "by_field": {"thallium": [group("blank"), group("known")]},
        }
        for name, sha in zip(MODELS, hashes, strict=True)
    ]
    left_out = [{"recipe": "logistic", "attribute": "site", "groups": [group("Budapest"), group("Cleveland")]}]
    learning = [
        {"recipe": "logistic", "n_train": n, "n_events": n // 3, "metrics": {"auroc": FIGURE}} for n in (400, 100)
    ]
    study = {"condition": "heart_disease", "data": {}, "blanks": blanks, "left_out": left_out, "learning": learning}
    (folder / "study-heart_disease.json").write_text(json.dumps(study))
    return Catalog(folder)


def test_rows_belong_to_the_very_bundle(catalog):
    found = find_blank_rows(catalog, "heart_disease", MODELS)
    assert list(found) == [MODELS[0]]
    rows = found[MODELS[0]]
    assert [(row.attribute, row.group, row.too_few) for row in rows] == [
        (BY_COUNT, "none", False),
        (BY_COUNT, "1-2", True),
        ("Thallium scan", "known", False),
        ("Thallium scan", "blank", False),
    ]
    assert rows[0].metrics["auroc"].value == 0.8


def test_left_out_groups_and_learning_curve(catalog):
    assert [row.group for row in find_left_out(catalog, "heart_disease")["logistic"]] == ["Budapest", "Cleveland"]
    assert [point.n_train for point in find_points(catalog, "heart_disease")] == [100, 400]


def test_the_board_paper_takes_the_number_of_blanks(catalog, tmp_path):
    house = fake_models.make_house(tmp_path, catalog=catalog, environ={"MEDCORE_DATA": str(tmp_path)})
    comparison = compare_bundles(catalog, "heart_disease", MODELS)
    paper = collect_board_paper(house, comparison, model_id=MODELS[0], cut_off=0.3, use="find cases")
    assert [(row.attribute, row.group, row.grey) for row in paper.blanks] == [
        ("blank fields", "none", ""),
        ("blank fields", "1-2", "too few: 5 with the outcome"),
    ]
    other = collect_board_paper(house, comparison, model_id=MODELS[1], cut_off=0.3, use="find cases")
    assert other.blanks == ()
    assert "Not known" in other.blanks_text


def test_no_study_and_films_have_none(tmp_path):
    (tmp_path / "models").mkdir()
    catalog = Catalog(tmp_path / "models")
    for condition in ("diabetes", "pneumonia"):
        assert find_blank_rows(catalog, condition, ()) == {}
        assert find_left_out(catalog, condition) == {}
        assert find_points(catalog, condition) == ()


def test_a_broken_study_is_said(catalog):
    (catalog.models_dir / "study-heart_disease.json").write_text("{")
    with pytest.raises(IntegrityError, match="cannot be read"):
        find_blank_rows(catalog, "heart_disease", MODELS)
