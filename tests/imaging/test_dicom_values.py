"""Modality LUT, windows, VOI tables and MONOCHROME1 against the formulas of PS3.3 C.11 on raw values."""

import numpy as np
import pytest
from film_files import make_dicom, make_pixels
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medcore.imaging import VoiFunction, read_image
from medcore.imaging.display import render

RAW = make_pixels(bits=12)


def show(values, center, width, function, photometric="MONOCHROME2"):
    """Brightness by the standard's own formulas, in the modality's units."""
    values = values.astype(np.float64)
    if function == "SIGMOID":
        out = 1 / (1 + np.exp(-4 * (values - center) / width))
    elif function == "LINEAR_EXACT":
        out = (values - center) / width + 0.5
    else:
        out = (values - (center - 0.5)) / (width - 1) + 0.5
    out = np.clip(out, 0, 1)
    return out if photometric == "MONOCHROME2" else 1 - out


def table(entries, first, bits):
    item = Dataset()
    item.add_new((0x0028, 0x3002), "US", [len(entries) % 65536, first, bits])
    item.add_new((0x0028, 0x3006), "OW", np.asarray(entries, dtype="<u2").tobytes())
    return Sequence([item])


@pytest.mark.parametrize("function", list(VoiFunction))
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (2, 100), (0.1, 5), (-1, 4095), (-0.25, 0)])
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
def test_every_way_from_raw_value_to_brightness(function, photometric, slope, intercept, signed):
    raw = (RAW.astype(np.int32) - 2048).astype(np.int16) if signed else RAW
    values = slope * raw.astype(np.float64) + intercept
    center, width = round(float(np.median(values)), 3), round(float(np.ptp(values)) * 0.6, 3)
    film = read_image(
        make_dicom(
            raw,
            PhotometricInterpretation=photometric,
            RescaleSlope=slope,
            RescaleIntercept=intercept,
            WindowCenter=center,
            WindowWidth=width,
            VOILUTFunction=function.value,
        )
    )
    assert film.notes == ()
    assert np.abs(render(film) - show(values, center, width, function, photometric)).max() < 2e-6


def test_the_stored_values_keep_full_depth_under_a_rescale():
    film = read_image(make_dicom(RAW, RescaleSlope=0.001, RescaleIntercept=0, WindowCenter=2, WindowWidth=4))
    assert np.array_equal(film.stored, RAW)


def test_several_windows_are_offered_in_order_and_only_known_words_name_them():
    film = read_image(
        make_dicom(
            WindowCenter=[2000, 1000, 3000],
            WindowWidth=[4000, 0, 500],
            WindowCenterWidthExplanation=["NORMAL", "HARDER", "ROE JANE"],
        )
    )
    assert [(w.center, w.width, w.name) for w in film.windows[:2]] == [(2000, 4000, "Normal"), (3000, 500, "Window 3")]
    assert [window.name for window in film.windows[2:]] == ["This film", "Whole range"]
    assert film.notes == ("window 2 of the header is impossible for this film and was ignored",)


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowWidth": 0},
        {"WindowWidth": -5},
        {"WindowWidth": 0.5},
        {"WindowCenter": 900_000},
        {"WindowCenter": -900_000},
        {"WindowWidth": "1e300"},
    ],
    ids=repr,
)
def test_an_impossible_window_is_ignored_and_the_film_shows_itself(tags):
    film = read_image(make_dicom(**tags))
    assert film.windows[0].name == "This film"
    assert "window 1 of the header is impossible for this film and was ignored" in film.notes
    brightness = render(film)
    assert brightness.min() == 0
    assert brightness.max() == 1


@pytest.mark.parametrize("tags", [{"RescaleSlope": 0}, {"RescaleSlope": 1e12}, {"RescaleIntercept": "1e200"}], ids=repr)
def test_an_absurd_rescale_is_ignored(tags):
    film = read_image(make_dicom(**{"RescaleSlope": 1, "RescaleIntercept": 0, **tags}))
    assert "the rescale slope or intercept in the header is impossible and was ignored" in film.notes
    assert np.array_equal(film.stored, RAW)


def test_an_unknown_window_function_is_taken_as_linear_and_said():
    film = read_image(make_dicom(VOILUTFunction="CUBIC"))
    assert film.windows[0].function is VoiFunction.LINEAR
    assert film.notes == ("the header names an unknown kind of window; linear was assumed",)


