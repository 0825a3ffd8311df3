"""The speed table: its form, its reasons, its targets, its history, and the one promise that must hold anywhere."""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_bundle import write_tiny_bundle
from typer.testing import CliRunner

from medcore import cli
from medcore.api import load_model
from medcore.config import read_settings
from medcore.errors import InputError, MedcoreError
from medcore.services.bench import bench, bench_imports, bench_models
from medcore.services.bench.bench import GROUPS, run_bench
from medcore.services.bench.bench_memory import take_footprint
from medcore.services.bench.figure import Figure, time_both, time_calls
from medcore.services.bench.history import append_history, compare_runs, describe_run, read_last_run


def test_ratio_is_value_to_baseline():
    assert Figure(name="a", unit="s", value=3.0, baseline=2.0).ratio == 1.5
    assert Figure(name="a", unit="s", value=3.0).ratio is None
    assert Figure(name="a", unit="s", baseline=3.0).ratio is None


@pytest.mark.parametrize(
    ("options", "met"),
    [
        ({}, None),
        ({"ratio_limit": 1.5}, True),
        ({"ratio_limit": 1.4}, False),
        ({"ratio_limit": 1.4, "better": "more"}, True),
        ({"ratio_limit": 1.6, "better": "more"}, False),
        ({"at_most": 3.0}, True),
        ({"at_most": 2.9}, False),
        ({"at_least": 3.0, "better": "more"}, True),
        ({"at_least": 3.1, "better": "more"}, False),
        ({"ratio_limit": 2.0, "at_most": 2.0}, False),
    ],
)
def test_a_target_is_met_or_missed(options, met):
    figure = Figure(name="a", unit="s", value=3.0, baseline=2.0, **options)
    assert figure.met is met
    assert bool(figure.target) is (met is not None)


def test_a_target_is_open_without_a_value_or_a_baseline():
    assert Figure(name="a", unit="s", at_most=1.0).met is None
    assert Figure(name="a", unit="s", value=1.0, ratio_limit=1.0).met is None


def test_time_calls_leaves_the_warm_up_out_and_two_calls_take_turns():
    calls = []
    assert len(time_calls(lambda: calls.append(1), repeats=5, warm_up=3)) == 5
    assert len(calls) == 8
    turns = []
    mine, other = time_both(lambda: turns.append("a"), lambda: turns.append("b"), repeats=3, warm_up=0)
    assert (len(mine), len(other), "".join(turns)) == (3, 3, "ababab")


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_can_be_measured(group):
    module, _, function = GROUPS[group].partition(":")
    assert callable(getattr(importlib.import_module(f"medcore.services.bench.{module}"), function))


def test_what_cannot_be_measured_is_a_row_with_the_reason(monkeypatch):
    def refuse(_):
        raise MedcoreError("no browser here")
        yield

    monkeypatch.setattr("medcore.services.bench.bench_films.measure_films", refuse)
    (row,) = run_bench(only="films")
    assert row["name"] == "films"
    assert row["value"] is None
    assert row["met"] is None
    assert row["reason"] == "no browser here"


def test_an_unknown_group_is_named():
    with pytest.raises(InputError, match=r"no group 'speed'\. Groups: imports"):
        run_bench(only="speed")


def test_rows_have_plain_types(monkeypatch):
    monkeypatch.setattr(bench_imports, "_time_process", lambda arguments, repeats=5: 0.1 * len(arguments))
    kept = []
    rows = run_bench(only="imports", keep=kept.extend)
    assert kept == rows
    assert json.loads(json.dumps(rows)) == rows
    for row in rows:
        names = {"group", "name", "unit", "value", "baseline", "baseline_name", "ratio", "target", "met", "reason"}
        assert set(row) == names
        assert row["value"] > 0
        assert row["ratio"] == pytest.approx(row["value"] / row["baseline"])


def test_the_journal_is_measured_in_one_of_its_own(tmp_path):
    rows = run_bench(only="journal")
    assert [row["reason"] for row in rows] == ["", ""]
    assert all(row["value"] > 0 and row["baseline"] > 0 for row in rows)


