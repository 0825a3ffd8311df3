"""Every state of the X-ray page, on a made-up model side. Keys and the list are driven in the browser tests."""

import re
import threading
from dataclasses import replace
from html import unescape
from itertools import count

import fake_films
import fake_models
import pytest

from medcore.errors import ExplanationError, StorageError, WorkerDiedError
from medcore.imaging.identity import hash_number
from medcore.imaging.reader import _SALT
from medcore.results import Reason
from medcore.services.films.reading import Stage
from medcore.services.films.worklist import Sort
from medcore.services.trust import site
from medcore.services.trust.patients import make_patient
from medcore.services.trust.timeline import read_timeline
from medcore.ui import film_state, films, runtime, saving
from medcore.ui import worklist as film_list
from medcore.ui.banner import PATIENT_KEY
from medcore.ui.viewer import ViewerEvents

NUMBER = re.compile(r"\d+ %")
WAIT_S = 20


class Catalog(fake_models.FakeCatalog):
    """The shelf with a model for films, unless told otherwise."""

    def __init__(self, films=True):
        super().__init__(empty=not films)
        self.films = films

    def default(self, condition):
        return fake_films.FACTS if self.films and condition == "pneumonia" else super().default(condition)

    def find(self, model_id):
        return fake_films.FACTS if self.films and model_id == fake_films.FACTS.model_id else super().find(model_id)


class Gateway(fake_films.FakeFilmGateway):
    """Scores films."""


@pytest.fixture
def xray(open_page, monkeypatch):
    """Return a function that opens the page, puts files on its list and draws it again when they are ready."""
    monkeypatch.setattr(film_state, "find_points", lambda catalog, model_id: fake_films.POINTS)

    def open_(*files, films=True, gateway=None, environ=None, wait=True):
        parts = {"catalog": Catalog(films), "gateway": gateway or Gateway(), "reader": fake_films.FakeReader()}
        test = open_page("clinical/xray", environ=environ, **parts)
        assert not test.exception
        if files:
            worklist = test.session_state[film_state.WORKLIST_KEY]
            worklist.add([(f"film_{i}.dcm", data) for i, data in enumerate(files, 1)])
            if wait:
                assert worklist.wait(lambda: not worklist.counts.busy, WAIT_S)
            test.run()
            assert not test.exception
        return test

    return open_


def list_of(test):
    return test.session_state[film_state.WORKLIST_KEY]


def press(test, label):
    (button,) = [button for button in test.button if button.label == label]
    button.click().run()
    assert not test.exception


def settle(test):
    worklist = list_of(test)
    worklist.wait(lambda: not worklist.counts.busy and not worklist._maps, WAIT_S)
    test.run()


def test_the_empty_page_tells_a_newcomer_what_to_do(xray, read):
    html = read(xray())
    assert "Drop chest films here" in html
    assert "How this page works" in html
    assert "For children 1-5 years, frontal films." in html
    assert not NUMBER.search(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))


def test_the_sample_film_is_made_up_and_says_so(xray, read):
    test = xray()
    press(test, "Try a sample film (made up)")
    settle(test)
    press(test, "1 normal")
    assert "a synthetic picture drawn by code, not a patient" in read(test)
    assert ">Caution<" in read(test) or ">Withheld<" in read(test)


def test_no_figure_anywhere_before_the_own_reading(xray, read):
    test = xray(fake_films.make_file(1), fake_films.make_file(2))
    html = re.sub(r"<style>.*?</style>", "", read(test), flags=re.DOTALL)
    assert not NUMBER.search(html)
    assert "opens after your reading" in html
    worklist = list_of(test)
    rows = [film_list.describe_row(worklist, case) for case in worklist.cases]
    assert {row["figure"] for row in rows} == {""}
    assert {row["kind"] for row in rows} == {"scored"}


def test_the_answer_opens_after_it(xray, read):
    test = xray(fake_films.make_file(1))
    press(test, "2 pneumonia")
    html = read(test)
    assert "Your reading: <b>pneumonia</b>" in html
    assert "<strong>Pneumonia pattern: 83 %</strong> (71-92) on the study's mix" in html
    assert "At the <i>balanced</i> cut-off 97 of 100 pneumonias are found and 6 of 100 normal films are called." in html
    assert "<b>This film reaches it.</b>" in html
    assert "<b>Not assessed:</b> effusion" in html
    assert "bacterial 70 %, viral 30 %" in html
    assert "Counted on 624 test films" in html
    assert "Patient&#x27;s Name" in html
    worklist = list_of(test)
    assert film_list.describe_row(worklist, worklist.cases[0])["figure"] == "83 %"


