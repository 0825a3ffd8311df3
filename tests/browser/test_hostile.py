"""Markup in names, notes and reasons, in a real browser: nothing of it runs, and it is shown letter by letter."""

import film_files
import pytest

from medcore.imaging.phantom import make_phantom

pytestmark = pytest.mark.browser

WAIT_MS = 120_000
NAME = '<img src=x onerror="hit()">[go](javascript:hit()) **b** :red[r] $x$ `c`'
NOTE = "<script>hit()</script><svg onload=hit()> ![s](http://x.example/a.png) </p><iframe src=javascript:hit()>"
NO_TRACE = """() => !window.hits
    && !document.querySelector('img[src="x"], [onerror], [onload]')
    && ![...document.querySelectorAll('script, iframe, svg, img, a')].some(
        node => /hit\\(|x\\.example/.test(node.outerHTML))"""


@pytest.fixture
def page(open_page, xray_server):
    page = open_page(f"{xray_server}/patients")
    page.set_default_timeout(WAIT_MS)
    page.add_init_script("window.hits = 0; window.hit = () => { window.hits += 1; }")
    page.reload()
    page.wait_for_selector(".st-key-patients_view")
    return page


def settle(page, words):
    page.wait_for_function("words => document.body.innerText.includes(words)", arg=words)


def test_names_notes_and_reasons_are_text_everywhere(page):
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url) if "x.example" in request.url else None)
    page.locator(".st-key-patients_view button", has_text="New patient").click()
    page.locator(".st-key-new__name input").fill(NAME)
    page.locator(".st-key-new__mrn input").fill(NOTE[:60])
    page.locator(".st-key-do_new button").click()
    settle(page, "was made and is open")
    assert NAME in page.locator(".st-key-banner").inner_text()
    assert page.evaluate(NO_TRACE)
    page.get_by_role("link", name="X-ray").first.click()
    page.wait_for_selector(".mc-start")
    dicom = film_files.make_dicom(make_phantom(1, 600, 500).stored, PatientName=NOTE[:60], PatientID=NAME[:60])
    file = {"name": f"{NAME}.dcm", "mimeType": "application/octet-stream", "buffer": dicom}
    page.set_input_files("[data-testid=stFileUploaderDropzoneInput]", [file])
    page.wait_for_selector(".viewer canvas")
    settle(page, "Not the open patient?")
    page.locator("[class*=st-key-note_] input").fill(NOTE)
    page.keyboard.press("Enter")
    page.locator(".st-key-own_2 button").click()
    settle(page, "Pneumonia pattern")
    page.locator(".st-key-override button").click()
    page.locator("[class*=st-key-why_] input").click()
    page.get_by_role("option", name="Another reason").click()
    page.locator("[class*=st-key-reason_] input").fill(NOTE)
    page.keyboard.press("Enter")
    page.locator(".st-key-override_keep button").click()
    settle(page, f"Reason: Another reason: {NOTE}")
    tick = page.locator("[class*=st-key-sure] label, .st-key-saving label", has_text="I checked").first
    assert tick.inner_text().strip() == f"I checked: this is {NAME}"
    assert page.evaluate(NO_TRACE)
    tick.click()
    page.wait_for_function("() => !document.querySelector('.st-key-save_result button')?.disabled")
    assert page.locator(".st-key-save_result button").inner_text().strip() == f"Save to {NAME}"
    page.locator(".st-key-save_result button").click()
    settle(page, "Saved to")
    page.get_by_role("link", name="Timeline").first.click()
    settle(page, NOTE)
    page.get_by_role("button", name="Open", exact=True).first.click()
    settle(page, f"Note: {NOTE}")
    assert page.evaluate(NO_TRACE)
    assert asked == []
