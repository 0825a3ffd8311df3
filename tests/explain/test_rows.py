"""Many rows on the model's side: the same figures as one at a time, and refusals."""

import numpy as np
import pytest
from tiny_bundle import draw_rows, write_tiny_bundle

from medcore.api import load_model
from medcore.errors import InputError, MedcoreError
from medcore.explain.rows import explain_rows, find_effect, shuffle_field
from medcore.services.compare.row_pipe import pack_arrays, read_result, unpack_rows, write_result
from medcore.services.model_child import LocalGateway, make_handler


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def model(models_dir):
    return load_model("diabetes-logistic", models_dir)


@pytest.fixture(scope="module")
def table(model):
    return draw_rows(model.condition.schema, np.random.default_rng(1), 12)


def test_rows_are_explained_as_one_at_a_time_and_add_up(model, table):
    found = explain_rows(model.explainer, table)
    assert found.values.shape == found.standard_error.shape == table.shape
    assert found.base + found.values.sum(axis=1) == pytest.approx(found.p, abs=1e-9)
    assert found.p == pytest.approx(model.predict_rows(table).p, abs=1e-6)
    alone = model.explainer.explain(table[3], precision=0.02)
    assert found.base == pytest.approx(alone.base)
    assert list(alone.contributions.values()) == pytest.approx(found.values[3], abs=1e-6)
    assert found.standard_error.max() <= 0.02


def test_effect_is_the_risk_of_rows_with_one_value_changed(model, table):
    grid = np.array([20.0, 50.0, 80.0])
    found = find_effect(model.risk_model, table, 0, grid)
    assert found.curves.shape == (12, 3)
    changed = table.copy()
    changed[:, 0] = 50.0
    assert found.curves[:, 1] == pytest.approx(model.predict_rows(changed).p, abs=1e-6)
    assert found.mean == pytest.approx(found.curves.mean(axis=0))
    assert (found.lo <= found.mean).all()
    assert (found.mean <= found.hi).all()
    assert (found.hi - found.lo).max() > 0.005


def test_range_of_an_effect_on_one_patient_is_that_of_the_patient(model, table):
    grid = np.array([40.0])
    row = table[:1].copy()
    row[0, 0] = 40.0
    found, risk = find_effect(model.risk_model, row, 0, grid), model.predict_rows(row)
    assert (found.lo[0], found.hi[0]) == pytest.approx((risk.lo[0], risk.hi[0]), abs=1e-6)


def test_shuffling_moves_values_between_rows_only(model, table):
    found = shuffle_field(model.risk_model, table, 0)
    assert found.p == pytest.approx(model.predict_rows(table).p, abs=1e-6)
    assert found.shuffled.shape == (5, 12)
    assert np.abs(found.shuffled - found.p).max() > 0.01
    same = table.copy()
    same[:, 0] = 50.0
    still = shuffle_field(model.risk_model, same, 0)
    assert np.abs(still.shuffled - still.p).max() < 1e-9


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros(3), np.zeros((2, 0))])
def test_no_rows_is_refused(model, rows):
    with pytest.raises(InputError, match="at least one row"):
        explain_rows(model.explainer, rows)


def test_what_does_not_fit_is_refused(model, table):
    with pytest.raises(InputError, match="no column"):
        find_effect(model.risk_model, table, 99, np.array([1.0]))
    with pytest.raises(InputError, match="finite numbers"):
        find_effect(model.risk_model, table, 0, np.array([np.nan]))
    with pytest.raises(InputError, match="too many"):
        find_effect(model.risk_model, np.tile(table, (1000, 1)), 0, np.arange(30.0))


def test_the_model_process_gives_the_same_rows(models_dir, table):
    local, handle = LocalGateway(models_dir), make_handler(str(models_dir))
    here = local.explain_rows("diabetes-logistic", table[:3])
    shapes, blobs = pack_arrays({"X": table[:3]})
    answer, parts = handle("explain_rows", {"model_id": "diabetes-logistic", "shapes": shapes}, blobs)
    there = read_result(type(here), answer["result"], parts)
    assert there.values == pytest.approx(here.values, abs=1e-12)
    assert float(there.base) == float(here.base)


def test_rows_that_do_not_fit_their_shape_are_typed_errors():
    shapes, blobs = pack_arrays({"X": np.ones((2, 3))})
    with pytest.raises(MedcoreError, match="cannot be read"):
        unpack_rows({"shapes": {"X": [5, 5]}}, blobs)
    with pytest.raises(MedcoreError, match="cannot be read"):
        unpack_rows({}, blobs)
    with pytest.raises(MedcoreError, match="cannot be read"):
        read_result(dict[str, int], {"X": [2]}, [])
    assert shapes == {"X": [2, 3]}


def test_blanks_survive_the_pipe():
    from medcore.explain.rows import ShuffledRows

    answer, blobs = write_result(ShuffledRows(p=np.array([0.5, np.nan]), shuffled=np.zeros((1, 2))))
    back = read_result(ShuffledRows, answer["result"], blobs)
    assert np.isnan(back.p[1])
    assert back.shuffled.shape == (1, 2)