def test_the_heat_map_comes_with_its_reliability(xray, read):
    test = xray(fake_films.make_file(1))
    press(test, "2 pneumonia")
    settle(test)
    assert "blurring its strongest parts first lowers the score to 31 % on average" in read(test)
    assert "is no proof" in read(test)


def test_shap_values_say_from_where_to_where_they_lead(xray, read):
    test = xray(fake_films.make_file(1))
    press(test, "2 pneumonia")
    settle(test)
    test.segmented_control(key="film_map_choice").set_value("shap").run()
    settle(test)
    assert "Blurred all over, the film would score 23 %" in read(test)
    assert "raise that by 70 and lower it by 10 percentage points, to 83 %" in read(test)
    assert "orange parts raise the score" in read(test)


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        ({"explain_error": ExplanationError("the map came out empty")}, "<b>No map.</b> The map came out empty."),
        ({"reliable": False}, "<b>Map not shown.</b> Blurring its strongest parts does not lower the score."),
    ],
)
def test_a_failed_heat_map_never_hides_the_score(xray, read, gateway, words):
    test = xray(fake_films.make_file(1), gateway=Gateway(**gateway))
    press(test, "2 pneumonia")
    settle(test)
    assert words in read(test)
    assert "Pneumonia pattern: 83 %" in read(test)


def test_a_withheld_film_has_no_number_and_says_why(xray, read):
    test = xray(fake_films.make_file(1, age_years=9.0))
    press(test, "3 other")
    html = re.sub(r"<style>.*?</style>", "", read(test), flags=re.DOTALL)
    assert "<b>No score:</b> age 9 years; the model knows 1-\u20605 years." in html
    assert not NUMBER.search(html)
    assert "agree" not in {button.key for button in test.button}


def test_caution_stands_above_the_score(xray, read):
    test = xray(fake_films.make_file(1, age_years=None))
    press(test, "1 normal")
    html = read(test)
    assert html.index("<b>Caution:</b> age not in the header") < html.index("Pneumonia pattern")


def test_a_film_on_its_side_can_be_turned_and_is_scored_anew(xray, read):
    sideways = Reason(code="orientation", text="the film seems to lie on its side")
    test = xray(fake_films.make_file(1), gateway=Gateway(found=(sideways,)))
    assert "<b>No score:</b> the film seems to lie on its side." in read(test)
    test.button(key="turn").click().run()
    settle(test)
    press(test, "1 normal")
    html = read(test)
    assert "Pneumonia pattern: 83 %" in html
    assert "turned a quarter clockwise by the reader" in html


def test_an_unreadable_file_names_itself_and_the_others_go_on(xray, read):
    test = xray(fake_films.make_file(1, bad=True), fake_films.make_file(2))
    assert "film_1.dcm: the file is damaged." in read(test)
    assert "1 unreadable" in read(test)
    film_state_of(test, 1)
    assert "Your reading" in read(test.run())


def film_state_of(test, place):
    worklist = list_of(test)
    test.session_state[film_state.CURRENT_KEY] = worklist.cases[place].id


def override(test, code):
    case = list_of(test).cases[0]
    test.selectbox(key=f"why_{case.id}").set_value(code).run()
    press(test, "Keep the override")


