"""One reader's list: a bad file in the middle, order, priors, memory, CSV, and no figure before the reading."""

import csv
import gc
import io
import time

import fake_films
import pytest
from actors import TESTER

from medcore.errors import InputError, UnreadFilmError, WorkerDiedError
from medcore.journal import Journal
from medcore.results import Status
from medcore.services.films import worklist as module
from medcore.services.films.reading import HEAT_MAP, SHAP_MAP, Desk, OwnReading, Stage, Verdict
from medcore.services.films.worklist import FilmMemory, Keep, Sort, Worklist

WAIT_S = 20


@pytest.fixture
def make_list(tmp_path):
    def make(gateway=None, reader=None, memory=None, **more):
        desk = Desk(
            condition=fake_films.PNEUMONIA,
            facts=fake_films.FACTS,
            who=lambda: TESTER,
            journal=Journal(tmp_path),
            gateway=gateway or fake_films.FakeFilmGateway(),
            points=fake_films.POINTS,
        )
        return Worklist(desk, reader or fake_films.FakeReader(), memory or FilmMemory(100), **more)

    return make


def files(n, **header):
    return [(f"film_{i}.dcm", fake_films.make_file(i, **header)) for i in range(1, n + 1)]


def finish(worklist):
    assert worklist.wait(lambda: not worklist.counts.busy, WAIT_S)
    return worklist.cases


def rows_of(worklist):
    return list(csv.DictReader(io.StringIO(worklist.write_csv())))


def test_a_bad_file_in_the_middle_stops_nobody(make_list):
    worklist = make_list()
    bad = ("notes.txt", b"this is no film")
    worklist.add([*files(2), bad, *files(2, view="PA")])
    cases = finish(worklist)
    assert [case.stage for case in cases] == [Stage.OPEN, Stage.OPEN, Stage.FAILED, Stage.OPEN, Stage.OPEN]
    assert [case.status for case in cases] == [Status.SCORED, Status.SCORED, None, Status.SCORED, Status.SCORED]
    assert "notes.txt" in cases[2].error.message
    assert worklist.counts.failed == 1
    assert not worklist.can_retry(cases[2])


def test_fifty_films_come_in_batches_and_all_are_scored(make_list):
    gateway = fake_films.FakeFilmGateway()
    worklist = make_list(gateway)
    assert worklist.add(files(50, rows=170, columns=160)).taken == 50
    cases = finish(worklist)
    assert sum(gateway.scored) == 50
    assert max(gateway.scored) <= 8
    assert [case.number for case in cases] == list(range(1, 51))


def test_the_first_film_opens_while_the_others_wait(make_list):
    worklist = make_list(reader=fake_films.FakeReader(delay_s=0.05))
    worklist.add(files(6))
    assert worklist.wait(lambda: worklist.cases[0].stage is Stage.OPEN, WAIT_S)
    assert worklist.counts.busy
    finish(worklist)


def test_the_preferred_film_is_opened_before_the_others(make_list):
    reader = fake_films.FakeReader()
    reader.gate.clear()
    worklist = make_list(reader=reader)
    worklist.add(files(9))
    worklist.prefer(worklist.cases[8].id)
    reader.gate.set()
    finish(worklist)
    assert reader.asked.index("film_9.dcm") <= 3


