"""The viewer's arithmetic, run in the browser and compared with NumPy."""

import base64
import json

import numpy as np
import pytest
import viewer_films

from medcore.imaging.display import make_table
from medcore.imaging.radiograph import VoiFunction, Window
from medcore.ui.viewer import ViewerFilm
from medcore.ui.viewer.component import read_script
from medcore.ui.viewer.payload import pack_film

pytestmark = pytest.mark.browser
NAMES = (
    "FilmStore, buildLut, listPresets, dragWindow, unpackPacket, makeRaster, resample, weighAxis, frameOf, zoomAt, "
    "panBy, toFilm, describeLength, describeSpacing, sampleGrid, makeHeat, nameKey"
)


@pytest.fixture(scope="module")
def script(browser):
    """Return a function that evaluates an expression with the viewer's functions in reach."""
    page = browser.new_page()
    page.goto("about:blank")
    source = base64.b64encode(f"{read_script()}\nexport {{ {NAMES} }};".encode()).decode()
    page.evaluate(
        """async (source) => {
          Object.assign(globalThis, await import("data:text/javascript;base64," + source));
          globalThis.toBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          globalThis.raster = (rows, columns, bits, values, table = null) => makeRaster({ film_id: "x", rows, columns,
            bits, pixels: Uint16Array.from(values), table: table && Uint16Array.from(table) });
        }""",
        source,
    )
    yield page.evaluate
    page.close()


def encode(payload):
    return base64.b64encode(payload).decode()


def words_of(window, **more):
    return {"center": window.center, "width": window.width, "function": window.function, **more}


def compute_greys(values, window):
    """DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3 as written there, to 256 greys."""
    x, c, w = np.asarray(values, float), window.center, window.width
    if window.function == "SIGMOID":
        with np.errstate(over="ignore"):
            share = 1 / (1 + np.exp(-4 * (x - c) / w))
    elif window.function == "LINEAR_EXACT":
        share = np.select([x <= c - w / 2, x > c + w / 2], [0.0, 1.0], (x - c) / w + 0.5)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = (x - (c - 0.5)) / (w - 1) + 0.5
        share = np.select([x <= c - 0.5 - (w - 1) / 2, x > c - 0.5 + (w - 1) / 2], [0.0, 1.0], middle)
    return np.floor(share * 255 + 0.5)


@pytest.mark.parametrize("shape", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("bits", "center", "width"),
    [(8, 128, 256), (12, 2048, 4096), (12, 1500.5, 333.25), (12, 600, 1), (16, 40000, 7001), (16, -50, 90000)],
)
def test_every_entry_of_the_table_is_the_standards(script, shape, bits, center, width):
    window = Window(center=center, width=width, function=VoiFunction(shape))
    greys = np.array(list(script("([bits, w]) => [...buildLut(bits, w)]", [bits, words_of(window)])))
    expected = compute_greys(np.arange(2**bits), window)
    assert greys.shape == (2**bits,)
    np.testing.assert_array_equal(greys, expected)
    rendered = make_table(window, bits) * 255
    assert np.abs(greys - rendered).max() <= 0.51


def test_inverting_mirrors_every_grey(script):
    window = words_of(viewer_films.WINDOWS[1])
    plain, inverted = script("(w) => [[...buildLut(12, w)], [...buildLut(12, w, true)]]", window)
    assert [255 - grey for grey in plain] == inverted


def test_the_films_own_table_is_the_default_and_can_be_windowed(script):
    table = (np.linspace(0, 1, 4096) ** 2 * 65535).astype(np.uint16)
    presets, greys = script(
        """(table) => {
          const film = raster(2, 2, 12, [0, 5, 4000, 9], table);
          const presets = listPresets({ windows: [{ center: 9, width: 5, function: "LINEAR", name: "" }] }, film);
          return [presets, [...buildLut(12, presets[0], false, film.table)]];
        }""",
        table.tolist(),
    )
    assert [preset["name"] for preset in presets] == [
        "Film's own table",
        "Film's window",
        "Full range",
        "Auto 1–99 %",
        "Soft",
    ]
    np.testing.assert_array_equal(greys, np.floor(table / 65535 * 255 + 0.5))


def test_full_range_and_auto_span_the_films_values(script):
    values = [7] * 2 + list(range(100, 296)) + [3000] * 2
    presets = script("(values) => listPresets({ windows: [] }, raster(2, 100, 12, values))", values)
    full, auto, soft = presets
    assert (full["center"], full["width"]) == ((7 + 3000) / 2, 3000 - 7)
    assert auto["center"] - auto["width"] / 2 == np.percentile(values, 1, method="inverted_cdf")
    assert auto["center"] + auto["width"] / 2 == np.percentile(values, 99, method="inverted_cdf")
    assert soft["function"] == "SIGMOID"


def test_dragging_keeps_a_window_possible(script):
    start = words_of(viewer_films.WINDOWS[1])
    assert script("(w) => dragWindow(w, 100, 0, 12).width", start) > 900
    assert script("(w) => dragWindow(w, 0, 100, 12).center", start) > 1500
    assert script("(w) => dragWindow(w, -1e4, 0, 12).width", start) == 1
    assert script("(w) => dragWindow(w, 1e4, 1e6, 12)", start)["center"] == 2 * 4096