class TestOpenAtOnce:
    """A site that does not read films first."""

    @pytest.fixture
    def open_xray(self, xray):
        def open_(*files, **parts):
            test = xray(**parts)
            site.set_read_first(runtime.open_house(), "pneumonia", False, version=0)
            worklist = list_of(test)
            worklist.add([(f"film_{i}.dcm", data) for i, data in enumerate(files, 1)])
            assert worklist.wait(lambda: not worklist.counts.busy, WAIT_S)
            test.run()
            assert not test.exception
            return test

        return open_

    def test_the_panel_and_the_list_are_open_without_a_reading(self, open_xray, read):
        test = open_xray(fake_films.make_file(1), fake_films.make_file(2), gateway=Gateway([0.3, 0.9]))
        html = read(test)
        assert "Pneumonia pattern: 30 %" in html
        assert "Your reading <small>(not asked for first at this site)" in html
        assert "before the model" not in html
        worklist = list_of(test)
        assert [film_list.describe_row(worklist, case)["figure"] for case in worklist.cases] == ["30 %", "90 %"]
        assert [case.number for case in worklist.arrange(Sort.PROBABILITY)] == [2, 1]
        assert "probability" in test.selectbox(key=film_state.SORT_KEY).options
        assert ",90," in worklist.write_csv()

    def test_a_reading_beside_the_score_is_no_opinion(self, open_xray, read):
        test = open_xray(fake_films.make_file(1))
        press(test, "2 pneumonia")
        test.run()
        assert "Your reading: <b>pneumonia</b> (after the score)" in read(test)
        press(test, "A agree")
        test.run()
        assert list_of(test).cases[0].verdict.agrees
        assert "not counted in the agreement report" in read(test)
        assert runtime.open_house().journal.verdicts.list() == ()

    def test_agree_and_override_need_no_reading(self, open_xray, read):
        test = open_xray(fake_films.make_file(1))
        assert "A film is saved once you have read it." in read(test)
        press(test, "O override")
        override(test, "explanation")
        assert list_of(test).cases[0].verdict.code == "explanation"
        assert runtime.open_house().journal.verdicts.list() == ()

    def test_a_reading_before_the_score_is_there_counts(self, open_xray, read):
        gateway = Gateway()
        gate = threading.Event()
        score = gateway.score_films
        gateway.score_films = lambda *args: gate.wait(WAIT_S) and score(*args)
        test = open_xray(gateway=gateway)
        worklist = list_of(test)
        worklist.add([("film.dcm", fake_films.make_file(1))])
        assert worklist.wait(lambda: worklist.cases[0].stage is Stage.OPEN, WAIT_S)
        test.run()
        press(test, "1 normal")
        gate.set()
        settle(test)
        assert "Pneumonia pattern: 83 %" in read(test)
        press(test, "A agree")
        test.run()
        assert runtime.open_house().journal.verdicts.list()[-1].verdict.opinion == "no"

    def test_switched_on_again_the_next_drawing_is_closed(self, open_xray, read):
        test = open_xray(fake_films.make_file(1))
        assert "Pneumonia pattern" in read(test)
        site.set_read_first(runtime.open_house(), "pneumonia", True, version=1)
        html = read(test.run())
        assert "Pneumonia pattern" not in html
        assert "opens after your reading" in html
        worklist = list_of(test)
        assert film_list.describe_row(worklist, worklist.cases[0])["figure"] == ""

    def test_while_the_setting_cannot_be_read_films_are_closed(self, open_xray, read, monkeypatch):

        def refuse(*_):
            raise StorageError("The journal cannot be read.")

        test = open_xray(fake_films.make_file(1))
        monkeypatch.setattr(film_state, "is_first", refuse)
        assert "Pneumonia pattern" not in read(test.run())


