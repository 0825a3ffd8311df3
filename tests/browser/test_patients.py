"""Patients in a real browser: made, saved to, kept apart by tab, drafts after a reload, the timeline."""

import pytest

pytestmark = pytest.mark.browser


def make(page, server, **typed):
    page.goto(f"{server}/patients")
    page.get_by_text("New patient", exact=True).click()
    for label, text in typed.items():
        page.get_by_label(label.replace("_", " ").capitalize()).fill(text)
    page.get_by_role("button", name="Make and open").click()
    page.locator(".mc-open").wait_for()


def open_risk(page):
    page.get_by_role("link", name="Risk", exact=True).first.click()
    page.locator(".st-key-waist_cm input").wait_for()


def type_in(page, **values):
    for name, text in values.items():
        field = page.locator(f".st-key-{name} input")
        field.fill(text)
        field.press("Enter")


def choose(page, name, word):
    page.locator(f".st-key-{name}").get_by_text(word, exact=True).click()


def fill(page, waist):
    choose(page, "already_diagnosed", "no")
    choose(page, "sex", "male")
    type_in(page, age_years="61", waist_cm=waist)
    page.locator(".mc-number").wait_for()


def wait_for_text(page, text):
    page.get_by_text(text).first.wait_for()


def read_value(page, name):
    return page.locator(f".st-key-{name} input").input_value()


def test_saved_to_the_patient_and_found_on_the_timeline(open_page, fake_server):
    page = open_page(f"{fake_server}/patients")
    make(page, fake_server, name="Anna <script>alert(1)</script>", birth_date="1965-03-09")
    open_risk(page)
    fill(page, "112")
    page.get_by_role("button", name="Save to Anna").dblclick()
    page.locator(".st-key-saved .mc-done").wait_for()
    assert "Anna" not in page.url
    assert "112" not in page.url
    page.get_by_role("link", name="Timeline").click()
    page.locator(".mc-entry").wait_for()
    assert page.locator(".mc-entry").count() == 1
    assert "Waist 112 cm H" in page.locator(".mc-entry").inner_text()
    page.get_by_role("button", name="Open", exact=True).click()
    page.get_by_role("button", name="Put these values into the form").click()
    page.locator(".st-key-waist_cm input").wait_for()
    page.locator(".mc-number").wait_for()
    assert read_value(page, "waist_cm") == "112"


def test_two_tabs_with_two_patients_never_mix(open_page, fake_server):
    first, second = open_page(f"{fake_server}/patients"), open_page(f"{fake_server}/patients")
    make(first, fake_server, name="First Person")
    make(second, fake_server, name="Second Person")
    for page, waist in ((first, "101"), (second, "102")):
        open_risk(page)
        fill(page, waist)
    for page, name in ((first, "First Person"), (second, "Second Person")):
        page.get_by_role("button", name=f"Save to {name}").click()
        page.locator(".st-key-saved .mc-done").wait_for()
    for page, name, waist, other in ((first, "First", "101", "102"), (second, "Second", "102", "101")):
        page.get_by_role("link", name="Timeline").click()
        page.locator(".mc-entry").wait_for()
        assert name in page.locator(".st-key-banner").inner_text()
        assert f"Waist {waist} cm" in page.locator(".mc-entry").inner_text()
        assert f"Waist {other} cm" not in page.content()


def test_a_draft_survives_a_reload_with_its_patient(open_page, fake_server):
    page = open_page(f"{fake_server}/patients")
    make(page, fake_server, name="Draft Person")
    open_risk(page)
    type_in(page, waist_cm="123", height_cm="177")
    page.wait_for_timeout(2500)  # written a moment after the last change
    page.reload()
    wait_for_text(page, "Not finished")
    wait_for_text(page, "No patient is open.")
    assert read_value(page, "waist_cm") == ""
    offer = page.locator("[class*='st-key-draft_']", has_text="2 values").first
    offer.get_by_role("button", name="Go on").click()
    wait_for_text(page, "Draft Person")
    page.wait_for_function("() => document.querySelector('.st-key-waist_cm input')?.value === '123'")
    assert read_value(page, "height_cm") == "177"


def test_values_typed_before_a_patient_was_opened_are_asked_about(open_page, fake_server):
    page = open_page(f"{fake_server}/risk")
    page.locator(".st-key-waist_cm input").wait_for()
    type_in(page, waist_cm="111")
    page.wait_for_timeout(1000)
    page.get_by_role("link", name="Open or make a patient").click()
    page.get_by_text("New patient", exact=True).click()
    page.get_by_label("Name").fill("Late Person")
    page.get_by_role("button", name="Make and open").click()
    wait_for_text(page, "Typed before this patient was opened")
    open_risk(page)
    assert read_value(page, "waist_cm") == ""
    page.get_by_role("button", name="This patient's").click()
    page.wait_for_function("() => document.querySelector('.st-key-waist_cm input')?.value === '111'")
