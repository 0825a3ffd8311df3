"""Signing in and out, addresses one may not open, sessions that end while a page is open: in a real browser."""

import importlib.util
import re
from pathlib import Path

import pytest
from oidc_provider import run_provider

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "three quiet herons at dawn"
APP = ROOT / "tests" / "browser" / "entrance_app.py"
AGE = ".st-key-age_years input"
END_ONE = re.compile(r"^End [0-9a-f]{6}$")
pytestmark = pytest.mark.browser
NEEDS_AUTHLIB = pytest.mark.skipif(not importlib.util.find_spec("authlib"), reason="streamlit[auth] is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """(address, data folder) of a dashboard where one has to sign in; its log holds no traceback and no secret."""
    folder = tmp_path_factory.mktemp("entrance")
    with serve[0](APP, folder) as address:
        yield address, folder / "data"
    log = (folder / "log").read_text()
    assert not re.search(r"Traceback|Uncaught", log)
    assert not re.search(r"ada|root|herons|medcore_session", log)


def sign_in(page, name="ada", password=PASSWORD):
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button")


def wait_until_drawn(page):
    """Wait for the form and the end of the run that drew it."""
    page.wait_for_selector(AGE)
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def read_door(page):
    page.wait_for_selector(".mc-door")
    return page.inner_text(".mc-door p >> nth=0")


def test_the_whole_way_in_and_out(open_page, site):
    address, _ = site
    page = open_page(f"{address}/risk?condition=heart_disease")
    assert page.url.startswith(f"{address}/sign-in?next=")
    sign_in(page, password="wrong")
    assert page.inner_text("#problem").startswith("User name or password is wrong")
    assert page.input_value("#name") == "ada"
    assert page.input_value("#password") == ""
    sign_in(page)
    page.wait_for_selector(AGE)
    assert page.url == f"{address}/risk?condition=heart_disease"
    (cookie,) = [item for item in page.context.cookies() if item["name"] == "medcore_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "medcore_session" not in page.evaluate("document.cookie")
    page.goto(f"{address}/leave")
    assert read_door(page) == "You are signed out."
    page.click("a.mc-go")
    page.wait_for_selector("#name")
    assert not [item for item in page.context.cookies() if item["name"] == "medcore_session"]
    page.goto(f"{address}/models")
    assert page.url == f"{address}/sign-in?next=%2Fmodels"


def test_addresses_that_the_role_may_not_open_say_so_and_show_nothing(open_page, site):
    address, _ = site
    page = open_page(f"{address}/sign-in?next=/accounts")
    sign_in(page)
    for path in ("accounts", "xray", "audit"):
        page.goto(f"{address}/{path}")
        page.wait_for_selector(".mc-problem")
        if path != "audit" or (ROOT / "pages/governance/audit.py").is_file():
            assert "This page is not open to you" in page.inner_text(".mc-problem")
        assert page.locator("[data-testid=stMain] :is(input, button)").count() == 0
    assert page.get_by_role("link", name="Accounts").count() == 0


def test_a_session_that_ends_while_somebody_types(open_page, site):
    address, folder = site
    page = open_page(f"{address}/sign-in?next=%2F%3Fcondition%3Ddiabetes")
    sign_in(page)
    wait_until_drawn(page)
    try:
        (folder / "skip").write_text("1000")
        page.fill(AGE, "61")
        page.keyboard.press("Enter")
        assert read_door(page) == "Your session is over. Sign in again; drafts are kept."
        page.wait_for_function("() => !document.querySelector('[data-testid=stMain] input')")
        page.click("a.mc-go")
        page.wait_for_selector("#name")
        assert "Your session is over" in page.inner_text(".note")
        sign_in(page)
        page.wait_for_selector(AGE)
        assert page.url == f"{address}/?condition=diabetes"
        page.click("[class*=st-key-draft_open_] button")  # what was typed as the session ran out
        page.wait_for_function("() => document.querySelector('.st-key-age_years input').value === '61'")
    finally:
        (folder / "skip").unlink()


def test_a_session_an_administrator_ends_is_over_at_the_next_touch(open_page, site):
    address, _ = site
    page = open_page(f"{address}/sign-in")
    sign_in(page)
    wait_until_drawn(page)
    other = open_page(f"{address}/sign-in?next=/accounts")
    sign_in(other, name="root")
    other.wait_for_selector(".st-key-accounts")
    other.click(".st-key-chosen_account input")
    other.get_by_role("option", name="ada").click()
    ends, none = other.get_by_role("button", name=END_ONE), other.get_by_text("None.", exact=True)
    ends.first.wait_for()
    while not none.count():
        label = ends.first.inner_text()
        ends.first.click()
        other.get_by_role("button", name=label).wait_for(state="detached")
        ends.or_(none).first.wait_for()
    page.fill(AGE, "61")
    page.keyboard.press("Enter")
    assert "by an administrator" in read_door(page)


def test_two_tabs_of_one_browser_keep_their_forms_apart_and_are_signed_out_together(open_page, site):
    address, _ = site
    first = open_page(f"{address}/sign-in?next=%2F%3Fcondition%3Ddiabetes")
    sign_in(first)
    wait_until_drawn(first)
    second = first.context.new_page()
    second.set_default_timeout(60_000)
    second.goto(f"{address}/?condition=diabetes")
    wait_until_drawn(second)
    for page, age in ((first, "61"), (second, "44"), (first, "62")):
        page.fill(AGE, age)
        page.keyboard.press("Enter")
        wait_until_drawn(page)
    assert (first.input_value(AGE), second.input_value(AGE)) == ("62", "44")
    first.goto(f"{address}/leave")
    assert read_door(first) == "You are signed out."
    second.fill(AGE, "45")
    second.keyboard.press("Enter")
    assert "signed out" in read_door(second)
    assert second.locator("[data-testid=stMain] input").count() == 0


def test_reloading_again_and_again_leaves_a_page_that_works(open_page, site):
    address, _ = site
    page = open_page(f"{address}/sign-in?next=%2F%3Fcondition%3Ddiabetes")
    sign_in(page)
    wait_until_drawn(page)
    for _ in range(10):
        page.reload(wait_until="domcontentloaded")
    wait_until_drawn(page)
    page.fill(AGE, "9000")
    page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-form .mc-error")


def test_a_new_account_from_its_one_time_password_to_its_first_page(open_page, site):
    address, _ = site
    page = open_page(f"{address}/sign-in?next=/accounts")
    sign_in(page, name="root")
    page.fill(".st-key-new_name_0 input", "<b>bea</b>")
    page.click(".st-key-new_roles_0 input")
    page.get_by_role("option", name="analyst").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Make the account").click()
    once = page.inner_text(".mc-once")
    assert page.locator(".st-key-accounts_password b b").count() == 0
    page.get_by_role("button", name="Done, hide it").click()
    page.wait_for_function("() => !document.querySelector('.mc-once')")
    new = open_page(f"{address}/compare")
    sign_in(new, name="<b>bea</b>", password=once)
    new.fill(".st-key-old_password input", once)
    new.fill(".st-key-new_password input", "seven slow rivers bend")
    new.fill(".st-key-new_password_again input", "seven slow rivers bend")
    new.get_by_role("button", name="Save password").click()
    new.wait_for_selector(".mc-done")
    new.goto(f"{address}/explore")
    new.wait_for_selector(".st-key-bar")


@NEEDS_AUTHLIB
def test_an_identity_provider_lets_in_whom_the_rules_name(open_page, tmp_path, serve):
    run_server, free_port = serve
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with run_provider() as issuer:
        secrets_file = tmp_path / "secrets.toml"
        secrets_file.write_text(SECRETS.format(address=address, issuer=issuer))
        with run_server(APP, tmp_path, port=port, STREAMLIT_SECRETS_FILES=str(secrets_file)):
            page = open_page(f"{address}/risk?condition=heart_disease")
            page.click("a.go")
            page.click("#bob")
            page.wait_for_selector(".problem")
            assert "have no role here" in page.inner_text(".problem")
            assert not page.context.cookies(address)
            page.goto(f"{address}/risk?condition=heart_disease")
            page.click("a.go")
            page.click("#ada")
            page.wait_for_selector(AGE)
            assert page.url == f"{address}/risk?condition=heart_disease"
            names = [item["name"] for item in page.context.cookies(address)]
            assert "medcore_session" in names
            assert not [name for name in names if name.startswith("_streamlit_user")]
            page.goto(f"{address}/account")
            page.wait_for_selector(".st-key-account")
            assert page.locator("[type=password]").count() == 0
            page.goto(f"{address}/leave")
            assert read_door(page) == "You are signed out."
            page.goto(f"{address}/risk")
            assert "/sign-in" in page.url
    assert "Traceback" not in (tmp_path / "log").read_text()


SECRETS = """
[auth]
redirect_uri = "{address}/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
client_id = "medcore"
client_secret = "made up"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
client_kwargs = {{ scope = "openid profile", prompt = "login" }}

[medcore_oidc]
issuer = "{issuer}"

[[medcore_oidc.rules]]
claim = "groups"
value = "ward"
roles = ["clinician"]
"""
