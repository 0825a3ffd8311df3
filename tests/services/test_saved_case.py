"""The case file of a saved film: what was shown then, the newest verdict, and what is known of its model since."""

import json
import shutil
import subprocess
from dataclasses import replace

import fake_films
import fake_models
import pytest
from actors import TESTER

from medcore.access import who_is
from medcore.errors import InputError, StorageError
from medcore.journal import NewVerdict
from medcore.services.bedside.case_file import CaseFormat, export_case_file
from medcore.services.bedside.case_parts import describe_film, describe_film_risk, describe_point
from medcore.services.films import reading
from medcore.services.films.reading import Desk, OwnReading, Verdict
from medcore.services.trust.cases import save_film, save_unread_film
from medcore.services.trust.patients import make_patient
from medcore.services.trust.recall import recall_model
from medcore.services.trust.saved_case import make_saved_case_file, may_have_case_file
from medcore.services.trust.timeline import read_timeline

BY = who_is(TESTER)


class Catalog(fake_models.FakeCatalog):
    """The shelf with a model for films."""

    def find(self, model_id):
        return fake_films.FACTS if model_id == fake_films.FACTS.model_id else super().find(model_id)


@pytest.fixture
def house(tmp_path):
    return replace(fake_models.make_house(tmp_path), catalog=Catalog())


@pytest.fixture
def patient(house):
    return make_patient(house, {"name": "Zenobia Quillfeather", "mrn": "0815", "birth_date": "2023-11-09"})


def open_case(house, **header):
    desk = Desk(
        condition=fake_films.PNEUMONIA, facts=fake_films.FACTS, who=lambda: house.actor, journal=house.journal,
        gateway=fake_films.FakeFilmGateway(), points=fake_films.POINTS,
    )  # fmt: skip
    film = fake_films.draw_film(fake_films.make_file(1, acquired_on="2026-05-03", **header))
    case = reading.open_film(desk, reading.new_case(3, "Quillfeather.dcm"), film)
    return desk, case if case.scored else reading.score(desk, [case])[0]


def save(house, patient, *, keep_image=True, prevalence=0.3, judged=True, **header):
    desk, case = open_case(house, **header)
    case = reading.read(desk, case, OwnReading.PNEUMONIA, "right lower field")
    if reading.can_be_seen(desk, case):
        case = reading.see(desk, case)
        case = reading.judge(desk, case, Verdict(agrees=False, code="input", reason="rotated")) if judged else case
    finding = reading.reveal(desk, case, prevalence)
    saved = save_film(
        house, case=case, finding=finding, pseudonym=patient.pseudonym, keep_image=keep_image, key="film"
    )  # fmt: skip
    (entry,) = read_timeline(house, patient)
    return case, finding, saved, entry


def test_the_facts_are_those_shown_then(house, patient):
    case, finding, saved, entry = save(house, patient)
    made = make_saved_case_file(house, entry, patient)
    shown = describe_film(case, finding)
    assert replace(made.film, number=3) == shown
    assert [picture.title for picture in made.film.pictures] == ["The film", "Heat map over the film"]
    assert made.risk == describe_film_risk(fake_films.PNEUMONIA, case, finding)
    assert made.point == describe_point(finding)
    assert (made.model.sha256, made.model.title, made.model.metrics != ()) == (
        fake_films.FACTS.sha256, "Made-up film model", True,
    )  # fmt: skip
    reader = made.reader
    assert (reader.reading, reader.verdict, reader.note) == ("pneumonia", "overrides", "right lower field")
    assert reader.reason == "A value is wrong, old or not known: rotated"
    assert (made.patient.name, made.patient.identifier, made.record) == ("Zenobia Quillfeather", "0815", saved.id[:8])
    assert made.assessed_at == saved.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert house.journal.events(1)[0].action == "view_image"


