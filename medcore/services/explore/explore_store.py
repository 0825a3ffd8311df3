"""What is kept of explorations: one ``.npz`` per bundle, shipped with the package or in the data folder.

Only results about made-up or public patients are kept. A file of another bundle or other rows, or a damaged one,
counts as none.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from medcore.conditions.catalog import find_condition
from medcore.config import Settings, read_settings
from medcore.errors import InputError, StorageError
from medcore.explain.rows import EffectRows
from medcore.services.explore.explore_studies import Origin, Study, made_up_study
from medcore.services.explore.exploring import Exploration, explore

__all__ = ["explain_made_up", "find_kept", "keep", "shipped_dir", "write_kept"]

_FORMAT = 1
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, IndexError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def shipped_dir() -> Path:
    """Return the folder of results that come with the package."""
    return Path(__file__).resolve().parents[3] / "assets" / "explanations"


def find_kept(study: Study, data_dir: Path) -> Exploration | None:
    """Return what is kept about this model on these very rows; a foreign or damaged file counts as none."""
    if study.origin is Origin.UPLOAD:
        return None
    for path in _places(study, data_dir):
        with contextlib.suppress(*_UNREADABLE):
            found = _read(path, study)
            if found is not None:
                return found
    return None


def keep(study: Study, found: Exploration, data_dir: Path) -> Path:
    """Keep a result about made-up or public patients in the data folder.

    Raises
    ------
    StorageError
        The folder cannot be written to.
    InputError
        The patients come from an upload: nothing about them is stored.
    """
    if study.origin is Origin.UPLOAD:
        raise InputError("results about uploaded patients are not stored")
    return write_kept(study, found, _places(study, data_dir)[1])


def write_kept(study: Study, found: Exploration, path: Path) -> Path:
    """Write a result as ``.npz``; errors as :func:`keep`."""
    grids = [len(effect.grid) for effect in found.effects]
    arrays = {
        "format": np.array(_FORMAT),
        "sha256": np.array(study.facts.sha256),
        "key": np.array(study.key),
        "values": found.values,
        "standard_error": found.standard_error,
        "p": found.p,
        "base": np.array(found.base),
        "grids": np.array(grids),
        "change": found.change,
        "grid": np.concatenate([effect.grid for effect in found.effects]),
        "bands": np.concatenate([np.array([effect.mean, effect.lo, effect.hi]) for effect in found.effects], axis=1),
        "curves": np.concatenate([effect.curves for effect in found.effects], axis=1),
    }
    if found.loss is not None:
        arrays["loss"] = found.loss
    small = {name: array.astype("<f4") if array.dtype.kind == "f" else array for name, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **small)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(buffer.getvalue())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise StorageError(f"the explanations cannot be written to {path.parent}") from error
    return path


def explain_made_up(
    condition: str,
    model_id: str | None = None,
    *,
    every: bool = False,
    out: Path | None = None,
    report: Callable[[str], None] = lambda _text: None,
    settings: Settings | None = None,
) -> Iterator[Path]:
    """Explain one model (or every model of a condition) on its made-up patients; yields each file written.

    Raises
    ------
    UnknownNameError, InputError
        No such condition or model, or the model answers another question.
    StorageError
        The folder cannot be written to.
    """
    from medcore.services.model_child import LocalGateway
    from medcore.services.training.cohort import choose_model

    gateway = LocalGateway((settings or read_settings()).models_dir)
    condition = find_condition(condition).id
    chosen = gateway.catalog.models(condition) if every else (choose_model(gateway.catalog, condition, model_id),)
    for facts in chosen:
        study = made_up_study(gateway.catalog, facts.model_id)
        report(f"{facts.model_id}: {len(study.X)} made-up patients")
        yield write_kept(study, explore(study, gateway), (out or shipped_dir()) / f"{facts.model_id}.npz")


def _places(study: Study, data_dir: Path) -> tuple[Path, Path]:
    suffix = "" if study.origin is Origin.MADE_UP else "-wisconsin"
    own = data_dir / "explanations" / f"{study.facts.sha256}{suffix}.npz"
    return shipped_dir() / f"{study.facts.model_id}{suffix}.npz", own


def _read(path: Path, study: Study) -> Exploration | None:
    if not path.is_file():
        return None
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
        raw = {name: archive[name] for name in archive.files}
    if (int(raw["format"]), str(raw["sha256"]), str(raw["key"])) != (_FORMAT, study.facts.sha256, study.key):
        return None
    ends = np.cumsum(raw["grids"])[:-1]
    effects = tuple(
        EffectRows(grid=grid, curves=curves, mean=band[0], lo=band[1], hi=band[2])
        for grid, curves, band in zip(
            np.split(raw["grid"].astype(np.float64), ends),
            np.split(raw["curves"], ends, axis=1),
            np.split(raw["bands"], ends, axis=1),
            strict=True,
        )
    )
    found = Exploration(
        values=raw["values"].astype(np.float64),
        standard_error=raw["standard_error"].astype(np.float64),
        p=raw["p"].astype(np.float64),
        base=float(raw["base"]),
        effects=effects,
        change=raw["change"].astype(np.float64),
        loss=raw["loss"].astype(np.float64) if "loss" in raw else None,
    )
    n, n_fields = study.X.shape
    shapes = (found.values.shape, found.p.shape, len(effects), found.change.shape[1:])
    finite = all(np.isfinite(part).all() for part in (found.values, found.p, found.change))
    return found if finite and shapes == ((n, n_fields), (n,), n_fields, (n_fields,)) else None
