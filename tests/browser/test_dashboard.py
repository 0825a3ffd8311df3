import re

import pytest

pytestmark = pytest.mark.browser


def fill(page, **values):
    for name, text in values.items():
        field = page.locator(f".st-key-{name} input").first
        field.fill(text)
        field.press("Enter")


def choose(page, name, word):
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")  # else the old one may still stand
    page.wait_for_function("key => document.querySelectorAll('.' + key).length === 1", arg=f"st-key-{name}")
    page.locator(f".st-key-{name} button", has_text=re.compile(f"^{word}$")).first.click()


def open_diabetes(open_page, server, **size):
    page = open_page(f"{server}/?condition=diabetes", **size)
    page.wait_for_selector(".st-key-form input")
    return page


def score(page):
    choose(page, "already_diagnosed", "no")
    fill(page, age_years="61")
    choose(page, "sex", "male")
    page.wait_for_selector(".mc-number")
    return page


def read_number(page):
    return page.locator(".mc-number strong").inner_text()


def test_a_doctor_fills_the_form_and_reads_the_risk(open_page, fake_server):
    page = open_diabetes(open_page, fake_server)
    assert page.locator(".mc-title").inner_text() == "Still needed for a score"
    score(page)
    assert re.fullmatch(r"\d+ %", read_number(page))
    page.wait_for_function("() => document.querySelectorAll('.mc-bars tbody tr th').length >= 7")
    first = page.locator(".mc-bars").inner_html()
    fill(page, waist_cm="118")
    page.wait_for_function("old => document.querySelector('.mc-bars')?.innerHTML !== old", arg=first)
    assert "age_years" not in page.url
    assert "118" not in page.url


def test_the_banner_shows_no_grey_box_while_its_link_is_loaded(browser, fake_server):
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/static/js/PageLink.*.js", lambda _: None)  # it never arrives
        page.goto(f"{fake_server}/?condition=diabetes")
        page.wait_for_selector(".st-key-banner .mc-banner")
        waiting = page.locator(".st-key-banner [data-testid=stSkeleton]")
        assert waiting.count() == 1
        assert not waiting.is_visible()


