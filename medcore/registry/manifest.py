"""The manifest of a bundle: what a model is, and the hashes of its files.

Format 1. To bump it: raise ``FORMAT``, keep a reader for the old number in ``_READERS``, and add a
test with a bundle written by the old code.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medcore.errors import ManifestError

__all__ = ["FORMAT", "MANIFEST_NAME", "Manifest", "describe_field", "parse_manifest", "read_manifest"]

FORMAT = 1
MANIFEST_NAME = "manifest.json"
_MAX_MANIFEST_BYTES = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Description of one trained model.

    Attributes
    ----------
    kind : str
        ``keras`` (``model.keras``) or ``skops`` (``model.skops``) on a table's fields; ``keras-image``
        (``model.keras``) on films, whose ``schema``, ``encoding`` and ``studied`` are empty.
    schema : list of dict
        Every input field with unit, ranges and choices, in the order of the model's columns.
    encoding : list of dict
        See :meth:`medcore.encoding.Encoding.to_json`.
    studied : dict
        1st to 99th percentile of the training rows per numeric field, in the field's own unit.
    operating_points : dict
        Named cut-offs on the calibrated probability.
    metrics : dict
        Name -> value, lo, hi (95 % interval), from out-of-fold predictions.
    files : dict
        File name -> sha256 (hex) of every other file of the bundle.
    """

    format: int
    id: str
    condition: str
    title: str
    kind: str
    recipe: str
    version: str
    created: str
    frameworks: dict[str, str]
    trained_on: dict[str, Any]
    schema: list[dict[str, Any]]
    encoding: list[dict[str, Any]]
    studied: dict[str, tuple[float, float]]
    operating_points: dict[str, float]
    metrics: dict[str, dict[str, float | None]]
    base_rate: float
    n_train: int
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical form: sorted keys, no spaces, no NaN; the bundle hash is computed from it."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @property
    def sha256(self) -> str:
        """Hash of the bundle: SHA-256 of the canonical manifest, which holds the hashes of all files."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


_ADAPTER: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def parse_manifest(text: str | bytes) -> Manifest:
    """Read a manifest from JSON text.

    Raises
    ------
    ManifestError
        Not JSON, of another format number, incomplete, or naming files outside the bundle.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError("the bundle's manifest is not JSON: install the bundle again") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise ManifestError(
            f"the bundle's format is {found!r}, this version of medcore reads {FORMAT}: upgrade medcore or the bundle",
            field="format",
            value=found,
            expected=str(FORMAT),
        )
    try:
        manifest = _ADAPTER.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"the bundle's manifest is wrong at {where!r}: {first['msg']}", field=where) from error
    _check_contents(manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` of a bundle folder.

    Raises
    ------
    ManifestError
        Missing, too large, or see :func:`parse_manifest`.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ManifestError(f"{folder.name}: the manifest is larger than a manifest can be")
        text = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{folder.name}: the manifest cannot be read: install the bundle again") from error
    try:
        return parse_manifest(text)
    except ManifestError as error:
        error.args = (f"{folder.name}: {error.message}",)
        error.message = error.args[0]
        raise


def describe_field(item: Any) -> dict[str, Any]:
    """Write a :class:`medcore.records.Field` as plain JSON for a manifest or ``medcore conditions``."""
    usual = list(item.usual) if item.usual else None
    return {
        "name": item.name,
        "label": item.label,
        "group": item.group,
        "kind": item.kind.value,
        "role": item.role.value,
        "unit": item.unit,
        "other_units": [unit.symbol for unit in item.other_units],
        "possible": list(item.possible) if item.possible else None,
        "usual": usual,
        "required": item.required,
        "loinc": item.loinc,
        "other_loinc": {unit.symbol: unit.loinc for unit in item.other_units if unit.loinc},
        "noise_sd": item.noise_sd,
        "noise_cv": item.noise_cv,
        "choices": [{"code": c.code, "word": c.word, "label": c.label} for c in item.choices],
    }


def _check_contents(manifest: Manifest) -> None:
    for name in manifest.files:
        if PurePosixPath(name).name != name or "\\" in name or name in {"", ".", "..", MANIFEST_NAME}:
            raise ManifestError(f"{manifest.id}: the manifest names a file outside the bundle", value=name)
    if [row.get("name") for row in manifest.schema] != [row.get("name") for row in manifest.encoding]:
        raise ManifestError(f"{manifest.id}: the input schema and the encoding disagree", field="encoding")
    if any(not (math.isfinite(lo) and math.isfinite(hi) and lo <= hi) for lo, hi in manifest.studied.values()):
        raise ManifestError(f"{manifest.id}: a studied range is not two numbers in order", field="studied")
    numbers = [manifest.base_rate, *manifest.operating_points.values()]
    if any(not (math.isfinite(value) and 0.0 <= value <= 1.0) for value in numbers):
        raise ManifestError(f"{manifest.id}: base rate and operating points must lie in 0..1")
    try:
        manifest.to_json().encode()
    except ValueError as error:
        raise ManifestError(
            f"{manifest.id}: the manifest holds numbers or texts that cannot be written down"
        ) from error


def metric_rows(metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, tuple[float, float, float]]:
    """Return metrics as (value, lo, hi) with NaN where undefined."""
    nan = math.nan

    def read(row: Mapping[str, float | None], key: str) -> float:
        value = row.get(key)
        return nan if value is None else float(value)

    return {name: (read(row, "value"), read(row, "lo"), read(row, "hi")) for name, row in metrics.items()}
