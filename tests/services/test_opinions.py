"""The reader decides first: an opinion before the answer, a verdict stored beside the saved result."""

from dataclasses import replace
from datetime import UTC, datetime

import fake_films
import fake_models
import pytest
from actors import act_as

from medcore.access import who_is
from medcore.errors import AccessDeniedError, InputError, OpinionFirstError, StorageError, UnknownNameError
from medcore.services.bedside import clinic
from medcore.services.films import reading as films
from medcore.services.films.reading import Desk, OwnReading, Verdict
from medcore.services.house import find_condition
from medcore.services.trust import opinions, site
from medcore.services.trust.opinions import Response
from medcore.services.trust.timeline import read_timeline

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MODEL = "diabetes-logistic"


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDCORE_KEY_STORE", "file")
    return fake_models.make_house(tmp_path)


@pytest.fixture
def case(house):
    """Return an opinion given first, the form's reading and the answer to it."""
    opinion = opinions.commit(house, "diabetes", MODEL, "no", opened_at=NOW)
    reading = clinic.read_form(
        find_condition("diabetes"), {"already_diagnosed": "no", "age_years": "61", "sex": "male", "pulse_bpm": "88"}
    )
    assessment = clinic.assess(
        "diabetes", MODEL, reading, actor=house.actor, journal=house.journal, gateway=house.gateway,
        catalog=house.catalog,
    )  # fmt: skip
    return {"condition_id": "diabetes", "reading": reading, "assessment": assessment, "opinion": opinion,
            "revealed_at": house.journal.now(), "revised": False, "key": "k1", "pseudonym": None}  # fmt: skip


def test_the_site_decides_where(house):
    assert not opinions.is_first(house, "diabetes")
    assert opinions.is_first(house, "pneumonia")
    opinions.require(house, "diabetes", None)
    site.set_read_first(house, "diabetes", True, version=0)
    with pytest.raises(OpinionFirstError):
        opinions.require(house, "diabetes", None)
    given = opinions.commit(house, "diabetes", MODEL, "unsure", opened_at=NOW)
    opinions.require(house, "diabetes", given)
    with pytest.raises(UnknownNameError):
        opinions.is_first(house, "plague")


def test_an_opinion_is_an_event_that_does_not_say_it(house):
    given = opinions.commit(house, "diabetes", MODEL, "yes", opened_at=NOW)
    (event,) = house.journal.events()
    assert (event.action, event.outcome, event.condition) == ("commit_opinion", "given", "diabetes")
    assert given.committed_at > given.opened_at


@pytest.mark.parametrize(("p", "word"), [(0.0, "no"), (0.49, "no"), (0.5, "yes"), (1.0, "yes")])
def test_a_chance_is_a_yes_from_the_cut_off_on(house, p, word):
    assert opinions.find_cut_off(house, MODEL) == 0.5
    assert opinions.commit(house, "diabetes", MODEL, "", p=p, opened_at=NOW).word == word


@pytest.mark.parametrize(("word", "p"), [("maybe", None), ("", None), ("", 1.1), ("yes", -0.1), ("", float("nan"))])
def test_no_opinion(house, word, p):
    with pytest.raises(InputError):
        opinions.commit(house, "diabetes", MODEL, word, p=p, opened_at=NOW)
    assert house.journal.events() == ()


def test_accepted(house, case):
    saved = opinions.keep_verdict(house, response=Response(word="accepted"), **case)
    (kept,) = house.journal.verdicts.list(condition="diabetes")
    assert (kept.id, kept.assessment_id, kept.condition) == (saved.id, saved.assessment_id, "diabetes")
    verdict, p = kept.verdict, case["assessment"].prediction.p_calibrated
    assert (verdict.opinion, verdict.response, verdict.reason) == ("no", "accepted", "")
    assert (verdict.called, verdict.threshold) == (p >= 0.5, 0.5)
    assert verdict.opened_at < verdict.committed_at <= verdict.revealed_at <= verdict.responded_at
    (result,) = house.journal.assessments.list()
    assert result.id == kept.assessment_id
    assert house.journal.audit.verify().ok