@pytest.mark.parametrize("deidentified", [False, True])
def test_every_format(house, patient, deidentified, tmp_path):
    _, _, _, entry = save(house, patient)
    made = make_saved_case_file(house, entry, patient)
    parts = {"deidentified": deidentified, "picture_checked": True}
    html, record, pdf = (export_case_file(house, made, form, **parts) for form in
                         (CaseFormat.HTML, CaseFormat.FHIR, CaseFormat.PDF))  # fmt: skip
    assert html.content_hash.encode() in html.data
    assert ("Quillfeather" in html.data.decode()) is not deidentified
    assert ("Quillfeather" in record.data.decode()) is not deidentified
    assert (b"2026-05-03" in html.data) is not deidentified
    bundle = json.loads(record.data)
    assert bundle["identifier"]["value"] == record.content_hash
    assert "DiagnosticReport" in {item["resource"]["resourceType"] for item in bundle["entry"]}
    module = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is in the extra test")
    module.Bundle.model_validate(bundle)
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    path = tmp_path / "case.pdf"
    path.write_bytes(pdf.data)
    text = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True).stdout.decode()
    for words in ("Heat map over the film", "Decision support, not a diagnosis", pdf.content_hash, "overrides"):
        assert words in text
    assert ("Quillfeather" in text) is not deidentified


def test_a_verdict_given_after_saving_is_the_one_in_it(house, patient):
    _, _, saved, _ = save(house, patient, judged=False)
    for response, reason in (("", ""), ("overridden", "seen before"), ("accepted", "")):
        verdict = NewVerdict(assessment_id=saved.id, opinion="yes", response=response, reason=reason)
        house.journal.verdicts.add(verdict, by=BY)
    (entry,) = read_timeline(house, patient)
    reader = make_saved_case_file(house, entry, patient).reader
    assert (reader.reading, reader.verdict, reader.reason) == ("pneumonia", "agrees", "")


def test_without_its_image_it_says_so(house, patient):
    case, _, _, entry = save(house, patient, keep_image=False)
    made = make_saved_case_file(house, entry, patient)
    assert made.film.pictures == ()
    assert "not kept" in made.film.map_problem
    assert (made.film.rows, made.film.columns, made.film.pixel_sha256) == (*case.film.shape, case.film.pixel_sha256)
    assert "not kept" in export_case_file(house, made, CaseFormat.HTML).data.decode()


def test_withheld(house, patient):
    _, _, _, entry = save(house, patient, age_years=9.0)
    made = make_saved_case_file(house, entry, patient)
    assert (made.risk.state, made.risk.p) == ("withheld", None)
    assert any("9 years" in text for text in made.risk.reasons)
    assert export_case_file(house, made, CaseFormat.HTML).data


def test_a_film_that_does_not_fit_the_patient_and_a_recalled_model_are_said(house, patient):
    save(house, patient, age_years=4.0)
    recall_model(house, fake_films.FACTS, "Dr Smith saw drift", version=0)
    (entry,) = read_timeline(house, patient)
    notices = make_saved_case_file(house, entry, patient).notices
    assert "This model was recalled since." in notices
    assert any("film's header does not fit" in text for text in notices)
    assert "Smith" not in repr(notices)


def test_a_model_that_is_gone_keeps_its_name(house, patient):
    _, _, _, entry = save(house, patient)
    made = make_saved_case_file(replace(house, catalog=fake_models.FakeCatalog()), entry, patient)
    assert (made.model.title, made.model.sha256) == ("Made-up film model", fake_films.FACTS.sha256)
    assert made.model.limits == "This bundle is no longer installed."


def test_a_film_nobody_has_read_has_none(house, patient):
    _, case = open_case(house)
    save_unread_film(house, "pneumonia", case=case, pseudonym=patient.pseudonym, key="k")
    (entry,) = read_timeline(house, patient)
    assert not may_have_case_file(entry)
    with pytest.raises(InputError, match="nobody has read"):
        make_saved_case_file(house, entry, patient)


def test_a_damaged_image_is_said(house, patient):
    _, _, _, entry = save(house, patient)
    (path,) = house.journal.folder.images.iterdir()
    path.write_bytes(b"x")
    with pytest.raises(StorageError, match="changed or damaged"):
        make_saved_case_file(house, entry, patient)
