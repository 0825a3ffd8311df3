"""A bundle folder, opened in two phases: look at everything first, construct afterwards.

Phase one (:func:`open_bundle`) reads the manifest and checks the hash of every file; nothing of
the model is parsed. Phase two (:func:`load_keras`, :func:`load_skops`) checks the archive's members,
class names and weights, and only then builds the model. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medcore.errors import IntegrityError, ManifestError
from medcore.registry.manifest import MANIFEST_NAME, Manifest, read_manifest

__all__ = ["SealedBundle", "load_keras", "load_skops", "open_bundle", "write_bundle"]

_ALLOWED_KERAS_CLASSES = frozenset({"Add", "DTypePolicy", "Functional", "InputLayer"})
_ALLOWED_KERAS_MODULES = ("keras", "keras.layers", "keras.src.models.functional", "keras.models")
_KERAS_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
_TRUSTED_SKOPS = ["sklearn.tree._tree.Tree"]
_MAX_FILE_BYTES = 40_000_000
_MAX_UNPACKED_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class SealedBundle:
    """A bundle whose manifest is read and whose files have the hashes they were released with."""

    folder: Path
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Hash of the whole bundle."""
        return self.manifest.sha256

    def read_bytes(self, name: str) -> bytes:
        """Return a file's content, its hash checked again at this moment.

        Raises
        ------
        IntegrityError
            Not part of the bundle, unreadable, or not the file it was released with.
        """
        expected = self.manifest.files.get(name)
        if expected is None:
            raise IntegrityError(f"{self.manifest.id}: {name} is not part of the bundle", value=name)
        return _read_checked(self.folder / name, expected, self.manifest.id)

    def read_json(self, name: str) -> Any:
        """Return a JSON file of the bundle."""
        try:
            return json.loads(self.read_bytes(name))
        except ValueError as error:
            raise IntegrityError(f"{self.manifest.id}: {name} is not JSON") from error

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of an ``.npz`` file (never pickled objects)."""
        try:
            with np.load(io.BytesIO(self.read_bytes(name)), allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
            raise IntegrityError(f"{self.manifest.id}: {name} cannot be read as arrays") from error


def open_bundle(folder: Path) -> SealedBundle:
    """Read the manifest of ``folder`` and check the hash of every file it names.

    Raises
    ------
    ManifestError
        The manifest is missing, unreadable or of an unknown format.
    IntegrityError
        A file is missing, altered, truncated or too large.
    """
    bundle = SealedBundle(folder=folder, manifest=read_manifest(folder))
    if folder.name != bundle.manifest.id:
        raise ManifestError(f"{folder.name}: the folder holds a bundle named {bundle.manifest.id!r}")
    for name in bundle.manifest.files:
        bundle.read_bytes(name)
    return bundle


def write_bundle(folder: Path, manifest: Manifest, contents: dict[str, bytes]) -> SealedBundle:
    """Write all files and, last, the manifest with their hashes; returns the sealed bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    sealed = Manifest(**{**vars(manifest), "files": hashes})
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    pretty = json.dumps(json.loads(sealed.to_json()), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST_NAME).write_text(pretty + "\n", encoding="utf-8")
    return open_bundle(folder)


def load_keras(bundle: SealedBundle, name: str = "model.keras") -> Any:
    """Build the Keras model of a bundle (not compiled).

    Raises
    ------
    IntegrityError
        Unexpected archive members, a class that is not on the list, or weights that are not finite.
    """
    data = bundle.read_bytes(name)
    _check_keras_archive(data, bundle.manifest.id)
    import keras

    from medcore.models import layers

    try:
        model = keras.saving.load_model(
            bundle.folder / name, custom_objects=layers.custom_objects(), compile=False, safe_mode=True
        )
    except Exception as error:
        raise IntegrityError(f"{bundle.manifest.id}: {name} cannot be built as a Keras model") from error
    if any(not np.isfinite(weight).all() for weight in model.get_weights()):
        raise IntegrityError(f"{bundle.manifest.id}: the model has weights that are not finite numbers")
    return model


def load_skops(bundle: SealedBundle, name: str = "model.skops") -> Any:
    """Build the scikit-learn objects of a bundle; only listed types are constructed.

    Raises
    ------
    IntegrityError
        The file cannot be read or wants a type that is not trusted.
    """
    import skops.io

    data = bundle.read_bytes(name)
    try:
        untrusted = set(skops.io.get_untrusted_types(data=data)) - set(_TRUSTED_SKOPS)
        if untrusted:
            raise IntegrityError(f"{bundle.manifest.id}: {name} wants untrusted types: {', '.join(sorted(untrusted))}")
        return skops.io.loads(data, trusted=_TRUSTED_SKOPS)
    except IntegrityError:
        raise
    except Exception as error:
        raise IntegrityError(f"{bundle.manifest.id}: {name} cannot be read") from error


def _read_checked(path: Path, expected: str, bundle_id: str) -> bytes:
    try:
        if path.is_symlink() or path.stat().st_size > _MAX_FILE_BYTES:
            raise IntegrityError(f"{bundle_id}: {path.name} is not a plain file of a sensible size")
        data = path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"{bundle_id}: {path.name} is missing or unreadable: install the bundle again") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise IntegrityError(
            f"{bundle_id}: {path.name} is not the file this model was released with: install the bundle again",
            field=path.name,
        )
    return data


def _check_keras_archive(data: bytes, bundle_id: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise IntegrityError(f"{bundle_id}: model.keras is not a complete Keras file") from error
    if {info.filename for info in infos} != _KERAS_MEMBERS or len(infos) != len(_KERAS_MEMBERS):
        raise IntegrityError(f"{bundle_id}: model.keras has members that a Keras file does not have")
    if sum(info.file_size for info in infos) > _MAX_UNPACKED_BYTES:
        raise IntegrityError(f"{bundle_id}: model.keras unpacks to more than a bundle may hold")
    for class_name, package in _named_classes(config):
        if not _is_allowed(class_name, package):
            raise IntegrityError(f"{bundle_id}: model.keras wants the layer {class_name!r}, which is not allowed")


def _is_allowed(class_name: str, package: str) -> bool:
    from medcore.models import layer_names

    if package == layer_names.PACKAGE:
        return class_name in layer_names.NAMES
    return class_name in _ALLOWED_KERAS_CLASSES or package == "keras.initializers"


def _named_classes(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "class_name" in node:
            registered = node.get("registered_name") or ""
            package = registered.split(">")[0] if ">" in str(registered) else str(node.get("module") or "")
            yield str(node["class_name"]), package
        for value in node.values():
            yield from _named_classes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named_classes(value)
