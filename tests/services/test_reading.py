"""The radiologist's use case: the reader speaks first, everything is in the journal before it shows."""

import dataclasses

import fake_films
import numpy as np
import pytest
from actors import TESTER

from medcore.errors import (
    ConfigError,
    ExplanationError,
    InputError,
    MovedOnError,
    StorageError,
    UnreadFilmError,
    WorkerDiedError,
)
from medcore.imaging.phantom import make_phantom
from medcore.journal import Journal
from medcore.results import Status
from medcore.services.films import reading
from medcore.services.films.reading import Desk, OwnReading, Stage, Verdict
from medcore.services.prevalence import restate_risk


class BrokenJournal(Journal):
    """Refuses from the moment it is told to."""

    broken = False

    def record(self, event):
        if self.broken:
            raise StorageError("The journal is read-only. Nothing was done.")
        return super().record(event)


@pytest.fixture
def desk(tmp_path):
    return Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: TESTER,
        journal=BrokenJournal(tmp_path),
        gateway=fake_films.FakeFilmGateway(),
        points=fake_films.POINTS,
    )


def open_case(desk, number=1, **header):
    film = fake_films.draw_film(fake_films.make_file(number, **header))
    return reading.open_film(desk, reading.new_case(number, "mueller_anna.dcm"), film)


def score_case(desk, **header):
    (case,) = reading.score(desk, [open_case(desk, **header)])
    return case


def read_case(desk, own=OwnReading.PNEUMONIA, **header):
    return reading.read(desk, score_case(desk, **header), own)


def actions(desk):
    return [(event.action, event.outcome) for event in reversed(desk.journal.events())]


class TestReadFirst:
    def test_no_answer_before_the_own_reading(self, desk):
        case = score_case(desk)
        assert case.status is Status.SCORED
        with pytest.raises(UnreadFilmError, match="your own reading comes first"):
            reading.reveal(desk, case)

    def test_nothing_that_can_be_printed_holds_the_score(self, desk):
        case = score_case(desk)
        public = {f.name: getattr(case, f.name) for f in dataclasses.fields(case) if not f.name.startswith("_")}
        assert "0.83" not in repr(case)
        assert "0.83" not in repr(public)

    def test_no_heat_map_before_the_own_reading(self, desk):
        with pytest.raises(UnreadFilmError):
            reading.see(desk, score_case(desk))
        assert desk.gateway.explained == 0

    def test_no_verdict_before_the_own_reading(self, desk):
        with pytest.raises(UnreadFilmError):
            reading.judge(desk, score_case(desk), Verdict(agrees=True))

    def test_after_it_the_answer_opens(self, desk):
        finding = reading.reveal(desk, read_case(desk))
        assert finding.p == pytest.approx(0.83)
        assert finding.interval.kind == "calibration_band"
        assert finding.point.name == "balanced"
        assert finding.point.reached
        assert finding.patterns == pytest.approx({"bacterial": 0.7, "viral": 0.3})

    def test_a_film_that_was_read_but_not_scored_has_no_answer_yet(self, desk):
        assert reading.reveal(desk, reading.read(desk, open_case(desk), OwnReading.NORMAL)) is None

    def test_a_change_after_the_score_was_seen_is_marked(self, desk):
        seen = dataclasses.replace(read_case(desk), seen=True)
        assert not reading.read(desk, seen, OwnReading.PNEUMONIA, "a note").revised
        assert reading.read(desk, seen, OwnReading.NORMAL).revised
        assert actions(desk)[-1] == ("read_film", "normal_revised")

    def test_where_the_site_does_not_read_first_the_answer_is_open(self, desk):
        first = [True]
        desk = dataclasses.replace(desk, reads_first=lambda: first[0])
        case = score_case(desk)
        with pytest.raises(UnreadFilmError):
            reading.reveal(desk, case)
        first[0] = False  # asked at every use
        assert reading.reveal(desk, case).p == pytest.approx(0.83)
        assert reading.reveal(desk, reading.see(desk, case)).saliency is not None
        assert reading.judge(desk, case, Verdict(agrees=True)).verdict.agrees
        first[0] = True
        with pytest.raises(UnreadFilmError):
            reading.judge(desk, case, Verdict(agrees=True))

    def test_a_first_reading_beside_the_score_is_late_for_ever(self, desk):
        desk = dataclasses.replace(desk, reads_first=lambda: False)
        seen = dataclasses.replace(score_case(desk), seen=True)
        late = reading.read(desk, seen, OwnReading.NORMAL)
        assert (late.late, late.revised) == (True, False)
        assert actions(desk)[-1] == ("read_film", "normal_late")
        again = reading.read(desk, late, OwnReading.PNEUMONIA)
        assert (again.late, again.revised) == (True, False)
        before = reading.read(desk, score_case(desk), OwnReading.NORMAL)
        assert (before.late, before.revised) == (False, False)

    def test_a_film_without_pixels_cannot_be_read(self, desk):
        with pytest.raises(InputError, match="not open"):
            reading.read(desk, reading.new_case(1, "a"), OwnReading.NORMAL)


