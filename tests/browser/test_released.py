"""The whole way on the released models: server, model process, page and a real browser."""

import re

import pytest

from medcore.config import read_settings
from medcore.registry import Catalog

MODELS = read_settings().models_dir
MODEL_WAIT_MS = 180_000
HAS_HEART = MODELS.is_dir() and bool(Catalog(MODELS).models("heart_disease"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not HAS_HEART, reason="no released model of heart_disease here"),
]


def fill(page, name, text):
    field = page.locator(f".st-key-{name} input").first
    field.fill(text)
    field.press("Enter")


def choose(page, name, word):
    page.locator(f".st-key-{name} button", has_text=re.compile(f"^{word}$")).click()


def pick(page, name, label):
    page.locator(f".st-key-{name} input").click()
    page.locator("[role=option]", has_text=re.compile(f"^{label}$")).click()


def read_risk(page):
    return page.locator(".mc-number strong").inner_text()


def wait_for_another(page, before):
    page.wait_for_function(
        "old => { const e = document.querySelector('.mc-number strong'); return e && e.innerText !== old; }", arg=before
    )


def describe_patient(page):
    choose(page, "referred_for_angiography", "yes")
    fill(page, "age_years", "61")
    choose(page, "sex", "male")
    pick(page, "chest_pain_type", "atypical angina")


def test_heart_disease_from_the_empty_form_to_a_what_if(open_page, released_server):
    page = open_page(f"{released_server}/?condition=heart_disease")
    page.wait_for_selector(".st-key-form input")
    assert "Still needed for a score" in page.locator(".st-key-result").inner_text()
    describe_patient(page)
    page.wait_for_selector(".mc-number", timeout=MODEL_WAIT_MS)
    page.wait_for_selector(".mc-bars")
    first = read_risk(page)
    assert re.fullmatch(r"(< |> )?\d+ %", first)
    assert "range" in page.locator(".mc-range").inner_text()
    assert page.locator(".mc-bars tbody th").count() >= 7

    fill(page, "st_depression_mm", "3")
    wait_for_another(page, first)
    second = read_risk(page)
    assert int(re.search(r"\d+", second)[0]) > int(re.search(r"\d+", first)[0])

    page.get_by_text("How the score reacts", exact=True).click()
    page.wait_for_selector(".st-key-sweep_chart .main-svg")
    assert page.get_by_text("It does not show what treatment would do.").is_visible()
    assert read_risk(page) == second

    page.get_by_text("100 people", exact=True).click()
    page.wait_for_selector(".mc-icons img")
    assert page.evaluate("document.querySelector('.mc-icons img').naturalWidth") > 0
    assert page.locator(".mc-symbol").first.bounding_box()["width"] == 16

    fill(page, "st_depression_mm", "44")
    page.wait_for_selector(".st-key-form .mc-error")
    assert page.locator(".mc-number").count() == 0
    assert "Withheld" in page.locator(".mc-badge").text_content()
    fill(page, "st_depression_mm", "3,0")
    page.wait_for_selector(".mc-number")
    assert read_risk(page) == second


def test_every_released_model_has_its_card_and_figures(open_page, released_server):
    page = open_page(f"{released_server}/models?condition=heart_disease")
    page.wait_for_selector(".st-key-card")
    models = Catalog(MODELS).models("heart_disease")
    assert page.locator(".mc-models tbody tr").count() == len(models)
    assert models[0].sha256 in page.locator(".mc-origin").inner_text()
    assert "Used on the Risk page" in page.locator(".mc-why").inner_text()
    assert page.locator(".mc-problem").count() == 0
    assert page.locator("[data-testid=stException]").count() == 0
