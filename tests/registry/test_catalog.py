"""The shelf is read again when its folder changes, and only then."""

import json
import shutil
import threading
import time

import pytest
from bundles_fixture import reseal

from medcore.errors import ManifestError, UnknownNameError
from medcore.registry import Catalog, Manifest, catalog

LOGISTIC, SVM = "diabetes-logistic", "diabetes-svm"


@pytest.fixture
def models(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "SETTLE_S", 0.0)
    return shelf.copy(tmp_path / "models", LOGISTIC)


def test_nothing_is_read_while_nothing_changes(models):
    found = Catalog(models)
    assert not found.refresh()
    time.sleep(0.01)
    assert not found.refresh()


def test_a_page_that_asks_for_a_model_again_computes_no_hash_again(models, monkeypatch):
    computed = []
    whole = Manifest.sha256.fget
    monkeypatch.setattr(Manifest, "sha256", property(lambda manifest: computed.append(1) or whole(manifest)))
    found = Catalog(models)
    first, again = found.default("diabetes"), found.default("diabetes")
    assert first.sha256 == again.sha256 == found.bundle(LOGISTIC).manifest.sha256
    assert len(computed) == 2  # once for the shelf, once by this test


def test_a_bundle_added_replaced_and_removed(models, shelf):
    found = Catalog(models)
    shutil.copytree(shelf.folder / SVM, models / SVM)
    assert found.refresh()
    assert found.find(SVM).model_id == SVM
    before = found.find(LOGISTIC).sha256
    reseal(models / LOGISTIC, version="9.9")
    assert found.refresh()
    assert found.find(LOGISTIC).version == "9.9"
    assert found.find(LOGISTIC).sha256 != before
    shutil.rmtree(models / SVM)
    assert found.refresh()
    with pytest.raises(UnknownNameError):
        found.find(SVM)


def test_a_damaged_manifest_is_a_problem_until_it_is_mended(models):
    found, path = Catalog(models), models / LOGISTIC / "manifest.json"
    good = path.read_bytes()
    path.write_bytes(b"{")
    assert found.refresh()
    assert isinstance(found.problems[LOGISTIC], ManifestError)
    path.write_bytes(good)
    assert found.refresh()
    assert not found.problems


def test_another_default_is_taken_up_with_its_reason(models):
    found = Catalog(models)
    entry = {"model": LOGISTIC, "sha256": "ab", "brier": 0.04, "highest_auroc": SVM, "non_inferior": [LOGISTIC, SVM]}
    (models / "defaults.json").write_text(json.dumps({"diabetes": entry}))
    assert found.refresh()
    chosen = found.choice("diabetes")
    assert (chosen.model, chosen.brier, chosen.highest_auroc) == (LOGISTIC, 0.04, SVM)
    assert chosen.non_inferior == (LOGISTIC, SVM)
    assert found.choice("heart_disease") is None


def test_a_folder_that_is_still_being_written_is_left_alone(models, monkeypatch):
    found = Catalog(models)
    monkeypatch.setattr(catalog, "SETTLE_S", 0.3)
    reseal(models / LOGISTIC, version="9.9")
    assert not found.refresh()
    time.sleep(0.4)
    assert found.refresh()
    assert found.find(LOGISTIC).version == "9.9"


def test_a_folder_that_vanishes_changes_nothing(models):
    found = Catalog(models)
    shutil.rmtree(models)
    assert not found.refresh()
    assert found.find(LOGISTIC).model_id == LOGISTIC


def test_only_one_thread_reads(models):
    found = Catalog(models)
    reseal(models / LOGISTIC, version="9.9")
    results = []
    threads = [threading.Thread(target=lambda: results.append(found.refresh())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(results)
    assert found.find(LOGISTIC).version == "9.9"


def test_looking_is_cheap(models):
    found = Catalog(models)
    start = time.perf_counter()
    for _ in range(100):
        found.refresh()
    assert time.perf_counter() - start < 1.0
