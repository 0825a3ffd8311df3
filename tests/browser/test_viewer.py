"""The viewer in a real browser, on a page of its own under the dashboard's security headers."""

import re

import numpy as np
import pytest
import viewer_films

STORE = 'globalThis[Symbol.for("medcore.viewer.store")]'
LEAST_FPS = 30
SEND_POINTER_MOVES = """async (pane) => {
  const box = pane.getBoundingClientRect();
  const before = Number(pane.dataset.frames);
  const start = performance.now();
  let turn = 0;
  await new Promise((done) => {
    const step = () => {
      turn += 1;
      const clientX = box.left + 300 + 100 * Math.sin(turn / 10);
      const clientY = box.top + 300 + 100 * Math.cos(turn / 13);
      pane.dispatchEvent(new PointerEvent("pointermove", { pointerId: 1, clientX, clientY }));
      if (performance.now() - start < 1500) requestAnimationFrame(step);
      else done();
    };
    requestAnimationFrame(step);
  });
  return (1000 * (Number(pane.dataset.frames) - before)) / (performance.now() - start);
}"""

pytestmark = pytest.mark.browser


@pytest.fixture
def page(open_page, viewer_server):
    """The page with film 0 on the screen, the pointer on its middle, and the sizes of all messages received."""
    page = open_page("about:blank")
    page.received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: page.received.append(len(data))))
    page.goto(viewer_server)
    page.wait_for_selector(".pane.current[data-frames]")
    page.wait_for_function(f"() => {STORE}.films.size === 3 && {STORE}.tensors.size === 3")
    box = page.locator(".pane.current").bounding_box()
    page.middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*page.middle)
    return page


def read(page, name, pane="current"):
    return page.locator(f".pane.{pane}").get_attribute(f"data-{name}")


def settle(page):
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def look(page, pane="current"):
    """Greys of the whole canvas, for comparing."""
    settle(page)
    return np.array(
        page.locator(f".pane.{pane} canvas.film").evaluate(
            """(canvas) => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              return Array.from({ length: data.length / 4 / 97 | 0 }, (_, i) => data[4 * 97 * i]);
            }"""
        )
    )


def drag(page, right, down, button="left"):
    x, y = page.middle
    page.mouse.move(x, y)
    page.mouse.down(button=button)
    page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up(button=button)
    settle(page)


def wait_for_log(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('[data-testid=stCode]')?.innerText.includes(words)", arg=words
    )


def count_runs(page):
    return int(re.search(r"runs (\d+)", page.locator("[data-testid=stCaptionContainer]").inner_text())[1])


def test_dragging_changes_the_window_and_nothing_else(page):
    before, runs = look(page), count_runs(page)
    drag(page, 80, -60)
    assert float(read(page, "width")) > 4096
    assert float(read(page, "center")) < 2048
    assert read(page, "zoom") == "1"
    assert np.abs(look(page) - before).mean() > 5
    assert page.locator(".presets").evaluate("menu => menu.selectedOptions[0].text") == "By hand"
    assert count_runs(page) == runs


def test_the_wheel_zooms_at_the_pointer_and_space_pans(page):
    x, y = page.middle
    page.mouse.move(x + 100, y + 50)
    before = page.locator(".corner.under").first.inner_text()
    page.mouse.wheel(0, -600)
    settle(page)
    assert float(read(page, "zoom")) == pytest.approx(1.896, abs=0.01)  # one turn of the wheel is bounded
    page.mouse.move(x + 101, y + 50)
    page.mouse.move(x + 100, y + 50)
    after = page.locator(".corner.under").first.inner_text()
    column, row = (int(text) for text in re.findall(r"\d+", after)[:2])
    assert (column, row) == pytest.approx([int(text) for text in re.findall(r"\d+", before)[:2]], abs=2)
    place = read(page, "x")
    page.keyboard.down(" ")
    drag(page, -50, 0)
    page.keyboard.up(" ")
    assert float(read(page, "x")) > float(place)
    assert read(page, "width") == "4096"
    place = read(page, "y")
    drag(page, 0, -50, button="middle")
    assert float(read(page, "y")) > float(place)


