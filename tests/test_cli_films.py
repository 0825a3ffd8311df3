"""The command line on films, as a caller sees it: output, one sentence on failure, exit codes."""

import csv
import json
import sys

import pytest
from film_bundle import write_film_bundle

from medcore import cli
from medcore.imaging.phantom import phantom_png


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_film_bundle(folder)
    return folder


@pytest.fixture
def medcore(models_dir, tmp_path, monkeypatch, capsys):
    """Run one command in this process; returns exit code, standard output and standard error."""
    monkeypatch.setenv("MEDCORE_MODELS", str(models_dir))
    monkeypatch.setenv("MEDCORE_DATA", str(tmp_path / "data"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["medcore", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def films(tmp_path):
    """A folder with a good film, a text named .png, and another good film."""
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "a.png").write_bytes(phantom_png(1))
    (folder / "b.png").write_text("no film")
    (folder / "c.png").write_bytes(phantom_png(2))
    return folder


def test_a_folder_gives_one_object_per_film(medcore, films):
    code, out, err = medcore("predict", "pneumonia", films, "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["id"] for row in rows] == [str(films / name) for name in ("a.png", "b.png", "c.png")]
    assert rows[1]["status"] == "error"
    assert "b.png" in rows[1]["error"]
    assert set(rows[0]) >= {"status", "p", "lo", "hi", "level", "label", "model", "sha256", "reasons", "probabilities"}
    assert "3 films" in err


def test_a_csv_file_of_films(medcore, films, tmp_path):
    target = tmp_path / "out.csv"
    code, out, _ = medcore("predict", "pneumonia", films / "a.png", films / "b.png", "--out", target)
    rows = list(csv.DictReader(target.open()))
    assert (code, out) == (0, "")
    assert [row["status"] == "error" for row in rows] == [False, True]


def test_nothing_readable_is_refused_in_one_sentence(medcore, films):
    code, _, err = medcore("predict", "pneumonia", films / "b.png")
    assert code == 1
    assert "no film could be read" in err
    assert "Traceback" not in err


def test_a_missing_folder_is_refused(medcore, tmp_path):
    code, out, err = medcore("predict", "pneumonia", tmp_path / "absent")
    assert (code, out) == (1, "")
    assert "no file or folder" in err


def test_evaluate_takes_a_folder_per_class(medcore, tmp_path):
    for name, seed in (("NORMAL", 1), ("NORMAL", 2), ("PNEUMONIA", 3), ("PNEUMONIA", 4)):
        (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name / f"{seed}.png").write_bytes(phantom_png(seed))
    code, out, err = medcore("evaluate", "pneumonia", tmp_path / "set", "--json")
    report = json.loads(out)
    assert code == 0, err
    assert report["n"] + report["n_withheld"] == 4
    assert {"auroc", "sensitivity", "specificity", "brier"} <= set(report["metrics"])


def test_evaluate_refuses_a_file(medcore, films):
    code, _, err = medcore("evaluate", "pneumonia", films / "a.png")
    assert code == 1
    assert "one sub-folder per class" in err


def test_conditions_lists_the_question_about_films(medcore):
    code, out, _ = medcore("conditions", "--json")
    (row,) = [row for row in json.loads(out) if row["kind"] == "image"]
    assert code == 0
    assert row["id"] == "pneumonia"
    assert [item["word"] for item in row["classes"]] == ["normal", "bacterial", "viral"]


def test_a_table_is_no_film(medcore, tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("age_years\n61\n")
    code, _, err = medcore("predict", "pneumonia", table)
    assert code == 1
    assert "no film could be read" in err
