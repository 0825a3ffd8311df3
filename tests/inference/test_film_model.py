"""A film bundle that is loaded and answers: numbers, bands, patterns, withheld films, self-test."""

import json
import shutil

import keras
import numpy as np
import pytest
from bundles_fixture import reseal
from film_bundle import CLASSES, MODEL_ID, POSITIVE, SIZE, build_network, draw_films
from scipy.special import expit
from tiny_bundle import write_tiny_bundle

from medcore.errors import InputError, IntegrityError, SelfTestError
from medcore.inference.film_model import FilmInput, FilmModel, FilmNetwork, make_golden
from medcore.registry import open_bundle
from medcore.results import Reason, Status

UNKNOWN_AGE = Reason(code="age_unknown", text="age not in the header", field="age_years")
TOO_OLD = Reason(code="age", text="age 40 years", field="age_years")


@pytest.fixture(scope="module")
def model(film_models):
    return FilmModel.load(open_bundle(film_models / MODEL_ID))


@pytest.fixture(scope="module")
def films():
    return draw_films(40, 71)


@pytest.fixture
def folder(film_models, tmp_path):
    return shutil.copytree(film_models / MODEL_ID, tmp_path / MODEL_ID)


def test_it_tells_sick_from_healthy(model, films):
    p = model.probability(films.tensors)
    sick = films.y > 0
    assert (p[sick][:, None] > p[~sick][None]).mean() > 0.9


def test_a_prediction_has_all_its_parts(model, films):
    for prediction in model.predict(films.tensors):
        if prediction.status is Status.WITHHELD:
            continue
        assert prediction.interval.kind == "calibration_band"
        assert prediction.interval.lo <= prediction.p_calibrated <= prediction.interval.hi
        assert tuple(prediction.probabilities) == CLASSES
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0)
        assert sum(prediction.probabilities[word] for word in POSITIVE) == pytest.approx(prediction.p_calibrated)
        assert prediction.label == ("positive" if prediction.p_calibrated >= 0.5 else "negative")
        assert (prediction.model_id, prediction.sha256) == (MODEL_ID, model.sha256)
        assert 0 <= prediction.applicability.distance_percentile <= 100


def test_the_number_is_the_calibrated_headline_score(model, films):
    logits = model.network(films.tensors).logits.astype(float)
    score = np.log(np.exp(logits[:, 1]) + np.exp(logits[:, 2])) - logits[:, 0]
    expected = expit(model.calibrator.slope * score + model.calibrator.intercept)
    np.testing.assert_allclose(model.probability(films.tensors), expected, atol=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 40])
def test_a_film_is_scored_alone_as_among_others(model, films, n):
    np.testing.assert_allclose(model.probability(films.tensors[:n]), model.probability(films.tensors)[:n], atol=1e-6)
    assert len(model.predict(films.tensors[:n])) == n


def test_odd_numbers_of_films_compile_nothing_anew(model, films):
    model.probability(films.tensors[:3])
    before = model.network._run.experimental_get_tracing_count()
    for n in (1, 5, 7, 16, 33):
        model.probability(films.tensors[:n])
    assert model.network._run.experimental_get_tracing_count() == before


def test_a_reason_from_the_header_withholds_or_cautions(model, films):
    good = next(i for i, item in enumerate(model.predict(films.tensors)) if item.status is Status.SCORED)
    film = films.tensors[good : good + 1]
    withheld, caution = model.predict(np.repeat(film, 2, axis=0), [(TOO_OLD,), (UNKNOWN_AGE,)])
    assert withheld.status is Status.WITHHELD
    assert (withheld.p_calibrated, withheld.interval, withheld.probabilities, withheld.label) == (None,) * 4
    assert withheld.applicability.reasons == (TOO_OLD,)
    assert caution.status is Status.CAUTION
    assert caution.p_calibrated is not None


def test_a_strange_film_among_good_ones_is_withheld_alone(model, films):
    mixed = films.tensors[:6].copy()
    mixed[2] = np.random.default_rng(0).random((SIZE, SIZE))
    plain, found = model.predict(films.tensors[:6]), model.predict(mixed)
    assert found[2].status is Status.WITHHELD
    assert [item.p_calibrated for i, item in enumerate(found) if i != 2] == pytest.approx(
        [item.p_calibrated for i, item in enumerate(plain) if i != 2], abs=1e-6
    )


def test_a_code_is_told_once(model):
    before = Reason(code="inverted", text="said by the pixels")
    reasons = model.predict(1 - draw_films(1, 5).tensors, [(before,)])[0].applicability.reasons
    assert [item.text for item in reasons if item.code == "inverted"] == ["said by the pixels"]


