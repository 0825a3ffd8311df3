"""Risks restated for another outcome rate: Bayes' rule, the way back, and weights that say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcore.errors import InputError
from medcore.evaluation.prevalence import class_weights, restate, shift_odds
from medcore.services.prevalence import restate_risk

rates = st.floats(0.01, 0.99)


def test_bayes_by_hand():
    """Odds .25 at a rate of .2 are a likelihood ratio of 1, hence the local rate whatever it is."""
    assert restate([0.2, 0.0, 1.0], studied=0.2, local=0.05).tolist() == pytest.approx([0.05, 0.0, 1.0])


@given(st.floats(0.001, 0.999), rates, rates)
def test_the_way_back_is_the_way_there(p, studied, local):
    there = restate([p], studied=studied, local=local)
    assert restate(there, studied=local, local=studied)[0] == pytest.approx(p, abs=1e-9)
    assert there[0] == pytest.approx(restate_risk(p, studied, local), abs=1e-12)


def test_weighted_rates_are_shifted_rates(cohort):
    y, p = cohort
    weights = class_weights(y == 1, 0.1)
    assert weights.mean() == pytest.approx(1.0)
    inside = p > 0.3
    weighted = np.average(y[inside], weights=weights[inside])
    assert weighted == pytest.approx(shift_odds(np.array([y[inside].mean()]), y.mean(), 0.1)[0])


@pytest.mark.parametrize(("studied", "local", "name"), [(0.0, 0.1, "studied"), (0.2, 1.0, "local"), (0.2, 20, "local")])
def test_impossible_rates_are_refused(studied, local, name):
    with pytest.raises(InputError) as caught:
        restate([0.5], studied=studied, local=local)
    assert caught.value.field == name
