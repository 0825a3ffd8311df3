"""Films of the public test files, shown by medcore and by pydicom's own functions: the same picture."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_windowing

from medcore.config import read_settings
from medcore.errors import ImageError
from medcore.imaging import View, read_image
from medcore.imaging.display import render
from medcore.imaging.names import safe_name
from medcore.imaging.quality import FilmLimits, film_status, header_reasons, pixel_reasons
from medcore.results import Status

ROOT = Path(pydicom.__file__).parent / "data" / "test_files"
STORE = importlib.util.find_spec("data_store")
NAMES = [
    *("693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm"),
    *("MR_small_expb.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"),
    *("examples_overlay.dcm",),
]
LARGE = [
    *("693_J2KR.dcm", "693_UNCI.dcm", "693_UNCR.dcm", "MR2_J2KI.dcm", "MR2_J2KR.dcm", "MR2_UNCI.dcm", "MR2_UNCR.dcm"),
    *("RG1_J2KI.dcm", "RG1_J2KR.dcm", "RG1_UNCI.dcm", "RG1_UNCR.dcm", "RG3_J2KI.dcm", "RG3_J2KR.dcm", "RG3_UNCI.dcm"),
    *("RG3_UNCR.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm"),
]


def find_store(name):
    if STORE is None or STORE.origin is None:
        pytest.skip("pydicom-data is not installed")
    return next(Path(STORE.origin).parent.rglob(name))


def show_by_pydicom(path):
    """Brightness 0..1 of the first window, by pydicom alone."""
    dataset = pydicom.dcmread(path)
    values = apply_modality_lut(dataset.pixel_array, dataset)
    out = np.asarray(apply_windowing(values, dataset), dtype=np.float64)
    low, high = (0, 2**dataset.BitsStored - 1)
    if dataset.PixelRepresentation:
        low, high = -(2 ** (dataset.BitsStored - 1)), 2 ** (dataset.BitsStored - 1) - 1
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    low, high = low * slope + intercept, high * slope + intercept
    out = (out - low) / (high - low)
    return 1 - out if dataset.PhotometricInterpretation == "MONOCHROME1" else out


@pytest.mark.parametrize("name", NAMES)
def test_a_small_public_film_looks_the_same(name):
    assert np.abs(render(read_image(ROOT / name)) - show_by_pydicom(ROOT / name)).max() < 1e-3


@pytest.mark.parametrize("name", LARGE)
def test_a_large_public_film_looks_the_same(name):
    path = find_store(name)
    assert np.abs(render(read_image(path)) - show_by_pydicom(path)).max() < 1e-3


@pytest.mark.parametrize(("plain", "coded"), [("RG1_UNCR.dcm", "RG1_J2KR.dcm"), ("RG3_UNCR.dcm", "RG3_J2KR.dcm")])
def test_a_real_film_without_and_with_lossless_coding_has_the_same_values(plain, coded):
    assert read_image(find_store(plain)).pixel_sha256 == read_image(find_store(coded)).pixel_sha256


def read_sample(name):
    return read_image(read_settings().training_data_dir / "dicom_samples" / name)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("cr_chest_pa_monochrome1_uncompressed.dcm", {"age"}),
        ("cr_chest_pa_monochrome1_jpeg2000.dcm", {"age"}),
        ("cr_lower_leg_jpeg2000.dcm", {"age", "body_part"}),
        ("cr_chest_pa_tagged_monochrome1_jpegbaseline.dcm", {"inverted"}),
    ],
)
def test_real_films_that_no_model_for_small_children_may_score(name, codes):
    film = read_sample(name)
    reasons = (*header_reasons(film, FilmLimits()), *pixel_reasons(film))
    assert codes <= {reason.code for reason in reasons}
    assert film_status(reasons) is Status.WITHHELD


@pytest.mark.data
def test_a_pair_that_differs_in_its_grey_scale_alone_is_a_negative_and_its_positive():
    plain = read_sample("cr_chest_pa_monochrome2_jpegbaseline.dcm")
    turned = read_sample("cr_chest_pa_tagged_monochrome1_jpegbaseline.dcm")
    assert np.abs(render(plain) + render(turned) - 1).max() < 1e-6
    assert plain.view is turned.view is View.PA
    assert pixel_reasons(plain) == ()


@pytest.mark.data
def test_an_adult_chest_film_has_nothing_against_its_pixels():
    assert pixel_reasons(read_sample("cr_chest_pa_monochrome1_uncompressed.dcm")) == ()


def test_every_public_error_is_one_sentence_about_the_file():
    messages = {}
    for path in sorted(ROOT.iterdir()):
        if not path.is_file():
            continue
        try:
            read_image(path)
        except ImageError as error:
            messages[path.name] = error.message
    assert len(messages) > 50
    for name, message in messages.items():
        assert message.startswith(f"{safe_name(name)}: ")
        assert not re.search(r"\n|Traceback|Error\b|0x", message)
