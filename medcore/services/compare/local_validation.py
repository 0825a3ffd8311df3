"""What local patients say about a model, and a recalibrated copy: shown beside the original, written only on request.

A copy is a new bundle in the data folder, with papers that say what it was made from. It holds no local patient:
two numbers (slope and intercept on the log-odds) are all that was learnt.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.errors import ArtifactError, InputError, StorageError
from medcore.evaluation.compared import ModelCurves
from medcore.evaluation.recalibration import Recalibration
from medcore.journal import Event
from medcore.registry import Manifest, write_bundle
from medcore.registry.bundle import SealedBundle, pack_arrays
from medcore.registry.shelves import BUNDLES_FOLDER
from medcore.results import MetricValue
from medcore.services.compare.labelled import LabelledUpload
from medcore.services.house import House

__all__ = ["BUNDLES_FOLDER", "METHODS", "RecalibratedCopy", "export_recalibrated", "recalibrate_upload"]

METHODS: Mapping[str, str] = {
    "intercept": "risks shifted (intercept only)",
    "slope_intercept": "risks shifted and stretched (slope and intercept)",
}
"""Ways to recalibrate, in words."""

_TABULAR = ("keras", "skops")
_MOST_COPIES = 1000
_MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecalibratedCopy:
    """One way to recalibrate a model to an upload.

    Attributes
    ----------
    model_id, method : str
        The original, and a key of :data:`METHODS`.
    line : Recalibration or None
        What was fitted to all rows, with the honest gain in Brier score; None where it is refused.
    board, curves
        Figures of the copy as of the original's, each row judged by a line that it did not teach; None likewise.
    refusal : str
        Why there is none, in words; empty otherwise.
    """

    model_id: str
    method: str
    line: Recalibration | None = None
    board: Mapping[str, MetricValue] | None = None
    curves: ModelCurves | None = None
    refusal: str = ""


def recalibrate_upload(house: House, upload: LabelledUpload, model_id: str) -> tuple[RecalibratedCopy, ...]:
    """Try every method on the rows of an upload; nothing is written.

    Raises
    ------
    InputError
        The upload was not scored by this model.
    WorkerError
        The analysis process failed.
    """
    p = _scores_of(upload, model_id)
    copies = []
    for method in METHODS:
        try:
            line, measured = house.analysis.recalibrate(upload.y, p, method=method, patients=upload.patients)
        except InputError as error:
            copies.append(RecalibratedCopy(model_id=model_id, method=method, refusal=error.message))
            continue
        copies.append(
            RecalibratedCopy(
                model_id=model_id, method=method, line=line, board=measured.board[""], curves=measured.curves[""]
            )
        )
    return tuple(copies)


def export_recalibrated(house: House, upload: LabelledUpload, model_id: str, method: str, *, reason: str) -> Path:
    """Write a recalibrated copy as a new bundle into ``bundles/`` of the data folder.

    Parameters
    ----------
    house : House
        Shelf of models, helper processes, journal, data folder and actor.
    upload : LabelledUpload
        The local patients; none of them is written.
    model_id : str
        The original.
    method : str
        ``"intercept"`` or ``"slope_intercept"``.
    reason : str
        Why, 1 to 500 characters; stands in the bundle's papers.

    Returns
    -------
    pathlib.Path
        Folder of the new bundle. Its id is the original's with ``-local-<number>``; named operating points are moved
        along, so that they call the same patients. The model process has loaded it and run its self-test.

    Raises
    ------
    InputError
        An unknown method, no reason, a model that did not score the upload, too few patients, or a kind of model
        whose calibrator cannot express it (films).
    ArtifactError
        The original has been replaced since, or the copy does not pass its self-test.
    StorageError
        It cannot be journalled or written.
    """
    house.allow(Action.EXPORT, Resource.TABLE)
    if method not in METHODS:
        raise InputError(
            f"the method is {method!r}, expected one of: {', '.join(METHODS)}", field="method", value=method
        )
    why = _check_reason(reason)
    p = _scores_of(upload, model_id)
    original = house.catalog.bundle(model_id)
    _check_original(original, upload)
    line, measured = house.analysis.recalibrate(upload.y, p, method=method, patients=upload.patients)
    papers = _write_papers(house, upload, original, line, why)
    folder = Path(house.settings.data_dir) / BUNDLES_FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    except OSError as error:
        raise _cannot_write(folder) from error
    try:
        new_id = _find_id(folder, model_id)
        bundle = _write_copy(workshop / new_id, original, line, papers, measured.board[""])
        house.gateway.check_bundle(bundle.folder)
        _record(house, bundle)
        os.rename(bundle.folder, folder / new_id)
    except OSError as error:
        raise _cannot_write(folder) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return folder / new_id


def _scores_of(upload: LabelledUpload, model_id: str) -> np.ndarray:
    if model_id not in upload.p:
        raise InputError(
            f"the file was not scored by {model_id}: score it again with this model", field="model", value=model_id
        )
    return np.asarray(upload.p[model_id])


def _check_original(original: SealedBundle, upload: LabelledUpload) -> None:
    scored = {item.model_id: item.sha256 for item in upload.comparison.models}
    if scored[original.manifest.id] != original.sha256:
        raise ArtifactError(f"{original.manifest.id} has been replaced since the file was scored: score it again")
    if original.manifest.kind not in _TABULAR:
        raise InputError(
            f"{original.manifest.id} cannot be recalibrated: a film model's calibration is no single line",
            field="model",
        )


def _write_papers(
    house: House, upload: LabelledUpload, original: SealedBundle, line: Recalibration, reason: str
) -> dict[str, Any]:
    """Return what the manifest says about the copy's making."""
    return {
        "from_id": original.manifest.id,
        "from_sha256": original.sha256,
        "method": line.method,
        "slope": line.slope,
        "intercept": line.intercept,
        "rows": line.n,
        "events": line.n_events,
        "patients": upload.comparison.n_patients,
        "data_sha256": upload.fingerprint,
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "actor": house.actor.name,
        "reason": reason,
    }