def test_without_a_response(house, case):
    shown = opinions.keep_verdict(house, response=None, **case)
    assert (shown.verdict.response, shown.verdict.reason_code, shown.verdict.responded_at) == ("", "", None)
    later = opinions.keep_verdict(house, response=Response(word="accepted"), **case)
    assert later.assessment_id == shown.assessment_id
    assert later.verdict.committed_at == shown.verdict.committed_at


def test_two_responses_are_two_verdicts_of_one_result(house, case):
    opinions.keep_verdict(house, response=Response(word="accepted"), **case)
    opinions.keep_verdict(house, response=Response(word="overridden", code="input"), **{**case, "revised": True})
    first, second = house.journal.verdicts.list()
    assert first.assessment_id == second.assessment_id
    assert (second.verdict.response, second.verdict.reason_code, second.verdict.revised) == (
        "overridden",
        "input",
        True,
    )


@pytest.mark.parametrize("with_patient", [True, False])
def test_a_remark_is_kept_only_with_a_patient(house, case, with_patient):
    patient = house.journal.patients.create({"name": "Zenobia"}, by=who_is(house.actor))
    pseudonym = patient.pseudonym if with_patient else None
    response = Response(word="overridden", code="other", remark=" told me <b>herself</b> ")
    saved = opinions.keep_verdict(house, response=response, **{**case, "pseudonym": pseudonym})
    assert ("herself" in saved.verdict.reason) is with_patient
    assert "herself" not in repr(house.journal.events())


@pytest.mark.parametrize("code", ["", "because"])
def test_an_override_needs_its_reason(code):
    with pytest.raises(InputError):
        Response(word="overridden", code=code)


@pytest.mark.parametrize("role", ["analyst", "auditor", "administrator"])
def test_only_readers_give_opinions(house, case, role):
    others = replace(house, who=lambda: act_as(role))
    before = len(house.journal.events())
    with pytest.raises(AccessDeniedError):
        opinions.commit(others, "diabetes", MODEL, "yes", opened_at=NOW)
    with pytest.raises(AccessDeniedError):
        opinions.keep_verdict(others, response=Response(word="accepted"), **case)
    assert house.journal.verdicts.list() == ()
    assert len(house.journal.events()) == before


