"""The encoded columns: by hand, and the same in NumPy and in the Keras layer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcore.conditions.catalog import find_condition, list_conditions
from medcore.encoding import Encoding, FieldEncoding
from medcore.errors import InputError

ENCODING = Encoding(
    (
        FieldEncoding(name="plain"),
        FieldEncoding(name="marker", transform="log", offset=1.0, knots=(1.0, 5.0, 20.0, 90.0)),
        FieldEncoding(name="minutes", transform="sqrt", gap=False),
        FieldEncoding(name="group", codes=(1, 2, 4)),
        FieldEncoding(name="age", knots=(25.0, 45.0, 60.0, 75.0), gap=False),
    )
)


def test_widths_and_slices():
    assert ENCODING.width == 2 + 4 + 1 + 4 + 3
    assert [part.stop - part.start for part in ENCODING.slices()] == [2, 4, 1, 4, 3]
    assert ENCODING.slices()[0].start == 0
    assert ENCODING.slices()[-1].stop == ENCODING.width


def test_by_hand():
    row = ENCODING.encode(np.array([[3.0, np.e - 1.0, 9.0, 2.0, 20.0]]))[0]
    assert row[[0, 1]].tolist() == [3.0, 0.0]
    assert row[2] == pytest.approx(1.0)
    assert row[6] == 3.0
    assert row[7:11].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert row[11:].tolist() == [20.0, 0.0, 0.0]


def test_blanks():
    row = np.full((1, 5), np.nan)
    assert ENCODING.encode(row)[0].tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert ENCODING.observed(row)[0].tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    marked = ENCODING.encode(row, blank=np.nan)[0]
    assert np.isnan(marked).sum() == ENCODING.width - 3


def test_spline_terms_are_harrells():
    """Restricted cubic spline at 50, knots 25 45 60 75: terms computed by hand from eq. 2.25."""
    value, knots = 50.0, (25.0, 45.0, 60.0, 75.0)
    expected = [
        (max(value - t, 0) ** 3 - max(value - 60, 0) ** 3 * (75 - t) / 15 + max(value - 75, 0) ** 3 * (60 - t) / 15)
        / 50.0**2
        for t in knots[:2]
    ]
    row = ENCODING.encode(np.array([[0, 1, 1, 1, value]], dtype=float))[0]
    np.testing.assert_allclose(row[-2:], expected)


def test_splines_are_straight_beyond_the_last_knot():
    ages = np.array([80.0, 90.0, 100.0, 110.0])
    rows = ENCODING.encode(np.column_stack([np.ones((4, 4)), ages]))[:, -2:]
    np.testing.assert_allclose(np.diff(rows, 2, axis=0), 0.0, atol=1e-9)


@pytest.mark.parametrize("shape", [(5,), (1, 4), (1, 6)])
def test_another_number_of_columns(shape):
    with pytest.raises(InputError, match="expected"):
        ENCODING.encode(np.zeros(shape))


@pytest.mark.parametrize("condition", [item.id for item in list_conditions()])
@pytest.mark.parametrize("splines", [False, True])
def test_json_round_trip_for_every_condition(condition, splines):
    encoding = Encoding.of(find_condition(condition).schema, splines=splines)
    assert Encoding.from_json(encoding.to_json()) == encoding


def test_fields_hardly_ever_blank_have_no_gap_column():
    schema = find_condition("diabetes").schema
    share = np.zeros(len(schema.inputs))
    assert not any(item.gap for item in Encoding.of(schema, blank_share=share).fields)


@pytest.fixture(scope="module")
def layer():
    from medcore.models.layers import FieldEncoding as Layer

    return Layer(ENCODING.to_json())


values = st.one_of(st.just(np.nan), st.floats(-5.0, 300.0, width=32))
codes = st.sampled_from([1.0, 2.0, 4.0, 3.0, np.nan])
rows = st.lists(st.tuples(values, values, values, codes, values), min_size=1, max_size=1)


@settings(max_examples=60, deadline=None)
@given(row=rows)
def test_the_keras_layer_computes_the_same(layer, row):
    X = np.array(row, dtype=np.float32)
    found = np.asarray(layer(X))
    expected = np.hstack([ENCODING.encode(X.astype(np.float64)), ENCODING.observed(X)])
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-3)
