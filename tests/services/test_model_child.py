"""The model process: the same answers as in this process, typed errors across the pipe, no bundle spoils another."""

import threading
import time

import numpy as np
import pytest

from medcore.errors import ArtifactError, InputError, IntegrityError, OutOfRangeError, UnknownNameError
from medcore.registry import catalog
from medcore.results import Status
from medcore.services.model_child import ChildGateway, LocalGateway, make_handler

VALUES = {"already_diagnosed": 0.0, "age_years": 61.0, "sex": 1.0, "height_cm": 175.0, "bmi_kg_m2": 29.0}
MLP, LOGISTIC, SVM = "diabetes-mlp", "diabetes-logistic", "diabetes-svm"


@pytest.fixture(scope="module")
def models(shelf, tmp_path_factory):
    """Three bundles of one condition; the SVM is broken."""
    models = shelf.copy(tmp_path_factory.mktemp("child") / "models", MLP, LOGISTIC, SVM)
    (models / SVM / "model.skops").write_bytes(b"broken")
    return models


@pytest.fixture(scope="module")
def child(models):
    gateway = ChildGateway(models, threads=1)
    gateway.start()
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def local(models):
    gateway = LocalGateway(models)
    gateway.warm_up()
    return gateway


@pytest.mark.parametrize("model_id", [MLP, LOGISTIC])
def test_the_child_gives_the_same_answers(child, local, model_id):
    here, there = local.assess(model_id, VALUES), child.assess(model_id, VALUES)
    assert child.ready()
    assert there.prediction.p_calibrated == pytest.approx(here.prediction.p_calibrated, abs=1e-6)
    assert there.prediction.applicability == here.prediction.applicability
    assert there.prediction.sha256 == here.prediction.sha256
    assert there.explanation.contributions == pytest.approx(here.explanation.contributions, abs=1e-5)
    assert there.most_useful_missing.field == here.most_useful_missing.field
    assert child.predict(model_id, VALUES) == there.prediction
    swept = child.respond(model_id, VALUES, "hdl_mg_dl")
    assert swept.p == pytest.approx(local.respond(model_id, VALUES, "hdl_mg_dl").p, abs=1e-6)


@pytest.mark.parametrize("model_id", [MLP, LOGISTIC])
def test_many_rows_at_once(child, local, model_id):
    X = np.tile(local.catalog.bundle(model_id).read_arrays("cohort.npz")["X"], (25, 1))[:5_003]
    sha256 = local.catalog.find(model_id).sha256
    p = child.score_rows(model_id, X, sha256=sha256).p
    assert p == pytest.approx(local.score_rows(model_id, X).p, abs=1e-6)
    names = [item["name"] for item in local.catalog.bundle(model_id).manifest.schema]
    row = np.array([[VALUES.get(name, np.nan) for name in names]])
    expected = local.predict(model_id, VALUES).p_calibrated
    assert child.score_rows(model_id, row).p == pytest.approx([expected], abs=1e-6)
    assert child.score_rows(model_id, X[:0]).p.shape == (0,)
    with pytest.raises(ArtifactError, match="replaced"):
        child.score_rows(model_id, X[:2], sha256="0" * 64)
    with pytest.raises(InputError, match="shape"):
        child.score_rows(model_id, X[:2, 1:])


