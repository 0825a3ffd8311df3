"""Site settings, retention, erasure, read-only mode and readiness."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from actors import act_as
from fake_models import SHA, FakeGateway, make_house

from medcore.errors import (
    AccessDeniedError,
    EditConflictError,
    InputError,
    KeysError,
    ReadOnlyError,
    StorageError,
    UnknownNameError,
)
from medcore.journal import Event, Journal, NewAssessment, NewVerdict, OperatingPoint, Who
from medcore.journal.drafts import new_draft
from medcore.services.trust import readiness, retention, site

BY = Who(actor="dr.test")


def enter(house, *roles, **parts):
    actor = replace(act_as(*roles), **parts)
    return replace(house, who=lambda: actor, access=SimpleNamespace())


@pytest.fixture
def clock():
    return SimpleNamespace(now=datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def house(tmp_path, clock):
    house = make_house(tmp_path / "unused", environ={"MEDCORE_PREVALENCE": "pneumonia=0.3"})
    house = replace(house, journal=Journal(tmp_path / "data", clock=lambda: clock.now))
    yield house
    house.journal.close()


@pytest.fixture
def boss(house):
    return enter(house, "administrator")


def save(house, pseudonym=None):
    new = NewAssessment(
        condition="diabetes", model_id="m", sha256=SHA, status="scored", inputs={"age": 61.0}, pseudonym=pseudonym
    )
    return house.journal.assessments.save(new, by=BY)


class TestSettings:
    def test_read_first_is_on_for_films_until_somebody_settles_otherwise(self, house, boss):
        assert site.is_read_first(house, "pneumonia")
        assert not site.is_read_first(house, "diabetes")
        site.set_read_first(boss, "diabetes", True, version=0)
        site.set_read_first(boss, "pneumonia", False, version=0)
        assert site.is_read_first(house, "diabetes")
        assert not site.is_read_first(house, "pneumonia")
        event = house.journal.events(1)[0]
        assert (event.action, event.outcome, event.condition) == ("set_site_setting", "off", "pneumonia")

    def test_the_pages_prevalence_wins_over_the_environments(self, house, boss):
        assert site.find_prevalence(house, "pneumonia") == 0.3
        site.set_prevalence(boss, "pneumonia", 0.12, version=0)
        assert site.find_prevalence(house, "pneumonia") == 0.12
        site.set_prevalence(boss, "pneumonia", None, version=1)
        assert site.find_prevalence(house, "pneumonia") is None
        assert site.find_prevalence(house, "diabetes") is None

    @pytest.mark.parametrize("value", [0.0, 1.0, -1, 30, float("nan")])
    def test_impossible_prevalence(self, boss, value):
        with pytest.raises(InputError):
            site.set_prevalence(boss, "pneumonia", value, version=0)

    def test_name(self, house, boss):
        assert site.site_name(house) == ""
        site.set_site_name(boss, " St. Elsewhere ", version=0)
        assert site.site_name(house) == "St. Elsewhere"
        for bad in ("x" * 81, "a\nb"):
            with pytest.raises(InputError):
                site.set_site_name(boss, bad, version=1)
        with pytest.raises(EditConflictError):
            site.set_site_name(boss, "Other", version=0)

    def test_no_such_question(self, house):
        with pytest.raises(UnknownNameError):
            site.is_read_first(house, "gout")

    @pytest.mark.parametrize("roles", [("clinician", "radiologist", "analyst", "auditor"), ()])
    def test_only_an_administrator_changes_anything(self, house, roles):
        inside = enter(house, *roles)
        for act in (
            lambda: site.set_site_name(inside, "x", version=0),
            lambda: site.set_read_first(inside, "diabetes", True, version=0),
            lambda: site.set_prevalence(inside, "diabetes", 0.1, version=0),
            lambda: site.set_read_only(inside, True, version=0),
            lambda: retention.preview(inside, 365),
            lambda: retention.set_days(inside, None, version=0),
            lambda: retention.erase_patient(inside, "P-1", "P-1", "request"),
        ):
            with pytest.raises(AccessDeniedError):
                act()
        assert house.journal.events() == ()

    def test_nobody_in_a_demo(self, house):
        with pytest.raises(AccessDeniedError, match="demo"):
            site.set_site_name(enter(house, "administrator", demo=True), "x", version=0)


class TestReadOnly:
    def savings(self, house, patient, saved):
        journal = house.journal
        return (
            lambda: journal.patients.create({"mrn": "2"}, by=BY),
            lambda: journal.patients.update(patient, {"mrn": "3"}, by=BY),
            lambda: journal.patients.erase(patient.pseudonym, by=BY),
            lambda: save(house, patient.pseudonym),
            lambda: journal.images.save(b"film", by=BY, media_type="image/png"),
            lambda: journal.verdicts.add(NewVerdict(assessment_id=saved.id, opinion="yes"), by=BY),
            lambda: journal.outcomes.save(saved.id, True, by=BY),
            lambda: journal.operating_points.save(
                OperatingPoint(condition="c", model_id="m", sha256=SHA, name="n", threshold=0.5), by=BY
            ),
        )

    @pytest.mark.parametrize("way", ["page", "environment"])
    def test_nothing_is_saved_everything_is_read(self, house, boss, way, monkeypatch):
        patient = house.journal.patients.create({"mrn": "1"}, by=BY)
        saved = save(house, patient.pseudonym)
        if way == "page":
            site.set_read_only(boss, True, version=0)
        else:
            monkeypatch.setenv("MEDCORE_READ_ONLY", "on")
            house.journal.close()
        for act in self.savings(house, patient, saved):
            with pytest.raises(ReadOnlyError, match="What you entered stays here"):
                act()
        assert not list(house.journal.folder.images.glob("*")) if house.journal.folder.images.exists() else True
        assert house.journal.patients.read(patient.pseudonym, by=BY) == patient
        assert house.journal.assessments.read(saved.id, by=BY) == saved
        house.journal.record(Event(actor="a", action="assess", outcome="scored"))
        house.journal.drafts.save(new_draft("diabetes"), {"age": "61"}, by=BY)  # a form is kept
        assert house.journal.audit.verify().ok
        if way == "page":
            site.set_read_only(boss, False, version=1)
        else:
            monkeypatch.delenv("MEDCORE_READ_ONLY")
            house.journal.close()
        for act in self.savings(house, patient, saved)[3:]:
            act()

    def test_what_the_environment_began_the_page_cannot_end(self, house):
        inside = replace(enter(house, "administrator"), settings=replace(house.settings, read_only=True))
        assert site.is_read_only(inside)
        with pytest.raises(InputError, match="MEDCORE_READ_ONLY"):
            site.set_read_only(inside, False, version=0)


class TestRetention:
    def test_a_rule_needs_its_preview_and_erases_only_the_idle(self, house, boss, clock):
        old, fresh = (house.journal.patients.create({"name": name}, by=BY) for name in ("Old", "Fresh"))
        saved = save(house, old.pseudonym)
        assert retention.run_rule(house) == 0
        clock.now += timedelta(days=400)
        save(house, fresh.pseudonym)
        seen = retention.preview(boss, 365)
        assert [item.pseudonym for item in seen.patients] == [old.pseudonym]
        for wrong in (None, replace(seen, days=366), replace(seen, patients=())):
            with pytest.raises(InputError, match="Look first"):
                retention.set_days(boss, 365, seen=wrong, version=0)
        assert retention.find_days(house) is None
        retention.set_days(boss, 365, seen=seen, version=0)
        assert retention.find_days(house) == 365
        assert retention.run_rule(house) == 1
        assert retention.run_rule(house) == 0
        assert not house.journal.assessments.read(saved.id, by=BY).readable
        assert house.journal.patients.read(fresh.pseudonym, by=BY).erased_at is None
        actions = [(event.actor, event.action) for event in house.journal.events(10)]
        assert ("system:retention", "erase_patient") in actions
        assert ("system:retention", "run_retention") in actions
        assert house.journal.audit.verify().ok

    @pytest.mark.parametrize("kind", ["result", "outcome", "verdict", "image", "draft", "identifiers"])
    def test_every_kind_of_entry_counts(self, house, boss, clock, kind):
        patient = house.journal.patients.create({"name": "A"}, by=BY)
        saved = save(house, patient.pseudonym)
        clock.now += timedelta(days=300)
        journal = house.journal
        {
            "result": lambda: save(house, patient.pseudonym),
            "outcome": lambda: journal.outcomes.save(saved.id, True, by=BY),
            "verdict": lambda: journal.verdicts.add(NewVerdict(assessment_id=saved.id, opinion="no"), by=BY),
            "image": lambda: journal.images.save(b"x", by=BY, media_type="image/png", pseudonym=patient.pseudonym),
            "draft": lambda: journal.drafts.save(new_draft("diabetes", patient.pseudonym), {"age": "6"}, by=BY),
            "identifiers": lambda: journal.patients.update(patient, {"name": "B"}, by=BY),
        }[kind]()
        clock.now += timedelta(days=300)
        assert retention.preview(boss, 365).patients == ()
        clock.now += timedelta(days=66)
        assert len(retention.preview(boss, 365).patients) == 1

    @pytest.mark.parametrize("days", [29, 0, -1, 36_501, 1.5, True])
    def test_impossible_rules(self, boss, days):
        with pytest.raises(InputError, match="whole days"):
            retention.preview(boss, days)

    def test_not_in_a_demo_and_not_in_maintenance(self, house, boss, clock):
        house.journal.patients.create({"name": "A"}, by=BY)
        clock.now += timedelta(days=400)
        retention.set_days(boss, 365, seen=retention.preview(boss, 365), version=0)
        assert retention.run_rule(replace(house, settings=replace(house.settings, demo=True))) == 0
        site.set_read_only(boss, True, version=0)
        with pytest.raises(ReadOnlyError):
            retention.run_rule(house)


class TestErasure:
    def test_twice_the_same_and_then_it_is_gone(self, house, boss):
        patient = house.journal.patients.create({"name": "Zenobia"}, by=BY)
        saved = save(house, patient.pseudonym)
        for again in ("", "P-XXXXXXXX"):
            with pytest.raises(InputError, match="the two differ"):
                retention.erase_patient(boss, patient.pseudonym, again, "request")
        with pytest.raises(InputError, match="Choose why"):
            retention.erase_patient(boss, patient.pseudonym, patient.pseudonym, "because")
        retention.erase_patient(boss, patient.pseudonym.lower(), f" {patient.pseudonym}", "request")
        assert not house.journal.assessments.read(saved.id, by=BY).readable
        assert house.journal.patients.find("name", "zenobia", by=BY) == ()
        why = next(event for event in house.journal.events() if event.action == "erase_reason")
        assert (why.outcome, why.patient, why.actor) == ("request", patient.pseudonym, "account:test")
        with pytest.raises(KeysError, match="erased"):
            retention.erase_patient(boss, patient.pseudonym, patient.pseudonym, "request")
        assert house.journal.audit.verify().ok

    def test_no_such_patient(self, boss):
        with pytest.raises(InputError, match="no patient"):
            retention.erase_patient(boss, "P-NOBODY", "P-NOBODY", "mistake")

    def test_copies_it_does_not_reach_are_counted(self, house, boss):
        house.journal.open()
        assert retention.count_copies(boss) == 0
        (house.journal.folder.root / "journal.db.before-0001-aa").touch()
        assert retention.count_copies(boss) == 1


class TestReadiness:
    def test_everything_is_fine(self, house):
        found = readiness.check_readiness(house)
        assert found.ready
        assert house.journal.events() == ()

    def test_each_part_is_named(self, house, monkeypatch):
        cold = replace(house, gateway=FakeGateway(ready=False))
        assert readiness.check_readiness(cold).models == "not_ready"
        monkeypatch.setattr(readiness, "LEAST_FREE_MB", 10**12)
        full = readiness.check_readiness(house)
        assert (full.disk, full.ready) == ("full", False)
        house.journal.close()
        house.journal._pragmas = ("query_only = 1",)
        locked = readiness.check_readiness(house)
        assert (locked.journal, locked.ready) == (StorageError("").code, False)
