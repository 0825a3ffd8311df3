"""Patients, assessments, images, verdicts, operating points and drafts: exact, private, and safe from each other."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from medcore.errors import EditConflictError, InputError, KeysError, StorageError
from medcore.journal import Journal, NewAssessment, NewVerdict, OperatingPoint, Who
from medcore.journal.drafts import new_draft

BY = Who(actor="dr.test", role="clinician", session="7")
OTHER = Who(actor="dr.other", role="clinician")
HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE patients; --",
    "Ω≈ç√∫˜µ",
    "\u202etxet",
    "田中さん",
    "\U0001f469\u200d⚕️",
    "%s%n{0}",
    "a\nb\tc",
]


def make(**changes):
    base = {
        "condition": "diabetes", "model_id": "diabetes-mlp", "sha256": "ab" * 32, "status": "scored",
        "inputs": {"age_years": 61.0, "glucose": 5.55}, "units": {"age_years": "a", "glucose": "mmol/L"},
        "result": {"p_calibrated": 0.123456, "lo": 0.1, "hi": 0.2}, "applicability": {"status": "scored"},
        "app_version": "0.1.0",
    }  # fmt: skip
    return NewAssessment(**{**base, **changes})


@pytest.fixture
def patient(journal):
    return journal.patients.create({"mrn": "MRN 0815", "name": "Zenobia Quillfeather"}, by=BY)


class TestPatients:
    def test_found_by_identifier_whatever_the_case_and_spaces(self, journal, patient):
        assert journal.patients.find("name", "  zenobia   QUILLFEATHER ", by=BY) == (patient,)
        assert journal.patients.find("mrn", "mrn 0815", by=BY) == (patient,)
        assert journal.patients.find("mrn", "MRN 081", by=BY) == ()
        assert journal.patients.find("birth_date", "MRN 0815", by=BY) == ()
        assert journal.patients.read(patient.pseudonym, by=BY) == patient

    def test_every_look_is_recorded_without_the_text(self, journal, patient):
        journal.patients.find("name", "Zenobia Quillfeather", by=BY)
        journal.patients.read(patient.pseudonym, by=BY)
        view, find, create = journal.events()
        assert (view.action, find.action, create.action) == ("view_patient", "find_patient", "create_patient")
        assert {event.patient for event in (view, find, create)} == {patient.pseudonym}
        assert "enobia" not in repr((view, find, create))

    def test_two_patients_with_one_record_number_are_refused(self, journal, patient):
        with pytest.raises(InputError, match=patient.pseudonym):
            journal.patients.create({"mrn": "mrn  0815"}, by=BY)
        assert len(journal.patients.list()) == 1
        journal.patients.create({"name": "Zenobia Quillfeather"}, by=BY)  # a name may come twice
        assert len(journal.patients.find("name", "Zenobia Quillfeather", by=BY)) == 2

    def test_two_people_edit_one_patient(self, journal, patient):
        changed = journal.patients.update(patient, {"mrn": "1", "name": "Z. Quillfeather"}, by=BY)
        with pytest.raises(EditConflictError, match="somebody else"):
            journal.patients.update(patient, {"mrn": "2"}, by=OTHER)
        assert journal.patients.read(patient.pseudonym, by=BY) == changed
        assert journal.patients.find("mrn", "MRN 0815", by=BY) == ()
        assert journal.patients.find("mrn", "1", by=BY) == (changed,)

    def test_erased(self, journal, patient):
        saved = journal.assessments.save(make(pseudonym=patient.pseudonym), by=BY)
        image = journal.images.save(b"film", by=BY, media_type="image/png", pseudonym=patient.pseudonym)
        verdict = NewVerdict(assessment_id=saved.id, opinion="no", response="overridden", reason="too young")
        journal.verdicts.add(verdict, by=BY)
        journal.drafts.save(new_draft("c", patient.pseudonym), {"a": "1"}, by=BY)
        journal.patients.erase(patient.pseudonym, by=OTHER)
        gone = journal.patients.read(patient.pseudonym, by=BY)
        assert gone.erased_at is not None
        assert not gone.identifiers
        assert journal.patients.find("mrn", "MRN 0815", by=BY) == ()
        left = journal.assessments.read(saved.id, by=BY)
        assert (left.readable, left.inputs, left.result) == (False, {}, {})
        assert left.sha256 == saved.sha256  # what a recall needs
        assert journal.verdicts.list()[0].verdict is None
        assert journal.drafts.list(by=BY) == ()
        assert journal.images.list() == ()
        assert not list(journal.folder.images.iterdir())
        with pytest.raises(KeysError, match="erased"):
            journal.images.read(image.id, by=BY)
        with pytest.raises(KeysError, match="erased"):
            journal.assessments.save(make(pseudonym=patient.pseudonym), by=BY)
        assert journal.audit.verify().ok

    @pytest.mark.parametrize("text", HOSTILE)
    def test_text_is_stored_exactly(self, journal, text):
        patient = journal.patients.create({"name": text}, by=BY)
        assert journal.patients.read(patient.pseudonym, by=BY).identifiers == {"name": text}
        assert journal.patients.find("name", text, by=BY) == (patient,)

    def test_bad_input(self, journal):
        with pytest.raises(InputError, match="no patient"):
            journal.patients.read("P-NOBODY", by=BY)
        with pytest.raises(InputError, match="name is empty"):
            journal.patients.create({"name": "  "}, by=BY)
        with pytest.raises(StorageError, match="half a character"):
            journal.patients.create({"name": "ok"}, by=Who(actor="\ud800"))
        assert journal.patients.list() == ()

    def test_pages_of_the_list(self, journal):
        names = {journal.patients.create({}, by=BY, made_up=number % 2 == 0).pseudonym for number in range(7)}
        first = journal.patients.list(4)
        rest = journal.patients.list(4, before=first[-1].pseudonym)
        assert {patient.pseudonym for patient in (*first, *rest)} == names
        assert len(first) + len(rest) == 7
        assert len(journal.patients.list(made_up=True)) == 4


class TestAssessments:
    def test_read_back_exactly(self, journal, patient):
        saved = journal.assessments.save(make(pseudonym=patient.pseudonym), by=BY)
        assert journal.assessments.read(saved.id, by=BY) == saved
        assert saved.inputs == {"age_years": 61.0, "glucose": 5.55}
        assert saved.result["p_calibrated"] == 0.123456

    def test_saving_twice_with_one_key_stores_one(self, journal, patient):
        new = make(pseudonym=patient.pseudonym, idempotency_key="form-1")
        with ThreadPoolExecutor(4) as pool:
            saved = list(pool.map(lambda _: journal.assessments.save(new, by=BY), range(8)))
        assert len({item.id for item in saved}) == 1
        assert len(journal.assessments.list()) == 1
        assert [event.action for event in journal.events()].count("save_assessment") == 1
        with pytest.raises(EditConflictError, match="already saved"):
            journal.assessments.save(make(idempotency_key="form-1"), by=BY)
        assert journal.assessments.save(new, by=OTHER).id != saved[0].id

    def test_lists_hold_no_values(self, journal, patient):
        journal.assessments.save(make(pseudonym=patient.pseudonym), by=BY)
        journal.assessments.save(make(sha256="cd" * 32), by=BY)
        assert [item.inputs for item in journal.assessments.list()] == [{}, {}]
        assert len(journal.assessments.list(pseudonym=patient.pseudonym)) == 1
        assert len(journal.assessments.list(sha256="cd" * 32)) == 1

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
    def test_what_is_no_value_is_refused(self, journal, value):
        with pytest.raises(InputError, match="cannot be written down"):
            journal.assessments.save(make(result={"p": value}), by=BY)
        assert journal.events() == ()

    def test_without_an_event_nothing_is_saved(self, journal):
        journal.events()
        with pytest.raises(StorageError):
            journal.assessments.save(make(), by=Who(actor=""))
        assert journal.assessments.list() == ()


class TestImages:
    def test_read_back_and_encrypted(self, journal, patient):
        content = os.urandom(3000) + b"PATIENT^NAME"
        image = journal.images.save(
            content, by=BY, media_type="application/dicom", file_name="Quillfeather.dcm", pseudonym=patient.pseudonym
        )
        assert journal.images.read(image.id, by=BY) == (image, content)
        assert journal.images.list(pseudonym=patient.pseudonym) == (image,)
        (path,) = journal.folder.images.iterdir()
        assert b"PATIENT" not in path.read_bytes()
        assert "Quill" not in path.name

    def test_a_changed_or_missing_file(self, journal):
        image = journal.images.save(b"film" * 100, by=BY, media_type="image/png")
        (path,) = journal.folder.images.iterdir()
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        with pytest.raises(StorageError, match="changed or damaged"):
            journal.images.read(image.id, by=BY)
        path.unlink()
        with pytest.raises(StorageError, match="missing"):
            journal.images.read(image.id, by=BY)

    def test_nothing_stays_when_the_row_cannot_be_written(self, journal):
        with pytest.raises(StorageError):
            journal.images.save(b"film", by=BY, media_type="image/png", assessment_id="none")
        assert not list(journal.folder.images.iterdir())


class TestVerdicts:
    def test_read_back(self, journal):
        saved = journal.assessments.save(make(), by=BY)
        moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
        new = NewVerdict(
            assessment_id=saved.id,
            opinion="unsure",
            p_reader=0.4,
            response="accepted",
            opened_at=moment,
            revealed_at=moment,
        )
        verdict = journal.verdicts.add(new, by=BY)
        assert journal.verdicts.list(assessment_id=saved.id) == (verdict,)
        assert journal.verdicts.list(sha256=saved.sha256) == (verdict,)
        assert journal.verdicts.list(sha256="0") == ()

    @pytest.mark.parametrize(
        "change",
        [
            {"opinion": "maybe"},
            {"p_reader": 1.2},
            {"response": "ignored"},
            {"response": "overridden", "reason": " "},
            {"assessment_id": "x"},
        ],
    )
    def test_bad_input(self, journal, change):
        saved = journal.assessments.save(make(), by=BY)
        with pytest.raises(InputError):
            journal.verdicts.add(NewVerdict(**{"assessment_id": saved.id, "opinion": "yes", **change}), by=BY)
        assert journal.verdicts.list() == ()


def test_operating_points_are_versioned(journal):
    point = OperatingPoint(condition="c", model_id="m", sha256="ab", name="screening", threshold=0.2, reason="board")
    first = journal.operating_points.save(point, by=BY)
    second = journal.operating_points.save(OperatingPoint(**{**as_dict(first), "threshold": 0.3}), by=BY)
    assert (first.version, second.version, second.threshold) == (1, 2, 0.3)
    for stale in (point, first):
        with pytest.raises(EditConflictError):
            journal.operating_points.save(stale, by=OTHER)
    with pytest.raises(InputError):
        journal.operating_points.save(OperatingPoint(**{**as_dict(second), "threshold": 1.0}), by=BY)
    assert journal.operating_points.list(condition="c") == (second,)


def as_dict(point):
    from dataclasses import asdict

    return asdict(point)


def test_drafts_of_two_windows_do_not_overwrite_each_other(journal, patient):
    draft = journal.drafts.save(new_draft("diabetes", patient.pseudonym), {"age": "6"}, by=BY)
    newer = journal.drafts.save(draft, {"age": "61"}, by=BY)
    with pytest.raises(EditConflictError):
        journal.drafts.save(draft, {"age": "7"}, by=BY)
    assert journal.drafts.read(draft.id, by=BY) == newer
    assert journal.drafts.list(by=OTHER) == ()
    with pytest.raises(InputError):
        journal.drafts.read(draft.id, by=OTHER)
    journal.drafts.discard(draft.id, by=OTHER)
    assert journal.drafts.list(by=BY, pseudonym=patient.pseudonym) == (newer,)
    journal.drafts.discard(draft.id, by=BY)
    assert journal.drafts.list(by=BY) == ()


def test_no_plaintext_in_any_file(journal, patient):
    saved = journal.assessments.save(make(pseudonym=patient.pseudonym, inputs={"glucose": 5.4321987}), by=BY)
    journal.images.save(b"Zenobia on film", by=BY, media_type="image/png", file_name="Quillfeather.png")
    journal.verdicts.add(NewVerdict(assessment_id=saved.id, opinion="no", reason="Quillfeather is well"), by=BY)
    files = [path for path in journal.folder.root.rglob("*") if path.is_file()]
    assert len(files) > 6
    for path in files:
        content = path.read_bytes().lower()
        for word in (b"zenobia", b"quillfeather", b"0815", b"5.4321987", b"glucose", b"dr.test", b"create table"):
            assert word not in content, path.name
    with Journal(journal.folder.root) as again:
        assert again.assessments.read(saved.id, by=BY).inputs == {"glucose": 5.4321987}
