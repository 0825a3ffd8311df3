"""Healthy films that look like ill ones at their margins: found by the margins alone, patient by patient."""

import numpy as np

from medcore.models.film_lookalikes import find_lookalikes, score_margins


def draw(n=300, seed=0):
    """Ill films have a bright band at the top, and so do every fourth patient's healthy ones; two films a patient."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n // 2), 2)
    ill = patient % 2 == 1
    odd = patient % 8 == 0
    films = rng.normal(100, 12, (n, 56, 56))
    films[ill | odd, :12] += 70
    return np.clip(films, 0, 255).astype(np.uint8), ill, patient, odd


def test_lookalikes_are_the_healthy_films_with_the_margins_of_ill_ones():
    films, ill, patient, odd = draw()
    found = find_lookalikes(films, ill, patient, share=0.25)
    np.testing.assert_array_equal(found, odd)
    assert not (found & ill).any()


def test_where_a_shadow_lies_in_the_lungs_does_not_matter():
    films, ill, patient, _ = draw()
    changed = films.copy()
    films[ill, 20:40, 10:-10] += 60  # brightness as a whole is taken out, so it stays the same
    changed[ill, 36:, 10:-10] += 60
    both = [find_lookalikes(item, ill, patient, share=0.25) for item in (films, changed)]
    assert np.mean(both[0] == both[1]) > 0.97


def test_films_of_a_patient_are_scored_by_what_other_patients_taught():
    films, ill, patient, _ = draw(80)
    scores = score_margins(films, ill, patient)
    turned = ill.copy()
    turned[patient == 5] = ~turned[patient == 5]
    again = score_margins(films, turned, patient)
    np.testing.assert_allclose(again[patient == 5], scores[patient == 5])
    assert np.abs(again - scores).max() > 0.01
