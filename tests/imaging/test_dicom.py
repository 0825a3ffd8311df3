"""DICOM: every case of a file that contradicts itself or is no film, and every word that a header can say."""

import datetime as dt
import struct
import zlib

import numpy as np
import pytest
from film_files import make_dataset, make_dicom, make_picture, make_pixels, write_dicom
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from medcore.errors import ImageSizeError, UnreadableImageError, UnsupportedImageError
from medcore.imaging import View, read_image

PIXELS = make_pixels()


def cut(data, count):
    return data[:-count]


def with_preamble(start):
    return start.ljust(128, b"\0") + make_dicom()[128:]


def coded(pixels, *, name, **tags):
    """Write a film whose JPEG or JPEG 2000 stream holds other pixels than the header says."""
    syntax = {"JPEG": uid.JPEGBaseline8Bit, "JPEG2000": uid.JPEG2000Lossless}[name]
    data = encapsulate([make_picture(pixels, name)])
    return make_dicom(make_pixels(bits=8), bits=8, syntax=syntax, data=data, **tags)


def lie_in_siz(*values, at):
    """Change 32-bit fields of the JPEG 2000 size header, as counted from the width."""
    stream = bytearray(make_picture(make_pixels(bits=8), "JPEG2000"))
    struct.pack_into(f">{len(values)}I", stream, 8 + 4 * at, *values)
    return make_dicom(make_pixels(bits=8), bits=8, syntax=uid.JPEG2000Lossless, data=encapsulate([bytes(stream)]))


def lie_in_header(old, new, **tags):
    """Replace bytes of a written file, for values that pydicom refuses to write."""
    data = make_dicom(**tags)
    assert data.count(old) == 1
    return data.replace(old, new)


def insert(element):
    """Put raw bytes of an element in front of the pixel data."""
    written = make_dicom()
    place = written.index(struct.pack("<HH", 0x7FE0, 0x0010))
    return written[:place] + element + written[place:]


def nest_open(depth):
    """Sequences of undefined length, which are parsed at once, within each other."""
    head = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    tail = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return insert(head * depth + tail * depth)


def nest_kept(depth):
    """Sequences of a kind that is kept, each with its length, within each other."""
    body = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body
        body = b"\x54\x00\x20\x02SQ\0\0" + struct.pack("<I", len(item)) + item
    return insert(body)


def make_deflated():
    """Write a file meta group that promises a deflated data set, and a bomb behind it."""
    syntax = b"1.2.840.10008.1.2.1.99"
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(syntax)) + syntax
    return b"\0" * 128 + b"DICM" + meta + zlib.compress(b"\0" * 300_000_000)[2:]


ROWS = struct.pack("<HH", 0x0028, 0x0010) + b"US\x02\0" + struct.pack("<H", 120)
TRUTH = PIXELS.tobytes()
PIXEL_DATA = struct.pack("<HH", 0x7FE0, 0x0010) + b"OW\0\0"