def test_more_centres_than_widths():
    film = read_image(make_dicom(WindowCenter=[2048, 1000], WindowWidth=4096))
    assert len(film.windows) == 3
    assert "the header has more window centres than widths, or the reverse; the extra ones were ignored" in film.notes


def test_without_a_window_the_film_shows_its_own_range_without_the_padding():
    raw = RAW.copy() // 2 + 500
    raw[:, :20] = 4000
    film = read_image(make_dicom(raw, WindowCenter=None, WindowWidth=None, PixelPaddingValue=4000))
    low, high = np.percentile(raw[::4, ::4][raw[::4, ::4] != 4000], (0.1, 99.9))
    window = film.windows[0]
    assert window.center - window.width / 2 == pytest.approx(np.floor(low))
    assert window.center + window.width / 2 == pytest.approx(np.ceil(high))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_voi_table_is_the_default_picture(photometric):
    entries = np.round(65535 * (np.arange(4096) / 4095) ** 2).astype(np.uint16)
    film = read_image(make_dicom(VOILUTSequence=table(entries, 0, 16), PhotometricInterpretation=photometric))
    expected = entries[RAW] / 65535
    expected = expected if photometric == "MONOCHROME2" else 1 - expected
    assert np.abs(render(film) - expected).max() < 1e-5
    assert np.abs(render(film, film.windows[0]) - expected).max() > 0.05


def test_a_voi_table_holds_its_ends_and_starts_where_it_says():
    film = read_image(make_dicom(VOILUTSequence=table(np.arange(256) * 16, 1000, 12)))
    expected = np.clip(RAW.astype(int) - 1000, 0, 255) * 16 / 4095
    assert np.abs(render(film) - expected).max() < 1e-4


def test_a_voi_table_follows_the_rescale():
    entries = np.arange(1024)
    raw = (RAW.astype(np.int32) - 2048).astype(np.int16)
    film = read_image(make_dicom(raw, VOILUTSequence=table(entries, 0, 10), RescaleSlope=0.5, RescaleIntercept=1024))
    expected = np.clip(np.rint(raw * 0.5 + 1024), 0, 1023) / 1023
    assert np.abs(render(film) - expected).max() < 1e-4


def test_a_modality_table_comes_before_the_window():
    entries = np.round(65535 * np.sqrt(np.arange(4096) / 4095)).astype(np.uint16)
    film = read_image(make_dicom(ModalityLUTSequence=table(entries, 0, 16), WindowCenter=32768, WindowWidth=65536))
    assert film.bits == 16
    assert np.array_equal(film.stored, entries[RAW])


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
@pytest.mark.parametrize("damage", ["short", "descriptor", "bits", "missing"])
def test_a_damaged_table_is_ignored_and_said(keyword, damage):
    sequence = table(np.arange(4096), 0, 12)
    if damage == "short":
        sequence[0].LUTData = b"\0\0"
    elif damage == "descriptor":
        sequence[0].add_new((0x0028, 0x3002), "US", [4096, 0])
    elif damage == "bits":
        sequence[0].add_new((0x0028, 0x3002), "US", [4096, 0, 99])
    else:
        del sequence[0].LUTData
    film = read_image(make_dicom(**{keyword: sequence}))
    assert any("table in the header is damaged and was ignored" in note for note in film.notes)
    assert np.abs(render(film) - show(RAW, 2048, 4096, "LINEAR")).max() < 1e-6


def test_an_inversion_is_carried_out_once():
    tags = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    assert np.array_equal(read_image(make_dicom(RAW, **tags)).stored, 4095 - RAW)
    film = read_image(make_dicom(RAW, PresentationLUTShape="INVERSE"))
    assert np.array_equal(film.stored, RAW)
    assert "the header asks for an inversion that contradicts its grey scale; it was not applied" in film.notes


def test_every_transform_is_recorded():
    film = read_image(
        make_dicom(
            (RAW.astype(np.int32) - 2048).astype(np.int16),
            PhotometricInterpretation="MONOCHROME1",
            RescaleSlope=2,
            RescaleIntercept=-10,
            WindowCenter=0,
            WindowWidth=8192,
        )
    )
    assert film.provenance == (
        "DICOM, uncompressed",
        "signed 12-bit values, shifted by 2048",
        "rescale slope 2, intercept -10: carried by the windows, not the pixels",
        "window function linear, 1 from the header",
        "inverted (MONOCHROME1), windows mirrored",
    )
