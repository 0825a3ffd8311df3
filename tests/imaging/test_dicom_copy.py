"""A film that leaves as DICOM names nobody, says how that was done, and still is the same film."""

import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from dicomanonymizer import initialize_actions
from film_files import make_dicom, make_jpeg, make_pixels
from films import make_film
from hostile_names import SEEN
from pydicom import dcmread
from pydicom.datadict import DicomDictionary
from pydicom.tag import Tag

from medcore.errors import WorkerError
from medcore.imaging import FilmReader, VoiFunction, Window
from medcore.imaging.copying import CopyOrder, Region, pack_regions
from medcore.imaging.decode import decode_film
from medcore.imaging.dicom_copy import TABLES, make_uid, write_copy
from medcore.imaging.film_copy import answer
from medcore.imaging.handover import pack_film

PLANTED = "ZEBEDEE"
ORDER = CopyOrder(key="secret", fallback="a1b2")
TEXT = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
ALLOWED_BY_HAND = {  # of the table's entries: what is written after it was applied, none of it from the file
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientName", "PatientID", "PatientSex", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientBirthDate", "Manufacturer"),
}


def open_copy(data, order=ORDER):
    film = decode_film(data, "salt")
    return film, dcmread(io.BytesIO(write_copy(film, order)))


def planted():
    """A film with a name in every text entry of the standard, in private ones and in sequences."""
    from film_files import make_dataset, write_dicom
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    dataset = make_dataset(make_pixels(), PatientBirthDate="20200102", StudyInstanceUID="1.9.8.7")
    for tag, (vr, *_, keyword) in DicomDictionary.items():
        if vr in TEXT and 0x0008 <= tag >> 16 < 0x7FE0 and keyword:
            dataset.add_new(tag, vr, PLANTED)
    inner = Dataset()
    inner.PatientName = PLANTED
    dataset.RequestAttributesSequence = Sequence([inner])
    dataset.private_block(0x0011, PLANTED, create=True).add_new(1, "LO", PLANTED)
    return write_dicom(dataset, make_pixels())


@pytest.mark.parametrize("keep", [False, True], ids=["basic", "age and sex kept"])
def test_nothing_planted_comes_out(keep):
    film = decode_film(planted(), "salt")
    data = write_copy(film, CopyOrder(key="k", fallback="f", keep_patient=keep))
    assert PLANTED.encode() not in data.upper()
    for trace in (b"20200102", b"20240102", b"1.9.8.7", b"4711", b"1.2.3.4"):
        assert trace not in data


def test_the_standards_table_finds_nothing_left_to_do():
    """Every entry that the profile wants removed, emptied or replaced is absent, empty, or new."""
    _, copy = open_copy(planted())
    for tag in initialize_actions(f"dicomfields_{TABLES}"):
        if len(tag) == 2 and Tag(tag) in copy and copy[tag].keyword not in ALLOWED_BY_HAND:
            pytest.fail(f"{copy[tag].keyword} should not be there")
    assert not [element for element in copy if element.tag.is_private]
    assert "00010101" not in str(copy)


def test_the_file_says_that_and_how_it_was_done():
    _, copy = open_copy(make_dicom())
    assert copy.PatientIdentityRemoved == "YES"
    assert copy.LongitudinalTemporalInformationModified == "REMOVED"
    assert copy.BurnedInAnnotation == "NO"
    assert copy.DeidentificationMethod[0] == "Basic Application Confidentiality Profile"
    assert [code.CodeValue for code in copy.DeidentificationMethodCodeSequence] == ["113100"]
    assert (copy.PatientSex, "PatientAge" in copy) == ("", False)


def test_options_are_declared():
    order = CopyOrder(key="k", fallback="f", cleaned=True, keep_patient=True)
    _, copy = open_copy(make_dicom(), order)
    assert [code.CodeValue for code in copy.DeidentificationMethodCodeSequence] == ["113100", "113101", "113108"]
    assert (copy.PatientSex, copy.PatientAge) == ("F", "036M")


def test_ages_above_89_are_one_group():
    _, copy = open_copy(make_dicom(PatientAge="097Y"), CopyOrder(key="k", fallback="f", keep_patient=True))
    assert copy.PatientAge == "090Y"


def test_new_numbers_belong_together_within_one_list_only():
    one, two = make_dicom(make_pixels(seed=1)), make_dicom(make_pixels(seed=2))
    other = make_dicom(make_pixels(seed=3), StudyInstanceUID="1.2.99", PatientID="12")
    (_, a), (_, b), (_, c) = open_copy(one), open_copy(two), open_copy(other)
    assert (a.StudyInstanceUID, a.PatientID) == (b.StudyInstanceUID, b.PatientID)
    assert a.SOPInstanceUID != b.SOPInstanceUID
    assert a.StudyInstanceUID != c.StudyInstanceUID
    assert a.PatientID != c.PatientID
    _, again = open_copy(one)
    _, elsewhere = open_copy(one, CopyOrder(key="another", fallback="a1b2"))
    assert again.SOPInstanceUID == a.SOPInstanceUID
    assert {a.SOPInstanceUID, a.StudyInstanceUID, a.PatientID}.isdisjoint(
        {elsewhere.SOPInstanceUID, elsewhere.StudyInstanceUID, elsewhere.PatientID}
    )