REFUSED = {
    "cut in the header": (make_dicom()[:300], UnsupportedImageError, "a film that was cut off"),
    "cut in the pixels": (cut(make_dicom(), 5000), UnreadableImageError, r"pixel data end too soon \(79 % are there\)"),
    "one byte short": (cut(make_dicom(), 1), UnreadableImageError, "end too soon"),
    "pixels too long": (make_dicom(data=TRUTH * 2), UnreadableImageError, "longer than rows and columns allow"),
    "pixels too long by 2": (make_dicom(data=TRUTH + b"\0\0"), UnreadableImageError, "longer than"),
    "length of 4 GB": (
        make_dicom().replace(PIXEL_DATA + struct.pack("<I", len(TRUTH)), PIXEL_DATA + struct.pack("<I", 0xFFFFFFF0)),
        UnreadableImageError,
        "end too soon",
    ),
    "length without end": (
        make_dicom().replace(PIXEL_DATA + struct.pack("<I", len(TRUTH)), PIXEL_DATA + b"\xff" * 4),
        UnsupportedImageError,
        "a film that was cut off",
    ),
    "no pixels": (make_dicom(data=b""), UnreadableImageError, "no pixel data"),
    "no Rows": (make_dicom(Rows=None), UnreadableImageError, "does not give the number of rows"),
    "no BitsStored": (make_dicom(BitsStored=None), UnreadableImageError, "does not give the bits stored"),
    "no SamplesPerPixel": (make_dicom(SamplesPerPixel=None), UnreadableImageError, "samples per pixel"),
    "no photometric": (make_dicom(PhotometricInterpretation=None), UnreadableImageError, "photometric"),
    "unknown photometric": (make_dicom(PhotometricInterpretation="GREYISH"), UnsupportedImageError, "unknown way"),
    "zero rows": (make_dicom(Rows=0), UnreadableImageError, "100 x 0 pixels, which is no picture"),
    "huge": (make_dicom(Rows=60000, Columns=60000), ImageSizeError, "million pixels"),
    "small": (make_dicom(np.zeros((20, 20), np.uint16)), ImageSizeError, "too small"),
    "narrow": (make_dicom(np.zeros((400, 100), np.uint16)), ImageSizeError, "too narrow"),
    "negative frames": (make_dicom(NumberOfFrames=-1), UnreadableImageError, "no picture"),
    "no frames": (make_dicom(NumberOfFrames=0), UnreadableImageError, "no picture"),
    "many frames": (make_dicom(NumberOfFrames=12), UnsupportedImageError, r"holds 12 pictures \(frames\)"),
    "stored above allocated": (make_dicom(BitsStored=17), UnreadableImageError, "17 bits in 16"),
    "few bits": (make_dicom(BitsStored=4, HighBit=3), UnsupportedImageError, "only 4 bits"),
    "32 bits": (make_dicom(PIXELS.astype(np.uint32), bits=12), UnsupportedImageError, "32 bits each"),
    "high bit": (make_dicom(HighBit=3), UnreadableImageError, "highest bit 3 of 12"),
    "three samples": (make_dicom(SamplesPerPixel=3), UnreadableImageError, "3 samples per pixel"),
    "palette": (
        make_dicom(make_pixels(bits=8), bits=8, PhotometricInterpretation="PALETTE COLOR"),
        UnsupportedImageError,
        "palette",
    ),
    "deep colour": (
        make_dicom(np.zeros((90, 90, 3), np.uint16), bits=16),
        UnsupportedImageError,
        "colour picture of more than 8 bits",
    ),
    "JPEG lossless": (
        make_dicom(syntax=uid.JPEGLosslessSV1, data=encapsulate([b"\xff\xd8"])),
        UnsupportedImageError,
        r"coded as JPEG Lossless, .*; export it uncompressed",
    ),
    "HTJ2K": (make_dicom(syntax=uid.HTJ2KLossless, data=encapsulate([b"\xff\x4f"])), UnsupportedImageError, "High-Th"),
    "unknown syntax": (
        make_dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"),
        UnsupportedImageError,
        "not in the standard",
    ),
    "corrupt RLE": (
        make_dicom(
            syntax=uid.RLELossless, data=encapsulate([struct.pack("<16I", 2, 64, 90, *[0] * 13) + b"\x81" * 99])
        ),
        UnreadableImageError,
        "damaged",
    ),
    "RLE segments": (
        make_dicom(syntax=uid.RLELossless, data=encapsulate([struct.pack("<I", 4_000_000_000) + b"\xff" * 60])),
        UnreadableImageError,
        "damaged",
    ),
    "JPEG larger than header": (
        coded(make_pixels(800, 900, bits=8), name="JPEG"),
        UnreadableImageError,
        "gives 100 x 120 pixels, its compressed picture 900 x 800",
    ),
    "JPEG 2000 larger than header": (
        lie_in_siz(100_000, at=0),
        UnreadableImageError,
        "compressed picture 100000 x 120",
    ),
    "JPEG 2000 in thousands of tiles": (lie_in_siz(1, 1, at=4), UnreadableImageError, "damaged at the start"),
    "JPEG 2000 without tiles": (lie_in_siz(0, at=5), UnreadableImageError, "damaged at the start"),
    "JPEG where JPEG 2000 is promised": (
        make_dicom(
            make_pixels(bits=8),
            bits=8,
            syntax=uid.JPEG2000Lossless,
            data=encapsulate([make_picture(make_pixels(bits=8), "JPEG")]),
        ),
        UnreadableImageError,
        "damaged at the start",
    ),
    "not encapsulated": (
        make_dicom(syntax=uid.RLELossless, data=encapsulate([b"\0" * 64])).replace(b"\xfe\xff\x00\xe0", b"\0\0\0\0"),
        UnreadableImageError,
        "damaged",
    ),
    "deflated": (make_deflated(), UnsupportedImageError, "deflated"),
    "nested 2,000 deep": (nest_open(2000), UnreadableImageError, "nested too deeply"),
    "nested 2,000 deep where it is read": (nest_kept(2000), UnreadableImageError, "nested too deeply"),
    "no preamble": (make_dicom()[132:], UnsupportedImageError, "without the file header"),
    "index": (
        make_dicom().replace(
            uid.DigitalXRayImageStorageForPresentation.encode(), b"1.2.840.10008.1.3.10".ljust(29, b"\0")
        ),
        UnsupportedImageError,
        "DICOMDIR, the index of a disc",
    ),
    "report": (
        make_dicom(data=b"", Rows=None, Columns=None).replace(struct.pack("<HH", 0x7FE0, 0x10), b"\xe1\x7f\x10\0"),
        UnsupportedImageError,
        "without a picture",
    ),
}


