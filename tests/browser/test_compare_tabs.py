"""The tabs of the compare page in a browser, on the released models: one patient, own rows, the board paper."""

import re

import pytest

pytestmark = pytest.mark.browser

SLOW_MS = 120_000


def write_rows(path):
    """Write 240 made-up labelled rows, one of them with a label that is none."""
    lines = ["age_years,sex,bmi_kg_m2,waist_cm,already_diagnosed,site,label"]
    lines += [
        f"{30 + k % 50},{k % 2},{22 + k % 15},{'' if k % 5 == 0 else 80 + k % 40},no,s{k % 2},{int(k % 3 == 0)}"
        for k in range(240)
    ]
    path.write_text("\n".join([*lines, "40,1,25,90,no,s1,maybe"]))
    return path


def open_tab(page, name):
    page.wait_for_function("() => document.querySelectorAll('.st-key-compare_tabs').length === 1")
    page.get_by_role("radio", name=name, exact=True).click()


@pytest.fixture
def compare(released_server, open_page):
    page = open_page(f"{released_server}/compare?condition=diabetes")
    page.wait_for_selector(".st-key-compare_tab button", timeout=SLOW_MS)
    return page


def test_one_patient_through_all_models(compare):
    open_tab(compare, "Same patient")
    asked = compare.get_by_role("button", name="Ask all models")
    for _ in range(40):
        asked.click()
        compare.wait_for_timeout(1500)
        if compare.locator(".mc-aligned").count():
            break
    compare.get_by_text("more to answer").wait_for(state="detached", timeout=SLOW_MS)
    models = compare.locator(".mc-aligned thead th").all_inner_texts()[2:]
    assert len(models) == 3
    risks = compare.locator(".mc-forest tbody .mc-ftext").all_inner_texts()
    assert all(re.match(r"(< )?\d+ % \(", text) for text in risks)


def test_own_rows_take_the_place_of_the_study_and_go_again(compare, tmp_path):
    open_tab(compare, "Your data")
    compare.set_input_files(".st-key-labelled_file input[type=file]", write_rows(tmp_path / "own.csv"))
    compare.get_by_role("button", name="Score and compare").click()
    closing = compare.get_by_role("button", name="Close this file, back to the study")
    closing.wait_for(timeout=SLOW_MS)
    compare.get_by_text("241 rows").first.wait_for()
    open_tab(compare, "Subgroups")
    compare.locator(".mc-forest").get_by_text("s0", exact=True).wait_for()
    open_tab(compare, "Your data")
    closing.click()
    compare.get_by_text("Labelled CSV").wait_for()


def test_rows_that_cannot_be_scored_are_explained_and_nothing_is_left_to_stop(compare, tmp_path):
    (tmp_path / "own.csv").write_text("age_years,label\n50,1\n60,0\n")
    open_tab(compare, "Your data")
    compare.set_input_files(".st-key-labelled_file input[type=file]", tmp_path / "own.csv")
    compare.get_by_role("button", name="Score and compare").click()
    compare.get_by_text("None of the 2 rows has both a label").wait_for(timeout=SLOW_MS)
    compare.get_by_role("button", name="Stop").wait_for(state="detached")
    assert compare.get_by_text("own.csv").count()


def test_the_board_paper_is_a_pdf_of_two_pages(compare, tmp_path):
    open_tab(compare, "Board paper")
    compare.get_by_role("button", name="Make the board paper").click()
    link = compare.get_by_role("button", name="Download the paper")
    link.wait_for()
    with compare.expect_download() as started:
        link.click()
    started.value.save_as(tmp_path / "paper.pdf")
    content = (tmp_path / "paper.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", content)) == 2
    assert started.value.suggested_filename.startswith("medcore-diabetes-")