def _write_copy(
    folder: Path,
    original: SealedBundle,
    line: Recalibration,
    papers: Mapping[str, Any],
    board: Mapping[str, MetricValue],
) -> SealedBundle:
    """Write all files anew: calibration, golden answers, cut-offs and the study's scores moved along the line."""
    old = original.manifest
    contents = {name: original.read_bytes(name) for name in old.files}
    contents["calibrator.json"] = _to_bytes(_move_calibrator(original.read_json("calibrator.json"), line))
    golden = original.read_json("golden.json")
    moved = {name: line.apply(golden[name]).tolist() for name in ("p", "lo", "hi")}
    contents["golden.json"] = _to_bytes({**golden, **moved})
    if "evaluation.npz" in contents:
        arrays = original.read_arrays("evaluation.npz")
        moved_p = line.apply(arrays["p"].astype(np.float64)).astype(arrays["p"].dtype)
        contents["evaluation.npz"] = pack_arrays({**arrays, "p": moved_p})
    contents["card.md"] = (original.read_bytes("card.md").decode("utf-8").rstrip() + _describe(papers, line)).encode()
    names = list(old.operating_points)
    points = line.apply([old.operating_points[name] for name in names]).tolist() if names else []
    manifest = Manifest(
        **{
            **vars(old),
            "id": folder.name,
            "title": f"{old.title}, recalibrated locally",
            "version": f"{old.version}+local",
            "created": papers["at_utc"][:10],
            "trained_on": {**old.trained_on, "recalibrated": dict(papers)},
            "operating_points": dict(zip(names, points, strict=True)),
            "metrics": {name: _describe_metric(value) for name, value in board.items()},
            "files": {},
        }
    )
    return write_bundle(folder, manifest, contents)


def _move_calibrator(raw: Mapping[str, Any], line: Recalibration) -> dict[str, Any]:
    """Put the local line behind the bundle's own lines, that of the model and those of its refits."""
    try:
        lines = [raw["main"], *raw["refits"]]
        main, *refits = [[line.slope * float(a), line.slope * float(b) + line.intercept] for a, b in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("this model's calibration is no line on the log-odds, so that it cannot be moved") from error
    return {**raw, "main": main, "refits": refits}


def _describe(papers: Mapping[str, Any], line: Recalibration) -> str:
    gain = line.gain
    return f"""

## Local recalibration

This is a copy of `{papers["from_id"]}` (version {papers["from_sha256"][:12]}) with its risks fitted to local patients:
logit(new) = {line.intercept:.4f} + {line.slope:.4f} x logit(old). Nothing else of the model was changed.

- Made on {papers["at_utc"]} by {papers["actor"]} from {line.n:,} rows with {line.n_events:,} events.
- Reason given: {papers["reason"]}
- Brier score on these patients, each judged by a line that it did not teach: {line.brier_after:.4f}; before
  {line.brier_before:.4f}; gain {gain.value:.4f} (95 % interval {gain.lo:.4f} to {gain.hi:.4f}).
- The metrics of this version are from those local patients. The study's figures above are the original's.
- The range shown with a risk is the original's, moved along; it does not cover the uncertainty of this recalibration.
"""


def _describe_metric(metric: MetricValue) -> dict[str, float | None]:
    parts = {"value": metric.value, "lo": metric.lo, "hi": metric.hi}
    return {name: float(part) if np.isfinite(part) else None for name, part in parts.items()}


def _find_id(folder: Path, model_id: str) -> str:
    """Return the first free name."""
    for number in range(1, _MOST_COPIES):
        name = f"{model_id}-local-{number}"
        if not (folder / name).exists():
            return name
    raise StorageError(f"the folder {folder.name} holds {_MOST_COPIES} copies of {model_id}: clear it")


def _check_reason(reason: str) -> str:
    text = re.sub(r"[`<>\[\]|#*_]", "", " ".join(reason.split()))
    if not 0 < len(text) <= _MAX_REASON:
        raise InputError(
            f"say in 1 to {_MAX_REASON} characters why this version is made", field="reason", value=len(text)
        )
    return text


def _record(house: House, bundle: SealedBundle) -> None:
    papers = bundle.manifest.trained_on["recalibrated"]
    house.journal.record(
        Event(
            **describe_actor(house.actor),
            action="export_recalibrated",
            outcome=str(papers["method"]),
            condition=bundle.manifest.condition,
            model_id=bundle.manifest.id,
            sha256=bundle.sha256,
            input_hash=str(papers["data_sha256"]),
            n_records=int(papers["rows"]),
            app_version=__version__,
        )
    )


def _to_bytes(raw: Any) -> bytes:
    return json.dumps(raw).encode()


def _cannot_write(folder: Path) -> StorageError:
    return StorageError(f"the new bundle cannot be written: see to the folder {folder.name} in the data folder")
