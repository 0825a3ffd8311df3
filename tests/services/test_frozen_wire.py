"""Frozen results across a pipe: what goes in comes out, and nothing else is accepted."""

import json
from collections.abc import Mapping

import numpy as np
import pytest

from medcore.errors import ArtifactError
from medcore.evaluation.curves import draw_curves
from medcore.evaluation.drift import field_drift, summarise_field
from medcore.evaluation.recalibration import Recalibration, recalibrate
from medcore.results import MetricValue
from medcore.services.compare.measuring import Measured, measure
from medcore.services.frozen_wire import pack, unpack

RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.4).astype(int)
P = np.clip(0.3 * Y + 0.7 * RNG.random(300), 0.01, 0.99)


def send(item, kind):
    blobs = []
    raw = json.loads(json.dumps(pack(item, blobs)))
    return unpack(kind, raw, blobs)


def test_figures_arrive_as_they_were():
    found = measure(Y, {"a": P, "b": P**2})
    arrived = send(found, Measured)
    assert arrived.board == found.board
    assert (arrived.order, arrived.standing, arrived.warnings) == (found.order, found.standing, found.warnings)
    for part in ("roc", "precision_recall", "calibration"):
        for axis in ("x", "y", "lo", "hi"):
            sent, came = (getattr(getattr(item.curves["a"], part), axis) for item in (found, arrived))
            np.testing.assert_array_equal(came, sent)
    assert arrived.curves["a"].bins == found.curves["a"].bins
    np.testing.assert_array_equal(arrived.curves["b"].table.net_benefit, draw_curves(Y, P**2).table.net_benefit)


def test_words_from_a_list_and_enumerations():
    line = recalibrate(Y, P, method="slope_intercept")
    assert send(line, Recalibration) == line
    drift = field_drift(summarise_field("age", P), P + 0.1)
    assert send({"age": drift}, Mapping[str, type(drift)])["age"] == drift


def test_nan_none_and_whole_numbers():
    (metric,) = send((MetricValue(value=1, lo=float("nan"), hi=2.0),), tuple[MetricValue, ...])
    assert isinstance(metric.value, float)
    assert np.isnan(metric.lo)
    assert send(None, np.ndarray | None) is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {"value": 1.0, "lo": 0.0},
        {"value": 1.0, "lo": 0.0, "hi": "much"},
        {"value": 1.0, "lo": 0.0, "hi": 1.0, "more": 1},
        [],
    ],
)
def test_what_does_not_fit_is_refused(raw):
    with pytest.raises(ArtifactError):
        unpack(MetricValue, raw, [])


@pytest.mark.parametrize(
    "raw",
    [
        {"array": 0, "dtype": "|O8", "shape": [1]},
        {"array": 1, "dtype": "<f8", "shape": [1]},
        {"array": 0, "dtype": "<f8", "shape": [3]},
        {"array": 0, "dtype": "<f8"},
    ],
)
def test_arrays_that_do_not_fit_are_refused(raw):
    with pytest.raises(ArtifactError):
        unpack(np.ndarray, raw, [bytes(8)])


def test_a_word_that_is_not_known_is_refused():
    raw = pack(recalibrate(Y, P), [])
    with pytest.raises(ArtifactError):
        unpack(Recalibration, {**raw, "method": "magic"}, [])
