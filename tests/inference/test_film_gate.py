"""The gate of films: learnt on phantoms, it lets other phantoms through and stops what is none."""

import io

import numpy as np
import pytest
from film_bundle import draw_films

from medcore.errors import InputError, IntegrityError
from medcore.inference.film_gate import CAUTION_CODES, WITHHOLDING_CODES, FilmGate, fit_film_gate, measure_gate

N_TRAIN, N_VALIDATION, N_TEST = 200, 120, 60


def features_of(films):
    """Stand-in of a network: mean brightness in 6 x 6 fields, through a fixed random layer."""
    fields = films[:, :222, :222].reshape(len(films), 6, 37, 6, 37).mean(axis=(2, 4)).reshape(len(films), -1)
    weights = np.random.default_rng(3).normal(size=(36, 80))
    return np.maximum(fields @ weights, 0.0)


@pytest.fixture(scope="module")
def study():
    train, validation, test = (draw_films(n, seed).tensors for seed, n in enumerate((N_TRAIN, N_VALIDATION, N_TEST)))
    gate = fit_film_gate(
        features_of(train),
        train,
        np.arange(N_TRAIN) % 3,
        validation_features=features_of(validation),
        validation_tensors=validation,
    )
    return gate, validation, test


def codes(gate, films):
    return [{reason.code for reason in reasons} for reasons in gate.judge(features_of(films), films)]


def test_validation_films_are_withheld_as_often_as_wanted(study):
    gate, validation, _ = study
    rate = measure_gate(gate, {"validation": (features_of(validation), validation)})["validation"]
    assert rate.n == N_VALIDATION
    assert rate.withheld <= 0.025
    assert rate.withheld + rate.caution <= 0.08


def test_other_good_films_pass(study):
    gate, _, test = study
    withheld = [bool(found & WITHHOLDING_CODES) for found in codes(gate, test)]
    assert np.mean(withheld) <= 0.10


@pytest.mark.parametrize(
    ("kind", "alter", "code"),
    [
        ("left", lambda a: np.rot90(a, 1, (1, 2)), "orientation"),
        ("right", lambda a: np.rot90(a, -1, (1, 2)), "orientation"),
        ("half turn", lambda a: a[:, ::-1, ::-1], "orientation"),
        ("upside down", lambda a: a[:, ::-1], "orientation"),
        ("inverted", lambda a: 1 - a, "inverted"),
        ("noise", lambda a: np.random.default_rng(0).random(a.shape).astype(np.float32), "not_chest"),
        ("blank", lambda a: np.full_like(a, 0.5), "not_chest"),
        ("black", np.zeros_like, "not_chest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_films_are_withheld_and_the_reason_is_right(study, kind, alter, code):
    gate, _, test = study
    found = codes(gate, np.ascontiguousarray(alter(test)))
    assert np.mean([bool(item & WITHHOLDING_CODES) for item in found]) >= 0.95
    assert np.mean([code in item for item in found]) >= 0.8


def test_a_mirrored_film_is_scored_with_a_caution(study):
    gate, _, test = study
    found = codes(gate, np.ascontiguousarray(test[:, :, ::-1]))
    assert np.mean(["mirrored" in item for item in found]) > 0.7


def test_far_features_alone_withhold(study):
    gate, _, test = study
    reasons = gate.reasons(features_of(test[:1])[0] + 50.0, test[0])
    assert {reason.code for reason in reasons} <= {"distance", "not_chest"}
    assert reasons


def test_features_that_are_no_numbers_withhold(study):
    gate, _, test = study
    features = features_of(test[:1])[0]
    features[0] = np.nan
    assert {reason.code for reason in gate.reasons(features, test[0])} & WITHHOLDING_CODES


def test_one_film_is_judged_as_among_many(study):
    gate, _, test = study
    films = np.concatenate([test[:5], 1 - test[:5]])
    features = features_of(films)
    together = gate.judge(features, films)
    assert together == tuple(gate.reasons(one, film) for one, film in zip(features, films, strict=True))


def test_percentiles_rise_with_strangeness(study):
    gate, validation, _ = study
    good = gate.percentiles(features_of(validation), validation)
    bad = gate.percentiles(features_of(1 - validation), 1 - validation)
    assert 40 < np.median(good) < 60
    assert (bad >= 97).mean() > 0.95
    assert good.min() >= 0
    assert bad.max() <= 99


def test_codes_are_one_or_the_other():
    assert not WITHHOLDING_CODES & CAUTION_CODES


def test_arrays_round_trip_through_a_file(study):
    gate, _, test = study
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **gate.to_arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as arrays:
        again = FilmGate.from_arrays(arrays)
    features = features_of(test)
    for name, values in gate.measure(features, test).items():
        np.testing.assert_allclose(again.measure(features, test)[name], values, atol=2e-3)


def test_no_film_lies_in_the_gate(study):
    gate, _, _ = study
    largest = max(np.asarray(value).shape[0] for value in gate.to_arrays().values() if np.ndim(value))
    assert largest <= 1024
    thumbs = draw_films(N_TRAIN, 0).tensors.reshape(N_TRAIN, 32, 7, 32, 7).mean(axis=(2, 4)).reshape(N_TRAIN, -1)
    kept = np.column_stack([gate.layout_mean, gate.layout_axes])
    assert np.abs(np.corrcoef(thumbs, kept.T)[:N_TRAIN, N_TRAIN + 1 :]).max() < 0.95


@pytest.mark.parametrize(
    "change",
    [
        {"limit": None},
        {"middle": np.full(4, 9.0), "limit": np.ones(4)},
        {"layout_mean": np.zeros(5)},
        {"direction": np.full((257, 9), np.nan)},
        {"feature_spread": np.zeros(3)},
        {"quantiles": np.linspace(1, 0, 100)},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_gate_that_cannot_be_right_is_refused(study, change):
    arrays = {**study[0].to_arrays(), **change}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    with pytest.raises(IntegrityError):
        FilmGate.from_arrays(arrays)


def test_films_of_another_shape_are_refused(study):
    gate, _, test = study
    with pytest.raises(InputError, match="expected"):
        gate.reasons(features_of(test[:1])[0], test[0][:100])
    with pytest.raises(InputError, match="do not fit"):
        gate.reasons(np.zeros(5), test[0])
