"""The chest films: parts without leaks, and errors that say what to do. No film is kept or shown."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from medcore.config import read_settings
from medcore.datasets import chest_films
from medcore.datasets.chest_films import FilmTable, choose_validation, load_chest_films, load_originals
from medcore.datasets.table import Provenance
from medcore.errors import InputError, TableError

DATA = read_settings().training_data_dir
COLUMNS = "path,split,label,subtype,patient_key,patient_group,duplicate_of,original_width,original_height,mean_grey"
ROWS = (
    "train/NORMAL/a.jpeg,train,NORMAL,none,IM-0500,IM-0500,,,,1.0",
    "train/NORMAL/b.jpeg,train,NORMAL,none,IM-0120,IM-0120,,300,250,1.0",
    "train/PNEUMONIA/c.jpeg,train,PNEUMONIA,virus,person9_virus,person9,,,,1.0",
    "test/PNEUMONIA/d.jpeg,test,PNEUMONIA,bacteria,person8_bacteria,person8,,,,1.0",
    "val/NORMAL/e.jpeg,val,NORMAL,none,NORMAL2-IM-1430,NORMAL2-IM-1430,,,,1.0",
)


def jpeg(shade, side=224):
    out = io.BytesIO()
    Image.new("L", (side, side), shade).save(out, format="JPEG")
    return out.getvalue()


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder of five flat films, and the checksums the loader expects."""
    inside = tmp_path / "chest_xray_pneumonia"
    inside.mkdir()
    files = {
        "manifest.csv": "\n".join([COLUMNS, *ROWS]).encode(),
        "train.tar": tar({row.split(",")[0]: jpeg(40 * i) for i, row in enumerate(ROWS[:3])}),
        "test.tar": tar({ROWS[3].split(",")[0]: jpeg(200)}),
        "val.tar": tar({ROWS[4].split(",")[0]: jpeg(220)}),
        "originals_sample.tar": tar({"train/NORMAL/b.jpeg": jpeg(40, side=300)}),
    }
    for name, content in files.items():
        (inside / name).write_bytes(content)
    known = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(chest_films, "_ORIGINALS", ("originals_sample.tar", known.pop("originals_sample.tar")))
    monkeypatch.setattr(chest_films, "_SHA256", known)
    return tmp_path


def test_films_are_read_in_the_order_of_the_list(folder):
    table = load_chest_films(folder)
    assert table.pixels.shape == (5, 224, 224)
    assert table.pixels[:, 0, 0].tolist() == [0, 40, 80, 200, 220]
    assert table.y.tolist() == [0, 0, 2, 1, 0]
    assert table.part.tolist() == ["train", "validation", "validation", "test", "train"]
    assert (table.width[1], table.height[1], table.width[0]) == (300, 250, 0)


def test_originals_stand_beside_their_stored_copies(folder):
    (film,) = load_originals(folder, load_chest_films(folder))
    assert film.pixels.shape == (300, 300)
    assert film.stored.shape == (224, 224)
    assert film.part == "validation"


def test_an_absent_file_says_where_to_get_it(tmp_path):
    with pytest.raises(TableError, match="--data"):
        load_chest_films(tmp_path)


def test_an_altered_archive_is_refused(folder):
    (folder / "chest_xray_pneumonia" / "test.tar").write_bytes(b"something else")
    with pytest.raises(TableError, match="not the one"):
        load_chest_films(folder)


def test_a_film_that_is_listed_but_absent_is_named(folder, monkeypatch):
    empty = tar({})
    (folder / "chest_xray_pneumonia" / "test.tar").write_bytes(empty)
    known = {**chest_films._SHA256, "test.tar": hashlib.sha256(empty).hexdigest()}
    monkeypatch.setattr(chest_films, "_SHA256", known)
    with pytest.raises(TableError, match=r"d\.jpeg"):
        load_chest_films(folder)


def test_a_damaged_archive_is_named(folder, monkeypatch):
    (folder / "chest_xray_pneumonia" / "val.tar").write_bytes(b"no archive")
    known = {**chest_films._SHA256, "val.tar": hashlib.sha256(b"no archive").hexdigest()}
    monkeypatch.setattr(chest_films, "_SHA256", known)
    with pytest.raises(TableError, match=r"val\.tar"):
        load_chest_films(folder)


def test_all_films_of_a_patient_follow_an_exact_copy():
    groups = ["person5", "person700", "person700", "person701", "person702"]
    copies = ["", "a", "", "c", ""]
    chosen = choose_validation(groups, ["a", "b", "c", "d", "e"], copies)
    assert chosen.tolist() == [True, True, True, True, False]


def test_an_unknown_kind_of_patient_number_is_refused():
    with pytest.raises(TableError, match="unknown way"):
        choose_validation(["patient-7"], ["a"], [""])


def test_columns_of_a_table_have_one_length():
    source = Provenance(name="", origin="", licence="", doi="")
    none = np.zeros(0, dtype=np.int64)
    with pytest.raises(InputError, match="one length"):
        FilmTable(
            pixels=np.zeros((1, 8, 8), np.uint8), y=none, path=none, part=none, patient=none, width=none, height=none,
            provenance=source,
        )  # fmt: skip


@pytest.fixture(scope="module")
def released():
    return load_chest_films(DATA)


@pytest.mark.data
def test_counts_of_the_published_films(released):
    assert np.bincount(released.y).tolist() == [1583, 2780, 1493]
    assert np.bincount(released.y[released.rows("test")]).tolist() == [234, 242, 148]
    assert np.bincount(released.y[released.rows("validation")]).tolist() == [115, 314, 118]


@pytest.mark.data
def test_no_patient_and_no_picture_is_in_two_parts(released):
    seen = {}
    for path, patient, part, film in zip(released.path, released.patient, released.part, released.pixels, strict=True):
        bare = path.split("/")[-1].split("_")[0] if part != "test" else patient
        for key in (patient, bare, hashlib.sha256(film.tobytes()).hexdigest()):
            assert seen.setdefault(key, part) == part