class TestFilmOfNobody:
    """A film's verdicts that were stored before anybody said whose film it is."""

    @pytest.fixture
    def house(self, house):
        class Catalog(fake_models.FakeCatalog):
            def find(self, model_id):
                return fake_films.FACTS if model_id == fake_films.FACTS.model_id else super().find(model_id)

        return replace(house, catalog=Catalog())

    @pytest.fixture
    def patient(self, house):
        return house.journal.patients.create({"name": "Zenobia"}, by=who_is(house.actor))

    @pytest.fixture
    def film(self, house):
        """Return a film that was read, overridden with words, and kept without a patient; and what was stored."""
        desk = Desk(
            condition=fake_films.PNEUMONIA, facts=fake_films.FACTS, who=lambda: house.actor, journal=house.journal,
            gateway=fake_films.FakeFilmGateway(), points=fake_films.POINTS,
        )  # fmt: skip
        case = films.open_film(desk, films.new_case(1, "a.dcm"), fake_films.draw_film(fake_films.make_file(1)))
        case = films.read(desk, films.score(desk, [case])[0], OwnReading.NORMAL)
        parts = {"finding": films.reveal(desk, case), "key": "film-1"}
        opinion = opinions.Opinion(word="no", p=None, opened_at=NOW, committed_at=NOW)
        first = {"opinion": opinion, "revealed_at": NOW, "pseudonym": None, **parts}
        shown = opinions.keep_film_verdict(house, case=case, **first)
        case = films.judge(desk, case, Verdict(agrees=False, code="other", reason="told by <b>Ada</b>"))
        return case, parts, first, (shown, opinions.keep_film_verdict(house, case=case, **first))

    def test_they_go_along_when_the_film_is_assigned(self, house, patient, film):
        case, parts, _, stored = film
        before = house.journal.verdicts.list()
        pseudonym = patient.pseudonym
        saved = opinions.assign_film(
            house, case=case, earlier=stored, pseudonym=pseudonym, keep_image=True, **parts
        )  # fmt: skip
        (entry,) = read_timeline(house, patient)
        assert (entry.saved.id, entry.saved.pseudonym) == (saved.id, pseudonym)
        shown, judged = entry.verdicts
        assert (shown.opinion, shown.response, judged.response, judged.reason_code) == ("no", "", "overridden", "other")
        assert judged.reason == "Another reason: told by <b>Ada</b>"
        assert (judged.committed_at, judged.responded_at) == (NOW, before[1].verdict.responded_at)
        assert entry.image is not None
        assert house.journal.verdicts.list()[:2] == before  # nothing that was stored was changed
        assert "Ada" not in repr(before)
        assert house.journal.audit.verify().ok

    def test_an_event_says_so(self, house, patient, film):
        case, parts, _, stored = film
        saved = opinions.assign_film(house, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        events = house.journal.events()
        (event,) = [item for item in events if item.action == "assign_film"]
        assert (event.outcome, event.patient, event.target) == (
            "assigned", patient.pseudonym, f"assessment:{saved.id}",
        )  # fmt: skip
        (judged,) = [item for item in events if item.action == "judge_film"]
        assert event.input_hash == judged.input_hash != ""  # the same film, without its hash in the open
        assert event.input_hash != case.film.pixel_sha256

    def test_doing_it_twice_stores_it_once(self, house, patient, film):
        case, parts, _, stored = film
        for _ in range(2):
            opinions.assign_film(house, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        assert len(house.journal.verdicts.list()) == 4
        assert [item.action for item in house.journal.events()].count("assign_film") == 1

    def test_the_next_verdict_takes_them_along_and_comes_after_them(self, house, patient, film):
        case, _, first, stored = film
        agreed = replace(case, verdict=Verdict(agrees=True))
        opinions.keep_film_verdict(
            house, case=agreed, **{**first, "pseudonym": patient.pseudonym}, earlier=stored
        )  # fmt: skip
        (entry,) = read_timeline(house, patient)
        assert [item.response for item in entry.verdicts] == ["", "overridden", "accepted"]

    def test_a_disk_that_fails_half_way_leaves_no_half(self, house, patient, film, monkeypatch):
        case, parts, _, stored = film

        def refuse(*_):
            raise StorageError("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(opinions, "_note_assigned", refuse)
            with pytest.raises(StorageError, match="full"):
                opinions.assign_film(house, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        assert len(house.journal.verdicts.list()) == 2
        opinions.assign_film(house, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        assert len(house.journal.verdicts.list()) == 4
        assert len(read_timeline(house, patient)) == 1

    def test_erasing_the_patient_leaves_what_was_nobodys(self, house, patient, film):
        case, parts, _, stored = film
        opinions.assign_film(house, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        house.journal.patients.erase(patient.pseudonym, by=who_is(house.actor))
        assert [item.verdict is None for item in house.journal.verdicts.list()] == [False, False, True, True]

    @pytest.mark.parametrize("role", ["clinician", "analyst", "auditor", "administrator"])
    def test_only_who_reads_films(self, house, patient, film, role):
        case, parts, _, stored = film
        others = replace(house, who=lambda: act_as(role))
        with pytest.raises(AccessDeniedError):
            opinions.assign_film(others, case=case, earlier=stored, pseudonym=patient.pseudonym, **parts)
        assert len(house.journal.verdicts.list()) == 2
