"""Strings that have broken other programs, as names of films, and as notes: kept exact, shown escaped."""

import csv
import io
from html import unescape

import fake_films
import pytest
from actors import TESTER
from hostile_names import SEEN

from medcore.errors import MedcoreError
from medcore.imaging import read_image
from medcore.journal import Journal
from medcore.services.films.reading import Desk, OwnReading, Verdict
from medcore.services.films.worklist import FilmMemory, Worklist
from medcore.ui import findings
from medcore.ui.worklist import describe_row

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@pytest.fixture(scope="module")
def worklist(tmp_path_factory):
    """A list with one film for each string: it is the file's name, the note, and the reason of the override."""
    desk = Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: TESTER,
        journal=Journal(tmp_path_factory.mktemp("journal")),
        gateway=fake_films.FakeFilmGateway(),
        points=fake_films.POINTS,
    )
    made = Worklist(desk, fake_films.FakeReader(), FilmMemory(500))
    made.add([(text, fake_films.make_file(number, rows=300, columns=250)) for number, text in enumerate(SEEN)])
    assert made.wait(lambda: not made.counts.busy, 120)
    for case, text in zip(made.cases, SEEN, strict=True):
        made.read(case.id, OwnReading.UNSURE, text)
        made.judge(case.id, Verdict(agrees=False, reason=text))
    return made


def test_names_notes_and_reasons_are_kept_exact(worklist):
    for case, text in zip(worklist.cases, SEEN, strict=True):
        assert (case.name, case.note, case.verdict.reason) == (text, text, text)


def test_the_table_holds_them_exact_and_never_as_a_formula(worklist):
    rows = list(csv.DictReader(io.StringIO(worklist.write_csv())))
    assert len(rows) == len(SEEN)
    for row, text in zip(rows, SEEN, strict=True):
        for column in ("file", "note", "override_reason"):
            assert row[column] == (f"'{text}" if text.startswith(FORMULAS) else text)


def test_the_list_hands_the_name_over_as_text(worklist):
    """The row's script sets ``textContent``, so that the exact text is what is shown."""
    for case, text in zip(worklist.cases, SEEN, strict=True):
        assert describe_row(worklist, case)["name"] == text


def test_what_is_copied_holds_the_reason_exact(worklist):
    for case, text in zip(worklist.cases, SEEN, strict=True):
        finding = worklist.reveal(case.id)
        copied = findings.write_copy_text(fake_films.PNEUMONIA, case, finding, fake_films.FACTS, _day())
        assert text.rstrip(".") in copied.replace("\u2060", "")


def test_the_journal_has_none_of_them(worklist):
    text = "\n".join(repr(event) for event in worklist.desk.journal.events())
    assert not [name for name in SEEN if len(name) > 7 and name in text and name != "local:root"]


@pytest.mark.parametrize("text", SEEN)
def test_a_file_of_that_name_that_cannot_be_opened_is_named_without_markup(text):
    with pytest.raises(MedcoreError) as caught:
        read_image(b"no film", name=text)
    shown = findings.describe_error(caught.value)
    assert "<" not in shown
    assert unescape(shown)
    assert len(shown) < 400


def _day():
    from datetime import date

    return date(2026, 1, 2)
