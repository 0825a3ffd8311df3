"""Models beside the installed ones, on the analyst's page: compared where they belong, scored, told by their origin."""

from dataclasses import replace

import numpy as np
import pytest
from bundles_fixture import reseal
from fake_models import make_house
from upload_tables import write_table

from medcore.registry import Catalog
from medcore.registry.bundle import pack_arrays
from medcore.registry.shelves import further_folders
from medcore.services.compare.analysis_child import AnalysisProcess
from medcore.services.compare.comparing import compare_bundles
from medcore.services.compare.labelled import score_upload
from medcore.services.compare.local_validation import export_recalibrated
from medcore.services.compare.shelf import describe_origin, list_refused, sort_out, widen
from medcore.services.local_gateway import LocalGateway

MAIN = "diabetes-logistic"
COPY = f"{MAIN}-local-1"


@pytest.fixture(scope="module")
def analysis():
    process = AnalysisProcess()
    yield process
    process.close()


@pytest.fixture
def house(shelf, analysis, tmp_path):
    environ = {"MEDCORE_MODELS": str(shelf.folder), "MEDCORE_DATA": str(tmp_path / "data"),
               "MEDCORE_EXTRA_MODELS": str(tmp_path / "extra")}  # fmt: skip
    made = make_house(tmp_path / "data", catalog=Catalog(shelf.folder), environ=environ)
    gateway = LocalGateway(shelf.folder, further=further_folders(made.settings))
    return replace(made, gateway=gateway, analysis=analysis)


def test_an_exported_copy_is_compared_and_scored_beside_its_original(house):
    upload = score_upload(house, write_table(), "mine.csv", "diabetes", [MAIN])
    export_recalibrated(house, upload, MAIN, "slope_intercept", reason="our ward")
    wide = widen(house)
    facts = wide.catalog.find(COPY)
    papers = facts.trained_on["recalibrated"]
    origin = describe_origin(wide.catalog, facts)
    assert origin.startswith(
        f"copy of {MAIN} (version {papers['from_sha256'][:6]}), recalibrated on {papers['at_utc'][:10]}"
    )
    assert f"{upload.y.size:,} rows" in origin
    assert describe_origin(wide.catalog, wide.catalog.find(MAIN)) == ""
    assert sort_out(wide.catalog, "diabetes", [MAIN, COPY]).model_ids == (MAIN, COPY)
    study = compare_bundles(wide.catalog, "diabetes", [MAIN, COPY])
    assert study.board[COPY]["auroc"].value == pytest.approx(study.board[MAIN]["auroc"].value)
    again = score_upload(wide, write_table(), "mine.csv", "diabetes", [COPY, MAIN])
    logits = [np.log(again.p[name] / (1 - again.p[name])) for name in (MAIN, COPY)]
    assert logits[1] == pytest.approx(papers["intercept"] + papers["slope"] * logits[0], abs=1e-5)
    assert COPY not in {item.model_id for item in house.catalog.models()}


def test_a_bundle_judged_on_other_patients_is_left_out_with_the_reason_and_still_scored(house, shelf, tmp_path):
    folder = shelf.copy(tmp_path / "extra", "diabetes-forest") / "diabetes-forest"
    other = folder.rename(folder.with_name("diabetes-other"))
    bundle = open_bundle_of(other)
    arrays = {name: values[::-1] for name, values in bundle.items()}
    (other / "evaluation.npz").write_bytes(pack_arrays(arrays))
    reseal(other, id="diabetes-other")
    wide = widen(house)
    assert list_refused(wide.catalog) == {}
    found = sort_out(wide.catalog, "diabetes", ["diabetes-other", MAIN])
    assert found.model_ids == (MAIN,)
    assert "judged on different patients" in found.left_out["diabetes-other"]
    assert "further folder" in describe_origin(wide.catalog, wide.catalog.find("diabetes-other"))
    upload = score_upload(wide, write_table(), "mine.csv", "diabetes", ["diabetes-other", MAIN])
    assert set(upload.p) == {"diabetes-other", MAIN}


def test_installed_models_alone_are_taken_as_they_are(house):
    wide = widen(house)
    assert sort_out(wide.catalog, "diabetes", [MAIN]).model_ids == (MAIN,)
    assert sort_out(house.catalog, "diabetes", [MAIN]).left_out == {}
    assert list_refused(house.catalog) == {}
    assert widen(house).catalog is wide.catalog


def open_bundle_of(folder):
    with np.load(folder / "evaluation.npz") as archive:
        return {name: archive[name] for name in archive.files}
