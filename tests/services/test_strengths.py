"""The table of what models are good and bad at says only what was measured."""

from dataclasses import replace

import numpy as np
import pytest
from fake_models import FakeGateway, make_facts

from medcore.errors import WorkerError
from medcore.evaluation.compared import Comparison
from medcore.registry import Catalog
from medcore.results import MetricValue
from medcore.services.compare.comparing import compare_bundles, folds
from medcore.services.compare.measuring import measure
from medcore.services.compare.strengths import ASPECTS, measure_bytes, measure_explanations, strengths

IDS = ["diabetes-logistic", "diabetes-forest", "diabetes-mlp"]


def compare(p, y):
    found = measure(y, p)
    facts = {name: replace(make_facts("diabetes", name), model_id=name) for name in p}
    return Comparison(
        condition="diabetes",
        source="made up",
        n=y.size,
        n_events=int(y.sum()),
        n_patients=y.size,
        prevalence_study=float(y.mean()),
        prevalence=float(y.mean()),
        models=tuple(facts[name] for name in found.order),
        board=found.board,
        curves=found.curves,
        standing=found.standing,
    )


def test_words_follow_the_figures():
    rng = np.random.default_rng(4)
    z = rng.normal(size=6000)
    y = (rng.random(6000) < 1 / (1 + np.exp(-z))).astype(int)
    noisy = z + 1.5 * rng.normal(size=6000)
    comparison = compare({name: 1 / (1 + np.exp(-x)) for name, x in (("fit", z), ("bold", 3 * z), ("noisy", noisy))}, y)
    comparison = replace(comparison, milliseconds={"fit": 3.0, "bold": 100.0, "noisy": 900.0})
    table = {row.model_id: row.marks for row in strengths(comparison)}
    assert {name: marks["discrimination"].word for name, marks in table.items()} == {
        "fit": "good",
        "bold": "good",
        "noisy": "weak",
    }
    assert (table["fit"]["calibration"].word, table["bold"]["calibration"].word) == ("good", "weak")
    assert [table[name]["speed"].word for name in ("fit", "bold", "noisy")] == ["good", "middling", "weak"]
    assert table["noisy"]["speed"].figure == "900 ms a case"
    for aspect in ("steadiness", "explanation", "size"):
        assert table["fit"][aspect].word == "not measured"


def test_released_kinds(shelf):
    catalog = Catalog(shelf.folder)
    comparison = compare_bundles(catalog, "diabetes", IDS)
    n_bytes = measure_bytes(catalog, IDS)
    for name in IDS:
        assert n_bytes[name] == sum(
            path.stat().st_size for path in (shelf.folder / name).iterdir() if path.name != "manifest.json"
        )
    seconds = measure_explanations(FakeGateway(), catalog, IDS)
    assert set(seconds) == set(IDS)
    table = strengths(comparison, spreads=folds(catalog, "diabetes", IDS), explain_seconds=seconds, n_bytes=n_bytes)
    assert [row.model_id for row in table] == [item.model_id for item in comparison.models]
    for row in table:
        assert set(row.marks) == set(ASPECTS)
        assert row.marks["speed"].word == "not measured"
        assert row.marks["steadiness"].word in ("good", "middling", "weak")
        assert row.marks["size"].figure.endswith("MB")
    assert any(row.marks["steadiness"].word == "good" for row in table)
    assert any(row.marks["discrimination"].word == "good" for row in table)


def test_what_cannot_be_measured_is_said():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 100)
    comparison = compare({"a": np.clip(0.3 * y + 0.6 * rng.random(200), 0.01, 0.99)}, y)
    nan = float("nan")
    board = {"a": {**comparison.board["a"], "calibration_slope": MetricValue(value=nan, lo=nan, hi=nan)}}
    (row,) = strengths(replace(comparison, board=board, milliseconds={"a": nan}))
    assert row.marks["calibration"].word == row.marks["speed"].word == "not measured"


@pytest.mark.parametrize("gateway", [FakeGateway(error=WorkerError("busy")), FakeGateway(explanation_error="no")])
def test_a_model_that_explains_nothing_is_left_out(shelf, gateway):
    assert measure_explanations(gateway, Catalog(shelf.folder), IDS[:1]) == {}
