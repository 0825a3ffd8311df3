"""A bundle folder, opened in two phases: look at everything first, construct afterwards.

Phase one (:func:`open_bundle`) reads the manifest and checks the hash of every file; nothing of
the model is parsed. Phase two (:func:`load_keras`, :func:`load_skops`) checks the archive's members,
class names and weights, and only then builds the model. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medcore.errors import IntegrityError, ManifestError
from medcore.registry.manifest import MANIFEST_NAME, Manifest, read_manifest

__all__ = ["SealedBundle", "load_keras", "load_skops", "open_bundle", "pack_arrays", "write_bundle"]

_ALLOWED_KERAS_CLASSES = {
    "keras": frozenset({"Add", "DTypePolicy", "Functional", "InputLayer"}),
    "keras-image": frozenset(
        {
            *("Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "DTypePolicy"),
            *("Dense", "DepthwiseConv2D", "Dropout", "Flatten", "Functional", "GlobalAveragePooling2D", "InputLayer"),
            *("MaxPooling2D", "ReLU", "Rescaling", "ZeroPadding2D"),
        }
    ),
}
"""Kind of bundle -> what its model may be made of beside our own layers."""
_KERAS_TENSOR = "__keras_tensor__"  # an edge of the graph: shape and type, nothing is built from a class
_ALLOWED_KERAS_MODULES = ("keras", "keras.layers", "keras.src.models.functional", "keras.models")
_KERAS_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
_TRUSTED_SKOPS = ["sklearn.tree._tree.Tree"]
_MAX_FILE_BYTES = 40_000_000
_MAX_BUNDLE_BYTES = {"keras-image": 25_000_000}
_MAX_UNPACKED_BYTES = 200_000_000
_MAX_WEIGHT_NODES = 10_000
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading a damaged archive raises, nesting without end and passwords included."""


@dataclass(frozen=True, kw_only=True)
class SealedBundle:
    """A bundle whose manifest is read and whose files have the hashes they were released with."""

    folder: Path
    manifest: Manifest

    @cached_property
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
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"{self.manifest.id}: {name} is not JSON") from error

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of an ``.npz`` file (never pickled objects)."""
        data = self.read_bytes(name)
        try:
            _check_members(data, name, self.manifest.id)
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except _UNREADABLE as error:
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
    n_bytes = sum(len(bundle.read_bytes(name)) for name in bundle.manifest.files)
    largest = _MAX_BUNDLE_BYTES.get(bundle.manifest.kind)
    if largest is not None and n_bytes > largest:
        raise IntegrityError(
            f"{folder.name}: the bundle weighs {n_bytes / 1e6:.1f} MB, a model for films may weigh {largest / 1e6:g} MB"
        )
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


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of an ``.npz`` file, as :meth:`SealedBundle.read_arrays` reads it."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def load_keras(bundle: SealedBundle, name: str = "model.keras") -> Any:
    """Build the Keras model of a bundle (not compiled).

    Raises
    ------
    IntegrityError
        Unexpected archive members, a class that is not on the list, or weights that are not finite.
    """
    data = bundle.read_bytes(name)
    _check_keras_archive(data, bundle.manifest)
    import keras

    from medcore.models import layers

    try:
        with tempfile.TemporaryDirectory() as folder:
            checked = Path(folder) / "model.keras"  # what was checked is what is built, whatever happens to the file
            checked.write_bytes(data)
            model = keras.saving.load_model(
                checked, custom_objects=layers.custom_objects(), compile=False, safe_mode=True
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
        _check_members(data, name, bundle.manifest.id)
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


def _check_members(data: bytes, name: str, bundle_id: str, expected: Collection[str] | None = None) -> None:
    """Look at an archive's table of contents before anything in it is unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
    found = [info.filename for info in infos]
    if len(set(found)) != len(found) or (expected is not None and set(found) != set(expected)):
        raise IntegrityError(f"{bundle_id}: {name} has members that such a file does not have")
    if sum(info.file_size for info in infos) > _MAX_UNPACKED_BYTES:
        raise IntegrityError(f"{bundle_id}: {name} unpacks to more than a bundle may hold")


def _check_keras_archive(data: bytes, manifest: Manifest) -> None:
    bundle_id, allowed = manifest.id, _ALLOWED_KERAS_CLASSES.get(manifest.kind, frozenset())
    try:
        _check_members(data, "model.keras", bundle_id, _KERAS_MEMBERS)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            config = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
        wanted = list(_named_classes(config))
    except _UNREADABLE as error:
        raise IntegrityError(f"{bundle_id}: model.keras is not a complete Keras file") from error
    for class_name, module, registered in wanted:
        if not _is_allowed(class_name, module, registered, allowed):
            raise IntegrityError(f"{bundle_id}: model.keras wants the layer {class_name!r}, which is not allowed")
    try:
        _check_weights(weights, bundle_id)
    except _UNREADABLE as error:
        raise IntegrityError(f"{bundle_id}: the weights in model.keras cannot be read") from error


def _check_weights(data: bytes, bundle_id: str) -> None:
    """Walk an HDF5 file: plain arrays of a sensible size with finite numbers, no link that leads elsewhere."""
    import h5py

    n_bytes = n_nodes = 0
    with h5py.File(io.BytesIO(data), "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                n_nodes += 1
                if n_nodes > _MAX_WEIGHT_NODES or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise IntegrityError(f"{bundle_id}: the weights in model.keras hold links that lead elsewhere")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                n_bytes += int(item.nbytes)
                _check_array(item, n_bytes, bundle_id)


def _check_array(item: Any, n_bytes: int, bundle_id: str) -> None:
    if item.external or item.is_virtual:
        raise IntegrityError(f"{bundle_id}: the weights in model.keras lie in other files")
    if n_bytes > _MAX_UNPACKED_BYTES:
        raise IntegrityError(f"{bundle_id}: model.keras unpacks to more than a bundle may hold")
    if item.dtype.kind == "f" and not np.isfinite(item[()]).all():
        raise IntegrityError(f"{bundle_id}: the model has weights that are not finite numbers")


def _is_allowed(class_name: str, module: str, registered: str, allowed: Collection[str]) -> bool:
    from medcore.models import layer_names

    if ">" in registered:
        return class_name in layer_names.NAMES and registered == f"{layer_names.PACKAGE}>{class_name}"
    if module == "keras.initializers" or (class_name == _KERAS_TENSOR and not module):
        return True
    return class_name in allowed and module in _ALLOWED_KERAS_MODULES


def _named_classes(node: Any) -> Iterator[tuple[str, str, str]]:
    """Yield class name, module and registered name of everything a configuration wants to be built."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield str(node["class_name"]), str(node.get("module") or ""), str(node.get("registered_name") or "")
        for value in node.values():
            yield from _named_classes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named_classes(value)
