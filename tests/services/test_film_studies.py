"""Mean maps of a film model over its test films: groups, errors, nothing of a single film kept; and how they look."""

import shutil

import film_bundle
import numpy as np
import pytest

from medcore.datasets.chest_films import FilmTable
from medcore.datasets.table import Provenance
from medcore.errors import IntegrityError
from medcore.explain.saliency import FilmExplainer, explain_film
from medcore.figures.film_maps import render_map
from medcore.inference.film_model import FilmModel
from medcore.registry import Catalog
from medcore.services.compare import film_studies
from medcore.services.compare.film_studies import find_film_study, study_film_model, study_film_models
from medcore.ui.explore_films import render_study


@pytest.fixture(scope="module")
def table():
    films = film_bundle.draw_films(48, 41)
    n = len(films.y)
    return FilmTable(
        pixels=np.round(films.tensors * 255).astype(np.uint8),
        y=films.y,
        path=np.array([f"{i}.jpeg" for i in range(n)]),
        part=np.full(n, "test"),
        patient=np.arange(n).astype(str),
        width=np.zeros(n, dtype=np.int64),
        height=np.zeros(n, dtype=np.int64),
        provenance=Provenance(name="", origin="", licence="", doi=""),
    )


@pytest.fixture(scope="module")
def model(film_models):
    return FilmModel.load(Catalog(film_models).bundle(film_bundle.MODEL_ID))


@pytest.fixture(scope="module")
def study(model, table):
    return study_film_model(model, table)


def test_cells_of_many_films_are_those_of_each(model, table):
    films = table.pixels[:3] / np.float32(255)
    many = FilmExplainer(model).cells(films)
    for film, cells in zip(films, many, strict=True):
        raised = np.maximum(cells, 0)
        grid = np.array(explain_film(model, film).grid)
        np.testing.assert_allclose(raised / raised.max(), grid, atol=1e-4)


def test_every_test_film_is_in_one_group_and_errors_are_named(study, model, table):
    p = model.probability(table.pixels / np.float32(255))
    called, ill = p >= study.threshold, table.y > 0
    assert sum(group.n for group in study.groups) == len(table.y)
    errors = {"missed": int((ill & ~called).sum()), "false alarm": int((~ill & called).sum())}
    for word, n in errors.items():
        assert sum(group.n for group in study.groups if group.error == word) == n
    for group in study.groups:
        assert bool(group.mean_film) == (group.n >= 10)
        assert np.array(group.mean_map).shape == np.array(study.certain[0].cells).shape
    assert study.sha256 == model.sha256


def test_fine_maps_are_added_up_to_coarse_ones():
    fine = np.random.default_rng(0).normal(size=(2, 56, 56))
    coarse = film_studies._join_cells(fine)
    assert coarse.shape == (2, 14, 14)
    np.testing.assert_allclose(coarse.sum(axis=(1, 2)), fine.sum(axis=(1, 2)))
    np.testing.assert_allclose(coarse[0, 0, 0], fine[0, :4, :4].sum())
    assert film_studies._join_cells(fine[:, :7, :7]).shape == (2, 7, 7)


def test_the_sure_and_the_doubtful_are_found(study, model, table):
    p = np.sort(model.probability(table.pixels / np.float32(255)))
    assert [item.p for item in study.certain] == pytest.approx([*p[::-1][:3], *p[:3]], abs=1e-4)
    doubt = np.sort(np.abs(p - study.threshold))
    assert sorted(abs(item.p - study.threshold) for item in study.uncertain) == pytest.approx(doubt[:6], abs=1e-3)


def test_ill_films_get_their_score_where_the_opacity_is(model):
    films = film_bundle.draw_films(24, 77, y=1)
    p = model.probability(films.tensors)
    cells = FilmExplainer(model).cells(films.tensors)
    side = cells.shape[1]
    hits = [
        np.hypot(*(np.array(np.unravel_index(one.argmax(), one.shape)) / side + 0.5 / side - spot[:2])) < 0.25
        for one, spot, risk in zip(cells, films.spots, p, strict=True)
        if risk > 0.5
    ]
    assert np.mean(hits) > 0.6


def test_a_study_belongs_to_one_version_of_a_model(film_models, table, tmp_path, monkeypatch):
    folder = tmp_path / "models"
    shutil.copytree(film_models, folder)
    condition = film_studies.find_film_condition("pneumonia")
    monkeypatch.setattr(type(condition), "load_training", lambda self, data_dir: table)
    catalog = Catalog(folder)
    assert find_film_study(catalog, film_bundle.MODEL_ID) is None
    told = []
    study_film_models("pneumonia", data_dir=tmp_path, models_dir=folder, progress=told.append)
    found = find_film_study(catalog, film_bundle.MODEL_ID)
    assert found.groups
    assert "48 test films" in told[0]
    path = folder / f"study-{film_bundle.MODEL_ID}.json"
    text = path.read_text()
    path.write_text(text.replace(found.sha256, "0" * 64))
    assert find_film_study(catalog, film_bundle.MODEL_ID) is None
    path.write_text("{")
    with pytest.raises(IntegrityError, match="medcore study"):
        find_film_study(catalog, film_bundle.MODEL_ID)


def test_the_page_shows_every_group_with_its_count(study, film_models):
    html = render_study(study, Catalog(film_models).find(film_bundle.MODEL_ID))
    assert html.count("<svg") == len(study.groups) + len(study.certain) + len(study.uncertain)
    for group in study.groups:
        assert f"{group.n} film" in html
    assert "No film is kept" in html or "no film is kept" in html


def test_a_map_has_one_square_a_cell_and_escapes_its_words():
    html = render_map([[1.0, -0.5], [0.0, 2.0]], title="<b>", caption="two & two", strongest=2.0)
    assert html.count("<rect") == 4
    assert "&lt;b&gt;" in html
    assert 'fill="#0B5CAD" fill-opacity="0.20"' in html
    assert 'fill="#B4500B" fill-opacity="0.80"' in html
