"""Calibration of film models: the line finds the truth, the band holds it, the pattern adds up."""

import json

import numpy as np
import pytest
from scipy.special import expit, logsumexp, softmax

from medcore.errors import InputError, IntegrityError
from medcore.inference.film_calibrator import FilmCalibrator, fit_film_calibrator, headline_score

CLASSES, POSITIVE = ("normal", "bacterial", "viral"), ("bacterial", "viral")


def draw(n, seed=0, *, slope=0.6, intercept=-0.4, temperature=2.0):
    """Films whose true probabilities are a known line of their score, and a known temperature of their pattern."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3)) * [2.5, 2.0, 2.0]
    p = expit(slope * headline_score(logits, CLASSES, POSITIVE) + intercept)
    split = softmax(logits[:, 1:] / temperature, axis=1)[:, 0]
    sick, bacterial = rng.random(n) < p, rng.random(n) < split
    return logits, np.where(sick, np.where(bacterial, 1, 2), 0), p


def fit(logits, y, **keywords):
    return fit_film_calibrator(logits, y, classes=CLASSES, positive=POSITIVE, **keywords)


@pytest.fixture(scope="module")
def fitted():
    logits, y, p = draw(4000)
    return fit(logits, y), logits, y, p


def test_headline_score_is_the_log_odds_of_a_softmax():
    logits = np.random.default_rng(1).normal(size=(50, 3))
    p = softmax(logits, axis=1)[:, 1:].sum(axis=1)
    np.testing.assert_allclose(expit(headline_score(logits, CLASSES, POSITIVE)), p)


def test_headline_score_of_huge_logits_is_finite():
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])
    assert np.isfinite(headline_score(logits, CLASSES, POSITIVE)).all()


def test_the_line_is_found(fitted):
    calibrator, logits, _, p = fitted
    assert calibrator.slope == pytest.approx(0.6, abs=0.06)
    assert calibrator.intercept == pytest.approx(-0.4, abs=0.1)
    assert np.abs(calibrator.probability(calibrator.score(logits)) - p).mean() < 0.02


def test_the_temperature_of_the_pattern_is_found(fitted):
    calibrator = fitted[0]
    assert calibrator.temperature == pytest.approx(2.0, rel=0.15)
    assert calibrator.offsets[0] == calibrator.offsets[1] == 0.0
    assert abs(calibrator.offsets[2]) < 0.15


def test_the_pattern_adds_up_to_one_and_its_positive_part_to_p(fitted):
    calibrator, logits, _, _ = fitted
    pattern = calibrator.pattern(logits)
    np.testing.assert_allclose(pattern.sum(axis=1), 1.0)
    np.testing.assert_allclose(pattern[:, 1:].sum(axis=1), calibrator.probability(calibrator.score(logits)))
    assert (pattern >= 0).all()


def test_the_band_is_ordered_around_p_everywhere(fitted):
    calibrator = fitted[0]
    p = np.concatenate([[0.0, 1e-12, 1 - 1e-12, 1.0], np.linspace(0, 1, 500)])
    lo, hi = calibrator.band(p)
    assert (lo >= 0).all()
    assert (lo <= p).all()
    assert (p <= hi).all()
    assert (hi <= 1).all()


def test_the_band_holds_the_true_rate_about_as_often_as_it_says():
    held = []
    for seed in range(12):
        logits, y, _ = draw(600, seed)
        calibrator = fit(logits, y)
        _, _, truth = fresh = draw(400, 1000 + seed)
        lo, hi = calibrator.band(calibrator.probability(calibrator.score(fresh[0])))
        held.append(((lo <= truth) & (truth <= hi)).mean())
    assert np.mean(held) > 0.80


def test_films_of_one_patient_count_once():
    logits, y, _ = draw(300, 5)
    plain = fit(logits, y)
    twice = fit(np.repeat(logits, 4, axis=0), np.repeat(y, 4), groups=np.repeat(np.arange(300), 4))
    copied = fit(np.repeat(logits, 4, axis=0), np.repeat(y, 4))
    at = np.array([0.5])
    width = {name: np.subtract(*reversed(c.band(at)))[0] for name, c in [("p", plain), ("t", twice), ("c", copied)]}
    assert width["t"] > width["c"]


def test_films_sorted_perfectly_keep_a_finite_line_and_a_band_that_is_not_a_point():
    logits = np.zeros((200, 3))
    logits[:100, 0], logits[100:, 1] = 9.0, 9.0
    calibrator = fit(logits, np.repeat([0, 1], 100))
    p = calibrator.probability(calibrator.score(logits))
    lo, hi = calibrator.band(p)
    assert 0.0 < p.min() < 0.05
    assert (hi - lo).min() > 0.01


def test_json_round_trip(fitted):
    calibrator, logits, _, _ = fitted
    again = FilmCalibrator.from_json(json.loads(json.dumps(calibrator.to_json())))
    assert again == calibrator
    np.testing.assert_array_equal(again.pattern(logits), calibrator.pattern(logits))


@pytest.mark.parametrize(
    "change",
    [
        {"slope": -1.0},
        {"slope": "nan"},
        {"temperature": 0.0},
        {"band": [[0.0, 0.6, 0.4], [1.0, 0.5, 0.6]]},
        {"band": [[1.0, 0.1, 0.4], [0.0, 0.5, 0.6]]},
        {"band": [[0.0, 0.1, 0.4]]},
        {"band": [[0.0], [1.0]]},
        {"classes": ["a", "a", "b"]},
        {"positive": ["normal", "bacterial", "viral"]},
        {"positive": []},
        {"offsets": [0.0]},
        {"level": 1.0},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_calibrator_that_cannot_be_right_is_refused(fitted, change):
    with pytest.raises(IntegrityError):
        FilmCalibrator.from_json({**fitted[0].to_json(), **change})


@pytest.mark.parametrize("missing", ["classes", "slope", "band", "level", "n_band"])
def test_an_incomplete_calibrator_is_refused(fitted, missing):
    raw = fitted[0].to_json()
    del raw[missing]
    with pytest.raises(IntegrityError, match="incomplete"):
        FilmCalibrator.from_json(raw)


def test_one_outcome_only_is_refused():
    with pytest.raises(InputError, match="both outcomes"):
        fit(np.zeros((30, 3)), np.ones(30, dtype=int))


def test_logits_of_another_shape_are_refused():
    with pytest.raises(InputError, match="expected"):
        headline_score(np.zeros((3, 2)), CLASSES, POSITIVE)


def test_oracle_of_the_score():
    logits = np.array([[0.2, 1.1, -0.3]])
    expected = logsumexp([1.1, -0.3]) - 0.2
    assert headline_score(logits, CLASSES, POSITIVE)[0] == pytest.approx(expected)
