"""Headers of compressed pictures, read without decoding."""

import io
import struct

import pytest
from film_files import make_dicom, make_jpeg, make_picture, make_pixels
from pydicom import dcmread, uid
from pydicom.encaps import get_frame

from medcore.errors import UnreadableImageError
from medcore.imaging.codestreams import read_jpeg2000_header, read_jpeg_header

SHALLOW, DEEP = make_pixels(90, 70, bits=8), make_pixels(90, 70, bits=16)


def frame_of(data):
    return get_frame(dcmread(io.BytesIO(data)).PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": b"x" * 300}, {"exif": b"Exif\0\0" + b"y" * 99}]
)
def test_jpeg(options):
    header = read_jpeg_header(make_jpeg(SHALLOW, **options))
    assert (header.kind, header.rows, header.columns, header.components, header.bits) == ("jpeg", 90, 70, 1, 8)


def test_jpeg_ls():
    header = read_jpeg_header(frame_of(make_dicom(DEEP, bits=16, syntax=uid.JPEGLSLossless)))
    assert (header.kind, header.rows, header.columns, header.components, header.bits) == ("jpegls", 90, 70, 1, 16)


@pytest.mark.parametrize(("pixels", "bits"), [(SHALLOW, 8), (DEEP, 16)])
def test_jpeg_2000(pixels, bits):
    header = read_jpeg2000_header(make_picture(pixels, "JPEG2000"))
    assert (header.kind, header.rows, header.columns, header.components, header.bits) == ("jpeg2000", 90, 70, 1, bits)


def test_lossless_jpeg_is_told_apart():
    frame = b"\xff\xd8\xff\xc3" + struct.pack(">HBHHB", 11, 16, 90, 70, 1) + b"\1\x11\0"
    assert read_jpeg_header(frame).kind == "other"


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_cut_header_is_damaged(cut):
    with pytest.raises(UnreadableImageError, match="damaged at the start"):
        read_jpeg_header(make_jpeg(SHALLOW)[:cut])
    with pytest.raises(UnreadableImageError, match="damaged at the start"):
        read_jpeg2000_header(make_picture(SHALLOW, "JPEG2000")[: min(cut, 44)])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8" + b"\xff" * 5000, b"\xff\xd8\0\0\0\0", b"\xff\xd8\xff\xe0\0\0" * 99])
def test_nonsense_ends_soon(data):
    with pytest.raises(UnreadableImageError):
        read_jpeg_header(data)
    with pytest.raises(UnreadableImageError):
        read_jpeg2000_header(data)