class TestJournal:
    def test_every_step_is_in_it_in_order_and_nothing_names_the_child(self, desk):
        case = reading.see(desk, read_case(desk))
        reading.judge(desk, case, Verdict(agrees=False, reason="rotated"))
        assert actions(desk) == [
            ("open_film", "opened"),
            ("score_film", "scored"),
            ("read_film", "pneumonia"),
            ("explain_film", "explained"),
            ("judge_film", "override"),
        ]
        text = repr(desk.journal.events())
        for private in ("mueller", "rotated", case.pixels.pixel_sha256, "0.83"):
            assert private not in text

    @pytest.mark.parametrize(
        "step",
        [
            lambda desk, case: reading.read(desk, case, OwnReading.NORMAL),
            lambda desk, case: reading.score(desk, [case]),
            lambda desk, case: reading.turn(desk, case),
            lambda desk, case: reading.open_film(desk, case, make_phantom(rows=300, columns=250)),
        ],
        ids=["read", "score", "turn", "open"],
    )
    def test_what_cannot_be_journalled_does_not_happen(self, desk, step):
        case = open_case(desk)
        desk.journal.broken = True
        with pytest.raises(StorageError):
            step(desk, case)

    def test_a_heat_map_that_cannot_be_journalled_is_not_shown(self, desk):
        case = read_case(desk)
        desk.journal.broken = True
        with pytest.raises(StorageError):
            reading.see(desk, case)
        assert reading.reveal(desk, case).saliency is None

    def test_an_unreadable_file_is_journalled_by_its_kind_only(self, desk):
        error = WorkerDiedError("mueller_anna.dcm: the reader ended")
        case = reading.note_failure(desk, reading.new_case(1, "mueller_anna.dcm"), error)
        assert case.stage is Stage.FAILED
        assert case.error is error
        assert actions(desk) == [("open_film", "WorkerDied")]


class TestWithheld:
    def test_a_limit_of_the_model_needs_no_model(self, desk):
        desk = dataclasses.replace(desk, facts=None)
        case = open_case(desk, age_years=9.0)
        assert case.status is Status.WITHHELD
        finding = reading.reveal(desk, reading.read(desk, case, OwnReading.NORMAL))
        assert finding.p is finding.interval is finding.point is None
        assert finding.patterns == {}

    def test_no_model_is_a_sentence(self, desk):
        desk = dataclasses.replace(desk, facts=None)
        with pytest.raises(ConfigError, match="no usable model"):
            reading.score(desk, [open_case(desk)])

    def test_a_withheld_film_has_nothing_to_explain_or_to_judge(self, desk):
        case = reading.read(desk, open_case(desk, age_years=9.0), OwnReading.OTHER)
        with pytest.raises(InputError, match="no score to explain"):
            reading.see(desk, case)
        with pytest.raises(InputError, match="no score to agree"):
            reading.judge(desk, case, Verdict(agrees=True))

    def test_a_withheld_film_names_what_withholds_it_and_no_mere_caution(self, desk):
        case = open_case(desk, age_years=9.0, view=None, modality=None)
        assert [reason.code for reason in case.telling] == ["age"]
        assert len(case.reasons) > 1

    def test_unknown_age_is_a_caution(self, desk):
        assert score_case(desk, age_years=None).status is Status.CAUTION

    def test_the_sample_film_says_what_it_is(self, desk):
        case = reading.open_film(desk, reading.new_case(1, "sample"), reading.make_sample())
        (case,) = reading.score(desk, [case])
        assert case.status is not Status.SCORED
        assert "phantom" in {reason.code for reason in case.reasons}


