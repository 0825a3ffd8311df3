"""Labelled films from an analyst: opened, scored and compared for real, with the reasons for what is left out."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from fake_models import make_house
from film_bundle import MODEL_ID, draw_films
from film_files import make_dicom, make_png

from medcore.errors import ArtifactError, InputError, StorageError, UnknownNameError
from medcore.evaluation import auroc, brier
from medcore.imaging import FilmReader
from medcore.registry import Catalog
from medcore.services.compare.analysis_child import AnalysisProcess
from medcore.services.compare.film_upload import UploadedFile, list_labels, score_films
from medcore.services.compare.labelled import measure_upload_groups, restate_upload
from medcore.services.compare.local_validation import export_recalibrated, recalibrate_upload
from medcore.services.house import find_film_condition
from medcore.services.model_child import LocalGateway

IDS = [MODEL_ID]
N = 24
WORDS = ("NORMAL", "BACTERIAL", "viral")


@pytest.fixture(scope="module")
def parts(film_models):
    analysis, reader = AnalysisProcess(), FilmReader()
    yield {"analysis": analysis, "reader": reader, "gateway": LocalGateway(film_models)}
    analysis.close()
    reader.close()


@pytest.fixture
def house(film_models, parts, tmp_path):
    made = make_house(tmp_path, catalog=Catalog(film_models), gateway=parts["gateway"], reader=parts["reader"])
    return replace(made, analysis=parts["analysis"])


@pytest.fixture(scope="module")
def films():
    """Name, class and pixels of made-up films."""
    drawn = draw_films(N, 91)
    pixels = (drawn.tensors * 255).round().astype(np.uint8)
    return [(f"f{i}.png", int(drawn.y[i]), pixels[i]) for i in range(N)]


@pytest.fixture(scope="module")
def zipped(films):
    return make_zip({f"set/{WORDS[kind]}/{name}": make_png(pixels) for name, kind, pixels in films})


def make_zip(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return UploadedFile(name="mine.zip", content=stream.getvalue())


def make_files(films, ids=None, **header):
    files = [
        UploadedFile(
            name=name.replace("png", "dcm"), content=make_dicom(pixels, bits=8, SOPInstanceUID=f"1.2.{i}", **header)
        )
        for i, (name, _, pixels) in enumerate(films)
    ]
    rows = [
        f"{file.name},{kind > 0:d}{f',{ids[i]}' if ids else ''}"
        for i, (file, (_, kind, _)) in enumerate(zip(files, films, strict=True))
    ]
    table = "\n".join([f"file,label{',patient_id' if ids else ''}", *rows])
    return [*files, UploadedFile(name="labels.csv", content=table.encode())]


def test_figures_are_those_of_the_films(house, zipped, films):
    found = score_films(house, [zipped], "pneumonia", IDS)
    assert found.counts.rows == N
    assert found.counts.scored + found.counts.withheld == N
    assert found.counts.scored > N // 2
    assert found.y.sum() <= sum(kind > 0 for _, kind, _ in films)
    board = found.comparison.board[MODEL_ID]
    assert board["brier"].value == pytest.approx(brier(found.y, found.p[MODEL_ID]))
    assert board["auroc"].value == pytest.approx(auroc(found.y, found.p[MODEL_ID]))
    assert found.comparison.source.endswith("films of your ZIP mine.zip")
    assert found.patients is None
    assert any("patient of its own" in note for note in found.notes)


def test_scores_are_the_models_own(house, films, zipped):
    from medcore.imaging.quality import film_status, header_reasons, pixel_reasons
    from medcore.imaging.squash import film_tensor

    found, expected = score_films(house, [zipped], "pneumonia", IDS), []
    for name, kind, pixels in sorted(films, key=lambda item: f"{WORDS[item[1]]}/{item[0]}"):
        film = house.reader.read(make_png(pixels), name)
        tensor = film_tensor(film)
        reasons = (*header_reasons(film, find_film_condition("pneumonia").limits), *pixel_reasons(tensor))
        if film_status(reasons).value != "withheld":
            answer = house.gateway.score_films(MODEL_ID, tensor[np.newaxis], [reasons])[0]
            expected += [(kind > 0, answer.p_calibrated)] if answer.p_calibrated is not None else []
    assert found.y.tolist() == [int(label) for label, _ in expected]
    assert found.p[MODEL_ID] == pytest.approx([p for _, p in expected], abs=1e-5)


def test_bad_films_are_listed_and_the_rest_is_scored(house, films):
    members = {f"{WORDS[kind]}/{name}": make_png(pixels) for name, kind, pixels in films[:16]}
    spoilt = {"NORMAL/broken.png": b"no film", "viral/cut.png": make_png(films[0][2])[:300], "lost/x.png": b"x"}
    found = score_films(house, [make_zip({**members, **spoilt})], "pneumonia", IDS)
    assert {item.row_id for item in found.errors} == {"broken.png", "cut.png", "x.png"}
    assert all(item.text and item.row_id not in item.text for item in found.errors)
    assert found.counts.errors == 3
    assert found.counts.scored + found.counts.withheld == 16


def test_withheld_films_are_counted_with_the_reason_and_left_out(house, films):
    blank = make_png(np.full((300, 300), 90, dtype=np.uint8))
    members = {f"{WORDS[kind]}/{name}": make_png(pixels) for name, kind, pixels in films[:16]}
    found = score_films(house, [make_zip({**members, "NORMAL/blank.png": blank})], "pneumonia", IDS)
    without = score_films(house, [make_zip(members)], "pneumonia", IDS)
    assert found.counts.withheld == without.counts.withheld + 1
    assert found.y.size == without.y.size
    assert sum(item.n for item in found.withheld) == found.counts.withheld
    assert "left out" in found.notes[0]


def test_files_with_a_table_take_films_of_one_patient_together(house, films):
    files = make_files(films, ids=[f"P{i // 2}" for i in range(N)])
    found = score_films(house, files, "pneumonia", IDS)
    assert found.counts.scored > N // 2
    assert np.unique(found.patients).size < found.y.size
    assert found.comparison.n_patients == np.unique(found.patients).size
    assert any("patients have several films" in note for note in found.notes)


def test_without_a_column_the_header_says_whose_a_film_is(house, films):
    found = score_films(house, make_files(films, PatientID="one child"), "pneumonia", IDS)
    assert np.unique(found.patients).tolist() == [0]


def test_headers_divide_the_films(house, films):
    files = make_files(films)
    half = [
        UploadedFile(
            name=file.name, content=make_dicom(pixels, bits=8, ViewPosition="PA", PatientSex="M", PatientID=f"{i}")
        )
        if i % 2
        else file
        for i, (file, (_, _, pixels)) in enumerate(zip(files, films, strict=False))
    ]
    found = score_films(house, [*half, files[-1]], "pneumonia", IDS)
    if found.y.size >= 20:
        assert set(found.attributes) == {"view", "sex"}
        rows = measure_upload_groups(house, found, cut_off=0.5)[MODEL_ID]
        assert {row.group for row in rows if row.attribute == "view"} == {"AP", "PA"}


def test_it_is_journalled_without_names_and_nothing_is_stored(house, zipped, tmp_path):
    score_films(house, [zipped], "pneumonia", IDS)
    event = house.journal.events()[0]
    assert (event.action, event.n_records, event.model_id) == ("score_upload", N, MODEL_ID)
    assert {path.name.split(".")[0] for path in tmp_path.rglob("*") if path.is_file()} == {"journal"}


def test_nothing_is_shown_when_the_journal_cannot_be_written(house, zipped):
    house.journal.events()
    house.journal.path.unlink()
    with pytest.raises(StorageError):
        score_films(house, [zipped], "pneumonia", IDS)


def test_it_can_be_stopped_and_says_how_far_it_is(house, zipped):
    assert score_films(house, [zipped], "pneumonia", IDS, is_cancelled=lambda: True) is None
    told = []
    score_films(house, [zipped], "pneumonia", IDS, progress=lambda share, words: told.append(share))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_another_prevalence_and_recalibration_work_and_export_is_refused(house, zipped):
    found = score_films(house, [zipped], "pneumonia", IDS)
    assert restate_upload(house, found, prevalence=0.2).prevalence == 0.2
    assert len(recalibrate_upload(house, found, MODEL_ID)) == 2
    with pytest.raises(InputError, match="film model"):
        export_recalibrated(house, found, MODEL_ID, "intercept", reason="test")


def test_what_cannot_be_compared_is_refused(house, zipped, films):
    table = UploadedFile(name="a.csv", content=b"file,label\nf0.png,1\n")
    for files in ([], [zipped, zipped], [table], [zipped, table], [UploadedFile(name="a.png", content=b"x")]):
        with pytest.raises(InputError, match="choose either one ZIP"):
            score_films(house, files, "pneumonia", IDS)
    with pytest.raises(InputError, match="no question about films"):
        score_films(house, [zipped], "diabetes", IDS)
    with pytest.raises(UnknownNameError):
        score_films(house, [zipped], "pneumonia", ["nobody"])
    one_class = make_zip({f"NORMAL/{name}": make_png(pixels) for name, kind, pixels in films if not kind})
    with pytest.raises(InputError, match=r"0 of .* have the outcome"):
        score_films(house, [one_class], "pneumonia", IDS)
    with pytest.raises(InputError, match=r"broken\.png: "):
        score_films(house, [make_zip({"NORMAL/broken.png": b"x"})], "pneumonia", IDS)


def test_a_model_that_is_replaced_meanwhile_is_noticed(house, zipped, monkeypatch):
    score = house.gateway.score_films
    monkeypatch.setattr(
        house.gateway, "score_films", lambda *parts: tuple(replace(one, sha256="0" * 64) for one in score(*parts))
    )
    with pytest.raises(ArtifactError, match="replaced"):
        score_films(house, [zipped], "pneumonia", IDS)


def test_labels_are_listed_with_those_of_the_outcome_first():
    words = list_labels(find_film_condition("pneumonia"))
    assert words.index("pneumonia") < words.index("normal")