@pytest.fixture(scope="module")
def small_shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    write_tiny_bundle(folder)
    return folder


def test_a_model_that_is_no_default_is_measured_beside_its_target(small_shelf):
    rows = {
        row.name: row
        for row in bench_models._measure_kind(load_model("diabetes-logistic", small_shelf), "logistic", "x")
    }
    assert set(rows) == {
        *(f"{what} one, x, p{share}" for what in ("predict", "predict + explain") for share in (50, 95)),
        "explain 1,000 patients, from 250, x",
    }
    assert all(row.value > 0 for row in rows.values())
    assert [row.at_most for name, row in rows.items() if row.target] == [15.0]


def test_growth_with_background_and_fields_is_told_by_ratio(small_shelf, monkeypatch):
    monkeypatch.setattr(bench_models, "_MOST_FIELDS_OF", "diabetes")
    monkeypatch.setattr(bench_models, "_BACKGROUNDS", (5, 10))
    monkeypatch.setattr(bench_models, "_FIELDS", (4, 8, 99))
    rows = run_bench(only="background", settings=read_settings({"MEDCORE_MODELS": str(small_shelf)}))
    assert [row["baseline_name"] for row in rows] == ["5 rows"] * 2 + ["4 fields"] * 2
    assert rows[0]["ratio"] == rows[2]["ratio"] == 1.0


def test_fewer_fields_are_those_of_a_patient_whose_others_are_blank(small_shelf):
    model = load_model("diabetes-logistic", small_shelf).risk_model
    rows = model.cohort[:5].copy()
    few = bench_models._FewerFields(model.fieldwise(), 4, rows.shape[1])
    p = few.finish(np.zeros((5, 1, 1)), few.field_terms(rows[:, :4]).sum(axis=1))[:, 0]
    rows[:, 4:] = np.nan
    assert p == pytest.approx(model.probability(rows), abs=1e-6)


def make_rows(value, baseline):
    return [{"name": "a", "unit": "s", "value": value, "baseline": baseline, "ratio": value / baseline}]


def test_two_runs_are_compared_by_their_newest_rows(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    append_history(old, make_rows(2.0, 1.0), describe_run())
    append_history(new, make_rows(9.0, 9.0), describe_run())
    run = describe_run()
    append_history(new, make_rows(3.0, 2.0), run)
    append_history(new, [{**make_rows(1.0, 1.0)[0], "name": "b"}], run)
    (change,) = compare_runs(read_last_run(old), read_last_run(new))
    assert (change["before"], change["after"], change["change"], change["relative_change"]) == (2.0, 3.0, 1.5, 0.75)
    assert [row["name"] for row in read_last_run(new)] == ["a", "b"]
    line = json.loads(new.read_text().splitlines()[-1])
    assert {"run", "version", "cores", "load"} <= set(line)
    done = CliRunner().invoke(cli.app, ["bench", "--compare", str(old), str(new)])
    assert done.exit_code == 0
    assert "2 -> 3 s" in done.output
    assert "beside its baseline 0.75 x" in done.output


@pytest.mark.parametrize("text", [None, "", "{}", "not a history"])
def test_a_history_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "history"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match="history"):
        read_last_run(path)


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="needs Linux")
def test_a_footprint_counts_a_process_and_its_children():
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],"
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(1, flush=True); sys.stdin.read(); child.kill()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as parent:
        parent.stdout.readline()
        found = take_footprint(parent.pid)
        parent.stdin.close()
    assert (found.n_processes, found.n_threads, found.n_tensorflow) == (2, 2, 0)
    assert 5 < found.pss_mb < 200
    assert found.n_files > 4
    with pytest.raises(MedcoreError, match="memory cannot be measured"):
        take_footprint(parent.pid)


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_at_least_a_million_a_second():
    rows = [row for row in run_bench(only="batch") if row["unit"] == "rows/s"]
    assert rows[0]["value"] >= 1e6
    assert rows[0]["ratio"] >= 0.1


def test_the_table_names_no_group_twice():
    assert len(set(GROUPS.values())) == len(GROUPS)
    assert bench.GROUPS is GROUPS
