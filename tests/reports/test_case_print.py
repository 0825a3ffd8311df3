"""The printed and the HTML case file: what must stand on them, and that no text can do anything but be read."""

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from case_examples import HOSTILE, PATIENT, WITHHELD, make_case, make_film_case, make_hostile, make_input

from medcore.reports.case_child import make_handler
from medcore.reports.case_file import NOTICE, CasePatient, to_json
from medcore.reports.case_html import write_case_html
from medcore.reports.case_pdf import draw_case_pdf
from medcore.reports.case_words import show_text

needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
CASES = {
    "table": make_case(),
    "withheld": make_case(risk=WITHHELD, bars=None),
    "film": make_film_case(),
    "bare": make_case(
        patient=CasePatient(), model=None, bars=None, point=None, reader=None, inputs=(), record="", site=""
    ),
}


def read_pdf(case, tmp_path):
    path = tmp_path / "case.pdf"
    path.write_bytes(draw_case_pdf(case))
    return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True).stdout.decode()


class Elements(HTMLParser):
    """Collects every element with its attributes, and the text outside the style sheet."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self._inside = [], "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside != "style":
            self.text += data


@needs_poppler
class TestPdf:
    @pytest.mark.parametrize("name", CASES)
    def test_every_page_names_patient_notice_and_hash(self, name, tmp_path):
        case = CASES[name]
        pages = read_pdf(case, tmp_path).split("\f")[:-1]
        assert 1 <= len(pages) <= 2
        for number, page in enumerate(pages, start=1):
            assert NOTICE in page
            assert case.content_hash in page
            assert f"page {number} of {len(pages)}" in page
            assert case.patient.name in page

    def test_what_stands_on_it(self, tmp_path):
        text = " ".join(read_pdf(make_case(), tmp_path).split())
        for words in (
            "12 %", "range 9 to 15 %", "142 mmHg H", "Not entered: Waist", "Locked cut-off: 10 % or more, reached",
            "overrides", "Known to Mrs Smith", "AUROC 0.790 (0.760 to 0.820)", "ab12cd", "born 1965-03-09", "MRN-4711",
            "2026-05-04 10:11 UTC", "record 31337", "+4", "−1", "from 5 % to 12 %",
        ):  # fmt: skip
            assert words in text, words

    def test_a_withheld_case_shows_no_number(self, tmp_path):
        text = read_pdf(CASES["withheld"], tmp_path)
        assert "Withheld" in text
        assert "already diagnosed" in text
        assert "range" not in text.split("Model facts")[0].replace("usual range", "")

    def test_the_same_facts_give_the_same_bytes(self):
        assert draw_case_pdf(make_film_case()) == draw_case_pdf(make_film_case())

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_texts_are_only_printed(self, text, tmp_path):
        found = read_pdf(make_hostile(text), tmp_path)
        assert NOTICE in found
        raw = draw_case_pdf(make_hostile(text))
        objects = re.sub(rb"stream\r?\n.*?endstream", b"", raw, flags=re.DOTALL)  # packed bytes may spell anything
        assert not re.search(rb"/(JavaScript|JS|OpenAction|Launch|URI|EmbeddedFile)\b", objects)

    def test_a_name_the_fonts_lack_is_not_hidden(self, tmp_path):
        text = " ".join(read_pdf(make_case(patient=replace(PATIENT, name="田中")), tmp_path).split())
        assert "Some characters cannot be printed" in text
        assert "Some characters cannot be printed" not in " ".join(read_pdf(make_case(), tmp_path).split())

    def test_a_long_note_is_cut_and_that_is_said(self, tmp_path):
        reader = replace(make_case().reader, note="long words follow " * 100)
        text = " ".join(read_pdf(make_case(reader=reader), tmp_path).split())
        assert "cut with an ellipsis" in text
        assert "cut with an ellipsis" not in " ".join(read_pdf(make_case(), tmp_path).split())

    def test_long_fields_take_a_whole_row(self, tmp_path):
        item = make_input("x", label="A field", text="not a number: " + "very " * 10 + "end")
        assert "very end" in " ".join(read_pdf(make_case(inputs=(item,)), tmp_path).split())

    def test_nothing_is_drawn_over_the_foot(self, tmp_path):
        many = tuple(make_input(f"f{k}", label=f"Field {k}", group=f"Group {k // 3}") for k in range(200))
        pages = read_pdf(make_case(inputs=many), tmp_path).split("\f")[:-1]
        assert len(pages) > 2
        for page in pages:
            assert page.rstrip().splitlines()[-2].strip() == NOTICE
        assert all(f"Field {k} " in "".join(pages) for k in range(200))

    def test_the_helper_process_answers_the_same(self):
        raw, pictures = to_json(make_film_case())
        _, (pdf,) = make_handler()("case_file", raw, pictures)
        assert pdf == draw_case_pdf(make_film_case())


class TestHtml:
    @pytest.mark.parametrize("name", CASES)
    def test_it_needs_nothing_else(self, name):
        page = write_case_html(CASES[name])
        elements = Elements(page)
        tags = {tag for tag, _ in elements.found}
        assert not tags & {"script", "link", "iframe", "object", "embed", "form", "input", "a", "base", "svg"}
        for tag, attributes in elements.found:
            assert not [key for key in attributes if key.startswith("on")], tag
            assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "default-src 'none'" in html.unescape(page)
        assert not re.search(r"url\(|@import|https?://", page)

    def test_what_stands_on_it(self):
        page = Elements(write_case_html(make_case())).text
        for words in (
            "12 %",
            "range 9 to 15 %",
            "142 mmHg H",
            "not entered",
            "MRN-4711",
            NOTICE,
            make_case().content_hash,
        ):
            assert words in page, words

    def test_a_film_shows_both_pictures_with_a_description(self):
        pictures = [attributes for tag, attributes in Elements(write_case_html(make_film_case())).found if tag == "img"]
        assert [item["alt"] for item in pictures] == ["The film", "Heat map"]

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_texts_stay_text(self, text):
        plain, hostile = Elements(write_case_html(make_hostile("x"))), Elements(write_case_html(make_hostile(text)))
        assert [tag for tag, _ in hostile.found] == [tag for tag, _ in plain.found]
        assert show_text(text) in hostile.text

    def test_control_and_direction_characters_are_made_visible(self):
        assert show_text("a\x00b\u202ec\u2066d\ud800e\n") == "a\ufffdb\ufffdc\ufffdd\ufffde "
        write_case_html(make_hostile("\ud800")).encode()

    def test_an_unnamed_patient_is_said(self):
        assert "Patient not named" in write_case_html(CASES["bare"])