class TestReadFirst:
    def test_no_score_order_or_figure_leaves_for_unread_films(self, make_list):
        worklist = make_list(fake_films.FakeFilmGateway(p=[0.1, 0.9, 0.5, 0.7]))
        worklist.add(files(4))
        cases = finish(worklist)
        with pytest.raises(UnreadFilmError):
            worklist.reveal(cases[0].id)
        for sort in Sort:
            assert [case.number for case in worklist.arrange(sort)] == [1, 2, 3, 4]
        for row in rows_of(worklist):
            assert [row[name] for name in row if "percent" in name] == ["", "", "", ""]
            assert row["model"] == ""

    def test_read_films_may_be_ordered_by_their_figure(self, make_list):
        worklist = make_list(fake_films.FakeFilmGateway(p=[0.1, 0.9, 0.5, 0.7]))
        worklist.add(files(4))
        cases = finish(worklist)
        for case in (cases[0], cases[2]):
            worklist.read(case.id, OwnReading.NORMAL)
        assert [case.number for case in worklist.arrange(Sort.PROBABILITY)] == [3, 1, 2, 4]
        assert worklist.reveal(cases[2].id).p == pytest.approx(0.5)
        assert [row["p_percent"] for row in rows_of(worklist)] == ["10", "", "50", ""]

    def test_triage_orders_unread_films_only_where_the_site_allows_it(self, make_list):
        worklist = make_list(fake_films.FakeFilmGateway(p=[0.1, 0.9, 0.5]), triage=True)
        worklist.add(files(3))
        finish(worklist)
        assert [case.number for case in worklist.arrange(Sort.TRIAGE)] == [2, 3, 1]
        with pytest.raises(UnreadFilmError):
            worklist.reveal(worklist.cases[1].id)

    def test_a_reading_before_the_score_opens_it_once_it_comes(self, make_list):
        gateway = fake_films.FakeFilmGateway(ready=False)
        worklist = make_list(gateway, fake_films.FakeReader(delay_s=0.02))
        worklist.add(files(1))
        worklist.wait(lambda: worklist.cases[0].stage is Stage.OPEN, WAIT_S)
        case = worklist.read(worklist.cases[0].id, OwnReading.NORMAL)
        finish(worklist)
        assert worklist.case(case.id).reading is OwnReading.NORMAL
        assert worklist.reveal(case.id).p == pytest.approx(0.83)
        assert worklist.case(case.id).seen


class TestMeanwhile:
    def test_a_heat_map_comes_by_itself_and_what_the_reader_did_meanwhile_stays(self, make_list):
        gateway = fake_films.FakeFilmGateway()
        worklist = make_list(gateway)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.prepare_map(case.id)
        assert not worklist.is_mapping(case.id)
        worklist.read(case.id, OwnReading.NORMAL)
        slow = gateway.explain_film

        def explain(*args):
            worklist.judge(case.id, Verdict(agrees=True))
            return slow(*args)

        gateway.explain_film = explain
        worklist.prepare_map(case.id)
        assert worklist.wait(lambda: not worklist.is_mapping(case.id), WAIT_S)
        assert worklist.reveal(case.id).saliency is not None
        assert worklist.case(case.id).verdict.agrees

    def test_the_heat_map_of_the_film_that_is_read_goes_before_the_films_that_wait(self, make_list):
        gateway, reader = fake_films.FakeFilmGateway(), fake_films.FakeReader()
        worklist = make_list(gateway, reader)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        reader.gate.clear()
        worklist.add(files(3))
        assert not worklist.has_map(case.id)
        waiting = []
        explain = gateway.explain_film
        gateway.explain_film = lambda *args: (waiting.append(worklist.counts.busy), explain(*args))[1]
        reader.delay_s = 0.05
        worklist.prepare_map(case.id)
        reader.gate.set()
        assert worklist.wait(lambda: not worklist.is_mapping(case.id), WAIT_S)
        assert worklist.has_map(case.id)
        finish(worklist)
        assert waiting
        assert waiting[0] >= 2

    def test_shap_values_come_after_the_films_that_wait(self, make_list):
        gateway, reader = fake_films.FakeFilmGateway(), fake_films.FakeReader()
        worklist = make_list(gateway, reader)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        worklist.choose_map(SHAP_MAP)
        waiting = []
        explain = gateway.explain_film
        gateway.explain_film = lambda *args: (waiting.append(worklist.counts.busy), explain(*args))[1]
        reader.gate.clear()
        worklist.add(files(3))
        worklist.prepare_map(case.id)
        reader.gate.set()
        assert worklist.wait(lambda: not worklist.is_mapping(case.id), WAIT_S)
        assert waiting == [0]

    def test_the_chosen_map_is_computed_and_the_other_is_kept(self, make_list):
        gateway = fake_films.FakeFilmGateway()
        worklist = make_list(gateway)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        worklist.see(case.id)
        worklist.choose_map(SHAP_MAP)
        assert worklist.reveal(case.id).saliency is None
        worklist.prepare_map(case.id)
        assert worklist.wait(lambda: not worklist.is_mapping(case.id), WAIT_S)
        assert worklist.reveal(case.id).saliency.method == SHAP_MAP
        worklist.choose_map(HEAT_MAP)
        worklist.prepare_map(case.id)
        assert worklist.reveal(case.id).saliency.method == HEAT_MAP
        assert gateway.explained == 2

    def test_a_map_of_pixels_that_were_turned_away_is_dropped(self, make_list):
        gateway = fake_films.FakeFilmGateway()
        worklist = make_list(gateway)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        slow = gateway.explain_film

        def explain(*args):
            worklist.turn(case.id)
            return slow(*args)

        gateway.explain_film = explain
        worklist.see(case.id)
        finish(worklist)
        assert worklist.case(case.id).turns == 1
        assert worklist.reveal(case.id).saliency is None


