"""Subgroups: everybody counted, small groups marked, single-outcome groups without figures."""

from __future__ import annotations

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation import subgroups


def table(y, attributes, **options):
    p = np.linspace(0.05, 0.95, len(y))
    known = {"threshold": 0.5, "rng": np.random.default_rng(0), "n_resamples": 20} | options
    return subgroups.subgroup_table(y, p, attributes=attributes, **known)


@pytest.mark.parametrize(
    ("n_events", "n_others", "too_few"),
    [(20, 20, False), (19, 80, True), (80, 19, True), (20, 400, False)],
)
def test_greying_rule(n_events, n_others, too_few):
    y = np.random.default_rng(1).permutation(np.r_[np.ones(n_events), np.zeros(n_others)])
    (row,) = table(y, {"all": ["everyone"] * y.size})
    assert row.too_few is too_few
    assert (row.n, row.n_events, row.n_non_events) == (n_events + n_others, n_events, n_others)
    assert row.metrics


def test_group_with_one_outcome_has_counts_only():
    y = [0, 0, 0, 1, 0, 1]
    a, b = table(y, {"site": ["A", "A", "A", "B", "B", "B"]})
    assert (a.group, a.n, a.n_events, a.too_few, dict(a.metrics)) == ("A", 3, 0, True, {})
    assert set(b.metrics) >= {"auroc", "brier"}


def test_every_attribute_counts_everyone():
    y = np.tile([0, 1, 1, 0, 1], 12)
    rows = table(y, {"sex": np.tile(["f", "m"], 30), "band": np.repeat([1, 2, 3], 20)}, groups=np.arange(60) // 2)
    assert [row.attribute for row in rows] == ["sex", "sex", "band", "band", "band"]
    assert sum(row.n for row in rows if row.attribute == "band") == 60
    assert [row.n_patients for row in rows] == [30, 30, 10, 10, 10]


def test_a_group_does_not_depend_on_the_ones_after_it():
    y = np.tile([0, 1, 1, 0, 1], 12)
    sex, band = np.tile(["f", "m"], 30), np.repeat([1, 2, 3], 20)
    alone = table(y, {"sex": sex})
    together = table(y, {"sex": sex, "band": band})
    assert alone == together[:2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"attributes": {"sex": ["f"]}}, r"sex has shape \(1,\), expected \(5,\)", id="attribute"),
        pytest.param({"attributes": {}, "groups": [1]}, r"groups has shape \(1,\)", id="groups"),
        pytest.param({"attributes": {}, "threshold": 3}, "threshold is 3", id="threshold"),
    ],
)
def test_bad_inputs(options, message):
    with pytest.raises(InputError, match=message):
        table([0, 1, 1, 0, 1], **options)
