"""The command line as a caller sees it: output, one sentence on failure, exit codes."""

import csv
import json
import socket
import subprocess
import sys
import time

import pytest
from tiny_bundle import write_tiny_bundle

from medcore import cli
from medcore.conditions.catalog import find_condition
from medcore.evaluation.scoreboard import METRIC_NAMES
from medcore.journal import Journal

CONDITION = "diabetes"
COMMANDS = ["serve", "conditions", "models", "predict", "evaluate", "train", "verify", "bench", "accounts"]


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_tiny_bundle(folder, CONDITION)
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

    run.data_dir = tmp_path / "data"
    return run


@pytest.fixture
def patients(tmp_path):
    """A CSV file with every kind of row; returns its path."""
    return write_table(tmp_path / "patients.csv", [{}, {"age_years": "abc"}, {}, {"age_years": "7000"}, {}])


def write_table(path, changes, **columns):
    typed = example()
    names = [item.name for item in find_condition(CONDITION).schema.fields]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["patient_id", *names, *columns])
        writer.writeheader()
        for i, change in enumerate(changes):
            extra = {name: values[i] for name, values in columns.items()}
            writer.writerow({"patient_id": f"p{i}", **typed, **change, **extra})
    return path


def example():
    """The first made-up patient of the condition that may be scored."""
    from medcore.records import read_record

    condition = find_condition(CONDITION)
    for item in condition.examples:
        typed = {name: text for name, text in item.values.items() if name not in item.units}
        values = dict(read_record(condition.schema, typed).record.values)
        if not condition.population_limits(values) and not condition.cross_check(values).errors:
            return typed
    raise AssertionError("no example can be scored")


def assert_refused(result, *words):
    code, out, err = result
    assert code == 1
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("medcore: ")
    assert "Traceback" not in err
    for word in words:
        assert word in last


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(medcore, command):
    code, out, _ = medcore(command, "--help")
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["predict"], ["predict", CONDITION], ["serve", "--port", "0"], ["models", "--no-such"], []],
)
def test_what_is_not_understood_is_a_usage_error(medcore, arguments):
    code, _, err = medcore(*arguments)
    assert code == 2
    assert "Usage" in err


def test_help_answers_at_once():
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "medcore.cli", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.6


def test_conditions(medcore):
    code, out, _ = medcore("conditions", "--json")
    rows = json.loads(out)
    assert code == 0
    tables = {"diabetes", "heart_disease", "mortality_180d", "breast_cancer"}
    assert {row["id"]: row["kind"] for row in rows} == {**dict.fromkeys(tables, "tabular"), "pneumonia": "image"}
    for row in rows:
        for field in row["fields"]:
            assert {"name", "label", "unit", "possible", "choices"} <= field.keys()
            assert field["possible"] or field["choices"]
            assert set(field["other_loinc"]) <= set(field["other_units"])
    text = medcore("conditions")[1]
    assert all(row["id"] in text for row in rows)


def test_models(medcore):
    code, out, _ = medcore("models", "--json")
    (row,) = json.loads(out)
    assert code == 0
    assert {"id", "condition", "default", "kind", "version", "sha256", "trained_on", "metrics"} <= row.keys()
    assert row["default"] is True
    assert row["metrics"]["auroc"] == {"value": 0.7, "lo": 0.6, "hi": 0.8}
    assert row["metrics"]["ppv"]["lo"] is None
    assert row["id"] in medcore("models")[1]