def test_a_withheld_film_may_be_read_again_without_a_mark(make_list):
    worklist = make_list()
    worklist.add(files(1, age_years=9.0))
    (case,) = finish(worklist)
    worklist.read(case.id, OwnReading.NORMAL)
    assert worklist.reveal(case.id).p is None
    assert not worklist.read(case.id, OwnReading.OTHER).revised


class TestFailures:
    def test_a_failed_score_can_be_tried_again_and_the_film_stays_open(self, make_list):
        gateway = fake_films.FakeFilmGateway(error=WorkerDiedError("The model process ended. Try again."))
        worklist = make_list(gateway)
        worklist.add(files(2))
        cases = finish(worklist)
        assert all(case.stage is Stage.OPEN and case.score_error is gateway.error for case in cases)
        assert all(worklist.can_retry(case) for case in cases)
        gateway.error = None
        worklist.retry()
        assert all(case.status is Status.SCORED for case in finish(worklist))

    def test_a_reader_that_died_can_be_tried_again(self, make_list):
        worklist = make_list()
        worklist.add([("a.dcm", fake_films.make_file(1, dies=True))])
        (case,) = finish(worklist)
        assert case.stage is Stage.FAILED
        assert worklist.can_retry(case)
        worklist.retry(case.id)
        assert finish(worklist)[0].stage is Stage.FAILED

    def test_a_film_turned_while_it_is_scored_does_not_get_the_old_score(self, make_list):
        gateway = fake_films.FakeFilmGateway(p=[0.9, 0.2])
        worklist = make_list(gateway)
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        worklist.turn(case.id)
        finish(worklist)
        assert worklist.reveal(case.id).p == pytest.approx(0.2)

    def test_clearing_drops_what_is_under_way(self, make_list):
        reader = fake_films.FakeReader()
        reader.gate.clear()
        worklist = make_list(reader=reader)
        worklist.add(files(5))
        worklist.remove_all()
        reader.gate.set()
        assert finish(worklist) == ()
        worklist.add(files(1))
        assert [case.number for case in finish(worklist)] == [1]
        with pytest.raises(InputError, match="no longer on the list"):
            worklist.case("gone")