class TestVerdict:
    def test_agree(self, xray, read):
        test = xray(fake_films.make_file(1))
        press(test, "2 pneumonia")
        press(test, "A agree")
        assert list_of(test).cases[0].verdict.agrees
        assert "✓ Agreed" in {button.label for button in test.button}

    def test_an_override_counts_with_its_reason_only(self, xray, read):
        test = xray(fake_films.make_file(1))
        press(test, "1 normal")
        press(test, "O override")
        case = list_of(test).cases[0]
        assert case.verdict is None
        test.text_input(key=f"reason_{case.id}").set_value("rotated <b>film</b>").run()
        assert test.button(key="override_keep").disabled
        assert list_of(test).cases[0].verdict is None
        override(test, "input")
        verdict = list_of(test).cases[0].verdict
        assert (verdict.code, verdict.reason) == ("input", "rotated <b>film</b>")
        assert "Reason: A value is wrong, old or not known: rotated &lt;b&gt;film&lt;/b&gt;" in read(test)

    def test_it_is_stored_with_the_own_reading_and_the_times(self, xray):
        test = xray(fake_films.make_file(1))
        press(test, "1 normal")
        test.run()
        press(test, "A agree")
        test.run()
        shown, kept = runtime.open_house().journal.verdicts.list(condition="pneumonia")
        assert (shown.verdict.response, shown.assessment_id) == ("", kept.assessment_id)
        verdict = kept.verdict
        assert (verdict.opinion, verdict.response, verdict.revised) == ("no", "accepted", False)
        assert verdict.opened_at <= verdict.committed_at <= verdict.revealed_at <= verdict.responded_at
        press(test, "O override")
        override(test, "population")
        test.run()
        _, first, second = runtime.open_house().journal.verdicts.list(condition="pneumonia")
        assert first == kept
        assert (second.verdict.response, second.verdict.reason_code) == ("overridden", "population")

    def test_who_goes_on_without_a_response_is_counted(self, xray):
        test = xray(fake_films.make_file(1), fake_films.make_file(2))
        press(test, "1 normal")
        test.run()
        (kept,) = runtime.open_house().journal.verdicts.list(condition="pneumonia")
        assert (kept.verdict.opinion, kept.verdict.response, kept.verdict.responded_at) == ("no", "", None)
        film_state_of(test, 1)
        test.run()
        press(test, "2 pneumonia")
        assert len(runtime.open_house().journal.verdicts.list(condition="pneumonia")) == 2

    def test_a_film_with_another_patients_number_is_said_before_it_is_taken_and_the_tick_recorded(
        self, xray, read, monkeypatch
    ):
        number_key = hash_number("4711", _SALT)
        test = xray(fake_films.make_file(1, age_years=None, number_key=number_key))
        house = runtime.open_house()
        assert "The number in the header" not in read(test)  # nobody is open
        theirs, ours = make_patient(house, {"name": "<b>Zenobia", "mrn": "0815"}), make_patient(house, {"mrn": "4711"})
        for patient, said in ((theirs, "is not <bdi>&lt;b&gt;Zenobia</bdi>"), (ours, "is <bdi>4711</bdi>")):
            test.session_state[PATIENT_KEY] = patient
            assert f"The number in the header {said}'s." in read(test.run())
        test.session_state[PATIENT_KEY] = theirs
        press(test, "1 normal")
        test.run()
        assert "The record number in the film's header is not this patient's" in unescape(read(test))

        def refuse(*_):
            raise StorageError("the disk is full")

        def find_tick():
            return next(box for box in test.checkbox if box.label.startswith("I checked"))

        with monkeypatch.context() as broken:
            broken.setattr(saving, "confirm_film", refuse)
            find_tick().check().run()
        assert not find_tick().value
        assert "the disk is full" in read(test)
        assert test.button(key="save_result").disabled
        find_tick().check().run()
        assert house.journal.events(1)[0].outcome == "despite_number"
        test.button(key="save_result").click().run()
        assert [item.pseudonym for item in house.journal.assessments.list(pseudonym=theirs.pseudonym)]
        assert not test.exception

    @pytest.mark.parametrize("then", ["save", "change of mind"])
    def test_given_before_the_tick_it_goes_along_to_the_patient(self, xray, then):
        test = xray(fake_films.make_file(1))
        house = runtime.open_house()
        patient = make_patient(house, {"name": "Zenobia"})
        press(test, "1 normal")
        test.run()
        press(test, "A agree")
        test.run()
        assert read_timeline(house, patient) == ()
        test.session_state[PATIENT_KEY] = patient
        test.run()
        (tick,) = [box for box in test.checkbox if box.label.startswith("I checked")]
        tick.check().run()
        assert read_timeline(house, patient) == ()  # a tick alone says nothing yet
        if then == "save":
            test.button(key="save_result").click().run()
        else:
            press(test, "O override")
            override(test, "input")
        test.run()
        (entry,) = read_timeline(house, patient)
        given = [verdict.response for verdict in entry.verdicts]
        assert given == (["", "accepted"] if then == "save" else ["", "accepted", "overridden"])
        assert [item.action for item in house.journal.events()].count("assign_film") == 1
        assert not test.exception

    def test_a_changed_reading_keeps_the_first_one(self, xray):
        test = xray(fake_films.make_file(1))
        press(test, "1 normal")
        press(test, "Change")
        press(test, "2 pneumonia")
        press(test, "A agree")
        kept = runtime.open_house().journal.verdicts.list(condition="pneumonia")[-1]
        assert (kept.verdict.opinion, kept.verdict.revised) == ("no", True)

    def test_a_verdict_that_cannot_be_stored_is_said_and_tried_again(self, xray, read, monkeypatch):
        from medcore.services.trust import opinions

        def refuse(*_, **__):
            raise StorageError("the disk is full")

        test = xray(fake_films.make_file(1))
        press(test, "2 pneumonia")
        with monkeypatch.context() as broken:
            broken.setattr(opinions, "keep_film_verdict", refuse)
            press(test, "A agree")
        assert "Verdict not stored: The disk is full." in read(test)
        test.run()
        assert "not stored" not in read(test)
        kept = runtime.open_house().journal.verdicts.list()
        assert [item.verdict.response for item in kept] == ["", "accepted"]

    def test_a_changed_reading_is_marked(self, xray, read):
        test = xray(fake_films.make_file(1))
        press(test, "1 normal")
        press(test, "Change")
        press(test, "2 pneumonia")
        assert "(changed after the score)" in read(test)

    def test_a_note_is_kept_with_the_reading(self, xray):
        test = xray(fake_films.make_file(1))
        case = list_of(test).cases[0]
        test.text_input(key=f"note_{case.id}").set_value("left base")
        press(test, "2 pneumonia")
        assert list_of(test).cases[0].note == "left base"


