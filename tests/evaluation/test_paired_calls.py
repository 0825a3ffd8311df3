"""Two models at every cut-off on the same rows: counted by hand, as textbook limits, and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation.paired_calls import pair_calls
from medcore.evaluation.prevalence import restate

CUTS = np.linspace(0.0, 1.0, 21)


def limits_by_hand(first, second, n):
    b, c = np.sum(second & ~first), np.sum(first & ~second)
    middle = (b - c) / (n + 2)
    half = 1.959963984540054 * np.sqrt(b + c + 1 - (b - c) ** 2 / (n + 2)) / (n + 2)
    return middle - half, middle + half


@pytest.fixture
def models(make_cohort):
    y, p = make_cohort(400, seed=3)
    noise = np.random.default_rng(4)
    return y, {"old": p, "new": np.clip(p + noise.normal(0, 0.1, 400), 0, 1), "timid": 0.3 + 0.4 * p}


def test_every_pair_at_every_cut_off_is_counted(models):
    y, p = models
    pairs = pair_calls(y, p, CUTS)
    assert [(one.first, one.second) for one in pairs] == [("old", "new"), ("old", "timid"), ("new", "timid")]
    for one in pairs:
        for k, cut in enumerate(CUTS):
            for rows, lo, hi in (
                (y == 1, one.found_lo[k], one.found_hi[k]),
                (y == 0, one.alarms_lo[k], one.alarms_hi[k]),
            ):
                calls = [p[name][rows] >= cut for name in (one.first, one.second)]
                assert (lo, hi) == pytest.approx(limits_by_hand(*calls, rows.sum()), abs=1e-12)


def test_a_local_prevalence_moves_the_cut_offs_and_no_share(models):
    y, p = models
    local = pair_calls(y, p, [0.1], prevalence=0.05)[0]
    moved = {name: restate(scores, studied=y.mean(), local=0.05) for name, scores in p.items()}
    same = pair_calls(y, moved, [0.1])[0]
    assert local.found_lo == pytest.approx(same.found_lo)
    assert local.alarms_hi == pytest.approx(same.alarms_hi)


def test_a_patient_with_rows_that_are_copies_counts_about_once(models):
    y, p = models
    alone = pair_calls(y, p, CUTS)[0]
    copied = pair_calls(np.repeat(y, 4), {name: np.repeat(scores, 4) for name, scores in p.items()}, CUTS,
                        groups=np.repeat(np.arange(400), 4))[0]  # fmt: skip
    wide = alone.found_hi - alone.found_lo
    many = np.flatnonzero(wide > 0.05)
    assert many.size > 5
    np.testing.assert_allclose((copied.found_hi - copied.found_lo)[many], wide[many], rtol=0.12)


def test_one_row_a_patient_as_groups_changes_little(models):
    y, p = models
    alone, grouped = pair_calls(y, p, CUTS)[0], pair_calls(y, p, CUTS, groups=np.arange(400))[0]
    np.testing.assert_allclose(grouped.found_hi, alone.found_hi, atol=0.004)
    assert np.all(grouped.found_hi >= alone.found_hi - 1e-12)


def test_the_limits_hold_the_true_difference_in_95_of_100_samples():
    rng, held = np.random.default_rng(8), []
    for _ in range(1500):
        both, first, second = rng.multinomial(120, [0.6, 0.08, 0.14, 0.18])[:3]
        calls = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [both, first, second, 120 - both - first - second], axis=0)
        y = np.append(np.ones(120, int), [0, 0])
        p = {"a": np.append(calls[:, 0], [0.0, 1.0]), "b": np.append(calls[:, 1], [0.0, 1.0])}
        one = pair_calls(y, p, [0.5])[0]
        held.append(one.found_lo[0] <= 0.06 <= one.found_hi[0])
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(
    "changes", [{"prevalence": 0.0}, {"groups": [1, 2]}, {"p": {"a": [0.1, 2.0, 0.3]}}, {"y": [1, 1, 1]}]
)
def test_what_cannot_be_is_refused(changes):
    parts = {"y": [0, 1, 1], "p": {"a": [0.1, 0.2, 0.3], "b": [0.1, 0.2, 0.3]}, **changes}
    y, p = parts.pop("y"), parts.pop("p")
    with pytest.raises(InputError):
        pair_calls(y, p, [0.5], **parts)