def test_invert_presets_and_reset(page):
    start = look(page)
    page.keyboard.press("i")
    inverted = look(page)
    on_film = start != inverted
    assert on_film.mean() > 0.3
    assert (start[on_film] + inverted[on_film] == 255).all()
    page.locator(".presets").select_option(label="Bone")
    settle(page)
    assert (read(page, "shape"), read(page, "width")) == ("SIGMOID", "1500")
    page.mouse.wheel(0, -300)
    page.keyboard.press("0")
    np.testing.assert_array_equal(look(page), start)


def test_every_shown_grey_is_the_standards(page):
    """At one screen pixel per film pixel, a window by drag: greys of the whole film against NumPy."""
    page.keyboard.press("n")
    page.wait_for_selector(".pane.current[data-film=film-1]")
    drag(page, -70, 40)
    greys = page.evaluate(
        """() => {
          const pane = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.medcoreViewer)
            .find(Boolean).film;
          const { width, height } = pane.canvas;
          const fit = Math.min(width / 500, height / 400);
          pane.setPlace({ zoom: 1 / fit, x: width / 2 / 500, y: height / 2 / 400 });
          pane.draw();
          const { data } = pane.context.getImageData(0, 0, 500, 400);
          return Array.from({ length: 200000 }, (_, i) => data[4 * i]);
        }"""
    )
    center, width = float(read(page, "center")), float(read(page, "width"))
    x = viewer_films.make_pixels(1).astype(float).ravel()
    expected = np.floor(np.clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(greys, expected)
    assert len(set(greys)) > 100


def test_the_ruler_measures_in_millimetres_at_the_detector(page):
    page.keyboard.press("l")
    drag(page, 200, 0)
    pane = page.locator(".pane.current").bounding_box()
    film_px = 200 / min(pane["height"] / 1955, pane["width"] / 1841)
    found = re.fullmatch(r"([\d.]+) mm at the detector", read(page, "rulers"))
    assert float(found[1]) == pytest.approx(film_px * 0.2, abs=0.6)
    assert read(page, "width") == "4096"
    page.keyboard.press("Delete")
    settle(page)
    assert read(page, "rulers") == ""
    page.keyboard.press("l")
    drag(page, 20, 0)
    assert read(page, "width") != "4096"


def test_readings_reach_the_page_once_and_in_order(page):
    for key in ("3", "a", "2"):
        page.keyboard.press(key)
    wait_for_log(page, "reading=2")
    log = page.locator("[data-testid=stCode]").inner_text().splitlines()
    kinds = [re.search(r"reading=(\w+), verdict=([\w']+)", line).groups() for line in log]
    assert kinds == [("3", "None"), ("None", "'agree'"), ("2", "None")]
    runs = count_runs(page)
    page.get_by_role("button", name="Run again").click()
    page.wait_for_function("(old) => !document.body.innerText.includes('runs ' + old)", arg=runs)
    assert len(page.locator("[data-testid=stCode]").inner_text().splitlines()) == 3


def test_no_reading_is_taken_for_a_film_that_is_being_left(page):
    page.keyboard.press("n")
    page.keyboard.press("1")
    page.wait_for_selector(".pane.current[data-film=film-1]")
    page.keyboard.press("4")
    wait_for_log(page, "reading=4")
    log = page.locator("[data-testid=stCode]").inner_text()
    assert "reading=1" not in log
    assert re.search(r"film_id='film-1', reading=4", log)


def test_typing_is_not_reading(page):
    runs = count_runs(page)
    field = page.get_by_label("Note")
    field.click()
    page.keyboard.type("3 a n 0 i hello r c")
    assert field.input_value() == "3 a n 0 i hello r c"
    settle(page)
    assert read(page, "inverted") == "false"
    assert "ViewerEvents" not in page.locator("[data-testid=stCode]").inner_text()
    page.mouse.click(*page.middle)
    page.keyboard.press("r")
    page.keyboard.press("c")
    page.keyboard.press("Control+a")
    page.wait_for_timeout(500)
    assert count_runs(page) <= runs + 1  # the field's own change
    assert page.locator("[data-testid=stDialog]").count() == 0
    assert "agree" not in page.locator("[data-testid=stCode]").inner_text()


def test_the_heat_map_comes_when_asked_for_and_shows_while_h_is_held(page):
    assert read(page, "heat") == "false"
    page.keyboard.down("h")
    page.wait_for_selector(".pane.current[data-heat=true]")
    assert page.get_by_text("Shows where the score is sensitive.").is_visible()
    colours = page.locator(".pane.current canvas.over").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const hues = [];
          for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 60) hues.push([data[i], data[i + 1], data[i + 2]]);
          return hues;
        }"""
    )
    assert len(colours) > 500
    hued = np.array([c for c in colours if c[0] > 100])
    assert np.abs(hued / hued.max(axis=1, keepdims=True) - np.array([255, 180, 84]) / 255).max() < 0.2
    page.keyboard.up("h")
    page.wait_for_selector(".pane.current[data-heat=false]")
    runs = count_runs(page)
    page.keyboard.press("h")
    page.get_by_role("button", name="Heat map").click()
    page.wait_for_selector(".pane.current[data-heat=true]")
    page.get_by_role("slider").fill("80")
    assert page.evaluate(f"{STORE}.preferences.opacity") == 0.8
    page.keyboard.press("n")
    page.wait_for_selector(".pane.current[data-film=film-1][data-heat=false]")
    page.wait_for_selector(f"text=runs {runs + 1}")
    page.wait_for_timeout(300)
    assert count_runs(page) == runs + 1


def test_pixels_travel_once(page):
    assert max(page.received) > 1955 * 1841 * 2
    page.received.clear()
    for key, film in (("h", "film-0"), ("n", "film-1"), ("p", "film-0")):
        page.keyboard.press(key)
        page.wait_for_selector(f".pane.current[data-film={film}]")
        page.wait_for_timeout(500)
    page.get_by_role("button", name="Run again").click()
    page.wait_for_timeout(500)
    small = 400 * 500 * 2
    assert max(page.received) < small + 2000  # film 2, which is now the next
    assert sum(size > 100_000 for size in page.received) == 1


def test_what_the_reader_set_is_kept_by_film(page):
    drag(page, 60, 0)
    page.mouse.wheel(0, -300)
    settle(page)
    before = [read(page, name) for name in ("width", "zoom", "x", "y")]
    page.keyboard.press("n")
    page.wait_for_selector(".pane.current[data-film=film-1]")
    assert read(page, "zoom") == "1"
    page.keyboard.press("p")
    page.wait_for_selector(".pane.current[data-film=film-0]")
    assert [read(page, name) for name in ("width", "zoom", "x", "y")] == before


def test_pixels_that_are_missing_are_asked_for_and_damaged_ones_explained(page):
    page.keyboard.press("n")
    page.wait_for_selector(".pane.current[data-film=film-1]")
    page.wait_for_function(f"() => {STORE}.films.size === 4 && {STORE}.tensors.size === 4")
    page.evaluate(f"{STORE}.films.delete('film-0')")
    page.evaluate(  # the first answer is damaged on its way
        f"""() => {{
          const packets = globalThis[Symbol.for("medcore.viewer.packets")];
          const take = packets.take;
          packets.take = () => {{
            packets.waiting.splice(0);
            packets.take = take;
            {STORE}.add(new Uint8Array(99));
          }};
        }}"""
    )
    page.keyboard.press("p")
    page.wait_for_selector("text=The film arrived damaged: the message does not start as a film does. Open it again.")
    page.wait_for_selector(".pane.current[data-film=film-0]")
    page.wait_for_selector(".message", state="hidden")


def test_what_the_model_saw_stands_beside_the_film(page):
    page.keyboard.press("m")
    page.wait_for_selector("text=What the model saw: 224 × 224")
    greys = page.locator(".pane.tensor canvas").evaluate(
        """(canvas) => {
          const side = Math.min(canvas.width, canvas.height);
          const left = Math.round((canvas.width - side) / 2);
          const top = Math.round((canvas.height - side) / 2);
          const { data } = canvas.getContext("2d").getImageData(left, top, side, side);
          const at = (i) => Math.floor((i + 0.5) * side / 224);
          return Array.from({ length: 224 * 224 }, (_, i) => data[4 * (at(i / 224 | 0) * side + at(i % 224))]);
        }"""
    )
    tensor = (viewer_films.make_pixels(0, 1955, 1841)[:224, :224] >> 4).astype(np.uint8)
    np.testing.assert_array_equal(greys, tensor.ravel())
    page.keyboard.press("m")
    assert page.locator(".pane.tensor").is_hidden()


def test_the_prior_stands_beside_with_a_zoom_of_its_own(page):
    page.keyboard.press("b")
    page.wait_for_selector(".pane.prior[data-film=film-9]")
    pane = page.locator(".pane.prior").bounding_box()
    page.mouse.move(pane["x"] + 100, pane["y"] + 300)
    page.mouse.wheel(0, -300)
    settle(page)
    assert (read(page, "zoom"), float(read(page, "zoom", "prior")) > 1) == ("1", True)
    page.get_by_text("Prior follows zoom and pan").click()
    settle(page)
    assert read(page, "zoom", "prior") == "1"
    page.mouse.move(pane["x"] + 100, pane["y"] + 300)
    page.mouse.wheel(0, -300)
    settle(page)
    assert read(page, "zoom", "prior") == read(page, "zoom") != "1"


def test_the_help_card_by_keyboard_and_full_screen(page):
    page.keyboard.press("?")
    card = page.get_by_role("dialog", name="Keys of the viewer")
    assert card.is_visible()
    for words in ("invert", "what the model saw", "next film"):
        assert card.get_by_text(words).count() == 1
    page.keyboard.press("Escape")
    assert card.is_hidden()
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement !== null")
    page.keyboard.press("i")
    settle(page)
    assert read(page, "inverted") == "true"
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement === null")


def test_everything_can_be_done_without_a_mouse(page):
    page.locator(".pane.current").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    settle(page)
    assert float(read(page, "zoom")) > 1
    assert float(read(page, "x")) > 0.5
    assert float(read(page, "width")) > 4096
    names = page.locator(".viewer button, .viewer select, .viewer input, .pane.current, .pane.current canvas.film")
    for label in names.evaluate_all("all => all.map(e => e.ariaLabel || e.innerText || e.closest('label')?.innerText)"):
        if label != "undefined":
            assert label
    image = page.get_by_role("img", name=re.compile("Radiograph, Made-up film 0, .*1841 by 1955 pixels"))
    assert image.count() == 1


def test_one_finger_windows_and_two_zoom(page):
    def touch(kind, number, x, y):
        page.locator(".pane.current").evaluate(
            """(pane, [kind, pointerId, x, y]) => {
              pane.setPointerCapture = () => {};
              const box = pane.getBoundingClientRect();
              pane.dispatchEvent(new PointerEvent(kind, { pointerId, pointerType: "touch", button: 0,
                clientX: box.left + x, clientY: box.top + y, bubbles: true }));
            }""",
            [kind, number, x, y],
        )
        settle(page)

    touch("pointerdown", 7, 300, 300)
    touch("pointermove", 7, 350, 300)
    width = read(page, "width")
    assert float(width) > 4096
    touch("pointerdown", 8, 450, 300)
    touch("pointermove", 8, 550, 300)
    assert float(read(page, "zoom")) == pytest.approx(2, abs=0.01)
    assert read(page, "width") == width
    touch("pointerup", 8, 550, 300)
    touch("pointerup", 7, 350, 300)


def test_a_window_is_dragged_at_thirty_frames_a_second(page):
    pane = page.locator(".pane.current")
    rates = []
    for _ in range(3):  # the best of three: other work runs on the same machine
        page.mouse.down()
        rates.append(pane.evaluate(SEND_POINTER_MOVES))
        page.mouse.up()
        if rates[-1] >= LEAST_FPS:
            break
    assert max(rates) >= LEAST_FPS, rates


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080), (390, 844)])
def test_no_text_is_small_or_cut_off(open_page, viewer_server, width, height):
    page = open_page(viewer_server, width=width, height=height)
    page.wait_for_selector(".pane.current[data-frames]")
    small, cut = page.locator(".viewer").evaluate(
        """(viewer) => {
          const seen = [...viewer.querySelectorAll('*')].filter((e) => e.checkVisibility());
          const texts = seen.filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
          return [texts.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 13).map((e) => e.outerHTML),
            [...viewer.querySelectorAll('.bar, .foot')].filter((e) => e.scrollWidth > e.clientWidth).length];
        }"""
    )
    assert not small
    assert not cut
