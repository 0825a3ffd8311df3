"""The explore page on a small real bundle: offered, computed, cancelled, refused, drawn."""

import time

import fake_models
import numpy as np
import pytest
from patient_files import write_patients
from tiny_bundle import write_tiny_bundle

from medcore.errors import WorkerError
from medcore.registry import Catalog
from medcore.services.explore.explore_store import find_kept, keep
from medcore.services.explore.explore_studies import Origin, made_up_study
from medcore.services.explore.exploring import explore
from medcore.services.model_child import LocalGateway
from medcore.ui import explore as page
from medcore.ui import runtime


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore_page") / "models"
    write_tiny_bundle(folder, "heart_disease")
    write_tiny_bundle(folder, "breast_cancer")
    return LocalGateway(folder)


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start(open_page, gateway, data_dir):
    def start_(condition="heart_disease", **parts):
        parts = {"catalog": gateway.catalog, "gateway": gateway, "environ": {"MEDCORE_DATA": str(data_dir)}} | parts
        return open_page("analysis/explore", condition, **parts)

    return start_


def keys(test):
    return {button.key for button in test.button}


def run_until_done(test):
    end = time.monotonic() + 90
    while "explore_cancel" in keys(test) or test.session_state["mc_explored"] == {}:
        assert time.monotonic() < end, "the work did not end"
        time.sleep(0.3)
        test.run()
    return test


def packet(test):
    (shown,) = test.session_state["mc_explored"].values()
    return shown.packet


def test_nothing_is_computed_before_it_is_asked_for(start, read):
    test = start()
    assert not test.exception
    assert "explore_start" in keys(test)
    assert "Not computed yet" in read(test)
    assert "made-up patients" in read(test)


def test_computing_ends_in_figures_and_is_kept(start, read, gateway, data_dir):
    test = start()
    run_until_done(test.button(key="explore_start").click().run())
    assert not test.exception
    assert packet(test)["model"] == "heart_disease-logistic"
    assert packet(test)["made_up"]
    assert "200 made-up patients" in read(test)
    assert find_kept(made_up_study(gateway.catalog, "heart_disease-logistic"), data_dir) is not None


def test_what_is_kept_is_shown_at_once(start, gateway, data_dir):
    study = made_up_study(gateway.catalog, "heart_disease-logistic")
    keep(study, explore(study, gateway), data_dir)
    test = start()
    assert "explore_start" not in keys(test)
    assert packet(test)["n"] == 200


def test_the_work_can_be_cancelled(start, gateway):
    class Waiting:
        def ready(self):
            return True

        failure = None

        def explain_rows(self, *args):
            time.sleep(0.5)
            return gateway.explain_rows(*args)

    test = start(gateway=Waiting())
    test.button(key="explore_start").click().run()
    assert "explore_cancel" in keys(test)
    job = test.session_state["mc_explore_job"]
    test.button(key="explore_cancel").click().run()
    job.wait(10)
    assert job.result is None
    test.run()
    assert "explore_start" in keys(test)


def test_a_failure_of_the_model_process_is_told_in_words(start, read, gateway):
    class Broken:
        failure = None

        def ready(self):
            return True

        def explain_rows(self, *_args):
            raise WorkerError("the model process ended while it worked")

    test = start(gateway=Broken())
    test.button(key="explore_start").click().run()
    time.sleep(0.5)
    test.run()
    assert not test.exception
    assert "the model process ended" in read(test)
    assert "explore_start" in keys(test)


def test_a_file_is_explained_in_the_session_only(start, read, data_dir):
    test = start()
    test.session_state[page.ORIGIN_KEY] = Origin.UPLOAD
    test.run()
    assert "never stored" in read(test)
    content = write_patients("heart_disease", 70, label=np.arange(70) % 2)
    test.file_uploader(key=page.UPLOAD_KEY).set_value(("patients.csv", content, "text/csv")).run()
    run_until_done(test.button(key="explore_start").click().run())
    assert packet(test)["origin"] == "uploaded file"
    assert packet(test)["shuffle_kind"] == "loss"
    assert not list(data_dir.rglob("*.npz"))
    (event,) = runtime.open_house().journal.events()
    assert event.action == "explore_file"


@pytest.mark.parametrize("content", [b"", b"colour\nred\n", b"age_years\n999\n", b"PK\x03\x04"])
def test_a_file_of_no_use_is_refused_in_words(start, read, content):
    test = start()
    test.session_state[page.ORIGIN_KEY] = Origin.UPLOAD
    test.run()
    test.file_uploader(key=page.UPLOAD_KEY).set_value(("p.csv", content, "text/csv")).run()
    assert not test.exception
    assert "mc-error" in read(test)
    assert "explore_start" not in keys(test)


def test_public_slides_are_offered_for_breast_cancer_only(start, read):
    pytest.importorskip("sklearn")
    test = start("breast_cancer")
    test.session_state[page.ORIGIN_KEY] = Origin.WISCONSIN
    test.run()
    assert "569 public slides" in read(test)
    assert "trained on them" in read(test)


def test_without_a_film_model_the_page_says_so(start, read):
    test = start("pneumonia")
    assert not test.exception
    assert "No usable model for" in read(test)


def test_a_film_model_without_maps_says_how_to_make_them(start, read, film_models):
    test = start("pneumonia", catalog=Catalog(film_models))
    assert not test.exception
    assert "medcore study pneumonia" in read(test)
    assert "X-ray page" in read(test)


def test_without_a_model_the_page_says_why(start, read):
    test = start(catalog=fake_models.FakeCatalog(empty=True))
    assert not test.exception
    assert "No model for this question" in read(test)
