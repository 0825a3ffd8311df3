"""The case file as a service: the facts of what was shown, journalled before anybody has the bytes."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import fake_films
import fake_models
import pytest

from medcore.conditions.catalog import find_condition
from medcore.errors import InputError, StorageError, UnreadFilmError, WorkerDiedError
from medcore.journal import Journal
from medcore.reports.case_file import CasePatient, CaseReader
from medcore.services.bedside import case_file
from medcore.services.bedside.case_file import CaseFormat, export_case_file, make_case_file, make_film_case_file
from medcore.services.bedside.clinic import assess, read_form
from medcore.services.compare.cut_offs import lock_cut_off
from medcore.services.films import reading
from medcore.services.films.reading import Desk, OwnReading, Verdict
from medcore.services.house import list_conditions

AT = datetime(2026, 5, 4, 10, 11, 12, tzinfo=UTC)
PATIENT = CasePatient(name="Anna Mustermann", identifier="MRN-4711", birth_date="1965-03-09", sex="male")
EXAMPLES = [
    pytest.param(condition.id, number, id=f"{condition.id}-{number}")
    for condition in list_conditions()
    for number in range(len(condition.examples))
]


class BrokenJournal(Journal):
    """Refuses from the moment it is told to."""

    broken = False

    def record(self, event):
        if self.broken:
            raise StorageError("The journal is read-only. Nothing was done.")
        return super().record(event)


@pytest.fixture
def house(tmp_path):
    made = fake_models.make_house(tmp_path, environ={"MEDCORE_DATA": str(tmp_path)})
    return replace(made, journal=BrokenJournal(tmp_path))


def collect(house, condition_id="diabetes", number=1, **parts):
    condition = find_condition(condition_id)
    example = condition.examples[number]
    form = read_form(condition, example.values, example.units)
    model = house.catalog.default(condition_id).model_id
    answer = assess(
        condition_id,
        model,
        form,
        actor=house.actor,
        journal=house.journal,
        gateway=house.gateway,
        catalog=house.catalog,
    )
    return make_case_file(house, condition_id, form, answer, **{"patient": PATIENT, "at": AT, **parts}), form, answer


def events(house, action="export_case"):
    return [event for event in house.journal.events() if event.action == action]


class TestTable:
    def test_the_facts_are_those_shown(self, house):
        case, form, answer = collect(house, reader=CaseReader(actor="dr", verdict="agrees"), site="Ward 3")
        prediction = answer.prediction
        assert (case.risk.p, case.risk.lo, case.risk.hi) == (
            prediction.p_calibrated, prediction.interval.lo, prediction.interval.hi,
        )  # fmt: skip
        assert {item.name: item.value for item in case.known} == dict(form.record.values)
        assert case.bars.estimate == pytest.approx(100 * prediction.p_calibrated)
        moved = sum(bar.points for bar in case.bars.bars) + case.bars.others
        assert case.bars.base + moved == pytest.approx(case.bars.estimate, abs=1e-6)
        assert (case.model.sha256, case.record) == (prediction.sha256, str(answer.journal_id))
        assert (case.made_at, case.site) == ("2026-05-04T10:11:12Z", "Ward 3")

    @pytest.mark.parametrize(("condition_id", "number"), EXAMPLES)
    def test_every_example_in_every_format(self, house, condition_id, number):
        case, _, _ = collect(house, condition_id, number)
        html = export_case_file(house, case, CaseFormat.HTML).data.decode()
        record = json.loads(export_case_file(house, case, CaseFormat.FHIR).data)
        assert case.risk.state in {"scored", "caution", "withheld"}
        assert case.content_hash in html
        assert record["identifier"]["value"] == case.content_hash
        module = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is in the extra test")
        module.Bundle.model_validate(record)

    def test_a_locked_cut_off_is_compared_only_with_its_own_bundle(self, house):
        model = house.catalog.default("diabetes").model_id
        lock_cut_off(
            house, condition_id="diabetes", model_id=model, cut_off=0.1, use="find cases", harm_ratio=9, prevalence=0.05
        )
        case, form, answer = collect(house)
        assert (case.point.threshold, case.point.reached) == (0.1, case.risk.p >= 0.1)
        other = replace(answer, prediction=replace(answer.prediction, sha256="ff" * 32))
        moved = make_case_file(house, "diabetes", form, other, at=AT)
        assert moved.point is None
        assert moved.model.limits == "This bundle is no longer installed."

    def test_what_could_not_be_read_stands_with_what_was_wrong(self, house):
        condition = find_condition("diabetes")
        form = read_form(condition, {**condition.examples[1].values, "pulse_bpm": "fast"})
        model = house.catalog.default("diabetes").model_id
        answer = assess(
            "diabetes",
            model,
            form,
            actor=house.actor,
            journal=house.journal,
            gateway=house.gateway,
            catalog=house.catalog,
        )
        case = make_case_file(house, "diabetes", form, answer, at=AT)
        (pulse,) = [item for item in case.inputs if item.name == "pulse_bpm"]
        assert pulse.value is None
        assert "fast" in pulse.text
        assert case.risk.state == "withheld"

    def test_a_form_that_does_not_fit_the_record_is_said(self, house):
        assert collect(house)[0].notices == ()
        wrong_sex, _, _ = collect(house, patient=replace(PATIENT, sex="female"))
        wrong_age, _, _ = collect(house, patient=replace(PATIENT, birth_date="1990-01-01"))
        assert "sex" in wrong_sex.notices[0]
        assert "age" in wrong_age.notices[0]

    def test_another_question_or_an_unwritten_assessment_has_no_case_file(self, house):
        _, form, answer = collect(house)
        with pytest.raises(InputError, match="is about diabetes"):
            make_case_file(house, "heart_disease", form, answer)
        with pytest.raises(InputError, match="not in the journal"):
            make_case_file(house, "diabetes", form, replace(answer, journal_id=None))


class TestExport:
    @pytest.mark.parametrize("form", CaseFormat)
    def test_the_event_is_written_before_the_bytes_are_out(self, house, form):
        case, _, _ = collect(house)
        copy = export_case_file(house, case, form)
        (event,) = events(house)
        assert (event.outcome, event.actor, event.sha256) == (
            f"{form.value}_identified",
            house.actor.name,
            fake_models.SHA,
        )
        assert case.content_hash not in event.input_hash
        assert event.input_hash
        assert copy.content_hash == case.content_hash
        assert copy.data

    @pytest.mark.parametrize("form", CaseFormat)
    def test_no_journal_no_bytes(self, house, form):
        case, _, _ = collect(house)
        house.journal.broken = True
        with pytest.raises(StorageError):
            export_case_file(house, case, form)

    def test_deidentified(self, house):
        case, _, _ = collect(house, site="Ward 3", reader=CaseReader(actor="dr.quincy", note="Call Mr Smith"))
        copies = [export_case_file(house, case, form, deidentified=True) for form in (CaseFormat.HTML, CaseFormat.FHIR)]
        for copy in copies:
            for secret in (b"Mustermann", b"4711", b"Ward 3", b"quincy", b"Smith", b"03-09", b"05-04"):
                assert secret not in re.sub(rb"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}", b"", copy.data)
        assert {event.outcome for event in events(house)} == {"html_deidentified", "fhir_deidentified"}
        assert copies[0].content_hash != case.content_hash

    def test_the_name_of_the_file_holds_nothing_of_the_patient(self, house):
        case, _, _ = collect(house)
        name = export_case_file(house, case, CaseFormat.FHIR).name
        assert re.fullmatch(r"medcore-diabetes-[0-9a-f]{12}\.fhir\.json", name)

    def test_a_failed_print_is_journalled_and_hands_out_nothing(self, house, monkeypatch):
        def die(*_):
            raise WorkerDiedError("The printer ended.")

        case, _, _ = collect(house)
        monkeypatch.setattr(case_file.Worker, "request", die)
        with pytest.raises(WorkerDiedError):
            export_case_file(house, case, CaseFormat.PDF)
        assert [event.outcome for event in events(house)] == ["pdf_identified_WorkerDied"]

    def test_the_pages_process_loads_no_drawing_library(self):
        code = "import medcore.services.bedside.case_file, sys; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded = {name.split(".")[0] for name in done.stdout.split()}
        assert not loaded & {"reportlab", "PIL", "tensorflow", "keras", "sklearn", "shap", "fhir"}


class Worklist:
    """One film on a desk."""

    def __init__(self, desk, film_case, prevalence=None):
        self.desk, self._case, self.prevalence = desk, film_case, prevalence

    def case(self, case_id):
        return self._case

    def reveal(self, case_id):
        return reading.reveal(self.desk, self._case, self.prevalence)


def open_worklist(house, gateway=None, own=OwnReading.PNEUMONIA, prevalence=None, **header):
    gateway = gateway or fake_films.FakeFilmGateway()
    desk = Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: house.actor,
        journal=house.journal,
        gateway=gateway,
        points=fake_films.POINTS,
    )
    film = fake_films.draw_film(fake_films.make_file(1, **header))
    film_case = reading.open_film(desk, reading.new_case(1, "mueller_anna.dcm"), film)
    if film_case.unscored:
        (film_case,) = reading.score(desk, [film_case])
    if own is not None:
        film_case = reading.read(desk, film_case, own, "See Mr Smith")
        if reading.can_be_seen(desk, film_case):
            film_case = reading.see(desk, film_case)
    return Worklist(desk, film_case, prevalence)


class TestFilm:
    def test_nobody_gets_the_answer_before_the_own_reading(self, house):
        with pytest.raises(UnreadFilmError):
            make_film_case_file(open_worklist(house, own=None), "x")

    def test_the_facts_are_those_shown(self, house):
        worklist = open_worklist(house)
        worklist._case = reading.judge(worklist.desk, worklist._case, Verdict(agrees=False, reason="An old scar"))
        case = make_film_case_file(worklist, "x", patient=PATIENT, at=AT)
        assert (case.risk.p, case.risk.state, case.risk.prevalence) == (0.83, "scored", None)
        assert case.risk.classes[0][1] == pytest.approx(0.7)
        assert [picture.title for picture in case.film.pictures] == ["The film", "Heat map over the film"]
        assert (case.reader.reading, case.reader.verdict, case.reader.reason) == (
            "pneumonia",
            "overrides",
            "Another reason: An old scar",
        )
        assert case.point.name == "balanced"
        assert "mueller" not in repr(case)

    def test_the_sites_share_is_carried(self, house):
        case = make_film_case_file(open_worklist(house, prevalence=0.3), "x", at=AT)
        assert case.risk.p < 0.83
        assert "30 of 100" in case.risk.sentence
        assert "on the study's mix, 83 %" in case.point.text

    def test_an_unreliable_map_is_not_shown(self, house):
        case = make_film_case_file(open_worklist(house, fake_films.FakeFilmGateway(reliable=False)), "x", at=AT)
        assert len(case.film.pictures) == 1
        assert "not shown" in case.film.map_problem

    def test_a_withheld_film_has_its_reasons_and_no_number(self, house):
        case = make_film_case_file(open_worklist(house, age_years=9.0), "x", at=AT)
        assert (case.risk.state, case.risk.p) == ("withheld", None)
        assert any("9 years" in text for text in case.risk.reasons)
        assert export_case_file(house, case, CaseFormat.HTML).data

    @pytest.mark.parametrize("form", [CaseFormat.HTML, CaseFormat.FHIR])
    @pytest.mark.parametrize("checked", [False, True])
    def test_pictures_leave_the_house_only_after_a_look(self, house, form, checked):
        case = make_film_case_file(open_worklist(house, acquired_on="2026-05-03"), "x", patient=PATIENT, at=AT)
        copy = export_case_file(house, case, form, deidentified=True, picture_checked=checked)
        assert (b"iVBORw0KGgo" in copy.data) is checked  # every PNG begins so in base64
        assert b"2026-05-03" not in copy.data


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_the_printed_page_of_a_film(house, tmp_path):
    case = make_film_case_file(open_worklist(house), "x", patient=PATIENT, at=AT)
    copy = export_case_file(house, case, CaseFormat.PDF)
    path = tmp_path / copy.name
    path.write_bytes(copy.data)
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True).stdout.decode()
    for words in ("Anna Mustermann", "83 %", "Heat map over the film", "Own reading: pneumonia", case.content_hash):
        assert words in text
