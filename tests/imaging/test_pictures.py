"""PNG and JPEG: every mode by its written rule, and every kind of file that must be refused with a sentence."""

import io
import struct
import zlib

import numpy as np
import pytest
from film_files import make_jpeg, make_picture, make_pixels, make_png
from PIL import Image, ImageOps, PngImagePlugin

from medcore.errors import ImageSizeError, UnreadableImageError, UnsupportedImageError
from medcore.imaging import read_image
from medcore.imaging.display import render

GREY = make_pixels(bits=8)
RGB = np.dstack([GREY, GREY, GREY])
PHOTO = np.dstack([GREY, 255 - GREY, np.roll(GREY, 40)])


def test_grey_is_read_as_it_is():
    film = read_image(make_png(GREY))
    assert np.array_equal(film.stored, GREY)
    assert (film.format, film.bits, film.photometric, film.notes) == ("PNG", 8, "MONOCHROME2", ())
    assert np.allclose(render(film), GREY / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("picture", "expected", "step"),
    [
        (Image.fromarray(GREY > 100), np.where(GREY > 100, 255, 0), "1 bit: black and white"),
        (Image.fromarray(RGB), GREY, "colours equal: read as grey"),
        (Image.fromarray(RGB).convert("RGBA"), GREY, "opaque throughout: transparency dropped"),
        (Image.fromarray(GREY).convert("P"), GREY, "colours equal: read as grey"),
        (Image.fromarray(GREY).convert("LA"), GREY, "colours equal: read as grey"),
    ],
    ids=["1 bit", "RGB", "RGBA", "palette", "grey with alpha"],
)
def test_each_mode_becomes_grey_by_its_rule(picture, expected, step):
    film = read_image(make_picture(picture, "PNG"))
    assert np.array_equal(film.stored, expected)
    assert step in film.provenance
    assert film.photometric == "MONOCHROME2"


def test_16_bits_are_kept():
    deep = make_pixels(bits=16)
    film = read_image(make_png(deep))
    assert (film.bits, film.stored.max()) == (16, 65535)
    assert np.array_equal(film.stored, deep)


@pytest.mark.parametrize(("bits", "held"), [(10, 10), (12, 12), (14, 14), (9, 10)])
def test_fewer_bits_in_a_16_bit_picture_are_noticed(bits, held):
    film = read_image(make_png(make_pixels(bits=bits).astype(np.uint16)))
    assert film.bits == held
    assert film.notes == (f"a 16-bit picture that holds {held}-bit values",)


def test_transparent_parts_are_black():
    picture = np.dstack([RGB, np.where(GREY > 128, 255, 0).astype(np.uint8)])
    film = read_image(make_png(picture))
    assert (film.stored[GREY <= 128] == 0).all()
    assert np.array_equal(film.stored[GREY > 128], GREY[GREY > 128])


def test_cmyk_is_read():
    film = read_image(make_jpeg(Image.fromarray(RGB).convert("CMYK"), quality=95))
    assert film.photometric == "MONOCHROME2"
    assert np.abs(film.stored.astype(int) - GREY).mean() < 3


def test_a_colour_photo_is_shown_and_marked():
    film = read_image(make_png(PHOTO))
    assert film.photometric == "RGB"
    assert "a colour picture, shown as grey" in film.notes
    assert film.shape == GREY.shape


def test_a_small_coloured_mark_does_not_make_a_film_a_photo():
    marked = RGB.copy()
    marked[:5, :10] = (255, 0, 0)
    assert read_image(make_png(marked)).photometric == "MONOCHROME2"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("make", [make_png, make_jpeg])
def test_the_exif_orientation_is_applied(orientation, make):
    exif = Image.Exif()
    exif[0x0112] = orientation
    film = read_image(make(GREY, exif=exif, **({"quality": 95} if make is make_jpeg else {})))
    upright = Image.fromarray(GREY)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    assert film.shape == expected.shape
    assert np.abs(film.stored - expected).mean() < 3
    assert film.stored.flags["C_CONTIGUOUS"]


def test_text_is_dropped_and_named_without_its_words():
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", "Jane Roe")
    exif = Image.Exif()
    exif[0x010E] = "Jane Roe, born 1999"
    film = read_image(make_png(GREY, pnginfo=info, exif=exif))
    assert film.removed == ("EXIF block", "text entry")
    assert "Roe" not in repr(film)
    jpeg = read_image(make_jpeg(GREY, exif=exif, comment=b"Jane Roe"))
    assert jpeg.removed == ("EXIF block", "comment")
    assert "Roe" not in repr(jpeg)