@pytest.mark.parametrize("bits", [8, 12])
def test_pixels_arrive_as_they_were_packed(script, bits):
    pixels = viewer_films.make_pixels(3, rows=7, columns=9) >> (12 - bits)
    table = np.arange(2**bits, dtype=np.uint16) if bits == 12 else None
    film = ViewerFilm(film_id="ü", stored=pixels, bits=bits, windows=viewer_films.WINDOWS, voi_table=table)
    found = script(
        """(text) => {
          const all = toBytes(text);
          const odd = new Uint8Array(all.length + 3).subarray(3);  // as it lies within a larger message
          odd.set(all);
          const { pixels, table, ...rest } = unpackPacket(odd);
          return { ...rest, pixels: [...pixels], table: table && [...table] };
        }""",
        encode(pack_film(film)),
    )
    assert (found["film_id"], found["rows"], found["columns"], found["bits"]) == ("ü", 7, 9, bits)
    assert found["pixels"] == pixels.ravel().tolist()
    assert found["table"] == (None if table is None else table.tolist())


def damage_header(payload, **changes):
    length = int.from_bytes(payload[4:8], "little")
    header = {**json.loads(payload[8 : 8 + length]), **changes}
    text = json.dumps(header).encode().ljust(length)
    return payload[:4] + len(text).to_bytes(4, "little") + text + payload[8 + length :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda payload: b"",
        lambda payload: payload[:6],
        lambda payload: b"ABCD" + payload[4:],
        lambda payload: payload[:20],
        lambda payload: payload[:-1],
        lambda payload: payload + b"\0\0",
        lambda payload: payload[:4] + b"\xff\xff\xff\xff" + payload[8:],
        lambda payload: payload[:8] + b"[" + payload[9:],
        lambda payload: damage_header(payload, rows=0),
        lambda payload: damage_header(payload, columns=1e9),
        lambda payload: damage_header(payload, rows="3"),
        lambda payload: damage_header(payload, bits=40),
        lambda payload: damage_header(payload, bits=9),
        lambda payload: damage_header(payload, film_id=None),
        lambda payload: damage_header(payload, table=True),
    ],
)
def test_a_damaged_packet_is_a_sentence(script, damage):
    film = ViewerFilm(
        film_id="x", stored=viewer_films.make_pixels(3, rows=7, columns=9), bits=12, windows=viewer_films.WINDOWS
    )
    fault, held = script(
        """(text) => {
          const store = new FilmStore();
          store.add(toBytes(text));
          return [store.fault, store.films.size];
        }""",
        encode(damage(pack_film(film))),
    )
    assert fault.startswith("The film arrived damaged: ")
    assert held == 0


def test_the_store_forgets_the_films_not_used_for_longest(script):
    kept = script(
        """() => {
          const store = new FilmStore();
          for (const name of ["a", "b", "c", "d"]) store.films.set(name, { byteLength: 150 * 1024 * 1024 });
          store.find("a");
          store.forget();
          return [...store.films.keys()];
        }"""
    )
    assert kept == ["d", "a"]


def sample(script, pixels, frame):
    rows, columns = pixels.shape
    out = script(
        """([rows, columns, values, frame]) => {
          const out = new Uint16Array(frame.width * frame.height);
          const rectangle = resample(raster(rows, columns, 16, values), frame, out);
          return [[...out], rectangle];
        }""",
        [rows, columns, pixels.ravel().tolist(), frame],
    )
    return np.array(out[0]).reshape(frame["height"], frame["width"]), out[1]


def test_at_full_size_every_pixel_is_itself(script):
    pixels = viewer_films.make_pixels(4, rows=30, columns=40)
    frame = {"width": 50, "height": 36, "originX": -6, "originY": -3, "stepX": 1, "stepY": 1}
    shown, rectangle = sample(script, pixels, frame)
    assert rectangle == {"left": 6, "right": 46, "top": 3, "bottom": 33}
    np.testing.assert_array_equal(shown[3:33, 6:46], pixels)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_reducing_averages_what_a_screen_pixel_covers(script, factor):
    pixels = np.random.default_rng(5).integers(0, 60000, (48, 72)).astype(np.uint16)
    rows, columns = 48 // factor, 72 // factor
    frame = {"width": columns, "height": rows, "originX": 0, "originY": 0, "stepX": factor, "stepY": factor}
    shown, _ = sample(script, pixels, frame)
    means = pixels.reshape(rows, factor, columns, factor).mean(axis=(1, 3))
    assert np.abs(shown - means).max() <= 1.5


def test_enlarging_keeps_a_slope_straight(script):
    pixels = np.tile(np.arange(0, 4000, 100, dtype=np.uint16), (10, 1))
    frame = {"width": 80, "height": 20, "originX": 0, "originY": 0, "stepX": 0.5, "stepY": 0.5}
    shown, _ = sample(script, pixels, frame)
    expected = np.clip((np.arange(80) + 0.5) * 50 - 50, 0, 3900)
    assert np.abs(shown[7] - expected).max() <= 1


