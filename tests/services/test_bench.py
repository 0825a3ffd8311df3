"""The speed table: its form, its reasons, and the one promise that must hold on any machine."""

import pytest

from medcore.errors import MedcoreError
from medcore.services.bench import bench
from medcore.services.bench.bench import Figure, run_bench, time_calls


def test_ratio_is_value_to_baseline():
    assert Figure(name="a", unit="s", value=3.0, baseline=2.0).ratio == 1.5
    assert Figure(name="a", unit="s", value=3.0).ratio is None
    assert Figure(name="a", unit="s", baseline=3.0).ratio is None


def test_time_calls_leaves_the_warm_up_out():
    calls = []
    assert len(time_calls(lambda: calls.append(1), repeats=5, warm_up=3)) == 5
    assert len(calls) == 8


def test_what_cannot_be_measured_is_a_row_with_the_reason(monkeypatch):
    def refuse(_):
        raise MedcoreError("no browser here")
        yield

    monkeypatch.setattr(bench, "_measure_pages", refuse)
    monkeypatch.setattr(bench, "_measure_film_pages", lambda _: iter(()))
    (row,) = run_bench(only="page")
    assert row["name"] == "page"
    assert row["value"] is None
    assert row["reason"] == "no browser here"


def test_rows_have_plain_types(monkeypatch):
    monkeypatch.setattr(bench, "_time_process", lambda arguments: 0.1 * len(arguments))
    for row in run_bench(only="imports"):
        assert set(row) == {"name", "unit", "value", "baseline", "baseline_name", "ratio", "reason"}
        assert row["value"] > 0
        assert row["ratio"] == pytest.approx(row["value"] / row["baseline"])


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_at_least_a_million_a_second():
    (row,) = run_bench(only="batch")
    assert row["value"] >= 1e6
    assert row["ratio"] >= 0.1
