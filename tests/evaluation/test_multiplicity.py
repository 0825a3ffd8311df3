"""Adjusted p values against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from medcore.errors import InputError
from medcore.evaluation.multiplicity import adjust_benjamini_hochberg, adjust_holm


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_both_equal_statsmodels(values):
    np.testing.assert_allclose(adjust_holm(values), multipletests(values, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(adjust_benjamini_hochberg(values), multipletests(values, method="fdr_bh")[1], atol=1e-12)


@pytest.mark.parametrize("values", [[], [0.1, np.nan], [1.5]])
def test_what_is_no_p_value_is_refused(values):
    with pytest.raises(InputError):
        adjust_holm(values)
