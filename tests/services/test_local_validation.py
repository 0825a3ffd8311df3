"""Local validation: recalibrated copies beside the original, written as a new bundle only on request."""

import json
from dataclasses import replace

import numpy as np
import pytest
from actors import act_as
from fake_models import make_house
from upload_tables import write_table

from medcore.config import read_settings
from medcore.errors import AccessDeniedError, ArtifactError, InputError, StorageError
from medcore.evaluation.recalibration import recalibrate
from medcore.registry import Catalog
from medcore.services.compare.analysis_child import AnalysisProcess
from medcore.services.compare.labelled import score_upload
from medcore.services.compare.local_validation import METHODS, export_recalibrated, recalibrate_upload
from medcore.services.model_child import LocalGateway
from medcore.services.trust import activation
from medcore.services.verification import verify_all

MODELS = ["diabetes-logistic", "diabetes-mlp"]


@pytest.fixture(scope="module")
def analysis():
    process = AnalysisProcess()
    yield process
    process.close()


@pytest.fixture
def house(shelf, analysis, tmp_path):
    environ = {"MEDCORE_MODELS": str(shelf.folder), "MEDCORE_DATA": str(tmp_path / "data")}
    house = make_house(
        tmp_path / "data", catalog=Catalog(shelf.folder), gateway=LocalGateway(shelf.folder), environ=environ
    )
    return replace(house, analysis=analysis)


@pytest.fixture
def upload(house):
    return score_upload(house, write_table(), "mine.csv", "diabetes", MODELS)


def test_copies_are_shown_beside_the_original(house, upload):
    copies = recalibrate_upload(house, upload, MODELS[0])
    assert [copy.method for copy in copies] == list(METHODS)
    for copy in copies:
        direct = recalibrate(upload.y, upload.p[MODELS[0]], method=copy.method)
        assert copy.line == direct
        assert copy.board["auroc"].value == pytest.approx(upload.comparison.board[MODELS[0]]["auroc"].value, abs=0.03)
        assert copy.board["brier"].value == pytest.approx(direct.brier_after, abs=0.01)
        assert abs(copy.board["calibration_intercept"].value) < 0.2
    assert copies[0].line.slope == 1.0


def test_too_few_patients_are_refused_in_words(house):
    few = score_upload(house, write_table(30), "few.csv", "diabetes", MODELS[:1])
    for copy in recalibrate_upload(house, few, MODELS[0]):
        assert copy.line is None
        assert "too few to recalibrate" in copy.refusal
    with pytest.raises(InputError, match="too few"):
        export_recalibrated(house, few, MODELS[0], "intercept", reason="try")


@pytest.mark.parametrize("model_id", MODELS)
@pytest.mark.parametrize("method", list(METHODS))
def test_an_exported_copy_answers_as_the_line_says_and_passes_verify(house, upload, model_id, method, tmp_path):
    folder = export_recalibrated(house, upload, model_id, method, reason="Our ward sees [milder] cases")
    assert folder == tmp_path / "data" / "bundles" / f"{model_id}-local-1"
    line = recalibrate(upload.y, upload.p[model_id], method=method)
    shelf = Catalog(folder.parent)
    assert shelf.problems == {}
    facts = shelf.find(folder.name)
    papers = facts.trained_on["recalibrated"]
    assert papers["from_sha256"] == house.catalog.find(model_id).sha256
    assert (papers["rows"], papers["events"]) == (upload.y.size, upload.y.sum())
    assert papers["reason"] == "Our ward sees milder cases"
    assert (papers["slope"], papers["intercept"]) == pytest.approx((line.slope, line.intercept))
    X = house.catalog.bundle(model_id).read_arrays("cohort.npz")["X"][:40]
    old, new = house.gateway.score_rows(model_id, X).p, LocalGateway(folder.parent).score_rows(folder.name, X).p
    assert new == pytest.approx(line.apply(old), abs=1e-6)
    point = house.catalog.find(model_id).thresholds["default"]
    assert ((new >= facts.thresholds["default"]) == (old >= point)).all()
    assert "## Local recalibration" in shelf.card(folder.name)
    settings = read_settings({"MEDCORE_MODELS": str(folder.parent), "MEDCORE_DATA": str(tmp_path / "data")})
    checks = {check.name: check for check in verify_all(settings)}
    assert checks[folder.name].ok, checks[folder.name].detail


