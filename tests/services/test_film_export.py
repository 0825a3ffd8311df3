"""A film leaves as DICOM only after somebody looked, only for radiologists, and never before the journal has it."""

import io
import json
from dataclasses import replace

import fake_films
import fake_models
import numpy as np
import pytest
from film_files import make_dicom
from pydicom import dcmread

from medcore.access import Actor, Role
from medcore.errors import AccessDeniedError, InputError, StorageError, UncheckedFilmError, WorkerDiedError
from medcore.imaging import FilmReader
from medcore.imaging.phantom import make_phantom, phantom_png
from medcore.journal import Journal
from medcore.services.films.film_export import Edges, check_film, export_film
from medcore.services.films.reading import Desk, Stage
from medcore.services.films.worklist import FilmMemory, Worklist

RADIOLOGIST = Actor(name="account:ray", roles={Role.RADIOLOGIST})


@pytest.fixture(scope="module")
def reader():
    with FilmReader() as made:
        yield made


class BrokenJournal(Journal):
    broken = False

    def record(self, event):
        if self.broken:
            raise StorageError("The journal is read-only. Nothing was done.")
        return super().record(event)


@pytest.fixture
def house(tmp_path, reader):
    made = fake_models.make_house(tmp_path, environ={"MEDCORE_DATA": str(tmp_path)}, reader=reader)
    return replace(made, journal=BrokenJournal(tmp_path), who=lambda: RADIOLOGIST)


def open_list(house, *files):
    gateway = fake_films.FakeFilmGateway()
    desk = Desk(
        condition=fake_films.PNEUMONIA,
        facts=fake_films.FACTS,
        who=lambda: RADIOLOGIST,
        journal=house.journal,
        gateway=gateway,
    )
    worklist = Worklist(desk, house.reader, FilmMemory(500))
    worklist.add([(f"{place}.dcm", data) for place, data in enumerate(files)])
    assert worklist.wait(lambda: all(case.stage is not Stage.WAITING for case in worklist.cases), 60)
    return worklist, [case.id for case in worklist.cases]


def clean(**tags):
    return make_dicom(make_phantom(1, 400, 350).stored, PatientName="ZEBEDEE", BurnedInAnnotation="NO", **tags)


def events(house):
    return [event for event in house.journal.events() if event.action == "export_film"]


def test_a_film_whose_header_and_pixels_are_clean_leaves_at_once(house):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)
    assert (check.found, check.needs_eyes) == ((), False)
    copy = export_film(house, worklist, check)
    assert b"ZEBEDEE" not in copy.data
    assert np.array_equal(dcmread(io.BytesIO(copy.data)).pixel_array, worklist.case(case_id).pixels.stored)
    (event,) = events(house)
    assert (event.outcome, event.actor, event.role) == ("dicom_deidentified", "account:ray", "radiologist")
    assert copy.name == f"medcore-film-{copy.sha256[:12]}.dcm"


@pytest.mark.parametrize("says", [None, "YES"])
def test_a_header_that_does_not_deny_words_asks_for_eyes(house, says):
    worklist, (case_id,) = open_list(house, make_dicom(make_phantom(1, 400, 350).stored, BurnedInAnnotation=says))
    check = check_film(house, worklist, case_id)
    assert check.needs_eyes
    with pytest.raises(UncheckedFilmError, match="film 1"):
        export_film(house, worklist, check)
    assert events(house) == []
    copy = export_film(house, worklist, check, looked=True)
    codes = [code.CodeValue for code in dcmread(io.BytesIO(copy.data)).DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]


def test_words_are_found_blackened_and_gone_from_the_file(house):
    worklist, (case_id,) = open_list(house, phantom_png(1, 600, 500))
    first = check_film(house, worklist, case_id)
    assert len(first.found) == 1
    second = check_film(house, worklist, case_id, blacken=[0], edges=Edges(bottom=10), before=first)
    assert second.found == first.found
    assert len(second.covered) == 2
    copy = export_film(house, worklist, second, looked=True, keep_patient=True)
    pixels = dcmread(io.BytesIO(copy.data)).pixel_array
    region = first.found[0]
    assert np.unique(pixels[region.top : region.bottom, region.left : region.right]).size == 1
    assert np.unique(pixels[-60:]).size == 1
    assert np.unique(pixels[100:-60]).size > 50
    assert events(house)[0].outcome == "dicom_deidentified_with_age_and_sex_blackened"


