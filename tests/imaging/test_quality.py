"""Header and pixels against what a model knows: the words, which of them withhold, and the rate of false alarms."""

import csv
import io
import tarfile

import numpy as np
import pytest
from films import make_film
from PIL import Image

from medcore.config import read_settings
from medcore.errors import ImageError
from medcore.imaging import View
from medcore.imaging.phantom import make_phantom
from medcore.imaging.quality import (
    CAUTION_CODES,
    WITHHOLDING_CODES,
    FilmLimits,
    film_status,
    header_reasons,
    name_age,
    pixel_reasons,
)
from medcore.imaging.squash import film_tensor
from medcore.results import Reason, Status

LIMITS = FilmLimits()
GOOD = {"modality": "CR", "body_part": "CHEST", "view": View.AP, "age_years": 3.5}


def judge(**fields):
    stored = fields.pop("stored", np.zeros((400, 300)))
    return header_reasons(make_film(stored, **{**GOOD, **fields}), LIMITS)


def test_a_film_inside_the_limits_has_nothing_against_it():
    assert judge() == ()
    assert film_status(judge()) is Status.SCORED


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"age_years": 9.2}, "age", "age 9 years; the model knows 1-5 years"),
        ({"age_years": 0.7}, "age", "age 8 months; the model knows 1-5 years"),
        ({"age_years": 6.0}, "age", "age 6 years; the model knows 1-5 years"),
        ({"view": View.LATERAL}, "view", "the header says a lateral view; the model knows frontal views"),
        ({"view": View.OTHER}, "view", "the header says not a frontal view; the model knows frontal views"),
        ({"modality": "CT"}, "modality", "the header says CT; the model knows plain radiographs"),
        ({"body_part": "HAND"}, "body_part", "the header says hand; the model knows chest films"),
        ({"animal": True}, "species", "the header says that the patient is an animal"),
        ({"photometric": "RGB"}, "colour", "a colour picture, not a radiograph"),
        ({"stored": np.zeros((400, 90))}, "size", "only 90 x 400 pixels: too coarse to judge"),
    ],
)
def test_outside_the_limits_the_score_is_withheld(fields, code, text):
    (reason,) = judge(**fields)
    assert (reason.code, reason.text) == (code, text)
    assert film_status([reason]) is Status.WITHHELD


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"age_years": None}, "age_unknown"),
        ({"view": None}, "view_unknown"),
        ({"modality": None}, "modality_unknown"),
        ({"modality": "OT"}, "modality_unknown"),
        ({"body_part": None}, "body_part_unknown"),
        ({"body_part": "OTHER"}, "body_part_unknown"),
        ({"burned_in": True}, "burned_in"),
    ],
)
def test_what_is_unknown_is_a_caution(fields, code):
    (reason,) = judge(**fields)
    assert reason.code == code
    assert film_status([reason]) is Status.CAUTION


def test_a_picture_without_header_gets_one_sentence_for_all_it_cannot_say():
    codes = [reason.code for reason in header_reasons(make_film(np.zeros((300, 300)), format="PNG"), LIMITS)]
    assert codes == ["no_header", "age_unknown"]


@pytest.mark.parametrize(("age", "inside"), [(1.0, True), (0.99, False), (5.99, True), (6.0, False)])
def test_the_age_range_ends_on_a_birthday(age, inside):
    assert (judge(age_years=age) == ()) is inside


def test_withholding_and_caution_share_no_code_and_an_unknown_code_withholds():
    assert not WITHHOLDING_CODES & CAUTION_CODES
    assert film_status([Reason(code="something_new", text="x")]) is Status.WITHHELD
    for code in WITHHOLDING_CODES:
        cautions = [Reason(code=other, text="x") for other in CAUTION_CODES]
        assert film_status([*cautions, Reason(code=code, text="x")]) is Status.WITHHELD


def test_ages_are_said_as_on_a_ward():
    assert [name_age(age) for age in (0, 1 / 365.25, 1 / 12, 1.999, 2, 80)] == [
        *("0 days", "1 day", "1 month", "23 months", "2 years", "80 years")
    ]


def test_limits_that_admit_nothing_are_refused():
    with pytest.raises(ImageError):
        FilmLimits(age_years=(5, 1))
    with pytest.raises(ImageError):
        FilmLimits(views=frozenset())


def phantom_tensor():
    return film_tensor(make_phantom(2, rows=600, columns=500))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda film: np.zeros_like(film), "blank"),
        (lambda film: np.ones_like(film), "blank"),
        (lambda film: 0.5 + 0.02 * film, "blank"),
        (lambda film: film * np.nan, "blank"),
        (lambda film: 0.4 + 0.2 * film, "exposure"),
        (lambda film: film**6, "exposure"),
        (lambda film: np.clip(film * 5, 0, 1), "exposure"),
        (lambda film: 1 - film, "inverted"),
    ],
    ids=["black", "white", "grey", "nan", "flat", "dark", "saturated", "inverted"],
)
def test_a_spoilt_film_is_told_from_its_pixels(spoil, code):
    assert [reason.code for reason in pixel_reasons(spoil(phantom_tensor()))] == [code]


def test_the_phantom_itself_has_nothing_against_its_pixels():
    for seed in range(5):
        assert pixel_reasons(make_phantom(seed, rows=500, columns=420)) == ()


def read_training_films():
    folder = read_settings().training_data_dir / "chest_xray_pneumonia"
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        names = [row["path"] for row in csv.DictReader(file) if row["split"] == "train"]
    chosen = set(np.random.default_rng(0).choice(names, 1500, replace=False))
    with tarfile.open(folder / "train.tar") as tar:
        for member in tar:
            if member.name in chosen:
                grey = np.asarray(Image.open(io.BytesIO(tar.extractfile(member).read())))
                yield grey.astype(np.float32) / 255


@pytest.mark.data
def test_few_good_films_raise_a_false_alarm_and_nearly_every_inverted_one_is_caught():
    films = list(read_training_films())
    assert len(films) == 1500
    alarms = sum(bool(pixel_reasons(film)) for film in films)
    caught = sum([reason.code for reason in pixel_reasons(1 - film)] == ["inverted"] for film in films[:500])
    assert alarms / len(films) < 0.02
    assert caught / 500 > 0.97


@pytest.mark.data
def test_adult_films_of_another_hospital_pass_on_their_pixels():
    folder = read_settings().training_data_dir / "nih_chestxray14"
    for path in sorted((folder / "png1024").glob("*.png")):
        grey = np.asarray(Image.open(path).convert("L"))
        assert pixel_reasons(make_film(grey)) == (), path.name
