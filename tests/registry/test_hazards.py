"""What must not happen with model files (cases 58-66): refused with the reason, and the others still serve."""

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from bundles_fixture import reseal

from medcore.api import load_from
from medcore.errors import ArtifactError, IntegrityError, ManifestError, MedcoreError, SelfTestError
from medcore.inference.risk_model import RiskModel
from medcore.registry import Catalog, load_keras, load_skops, open_bundle
from medcore.services.model_child import LocalGateway

MLP, LOGISTIC, SVM, FOREST = "diabetes-mlp", "diabetes-logistic", "diabetes-svm", "diabetes-forest"
OTHER = "heart_disease-logistic"


@pytest.fixture
def models(shelf, tmp_path):
    """Two bundles of one condition, one of another; a test may spoil them."""
    return shelf.copy(tmp_path / "models", MLP, LOGISTIC, OTHER)


def assert_refused(models, name, error=IntegrityError, match=None, *, others=(LOGISTIC, OTHER)):
    """The bundle cannot be loaded, with a reason; every other one can."""
    catalog = Catalog(models)
    with pytest.raises(error, match=match):
        load_from(catalog, name)
    for other in others:
        assert load_from(catalog, other).facts.model_id == other
    return catalog


def rewrite_archive(path, edit):
    """Give the members of an archive to ``edit`` (name -> bytes) and write what it leaves."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    edit(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    reseal(path.parent)


def edit_config(path, change):
    def edit(members):
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()

    rewrite_archive(path, edit)


def edit_weights(path, change):
    def edit(members):
        buffer = io.BytesIO(members["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            change(file)
        members["model.weights.h5"] = buffer.getvalue()

    rewrite_archive(path, edit)


def edit_arrays(path, change):
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez_compressed(path, **arrays)
    reseal(path.parent)


def first_array(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found[0]


# 58, 59: not the file it was released with


@pytest.mark.parametrize("content", [b"", b"not a model", None], ids=["zero", "text", "truncated"])
@pytest.mark.parametrize("resealed", [False, True], ids=["hash", "no hash"])
def test_case_58_truncated_zero_or_text_file(models, content, resealed):
    path = models / MLP / "model.keras"
    path.write_bytes(path.read_bytes()[:4000] if content is None else content)
    if resealed:
        reseal(path.parent)
    catalog = assert_refused(models, MLP, match="complete Keras file" if resealed else "not the file")
    assert (MLP in catalog.problems) != resealed


@pytest.mark.parametrize("content", [b"", b"not a model", None], ids=["zero", "text", "truncated"])
def test_case_58_the_same_for_scikit_learn(models, content):
    path = models / LOGISTIC / "model.skops"
    path.write_bytes(path.read_bytes()[:4000] if content is None else content)
    reseal(path.parent)
    assert_refused(models, LOGISTIC, match="cannot be read", others=(MLP, OTHER))


@pytest.mark.parametrize(
    "name",
    ["model.keras", "calibrator.json", "reference.npz", "cohort.npz", "evaluation.npz", "golden.json", "card.md"],
)
def test_case_59_one_changed_byte_in_any_file(models, name):
    path = models / MLP / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    catalog = assert_refused(models, MLP, match="not the file this model was released with: install")
    assert name in catalog.problems[MLP].message


def test_case_59_a_missing_file(models):
    (models / MLP / "golden.json").unlink()
    assert "missing or unreadable" in assert_refused(models, MLP).problems[MLP].message


def test_case_59_the_default_falls_back_to_the_next_usable_model(models):
    (models / MLP / "card.md").write_text("altered")
    catalog = Catalog(models)
    assert catalog.default("diabetes").model_id == LOGISTIC
    assert catalog.default("heart_disease").model_id == OTHER
    assert [facts.model_id for facts in catalog.models("diabetes")] == [LOGISTIC]


def test_an_unreadable_list_of_defaults_is_a_problem_and_no_more(models):
    for text in ("{", "[]", '{"diabetes": 3}', "[" * 100_000):
        (models / "defaults.json").write_text(text)
        catalog = Catalog(models)
        assert "defaults.json" in catalog.problems
        assert catalog.default("diabetes").model_id == LOGISTIC


def test_a_symlinked_file(models, tmp_path):
    path = models / MLP / "card.md"
    target = tmp_path / "elsewhere.md"
    shutil.move(path, target)
    path.symlink_to(target)
    assert "plain file" in assert_refused(models, MLP).problems[MLP].message


def test_a_file_of_no_sensible_size(models):
    with (models / MLP / "card.md").open("r+b") as file:
        file.truncate(50_000_000)
    assert "sensible size" in assert_refused(models, MLP).problems[MLP].message


def test_a_folder_renamed(models):
    (models / MLP).rename(models / "diabetes-better")
    catalog = Catalog(models)
    assert isinstance(catalog.problems["diabetes-better"], ManifestError)
    assert catalog.default("diabetes").model_id == LOGISTIC


def test_strange_folders_and_manifests_are_problems_and_no_more(models):
    (models / "empty").mkdir()
    for name, text in (("nested", "[" * 200_000), ("text", "hello"), ("list", "[]")):
        (models / name).mkdir()
        (models / name / "manifest.json").write_text(text)
    (models / "folder").mkdir()
    (models / "folder" / "manifest.json").mkdir()
    catalog = Catalog(models)
    assert set(catalog.problems) == {"empty", "nested", "text", "list", "folder"}
    assert len(catalog.models()) == 3


def test_case_65_a_bundle_newer_than_the_library(models):
    reseal(models / MLP, format=2)
    assert "upgrade medcore" in assert_refused(models, MLP, ManifestError).problems[MLP].message


def test_a_bundle_of_an_unknown_kind_or_condition(models):
    reseal(models / MLP, kind="pickle", recipe="banana")
    assert_refused(models, MLP, match="'banana' are not known")
    reseal(models / MLP, kind="keras", condition="banana")
    assert_refused(models, MLP, MedcoreError, match="no condition")


# 60, 61, 64: inside the Keras file


def layer(class_name, module="keras.layers", registered=None, **config):
    return {
        "module": module,
        "class_name": class_name,
        "registered_name": registered,
        "name": "evil",
        "config": {"name": "evil", **config},
        "inbound_nodes": [],
    }


LAMBDA = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wAAAA=="}})
UNWANTED = {
    "lambda": LAMBDA,
    "tfsm": layer("TFSMLayer", filepath="/tmp/x"),
    "dense": layer("Dense", units=1),
    "unknown": layer("Unheard", module="builtins", registered="someone>Unheard"),
    "gadget": layer("Popen", module="subprocess", registered="Popen", args=["true"]),
    "allowed name, other module": layer("Add", module="os"),
    "our name, other package": layer("FieldEncoding", module="os", registered="os>FieldEncoding"),
    "our package, other name": layer("Popen", module="medcore.models.layers", registered="medcore>Popen"),
    "names that disagree": layer("FieldEncoding", module="os", registered="medcore>Popen"),
    "utility": layer("get_file", module="keras.utils", registered=None, fname="x", origin="http://192.0.2.1/"),
}


@pytest.mark.parametrize("unwanted", list(UNWANTED))
def test_case_60_a_layer_that_is_not_ours(models, unwanted):
    edit_config(models / MLP / "model.keras", lambda config: config["config"]["layers"].append(UNWANTED[unwanted]))
    assert_refused(models, MLP, match="not allowed")


def test_case_60_nested_where_no_layer_is_expected(models):
    path = models / MLP / "model.keras"
    edit_config(path, lambda config: config.update(compile_config={"optimizer": LAMBDA}))
    assert_refused(models, MLP, match="'Lambda', which is not allowed")


@pytest.mark.parametrize(
    "text", [b"{", b"[" * 100_000, b"\xff", b"{}", b"[]", b'{"class_name": "Functional", "module": "keras"}']
)
def test_case_60_a_configuration_that_is_none(models, text):
    rewrite_archive(models / MLP / "model.keras", lambda members: members.update({"config.json": text}))
    assert_refused(models, MLP)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_case_61_weights_that_are_no_numbers(models, value):
    def spoil(file):
        file[first_array(file)][...] = value

    edit_weights(models / MLP / "model.keras", spoil)
    assert_refused(models, MLP, match="not finite")


def test_case_61_altered_weights_fail_the_self_test(models):
    def spoil(file):
        name = first_array(file)
        file[name][...] = file[name][...] * 1.5 + 0.3

    edit_weights(models / MLP / "model.keras", spoil)
    assert_refused(models, MLP, SelfTestError, match="does not reproduce")


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "assets/x.txt", "config.json/", "Model.weights.h5"])
def test_case_64_members_that_a_keras_file_does_not_have(models, name):
    rewrite_archive(models / MLP / "model.keras", lambda members: members.update({name: b"x"}))
    assert_refused(models, MLP, match="members")


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_case_64_a_member_is_missing(models, name):
    rewrite_archive(models / MLP / "model.keras", lambda members: members.pop(name))
    assert_refused(models, MLP, match="members")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_case_64_the_same_member_twice(models):
    path = models / MLP / "model.keras"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")
    reseal(path.parent)
    assert_refused(models, MLP, match="members")


def test_case_64_a_zip_bomb_is_not_unpacked(models):
    path = models / MLP / "model.keras"
    rewrite_archive(path, lambda members: members.update({"config.json": b" " * 250_000_000}))
    assert path.stat().st_size < 1_000_000
    assert_refused(models, MLP, match="unpacks to more", others=())


@pytest.mark.parametrize("name", ["reference.npz", "model.skops"])
def test_case_64_a_zip_bomb_in_the_other_archives(models, name):
    path = models / LOGISTIC / name
    rewrite_archive(path, lambda members: members.update({"bomb.npy": b" " * 250_000_000}))
    assert_refused(models, LOGISTIC, match="unpacks to more|cannot be read", others=())


def test_case_64_a_damaged_stream_inside_a_sound_archive(models):
    path = models / MLP / "model.keras"
    rewrite_archive(path, lambda members: None)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("config.json").header_offset + 60
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    reseal(path.parent)
    assert_refused(models, MLP, match="complete Keras file")


def test_case_64_an_hdf5_link_to_another_file(models, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.arange(3.0)

    def link(file):
        name = first_array(file)
        del file[name]
        file[name] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")

    edit_weights(models / MLP / "model.keras", link)
    assert_refused(models, MLP, match="lead elsewhere")


def test_case_64_hdf5_soft_links_loops_and_outside_storage(models, tmp_path):
    def soften(file):
        file["again"] = h5py.SoftLink("/layers")

    def loop(file):
        file["layers/round"] = file["layers"]

    def outside(file):
        file.create_dataset("more", (8,), dtype="f4", external=[(str(tmp_path / "raw"), 0, 32)])

    def virtual(file):
        layout = h5py.VirtualLayout((3,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (3,))
        file.create_virtual_dataset("more", layout)

    for change in (soften, loop, outside, virtual):
        bundle = models.parent / "again" / change.__name__ / MLP
        shutil.copytree(models / MLP, bundle)
        edit_weights(bundle / "model.keras", change)
        with pytest.raises(IntegrityError, match=r"elsewhere|other files"):
            load_keras(open_bundle(bundle))


def test_case_64_an_hdf5_bomb_is_not_unpacked(models):
    def swell(file):
        file.create_dataset("more", (40_000, 40_000), dtype="f4", chunks=(1000, 1000), compression="gzip")

    edit_weights(models / MLP / "model.keras", swell)
    assert_refused(models, MLP, match="unpacks to more", others=())


# 62, 63: a model that does not fit


def test_case_62_fields_in_another_order(models):
    manifest = json.loads((models / LOGISTIC / "manifest.json").read_text())
    for key in ("schema", "encoding"):
        manifest[key] = manifest[key][::-1]
    reseal(models / LOGISTIC, schema=manifest["schema"], encoding=manifest["encoding"])
    assert_refused(models, LOGISTIC, ArtifactError, others=(OTHER,))


@pytest.mark.parametrize("name", [MLP, LOGISTIC])
def test_case_62_a_field_less(models, name):
    manifest = json.loads((models / name / "manifest.json").read_text())
    reseal(models / name, schema=manifest["schema"][:-1], encoding=manifest["encoding"][:-1])
    assert_refused(models, name, IntegrityError, others=(OTHER,))


def test_case_62_the_model_of_another_condition(models):
    shutil.copy(models / OTHER / "model.skops", models / LOGISTIC / "model.skops")
    reseal(models / LOGISTIC)
    assert_refused(models, LOGISTIC, ArtifactError, others=(OTHER,))


def test_case_62_trained_on_other_fields_than_the_condition_has(models):
    reseal(models / OTHER, condition="diabetes")
    assert_refused(models, OTHER, IntegrityError, "trained on other fields", others=(MLP, LOGISTIC))


def test_case_63_an_encoding_that_cannot_be_read(models):
    manifest = json.loads((models / LOGISTIC / "manifest.json").read_text())
    for item in manifest["encoding"]:
        item.pop("codes")
    reseal(models / LOGISTIC, encoding=manifest["encoding"])
    assert_refused(models, LOGISTIC, IntegrityError, others=(OTHER,))


@pytest.mark.parametrize("change", [{"p": 1.7}, {"p": float("nan")}, {"p": -0.1}, {"lo": 0.9}, {"p": 10**400}])
def test_case_63_golden_answers_that_no_probability_can_give(models, change):
    path = models / LOGISTIC / "golden.json"
    golden = json.loads(path.read_text())
    for key, value in change.items():
        golden[key][0] = value
    path.write_text(json.dumps(golden))
    reseal(path.parent)
    assert_refused(models, LOGISTIC, SelfTestError, others=(OTHER,))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        '{"rows": [], "p": [], "lo": [], "hi": []}',
        '{"rows": [[1]], "p": [0], "lo": [0], "hi": [0]}',
        "one answer less",
    ],
)
def test_case_63_a_golden_file_that_tests_nothing(models, text):
    path = models / LOGISTIC / "golden.json"
    if text == "one answer less":
        golden = json.loads(path.read_text())
        text = json.dumps({"rows": golden["rows"][:1], "p": [], "lo": [], "hi": []})
    path.write_text(text)
    reseal(path.parent)
    assert_refused(models, LOGISTIC, MedcoreError, others=(OTHER,))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"main": [0, 0], "refits": [], "width": 1, "level": 0.9}',
        '{"main": [-1, 0], "refits": [[1, 0]], "width": 1, "level": 0.9}',
        '{"main": [1, 0], "refits": [[1, 0]], "width": 1, "level": 0.9}',
        '{"main": [1, 0], "refits": [], "width": 1, "level": 0.9}',
        '{"main": [1, 0], "refits": [[1, 0]], "width": NaN, "level": 0.9}',
        '{"main": [1, 0], "refits": [[1, 0]], "width": -2, "level": 0.9}',
        '{"main": [1, 0], "refits": [[1, 0]], "width": 1, "level": 90}',
        '{"main": [1' + "0" * 400 + ', 0], "refits": [[1, 0]], "width": 1, "level": 0.9}',
        "[" * 100_000,
    ],
)
def test_an_altered_calibrator(models, text):
    (models / LOGISTIC / "calibrator.json").write_text(text)
    reseal(models / LOGISTIC)
    assert_refused(models, LOGISTIC, ArtifactError, others=(OTHER,))


@pytest.mark.parametrize("key", ["background", "background_weight", "applicability_centre", "applicability_names"])
def test_altered_reference_data(models, key):
    edit_arrays(models / LOGISTIC / "reference.npz", lambda arrays: arrays.pop(key))
    assert_refused(models, LOGISTIC, IntegrityError, others=(OTHER,))


def test_reference_data_of_another_width(models):
    def narrow(arrays):
        arrays["background"] = arrays["background"][:, :3]

    edit_arrays(models / LOGISTIC / "reference.npz", narrow)
    assert_refused(models, LOGISTIC, IntegrityError, "another number of fields", others=(OTHER,))


def test_a_cohort_file_without_a_cohort(models):
    edit_arrays(models / LOGISTIC / "cohort.npz", lambda arrays: arrays.pop("X"))
    assert_refused(models, LOGISTIC, IntegrityError, others=(OTHER,))


def test_pickled_arrays_are_not_unpickled(models):
    def spoil(arrays):
        arrays["background"] = np.array([Bomb()], dtype=object)

    edit_arrays(models / LOGISTIC / "reference.npz", spoil)
    assert_refused(models, LOGISTIC, IntegrityError, "cannot be read as arrays", others=(OTHER,))
    assert not Bomb.FUSE.exists()


class Bomb:
    """Leaves a trace when it is unpickled."""

    FUSE = Path("/tmp") / f"medcore-test-unpickled-{os.getpid()}"

    def __reduce__(self):
        return (Path.touch, (self.FUSE,))


# scikit-learn files


def dump_skops(folder, parts):
    import skops.io

    (folder / "model.skops").write_bytes(skops.io.dumps(parts))
    reseal(folder)


def test_a_skops_file_that_wants_an_untrusted_type(models):
    from sklearn.preprocessing import FunctionTransformer

    dump_skops(models / LOGISTIC, {"main": [FunctionTransformer(os.system)], "refits": []})
    assert_refused(models, LOGISTIC, match="untrusted types: .*system", others=(OTHER,))


def test_a_pickle_in_place_of_a_skops_file(models):
    (models / LOGISTIC / "model.skops").write_bytes(pickle.dumps(Bomb()))
    reseal(models / LOGISTIC)
    assert_refused(models, LOGISTIC, others=(OTHER,))
    assert not Bomb.FUSE.exists()


@pytest.mark.parametrize("parts", [{}, [], {"main": [], "refits": []}, {"main": [[1, 2]], "refits": [[1, 2]]}])
def test_a_skops_file_without_the_parts_of_a_model(models, parts):
    dump_skops(models / LOGISTIC, parts)
    assert_refused(models, LOGISTIC, others=(OTHER,))


@pytest.mark.parametrize("name", [LOGISTIC, SVM, FOREST])
def test_case_61_scikit_learn_weights_that_are_no_numbers(shelf, tmp_path, name):
    models = shelf.copy(tmp_path / "models", name, OTHER)
    parts = load_skops(open_bundle(models / name))
    if name == FOREST:
        parts["forest"].estimators_[-1].tree_.value[0] = np.nan
    elif name == SVM:
        parts["main"][0].coef_[0, 0] = np.nan
    else:
        parts["main"][0][1].coef_[0, 0] = np.nan
    dump_skops(models / name, parts)
    assert_refused(models, name, match="not finite", others=(OTHER,))


# 66: while serving


@pytest.mark.parametrize("name", [MLP, LOGISTIC])
def test_case_66_files_replaced_or_removed_while_serving(models, name):
    gateway = LocalGateway(models)
    values = {"age_years": 61.0, "sex": 1.0, "waist_cm": 90.0, "already_diagnosed": 0.0}
    before = gateway.predict(name, values)
    for path in (models / name).iterdir():
        path.write_bytes(b"replaced")
    assert gateway.predict(name, values) == before
    shutil.rmtree(models / name)
    assert gateway.predict(name, values) == before


def test_case_66_a_file_replaced_before_its_first_use_is_refused(models):
    gateway = LocalGateway(models)
    shutil.copy(models / OTHER / "model.skops", models / LOGISTIC / "model.skops")
    values = {"age_years": 61.0, "sex": 1.0, "waist_cm": 90.0, "already_diagnosed": 0.0}
    with pytest.raises(IntegrityError, match="not the file"):
        gateway.predict(LOGISTIC, values)
    assert gateway.predict(MLP, values).p_calibrated is not None


def test_what_was_checked_is_what_is_built(models, monkeypatch):
    """The file changes between the check and the construction."""
    import keras

    bundle = open_bundle(models / MLP)
    load = keras.saving.load_model

    def replace_then_load(path, **options):
        (models / MLP / "model.keras").write_bytes(b"replaced")
        return load(path, **options)

    monkeypatch.setattr(keras.saving, "load_model", replace_then_load)
    assert len(load_keras(bundle).outputs) == 2


def test_a_loaded_bundle_gives_its_released_answers(models):
    for name in (MLP, LOGISTIC, OTHER):
        RiskModel.load(open_bundle(models / name))
