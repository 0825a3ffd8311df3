"""The words of the X-ray panel."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import fake_films
import pytest
from actors import TESTER

from medcore.results import Interval, Status
from medcore.services.films import reading
from medcore.services.films.reading import Desk, OwnReading, Stage, Verdict
from medcore.ui import findings


class NoJournal:
    """Takes every event; the site has settled nothing."""

    site = SimpleNamespace(get=lambda name: None)

    def record(self, event):
        return 1


def make_desk(p=0.83):
    return Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: TESTER,
        journal=NoJournal(),
        gateway=fake_films.FakeFilmGateway(p),
        points=fake_films.POINTS,
    )


def read_case(desk, **header):
    film = fake_films.draw_film(fake_films.make_file(1, **header))
    (case,) = reading.score(desk, [reading.open_film(desk, reading.new_case(1, "mueller_anna.dcm"), film)])
    return reading.read(desk, case, OwnReading.PNEUMONIA, "left base")


def test_the_line_for_the_notes_holds_the_result_and_nothing_of_the_child_or_the_file():
    desk = make_desk()
    case = reading.judge(desk, read_case(desk), Verdict(agrees=False, reason="rotated"))
    finding = reading.reveal(desk, case, 0.3)
    text = findings.write_copy_text(desk.condition, case, finding, fake_films.FACTS, date(2026, 1, 2))
    assert text.startswith(
        "Medcore pneumonia v1.2 (ab12cd) 2026-01-02: Pneumonia pattern: 42 % (27-62) at a site where"
    )
    assert "Own reading: pneumonia." in text
    assert "Overridden: Another reason: rotated." in text
    assert text.endswith("Decision support, not a diagnosis.")
    assert "mueller" not in text


def test_a_caution_travels_with_the_line_for_the_notes():
    desk = make_desk()
    case = read_case(desk, age_years=None)
    text = findings.write_copy_text(
        desk.condition, case, reading.reveal(desk, case), fake_films.FACTS, date(2026, 1, 2)
    )
    assert "State: caution: age not in the header" in text


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.83, "<i>balanced</i> cut-off 97 of 100 pneumonias are found and 6 of 100 normal films"),
        (0.3, "<i>screening</i> cut-off 98 of 100"),
        (0.1, "<b>This film lies below it.</b>"),
    ],
)
def test_the_cut_off_in_films(p, words):
    desk = make_desk(p)
    assert words in findings.render_finding(desk.condition, reading.reveal(desk, read_case(desk)))


def test_a_wide_range_says_so():
    desk = make_desk()
    finding = replace(reading.reveal(desk, read_case(desk)), interval=Interval(lo=0.2, hi=0.9))
    assert "too wide to tell low from high" in findings.render_finding(desk.condition, finding)


@pytest.mark.parametrize(("p", "words"), [(0.995, "(86 to > 99)"), (0.005, "(< 1-")], ids=["top", "bottom"])
def test_a_range_at_either_end_reads_well(p, words):
    desk = make_desk(p)
    sentence = findings.write_sentence(desk.condition, reading.reveal(desk, read_case(desk)))
    assert words.replace("-", " to ") in sentence


def test_what_a_file_says_is_escaped():
    case = replace(
        reading.new_case(1, "<script>"),
        stage=Stage.FAILED,
        error=reading.InputError("<script>.dcm: it is damaged"),
    )
    assert "<script>" not in findings.render_unopened(case)
    film = replace(reading.make_sample(), notes=("<img src=x>",))
    opened = replace(case, stage=Stage.OPEN, film=film)
    html = findings.render_details(fake_films.PNEUMONIA, opened, None, None, ())
    assert "<img" not in html
    assert "No model is installed" in html


def test_states_of_a_row_never_tell_the_score():
    case = reading.new_case(1, "a")
    assert findings.describe_state(case) == "opening"
    opened = replace(case, stage=Stage.OPEN)
    assert {findings.describe_state(replace(opened, status=s)) for s in (None, Status.SCORED, Status.CAUTION)} == {
        "to read"
    }
    assert findings.describe_state(replace(opened, status=Status.WITHHELD)) == "withheld"
    assert findings.describe_state(replace(case, stage=Stage.FAILED)) == "unreadable"


def test_the_corner_of_the_viewer():
    case = replace(reading.new_case(2, "a"), film=fake_films.draw_film(fake_films.make_file(1, sex="F")))
    assert findings.write_corner(case) == ("Film 2", "2 y 3 m · F · AP")
    assert findings.write_corner(replace(case, film=reading.make_sample()))[1] == "nothing in the header"
