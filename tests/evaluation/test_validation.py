"""Checks return clean arrays or say exactly what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation import validation as v

GOOD = [0, 1]


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        pytest.param([], [], "y is empty", id="empty"),
        pytest.param([0, 2], [0.1, 0.2], r"y\[1\] is 2, expected outcomes coded 0 or 1", id="label_two"),
        pytest.param([0, -1], [0.1, 0.2], r"y\[1\] is -1", id="label_minus_one"),
        pytest.param([0, np.nan], [0.1, 0.2], r"y\[1\] is nan, expected finite", id="label_missing"),
        pytest.param([0, None], [0.1, 0.2], r"y\[1\] is nan", id="label_none"),
        pytest.param(["no", "yes"], [0.1, 0.2], "y cannot be read as numbers", id="label_text"),
        pytest.param([[0, 1]], [0.1, 0.2], r"y has shape \(1, 2\)", id="label_two_dimensions"),
        pytest.param([[0], [1, 0]], [0.1, 0.2], "y cannot be read", id="label_ragged"),
        pytest.param(GOOD, [0.1, 1.2], r"p\[1\] is 1.2, expected probabilities in \[0, 1\] \(1 such", id="percent"),
        pytest.param(GOOD, [-0.1, 0.2], r"p\[0\] is -0.1", id="negative"),
        pytest.param(GOOD, [0.1, np.inf], r"p\[1\] is inf", id="infinite"),
        pytest.param(GOOD, [0.1, 0.2j], "p cannot be read as numbers", id="complex"),
        pytest.param(GOOD, ["0.1", "0.2"], "p cannot be read as numbers", id="numbers_as_text"),
        pytest.param(GOOD, np.ma.array([0.1, 0.2], mask=[0, 1]), r"p\[1\] is nan", id="masked"),
        pytest.param(GOOD, [0.1], "y has 2 rows but p has 1", id="unequal"),
        pytest.param(GOOD, 0.3, r"p has shape \(\)", id="scalar"),
    ],
)
def test_unusable_scores_are_refused(y, p, message):
    with pytest.raises(InputError, match=message):
        v.check_scores(y, p)


@pytest.mark.parametrize(
    "y", [[0, 1, 1], [False, True, True], np.array([0.0, 1.0, 1.0], np.float32), np.array([0, 1, 1], object)]
)
def test_labels_of_any_kind_become_bool(y):
    labels, scores = v.check_scores(y, [0, 0.5, 1])
    assert labels.dtype == np.bool_
    assert labels.tolist() == [False, True, True]
    assert scores.dtype == np.float64


def test_checked_arrays_are_copies():
    p = np.array([0.1, 0.2])
    _, scores = v.check_scores(GOOD, p)
    scores[0] = 0.9
    assert p[0] == 0.1


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused_where_the_metric_needs_two(label):
    with pytest.raises(InputError, match=f"all 3 outcomes are {label}; this metric needs at least one 0 and one 1"):
        v.check_two_classes([label] * 3, [0.1, 0.2, 0.3])


def test_error_carries_its_parts():
    with pytest.raises(InputError) as caught:
        v.check_scores(GOOD, [0.5, 7.0])
    assert caught.value.field == "p"
    assert caught.value.value == 7.0
    assert caught.value.expected == "probabilities in [0, 1]"


def test_groups_become_codes():
    assert v.check_groups(["b", "a", "b"], 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize("groups", [None, [3, 1, 2]], ids=["none", "all_distinct"])
def test_rows_that_are_patients_need_no_codes(groups):
    assert v.check_groups(groups, 3) is None


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param([1, 2], r"groups has shape \(2,\), expected \(3,\)", id="short"),
        pytest.param([1.0, np.nan, 2.0], "missing label", id="nan"),
        pytest.param(np.array([1, "a", None], object), "cannot be compared", id="mixed"),
    ],
)
def test_unusable_groups_are_refused(groups, message):
    with pytest.raises(InputError, match=message):
        v.check_groups(groups, 3)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, "half", None])
def test_threshold_outside_unit_interval_is_refused(value):
    with pytest.raises(InputError, match=r"threshold is .*, expected a number in \[0, 1\]"):
        v.check_threshold(value)


@pytest.mark.parametrize("value", [0.0, 1.0, 95])
def test_level_must_be_open(value):
    with pytest.raises(InputError, match=r"level is .*, expected a number in \(0, 1\)"):
        v.check_level(value)


@pytest.mark.parametrize("value", [1, 0, 2.5, True, "many"])
def test_number_of_resamples_must_be_whole(value):
    with pytest.raises(InputError, match="n_resamples is"):
        v.check_n_resamples(value)


@pytest.mark.parametrize("value", [0, None, np.random.RandomState(0)])
def test_only_generators_are_accepted(value):
    with pytest.raises(InputError, match=r"expected a numpy\.random\.Generator"):
        v.check_rng(value)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_decision_thresholds_must_be_open(value):
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        v.check_thresholds_open([0.5, value])