def test_a_damaged_exif_block_does_no_harm():
    film = read_image(make_jpeg(GREY, exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\x13" * 30))
    assert film.shape == GREY.shape


@pytest.mark.parametrize(
    ("make", "tail"),
    [
        (make_png, b"<html><script>alert(1)</script>"),
        (make_jpeg, b"PK\x03\x04" + b"z" * 40),
    ],
    ids=["PNG and HTML", "JPEG and ZIP"],
)
def test_what_hangs_on_to_a_picture_is_ignored_and_said(make, tail):
    plain, tailed = read_image(make(GREY)), read_image(make(GREY) + tail)
    assert plain.notes == ()
    assert tailed.notes == ("data behind the end of the picture were ignored",)
    assert tailed.pixel_sha256 == plain.pixel_sha256


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _insert(png, chunk):
    return png[:33] + chunk + png[33:]


def _bomb(rows, columns):
    """Write a PNG of any size with next to no data in it."""
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _animation():
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    stream = io.BytesIO()
    frames[0].save(stream, format="PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def _two_in_one():
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, format="MPO", save_all=True, append_images=[Image.fromarray(PHOTO)])
    return stream.getvalue()


REFUSED = {
    "empty": (b"", UnreadableImageError, "the file is empty"),
    "text": (b"Findings: no consolidation.", UnreadableImageError, "no DICOM, PNG or JPEG"),
    "cut PNG": (make_png(GREY)[:4000], UnreadableImageError, "ends before the picture does"),
    "cut JPEG": (make_jpeg(GREY, quality=95)[:2000], UnreadableImageError, "ends before the picture does"),
    "PNG header only": (make_png(GREY)[:20], UnreadableImageError, "damaged"),
    "JPEG start only": (b"\xff\xd8\xff", UnreadableImageError, "damaged"),
    "pixel bomb": (_bomb(30_000, 30_000), ImageSizeError, "million pixels"),
    "large": (_bomb(7000, 7000), ImageSizeError, "million pixels"),
    "zip-bomb text": (
        _insert(make_png(GREY), _chunk(b"zTXt", b"note\0\0" + zlib.compress(b"\0" * 70_000_000))),
        UnreadableImageError,
        "damaged",
    ),
    "zip-bomb colour profile": (
        _insert(make_png(GREY), _chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 50_000_000))),
        UnreadableImageError,
        "damaged",
    ),
    "animated": (_animation(), UnsupportedImageError, "several pictures"),
    "two pictures": (_two_in_one(), UnsupportedImageError, "several pictures"),
    "one pixel": (make_png(GREY[:1, :1]), ImageSizeError, "1 x 1 pixels: too small"),
    "20 pixels": (make_png(GREY[:20, :20]), ImageSizeError, "20 x 20 pixels: too small"),
    "narrow": (make_png(np.zeros((400, 100), np.uint8)), ImageSizeError, "too narrow for a film"),
    "GIF": (make_picture(GREY, "GIF"), UnsupportedImageError, "a GIF picture"),
    "BMP": (make_picture(GREY, "BMP"), UnsupportedImageError, "a BMP picture"),
    "TIFF": (make_picture(GREY, "TIFF"), UnsupportedImageError, "a TIFF picture"),
    "PDF": (b"%PDF-1.7 ...", UnsupportedImageError, "a PDF document"),
    "ZIP": (b"PK\x03\x04" + b"\0" * 60, UnsupportedImageError, "a ZIP archive"),
}


@pytest.mark.parametrize(("data", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_in_words_that_name_the_file(data, error, words):
    with pytest.raises(error, match=words) as caught:
        read_image(data, name="ward 3/film.png")
    assert caught.value.message.startswith("film.png: ")
    assert "Error" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "name", "note"),
    [
        (make_png(GREY), "film.jpg", "named .jpg, but the content is PNG"),
        (make_jpeg(GREY), "film.dcm", "named .dcm, but the content is JPEG"),
        (make_png(GREY), "film.png", None),
        (make_png(GREY), "film", None),
    ],
)
def test_the_content_decides_and_a_misleading_name_is_noted(data, name, note):
    assert read_image(data, name=name).notes == (() if note is None else (note,))


def test_the_largest_film_is_read():
    random = np.random.default_rng(0)
    film = random.integers(0, 65535, (8000, 5000), dtype=np.uint16)
    film[:, 1000:] = 7
    assert np.array_equal(read_image(make_png(film, compress_level=1)).stored, film)
    colour = np.zeros((8000, 5000, 4), dtype=np.uint8)
    colour[::2, :, 3] = 255
    assert read_image(make_png(colour, compress_level=1)).shape == (8000, 5000)