def test_predict_json(medcore, patients):
    code, out, err = medcore("predict", CONDITION, patients, "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["id"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]
    assert [row["status"] == "error" for row in rows] == [False, True, False, True, False]
    assert [row["code"] for row in rows if row["status"] == "error"] == ["NotANumber", "OutOfRange"]
    for row in rows:
        if row["status"] in {"scored", "caution"}:
            assert 0 <= row["lo"] <= row["p"] <= row["hi"] <= 1
            assert row["level"] == 0.9
            assert "contributions" not in row
    assert "5 rows: " in err
    assert "2 error" in err


def test_predict_is_journalled_under_the_local_user(medcore, patients):
    medcore("predict", CONDITION, patients, "--json")
    with Journal(medcore.data_dir) as journal:
        (event,) = journal.events()
    assert event.actor.startswith("local:")
    assert event.n_records == 5
    assert event.model_id == "diabetes-logistic"


def test_predict_explained_adds_up(medcore, patients):
    rows = json.loads(medcore("predict", CONDITION, patients, "--explain", "--json")[1])
    explained = [row for row in rows if row.get("contributions")]
    assert explained
    for row in explained:
        assert row["base"] + sum(row["contributions"].values()) == pytest.approx(row["p"], abs=1e-6)
        assert set(row["contributions"]) == set(find_condition(CONDITION).schema.input_names)


def test_predict_to_a_file(medcore, patients, tmp_path):
    code, out, err = medcore("predict", CONDITION, patients, "--out", tmp_path / "out.csv")
    assert code == 0
    assert out == ""
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == ["p0", "p1", "p2", "p3", "p4"]
    assert "5 rows" in err


def test_predict_several_files_names_each(medcore, patients, tmp_path):
    other = write_table(tmp_path / "other.csv", [{}])
    rows = json.loads(medcore("predict", CONDITION, patients, other, "--json")[1])
    assert [row["file"] for row in rows] == ["patients.csv"] * 5 + ["other.csv"]


def test_predict_as_text(medcore, patients):
    code, out, _ = medcore("predict", CONDITION, patients)
    assert code == 0
    assert len(out.splitlines()) == 5


def test_one_bad_file_of_two_is_said_and_the_other_scored(medcore, patients, tmp_path):
    code, out, err = medcore("predict", CONDITION, tmp_path / "absent.csv", patients, "--json")
    assert code == 1
    assert len(json.loads(out)) == 5
    assert "absent.csv" in err


def test_all_rows_bad(medcore, tmp_path):
    path = write_table(tmp_path / "bad.csv", [{"age_years": "abc"}] * 2)
    code, out, err = medcore("predict", CONDITION, path, "--json")
    assert code == 1
    assert [row["status"] for row in json.loads(out)] == ["error", "error"]
    assert "no row could be read" in err


@pytest.mark.parametrize(
    "content",
    [b"", b"age_years\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"one,two\n1,2\n", b"age_years,age_years\n1,2\n"],
)
def test_unreadable_files_are_refused_in_one_sentence(medcore, tmp_path, content):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert_refused(medcore("predict", CONDITION, path, "--json"))


def test_refusals_name_what_is_wrong(medcore, patients, tmp_path, monkeypatch):
    assert_refused(medcore("predict", "gout", patients), "gout", "diabetes")
    assert_refused(medcore("predict", CONDITION, patients, "--model", "no-such"), "no-such")
    assert_refused(medcore("predict", CONDITION, tmp_path), "is a folder")
    assert_refused(medcore("predict", CONDITION, patients, "--out", tmp_path / "a" / "b.csv"), "cannot be written")
    monkeypatch.setenv("MEDCORE_MODELS", str(tmp_path / "absent"))
    assert_refused(medcore("predict", CONDITION, patients), "does not exist")


def test_no_result_without_a_journal(medcore, patients, tmp_path, monkeypatch):
    (tmp_path / "in the way").write_text("x")
    monkeypatch.setenv("MEDCORE_DATA", str(tmp_path / "in the way"))
    assert_refused(medcore("predict", CONDITION, patients, "--json"), "journal")


def test_evaluate(medcore, tmp_path):
    ages = [25, 30, 35, 40, 45, 50, 55, 60, 65, 70] * 3
    changes = [{"age_years": str(age)} for age in ages]
    labels = [str(int(age > 45)) for age in ages]
    labels[0] = "?"
    path = write_table(tmp_path / "labelled.csv", changes, label=labels)
    code, out, _ = medcore("evaluate", CONDITION, path, "--json")
    report = json.loads(out)
    assert code == 0
    assert {"condition", "model", "sha256", "n", "n_pos", "threshold", "metrics"} <= report.keys()
    assert report["n"] + report["n_withheld"] + report["n_error"] == len(ages)
    assert report["n_error"] == 1
    assert set(report["metrics"]) == set(METRIC_NAMES)
    for metric in report["metrics"].values():
        assert set(metric) == {"value", "lo", "hi"}
    assert "auroc" in medcore("evaluate", CONDITION, path)[1]


def test_evaluate_needs_labels_of_both_kinds(medcore, patients, tmp_path):
    assert_refused(medcore("evaluate", CONDITION, patients), "label")
    path = write_table(tmp_path / "one.csv", [{}] * 4, label=["1"] * 4)
    assert_refused(medcore("evaluate", CONDITION, path))
    path = write_table(tmp_path / "none.csv", [{}] * 4, label=["?"] * 4)
    assert_refused(medcore("evaluate", CONDITION, path), "nothing to measure")


def test_train_refuses_what_it_does_not_know(medcore, tmp_path):
    assert_refused(medcore("train", "gout", "--out", tmp_path), "gout")
    assert_refused(medcore("train", CONDITION, "--model", "oracle", "--out", tmp_path), "oracle")
    assert_refused(medcore("train", CONDITION, "--data", tmp_path / "absent", "--out", tmp_path))


def test_verify(medcore):
    code, out, _ = medcore("verify")
    assert code == 0
    assert "ok      diabetes-logistic" in out
    assert "ok      journal" in out


def test_verify_names_an_altered_bundle_and_serves_the_others(medcore, patients, tmp_path, monkeypatch):
    write_tiny_bundle(tmp_path / "models", "diabetes")
    write_tiny_bundle(tmp_path / "models", "heart_disease")
    with (tmp_path / "models" / "heart_disease-logistic" / "model.skops").open("ab") as stream:
        stream.write(b"x")
    monkeypatch.setenv("MEDCORE_MODELS", str(tmp_path / "models"))
    code, out, err = medcore("verify", "--json")
    assert code == 1
    assert {row["name"]: row["ok"] for row in json.loads(out)} == {
        "heart_disease-logistic": False,
        "diabetes-logistic": True,
        "journal": True,
    }
    assert "heart_disease-logistic" in err
    assert medcore("predict", CONDITION, patients, "--json")[0] == 0
    assert "refused" in medcore("models")[2]


def test_serve_refuses_a_port_in_use(medcore):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert_refused(medcore("serve", "--port", taken.getsockname()[1]), "--port")


def test_serve_refuses_a_foreign_address(medcore):
    assert_refused(medcore("serve", "--host", "203.0.113.7"), "cannot be used")


def test_bench_lists_what_it_cannot_measure(medcore, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MEDCORE_MODELS", str(tmp_path / "empty"))
    code, out, _ = medcore("bench", "--only", "models", "--json")
    (row,) = json.loads(out)
    assert code == 0
    assert row["value"] is None
    assert "no bundles" in row["reason"]
