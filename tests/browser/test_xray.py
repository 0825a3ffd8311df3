"""The X-ray page in a real browser: files through the real reader process, a made-up model, real keys."""

import re
from pathlib import Path

import film_files
import pytest

from medcore.imaging.phantom import make_phantom, phantom_png

pytestmark = pytest.mark.browser

NUMBER = re.compile(r"\d+ %")
NAME = "mueller_anna"
ZONE = ".st-key-xray_bar [data-testid=stFileUploaderDropzone]"
WAIT_MS = 120_000


def make_dicom(seed=1, **tags):
    pixels = make_phantom(seed, 600, 500).stored
    defaults = {"PatientName": "Mueller^Anna", "PatientAge": "027M", "SOPInstanceUID": f"1.2.3.{seed}"}
    return film_files.make_dicom(pixels, **{**defaults, **tags})


def file(name, data):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


@pytest.fixture(scope="module")
def good():
    return file(f"{NAME}.png", phantom_png(1))


@pytest.fixture(scope="module")
def dicom():
    return file("IM0001", make_dicom())


@pytest.fixture
def page(open_page, xray_server):
    """An empty X-ray page."""
    page = open_page(f"{xray_server}/xray")
    page.set_default_timeout(WAIT_MS)
    page.wait_for_selector(".mc-start")
    return page


def drop(page, *files):
    page.set_input_files("[data-testid=stFileUploaderDropzoneInput]", list(files))
    page.wait_for_selector(".viewer canvas", timeout=WAIT_MS)


def settle(page, words):
    page.wait_for_function("words => document.body.innerText.includes(words)", arg=words, timeout=WAIT_MS)


def settle_on(page, film):
    """Wait until the viewer shows a film."""
    page.locator(".corner.upper", has_text=re.compile(rf"^{film}\b")).first.wait_for(timeout=WAIT_MS)


def panel(page):
    return page.locator(".st-key-xray_panel").inner_text()


def rows(page):
    return [" ".join(text.split()) for text in page.locator(".rows button").all_inner_texts()]


def wait_for_rows(page, count):
    page.wait_for_selector(f".rows li:nth-child({count})", timeout=WAIT_MS)
    page.wait_for_selector(".mc-counts progress", state="detached", timeout=WAIT_MS)


def wait_for_one_zone(page):
    """Wait until the drop zone of the run before is gone."""
    page.wait_for_function("zone => document.querySelectorAll(zone).length === 1", arg=ZONE, timeout=WAIT_MS)


def test_a_good_a_bad_and_a_dicom_film_are_read_one_after_the_other(page, good, dicom):
    drop(page, good, file("notes.dcm", b"this is no film"), dicom)
    wait_for_rows(page, 3)
    settle(page, "3 films · 0 read · 1 unreadable")
    assert not NUMBER.search(page.locator(".st-key-xray_list").inner_text() + panel(page))
    assert page.locator(".picture img").count() == 2

    page.keyboard.press("2")
    page.wait_for_selector(".mc-finding")
    assert "Pneumonia pattern: 83 %" in panel(page)
    assert "✓ pneumonia 83 %" in rows(page)[0]
    assert not NUMBER.search(rows(page)[2])

    settle(page, "Checked:")
    page.keyboard.down("h")
    page.wait_for_selector(".caption.heated")
    assert "is no proof" in page.locator(".caption").inner_text()
    page.keyboard.up("h")
    page.wait_for_selector(".caption:not(.heated)")

    page.keyboard.press("n")
    settle(page, "notes.dcm: it is no DICOM, PNG or JPEG file.")
    page.wait_for_selector(".viewer", state="detached")
    page.keyboard.press("n")
    page.wait_for_selector(".viewer canvas")
    settle(page, "before the model")
    assert page.locator(".corner.upper").first.inner_text().splitlines()[1].startswith("2 y 3 m · F · AP · 2024-01-02")
    page.keyboard.press("1")
    page.wait_for_selector(".mc-finding")
    assert "✓ normal" in rows(page)[2]
    page.keyboard.press("p")
    settle(page, "notes.dcm: it is no DICOM")
    page.wait_for_selector(".viewer", state="detached")
    page.keyboard.press("p")
    settle(page, "Your reading: pneumonia")


