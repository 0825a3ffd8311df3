"""The explore page in a browser: figures, a click on a patient, another field, and every file to take away."""

import csv
import io
import re
import struct
from pathlib import Path

import pytest

PATIENT = "[data-figure=patient] h2"


@pytest.fixture
def page(explore_server, open_page):
    page = open_page(f"{explore_server}/explore?condition=heart_disease")
    page.wait_for_selector(".st-key-explore_start button, .plots svg")
    if page.locator(".st-key-explore_start button").count():
        page.locator(".st-key-explore_start button").click()
    page.wait_for_selector("[data-figure=fields] svg circle", timeout=90_000)
    return page


def take(page, figure, name):
    with page.expect_download() as waiting:
        page.locator(f"[data-figure={figure}] .tools button", has_text=re.compile(f"^{name}$")).click()
    file = waiting.value
    return file.suggested_filename, Path(file.path()).read_bytes()


def read_rows(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_every_figure_stands_with_its_caption(page):
    for name in ("fields", "dependence", "effect", "shuffle", "patient"):
        assert page.locator(f"[data-figure={name}] svg").count() == 1, name
    for name in ("pairs", "groups", "similar"):
        assert page.locator(f"[data-figure={name}] h2").inner_text()
    assert page.locator("[data-figure=fields] circle[data-row]").count() == 200 * 12
    assert "patterns in the study, not causes" in page.locator("[data-figure=fields]").inner_text()
    assert "made-up patients" in page.locator(".mc-explored").inner_text()


def test_a_click_on_a_dot_opens_that_patients_waterfall(page):
    dot = page.locator("[data-figure=dependence] circle[data-row='7']")
    dot.dispatch_event("click")
    assert page.locator(PATIENT).inner_text().startswith("Made-up 8: risk")
    rows = page.locator("[data-figure=patient] svg rect")
    assert rows.count() == 13
    _, content = take(page, "patient", "CSV")
    table = read_rows(content)
    steps = [float(row[4]) for row in table[5:] if row[4]]
    base, risk = (float(row[2]) for row in table if row[1] in ("average risk", "risk"))
    assert base + sum(steps) == pytest.approx(risk, abs=0.05)
    assert page.locator(".left circle.chosen").count() >= 13


def test_the_dot_under_the_pointer_says_who_it_is(page):
    dot = page.locator("[data-figure=dependence] circle[data-row]").last
    dot.scroll_into_view_if_needed()
    dot.hover(force=True)
    assert "points" in page.locator(".tip").inner_text()


def test_another_field_is_drawn_without_the_server(page):
    name = page.locator("[data-figure=fields] text[data-field]").nth(2)
    label = name.locator("title").text_content().removesuffix(": show below")
    name.focus()
    page.keyboard.press("Enter")
    assert page.locator("[data-figure=dependence] h2").inner_text().startswith(label)
    assert label in page.locator("[data-figure=effect] h2").inner_text()
    page.locator("[data-figure=dependence] select").nth(1).select_option(index=1)
    assert page.locator("[data-figure=dependence] circle[data-row]").count() == 200


def test_patients_are_stepped_through_by_number(page):
    number = page.locator("[data-figure=patient] input")
    number.fill("12")
    number.press("Enter")
    assert "Made-up 12" in page.locator(PATIENT).inner_text()
    page.locator("[data-figure=patient] button", has_text="next").click()
    assert "Made-up 13" in page.locator(PATIENT).inner_text()
    number = page.locator("[data-figure=patient] input")
    number.fill("99999")
    number.press("Enter")
    assert "Made-up 13" in page.locator(PATIENT).inner_text()


def test_tables_carry_model_and_hash(page):
    for figure in ("fields", "dependence", "effect", "pairs", "shuffle", "groups", "patient", "similar"):
        name, content = take(page, figure, "CSV")
        rows = read_rows(content)
        assert rows[0] == ["# model", "heart_disease-logistic"], figure
        assert rows[1][0] == "# sha256"
        assert re.fullmatch("[0-9a-f]{64}", rows[1][1])
        assert rows[1][1][:12] in name
        assert "made-up patients" in rows[2][1]
        assert len(rows) > 5, figure


def test_the_table_of_patients_is_complete(page):
    _, content = take(page, "fields", "CSV of patients")
    rows = read_rows(content)[4:]
    assert len(rows) == 201
    assert len(rows[0]) == 2 + 2 * 13


def test_drawings_carry_title_model_and_hash(page):
    for figure in ("fields", "dependence", "effect", "shuffle", "patient"):
        name, content = take(page, figure, "SVG")
        text = content.decode()
        assert name.endswith(".svg")
        assert re.search("sha256 [0-9a-f]{64}", text), figure
        assert "heart_disease-logistic" in text
        assert page.locator(f"[data-figure={figure}] h2").inner_text().split(":")[0] in text
        name, picture = take(page, figure, "PNG")
        assert picture[:8] == b"\x89PNG\r\n\x1a\n", figure
        width, height = struct.unpack(">II", picture[16:24])
        assert width >= 600
        assert height >= 400


def test_the_patient_stays_in_sight_while_the_page_is_scrolled(page):
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 700)")
    page.wait_for_timeout(200)
    box = page.locator(PATIENT).bounding_box()
    assert 0 <= box["y"] < 800
