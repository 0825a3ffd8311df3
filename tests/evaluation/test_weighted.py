"""Weighted metrics equal the plain ones on repeated rows, for every name."""

from __future__ import annotations

import numpy as np
import pytest

from medcore.errors import InputError
from medcore.evaluation import calibration, discrimination, weighted
from medcore.evaluation.thresholds import confusion

THRESHOLD = 0.3
PLAIN = {
    "auroc": discrimination.auroc,
    "auprc": discrimination.auprc,
    "brier": calibration.brier,
    "calibration_slope": lambda y, p: calibration.calibration_slope(y, p).value,
    "calibration_intercept": lambda y, p: calibration.calibration_intercept(y, p).value,
    "ece": calibration.expected_calibration_error,
    "log_loss": calibration.log_loss,
} | {
    name: lambda y, p, name=name: getattr(confusion(y, p, threshold=THRESHOLD), name)
    for name in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")
}


@pytest.mark.parametrize("name", weighted.METRIC_NAMES)
def test_equals_plain_metric_of_repeated_rows(name, cohort, rng):
    y, p = cohort
    weights = np.vstack((np.ones(y.size), rng.multinomial(y.size, np.full(y.size, 1 / y.size), size=5)))
    rows = weighted.sort_rows(y, p, threshold=THRESHOLD)
    values = weighted.compute_weighted(rows, weights, (name,))[:, 0]
    repeats = [np.repeat(np.arange(y.size), w.astype(int)) for w in weights]
    expected = [PLAIN[name](y[index], p[index]) for index in repeats]
    np.testing.assert_allclose(values, expected, atol=1e-8)


def test_names_are_the_agreed_ones():
    agreed = "auroc auprc accuracy sensitivity specificity ppv npv f1 brier calibration_slope"
    assert (*agreed.split(), "calibration_intercept", "ece", "log_loss") == weighted.METRIC_NAMES
    assert set(PLAIN) == set(weighted.METRIC_NAMES)


def test_resample_with_one_class_is_undefined():
    rows = weighted.sort_rows([0, 0, 1], [0.1, 0.4, 0.3])
    names = ("auroc", "auprc", "calibration_slope", "calibration_intercept")
    only_controls, both = weighted.compute_weighted(rows, np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]]), names)
    assert np.isnan(only_controls).all()
    assert np.isfinite(both).all()


def test_separated_resamples_have_an_infinite_slope():
    rows = weighted.sort_rows([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.9])
    weights = np.array([[1.0, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 2]])
    slopes = weighted.compute_weighted(rows, weights, ("calibration_slope",))[:, 0]
    assert np.isfinite(slopes[0])
    assert slopes[1] == np.inf
    assert slopes[2] == -np.inf
    assert np.isnan(slopes[3])


def test_constant_probabilities_have_no_slope():
    rows = weighted.sort_rows([0, 1, 1], [0.4, 0.4, 0.4])
    assert np.isnan(weighted.compute_weighted(rows, np.ones((1, 3)), ("calibration_slope",))).all()


def test_hard_labels_do_not_break_the_recalibration():
    y = np.r_[np.ones(50), np.zeros(50)]
    p = np.r_[np.ones(45), np.zeros(5), np.zeros(45), np.ones(5)]
    rows = weighted.sort_rows(y, p)
    values = weighted.compute_weighted(rows, np.ones((1, 100)), ("calibration_slope", "calibration_intercept"))[0]
    assert values[0] == pytest.approx(np.log(9) / 36.04, rel=1e-3)
    assert abs(values[1]) < 10.0  # any shift this small leaves the mean risk where it is


def test_noise_is_zero_for_the_data_themselves(cohort):
    rows = weighted.sort_rows(*cohort)
    noise = weighted.compute_calibration_noise(rows, np.vstack((np.ones(400), np.r_[2.0, np.ones(398), 0.0])))
    assert noise[0] == pytest.approx(0.0, abs=1e-12)
    assert noise[1] > 0.0


@pytest.mark.parametrize(
    ("name", "message"), [("auc", "'auc' is not a metric, expected one of auroc"), ("f1", "f1 needs a threshold")]
)
def test_bad_names(name, message):
    rows = weighted.sort_rows([0, 1], [0.1, 0.2])
    with pytest.raises(InputError, match=message):
        weighted.compute_weighted(rows, np.ones((1, 2)), (name,))