class TestPrevalence:
    def test_the_site_setting_is_used(self, xray, read):
        test = xray(fake_films.make_file(1), environ={"MEDCORE_PREVALENCE": "pneumonia=0.3"})
        press(test, "2 pneumonia")
        assert "Pneumonia pattern: 42 %</strong> (27-62) at a site where 30 of 100 such films show it." in read(test)

    @pytest.mark.parametrize("text", ["30", "30 %", "30,0"])
    def test_it_can_be_set_on_the_page(self, xray, read, text):
        test = xray(fake_films.make_file(1))
        press(test, "2 pneumonia")
        test.text_input(key="site_prevalence").set_value(text).run()
        assert not test.exception
        assert "at a site where 30 of 100 such films show it" in read(test)

    @pytest.mark.parametrize("text", ["0", "100", "many", "-3"])
    def test_nonsense_is_refused_with_a_sentence(self, xray, read, text):
        test = xray(fake_films.make_file(1))
        press(test, "2 pneumonia")
        test.text_input(key="site_prevalence").set_value(text).run()
        assert "type a number between 0 and 100" in read(test)
        assert "on the study's mix" in read(test)


class TestKeys:
    """What the viewer reports is applied before the page is drawn."""

    def event(self, test, place=0, **what):
        worklist = list_of(test)
        case = worklist.cases[place]
        film_state.apply_event(worklist, ViewerEvents(film_id=film_state.viewer_id(case), seq=1, **what))

    def test_a_reading_by_key_goes_to_the_film_that_was_on_the_screen(self, xray, monkeypatch):
        test = xray(fake_films.make_file(1), fake_films.make_file(2))
        monkeypatch.setattr(film_state.st, "session_state", {film_state.CURRENT_KEY: list_of(test).cases[1].id})
        self.event(test, 0, reading=2)
        assert list_of(test).cases[0].reading.value == "pneumonia"
        assert list_of(test).cases[1].reading is None

    def test_a_key_does_not_change_a_reading_once_the_score_was_seen(self, xray, monkeypatch):
        test = xray(fake_films.make_file(1))
        press(test, "1 normal")
        monkeypatch.setattr(film_state.st, "session_state", {})
        self.event(test, reading=2)
        assert list_of(test).cases[0].reading.value == "normal"

    def test_agree_before_the_reading_does_nothing(self, xray, monkeypatch):
        test = xray(fake_films.make_file(1))
        monkeypatch.setattr(film_state.st, "session_state", {})
        self.event(test, verdict="agree")
        self.event(test, wants_heat=True)
        assert list_of(test).cases[0].verdict is None
        assert list_of(test).desk.gateway.explained == 0

    def test_a_key_on_a_film_that_is_gone_does_nothing(self, xray):
        test = xray(fake_films.make_file(1))
        film_state.apply_event(list_of(test), ViewerEvents(film_id="gone-0", seq=1, reading=1))
        assert list_of(test).cases[0].reading is None


