import json
import math
from dataclasses import replace

import compared
import numpy as np
import pytest

from medcore.figures.curve_payload import (
    NET_BENEFIT_SCALE,
    SCALE,
    STYLES,
    build_payload,
    name_shortly,
    style_models,
    thin,
)

COMPARISON = compared.make_comparison()


def pack(comparison=COMPARISON, **parts):
    return build_payload(comparison, title="An invented question", **parts)


def read(values, scale=SCALE):
    return np.array([math.nan if value is None else value / scale for value in values])


def test_every_cut_off_arrives_to_half_a_unit():
    table = COMPARISON.curves["invented-logistic"].table
    sent = next(model for model in pack()["models"] if model["id"] == "invented-logistic")["table"]
    for name in ("cut_off", "sensitivity", "sensitivity_lo", "specificity_hi"):
        np.testing.assert_allclose(read(sent[name]), getattr(table, name), atol=0.5001 / SCALE)
    np.testing.assert_allclose(
        read(sent["net_benefit"], NET_BENEFIT_SCALE), table.net_benefit, atol=0.5001 / NET_BENEFIT_SCALE
    )


def test_what_cannot_be_given_is_null_and_the_rest_is_plain_json():
    table = COMPARISON.curves["invented-mlp"].table
    assert np.isnan(table.net_benefit[-1])
    payload = pack()
    assert payload["models"][0]["table"]["net_benefit"][-1] is None
    assert json.loads(json.dumps(payload, allow_nan=False)) == payload


def test_five_models_of_many_patients_stay_below_150_kilobytes():
    payload = pack(compared.make_comparison(n=7000, n_models=5))
    assert len(payload["models"]) == 5
    assert len(json.dumps(payload, separators=(",", ":"))) < 150_000


@pytest.mark.parametrize("name", ["roc", "precision_recall", "calibration"])
def test_a_thinned_curve_stays_where_it_was(name):
    curve = getattr(compared.make_comparison(n=5000, n_models=1).curves["invented-mlp"], name)
    kept = thin(curve.x, curve.y, curve.lo, curve.hi)
    assert kept.size <= 160
    assert {kept[0], kept[-1]} == {0, curve.x.size - 1}
    line = np.column_stack((curve.x[kept], curve.y[kept]))
    for point in zip(curve.x, curve.y, strict=True):
        assert distance(np.array(point), line) < 0.01


def distance(point, line):
    """From a point to the nearest place on a line through points."""
    starts, along = line[:-1], np.diff(line, axis=0)
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    share = np.clip(((point - starts) * along).sum(axis=1) / length, 0.0, 1.0)
    return np.hypot(*(starts + share[:, None] * along - point).T).min()


def test_two_points_or_none_are_kept_as_they_are():
    assert thin(np.array([0.0, 1.0]), np.array([0.0, 1.0])).tolist() == [0, 1]
    assert thin(np.array([]), np.array([])).size == 0
    assert thin(np.array([0.0, 0.5, 1.0]), np.array([0.0, math.nan, 1.0])).tolist() == [0, 2]


def test_vertical_and_returning_lines_keep_their_corners():
    x, y = np.array([0.0, 0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.4, 1.0, 1.0, 0.0])
    assert thin(x, y).tolist() == [0, 2, 3, 4]


def test_a_model_keeps_its_line_when_others_come_and_go():
    known = ["a", "b", "c", "d", "e", "f", "g"]
    assert style_models(["c", "a"], known)["c"] == style_models(known[:6], known)["c"] == STYLES[2]
    six = style_models(known[1:], known)
    assert sorted(six.values()) == sorted(STYLES)
    assert len(set(style_models(["x", "y"]).values())) == 2


def test_names_at_the_lines_are_short_and_differ():
    facts = [compared.make_facts("svm"), compared.make_facts("svm", model_id="invented-svm_two")]
    assert len(set(name_shortly(facts).values())) == 2
    other = replace(compared.make_facts("mlp"), recipe="other", title="A very long title of a model (any)")
    assert len(name_shortly([other])["invented-mlp"]) <= 20


def test_details_times_and_standing_go_with_their_model():
    comparison = replace(COMPARISON, milliseconds={"invented-mlp": 3.21987, "invented-logistic": math.nan})
    first, second, *_ = pack(comparison, details={"invented-mlp": [("Size", "1 MB")]})["models"]
    assert first["details"] == [["Size", "1 MB"]]
    assert first["milliseconds"] == 3.2199
    assert second["milliseconds"] is None
    assert (first["standing"], second["standing"]) == ("best Brier", "")
    assert first["board"]["auroc"][0] == pytest.approx(COMPARISON.board["invented-mlp"]["auroc"].value, rel=1e-4)