@pytest.mark.parametrize(
    "films",
    [
        np.zeros((1, 100, 100)),
        np.zeros((SIZE, SIZE)),
        np.full((1, SIZE, SIZE), np.nan),
        np.full((1, SIZE, SIZE), 255.0),
        np.full((1, SIZE, SIZE), -0.1),
    ],
    ids=["size", "one film without its axis", "no numbers", "0-255", "negative"],
)
def test_films_that_are_none_are_refused(model, films):
    with pytest.raises(InputError):
        model.predict(films)


def test_reasons_of_another_number_are_refused(model, films):
    with pytest.raises(InputError, match="1 lists of reasons for 2 films"):
        model.predict(films.tensors[:2], [()])


@pytest.fixture(scope="module")
def flipping():
    network = build_network(3)
    spec = FilmInput(size=SIZE, classes=CLASSES, positive=POSITIVE)
    return FilmNetwork(network, spec), FilmNetwork(network, FilmInput(**{**_plain(spec), "flip_average": True}))


def _plain(spec):
    raw = spec.to_json()
    return {**raw, "classes": CLASSES, "positive": POSITIVE}


def test_flip_averaging_is_the_mean_of_both_and_blind_to_sides(flipping, films):
    plain, both = flipping
    mirrored = np.ascontiguousarray(films.tensors[:3, :, ::-1])
    expected = (plain(films.tensors[:3]).logits + plain(mirrored).logits) / 2
    np.testing.assert_allclose(both(films.tensors[:3]).logits, expected, atol=1e-5)
    np.testing.assert_allclose(both(mirrored).logits, expected, atol=1e-5)
    np.testing.assert_allclose(both(mirrored).maps[:, :, ::-1], both(films.tensors[:3]).maps, atol=1e-5)


def test_the_head_gives_the_logits_of_the_maps(flipping, films):
    for network in flipping:
        outputs = network(films.tensors[:3])
        np.testing.assert_allclose(network.head(outputs.maps), outputs.logits, atol=1e-4)


def test_outputs_in_order_do_as_well_as_names(films):
    named = build_network(3)
    in_order = keras.Model(named.input, [named.output[name] for name in ("logits", "features", "maps")])
    spec = FilmInput(size=SIZE, classes=CLASSES, positive=POSITIVE)
    first, second = FilmNetwork(named, spec)(films.tensors[:2]), FilmNetwork(in_order, spec)(films.tensors[:2])
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(first.maps, second.maps)


def test_a_model_of_another_make_is_refused():
    with pytest.raises(IntegrityError, match="one square grey picture"):
        FilmNetwork(build_network(), FilmInput(size=224, classes=("a", "b"), positive=("b",)))
    with pytest.raises(IntegrityError, match="one square grey picture"):
        FilmNetwork(build_network(), FilmInput(size=256, classes=CLASSES, positive=POSITIVE))


# what a damaged or altered bundle does


def change_json(folder, name, **changes):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), encoding="utf-8")
    reseal(folder)
    return open_bundle(folder)


def test_golden_answers_of_the_bundle_are_its_own(model, film_models):
    golden = json.loads((film_models / MODEL_ID / "golden.json").read_text("utf-8"))
    again = make_golden(model.network, model.calibrator, golden["seeds"])
    np.testing.assert_allclose(again["p"], golden["p"], atol=1e-4)
    np.testing.assert_allclose(again["probabilities"], golden["probabilities"], atol=1e-4)


def test_other_answers_than_released_are_refused(folder, model):
    golden = json.loads((folder / "golden.json").read_text("utf-8"))
    bundle = change_json(folder, "golden.json", p=[value + 3e-4 for value in golden["p"]])
    with pytest.raises(SelfTestError, match="does not reproduce"):
        FilmModel.load(bundle)


@pytest.mark.parametrize(
    "changes",
    [{"seeds": []}, {"seeds": ["x"]}, {"p": [0.5]}, {"probabilities": [[1.0]]}, {"p": None}, {"p": [float("nan")] * 4}],
    ids=str,
)
def test_an_incomplete_golden_file_is_refused(folder, changes):
    with pytest.raises(SelfTestError):
        FilmModel.load(change_json(folder, "golden.json", **changes))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("input.json", {"size": 100}),
        ("input.json", {"size": "large"}),
        ("input.json", {"classes": ["a", "b", "c"]}),
        ("input.json", {"positive": ["viral"]}),
        ("calibrator.json", {"slope": -2.0}),
        ("calibrator.json", {"classes": ["a", "b", "c"], "positive": ["b"]}),
    ],
)
def test_parts_that_do_not_fit_are_refused(folder, name, changes):
    with pytest.raises(IntegrityError):
        FilmModel.load(change_json(folder, name, **changes))


def test_a_table_model_is_no_film_model(tmp_path):
    with pytest.raises(IntegrityError, match="is no film model"):
        FilmModel.load(write_tiny_bundle(tmp_path))