class TestRoom:
    def test_a_list_has_an_end(self, make_list, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILMS", 3)
        worklist = make_list()
        added = worklist.add(files(5))
        assert (added.taken, added.refused) == (3, 2)
        assert "a list holds 3 films" in added.reason
        assert worklist.add_film(fake_films.draw_film(fake_films.make_file()), "x").refused == 1

    def test_memory_is_shared_and_given_back(self, make_list):
        memory = FilmMemory(1)
        worklist = make_list(memory=memory)
        worklist.add(files(3, rows=500, columns=300))
        stages = [case.stage for case in finish(worklist)]
        assert stages == [Stage.OPEN, Stage.OPEN, Stage.FAILED]
        assert "no room" in worklist.cases[2].error.message
        worklist.remove_all()
        assert memory.take(1 << 20)

    def test_a_list_that_is_gone_gives_its_memory_back(self, make_list):
        memory = FilmMemory(1)
        worklist = make_list(memory=memory)
        worklist.add(files(2, rows=500, columns=300))
        finish(worklist)
        assert not memory.take(1 << 20)
        del worklist
        end = time.monotonic() + WAIT_S
        while not memory.take(1 << 20):
            gc.collect()
            assert time.monotonic() < end


class TestOthers:
    def test_views_of_one_study_stand_together(self, make_list):
        worklist = make_list()
        worklist.add(
            [
                ("1", fake_films.make_file(1, study_key="a")),
                ("2", fake_films.make_file(2, study_key="b")),
                ("3", fake_films.make_file(3, study_key="a", view="LATERAL")),
            ]
        )
        cases = finish(worklist)
        assert [case.number for case in worklist.arrange()] == [1, 3, 2]
        assert [view.number for view in worklist.views(cases[0])] == [1, 3]
        assert cases[2].status is Status.WITHHELD

    def test_the_prior_is_the_newest_earlier_film_of_the_same_child(self, make_list):
        worklist = make_list()
        days = ["2019-04-02", "2018-01-01", "2019-03-01", "2019-05-01"]
        dated = [
            (day, fake_films.make_file(i, patient_key="p", study_key=day, acquired_on=day))
            for i, day in enumerate(days)
        ]
        worklist.add([*dated, ("other", fake_films.make_file(9, patient_key="q", acquired_on="2019-03-20"))])
        cases = finish(worklist)
        assert worklist.find_prior(cases[0]) is cases[2]
        assert worklist.find_prior(cases[1]) is None
        assert worklist.find_prior(cases[4]) is None

    def test_the_same_pixels_and_the_same_number_are_noted(self, make_list):
        worklist = make_list()
        worklist.add(
            [
                ("1", fake_films.make_file(1, instance_key="k")),
                ("2", fake_films.make_file(1)),
                ("3", fake_films.make_file(2, instance_key="k")),
            ]
        )
        cases = finish(worklist)
        assert cases[0].remarks == ()
        assert cases[1].remarks == ("same pixels as film 1",)
        assert "same DICOM number as film 1 but other pixels" in cases[2].remarks[0]

    def test_filters(self, make_list):
        worklist = make_list()
        worklist.add([*files(1), ("old", fake_films.make_file(2, age_years=9.0)), ("bad", b"x")])
        cases = finish(worklist)
        worklist.read(cases[0].id, OwnReading.NORMAL)
        shown = {keep: [case.number for case in worklist.arrange(keep=keep)] for keep in Keep}
        assert shown == {Keep.ALL: [1, 2, 3], Keep.UNREAD: [2], Keep.READ: [1], Keep.WITHHELD: [2], Keep.FAILED: [3]}

    def test_prevalence_restates_everything_and_is_journalled(self, make_list):
        worklist = make_list()
        worklist.add(files(1))
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.NORMAL)
        before = worklist.reveal(case.id).p
        worklist.set_prevalence(0.3)
        assert worklist.reveal(case.id).p < before
        assert rows_of(worklist)[0]["on_mix_percent"] == "30"
        with pytest.raises(InputError):
            worklist.set_prevalence(1.0)
        assert worklist.prevalence == 0.3
        assert ("set_prevalence", "0.3") in [(e.action, e.outcome) for e in worklist.desk.journal.events()]

    def test_csv_is_journalled_and_holds_no_formula(self, make_list):
        worklist = make_list()
        worklist.add([("=cmd|'x'!A1", fake_films.make_file(1))])
        (case,) = finish(worklist)
        worklist.read(case.id, OwnReading.OTHER, "@note")
        worklist.judge(case.id, Verdict(agrees=False, reason="-1"))
        (row,) = rows_of(worklist)
        assert row["file"].startswith("'=")
        assert row["note"] == "'@note"
        assert (row["override_code"], row["override_reason"]) == ("other", "'-1")
        assert row["p_percent"] == "83"
        assert worklist.desk.journal.events(1)[0].action == "export_films"
