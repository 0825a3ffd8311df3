"""Scoring folders of films: a real small model, a real decoding process, real files with a bad one in the middle."""

import io

import pytest
from film_bundle import write_film_bundle
from PIL import Image

from medcore.conditions.catalog import find_film_condition
from medcore.config import read_settings
from medcore.errors import InputError, UnknownNameError
from medcore.imaging import FilmReader
from medcore.imaging.phantom import phantom_png
from medcore.imaging.quality import FilmLimits
from medcore.journal import open_journal
from medcore.services.training import film_cohort
from medcore.services.training.cohort import Counts
from medcore.services.training.evaluation import evaluate_films
from medcore.services.training.film_cohort import BATCH, find_films, find_labelled_films, open_film_cohort

CONDITION = find_film_condition("pneumonia")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_film_bundle(folder)
    return folder


@pytest.fixture
def settings(models_dir, tmp_path):
    return read_settings({"MEDCORE_MODELS": str(models_dir), "MEDCORE_DATA": str(tmp_path / "data")})


@pytest.fixture
def films(tmp_path):
    """A folder with two good films around a text file, a hidden file and one good film further down."""
    folder = tmp_path / "films"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.png").write_bytes(phantom_png(1))
    (folder / "b.png").write_text("no film at all")
    (folder / "c.jpg").write_bytes(as_jpeg(phantom_png(2)))
    (folder / "deeper" / "d.png").write_bytes(phantom_png(3))
    (folder / ".hidden.png").write_bytes(phantom_png(4))
    return folder


def as_jpeg(png):
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("L").save(file, "JPEG", quality=90)
    return file.getvalue()


def score(settings, files, **options):
    counts = Counts()
    with open_film_cohort("pneumonia", settings=settings, **options) as cohort:
        rows = [row for batch in cohort.score(files, counts=counts) for row in batch]
    return rows, counts


def test_folders_are_searched_in_order_without_hidden_files(films):
    assert [path.name for path in find_films([films])] == ["a.png", "b.png", "c.jpg", "d.png"]
    assert [path.name for path in find_films([films / "c.jpg", films / "a.png"])] == ["c.jpg", "a.png"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="no file or folder"):
        find_films([tmp_path / "absent.png"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no film"):
        find_films([tmp_path / "empty"])


def test_a_bad_film_in_the_middle_is_an_error_of_its_own(settings, films):
    rows, counts = score(settings, find_films([films]))
    assert [row["id"].rsplit("/", 1)[1] for row in rows] == ["a.png", "b.png", "c.jpg", "d.png"]
    assert rows[1]["status"] == "error"
    assert "b.png" in rows[1]["error"]
    assert sum(counts.values()) == 4
    assert counts["error"] == 1
    for row in (rows[0], rows[2], rows[3]):
        assert row["status"] in {"scored", "caution", "withheld"}
        assert (row["p"] is None) == (row["status"] == "withheld")
        assert row["contributions"] is None
        if row["p"] is not None:
            assert row["lo"] <= row["p"] <= row["hi"]
            assert sum(row["probabilities"].values()) == pytest.approx(1.0)


def test_batches_give_the_same_answers_in_the_same_order_as_single_films(settings, tmp_path):
    paths = []
    for i in range(BATCH + 3):
        paths.append(tmp_path / f"{i:02d}.png")
        paths[-1].write_bytes(phantom_png(i % 5))
    rows, _ = score(settings, paths)
    assert [row["id"] for row in rows] == [str(path) for path in paths]
    for i in range(5):
        alone, _ = score(settings, [paths[i]])
        same = [row["p"] for row in rows[i::5]]
        assert same == pytest.approx([alone[0]["p"]] * len(same), abs=1e-5) if alone[0]["p"] else not any(same)


def test_films_are_asked_for_ahead_but_not_more_than_fit(films, tmp_path, monkeypatch):
    paths = [films / "a.png"] * 50
    for most_bytes, n_ahead in ((film_cohort._AHEAD_BYTES, 2 * BATCH), (1, 1)):
        monkeypatch.setattr(film_cohort, "_AHEAD_BYTES", most_bytes)
        source = iter(paths)
        with FilmReader() as reader:  # its process takes longer to start than to be asked
            reads = film_cohort.read_ahead(reader, source, 160, FilmLimits())
            path, read = next(reads)
            assert len(list(source)) == len(paths) - n_ahead
            assert path == paths[0]
            assert read.film.tensor.shape == (160, 160)
            assert len(list(reads)) == n_ahead - 1


def test_every_batch_is_in_the_journal_without_names(settings, films):
    score(settings, find_films([films]))
    with open_journal(settings.data_dir) as journal:
        (event,) = journal.events()
    assert event.action == "predict_films"
    assert event.n_records == 4
    assert "error:1" in event.outcome
    assert "films" not in event.outcome
    assert ".png" not in repr(event)


def test_an_unknown_model_or_condition_is_refused(settings, films):
    with pytest.raises(UnknownNameError):
        score(settings, find_films([films]), model_id="pneumonia-absent")
    with pytest.raises(UnknownNameError), open_film_cohort("diabetes", settings=settings):
        pass


@pytest.mark.parametrize(
    ("name", "label"),
    [("NORMAL", 0), ("Pneumonia", 1), ("bacterial", 1), ("viral", 1), ("0", 0), ("1", 1), ("negative", 0), ("yes", 1)],
)
def test_a_class_folder_is_recognised_by_its_name(tmp_path, name, label):
    (tmp_path / name).mkdir()
    (tmp_path / name / "x.png").write_bytes(b"-")
    assert find_labelled_films(tmp_path, CONDITION) == ((tmp_path / name / "x.png", label),)


def test_a_folder_of_an_unknown_class_is_refused(tmp_path):
    (tmp_path / "fracture").mkdir()
    with pytest.raises(InputError, match="fracture is not a class of pneumonia"):
        find_labelled_films(tmp_path, CONDITION)


def test_no_class_folder_at_all(tmp_path):
    with pytest.raises(InputError, match="one per class"):
        find_labelled_films(tmp_path, CONDITION)
    with pytest.raises(InputError, match="not a folder"):
        find_labelled_films(tmp_path / "absent", CONDITION)


def test_evaluation_counts_every_film(settings, tmp_path):
    folder = tmp_path / "labelled"
    for name, seeds in (("normal", range(6)), ("pneumonia", range(6, 12))):
        (folder / name).mkdir(parents=True)
        for seed in seeds:
            (folder / name / f"{seed}.png").write_bytes(phantom_png(seed))
    (folder / "normal" / "broken.png").write_text("nothing")
    report = evaluate_films("pneumonia", folder, settings=settings)
    assert report["n"] + report["n_withheld"] + report["n_error"] == 13
    assert report["n_error"] == 1
    assert report["n_pos"] <= 6
    assert 0.0 <= report["metrics"]["auroc"]["value"] <= 1.0
