"""A model is off until an administrator signs it, and a recall stops it in a tab that is open: in a real browser."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "three quiet herons at dawn"
SHOTS = os.environ.get("MEDCORE_TEST_SHOTS")


@pytest.fixture
def site(tmp_path, serve):
    with serve[0](ROOT / "tests" / "browser" / "entrance_app.py", tmp_path, TEST_SIGNED="no") as address:
        yield address
    assert "Traceback" not in (tmp_path / "log").read_text()


def enter(page, name):
    page.set_default_timeout(90_000)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button")


def look(page, name):
    if SHOTS:
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def open_models(page, address):
    page.goto(f"{address}/site")
    page.wait_for_selector(".st-key-site")
    page.get_by_text("Models in use", exact=True).click()
    page.get_by_text("On trust, without local data").wait_for()


def type_and_leave(page, label, text):
    page.get_by_label(label).fill(text)
    page.keyboard.press("Tab")


def wait_for_result(page, text):
    page.wait_for_function(f"() => (document.querySelector('.st-key-result')?.innerText ?? '').includes({text!r})")


def test_signature_and_recall_reach_an_open_tab(open_page, site):
    doctor = open_page(f"{site}/risk?condition=diabetes")
    enter(doctor, "ada")
    wait_for_result(doctor, "An administrator has to sign a local validation")
    look(doctor, "risk_off")
    boss = open_page(f"{site}/site")
    enter(boss, "root")
    open_models(boss, site)
    look(boss, "models_off")
    boss.get_by_text("On trust, without local data").click()
    type_and_leave(boss, "Why without local data", "A supervised trial on ward 3")
    boss.get_by_text("I sign this for exactly").click()
    boss.get_by_role("button", name="Put to use on trust").click()
    boss.get_by_text("on, on trust").first.wait_for()
    look(boss, "models_on")
    doctor.get_by_text("Made-up example").click()
    doctor.get_by_text("Man, 61", exact=True).click()
    wait_for_result(doctor, "%")
    type_and_leave(boss, "Why it is recalled", "The supplier found a coding error")
    boss.get_by_text("Yes, stop this model now").click()
    boss.get_by_role("button", name="Recall", exact=True).click()
    boss.get_by_text("saved results of this model").wait_for()
    look(boss, "models_recalled")
    doctor.fill(".st-key-age_years input", "62")
    doctor.keyboard.press("Tab")
    wait_for_result(doctor, "The supplier found a coding error")
    assert "%" not in doctor.inner_text(".st-key-result")
    assert doctor.input_value(".st-key-age_years input") == "62"
    look(doctor, "risk_recalled")