def test_films_without_numbers_are_told_apart():
    film = decode_film(make_jpeg(), "salt")
    first, second = (dcmread(io.BytesIO(write_copy(film, CopyOrder(key="k", fallback=name)))) for name in "ab")
    assert first.PatientID != second.PatientID
    assert first.StudyInstanceUID != second.StudyInstanceUID
    assert first.LossyImageCompression == "01"


def test_uids_are_valid():
    for number in range(50):
        made = make_uid("k", "study", str(number))
        assert len(made) <= 64
        assert made.removeprefix("2.25.").isdigit()
        assert int(made.removeprefix("2.25.")) >> 76 & 0xF == 8


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": [0.14, 0.15]},
        {"PixelSpacing": [0.14, 0.15], "PixelSpacingCalibrationType": "FIDUCIAL"},
        {"PhotometricInterpretation": "MONOCHROME1", "ViewPosition": "LL"},
        {"WindowCenter": [100, 900], "WindowWidth": [50.5, 800], "VOILUTFunction": "SIGMOID"},
        {"BodyPartExamined": None, "Modality": None, "ViewPosition": None, "PatientAge": None, "Laterality": "L"},
    ],
    ids=["spacing", "calibrated", "inverted", "windows", "bare"],
)
def test_the_copy_is_the_same_film(tags):
    film = decode_film(make_dicom(**tags), "salt")
    back = decode_film(write_copy(film, CopyOrder(key="k", fallback="f", keep_patient=True)), "salt")
    assert np.array_equal(back.stored, film.stored)
    for name in ("bits", "view", "body_part", "age_years", "sex", "spacing_mm", "spacing_at", "pixel_sha256"):
        assert getattr(back, name) == getattr(film, name), name
    assert back.windows[0].center == pytest.approx(film.windows[0].center)
    assert back.windows[0].function == film.windows[0].function
    assert back.burned_in is False
    assert back.acquired_on is None


def test_eight_bits_an_odd_number_of_pixels_and_a_table_survive():
    table = np.linspace(0, 65535, 256).astype(np.uint16)
    film = make_film(make_pixels(65, 67, bits=8), voi_table=table)
    back = decode_film(write_copy(film, ORDER), "salt")
    assert np.array_equal(back.stored, film.stored)
    assert np.array_equal(back.voi_table, table)
    assert (back.bits, back.modality) == (8, "OT")


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
@pytest.mark.parametrize("source", ["dicom", "jpeg", "sigmoid"])
def test_the_standards_checker_finds_no_error(tmp_path, source):
    film = decode_film(make_jpeg() if source == "jpeg" else make_dicom(), "salt")
    if source == "sigmoid":
        window = Window(center=2000, width=900, function=VoiFunction.SIGMOID)
        table = (np.arange(4096) * 16 + 15).astype(np.uint16)
        film = make_film(film.stored, bits=12, windows=(window,), voi_table=table)
    path = tmp_path / "copy.dcm"
    path.write_bytes(write_copy(film, CopyOrder(key="k", fallback="f", cleaned=True, keep_patient=True)))
    report = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in report.stdout + report.stderr


@pytest.mark.parametrize("name", [text for text in SEEN if len(text) < 60])
def test_hostile_names_in_a_header_never_reach_film_or_copy(name):
    data = make_dicom(PatientName=name, PatientID=name, StudyDescription=name, InstitutionName=name, ImageComments=name)
    film = decode_film(data, "salt")
    header, _ = pack_film(film)
    if len(name) > 4:
        assert name not in json.dumps(header, ensure_ascii=False)
        assert name.encode() not in write_copy(film, ORDER)
    assert film.patient_key


def test_the_child_blackens_looks_and_writes():
    region = Region(top=0, left=0, bottom=20, right=30)
    with FilmReader() as reader:
        film = reader.read(make_dicom(), "a.dcm")
        look = reader.look(film, [region])
        data = reader.copy(film, ORDER, [region])
        back = reader.read(data, "b.dcm")
    assert look.preview.startswith(b"\x89PNG")
    assert look.crops.startswith(b"\x89PNG")
    assert np.unique(back.stored[:20, :30]).tolist() == [film.stored.min()]
    assert np.array_equal(back.stored[20:], film.stored[20:])


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (-1, 0, 5, 5), (0, 0, 500, 5), (5, 5, 2, 2)])
def test_a_region_outside_the_film_is_refused(box):
    header, blobs = pack_film(decode_film(make_dicom(), "salt"))
    top, left, bottom, right = box
    bad = pack_regions([Region(top=top, left=left, bottom=bottom, right=right)])
    with pytest.raises(WorkerError, match="within the film"):
        answer("look", {"film": header, "covered": bad, "found": None}, blobs)


@pytest.mark.parametrize("payload", [{}, {"covered": []}, {"covered": "no", "found": None}, {"covered": [["x"]]}])
def test_an_incomplete_request_is_refused(payload):
    header, blobs = pack_film(decode_film(make_dicom(), "salt"))
    with pytest.raises(WorkerError):
        answer("copy", {"film": header, **payload}, blobs)