def test_the_result_is_complete_above_the_fold(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    for selector in (".mc-number", ".mc-bars", ".st-key-more", ".mc-facts"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= 800, selector
    form, result = (page.locator(key).bounding_box() for key in (".st-key-form", ".st-key-result"))
    assert form["width"] == 560
    assert result["width"] == 648


def test_scrolling_the_form_leaves_the_result_in_place(open_page, fake_server):
    page = open_diabetes(open_page, fake_server, height=500)
    score(page)
    page.locator(".st-key-sedentary_min_per_day input").scroll_into_view_if_needed()
    box = page.locator(".mc-number").bounding_box()
    assert 0 < box["y"] < 500


def test_a_wrong_value_is_explained_and_the_next_field_keeps_focus(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    page.locator(".st-key-waist_cm input").fill("9")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.wait_for_selector(".mc-error")
    assert "Waist 9 cm: possible values are 40 to 250 cm" in page.locator(".st-key-form .mc-error").inner_text()
    page.wait_for_selector("text=Not scored yet: please correct")
    assert page.locator(".mc-number").count() == 0
    assert page.evaluate("document.activeElement.closest('[class*=st-key-row_]').className").count("systolic_mmhg")
    fill(page, waist_cm="99")
    page.wait_for_selector(".mc-number")


def test_how_the_score_reacts(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    page.get_by_text("How the score reacts", exact=True).click()
    page.wait_for_selector(".st-key-sweep_chart .main-svg")
    assert page.get_by_text("It does not show what treatment would do.").is_visible()
    assert page.locator(
        ".st-key-sweep_chart [aria-label*='Line chart'], .st-key-sweep_chart [alt*='Line chart']"
    ).count()


def test_keyboard_paste_copy_and_announcement(open_page, fake_server):
    page = open_diabetes(open_page, fake_server)
    page.wait_for_selector(".st-key-bridge [role=status]", state="attached")
    page.keyboard.press("Alt+p")
    page.keyboard.type("HDL 1,2 mmol/l waist 101 foo 12")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=understood 2")
    page.wait_for_function("() => document.querySelector('.st-key-waist_cm input').value === '101'")
    score(page)
    page.get_by_role("button", name="Copy for the notes").wait_for()
    page.keyboard.press("Alt+k")
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(r"Medcore diabetes v1\.2 \(ab12cd\) \d{4}-\d\d-\d\d: .* \d+ % \(90 % range ", copied)
    assert copied.endswith("Decision support, not a diagnosis.")
    assert read_number(page) in page.locator(".st-key-bridge [role=status]").inner_text()
    page.keyboard.press("Alt+r")
    assert "st-key-result" in page.evaluate("document.activeElement.className")


def test_inputs_survive_a_change_of_page(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    before = read_number(page)
    page.get_by_role("link", name="Models").click()
    page.wait_for_selector(".mc-models")
    page.get_by_role("link", name="Risk").click()
    page.wait_for_selector(".mc-number")
    assert page.locator(".st-key-age_years input").input_value() == "61"
    assert read_number(page) == before


def test_the_card_is_one_click_away(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    page.get_by_role("link", name="Card").click()
    page.wait_for_selector(".st-key-card")
    assert "condition=diabetes" in page.url


def test_the_models_page_opens_by_its_address(open_page, fake_server):
    page = open_page(f"{fake_server}/models?condition=heart_disease")
    page.wait_for_selector(".mc-models")
    assert page.get_by_text("Page not found").count() == 0


@pytest.mark.parametrize(("width", "height"), [(820, 1180), (640, 400), (390, 844)], ids=["tablet", "zoom", "phone"])
def test_one_column_has_the_result_first_and_no_sideways_scroll(open_page, fake_server, width, height):
    page = score(open_diabetes(open_page, fake_server, width=width, height=height))
    result, form = (page.locator(key).bounding_box() for key in (".st-key-result", ".st-key-form"))
    assert result["y"] < form["y"]
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width


def test_no_text_is_smaller_than_13_pixels(open_page, fake_server):
    page = score(open_diabetes(open_page, fake_server))
    small = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(e =>
            [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility()
            && parseFloat(getComputedStyle(e).fontSize) < 13).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert not small


def test_a_withheld_patient_has_no_number_anywhere(open_page, fake_server):
    page = open_diabetes(open_page, fake_server)
    choose(page, "already_diagnosed", "yes")
    page.wait_for_selector(".mc-withheld")
    assert "No score." in page.locator(".st-key-result").inner_text()
    assert not re.search(r"\d\s*%", page.locator(".st-key-result").inner_text())
    assert page.locator(".mc-bars").count() == 0


def test_headers_and_health(browser, fake_server):
    context = browser.new_context()
    answer = context.request.get(f"{fake_server}/healthz")
    assert answer.json() == {"status": "ok", "models": "ready"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in context.request.get(fake_server).headers["content-security-policy"]
    context.close()


@pytest.mark.parametrize(("first", "then"), [("models", "Risk"), ("compare", "Models"), ("explore", "Compare")])
def test_the_question_in_the_address_is_kept_on_the_page_opened_next(open_page, fake_server, first, then):
    page = open_page(f"{fake_server}/{first}?condition=heart_disease")
    page.wait_for_selector(".st-key-condition")
    if then == "Compare":
        page.get_by_role("button", name="Analysis").click()
        page.get_by_role("menuitem", name=then, exact=True).click()
    else:
        page.get_by_role("link", name=then, exact=True).first.click()
    page.wait_for_url(re.compile(f"/{'' if then == 'Risk' else then.lower()}\\?"))
    page.wait_for_selector(".st-key-condition")
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    assert page.url.endswith("condition=heart_disease")
