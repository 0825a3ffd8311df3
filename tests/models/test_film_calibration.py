"""Calibration that travels: harder films, and the share of ill films that the probability is about."""

from dataclasses import replace

import numpy as np
import pytest

from medcore.inference.film_calibrator import fit_film_calibrator, headline_score
from medcore.models.film_calibration import calibrate_films, carry_over, make_harder

CLASSES, POSITIVE = ("normal", "bacterial", "viral"), ("bacterial", "viral")


def draw(n, spread, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    logits = rng.normal(0, spread, (n, 3)) + 3.0 * np.eye(3)[y]
    return logits, y


def fit(versions, y, share=0.5):
    return calibrate_films(versions, y, classes=CLASSES, positive=POSITIVE, groups=np.arange(len(y)), share=share)


def test_harder_films_make_the_line_flatter():
    (easy, y), (hard, _) = draw(600, 0.3), draw(600, 3.0)
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 3.0, hard.shape) + 3.0 * np.eye(3)[y]
    assert fit([easy, hard, hard], y).slope < fit([easy], y).slope


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_the_probability_means_the_wanted_share(share):
    logits, y = draw(3000, 2.0)
    calibrator = fit([logits], y, share=share)
    p = calibrator.probability(headline_score(logits, CLASSES, POSITIVE))
    ill = y > 0
    mean = share * p[ill].mean() + (1 - share) * p[~ill].mean()
    assert mean == pytest.approx(share, abs=0.03)


def test_harder_films_are_films_and_differ_each_in_its_own_way():
    films = np.random.default_rng(0).random((4, 64, 64), dtype=np.float32)
    films[1] = films[0]
    harder = make_harder(films, 3)
    assert harder.shape == films.shape
    assert 0.0 <= harder.min() <= harder.max() <= 1.0
    assert np.abs(harder[0] - harder[1]).max() > 0.05
    np.testing.assert_array_equal(harder, make_harder(films, 3))
    assert np.abs(harder - make_harder(films, 4)).max() > 0.05


def test_readers_who_disagree_keep_probabilities_from_the_ends():
    logits, y = draw(900, 0.2)
    plain, doubtful = (
        calibrate_films(
            [logits], y, classes=CLASSES, positive=POSITIVE, groups=np.arange(900), share=0.5, read_otherwise=part
        )
        for part in (0.0, 0.05)
    )
    score = headline_score(logits, CLASSES, POSITIVE)
    assert doubtful.slope < plain.slope
    assert doubtful.probability(score).max() < plain.probability(score).max()
    np.testing.assert_array_equal(np.argsort(plain.probability(score)), np.argsort(doubtful.probability(score)))
    for calibrator in (plain, doubtful):
        lo, hi = calibrator.band(calibrator.probability(score))
        assert np.all(lo <= hi)


def test_a_carried_over_calibrator_does_what_the_other_network_had_to_do():
    """Two networks with other scales of score: after the move, both say the same about the shifted films."""
    (logits, y), groups = draw(900, 1.0), np.arange(900)
    shifted = logits + np.where(y == 0, 1.5, 0.0)[:, None] * [-1.0, 1.0, 0.0]
    known = {"classes": CLASSES, "positive": POSITIVE, "groups": groups}
    before, after = (fit_film_calibrator(item, y, **known) for item in (logits, shifted))
    score = headline_score(shifted, CLASSES, POSITIVE)
    own = replace(before, slope=before.slope / 3.0, intercept=before.intercept - 2.0 * before.slope / 3.0)
    moved = carry_over(own, before, after)
    np.testing.assert_allclose(moved.probability(3.0 * score + 2.0), after.probability(score), atol=1e-9)
    assert moved.band_logit == after.band_logit
    assert after.probability(score)[y == 0].mean() < before.probability(score)[y == 0].mean()