@pytest.mark.parametrize(("data", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_in_words_that_name_the_file(data, error, words):
    with pytest.raises(error, match=words) as caught:
        read_image(data, name="/archive/ROE JANE/film 7.dcm")
    assert caught.value.message.startswith("film 7.dcm: ")
    assert read_image(make_dicom()).shape == (120, 100)


@pytest.mark.parametrize("start", [b"MZ\x90\0", b"%PDF-1.7", b"#!/bin/sh\n", b"II*\0"], ids=repr)
def test_what_hides_in_the_preamble_is_neither_run_nor_kept(start):
    assert read_image(with_preamble(start)).pixel_sha256 == read_image(make_dicom()).pixel_sha256


def test_a_film_with_a_full_header_is_read():
    film = read_image(make_dicom(ImagerPixelSpacing=[0.139, 0.139], ImageLaterality="U", BurnedInAnnotation="NO"))
    assert (film.modality, film.view, film.body_part, film.age_years) == ("DX", View.AP, "CHEST", 3.0)
    assert (film.sex, film.laterality, film.burned_in, film.animal) == ("F", "U", False, False)
    assert film.acquired_on == dt.date(2024, 1, 2)
    assert (film.spacing_mm, film.spacing_at) == ((0.139, 0.139), "detector")
    assert film.transfer_syntax == uid.ExplicitVRLittleEndian
    assert film.notes == ()
    assert np.array_equal(film.stored, PIXELS)


FACTS = [
    ("age in months", {"PatientAge": "018M"}, "age_years", 1.5, None),
    ("age in weeks", {"PatientAge": "002W"}, "age_years", 14 / 365.25, None),
    ("age 9999Y", {"PatientAge": "9999Y"}, "age_years", None, "the age in the header is impossible and was ignored"),
    ("age 999Y", {"PatientAge": "999Y"}, "age_years", None, "the age in the header is impossible and was ignored"),
    ("age without unit", {"PatientAge": "62"}, "age_years", None, "the age in the header has no unit and was ignored"),
    ("age from dates", {"PatientAge": None, "PatientBirthDate": "20200102"}, "age_years", 4.0, None),
    (
        "age of the unborn",
        {"PatientAge": None, "PatientBirthDate": "20300102"},
        "age_years",
        None,
        "the birth date in the header does not fit the film's date and was ignored",
    ),
    ("no age", {"PatientAge": None}, "age_years", None, None),
    (
        "future date",
        {"StudyDate": "29990101"},
        "acquired_on",
        None,
        "a date in the header is impossible and was ignored",
    ),
    (
        "30 February",
        {"StudyDate": "20240230"},
        "acquired_on",
        None,
        "a date in the header is impossible and was ignored",
    ),
    ("old date", {"StudyDate": "10660101"}, "acquired_on", None, "a date in the header is impossible and was ignored"),
    ("acquired first", {"AcquisitionDate": "20231231"}, "acquired_on", dt.date(2023, 12, 31), None),
    ("PA", {"ViewPosition": "PA"}, "view", View.PA, None),
    ("left lateral", {"ViewPosition": "LL"}, "view", View.LATERAL, None),
    ("decubitus", {"ViewPosition": "LLD"}, "view", View.OTHER, None),
    ("no view", {"ViewPosition": None}, "view", None, None),
    ("rows run backwards", {"ViewPosition": None, "PatientOrientation": ["P", "F"]}, "view", View.LATERAL, None),
    ("rows run to the left", {"ViewPosition": None, "PatientOrientation": ["L", "F"]}, "view", None, None),
    ("hand", {"BodyPartExamined": "HAND"}, "body_part", "HAND", None),
    ("thorax", {"BodyPartExamined": "Thorax ap"}, "body_part", "CHEST", None),
    ("own word", {"BodyPartExamined": "ROE JANE"}, "body_part", "OTHER", None),
    ("CT", {"Modality": "CT"}, "modality", "CT", None),
    ("own modality", {"Modality": "JANE"}, "modality", None, None),
    ("male", {"PatientSex": "M"}, "sex", "M", None),
    ("other sex", {"PatientSex": "O"}, "sex", None, None),
    ("burned in", {"BurnedInAnnotation": "YES"}, "burned_in", True, None),
    ("not said", {}, "burned_in", None, None),
    ("a dog", {"PatientSpeciesDescription": "Canis familiaris"}, "animal", True, None),
    ("a person", {"PatientSpeciesDescription": "Homo sapiens"}, "animal", False, None),
    ("calibrated", {"PixelSpacing": [0.12, 0.12], "ImagerPixelSpacing": [0.14, 0.14]}, "spacing_at", "patient", None),
    (
        "uncalibrated",
        {"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.14, 0.14]},
        "spacing_at",
        "detector",
        None,
    ),
    (
        "fiducial",
        {"PixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
        "spacing_at",
        "patient",
        None,
    ),
    (
        "spacing of a metre",
        {"PixelSpacing": [1000, 1000]},
        "spacing_mm",
        None,
        "the pixel spacing in the header is impossible and was ignored",
    ),
    ("side", {"Laterality": "L"}, "laterality", "L", None),
]


@pytest.mark.parametrize(("tags", "field", "value", "note"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS])
def test_what_the_header_says(tags, field, value, note):
    film = read_image(make_dicom(**tags))
    assert getattr(film, field) == (pytest.approx(value) if isinstance(value, float) else value)
    assert film.notes == (() if note is None else (note,))


@pytest.mark.parametrize(("code", "view"), [("R-10206", View.AP), ("272479007", View.PA), ("R-10236", View.LATERAL)])
def test_a_view_code_comes_before_the_view_word(code, view):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "words"
    assert read_image(make_dicom(ViewPosition="LL", ViewCodeSequence=Sequence([item]))).view is view


@pytest.mark.parametrize("charset", ["ISO_IR 999", "\\ISO 2022 IR 87", "<script>", "GB18030"])
def test_an_odd_character_set_does_no_harm(charset):
    data = make_dicom(SpecificCharacterSet="ISO_IR 100", PatientName="R\xf6e^Jane")
    odd = charset.encode()[:10].ljust(10, b" ")
    film = read_image(data.replace(b"ISO_IR 100", odd))
    assert film.shape == (120, 100)


def test_overlay_planes_are_ignored_with_a_note():
    dataset = make_dataset(PIXELS)
    dataset.add_new((0x6000, 0x0010), "US", 120)
    dataset.add_new((0x6000, 0x3000), "OW", b"\xff" * 1500)
    film = read_image(write_dicom(dataset, PIXELS))
    assert film.notes == ("overlay planes were ignored",)
    assert np.array_equal(film.stored, PIXELS)


def test_overlay_bits_in_the_pixels_are_cleared():
    dataset = make_dataset(PIXELS)
    dataset.add_new((0x6000, 0x0010), "US", 120)
    marked = PIXELS | np.uint16(0x8000)
    film = read_image(write_dicom(dataset, marked))
    assert "overlay bits in the pixels were cleared" in film.notes
    assert np.array_equal(film.stored, PIXELS)


def test_values_above_the_declared_bits_are_kept():
    film = read_image(make_dicom(make_pixels(bits=14), bits=12))
    assert film.bits == 14
    assert np.array_equal(film.stored, make_pixels(bits=14))
    assert "values need more bits than the header says; all of them were kept" in film.notes


def test_a_shifted_high_bit_is_shifted_back():
    film = read_image(make_dicom(PIXELS << 4, HighBit=15))
    assert np.array_equal(film.stored, PIXELS)


def test_a_grey_screen_copy_in_colour_is_read_as_grey():
    grey = make_pixels(bits=8)
    film = read_image(make_dicom(np.dstack([grey] * 3), bits=8))
    assert film.photometric == "MONOCHROME2"
    assert np.array_equal(film.stored, grey)


def test_real_colour_is_shown_and_marked():
    grey = make_pixels(bits=8)
    film = read_image(make_dicom(np.dstack([grey, 255 - grey, np.roll(grey, 30)]), bits=8))
    assert film.photometric == "RGB"


def test_a_film_of_another_modality_is_still_shown():
    assert read_image(make_dicom(Modality="CT", SOPClassUID=uid.CTImageStorage)).modality == "CT"


def test_raw_detector_data_are_pointed_out():
    assert (
        "raw detector data, not made for reading"
        in read_image(make_dicom(PresentationIntentType="FOR PROCESSING")).notes
    )


def test_equal_pixels_under_one_identifier_can_be_told_from_different_ones():
    one, same = read_image(make_dicom()), read_image(make_dicom(PatientAge="009Y"))
    other = read_image(make_dicom(make_pixels(seed=9)))
    assert one.instance_key == same.instance_key == other.instance_key != ""
    assert one.pixel_sha256 == same.pixel_sha256 != other.pixel_sha256


def test_hidden_lies_about_sizes_are_found():
    with pytest.raises(UnreadableImageError, match="longer than"):
        read_image(lie_in_header(ROWS, ROWS[:-2] + struct.pack("<H", 119)))
    with pytest.raises(UnreadableImageError, match="end too soon"):
        read_image(lie_in_header(ROWS, ROWS[:-2] + struct.pack("<H", 121)))


@pytest.mark.parametrize("value", ["../../etc/passwd", "1." * 40, "", "1.2.3\0\0"], ids=repr)
def test_a_strange_identifier_becomes_a_plain_hash(value):
    film = read_image(make_dicom(StudyInstanceUID=value))
    assert len(film.study_key) == (32 if value else 0)
    assert set(film.study_key) <= set("0123456789abcdef")
