"""Locked cut-offs: kept in the data folder, bound to one version of a model, journalled."""

import json
import stat
import threading

import pytest
from bundles_fixture import reseal
from fake_models import FakeGateway, make_house

from medcore.config import read_settings
from medcore.errors import InputError, StorageError, UnknownNameError
from medcore.registry import Catalog
from medcore.services.compare.cut_offs import find_locked, list_locked, lock_cut_off, unlock

MODEL = "diabetes-logistic"
CHOICE = {
    "condition_id": "diabetes",
    "model_id": MODEL,
    "cut_off": 0.1,
    "use": "find cases",
    "harm_ratio": 9.0,
    "prevalence": 0.045,
}


@pytest.fixture
def house(shelf, tmp_path):
    models = shelf.copy(tmp_path / "models", MODEL, "diabetes-forest", "heart_disease-logistic")
    return open_house(models, tmp_path)


def open_house(models, tmp_path):
    environ = {"MEDCORE_MODELS": str(models), "MEDCORE_DATA": str(tmp_path / "data")}
    assert read_settings(environ).data_dir == tmp_path / "data"
    return make_house(tmp_path / "data", catalog=Catalog(models), gateway=FakeGateway(), environ=environ)


def test_what_is_locked_is_found_again_and_in_the_journal(house, tmp_path):
    assert find_locked(house, MODEL) is None
    locked = lock_cut_off(house, **CHOICE, reason="  board of  May ")
    assert locked.holds
    assert locked.reason == "board of May"
    assert locked.sha256 == house.catalog.find(MODEL).sha256
    assert locked.at_utc.endswith("+00:00")
    again = open_house(house.catalog.models_dir, tmp_path)
    assert find_locked(again, MODEL) == locked
    assert list_locked(again, "diabetes") == (locked,)
    assert list_locked(again, "heart_disease") == ()
    (event,) = house.journal.events()
    assert (event.action, event.outcome, event.model_id, event.sha256, event.n_records) == (
        "lock_cut_off",
        "locked",
        MODEL,
        locked.sha256,
        0,
    )


def test_a_new_choice_takes_the_place_of_the_old_one(house):
    lock_cut_off(house, **CHOICE)
    lock_cut_off(house, **{**CHOICE, "cut_off": 0.2, "use": "rule_out"})
    found = find_locked(house, MODEL)
    assert (found.cut_off, found.use) == (0.2, "rule out")
    assert len(list_locked(house, "diabetes")) == 1


def test_a_cut_off_of_a_replaced_model_is_refused_with_the_reason(house, tmp_path):
    locked = lock_cut_off(house, **CHOICE)
    reseal(house.catalog.models_dir / MODEL, version="9.9")
    found = find_locked(open_house(house.catalog.models_dir, tmp_path), MODEL)
    assert not found.holds
    assert found.refusal == (
        f"locked for version {locked.sha256[:6]} of the model, which has been replaced: choose it again"
    )
    assert found.cut_off == locked.cut_off


def test_a_cut_off_of_a_model_that_is_gone_or_broken_is_refused(house, tmp_path):
    lock_cut_off(house, **CHOICE)
    lock_cut_off(house, **{**CHOICE, "model_id": "diabetes-forest"})
    for path in (house.catalog.models_dir / "diabetes-forest").iterdir():
        path.unlink()
    (house.catalog.models_dir / "diabetes-forest").rmdir()
    (house.catalog.models_dir / MODEL / "card.md").write_text("altered")
    reopened = open_house(house.catalog.models_dir, tmp_path)
    assert "no longer installed" in find_locked(reopened, "diabetes-forest").refusal
    assert "fails its checks" in find_locked(reopened, MODEL).refusal
    assert unlock(reopened, "diabetes-forest")


def test_unlocking(house):
    assert not unlock(house, MODEL)
    lock_cut_off(house, **CHOICE)
    assert unlock(house, MODEL)
    assert find_locked(house, MODEL) is None
    assert [event.action for event in house.journal.events()] == ["unlock_cut_off", "lock_cut_off"]


def test_the_file_is_the_owners_only(house):
    lock_cut_off(house, **CHOICE)
    (path,) = house.settings.data_dir.glob("cut_offs*")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in house.settings.data_dir.iterdir() if item.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cut_off", 0.0),
        ("cut_off", 1.0),
        ("cut_off", float("nan")),
        ("prevalence", 1.5),
        ("harm_ratio", 0.0),
        ("harm_ratio", float("inf")),
        ("use", "guess"),
        ("reason", "x" * 501),
        ("condition_id", "heart_disease"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_stored(house, name, value):
    with pytest.raises(InputError):
        lock_cut_off(house, **{**CHOICE, name: value})
    assert find_locked(house, MODEL) is None
    assert house.journal.events() == ()


def test_an_unknown_model_is_refused(house):
    with pytest.raises(UnknownNameError):
        lock_cut_off(house, **{**CHOICE, "model_id": "diabetes-oracle"})


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"format": 2, "locked": {}}', '{"format": 1, "locked": {"a": {"cut_off": "x"}}}', "[" * 99999],
)
def test_a_damaged_file_is_an_error_and_is_not_overwritten(house, content):
    house.settings.data_dir.mkdir(parents=True)
    path = house.settings.data_dir / "cut_offs.json"
    path.write_text(content)
    with pytest.raises(StorageError, match=r"cut_offs\.json"):
        find_locked(house, MODEL)
    with pytest.raises(StorageError):
        lock_cut_off(house, **CHOICE)
    assert path.read_text() == content


def test_nothing_is_locked_when_the_journal_cannot_be_written(house):
    lock_cut_off(house, **CHOICE)
    house.journal.path.unlink()
    with pytest.raises(StorageError):
        lock_cut_off(house, **{**CHOICE, "cut_off": 0.3})
    assert find_locked(house, MODEL).cut_off == 0.1


def test_many_at_once_lose_nothing(house):
    names = [item.model_id for item in house.catalog.models()]
    threads = [
        threading.Thread(
            target=lock_cut_off,
            args=(house,),
            kwargs={**CHOICE, "model_id": name, "condition_id": house.catalog.find(name).condition},
        )
        for name in names
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = json.loads((house.settings.data_dir / "cut_offs.json").read_text())
    assert sorted(stored["locked"]) == sorted(names)
