"""The compare page on the released models: a real server, real figures, a real browser."""

import re

import pytest

from medcore.config import read_settings
from medcore.registry import Catalog

MODELS = read_settings().models_dir
HAS_HEART = MODELS.is_dir() and len(Catalog(MODELS).models("heart_disease")) >= 3
WAIT_MS = 60_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not HAS_HEART, reason="fewer than three released models of heart_disease here"),
]


@pytest.fixture
def page(open_page, released_server):
    page = open_page(f"{released_server}/compare?condition=heart_disease", height=1600)
    page.wait_for_selector(".first svg", timeout=WAIT_MS)
    return page


def read_rows(page):
    return page.locator(".board tbody tr:not(.rest)").all_inner_texts()


def wait_for_words(page, words):
    page.wait_for_function(
        "words => document.querySelector('.mc-lock-words')?.innerText.includes(words)", arg=words, timeout=WAIT_MS
    )


def test_three_models_a_cut_off_by_keyboard_a_lock_and_a_file(page):
    assert len(read_rows(page)) == 3
    assert page.locator(".first svg").count() == 2
    before, lead = read_rows(page), page.locator(".lead").inner_text()
    assert lead.startswith("At 10\u00a0%")

    page.locator(".slider").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert "20\u00a0%" in page.locator(".cut").inner_text()
    assert page.locator(".slider").get_attribute("aria-valuetext").startswith("cut-off 20")
    assert page.locator(".ratio").input_value() == "4"
    assert page.locator(".lead").inner_text() != lead
    after = read_rows(page)
    assert all(old != new for old, new in zip(before, after, strict=True))
    wait_for_words(page, "20\u00a0%")
    assert read_rows(page) == after

    page.locator("[value='rule out']").check()
    assert "spares" in page.locator(".lead").inner_text()
    wait_for_words(page, "rule out")
    page.get_by_text("Lock this cut-off", exact=True).click()
    page.wait_for_selector(".mc-locked", timeout=WAIT_MS)
    text = page.locator(".mc-locked").inner_text()
    assert "Locked." in text
    assert "rule out" in text
    assert read_rows(page) == after
    page.get_by_text("Unlock", exact=True).click()
    page.wait_for_selector(".mc-locked", state="detached", timeout=WAIT_MS)

    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            page.locator(".first .tools button", has_text=kind).first.click()
        data = download.value.path().read_bytes()
        assert re.fullmatch(
            rf"medcore-heart_disease-decision-curve-.*\.{kind.lower()}", download.value.suggested_filename
        )
        for facts in Catalog(MODELS).models("heart_disease"):
            named = facts.model_id.encode() in data
            assert named == (facts.sha256.encode() in data)
        assert data.count(b"sha256 ") >= 3


def test_a_typed_ratio_sets_the_cut_off_and_a_wrong_one_is_answered(page):
    page.locator(".ratio").fill("0,25")
    page.locator(".ratio").press("Enter")
    assert "80\u00a0%" in page.locator(".cut").inner_text()
    page.locator(".ratio").fill("many")
    page.locator(".ratio").press("Enter")
    assert page.locator(".wrong").is_visible()
    assert "80\u00a0%" in page.locator(".cut").inner_text()


def test_found_and_missed_add_up_to_the_cases_in_the_sentence(page):
    page.locator(".ratio").fill("15")
    page.locator(".ratio").press("Enter")
    cases = int(re.search(r"of (\d+) cases", page.locator(".lead").inner_text())[1])
    for row in page.locator(".board tbody tr:not(.rest)").all():
        found, missed = (int(row.locator("td").nth(k).evaluate("cell => cell.firstChild.data")) for k in (4, 5))
        assert found + missed == cases


def test_hovering_one_figure_marks_all_and_a_click_moves_the_cut_off(page):
    box = page.locator(".first svg").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 100)
    assert page.locator(".tip").is_visible()
    assert page.locator(".tip tr").count() == 4
    assert page.locator(".hover line[visibility=visible]").count() >= 2
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + 100)
    cut = page.locator(".cut").inner_text()
    assert cut != "10\u00a0%"
    assert cut in page.locator(".tip b").inner_text().replace(" %", "\u00a0%")


def test_a_move_of_the_cut_off_is_redrawn_within_a_frame(page):
    times = page.locator(".slider").evaluate(
        """(slider) => Array.from({ length: 60 }, (_, k) => {
          slider.value = 30 + k;
          slider.dispatchEvent(new Event("input"));
          return Number(slider.getRootNode().querySelector(".curves").dataset.redrawMs);
        })"""
    )
    assert sorted(times)[30] < 16


def test_every_tab_of_figures_is_drawn(page):
    for name, count in (("Risks with", 3), ("Cost", 1), ("ROC", 2)):
        page.locator(".tabs [role=tab]", has_text=name).click()
        assert page.locator("[role=tabpanel]:not([hidden]) svg").count() == count
    assert page.locator(".board .rest:not([hidden])").count() == 0
    page.locator(".board .more").first.click()
    assert "SHA-256" in page.locator(".board .rest").first.inner_text()