def test_an_even_film_stays_even_however_it_is_seen(script):
    pixels = np.full((131, 77), 1234, np.uint16)
    for step in (0.1, 0.77, 1.0, 1.01, 1.9, 3.3, 17.0):
        frame = {"width": 33, "height": 21, "originX": -3.3, "originY": 2.7, "stepX": step, "stepY": step * 1.3}
        shown, r = sample(script, pixels, frame)
        assert (shown[r["top"] : r["bottom"], r["left"] : r["right"]] == 1234).all(), step


def test_a_film_of_one_pixel_can_be_seen(script):
    shown, _ = sample(
        script,
        np.array([[500]], np.uint16),
        {"width": 4, "height": 4, "originX": 0, "originY": 0, "stepX": 0.25, "stepY": 0.25},
    )
    assert (shown == 500).all()


def test_zoom_keeps_the_point_under_the_pointer(script):
    film = {"rows": 1000, "columns": 800, "spacing_mm": [0.2, 0.1]}
    before, after, zoom = script(
        """(film) => {
          const place = { zoom: 2, x: 0.5, y: 0.5 };
          const frame = frameOf(place, film, 760, 600);
          const next = zoomAt(place, film, frame, 300, 200, 1.7);
          const inner = frameOf(next, film, 760, 600);
          return [toFilm(frame, 300, 200), toFilm(inner, 300, 200), next.zoom];
        }""",
        film,
    )
    assert zoom == pytest.approx(3.4)
    assert (after["x"], after["y"]) == pytest.approx((before["x"], before["y"]))


def test_pixels_that_are_not_square_keep_their_shape(script):
    frame = script(
        "() => frameOf({ zoom: 1, x: 0.5, y: 0.5 }, { rows: 100, columns: 200, spacing_mm: [0.4, 0.2] }, 500, 500)"
    )
    assert frame["stepX"] == pytest.approx(2 * frame["stepY"])
    assert 100 / frame["stepY"] == pytest.approx(500)


@pytest.mark.parametrize(
    ("film", "words"),
    [
        ({"spacing_mm": [0.2, 0.1], "spacing_at": "patient"}, "50.0 mm"),
        ({"spacing_mm": [0.2, 0.1], "spacing_at": "detector"}, "50.0 mm at the detector"),
        ({"spacing_mm": None, "spacing_at": None}, "361 px"),
    ],
)
def test_a_length_says_where_it_holds(script, film, words):
    assert script("(film) => describeLength(film, { x: 10, y: 10 }, { x: 310, y: 210 })", film) == words


def test_the_heat_map_is_enlarged_between_the_centres_of_its_cells(script):
    grid = [[0, 1, 0.5], [0.25, 0, 1]]
    at = script("(grid) => [[0.5, 0.25], [0, 0], [1, 1], [2 / 6, 0.5]].map(([u, v]) => sampleGrid(grid, u, v))", grid)
    assert at == pytest.approx([1, 0, 1, (0 + 1 + 0.25 + 0) / 4])


def test_the_contour_lies_at_half_of_the_maximum(script):
    grid = [[0, 0, 0, 0], [0, 0.6, 0.6, 0], [0, 0.6, 0.3, 0], [0, 0, 0, -0.5]]
    values = script(
        """(grid) => makeHeat(grid).lines
          .flatMap(([x1, y1, x2, y2]) => [sampleGrid(grid, x1, y1), sampleGrid(grid, x2, y2)])""",
        grid,
    )
    assert len(values) > 50
    assert values == pytest.approx([0.3] * len(values), abs=0.02)
    assert script("() => makeHeat([[0, 0], [0, 0]])") is None


def test_what_lowers_the_score_has_its_own_hue(script):
    pixels = script(
        """() => {
          const { picture, rows, columns } = makeHeat([[1, -0.5]]);
          const at = (x) => [...picture.getContext("2d").getImageData(x, rows / 2, 1, 1).data];
          return [at(1), at(columns - 2)];
        }"""
    )
    raises, lowers = pixels
    assert raises[0] > raises[2]
    assert lowers[2] > lowers[0]
    assert raises[3] == pytest.approx(2 * lowers[3], abs=4)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"code": "Digit1", "key": "1"}, "1"),
        ({"code": "Digit1", "key": "&"}, "1"),
        ({"code": "Digit1", "key": "!", "shiftKey": True}, "!"),
        ({"code": "Digit1", "key": "1", "shiftKey": True}, "1"),
        ({"code": "Numpad4", "key": "4"}, "4"),
        ({"code": "KeyI", "key": "I", "shiftKey": True}, "i"),
        ({"code": "Slash", "key": "?", "shiftKey": True}, "?"),
    ],
)
def test_keys_are_named_alike_on_every_keyboard(script, event, name):
    assert script("(event) => nameKey({ shiftKey: false, ...event })", event) == name
