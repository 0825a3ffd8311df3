"""Figures per fold against scikit-learn, and folds too one-sided for a figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from medcore.errors import InputError
from medcore.evaluation.spread import fold_spread


def test_values_equal_sklearn_within_each_fold(cohort):
    y, p = cohort
    folds = np.arange(y.size) % 5
    found = fold_spread(y, p, folds)
    expected = [sk.roc_auc_score(y[folds == k], p[folds == k]) for k in range(5)]
    assert found["auroc"].values == pytest.approx(expected)
    assert found["auroc"].median == pytest.approx(np.median(expected))
    assert (found["auroc"].minimum, found["auroc"].maximum) == pytest.approx((min(expected), max(expected)))
    assert found["brier"].values[2] == pytest.approx(sk.brier_score_loss(y[folds == 2], p[folds == 2]))


def test_a_fold_with_one_outcome_has_no_auroc_but_a_brier_score():
    found = fold_spread([0, 0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.6, 0.4, 0.3], ["a", "a", "b", "b", "b", "b"])
    assert math.isnan(found["auroc"].values[0])
    assert found["auroc"].minimum == found["auroc"].maximum == found["auroc"].values[1]
    assert found["brier"].values[0] == pytest.approx((0.01 + 0.04) / 2)


def test_a_figure_that_no_fold_has_is_nan():
    assert math.isnan(fold_spread([0, 1], [0.1, 0.9], [0, 1])["auroc"].median)


def test_folds_of_another_length_are_refused():
    with pytest.raises(InputError) as caught:
        fold_spread([0, 1], [0.1, 0.9], [0])
    assert caught.value.field == "folds"
