"""The manifest: what goes in comes out, and what is wrong with it is said."""

import hashlib
import json

import pytest

from medcore.errors import ManifestError
from medcore.registry.manifest import FORMAT, Manifest, metric_rows, parse_manifest, read_manifest


def make(**changes):
    plain = {
        "format": FORMAT,
        "id": "diabetes-logistic",
        "condition": "diabetes",
        "title": "Logistic regression",
        "kind": "skops",
        "recipe": "logistic",
        "version": "0.1.0",
        "created": "2026-01-01",
        "frameworks": {"numpy": "2.4"},
        "trained_on": {"device": "CPU", "seconds": 1.5, "seed": 0},
        "schema": [{"name": "age_years"}],
        "encoding": [{"name": "age_years"}],
        "studied": {"age_years": (20.0, 80.0)},
        "operating_points": {"default": 0.5},
        "metrics": {"auroc": {"value": 0.8, "lo": None, "hi": None}},
        "base_rate": 0.4,
        "n_train": 100,
        "files": {"model.skops": "ab" * 32},
    }
    return plain | changes


def test_round_trip():
    manifest = Manifest(**make())
    assert parse_manifest(manifest.to_json()) == manifest


def test_the_hash_is_that_of_the_canonical_text_however_the_file_is_laid_out():
    manifest = Manifest(**make())
    shuffled = dict(reversed(json.loads(manifest.to_json()).items()))
    again = parse_manifest(json.dumps(shuffled, indent=3))
    assert again.sha256 == manifest.sha256
    canonical = json.dumps(json.loads(json.dumps(make())), sort_keys=True, separators=(",", ":"))
    assert manifest.sha256 == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize("change", [{"title": "x"}, {"files": {"model.skops": "cd" * 32}}, {"base_rate": 0.41}])
def test_every_part_counts_for_the_hash(change):
    assert Manifest(**make(**change)).sha256 != Manifest(**make()).sha256


@pytest.mark.parametrize("found", [0, 2, "1", None, [1]])
def test_case_65_a_bundle_newer_than_the_library(found):
    with pytest.raises(ManifestError, match=r"format is .* upgrade medcore") as caught:
        parse_manifest(json.dumps(make(format=found)))
    assert caught.value.expected == str(FORMAT)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', b"\xff\xfe\x00", "[" * 200_000])
def test_what_is_not_a_manifest(text):
    with pytest.raises(ManifestError):
        parse_manifest(text)


@pytest.mark.parametrize("key", sorted(set(make()) - {"files"}))
def test_a_missing_key_is_named(key):
    raw = make()
    del raw[key]
    with pytest.raises(ManifestError, match=key):
        parse_manifest(json.dumps(raw))


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "..", ".", "", "manifest.json", "a\\b", "C:\\x", "../../assets/x"]
)
def test_file_names_outside_the_bundle(name):
    with pytest.raises(ManifestError, match="outside the bundle"):
        parse_manifest(json.dumps(make(files={name: "ab" * 32})))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"encoding": [{"name": "other"}]}, "disagree"),
        ({"encoding": []}, "disagree"),
        ({"base_rate": 1.2}, "0..1"),
        ({"base_rate": float("nan")}, "0..1"),
        ({"operating_points": {"default": -0.1}}, "0..1"),
        ({"studied": {"age_years": [80.0, 20.0]}}, "studied"),
        ({"studied": {"age_years": [20.0, float("inf")]}}, "studied"),
        ({"metrics": {"auroc": {"value": float("nan")}}}, "written down"),
        ({"title": "\ud800"}, "title|written down"),
        ({"n_train": "many"}, "n_train"),
        ({"files": ["model.skops"]}, "files"),
    ],
)
def test_contents_that_cannot_be(change, match):
    with pytest.raises(ManifestError, match=match):
        parse_manifest(json.dumps(make(**change)))


def test_a_folder_without_a_manifest_and_one_with_a_giant_one(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b" " * 2_000_001)
    with pytest.raises(ManifestError, match="larger than"):
        read_manifest(tmp_path)


def test_the_message_names_the_folder(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == caught.value.message
    assert caught.value.message.startswith(tmp_path.name)


def test_undefined_metrics_become_nan():
    value, lo, hi = metric_rows({"auroc": {"value": 0.8, "lo": None}})["auroc"]
    assert value == 0.8
    assert lo != lo
    assert hi != hi
