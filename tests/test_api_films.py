"""The Python API on films: paths, bytes and radiographs in, predictions and heat maps out, typed errors only."""

import dataclasses

import numpy as np
import pytest
from film_bundle import MODEL_ID
from tiny_bundle import write_tiny_bundle

import medcore
from medcore.errors import ImageError, InputError, MedcoreError, UnknownNameError
from medcore.imaging import View
from medcore.imaging.phantom import make_phantom, phantom_png
from medcore.results import Status


@pytest.fixture(scope="module")
def model(film_models):
    return medcore.load_model(MODEL_ID, film_models)


@pytest.fixture(scope="module")
def png():
    return phantom_png(3, 300, 250)


def as_film(seed=3, **header):
    """A phantom that says of itself what a film of a child says."""
    known = {"format": "DICOM", "modality": "DX", "body_part": "CHEST", "view": View.AP, "age_years": 3.0}
    return dataclasses.replace(make_phantom(seed, 300, 250), notes=(), **{**known, **header})


def test_film_models_are_listed_like_all_others(film_models):
    assert [facts.model_id for facts in medcore.list_models("pneumonia", film_models)] == [MODEL_ID]
    assert medcore.list_models("chest_xray", film_models) == medcore.list_models(models_dir=film_models)
    with pytest.raises(UnknownNameError):
        medcore.list_models("banana", film_models)


def test_a_film_model_is_another_kind_of_model(model, film_models, tmp_path):
    assert isinstance(model, medcore.FilmScorer)
    write_tiny_bundle(tmp_path)
    assert isinstance(medcore.load_model("diabetes-logistic", tmp_path), medcore.Model)
    assert model.condition.id == "pneumonia"
    assert model.facts.kind == "keras-image"


def test_a_path_and_bytes_are_the_same_film(model, png, tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(png)
    from_path, from_text, from_bytes = model.predict([path, str(path), png])
    assert from_path == from_text == from_bytes
    assert {"no_header", "age_unknown"} <= {reason.code for reason in from_path.applicability.reasons}


def test_a_good_film_has_a_number_and_a_child_too_old_has_none(model):
    good, old = model.predict([as_film(), as_film(age_years=40.0)])
    assert good.p_calibrated is not None
    assert good.interval.lo <= good.p_calibrated <= good.interval.hi
    assert old.status is Status.WITHHELD
    assert old.p_calibrated is None
    assert "age" in {reason.code for reason in old.applicability.reasons}


def test_no_films_have_no_answers(model):
    assert model.predict([]) == ()


@pytest.mark.parametrize("films", ["film.png", b"x", None, 3], ids=repr)
def test_a_single_film_must_be_put_into_a_list(model, films):
    with pytest.raises(InputError, match="takes a list of films"):
        model.predict(films)


@pytest.mark.parametrize("film", [None, 3, np.zeros((224, 224)), {}], ids=lambda film: type(film).__name__)
def test_what_is_no_film_is_refused(model, film):
    with pytest.raises(InputError, match="a film is a Radiograph"):
        model.predict([film])


def test_a_file_that_cannot_be_read_is_an_image_error_that_names_it(model, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    with pytest.raises(ImageError, match=r"notes\.png"):
        model.predict([path])
    with pytest.raises(ImageError, match=r"absent\.dcm"):
        model.predict([tmp_path / "absent.dcm"])


@pytest.mark.parametrize("method", ["hirescam", "shap"])
def test_a_film_is_explained(model, method):
    saliency = model.explain(as_film(), method)
    assert saliency.method == method
    assert saliency.p_calibrated == pytest.approx(model.predict_one(as_film()).p_calibrated, abs=1e-6)
    assert len({len(row) for row in saliency.grid}) == 1


def test_what_is_withheld_is_not_explained(model):
    with pytest.raises(InputError, match="withheld for this film: age 40 years"):
        model.explain(as_film(age_years=40.0))


def test_an_unknown_method_is_refused(model):
    with pytest.raises(InputError, match="no explanation 'lime'"):
        model.explain(as_film(), "lime")


def test_classes_of_another_condition_are_refused(model):
    other = dataclasses.replace(model.condition, positive=("viral",))
    with pytest.raises(MedcoreError, match="other classes than pneumonia has now"):
        medcore.FilmScorer(model.film_model, model.facts, other)
