import shutil

import pytest

from medcore.config import read_settings
from medcore.errors import IntegrityError, UnknownNameError
from medcore.registry import Catalog
from medcore.registry.shelves import JoinedCatalog, further_folders

MAIN, FURTHER = "diabetes-logistic", "diabetes-forest"


@pytest.fixture
def folders(shelf, tmp_path):
    """An installed model, and a folder with another one."""
    return shelf.copy(tmp_path / "main", MAIN), shelf.copy(tmp_path / "further", FURTHER)


def test_further_models_stand_behind_the_installed_ones_and_are_never_a_default(folders):
    main, further = folders
    joined = JoinedCatalog(Catalog(main), [further])
    assert [facts.model_id for facts in joined.models("diabetes")] == [MAIN, FURTHER]
    assert not joined.find(FURTHER).default
    assert not joined.models("diabetes")[1].default
    assert joined.default("diabetes").model_id == MAIN
    assert joined.bundle(FURTHER).folder.parent == further
    assert (joined.is_further(MAIN), joined.is_further(FURTHER)) == (False, True)
    assert joined.models_dir == main
    assert joined.card(FURTHER)


def test_a_taken_name_and_a_damaged_bundle_are_refused_with_the_reason(folders, shelf):
    main, further = folders
    shutil.copytree(main / MAIN, further / MAIN)
    (further / FURTHER / "card.md").write_text("other")
    joined = JoinedCatalog(Catalog(main), [further])
    assert set(joined.refused) == {MAIN, FURTHER}
    assert "give the bundle another name" in joined.refused[MAIN].message
    assert joined.bundle(MAIN).folder.parent == main
    assert [facts.model_id for facts in joined.models("diabetes")] == [MAIN]
    with pytest.raises(IntegrityError):
        joined.find(FURTHER)
    with pytest.raises(UnknownNameError):
        joined.find("nobody")


def test_a_folder_that_comes_into_being_is_read(folders, tmp_path):
    main, further = folders
    later = tmp_path / "later"
    joined = JoinedCatalog(Catalog(main), [later])
    assert not joined.refresh()
    assert not joined.holds(FURTHER)
    shutil.copytree(further, later)
    assert joined.refresh()
    assert joined.holds(FURTHER)


def test_an_unfinished_export_is_no_problem(folders):
    main, further = folders
    (further / ".workshop").mkdir()
    assert JoinedCatalog(Catalog(main), [further]).problems == {}


def test_the_further_folders_are_the_copies_and_the_one_that_is_set(tmp_path):
    environ = {"MEDCORE_DATA": str(tmp_path)}
    assert further_folders(read_settings(environ)) == (tmp_path / "bundles",)
    environ["MEDCORE_EXTRA_MODELS"] = str(tmp_path / "more")
    assert further_folders(read_settings(environ)) == (tmp_path / "bundles", tmp_path / "more")