def test_intervals_move_along(house, upload):
    folder = export_recalibrated(house, upload, MODELS[0], "slope_intercept", reason="try")
    golden = json.loads((folder / "golden.json").read_text())
    assert all(lo <= p <= hi for lo, p, hi in zip(golden["lo"], golden["p"], golden["hi"], strict=True))
    original = house.catalog.bundle(MODELS[0]).read_json("golden.json")
    assert golden["p"] != original["p"]


def test_no_local_patient_is_written(house, upload):
    folder = export_recalibrated(house, upload, MODELS[0], "intercept", reason="try")
    original = house.catalog.bundle(MODELS[0])
    with np.load(folder / "evaluation.npz") as arrays:
        study = original.read_arrays("evaluation.npz")
        assert set(arrays.files) == set(study)
        assert (arrays["y"] == study["y"]).all()
    for name in ("cohort.npz", "reference.npz"):
        assert (folder / name).read_bytes() == original.read_bytes(name)


def test_nothing_is_written_without_being_asked_and_never_beside_the_models(house, upload, shelf, tmp_path):
    before = sorted(path.name for path in shelf.folder.iterdir())
    recalibrate_upload(house, upload, MODELS[0])
    assert not (tmp_path / "data" / "bundles").exists()
    export_recalibrated(house, upload, MODELS[0], "intercept", reason="try")
    second = export_recalibrated(house, upload, MODELS[0], "intercept", reason="again")
    assert second.name == f"{MODELS[0]}-local-2"
    assert sorted(path.name for path in second.parent.iterdir()) == [f"{MODELS[0]}-local-{k}" for k in (1, 2)]
    assert sorted(path.name for path in shelf.folder.iterdir()) == before
    assert [event.action for event in house.journal.events()][:2] == ["export_recalibrated"] * 2


@pytest.mark.parametrize(
    "changes", [{"reason": "  "}, {"reason": "x" * 501}, {"method": "magic"}, {"model_id": "diabetes-svm"}]
)
def test_what_is_refused(house, upload, changes):
    arguments = {"model_id": MODELS[0], "method": "intercept", "reason": "try"} | changes
    with pytest.raises(InputError):
        export_recalibrated(house, upload, arguments["model_id"], arguments["method"], reason=arguments["reason"])


def test_a_model_replaced_since_is_refused(house, upload):
    models = tuple(replace(item, sha256="0" * 64) for item in upload.comparison.models)
    stale = replace(upload, comparison=replace(upload.comparison, models=models))
    with pytest.raises(ArtifactError, match="replaced"):
        export_recalibrated(house, stale, MODELS[0], "intercept", reason="try")


def test_a_copy_that_fails_its_self_test_is_not_kept(house, upload, monkeypatch, tmp_path):
    from medcore.services.compare import local_validation

    monkeypatch.setattr(local_validation, "_move_calibrator", lambda raw, line: raw)
    with pytest.raises(ArtifactError):
        export_recalibrated(house, upload, MODELS[0], "intercept", reason="try")
    assert list((tmp_path / "data" / "bundles").iterdir()) == []


def test_nothing_is_kept_when_the_journal_cannot_be_written(house, upload, tmp_path):
    house.journal.path.unlink()
    with pytest.raises(StorageError):
        export_recalibrated(house, upload, MODELS[0], "intercept", reason="try")
    assert list((tmp_path / "data" / "bundles").iterdir()) == []


def test_figures_are_handed_over_for_signing(house, upload):
    """The analyst's figures, not typed again; an administrator signs them for exactly this bundle."""
    analyst, boss = (replace(house, who=lambda role=role: act_as(role)) for role in ("analyst", "administrator"))
    facts = house.catalog.find(MODELS[0])
    with pytest.raises(AccessDeniedError):
        activation.hand_over(boss, upload, MODELS[0])
    with pytest.raises(InputError, match="was not scored"):
        activation.hand_over(analyst, upload, "diabetes-other")
    handed = activation.hand_over(analyst, upload, MODELS[0])
    assert handed.n == len(upload.y)
    assert handed.n_events == int(upload.y.sum())
    assert handed.figures["auroc"][0] == pytest.approx(upload.comparison.board[MODELS[0]]["auroc"].value)
    assert activation.list_validations(boss, facts.sha256) == (handed,)
    assert activation.list_validations(boss, house.catalog.find(MODELS[1]).sha256) == ()
    state = activation.sign(boss, facts, handed, version=0)
    assert state.validation == handed
    event = house.journal.events(2)[1]
    assert (event.action, event.actor, event.sha256) == ("hand_over_validation", "account:test", facts.sha256)
    assert house.journal.audit.verify().ok
