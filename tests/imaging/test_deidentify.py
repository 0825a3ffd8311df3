"""Nothing that identifies a person leaves the child: the table is walked, and names are planted everywhere."""

import io
import json

import pytest
from film_files import make_dataset, make_dicom, make_pixels, make_png, write_dicom
from pydicom import dcmread
from pydicom.datadict import DicomDictionary, dictionary_VR, keyword_dict, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medcore.imaging import FilmReader, read_image
from medcore.imaging.decode import decode_film
from medcore.imaging.deidentify import TABLE, Action, admit
from medcore.imaging.handover import pack_film
from medcore.imaging.identity import hash_identifier
from medcore.imaging.reader import _SALT, is_number

PLANTED = "ZEBEDEE"
TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
STRUCTURE = {"PhotometricInterpretation", "SpecificCharacterSet", "NumberOfFrames"}


def header_of(data, salt="s"):
    """What the child answers, as it goes over the pipe."""
    header, _ = pack_film(decode_film(data, salt))
    return json.dumps(header)


def test_every_name_in_the_table_is_a_dicom_keyword_with_one_action():
    assert set(TABLE) <= set(keyword_dict)
    assert set(TABLE.values()) == set(Action)


@pytest.mark.parametrize(
    ("keyword", "action"),
    [
        ("PatientName", Action.DROP),
        ("PatientID", Action.HASH),
        ("PatientBirthDate", Action.AGE_ONLY),
        ("InstitutionName", Action.DROP),
        ("AccessionNumber", Action.DROP),
        ("StationName", Action.DROP),
        ("DeviceSerialNumber", Action.DROP),
        ("StudyInstanceUID", Action.HASH),
        ("ImageComments", Action.DROP),
        ("Rows", Action.KEEP),
    ],
)
def test_the_table_says_what_the_standard_asks(keyword, action):
    assert TABLE[keyword] is action


def plant(keyword):
    """A film with one entry set to a value that must not come out."""
    dataset = make_dataset(make_pixels())
    tag = tag_for_keyword(keyword)
    vr = dictionary_VR(tag)
    value = {
        "DA": "19871103",
        "TM": "111213",
        "DT": "19871103111213",
        "UI": "1.9.8.7.1103",
        "AS": "098Y",
        "IS": "19871103",
    }.get(vr)
    if vr in TEXT:
        value = PLANTED
    if value is None:
        return None
    dataset.add_new(tag, vr, value)
    return write_dicom(dataset, make_pixels())


TRACES = ("ZEBEDEE", "Zebedee", "zebedee", "19871103", "111213", "1.9.8.7", "1987-11-03")


@pytest.mark.parametrize("keyword", sorted(set(TABLE) - STRUCTURE))
def test_a_value_planted_in_any_entry_of_the_table_does_not_come_out(keyword):
    data = plant(keyword)
    if data is None:
        return
    header = header_of(data)
    if keyword in {"StudyDate", "AcquisitionDate", "ContentDate"}:
        assert '"acquired_on": "1987-11-03"' in header  # kept in memory to order films of one child
        return
    assert not [trace for trace in TRACES if trace in header]


def test_every_text_entry_of_the_standard_and_private_ones_are_dropped():
    dataset = make_dataset(make_pixels())
    for tag, (vr, *_, keyword) in DicomDictionary.items():
        if vr in TEXT and 0x0008 <= tag >> 16 < 0x7FE0 and keyword and keyword not in STRUCTURE | {"VOILUTFunction"}:
            dataset.add_new(tag, vr, PLANTED)
    block = dataset.private_block(0x0011, f"{PLANTED} GMBH", create=True)
    block.add_new(0x01, "LO", PLANTED)
    block.add_new(0x02, "UN", PLANTED.encode())
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning, inner.PatientName = PLANTED, PLANTED, PLANTED
    dataset.ViewCodeSequence = Sequence([inner])
    dataset.RequestAttributesSequence = Sequence([inner])
    data = write_dicom(dataset, make_pixels())
    assert data.count(PLANTED.encode()) > 500
    header = header_of(data)
    assert PLANTED not in header.upper()
    film = read_image(data)
    assert "Patient's Name" in film.removed
    assert "3 private entries" in film.removed


def test_words_of_closed_lists_only():
    film = read_image(make_dicom(ViewPosition=PLANTED, BodyPartExamined=PLANTED, Modality=PLANTED, PatientSex=PLANTED))
    assert PLANTED not in repr(film).upper()


def test_identifiers_are_hashed_with_this_processes_secret():
    film = read_image(make_dicom(PatientID="4711", IssuerOfPatientID="A"))
    assert film.patient_key == hash_identifier("patient", "4711\nA", _SALT)
    assert len(film.patient_key) == 32
    assert film.patient_key != read_image(make_dicom(PatientID="4711", IssuerOfPatientID="B")).patient_key
    assert (
        film.patient_key
        == read_image(make_dicom(make_pixels(seed=4), PatientID="4711", IssuerOfPatientID="A")).patient_key
    )
    assert hash_identifier("study", "1.2", "one") != hash_identifier("study", "1.2", "other")
    assert read_image(make_dicom(PatientID=None)).patient_key == ""


@pytest.mark.parametrize(
    ("header", "record", "same"),
    [
        ("4711", "4711", True),
        (" ab  12\0", "AB 12", True),
        ("4711", "04711", False),
        ("4711", "4712", False),
        ("4711", "", None),
        ("4711", " ", None),
        (None, "4711", None),
        ("", "4711", None),
        ("Müller^1", "müller^1", True),
        ("<script>alert(1)</script>", "<script>alert(1)</script>", True),
    ],
)
def test_a_records_number_is_compared_with_the_headers(header, record, same):
    film = read_image(make_dicom(PatientID=header, SpecificCharacterSet="ISO_IR 192"))
    assert is_number(film, record) is same
    if header and header.strip():
        assert header.strip(" \0") not in repr(film)


def test_a_picture_states_no_number():
    assert is_number(read_image(make_png()), "4711") is None


def test_every_reader_of_a_process_gives_the_same_hashes():
    with FilmReader() as other:
        assert other.read(make_dicom()).patient_key == read_image(make_dicom()).patient_key


def test_the_admitted_header_holds_nothing_else():
    dataset = dcmread(io.BytesIO(make_dicom(PatientName="Roe^Jane", PatientBirthDate="20200101", StationName="X1")))
    admitted = admit(dataset, "s")
    assert {element.keyword for element in admitted.kept} <= {k for k, action in TABLE.items() if action is Action.KEEP}
    assert {"Patient's Name", "Patient's Birth Date", "Station Name", "Patient ID"} <= set(admitted.removed)
    assert dataset.PatientName == "Roe^Jane"


def test_the_birth_date_serves_the_age_and_is_gone():
    data = make_dicom(PatientAge=None, PatientBirthDate="20200102")
    assert read_image(data).age_years == 4.0
    assert "2020" not in header_of(data)
