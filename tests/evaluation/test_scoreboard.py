"""The scoreboard: agreed names, values equal to the plain functions, intervals that keep their promise."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from sklearn import metrics as sk

from medcore.errors import InputError
from medcore.evaluation import calibration, discrimination, scoreboard, subgroups, thresholds

LOWER_BOUNDED = [name for name in scoreboard.METRIC_NAMES if not name.startswith("calibration")]


@pytest.fixture
def board(cohort):
    y, p = cohort
    return scoreboard.evaluate(y, p, threshold=0.3, rng=np.random.default_rng(0), n_resamples=200)


def test_keys_are_the_agreed_names(board):
    assert tuple(board) == scoreboard.METRIC_NAMES


def test_values_equal_sklearn_and_plain_functions(cohort, board):
    y, p = cohort
    called = p >= 0.3
    inner = np.clip(p, 2.3e-16, 1 - 2.3e-16)
    expected = {
        "auroc": sk.roc_auc_score(y, p),
        "auprc": sk.average_precision_score(y, p),
        "accuracy": sk.accuracy_score(y, called),
        "sensitivity": sk.recall_score(y, called),
        "specificity": sk.recall_score(y, called, pos_label=0),
        "ppv": sk.precision_score(y, called),
        "npv": sk.precision_score(y, called, pos_label=0),
        "f1": sk.f1_score(y, called),
        "brier": sk.brier_score_loss(y, p),
        "log_loss": sk.log_loss(y, p),
        "ece": calibration.expected_calibration_error(y, p),
        "calibration_slope": calibration.calibration_slope(y, inner).value,
        "calibration_intercept": calibration.calibration_intercept(y, inner).value,
    }
    assert {name: board[name].value for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_contain_the_value_and_respect_bounds(cohort, grouped):
    y, p = cohort
    groups = np.arange(y.size) // 2 if grouped else None
    result = scoreboard.evaluate(y, p, threshold=0.3, groups=groups, rng=np.random.default_rng(1), n_resamples=300)
    for name, metric in result.items():
        assert metric.lo <= metric.value <= metric.hi, name
        assert metric.lo < metric.hi, name
    for name in LOWER_BOUNDED:
        assert result[name].lo >= 0.0
        assert name == "log_loss" or result[name].hi <= 1.0


def test_closed_forms_are_used_for_independent_rows(cohort, board):
    y, p = cohort
    point = thresholds.operating_point(y, p, threshold=0.3)
    assert board["sensitivity"] == point.sensitivity
    assert (board["auroc"].lo, board["auroc"].hi) == pytest.approx(
        (discrimination.auroc_interval(y, p).lo, discrimination.auroc_interval(y, p).hi)
    )
    assert board["calibration_slope"].lo == pytest.approx(calibration.calibration_slope(y, p).lo)


def test_same_seed_same_board(cohort, board):
    y, p = cohort
    assert scoreboard.evaluate(y, p, threshold=0.3, rng=np.random.default_rng(0), n_resamples=200) == board


def test_row_order_changes_no_value(cohort, board):
    y, p = cohort
    order = np.random.default_rng(3).permutation(y.size)
    other = scoreboard.evaluate(y[order], p[order], threshold=0.3, rng=np.random.default_rng(0), n_resamples=10)
    for name in board:
        assert other[name].value == pytest.approx(board[name].value, abs=1e-9)


def test_copied_patients_widen_nothing_and_narrow_nothing(make_cohort):
    y, p = make_cohort(300, seed=21)
    once = scoreboard.evaluate(y, p, threshold=0.3, groups=np.arange(300), rng=np.random.default_rng(0))
    patients = np.tile(np.arange(300), 3)
    kept = scoreboard.evaluate(
        np.tile(y, 3), np.tile(p, 3), threshold=0.3, groups=patients, rng=np.random.default_rng(0)
    )
    for name in scoreboard.METRIC_NAMES:
        assert kept[name].value == pytest.approx(once[name].value, abs=1e-9), name
        width = once[name].hi - once[name].lo
        assert kept[name].hi - kept[name].lo == pytest.approx(width, rel=0.25), name


@pytest.mark.parametrize("grouped", [False, True])
def test_perfect_model_is_not_certain(grouped):
    y, p = np.tile([0, 0, 1], 20), np.tile([0.1, 0.2, 0.9], 20)
    groups = np.repeat(np.arange(20), 3) if grouped else None
    board = scoreboard.evaluate(y, p, threshold=0.5, groups=groups, rng=np.random.default_rng(0), n_resamples=100)
    for name in ("auroc", "auprc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1"):
        assert board[name].value == board[name].hi == 1.0, name
        assert 0.75 < board[name].lo < 0.97, name
    assert board["calibration_slope"].value == math.inf
    assert math.isnan(board["calibration_slope"].lo) or grouped


def test_nobody_called_positive():
    board = scoreboard.evaluate(
        [0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.1, 0.2], threshold=0.9, rng=np.random.default_rng(0), n_resamples=50
    )
    assert math.isnan(board["ppv"].value)
    assert math.isnan(board["ppv"].lo)
    assert board["sensitivity"].value == 0.0
    assert board["f1"].value == 0.0


def test_a_single_case_gives_values_without_auroc_limits():
    board = scoreboard.evaluate([0, 0, 1], [0.1, 0.4, 0.3], threshold=0.2, rng=np.random.default_rng(0), n_resamples=20)
    assert board["auroc"].value == 0.5
    assert math.isnan(board["auroc"].lo)


def test_a_thousand_resamples_of_seven_thousand_rows_take_seconds(make_cohort):
    y, p = make_cohort(7284, seed=1)
    start = time.process_time()
    scoreboard.evaluate(y, p, threshold=0.2, rng=np.random.default_rng(0))
    assert time.process_time() - start < 20.0


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [False, True])
def test_coverage_of_every_interval(grouped, make_cohort):
    """Five hundred cohorts of 400 patients, with one row or two copies each; 400 resamples."""
    truth = scoreboard.evaluate(
        *make_cohort(1_000_000, seed=1), threshold=0.3, rng=np.random.default_rng(0), n_resamples=2
    )
    hits = dict.fromkeys(scoreboard.METRIC_NAMES, 0)
    for seed in range(500):
        y, p = make_cohort(400, seed=seed + 2)
        groups = None
        if grouped:
            rows = np.repeat(np.arange(400), 2)
            y, p, groups = y[rows], p[rows], rows
        board = scoreboard.evaluate(
            y, p, threshold=0.3, groups=groups, rng=np.random.default_rng(seed), n_resamples=400
        )
        for name, metric in board.items():
            hits[name] += metric.lo <= truth[name].value <= metric.hi
    shares = {name: count / 500 for name, count in hits.items()}
    assert min(shares.values()) >= 0.92, shares
    assert max(shares.values()) <= 0.99, shares


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"y": [0, 0, 0]}, "all 3 outcomes are 0", id="one_class"),
        pytest.param({"threshold": 50}, "threshold is 50", id="threshold_percent"),
        pytest.param({"rng": 0}, r"expected a numpy\.random\.Generator", id="seed"),
        pytest.param({"groups": ["a"]}, "groups has shape", id="groups"),
        pytest.param({"p": [10, 20, 30]}, r"p\[0\] is 10", id="percent"),
    ],
)
def test_bad_inputs(arguments, message, rng):
    known = {"y": [0, 1, 1], "p": [0.1, 0.2, 0.3], "threshold": 0.2, "rng": rng} | arguments
    with pytest.raises(InputError, match=message):
        scoreboard.evaluate(known.pop("y"), known.pop("p"), **known)


def test_subgroups_use_the_same_figures(make_cohort):
    y, p = make_cohort(600, seed=30)
    sex = np.where(np.arange(600) % 3, "female", "male")
    rows = subgroups.subgroup_table(y, p, attributes={"sex": sex}, threshold=0.3, rng=np.random.default_rng(0))
    assert [(row.attribute, row.group) for row in rows] == [("sex", "female"), ("sex", "male")]
    assert sum(row.n for row in rows) == 600
    assert rows[0].metrics["auroc"].value == pytest.approx(sk.roc_auc_score(y[sex == "female"], p[sex == "female"]))