def test_a_model_that_is_asked_for_does_not_wait_until_all_are_warm(models, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(LocalGateway, "warm_up", lambda gateway: done.wait(60))
    handle = make_handler(str(models))
    answer, _ = handle("predict", {"model_id": LOGISTIC, "values": VALUES}, [])
    assert not done.is_set()
    assert answer["result"]["p_calibrated"] is not None
    done.set()


def test_a_withheld_answer_crosses_the_pipe_without_a_number(child):
    answer = child.assess(LOGISTIC, {**VALUES, "already_diagnosed": 1.0})
    assert answer.prediction.status is Status.WITHHELD
    assert (answer.prediction.p_calibrated, answer.prediction.interval, answer.explanation) == (None, None, None)


def test_errors_cross_the_pipe_typed(child):
    with pytest.raises(UnknownNameError, match="there is no model 'banana'") as caught:
        child.predict("banana", VALUES)
    assert caught.value.field == "model"
    with pytest.raises(OutOfRangeError) as caught:
        child.predict(LOGISTIC, {**VALUES, "height_cm": 6000.0})
    assert caught.value.field == "height_cm"


def test_a_broken_bundle_is_one_typed_error_and_the_others_answer(child, local):
    for gateway in (child, local):
        with pytest.raises(IntegrityError, match="not the file this model was released with"):
            gateway.assess(SVM, VALUES)
        assert gateway.predict(LOGISTIC, VALUES).p_calibrated is not None


def test_a_default_that_fails_its_self_test_does_not_stop_the_start(shelf, tmp_path):
    from bundles_fixture import reseal

    models = shelf.copy(tmp_path / "models", *(path.name for path in shelf.folder.iterdir() if path.is_dir()))
    for folder in (path for path in models.iterdir() if path.is_dir() and path.name != LOGISTIC):
        (folder / "cohort.npz").write_bytes((folder / "evaluation.npz").read_bytes())
        reseal(folder)
    gateway = LocalGateway(models)
    gateway.warm_up()
    assert gateway.predict(LOGISTIC, VALUES).p_calibrated is not None
    with pytest.raises(ArtifactError):
        gateway.predict(MLP, VALUES)


def test_a_default_that_fails_in_an_unforeseen_way_does_not_stop_the_start(models, monkeypatch):
    gateway = LocalGateway(models)
    load = gateway._load

    def fail(catalog, model_id):
        if model_id != LOGISTIC:
            raise RecursionError
        return load(catalog, model_id)

    monkeypatch.setattr(gateway, "_load", fail)
    gateway.warm_up()
    with pytest.raises(IntegrityError, match="diabetes-mlp cannot be loaded"):
        gateway.predict(MLP, VALUES)
    assert gateway.predict(LOGISTIC, VALUES).p_calibrated is not None


def test_a_replaced_bundle_is_loaded_again_once_it_is_complete(shelf, tmp_path, monkeypatch):
    from bundles_fixture import reseal

    models = shelf.copy(tmp_path / "models", LOGISTIC)
    gateway = LocalGateway(models)
    monkeypatch.setattr(catalog, "SETTLE_S", 0.0)
    old = gateway.predict(LOGISTIC, VALUES)
    manifest = (models / LOGISTIC / "manifest.json").read_text()
    (models / LOGISTIC / "manifest.json").write_text(manifest.replace("{", "", 1))
    assert gateway.predict(LOGISTIC, VALUES) == old  # half written: what is loaded answers
    (models / LOGISTIC / "manifest.json").write_text(manifest)
    reseal(models / LOGISTIC, version="9.9")
    new = gateway.predict(LOGISTIC, VALUES)
    assert new.sha256 != old.sha256
    assert new.sha256 == gateway.catalog.find(LOGISTIC).sha256
    assert new.p_calibrated == old.p_calibrated


def test_a_child_that_cannot_start_says_why_and_recovers(shelf, tmp_path):
    models = tmp_path / "models"
    gateway = ChildGateway(models, threads=1)
    try:
        assert gateway.failure is None
        gateway.start()
        wait_until(lambda: gateway.failure is not None)
        assert "the model folder" in gateway.failure.message
        assert not gateway.ready()
        shelf.copy(models, LOGISTIC)
        gateway.retry()
        gateway.retry()
        wait_until(gateway.ready)
        assert gateway.failure is None
        assert gateway.predict(LOGISTIC, VALUES).p_calibrated is not None
    finally:
        gateway.close()


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_an_explanation_that_fails_leaves_the_score(local, monkeypatch):
    def fail(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(local._model(LOGISTIC).explainer, "explain", fail)
    answer = local.assess(LOGISTIC, VALUES)
    assert answer.prediction.p_calibrated is not None
    assert answer.explanation is None
    assert "the score stands" in answer.explanation_error


def test_an_answer_that_cannot_be_read(child, monkeypatch):
    monkeypatch.setattr(child, "_ask", lambda *_args, **_payload: {"p": 0.3})
    with pytest.raises(ArtifactError, match="cannot be read"):
        child.predict(LOGISTIC, VALUES)
