"""Verifying an installation: each part is a result of its own."""

import json
from types import SimpleNamespace

import pytest
from tiny_bundle import write_tiny_bundle

from medcore.errors import ArtifactError
from medcore.services.verification import verify_all


@pytest.fixture
def settings(tmp_path):
    write_tiny_bundle(tmp_path / "models")
    return SimpleNamespace(models_dir=tmp_path / "models", data_dir=tmp_path / "data")


def outcome(settings):
    return {check.name: check.ok for check in verify_all(settings)}


def test_all_is_well(settings):
    assert outcome(settings) == {"diabetes-logistic": True, "journal": True}


def test_wrong_golden_answers_fail_even_with_a_right_hash(settings):
    from dataclasses import replace

    from medcore.registry import open_bundle, write_bundle

    bundle = open_bundle(settings.models_dir / "diabetes-logistic")
    contents = {name: bundle.read_bytes(name) for name in bundle.manifest.files}
    golden = json.loads(contents["golden.json"])
    golden["p"][0] = 0.999
    contents["golden.json"] = json.dumps(golden).encode()
    write_bundle(bundle.folder, replace(bundle.manifest, files={}), contents)
    checks = {check.name: check for check in verify_all(settings)}
    assert not checks["diabetes-logistic"].ok
    assert "does not reproduce" in checks["diabetes-logistic"].detail


def test_a_broken_journal_is_named_and_left_alone(settings):
    settings.data_dir.mkdir()
    path = settings.data_dir / "journal.sqlite3"
    path.write_bytes(b"not a database, but a text of some length. " * 40)
    assert outcome(settings) == {"diabetes-logistic": True, "journal": False}
    assert path.read_bytes().startswith(b"not a database")


def test_a_journal_that_was_tampered_with_is_named(settings):
    from medcore.journal import Event, open_journal

    with open_journal(settings.data_dir) as journal:
        for _ in range(3):
            journal.record(Event(actor="a", action="b", outcome="c"))
        assert outcome(settings)["journal"]
        with journal.writing() as pen:
            pen.connection.exec_driver_sql("DROP TRIGGER events_no_delete")
            pen.connection.exec_driver_sql("DELETE FROM events WHERE number = 2")
    check = next(check for check in verify_all(settings) if check.name == "journal")
    assert not check.ok
    assert check.detail == "Event 2 is missing."


def test_no_model_folder_at_all(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        verify_all(SimpleNamespace(models_dir=tmp_path / "absent", data_dir=tmp_path / "data"))


def test_film_bundles_are_verified_too(film_models, tmp_path):
    import shutil

    from film_bundle import MODEL_ID

    folder = shutil.copytree(film_models, tmp_path / "models")
    settings = SimpleNamespace(models_dir=folder, data_dir=tmp_path / "data")
    assert outcome(settings) == {MODEL_ID: True, "journal": True}
    (folder / MODEL_ID / "gate.npz").write_bytes(b"broken")
    assert outcome(settings) == {MODEL_ID: False, "journal": True}
