"""One film as PNG, JPEG and as DICOM in every coding shows the same picture.

Tolerance: none for lossless codings at full depth; half a grey level of 255 for an 8-bit PNG; 2 levels on the mean
for JPEG.
"""

import numpy as np
import pytest
from film_files import WRITABLE, make_dicom, make_jpeg, make_pixels, make_png
from pydicom import uid

from medcore.imaging import read_image
from medcore.imaging.display import render
from medcore.imaging.squash import film_tensor

WHOLE = {"WindowCenter": 2**15, "WindowWidth": 2**16}


@pytest.fixture(scope="module")
def deep():
    return make_pixels(bits=16)


@pytest.mark.parametrize("syntax", WRITABLE.values(), ids=WRITABLE)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_a_16_bit_png_and_every_dicom_coding_agree(deep, syntax, photometric, signed):
    if signed and syntax == uid.JPEG2000Lossless:
        pytest.skip("Pillow writes no signed JPEG 2000")
    values = deep if photometric == "MONOCHROME2" else 65535 - deep
    window = WHOLE
    if signed:
        values, window = (values.astype(np.int32) - 2**15).astype(np.int16), {"WindowCenter": 0, "WindowWidth": 2**16}
    dicom = make_dicom(values, bits=16, syntax=syntax, PhotometricInterpretation=photometric, **window)
    film, picture = read_image(dicom), read_image(make_png(deep))
    assert film.photometric == photometric
    assert np.array_equal(film.stored, picture.stored)
    assert np.abs(render(film) - render(picture)).max() < 1e-6
    assert film.pixel_sha256 == picture.pixel_sha256


@pytest.mark.parametrize("syntax", WRITABLE.values(), ids=WRITABLE)
def test_an_8_bit_png_and_every_dicom_coding_agree(syntax):
    shallow = make_pixels(bits=8)
    film, picture = read_image(make_dicom(shallow, bits=8, syntax=syntax)), read_image(make_png(shallow))
    assert np.array_equal(film.stored, picture.stored)
    assert np.abs(render(film) - render(picture)).max() < 1e-6


@pytest.mark.parametrize("bits", [10, 12, 14, 15])
@pytest.mark.parametrize("syntax", WRITABLE.values(), ids=WRITABLE)
def test_depths_between_8_and_16_bits_survive_every_coding(bits, syntax):
    if syntax == uid.JPEG2000Lossless:
        pytest.skip("Pillow writes 8 and 16 bits only; the public samples hold 10, 14 and 15 bits")
    values = make_pixels(bits=bits)
    film = read_image(make_dicom(values, bits=bits, syntax=syntax))
    assert film.bits == bits
    assert np.array_equal(film.stored, values)


def test_what_a_model_sees_differs_by_less_than_a_grey_level_between_8_and_16_bits(deep):
    shallow = np.round(deep / 257).astype(np.uint8)
    assert (
        np.abs(film_tensor(read_image(make_png(deep))) - film_tensor(read_image(make_png(shallow)))).max() < 0.5 / 255
    )


def test_jpeg_agrees_within_its_loss():
    shallow = make_pixels(bits=8)
    plain = read_image(make_jpeg(shallow, quality=95))
    inside = read_image(make_dicom(shallow, bits=8, syntax=uid.JPEGBaseline8Bit))
    assert np.array_equal(plain.stored, inside.stored)
    assert np.abs(plain.stored.astype(float) - shallow).mean() < 2


def test_a_12_bit_film_exported_in_16_bits_shows_the_same():
    values = make_pixels(bits=12)
    film, picture = read_image(make_dicom(values)), read_image(make_png(values))
    assert picture.bits == 12
    assert np.abs(render(film) - render(picture)).max() < 1e-6