def test_what_a_clean_header_says_does_not_outweigh_what_is_seen(house):
    worklist, (case_id,) = open_list(house, make_dicom_with_words())
    check = check_film(house, worklist, case_id)
    assert check.header_says is False
    with pytest.raises(UncheckedFilmError):
        export_film(house, worklist, check)


def make_dicom_with_words():
    from burned_words import burn

    words, _ = burn(make_phantom(1, 600, 500), "DOE^JANE", 20, 40, 24, 4095)
    return make_dicom(words.stored, BurnedInAnnotation="NO")


def test_a_film_turned_after_the_look_is_looked_at_again(house):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)
    worklist.turn(case_id)
    with pytest.raises(InputError, match="look at it again"):
        export_film(house, worklist, check, looked=True)
    again = check_film(house, worklist, case_id, before=check)
    assert export_film(house, worklist, again).data


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.RADIOLOGIST])
def test_only_a_radiologist_may(house, role):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)
    other = replace(house, who=lambda: Actor(name="account:eve", roles={role}))
    with pytest.raises(AccessDeniedError):
        check_film(other, worklist, case_id)
    with pytest.raises(AccessDeniedError):
        export_film(other, worklist, check, looked=True)
    assert events(house) == []


def test_nobody_may_after_the_session(house):
    worklist, (case_id,) = open_list(house, clean())
    with pytest.raises(AccessDeniedError, match="Sign in"):
        check_film(replace(house, who=lambda: None), worklist, case_id)


def test_without_the_journal_nothing_is_handed_out(house):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)
    house.journal.broken = True
    with pytest.raises(StorageError):
        export_film(house, worklist, check)


def test_a_writer_that_dies_is_in_the_journal(house):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)

    class Dying(FilmReader):
        def copy(self, film, order, covered=()):
            raise WorkerDiedError("The film reader ended before it answered.")

    with Dying() as dying, pytest.raises(WorkerDiedError):
        export_film(replace(house, reader=dying), worklist, check)
    assert events(house)[0].outcome == "dicom_deidentified_WorkerDied"


def test_films_of_one_list_keep_belonging_together(house):
    worklist, ids = open_list(house, clean(), clean(ViewPosition="PA", SOPInstanceUID="1.2.3.9", PatientAge="004Y"))
    first, second = (
        dcmread(io.BytesIO(export_film(house, worklist, check_film(house, worklist, case_id), looked=True).data))
        for case_id in ids
    )
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.PatientID == second.PatientID
    other, (case_id,) = open_list(house, clean())
    apart = dcmread(io.BytesIO(export_film(house, other, check_film(house, other, case_id)).data))
    assert apart.StudyInstanceUID != first.StudyInstanceUID


@pytest.mark.parametrize("edges", [Edges(top=41), Edges(left=-1)])
def test_strips_have_limits(house, edges):
    worklist, (case_id,) = open_list(house, clean())
    with pytest.raises(InputError, match="0 to 40"):
        check_film(house, worklist, case_id, edges=edges)


@pytest.mark.parametrize("blacken", [[0], [-1], [7]])
def test_regions_of_another_film_are_refused(house, blacken):
    worklist, (case_id,) = open_list(house, clean())
    with pytest.raises(InputError, match="not those of this film"):
        check_film(house, worklist, case_id, blacken=blacken)


def test_a_film_that_is_gone_is_said(house):
    worklist, (case_id,) = open_list(house, clean())
    check = check_film(house, worklist, case_id)
    worklist.remove_all()
    with pytest.raises(InputError, match="no longer on the list"):
        export_film(house, worklist, check)


def test_the_journal_holds_no_name(house):
    worklist, (case_id,) = open_list(house, clean(PatientID="MRN-4711"))
    export_film(house, worklist, check_film(house, worklist, case_id))
    text = json.dumps([repr(event) for event in house.journal.events()])
    assert "ZEBEDEE" not in text
    assert "MRN-4711" not in text
