"""Films on the released model: server, model process, film reader, page and browser, nothing made up but the film."""

import re

import film_files
import pytest

from medcore.config import read_settings
from medcore.imaging.phantom import make_phantom
from medcore.registry import Catalog

MODELS = read_settings().models_dir
MODEL_WAIT_MS = 240_000
HAS_MODEL = MODELS.is_dir() and bool(Catalog(MODELS).models("pneumonia"))
NUMBER = re.compile(r"\d+ %")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not HAS_MODEL, reason="no released model of pneumonia here"),
]


def test_a_phantom_is_read_first_and_never_called_a_scored_film(open_page, released_server):
    page = open_page(f"{released_server}/xray")
    page.wait_for_selector(".mc-start", timeout=MODEL_WAIT_MS)
    film = film_files.make_dicom(make_phantom(3, 600, 500).stored, PatientAge="003Y", ViewPosition="AP")
    page.set_input_files(
        "[data-testid=stFileUploaderDropzoneInput]",
        [{"name": "IM1", "mimeType": "application/octet-stream", "buffer": film}],
    )
    page.wait_for_selector(".viewer canvas", timeout=MODEL_WAIT_MS)
    page.wait_for_selector(".mc-counts progress", state="detached", timeout=MODEL_WAIT_MS)
    assert not NUMBER.search(page.locator(".st-key-xray_panel").inner_text())
    page.keyboard.press("1")
    badge = page.wait_for_selector(".st-key-xray_panel .mc-badge", timeout=MODEL_WAIT_MS)
    assert badge.inner_text().strip().lower() in {"caution", "withheld"}
    assert page.get_by_text("Not assessed:").is_visible()


def test_the_models_page_shows_the_card_of_the_film_model(open_page, released_server):
    page = open_page(f"{released_server}/models?condition=pneumonia")
    page.get_by_text("used on the X-ray page").first.wait_for(timeout=MODEL_WAIT_MS)
    page.get_by_text("Which films get a score").first.wait_for(timeout=MODEL_WAIT_MS)
