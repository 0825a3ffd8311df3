"""After a session with patients nothing that was entered can be found in data folder, temporary folders or logs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME, NUMBER, BORN, NOTE = "Zebedee Quillfeather", "MRN-4711-0815", "1959-03-17", "saw him on the corridor"
WEIGHT = "88.4321987"
CANARIES = (NAME, "Quillfeather", NUMBER, BORN, NOTE, WEIGHT, "zebedee quillfeather", "anna_mueller.dcm")

SESSION = f"""
import logging, os, sys, time
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
logging.basicConfig(level=logging.DEBUG)
import fake_films, fake_models
from medcore.access import who_is
from medcore.journal import NewVerdict
from medcore.journal.backup import back_up
from medcore.journal.drafts import new_draft
from medcore.services.bedside import clinic
from medcore.services.films import reading
from medcore.services.house import find_condition
from medcore.services.trust import cases
from medcore.ui import logs

logs.install()
house = fake_models.make_house(Path(sys.argv[1]))
by, journal = who_is(house.actor), house.journal
identifiers = {{"name": {NAME!r}, "mrn": {NUMBER!r}, "birth_date": {BORN!r}}}
patient = journal.patients.create(identifiers, by=by)
journal.patients.find("name", {NAME!r}, by=by)
patient = journal.patients.update(patient, {{**identifiers, "name": {NAME!r} + " jr"}}, by=by)
condition = find_condition("diabetes")
typed = {{**condition.examples[0].values, "weight_kg": {WEIGHT!r}}}
form = clinic.read_form(condition, typed)
assessment = clinic.assess(
    "diabetes", "diabetes-logistic", form, actor=house.actor, journal=journal, gateway=house.gateway,
    catalog=house.catalog,
)
for pseudonym in (patient.pseudonym, None):
    saved = cases.save_assessment(
        house, condition_id="diabetes", reading=form, assessment=assessment, pseudonym=pseudonym, key="k"
    )
    assert {WEIGHT} in saved.inputs.values()
    journal.outcomes.save(saved.id, True, by=by)
    verdict = NewVerdict(assessment_id=saved.id, opinion="yes", response="overridden", reason={NOTE!r})
    journal.verdicts.add(verdict, by=by)
    journal.drafts.save(new_draft("diabetes", pseudonym), typed, by=by)
desk = reading.Desk(
    condition=fake_films.PNEUMONIA, facts=fake_films.FACTS, who=lambda: house.actor, journal=journal,
    gateway=fake_films.FakeFilmGateway(), points=fake_films.POINTS,
)
film = fake_films.draw_film(fake_films.make_file(1))
case = reading.open_film(desk, reading.new_case(1, "anna_mueller.dcm"), film)
(case,) = reading.score(desk, [case])
case = reading.read(desk, case, reading.OwnReading.PNEUMONIA, {NOTE!r})
saved = cases.save_film(
    house, case=case, finding=reading.reveal(desk, case), pseudonym=patient.pseudonym, keep_image=True, key="f"
)
assert journal.images.list(assessment_id=saved.id)
back_up(journal, Path(sys.argv[1]) / "copy", actor="a")
print("pixels", film.stored.tobytes()[5000:5064].hex(), flush=True)
logging.getLogger("some.library").error("could not draw %s", {NAME!r})
print("done", flush=True)
time.sleep(600)
"""


def find_all(folder, needles):
    """Return every (file, needle) found, in the spellings a program may leave behind."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            lower = content.lower()
            for needle in needles:
                if isinstance(needle, bytes):
                    hit = needle in content
                else:
                    hit = any(needle.lower().encode(code) in lower for code in ("utf-8", "utf-16-le", "utf-16-be"))
                if hit:
                    found.append((path.name, needle))
    return found


def test_nothing_that_was_entered_is_left_in_plain(tmp_path):
    for name in ("data", "temp"):
        (tmp_path / name).mkdir(mode=0o700)
    environ = {**os.environ, "MEDCORE_KEY_STORE": "file", "TMPDIR": str(tmp_path / "temp"), "HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        session = subprocess.Popen(
            [sys.executable, "-c", SESSION, str(tmp_path / "data")], cwd=ROOT, env=environ, stdout=subprocess.PIPE,
            stderr=log, text=True,
        )  # fmt: skip
        try:
            lines = [session.stdout.readline().strip() for _ in range(2)]
            time.sleep(0.2)
        finally:
            session.send_signal(signal.SIGKILL)  # so that the write-ahead log stays as it is
            session.wait()
    assert lines[1:] == ["done"], (tmp_path / "log").read_text()[-2000:]
    pixels = bytes.fromhex(lines[0].removeprefix("pixels "))
    names = {path.name for path in (tmp_path / "data").rglob("*")}
    assert {"journal.db", "journal.db-wal", "copy"} <= names
    assert any(name.endswith(".sealed") for name in names)
    assert len(set(pixels)) > 8  # not a plain surface, which could be found by chance
    assert find_all(tmp_path, [*CANARIES, pixels]) == []


def test_the_search_finds_what_is_there(tmp_path):
    (tmp_path / "left").write_bytes(b"...Quillfeather...\x00" + "MRN-4711-0815".encode("utf-16-le"))
    assert {needle for _, needle in find_all(tmp_path, CANARIES)} == {"Quillfeather", NUMBER}
