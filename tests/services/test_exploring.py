"""The explore use case on a small real bundle: studies, the work, what is kept, and the words about it."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from actors import TESTER
from patient_files import write_patients
from tiny_bundle import write_tiny_bundle

from medcore.errors import InputError, StorageError, TableError, UnknownNameError, WorkerError
from medcore.journal import Journal
from medcore.services.explore.explore_store import explain_made_up, find_kept, keep, write_kept
from medcore.services.explore.explore_studies import (
    MOST_ROWS,
    Origin,
    made_up_study,
    offered_origins,
    read_upload,
    wisconsin_study,
)
from medcore.services.explore.explore_view import describe_exploration
from medcore.services.explore.exploring import ExploreJob, explore
from medcore.services.model_child import LocalGateway

MODEL = "diabetes-logistic"
HEART = "heart_disease-logistic"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore") / "models"
    write_tiny_bundle(folder)
    write_tiny_bundle(folder, "breast_cancer")
    write_tiny_bundle(folder, "heart_disease")
    return LocalGateway(folder)


@pytest.fixture(scope="module")
def study(gateway):
    return made_up_study(gateway.catalog, MODEL, 80)


@pytest.fixture(scope="module")
def found(study, gateway):
    return explore(study, gateway)


def test_made_up_patients_are_the_bundles_own(gateway, study):
    cohort = gateway.catalog.bundle(MODEL).read_arrays("cohort.npz")["X"]
    assert np.array_equal(study.X, cohort[:80], equal_nan=True)
    assert (study.origin, len(study.ids), study.n_available, study.y) == (Origin.MADE_UP, 80, 200, None)
    assert study.note == "the first 80 of 200, because this model is slow"
    whole = made_up_study(gateway.catalog, MODEL)
    assert len(whole.X) == 200
    assert whole.key != study.key


def test_the_work_asks_the_model_itself(study, found, gateway):
    model = gateway._table_model(MODEL)
    assert found.p == pytest.approx(model.predict_rows(study.X).p, abs=1e-6)
    assert found.base + found.values.sum(axis=1) == pytest.approx(found.p, abs=1e-6)
    assert len(found.effects) == study.X.shape[1]
    assert found.change.shape == (5, study.X.shape[1])
    assert found.loss is None


def test_progress_rises_to_the_end_and_says_what_is_done(study, gateway):
    told = []
    explore(study, gateway, note=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.9 < shares[-1] < 1
    assert told[0][1] == "patient 1 of 80"


def test_what_is_kept_comes_back_and_only_for_its_model_and_rows(study, found, gateway, tmp_path):
    path = keep(study, found, tmp_path)
    assert path.name == f"{study.facts.sha256}.npz"
    back = find_kept(study, tmp_path)
    assert back.values == pytest.approx(found.values, abs=1e-6)
    assert back.effects[0].curves == pytest.approx(found.effects[0].curves, abs=1e-6)
    assert back.effects[0].grid == pytest.approx(found.effects[0].grid, rel=1e-6)
    assert find_kept(made_up_study(gateway.catalog, MODEL, 79), tmp_path) is None
    other = made_up_study(gateway.catalog, "breast_cancer-logistic", 80)
    path.replace(path.with_name(f"{other.facts.sha256}.npz"))
    assert find_kept(other, tmp_path) is None
    assert find_kept(study, tmp_path) is None


@pytest.mark.parametrize("spoil", ["empty", "text", "cut", "fields", "pickle"])
def test_a_damaged_file_counts_as_none(study, found, tmp_path, spoil):
    path = keep(study, found, tmp_path)
    whole = path.read_bytes()
    if spoil == "fields":
        np.savez(path, format=1, sha256=study.facts.sha256, key=study.key)
    elif spoil == "pickle":
        np.savez(path, format=np.array([{}], dtype=object))
    else:
        path.write_bytes({"empty": b"", "text": b"not a zip", "cut": whole[: len(whole) // 2]}[spoil])
    assert find_kept(study, tmp_path) is None


def test_results_with_blanks_in_them_are_not_taken(study, found, tmp_path):
    path = keep(study, found, tmp_path)
    with np.load(path) as archive:
        raw = {name: archive[name] for name in archive.files}
    raw["values"][0, 0] = np.nan
    np.savez(path, **raw)
    assert find_kept(study, tmp_path) is None


def test_a_folder_that_cannot_be_written_is_a_typed_error(study, found, tmp_path):
    (tmp_path / "explanations").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        keep(study, found, tmp_path)


def test_an_upload_is_read_explained_and_never_stored(gateway, tmp_path):
    label = (np.arange(60) % 2).tolist()
    study = read_upload(gateway.catalog, HEART, write_patients("heart_disease", 60, label=label))
    assert study.origin is Origin.UPLOAD
    assert study.y is not None
    assert study.ids[0].startswith("P")
    found = explore(study, gateway)
    assert found.loss.shape == found.change.shape
    with pytest.raises(InputError, match="not stored"):
        keep(study, found, tmp_path)
    assert find_kept(study, tmp_path) is None
    packet = describe_exploration(study, found)
    assert packet["shuffle_kind"] == "loss"
    assert packet["origin"] == "uploaded file"


def test_rows_that_cannot_be_explained_are_left_out_and_counted(gateway):
    def change(X, schema):
        age = schema.input_names.index("age_years")
        X[0, age] = 7.0
        X[1, age] = 999.0
        return X

    study = read_upload(gateway.catalog, HEART, write_patients("heart_disease", 40, change=change))
    assert "1 rows with values that cannot be used left out; 1 rows this model gives no score for" in study.note
    assert not {"P0", "P1"} & set(study.ids)
    assert study.n_available == 40


def test_labels_that_are_not_all_known_are_not_used(gateway):
    label = ["1", "0", "maybe"] * 20
    study = read_upload(gateway.catalog, HEART, write_patients("heart_disease", 60, label=label))
    assert study.y is None
    assert "labels not used" in study.note


def test_a_long_file_is_cut_and_says_so(gateway):
    study = read_upload(gateway.catalog, HEART, write_patients("heart_disease", MOST_ROWS + 700))
    assert len(study.X) == MOST_ROWS
    assert f"the first {MOST_ROWS} rows" in study.note


@pytest.mark.parametrize(
    "content", [b"", b"age_years\n", b"colour\nred\n", b"age_years\n900\n901\n", b"PK\x03\x04zip", b"\x00\xff" * 50]
)
def test_files_of_no_use_are_typed_errors(gateway, content):
    with pytest.raises(TableError):
        read_upload(gateway.catalog, MODEL, content)


def test_a_file_too_large_is_refused_unread(gateway):
    with pytest.raises(TableError, match="larger than"):
        read_upload(gateway.catalog, MODEL, b"x" * 20_000_001)


def test_the_wisconsin_slides_are_the_public_ones_with_their_diagnoses(gateway):
    pytest.importorskip("sklearn")
    study = wisconsin_study(gateway.catalog, "breast_cancer-logistic")
    assert study.X.shape == (569, 30)
    assert int(study.y.sum()) == 212
    assert "trained on them" in study.note
    assert Origin.WISCONSIN in offered_origins("breast_cancer")
    assert offered_origins("diabetes") == (Origin.MADE_UP, Origin.UPLOAD)
    with pytest.raises(InputError, match="other inputs"):
        wisconsin_study(gateway.catalog, MODEL)


def test_films_are_not_explained_here():
    from medcore.registry import Catalog

    models = Path(__file__).resolve().parents[2] / "assets" / "models"
    catalog = Catalog(models)
    if not catalog.models("pneumonia"):
        pytest.skip("no film bundle is installed")
    with pytest.raises(InputError, match="about films"):
        made_up_study(catalog, catalog.default("pneumonia").model_id)


def make_job(study, gateway, tmp_path, save=lambda _found: None):
    return ExploreJob(study=study, gateway=gateway, journal=Journal(tmp_path), actor=TESTER, save=save)


def test_a_job_runs_to_its_result_and_saves_it(gateway, tmp_path):
    saved = []
    job = make_job(made_up_study(gateway.catalog, MODEL, 20), gateway, tmp_path, saved.append)
    job.start()
    job.wait(60)
    assert not job.running()
    assert saved == [job.result]
    assert job.error is None


def test_an_uploaded_study_is_in_the_journal_and_not_saved(gateway, tmp_path):
    saved = []
    study = read_upload(gateway.catalog, HEART, write_patients("heart_disease", 30))
    job = make_job(study, gateway, tmp_path, saved.append)
    job.start()
    job.wait(60)
    assert job.result is not None
    assert saved == []
    (event,) = job.journal.events()
    assert (event.action, event.outcome, event.n_records) == ("explore_file", "explained", len(study.X))
    assert study.key not in repr(event)


def test_a_job_can_be_cancelled_and_leaves_nothing(study, gateway, tmp_path):
    class Slow:
        def explain_rows(self, *args):
            job.cancel()
            return gateway.explain_rows(*args)

    job = make_job(study, Slow(), tmp_path)
    job.start()
    job.wait(60)
    assert (job.result, job.error) == (None, None)


def test_a_job_nobody_looks_at_ends(study, gateway, tmp_path):
    job = make_job(study, gateway, tmp_path)
    job._seen -= 3600
    job.start()
    job.wait(60)
    assert (job.result, job.error) == (None, None)


@pytest.mark.parametrize("failure", [WorkerError("the model process ended"), RuntimeError("odd")])
def test_a_failure_is_told_and_typed(study, tmp_path, failure):
    class Broken:
        def explain_rows(self, *_args):
            raise failure

    job = make_job(study, Broken(), tmp_path)
    job.start()
    job.wait(60)
    assert job.result is None
    assert "RuntimeError" in job.error.message or job.error is failure


def test_the_packet_is_plain_json_and_adds_up(study, found):
    packet = json.loads(json.dumps(describe_exploration(study, found), allow_nan=False))
    s = np.array(packet["s"], dtype=float)
    assert packet["base"] + s.sum(axis=0) == pytest.approx(np.array(packet["p"]), abs=0.05)
    first = packet["fields"][0]
    assert first["weight"][1] <= first["weight"][0] <= first["weight"][2]
    assert first["weight"][0] == pytest.approx(np.abs(s[0]).mean(), abs=0.01)
    assert packet["sha256"] == study.facts.sha256
    assert packet["made_up"] is True
    assert sum(group["n"] for group in packet["groups"]) == 80
    assert all(group["traits"] for group in packet["groups"])
    assert "causes" in packet["caption"]


def test_few_patients_give_figures_without_pairs_and_groups(gateway):
    study = made_up_study(gateway.catalog, MODEL, 3)
    packet = describe_exploration(study, explore(study, gateway))
    assert packet["pairs"] == []
    assert "60 patients" in packet["pairs_note"]
    assert packet["groups"] == []
    assert "20 patients" in packet["groups_note"]


def test_the_command_writes_what_the_page_reads(gateway, tmp_path, monkeypatch):
    from medcore.config import read_settings
    from medcore.services.explore import explore_store

    settings = read_settings({"MEDCORE_MODELS": str(gateway.catalog.models_dir)})
    (path,) = explain_made_up("diabetes", out=tmp_path, settings=settings)
    assert path.name == f"{MODEL}.npz"
    monkeypatch.setattr(explore_store, "shipped_dir", lambda: tmp_path)
    assert find_kept(made_up_study(gateway.catalog, MODEL), tmp_path / "none") is not None
    with pytest.raises(UnknownNameError):
        list(explain_made_up("diabetes", "breast_cancer-logistic", out=tmp_path, settings=settings))


def test_writing_is_whole_or_not_at_all(study, found, tmp_path):
    path = write_kept(study, found, tmp_path / "a" / "b.npz")
    assert [item.name for item in path.parent.iterdir()] == ["b.npz"]
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
        assert str(archive["sha256"]) == study.facts.sha256


def test_the_pages_process_needs_no_model_library():
    code = (
        "import sys; from medcore.services.explore import exploring, explore_store, explore_view, explore_studies;"
        "from medcore.datasets.breast_cancer import load_breast_cancer_table as load; load();"
        "assert not {'tensorflow', 'keras', 'sklearn', 'shap', 'PIL'} & set(sys.modules)"
    )
    pytest.importorskip("sklearn")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_released_models_have_shipped_figures(tmp_path):
    """What was shipped for a model that has changed since is not shown; at least one must be of today's models."""
    from medcore.config import read_settings
    from medcore.registry import Catalog
    from medcore.services.explore.explore_store import shipped_dir

    catalog = Catalog(read_settings({}).models_dir)
    known = {facts.model_id for facts in catalog.models()}
    shipped = [path.stem for path in shipped_dir().glob("*.npz") if path.stem in known]
    if not shipped:
        pytest.skip("no explanations are shipped")
    current = [name for name in shipped if find_kept(made_up_study(catalog, name), tmp_path) is not None]
    assert current, "every shipped explanation belongs to an older model: run medcore explain-cohort"
