import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import viewer_films
from streamlit.testing.v1 import AppTest

from medcore.errors import ImageError
from medcore.imaging.radiograph import Radiograph, Window
from medcore.ui.viewer import ViewerEvents, ViewerFilm
from medcore.ui.viewer.component import read_script
from medcore.ui.viewer.events import PixelRequest, merge_events, parse_event
from medcore.ui.viewer.payload import MAGIC, describe_film, pack_film, pack_tensor


def make_film(**changes):
    pixels = viewer_films.make_pixels(1, rows=3, columns=5)
    return ViewerFilm(**{"film_id": "é1", "stored": pixels, "bits": 12, "windows": viewer_films.WINDOWS, **changes})


def unpack(payload):
    magic, length = struct.unpack_from("<4sI", payload)
    assert magic == MAGIC
    return json.loads(payload[8 : 8 + length]), payload[8 + length :], 8 + length


def test_a_deep_film_travels_as_16_bit_values_with_its_table():
    table = np.arange(4096, dtype=np.uint16) * 15
    film = make_film(voi_table=table)
    header, body, start = unpack(pack_film(film))
    assert header == {"kind": "film", "film_id": "é1", "rows": 3, "columns": 5, "bits": 12, "table": True}
    assert start % 8 == 0
    values = np.frombuffer(body, "<u2")
    np.testing.assert_array_equal(values[:15].reshape(3, 5), film.stored)
    np.testing.assert_array_equal(values[15:], table)


def test_a_shallow_film_travels_as_bytes():
    film = make_film(stored=np.array([[0, 255, 7]], np.uint16), bits=8)
    header, body, _ = unpack(pack_film(film))
    assert not header["table"]
    assert body == bytes([0, 255, 7])


def test_a_slice_of_a_film_is_packed_row_by_row():
    stored = viewer_films.make_pixels(2, rows=8, columns=8)[::2, ::-1]
    _, body, _ = unpack(pack_film(make_film(stored=stored)))
    np.testing.assert_array_equal(np.frombuffer(body, "<u2").reshape(4, 8), stored)


def test_the_tensor_travels_on_its_own():
    tensor = np.arange(16, dtype=np.uint8).reshape(4, 4)
    header, body, _ = unpack(pack_tensor(make_film(tensor=tensor)))
    assert (header["kind"], header["rows"], header["columns"]) == ("tensor", 4, 4)
    assert body == tensor.tobytes()


def test_the_description_holds_everything_but_pixels():
    film = make_film(heat=((0.0, 1.0),), heat_caption="why", spacing_mm=(0.1, 0.2), spacing_at="detector", lines=("a",))
    words = json.loads(json.dumps(describe_film(film)))
    assert words["windows"][2] == {"center": 2000, "width": 1500, "function": "SIGMOID", "name": "Bone"}
    assert words["heat"] == [[0.0, 1.0]]
    assert (words["rows"], words["columns"], words["spacing_mm"], words["tensor"]) == (3, 5, [0.1, 0.2], False)
    assert len(json.dumps(words)) < 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"film_id": ""}, "needs a name"),
        ({"stored": np.zeros((3, 5), np.int16)}, "16-bit"),
        ({"stored": np.zeros(5, np.uint16)}, "one grey picture"),
        ({"stored": np.zeros((0, 5), np.uint16)}, "one grey picture"),
        ({"bits": 17}, "1 to 16 bits"),
        ({"windows": ()}, "one window"),
        ({"voi_table": np.zeros(7, np.uint16)}, "brightness table"),
        ({"tensor": np.zeros((4, 4), np.float32)}, "8-bit"),
        ({"spacing_mm": (0.1, 0.0)}, "above 0 mm"),
        ({"spacing_mm": (float("nan"), 1.0)}, "above 0 mm"),
        ({"spacing_at": "moon"}, "at the detector or in the patient"),
        ({"heat": ()}, "grid of finite numbers"),
        ({"heat": ((float("inf"),),)}, "grid of finite numbers"),
    ],
)
def test_a_film_that_cannot_be_shown_is_refused(changes, message):
    with pytest.raises(ImageError, match=message):
        make_film(**changes)