def test_override_takes_a_reason_and_its_letters_are_not_commands(page, dicom, good):
    drop(page, dicom, good)
    page.keyboard.press("1")
    page.wait_for_selector(".mc-finding")
    page.keyboard.press("o")
    page.wait_for_function("() => document.activeElement?.closest('[class*=st-key-why_]')")
    page.keyboard.type("unlike")
    page.get_by_role("option", name="This patient is unlike those of the study").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-override_keep button:not([disabled])")
    page.get_by_label("In your own words").fill("no nipple shadow, a 1 2 3")
    page.locator(".st-key-override_keep button").click()
    settle(page, "Reason: This patient is unlike those of the study: no nipple shadow, a 1 2 3")
    assert "Your reading: normal" in panel(page)
    assert "overridden" in rows(page)[0]


def test_where_the_site_does_not_read_first_the_answer_is_open(open_page, serve, tmp_path, dicom, good):
    run_server, _ = serve
    script = Path(__file__).parent / "xray_open_app.py"
    with run_server(script, tmp_path, TMPDIR=str(tmp_path)) as address:
        page = open_page(f"{address}/xray")
        page.set_default_timeout(WAIT_MS)
        page.wait_for_selector(".mc-start")
        assert "does not ask for your reading first" in panel(page)
        drop(page, dicom, good)
        wait_for_rows(page, 2)
        page.wait_for_selector(".mc-finding", timeout=WAIT_MS)
        assert "not asked for first at this site" in panel(page)
        assert "Pneumonia pattern: 83 %" in panel(page)
        page.locator(".rows button", has_text=NUMBER).nth(1).wait_for(timeout=WAIT_MS)
        page.keyboard.press("2")
        settle(page, "(after the score)")
        settle(page, "not counted in the agreement report")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_withheld_film_has_no_number_but_its_picture(page):
    drop(page, file("old.dcm", make_dicom(3, PatientAge="009Y")))
    settle(page, "No score: age 9 years")
    page.keyboard.press("3")
    settle(page, "Your reading: other")
    assert not NUMBER.search(panel(page))
    assert "Withheld" in page.locator(".mc-badge").text_content()


def test_two_films_of_one_child_stand_side_by_side(page):
    first = make_dicom(1, StudyInstanceUID="1.5", StudyDate="20230101", SOPInstanceUID="1.5.1")
    second = make_dicom(2, StudyInstanceUID="1.6", StudyDate="20240101", SOPInstanceUID="1.6.1")
    drop(page, file("b", second), file("a", first))
    wait_for_rows(page, 2)
    button = page.locator(".viewer [data-do=prior]")
    page.wait_for_selector(".viewer [data-do=prior]:not([disabled])", timeout=WAIT_MS)
    button.click()
    page.wait_for_selector(".pane:nth-of-type(2) canvas")
    assert "2023-01-01" in page.locator(".stage").inner_text()


def test_the_sample_film_needs_no_file(page):
    page.get_by_role("button", name="Try a sample film (made up)").click()
    page.wait_for_selector(".viewer canvas", timeout=WAIT_MS)
    page.keyboard.press("4")
    settle(page, "a synthetic picture drawn by code")


def test_the_site_figure_is_set_on_the_page(page, dicom):
    drop(page, dicom)
    page.keyboard.press("2")
    page.wait_for_selector(".mc-finding")
    field = page.locator(".st-key-site_prevalence input")
    field.fill("30")
    field.press("Enter")
    settle(page, "at a site where 30 of 100 such films show it")
    assert "42 %" in panel(page)


def test_csv_and_clear(page, good):
    drop(page, good)
    page.keyboard.press("1")
    page.wait_for_selector(".mc-finding")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    text = download.value.path().read_text("utf-8-sig")
    assert text.splitlines()[0].startswith("film,file,state,own_reading")
    assert f"1,{NAME}.png,caution,normal,,,83," in text
    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector(".mc-start")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_everything_fits_the_window(open_page, xray_server, dicom, width, height):
    page = open_page(f"{xray_server}/xray", width=width, height=height)
    page.set_default_timeout(WAIT_MS)
    page.wait_for_selector(".mc-start")
    drop(page, dicom)
    page.keyboard.press("2")
    page.wait_for_selector(".mc-finding")
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") <= height
    boxes = {key: page.locator(f".{key}").bounding_box() for key in ("st-key-xray_list", "viewer", "st-key-xray_panel")}
    foot = page.locator(".mc-foot").bounding_box()
    assert boxes["st-key-xray_list"]["width"] == 200
    assert boxes["st-key-xray_panel"]["width"] == 272
    assert boxes["viewer"]["width"] >= 750
    assert boxes["viewer"]["height"] >= height - 156
    for box in boxes.values():
        assert box["y"] + box["height"] <= foot["y"] + 1
        assert box["x"] + box["width"] <= width