class TestPrevalence:
    def test_p_and_both_ends_move_with_the_odds(self, desk):
        case = read_case(desk)
        study, local = reading.reveal(desk, case), reading.reveal(desk, case, 0.3)
        assert local.p == pytest.approx(restate_risk(0.83, 0.74, 0.3))
        assert local.interval.lo == pytest.approx(restate_risk(study.interval.lo, 0.74, 0.3))
        assert local.interval.hi == pytest.approx(restate_risk(study.interval.hi, 0.74, 0.3))
        assert local.interval.lo <= local.p <= local.interval.hi
        assert local.p < study.p

    def test_the_cut_off_reached_does_not_move(self, desk):
        case = read_case(desk)
        assert reading.reveal(desk, case, 0.05).point == reading.reveal(desk, case).point

    def test_below_the_lowest_cut_off_is_said_so(self, desk):
        desk.gateway.p = 0.05
        point = reading.reveal(desk, read_case(desk)).point
        assert point.name == "screening"
        assert point.reached is False


class TestExplanation:
    def test_a_failure_stands_beside_the_score(self, desk):
        desk.gateway.explain_error = ExplanationError("the map came out empty")
        finding = reading.reveal(desk, reading.see(desk, read_case(desk)))
        assert finding.p == pytest.approx(0.83)
        assert finding.saliency is None
        assert finding.saliency_error.message == "the map came out empty"
        assert actions(desk)[-1] == ("explain_film", "Explanation")

    def test_a_map_nobody_waited_for_can_be_asked_for_again(self, desk):
        desk.gateway.explain_error = MovedOnError("given up")
        case = read_case(desk)
        with pytest.raises(MovedOnError):
            reading.see(desk, case)
        desk.gateway.explain_error = None
        assert reading.can_be_seen(desk, case)
        assert reading.reveal(desk, reading.see(desk, case)).saliency is not None

    def test_an_override_needs_a_reason(self, desk):
        case = read_case(desk)
        with pytest.raises(InputError, match="why you override"):
            reading.judge(desk, case, Verdict(agrees=False, reason="  "))
        with pytest.raises(InputError, match="why you override"):
            reading.judge(desk, case, Verdict(agrees=False, code="because", reason="rotated"))
        words = reading.judge(desk, case, Verdict(agrees=False, reason=" rotated ")).verdict
        assert (words.code, words.reason, words.text) == ("other", "rotated", "Another reason: rotated")
        coded = reading.judge(desk, case, Verdict(agrees=False, code="explanation")).verdict
        assert (coded.code, coded.text) == ("explanation", "The explanation does not make sense here")


class TestTurn:
    def test_pixels_spacing_and_provenance_turn_and_the_score_goes(self, desk):
        film = dataclasses.replace(make_phantom(rows=300, columns=200), spacing_mm=(0.1, 0.2))
        case = reading.open_film(desk, reading.new_case(1, "a"), film)
        (case,) = reading.score(desk, [reading.read(desk, case, OwnReading.NORMAL)])
        turned = reading.turn(desk, case)
        assert turned.pixels.shape == (200, 300)
        assert turned.pixels.spacing_mm == (0.2, 0.1)
        assert turned.pixels.stored[0, -1] == film.stored[0, 0]
        assert turned.pixels.pixel_sha256 == reading.hash_pixels(turned.pixels.stored) != film.pixel_sha256
        assert "turned a quarter clockwise" in turned.pixels.provenance[-1]
        assert turned.unscored
        assert turned.reading is OwnReading.NORMAL
        assert turned.turns == 1

    def test_four_turns_give_the_film_back(self, desk):
        case = first = open_case(desk)
        for _ in range(4):
            case = reading.turn(desk, case)
        assert np.array_equal(case.pixels.stored, first.pixels.stored)
        assert case.pixels.pixel_sha256 == first.pixels.pixel_sha256


def test_the_hash_of_pixels_is_that_of_the_reader():
    film = make_phantom(rows=50, columns=40)
    assert reading.hash_pixels(film.stored) == film.pixel_sha256


def test_a_case_has_a_name_of_its_own():
    one, other = reading.new_case(1, "a.png"), reading.new_case(1, "a.png")
    assert one.id != other.id
    assert "a.png" not in one.id