class TestNoModel:
    def test_films_open_without_a_model(self, xray, read):
        test = xray(fake_films.make_file(1), films=False)
        press(test, "1 normal")
        assert "No usable model for" in read(test)

    def test_starting_models_are_a_sentence_and_the_film_can_be_read(self, xray, read):
        gateway = Gateway(ready=False)
        gate = threading.Event()
        score = gateway.score_films
        gateway.score_films = lambda *args: gate.wait(WAIT_S) and score(*args)
        test = xray(fake_films.make_file(1), gateway=gateway, wait=False)
        press(test, "1 normal")
        assert "The models are starting" in read(test)
        gate.set()
        settle(test)
        assert "Pneumonia pattern: 83 %" in read(test)

    def test_a_dead_model_process_can_be_asked_again(self, xray, read):
        gateway = Gateway(error=WorkerDiedError("The model process ended. Try again."))
        test = xray(fake_films.make_file(1), gateway=gateway)
        press(test, "1 normal")
        assert "No score: The model process ended." in read(test)
        gateway.error = None
        press(test, "Try again")
        settle(test)
        assert "Pneumonia pattern: 83 %" in read(test)


def test_the_page_says_what_cannot_be_journalled(xray, read, monkeypatch):
    from medcore.errors import StorageError
    from medcore.journal import Journal

    test = xray(fake_films.make_file(1))

    def refuse(*_):
        raise StorageError("The journal is read-only. Nothing was done.")

    monkeypatch.setattr(Journal, "record", refuse)
    press(test, "2 pneumonia")
    assert "The journal is read-only. Nothing was done." in read(test)
    assert "Pneumonia pattern" not in read(test)


def test_the_reader_process_is_started_with_the_page(xray):
    xray()
    assert runtime.open_house().reader.started


def test_triage_is_offered_where_the_site_allows_it_and_has_a_banner(xray, read):
    assert "triage order" not in xray(fake_films.make_file(1)).selectbox(key=film_state.SORT_KEY).options
    test = xray(fake_films.make_file(1), environ={"MEDCORE_TRIAGE_ORDER": "on"})
    test.selectbox(key=film_state.SORT_KEY).set_value("triage order").run()
    assert "Its figures stay closed" in read(test)


def test_h_waits_for_a_map_that_is_under_way_and_computes_none_twice(xray):
    gateway = Gateway()
    test = xray(fake_films.make_file(1), gateway=gateway)
    held, go = threading.Event(), threading.Event()
    explain = gateway.explain_film

    def explain_slowly(*args):
        held.set()
        assert go.wait(WAIT_S)
        return explain(*args)

    gateway.explain_film = explain_slowly
    press(test, "2 pneumonia")
    worklist = list_of(test)
    (case,) = worklist.cases
    assert held.wait(WAIT_S)
    threading.Timer(0.2, go.set).start()
    wants = ViewerEvents(film_id=film_state.viewer_id(case), wants_heat=True, seq=1)
    film_state.apply_event(worklist, wants)
    assert worklist.has_map(case.id)
    film_state.apply_event(worklist, wants)
    assert gateway.explained == 1


def test_a_page_that_is_just_drawn_is_not_drawn_anew_by_its_own_first_look(xray, monkeypatch):
    """What has changed by then waits for the next look: the browser is still taking in the film."""
    looks = []
    monkeypatch.setattr(films.st, "rerun", lambda: looks.append("again"))
    test = xray(fake_films.make_file(1), gateway=Gateway(ready=False), wait=False)
    worklist = list_of(test)
    counted = count()
    films._draw_what_changed(worklist, worklist.version - 1, counted)
    assert not looks
    films._draw_what_changed(worklist, worklist.version, counted)
    assert not looks
    films._draw_what_changed(worklist, worklist.version - 1, counted)
    assert looks == ["again"]


def test_the_page_looks_often_only_while_the_reader_can_do_nothing_but_wait(xray):
    gateway = Gateway(ready=False)
    test = xray(fake_films.make_file(1), gateway=gateway, wait=False)
    worklist = list_of(test)
    assert worklist.wait(lambda: worklist.cases[0].stage is Stage.OPEN, WAIT_S)
    case = worklist.cases[0]
    assert films._is_awaited(worklist, replace(case, stage=Stage.WAITING), None)
    assert not films._is_awaited(worklist, None, None)
    assert not films._is_awaited(worklist, case, None)
    press(test, "1 normal")
    assert films._is_awaited(worklist, replace(worklist.cases[0], _answer=None), None)
    assert not films._is_awaited(worklist, worklist.cases[0], worklist.find(case.id))
