"""Small helpers of the loaders, on hand-sized columns."""

import gzip
import math

import numpy as np
import pytest

from medcore.datasets.files import age_band, code_column, null_outside, number_column, read_columns
from medcore.datasets.table import Provenance, TrainingTable
from medcore.errors import InputError, TableError


def test_columns_of_text_with_and_without_header():
    assert read_columns(b"a,b\n1, x\n\n2,?\n") == {"a": ["1", "2"], "b": ["x", "?"]}
    assert read_columns(gzip.compress(b"1,2\n"), ("a", "b")) == {"a": ["1"], "b": ["2"]}


def test_numbers_blank_and_short_floats():
    column = number_column(["0.09999084", "", "?", "NA", "3"], 3)
    assert column.tolist()[0] == 0.1
    assert np.isnan(column).tolist() == [False, True, True, True, False]


def test_codes_and_unknown_categories():
    assert code_column(["no", "", "yes"], {"no": 0, "yes": 1})[[0, 2]].tolist() == [0, 1]
    with pytest.raises(TableError, match="maybe"):
        code_column(["maybe"], {"no": 0})


def test_outside_is_nulled_and_ends_are_kept():
    column = null_outside(np.array([0.0, 1.0, 5.0, 6.0, math.nan]), 1, 5)
    assert np.isnan(column).tolist() == [True, False, False, True, True]


def test_age_bands():
    bands = age_band(np.array([20, 44.9, 45, 64, 65, 80, 99]), (45, 65, 80))
    assert bands.tolist() == ["under 45", "under 45", "45-64", "45-64", "65-79", "80+", "80+"]


def test_training_table_refuses_columns_of_unequal_length():
    with pytest.raises(InputError, match="one length"):
        TrainingTable(
            field_names=("a",),
            X=np.zeros((2, 1)),
            y=np.zeros(2),
            eligible=np.ones(3, dtype=bool),
            provenance=Provenance(name="n", origin="o", licence="l", doi=""),
        )
