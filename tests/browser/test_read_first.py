"""The whole way of reading first, in a browser: nothing of the answer in the page, opinion, answer, override, trail."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory, serve):
    run_server, _ = serve
    folder = tmp_path_factory.mktemp("read-first")
    with run_server(ROOT / "tests" / "browser" / "read_first_app.py", folder, MEDCORE_KEY_STORE="file") as address:
        yield address
    assert "Traceback" not in (folder / "log").read_text()


def test_read_first(server, open_page):
    sent = []
    page = open_page("about:blank")
    page.set_default_timeout(120_000)  # long waits for a busy machine; each ends as soon as it may
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sent.append(data)))
    page.goto(f"{server}/?condition=diabetes")
    page.get_by_role("button", name="Made-up example").click()
    page.get_by_role("menuitem").first.click()
    page.wait_for_selector(".st-key-opinion_yes")
    page.wait_for_timeout(1000)
    assert "Estimated chance" not in page.content()
    for selector in (".mc-number", ".mc-bars", ".mc-badge", ".st-key-saving", ".st-key-more"):
        assert page.locator(selector).count() == 0, selector
    assert not any("Estimated chance" in str(data) for data in sent)  # nor on its way to the page

    page.locator(".st-key-opinion_no button").click()
    page.wait_for_selector(".mc-number")
    assert "no" in page.locator(".st-key-response").inner_text()

    page.locator(".st-key-response_override button").click()
    page.locator(".st-key-override_reason input").click()
    page.get_by_role("option").nth(2).click()
    page.wait_for_function("() => !document.querySelector('.st-key-override_keep button').disabled")
    page.locator(".st-key-override_keep button").click()
    page.wait_for_selector(".st-key-response_done")
    assert "unlike those of the study" in page.locator(".st-key-response_done").inner_text()

    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector(".mc-number", state="detached")
    page.get_by_role("button", name="Made-up example").click()
    page.get_by_role("menuitem").first.click()
    page.wait_for_selector(".st-key-opinion_yes")
    assert page.locator(".mc-number").count() == 0

    page.goto(f"{server}/audit")
    page.wait_for_selector(".mc-trail")
    trail = page.locator(".mc-trail").inner_text()
    assert "save verdict" in trail
    assert "commit opinion" in trail
    page.get_by_role("button", name="Check the whole trail").click()
    page.wait_for_selector(".mc-checked")
    assert "The trail is intact" in page.locator(".mc-checked").inner_text()

    page.goto(f"{server}/agreement?condition=diabetes")
    page.wait_for_selector(".st-key-agreement_version")
    page.get_by_text("Fewer than 10 readings").wait_for()
