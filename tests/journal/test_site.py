"""Site settings and known outcomes: kept, versioned, sealed, signed; and the upgrade that adds their tables."""

import pytest

from medcore.errors import EditConflictError, InputError, KeysError, StorageError
from medcore.journal import NewAssessment, Who, upgrade
from medcore.journal.pen import Pen

BY = Who(actor="dr.test", role="clinician", session="7")


def save(journal, pseudonym=None, condition="diabetes"):
    new = NewAssessment(
        condition=condition, model_id="m", sha256="ab", status="scored", inputs={"age": 61.0}, pseudonym=pseudonym
    )
    return journal.assessments.save(new, by=BY)


class TestSettings:
    def test_there_and_back(self, journal):
        assert journal.site.get("read_first:pneumonia") is None
        first = journal.site.put("read_first:pneumonia", True, version=0, by=BY)
        assert (first.value, first.actor, first.version) == (True, "dr.test", 1)
        assert journal.site.get("read_first:pneumonia") == first
        second = journal.site.put("read_first:pneumonia", {"a": [1, None]}, version=1, by=BY)
        assert (second.value, second.version) == ({"a": [1, None]}, 2)
        assert journal.audit.verify().ok

    def test_the_event_says_what_was_settled(self, journal):
        journal.site.put("activation:ab", {}, version=0, by=BY, action="activate_model", outcome="trust", sha256="ab")
        (event,) = journal.events()
        assert (event.action, event.outcome, event.target) == ("activate_model", "trust", "setting:activation:ab")
        assert (event.actor, event.role, event.sha256, event.n_records) == ("dr.test", "clinician", "ab", 0)

    @pytest.mark.parametrize("version", [0, 2])
    def test_an_old_version_overwrites_nothing(self, journal, version):
        journal.site.put("x", 1, version=0, by=BY)
        with pytest.raises(EditConflictError, match="nothing was overwritten"):
            journal.site.put("x", 2, version=version, by=BY)
        assert journal.site.get("x").value == 1
        assert len(journal.events()) == 1

    def test_the_same_click_told_twice_counts_once(self, journal):
        first = journal.site.put("x", 1, version=0, by=BY)
        assert journal.site.put("x", 1, version=0, by=BY) == first
        assert len(journal.events()) == 1
        with pytest.raises(EditConflictError):
            journal.site.put("x", 1, version=0, by=Who(actor="somebody.else"))

    def test_list_by_beginning(self, journal):
        for name in ("read_first:b", "read_first:a", "readXfirst:c", "site_name"):
            journal.site.put(name, name, version=0, by=BY)
        assert [item.name for item in journal.site.list("read_first:")] == ["read_first:a", "read_first:b"]
        assert len(journal.site.list()) == 4

    @pytest.mark.parametrize(("name", "value"), [("x", float("nan")), ("x", {1, 2}), (" ", 1)])
    def test_what_cannot_be_kept(self, journal, name, value):
        with pytest.raises(InputError):
            journal.site.put(name, value, version=0, by=BY)
        assert journal.events() == ()

    @pytest.mark.parametrize(
        ("statement", "text"),
        [
            ("UPDATE site_settings SET value = 'true'", "A saved setting is not what was written"),
            ("DELETE FROM site_settings", "A saved setting is missing"),
        ],
    )
    def test_a_change_behind_the_back_is_found(self, journal, statement, text):
        journal.site.put("x", False, version=0, by=BY)
        with journal.writing() as pen:
            pen.connection.exec_driver_sql(statement)
        (finding,) = journal.audit.verify().findings
        assert finding.text.startswith(text)


class TestOutcomes:
    def test_there_and_back(self, journal):
        one, other = save(journal), save(journal, condition="heart_disease")
        outcome = journal.outcomes.save(one.id, True, by=BY)
        journal.outcomes.save(other.id, False, by=BY)
        assert journal.outcomes.list("diabetes") == (outcome,)
        assert [item.outcome for item in journal.outcomes.list()] == [True, False]
        assert (outcome.model_id, outcome.sha256, outcome.condition) == ("m", "ab", "diabetes")
        assert journal.audit.verify().ok

    def test_a_correction_counts_and_the_earlier_one_is_kept(self, journal):
        saved = save(journal)
        for value in (True, False):
            journal.outcomes.save(saved.id, value, by=BY)
        assert [item.outcome for item in journal.outcomes.list(assessment_id=saved.id)] == [False]
        assert [item.outcome for item in journal.outcomes.list(with_earlier=True)] == [True, False]

    def test_sealed_with_the_patients_key(self, journal):
        patient = journal.patients.create({"mrn": "1"}, by=BY)
        saved = save(journal, patient.pseudonym)
        journal.outcomes.save(saved.id, True, by=BY)
        journal.patients.erase(patient.pseudonym, by=BY)
        assert [item.outcome for item in journal.outcomes.list()] == [None]
        with pytest.raises(KeysError, match="erased"):
            journal.outcomes.save(saved.id, False, by=BY)
        assert journal.audit.verify().ok

    def test_the_event_does_not_say_which(self, journal):
        journal.outcomes.save(save(journal).id, True, by=BY)
        event = journal.events(1)[0]
        assert (event.action, event.outcome, event.condition) == ("save_outcome", "saved", "diabetes")

    @pytest.mark.parametrize("value", [1, "yes", None])
    def test_neither_yes_nor_no(self, journal, value):
        with pytest.raises(InputError, match="yes or no"):
            journal.outcomes.save(save(journal).id, value, by=BY)

    def test_no_such_assessment(self, journal):
        with pytest.raises(InputError, match="no such assessment"):
            journal.outcomes.save("x", True, by=BY)

    @pytest.mark.parametrize("statement", ["UPDATE outcomes SET actor = 'x'", "DELETE FROM outcomes"])
    def test_rows_cannot_be_changed(self, journal, statement):
        journal.outcomes.save(save(journal).id, True, by=BY)
        with pytest.raises(StorageError, match="append-only"), journal.writing() as pen:
            pen.connection.exec_driver_sql(statement)


class TestUpgrade:
    """From the tables before outcomes and site settings to those of today, and the way back."""

    def begin_before(self, journal, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(upgrade, "HEAD", "0001")
            patch.setattr(Pen, "_refuse_in_maintenance", lambda pen: None)  # asks a table that came later
            saved = save(journal)
            journal.close()
        return saved

    def test_nothing_is_lost(self, journal, monkeypatch):
        saved = self.begin_before(journal, monkeypatch)
        assert [item.id for item in journal.assessments.list()] == [saved.id]
        journal.outcomes.save(saved.id, True, by=BY)
        journal.site.put("x", 1, version=0, by=BY)
        assert journal.audit.verify().ok
        (copy,) = journal.folder.root.glob("journal.db.before-0001-*")
        assert copy.stat().st_mode & 0o077 == 0
        journal.close()
        journal.open()
        assert list(journal.folder.root.glob("journal.db.before-*")) == [copy]

    def test_the_way_back(self, journal, monkeypatch):
        """What docs/deployment.md says: with nothing written since, the copy in the place of the file."""
        saved = self.begin_before(journal, monkeypatch)
        journal.open()
        journal.close()
        (copy,) = journal.folder.root.glob("journal.db.before-0001-*")
        for path in journal.folder.root.glob("journal.db-*"):
            path.unlink()
        copy.replace(journal.path)
        with monkeypatch.context() as patch:
            patch.setattr(upgrade, "HEAD", "0001")
            assert journal.assessments.read(saved.id, by=BY) == saved
            journal.close()
        assert journal.audit.verify().ok  # and forward again