def test_a_long_list_scrolls_and_the_film_on_the_screen_stays_in_sight(page):
    drop(page, *(file(f"{i}.dcm", make_dicom(i)) for i in range(1, 15)))
    wait_for_rows(page, 14)
    films, tools = (page.locator(key).bounding_box() for key in (".st-key-films", ".st-key-film_tools"))
    assert films["y"] + films["height"] <= tools["y"]
    assert page.evaluate("() => document.querySelector('.st-key-films').scrollHeight") > films["height"]
    page.locator(".rows button").nth(12).click()
    settle_on(page, "Film 13")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.keyboard.press("n")
    settle_on(page, "Film 14")
    page.wait_for_selector(".rows li:nth-child(14) button[aria-current=true]")
    row = page.locator(".rows button").nth(13).bounding_box()
    assert films["y"] - 1 <= row["y"]
    assert row["y"] + row["height"] <= films["y"] + films["height"] + 1


def test_a_key_whose_message_is_lost_on_its_way_is_sent_again(browser, xray_server, dicom, good):
    """Streamlit's page keeps one message for the server; a timer's may take the place of a key's."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    losing, lost = [], []

    def carry(socket):
        server = socket.connect_to_server()

        def pass_on(message):
            if losing and b"events" in message:
                losing.pop()
                lost.append(message)
            else:
                server.send(message)

        socket.on_message(pass_on)

    page.route_web_socket(re.compile("_stcore/stream"), carry)
    page.goto(f"{xray_server}/xray")
    page.wait_for_selector(".mc-start")
    drop(page, good, dicom)
    wait_for_rows(page, 2)
    for key, film in (("n", "Film 2"), ("p", "Film 1")):
        losing.append(key)
        page.keyboard.press(key)
        settle_on(page, film)
    page.keyboard.press("n")
    settle_on(page, "Film 2")
    page.keyboard.press("1")
    page.wait_for_selector(".mc-finding")
    assert len(lost) == 2
    assert [row.count("✓ normal") for row in rows(page)] == [0, 1]
    context.close()


def test_no_text_is_smaller_than_13_pixels(page, dicom):
    drop(page, dicom)
    page.keyboard.press("2")
    page.wait_for_selector(".mc-finding")
    small = page.evaluate(
        """() => {
            const all = (root) => [...root.querySelectorAll('*')].flatMap(
                e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
            return all(document.querySelector('[data-testid=stMain]')).filter(e =>
                [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility()
                && !['STYLE', 'SCRIPT'].includes(e.tagName) && parseFloat(getComputedStyle(e).fontSize) < 13)
                .map(e => e.outerHTML.slice(0, 120));
        }"""
    )
    assert not small


def test_dragging_files_over_the_page_opens_a_drop_zone_everywhere(page, good):
    drop(page, good)
    wait_for_rows(page, 1)
    wait_for_one_zone(page)
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "x.png"));
            const event = new DragEvent('dragenter', {dataTransfer: data, bubbles: true});
            document.querySelector('.mc-foot').dispatchEvent(event);
        }"""
    )
    box = page.locator(ZONE).bounding_box()
    assert box["width"] > 1200
    assert box["height"] > 700
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["no film"], "dropped.txt"));
            const zone = document.querySelector('.st-key-xray_bar [data-testid=stFileUploaderDropzone]');
            for (const kind of ['dragenter', 'dragover', 'drop'])
                zone.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
        }"""
    )
    settle(page, "2 films")
    wait_for_one_zone(page)
    assert page.locator(ZONE).bounding_box()["height"] < 60


def test_films_belong_to_one_session_and_no_name_reaches_the_disk(open_page, xray_server, good, xray_folder):
    page = open_page(f"{xray_server}/xray")
    page.set_default_timeout(WAIT_MS)
    page.wait_for_selector(".mc-start")
    drop(page, good)
    page.keyboard.press("1")
    page.wait_for_selector(".mc-finding")
    other = open_page(f"{xray_server}/xray")
    other.wait_for_selector(".mc-start")
    for path in xray_folder.rglob("*"):
        assert NAME not in path.name
        assert not path.is_file() or NAME.encode() not in path.read_bytes()


def test_the_page_is_left_dark_and_films_are_there_on_return(page, good):
    drop(page, good)
    page.get_by_role("link", name="Risk").click()
    page.wait_for_selector(".st-key-form input")
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    page.get_by_role("link", name="X-ray").click()
    page.wait_for_selector(".viewer canvas")
    assert page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(16, 20, 24)"
