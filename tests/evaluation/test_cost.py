"""Cost curves: worked by hand, and never above any single cut-off."""

from __future__ import annotations

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation.cost import cost_curve, probability_cost
from medcore.evaluation.decision import net_benefit


def test_costs_by_hand():
    """Cut-offs of (.9, .6, .4, .1) miss (1/2, 1/2, 0, 0) with alarms (0, 1/2, 1/2, 1)."""
    curve = cost_curve([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1], at=[0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.model, [0.0, 0.125, 0.25, 0.125, 0.0])
    np.testing.assert_allclose(curve.treat_all, [1.0, 0.75, 0.5, 0.25, 0.0])
    np.testing.assert_allclose(curve.treat_none, [0.0, 0.25, 0.5, 0.75, 1.0])
    assert curve.threshold[1] == 0.9
    assert curve.threshold[3] == 0.4


def test_the_curve_is_the_lowest_of_all_cut_offs(cohort):
    y, p = cohort
    curve = cost_curve(y, p)
    lines = []
    for cut in [np.inf, *np.unique(p)]:
        called = p >= cut
        missed, alarms = 1.0 - called[y == 1].mean(), called[y == 0].mean()
        lines.append(missed * curve.probability_cost + alarms * (1.0 - curve.probability_cost))
    np.testing.assert_allclose(curve.model, np.min(lines, axis=0), atol=1e-12)
    assert (curve.gain >= -1e-12).all()


def test_cost_and_net_benefit_agree():
    """With a false alarm worth t / (1 - t) of a miss, net benefit = r - expected cost."""
    y, p, t = np.array([1, 1, 0, 0, 0, 1]), np.array([0.9, 0.3, 0.6, 0.2, 0.1, 0.7]), 0.25
    at = probability_cost(prevalence=0.5, cost_of_miss=1.0, cost_of_false_alarm=t / (1 - t))
    scale = 0.5 + 0.5 * t / (1 - t)
    curve = cost_curve(y, p, at=[at])
    best = net_benefit(y, (p >= curve.threshold[0]) * 1.0, thresholds=[t])[0]
    assert 0.5 - scale * curve.model[0] == pytest.approx(best)


def test_chance_gains_nothing_and_bad_input_is_refused():
    assert cost_curve([0, 1, 0, 1], [0.5] * 4).gain.max() == 0.0
    with pytest.raises(InputError):
        cost_curve([1, 1], [0.1, 0.2])
    with pytest.raises(InputError):
        probability_cost(prevalence=0.1, cost_of_miss=0.0, cost_of_false_alarm=1.0)