def test_a_radiograph_becomes_a_film_named_by_its_pixels():
    film = Radiograph(
        stored=np.ones((2, 2), np.uint16),
        bits=12,
        windows=(Window(center=1, width=2),),
        format="PNG",
        photometric="MONOCHROME2",
        pixel_sha256="ab",
        spacing_mm=(0.1, 0.1),
        spacing_at="patient",
    )
    shown = ViewerFilm.of(film, lines=("x",))
    assert (shown.film_id, shown.spacing_at, shown.lines) == ("ab", "patient", ("x",))
    assert ViewerFilm.of(film, film_id="other").film_id == "other"


@pytest.mark.parametrize(
    ("name", "value", "changes"),
    [
        ("reading", 3, {"reading": 3}),
        ("verdict", "override", {"verdict": "override"}),
        ("step", -1, {"step": -1}),
        ("heat", True, {"wants_heat": True}),
    ],
)
def test_an_event_is_understood(name, value, changes):
    sent = {"name": name, "value": value, "film_id": "f", "seq": 7}
    assert parse_event(sent) == replace(ViewerEvents(film_id="f", seq=7), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 5},
        {"value": True},
        {"value": "1"},
        {"name": "verdict", "value": "maybe"},
        {"name": "step", "value": 2},
        {"name": "need", "value": "page"},
        {"name": "window"},
        {"name": None},
        {"film_id": ""},
        {"film_id": 4},
        {"seq": "1"},
        {"seq": 0},
    ],
)
def test_anything_else_from_the_browser_is_nothing(changes):
    sent = {"name": "reading", "value": 1, "film_id": "f", "seq": 1}
    assert parse_event(sent) == ViewerEvents(film_id="f", reading=1, seq=1)
    assert parse_event(sent | changes) is None
    assert parse_event([sent]) is None


def test_a_request_for_pixels_is_no_key():
    sent = {"name": "need", "value": "tensor", "film_id": "f", "seq": 1}
    assert parse_event(sent) == PixelRequest(film_id="f", kind="tensor", seq=1)


def test_events_of_one_run_are_merged_by_film():
    read = ViewerEvents(film_id="a", reading=1, seq=1)
    again = ViewerEvents(film_id="a", reading=2, seq=2)
    step = ViewerEvents(film_id="a", step=1, seq=3)
    other = ViewerEvents(film_id="b", wants_heat=True, seq=4)
    assert merge_events([]) == ViewerEvents()
    assert merge_events([step, read, again]) == ViewerEvents(film_id="a", reading=2, step=1, seq=3)
    assert merge_events([read, step, other]) == other


def run_viewer():
    import streamlit as st
    import viewer_films

    from medcore.ui.viewer import ViewerFilm, show

    state = st.session_state
    film, following = (
        ViewerFilm(
            film_id=name,
            stored=viewer_films.make_pixels(1),
            bits=12,
            windows=viewer_films.WINDOWS,
            heat=state.get("heat"),
        )
        for name in ("first", "second")
    )
    state.events = show(film, key="viewer", preload=(following, film))


def carriers(test):
    """Keys of the packets of pixels that this run sent."""
    frame = test.main.children[0]
    return [element.key for element in frame.children.values()][1:]


def test_pixels_are_sent_once_in_a_session_and_not_for_a_new_heat_map():
    test = AppTest.from_function(run_viewer).run()
    assert not test.exception
    assert carriers(test) == ["viewer-1-film-first", "viewer-2-film-second"]
    assert test.session_state.events == ViewerEvents()
    test.session_state.heat = ((0.0, 1.0),)
    test.run()
    assert not test.exception
    assert carriers(test) == []
    assert len(carriers(AppTest.from_function(run_viewer).run())) == 2


def test_pixels_that_the_browser_misses_are_sent_again():
    test = AppTest.from_function(run_viewer).run()
    test.session_state["viewer-link"].sent.discard(("film", "second"))
    test.run()
    assert carriers(test) == ["viewer-3-film-second"]


def test_the_script_is_whole_and_loads_nothing_from_elsewhere():
    script = read_script()
    assert "function mountViewer" in script
    for word in ("import ", "export ", "eval(", "fetch(", "http://", "https://", "innerHTML"):
        assert word not in script, word
