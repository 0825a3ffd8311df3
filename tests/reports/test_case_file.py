"""What a case file is: valid facts, a hash over all of them, and a way to another process and back."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest
from case_examples import HOSTILE, READER, WITHHELD, make_case, make_film_case, make_hostile, make_risk

from medcore.errors import InputError
from medcore.reports.case_file import CaseFile, CasePicture, from_json, to_json
from medcore.reports.case_pictures import draw_film, draw_map


def list_changes(value, path=""):
    """Yield (path, changed copy) for every single fact below ``value``."""
    for item in dataclasses.fields(value):
        for where, new in change(getattr(value, item.name), f"{path}{item.name}"):
            try:
                yield where, replace(value, **{item.name: new})
            except InputError:  # not a valid case any more, so nobody can be fooled with it
                continue


def change(value, path):
    if dataclasses.is_dataclass(value):
        yield from list_changes(value, f"{path}.")
    elif isinstance(value, tuple):
        yield f"{path}[+]", (*value, value[0] if value else "more")
        for number, item in enumerate(value):
            for where, new in change(item, f"{path}[{number}]"):
                yield where, (*value[:number], new, *value[number + 1 :])
    elif isinstance(value, bool):
        yield path, not value
    elif isinstance(value, str):
        yield path, value + " "
    elif isinstance(value, bytes):
        yield path, value + b"x"
    elif isinstance(value, int | float):
        yield path, value + 0.001


class TestContentHash:
    def test_every_single_fact_counts(self):
        for case in (make_case(), make_film_case()):
            changed = dict(list_changes(case))
            assert len(changed) > 60
            hashes = {path: copy.content_hash for path, copy in changed.items()}
            assert [path for path, found in hashes.items() if found == case.content_hash] == []

    def test_the_same_facts_have_the_same_hash(self):
        assert make_case().content_hash == make_case().content_hash
        assert len(make_case().content_hash) == 64

    def test_a_text_cannot_move_between_two_facts(self):
        one = replace(READER, note="ab", reason="c")
        other = replace(READER, note="a", reason="bc")
        assert make_case(reader=one).content_hash != make_case(reader=other).content_hash


class TestValidity:
    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ({"state": "certain"}, "no state"),
            ({"p": None}, "all three"),
            ({"lo": 0.2}, "not ordered"),
            ({"p": 1.7, "hi": 1.8}, "not ordered"),
            ({"p": float("nan")}, "not ordered"),
            ({"reasons": ("why",)}, "every reason needs its field"),
        ],
    )
    def test_wrong_risks_cannot_exist(self, parts, message):
        with pytest.raises(InputError, match=message):
            make_risk(**parts)

    def test_a_withheld_case_has_no_number(self):
        with pytest.raises(InputError, match="no number"):
            replace(WITHHELD, p=0.2, lo=0.1, hi=0.3)

    def test_a_picture_is_a_png(self):
        with pytest.raises(InputError, match="PNG"):
            CasePicture(title="x", caption="", png=b"<svg>")

    def test_only_two_kinds(self):
        with pytest.raises(InputError, match="kind"):
            make_case(kind="video")


class TestRoundTrip:
    @pytest.mark.parametrize("case", [make_case(), make_film_case(), make_case(risk=WITHHELD, bars=None, model=None)])
    def test_facts_survive_json(self, case):
        raw, pictures = to_json(case)
        back = from_json(json.loads(json.dumps(raw)), pictures)
        assert isinstance(back, CaseFile)
        assert back == case
        assert back.content_hash == case.content_hash

    @pytest.mark.parametrize("text", HOSTILE)
    def test_texts_survive_exactly(self, text):
        raw, pictures = to_json(make_hostile(text))
        assert from_json(json.loads(json.dumps(raw)), pictures).patient.name == text

    def test_wrong_facts_are_named(self):
        raw, pictures = to_json(make_case())
        with pytest.raises(InputError, match=r"wrong at 'risk\.p'"):
            from_json({**raw, "risk": {**raw["risk"], "p": "much"}}, pictures)
        with pytest.raises(InputError, match="pictures"):
            from_json(raw, [b"one too many"])


class TestPictures:
    def test_size_and_depth(self):
        from io import BytesIO

        from PIL import Image

        grey = Image.open(BytesIO(draw_film(np.full((1900, 1700), 0.5), longest_side=640)))
        assert (grey.mode, max(grey.size) <= 640, grey.getpixel((5, 5))) == ("L", True, 128)
        assert set(grey.info) == set()

    def test_a_map_colours_where_it_is_strong(self):
        from io import BytesIO

        from PIL import Image

        grid = np.zeros((4, 4))
        grid[0, 0], grid[3, 3] = 1.0, -0.5
        picture = Image.open(BytesIO(draw_map(np.full((80, 80), 0.2), grid)))
        red, _, blue = picture.getpixel((2, 2))
        assert red > blue + 60
        red, _, blue = picture.getpixel((77, 77))
        assert blue > red + 30
        assert len(set(picture.getpixel((75, 5)))) == 1

    @pytest.mark.parametrize("grid", [np.zeros((0, 3)), np.array([1.0]), np.array([[np.nan]])])
    def test_a_map_that_is_none(self, grid):
        with pytest.raises(InputError, match="finite"):
            draw_map(np.zeros((4, 4)), grid)

    def test_a_narrow_film(self):
        assert draw_film(np.zeros((2000, 1)))[:4] == b"\x89PNG"
