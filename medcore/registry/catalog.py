"""The shelf of bundles: which models there are, which is the default, and which are refused and why.

Reading the shelf checks every hash but builds no model, so it is quick and needs no TensorFlow.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medcore.errors import ArtifactError, IntegrityError, MedcoreError, UnknownNameError
from medcore.registry.bundle import SealedBundle, open_bundle
from medcore.registry.manifest import MANIFEST_NAME, metric_rows
from medcore.results import MetricValue, ModelFacts

__all__ = ["DEFAULTS_NAME", "Catalog", "DefaultChoice"]

DEFAULTS_NAME = "defaults.json"
SETTLE_S = 2.0
"""A folder that changed less than this long ago may still be being written: it is read later."""

_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultChoice:
    """Which model a condition uses and why, as written when the models were compared.

    ``non_inferior`` are the models not shown to be worse than ``highest_auroc``; ``brier`` is that of
    ``model``; ``sha256`` the bundle that was compared.
    """

    model: str
    sha256: str = ""
    brier: float | None = None
    highest_auroc: str = ""
    non_inferior: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """What one reading of the folder found."""

    bundles: Mapping[str, SealedBundle] = field(default_factory=dict)
    problems: Mapping[str, MedcoreError] = field(default_factory=dict)
    choices: Mapping[str, DefaultChoice] = field(default_factory=dict)


class Catalog:
    """All bundles of a folder, as they were when it was last read (see :meth:`refresh`).

    Parameters
    ----------
    models_dir : pathlib.Path
        Folder with one sub-folder per bundle and ``defaults.json`` (condition -> model id).

    Raises
    ------
    ArtifactError
        The folder does not exist.
    """

    def __init__(self, models_dir: Path) -> None:
        if not models_dir.is_dir():
            raise ArtifactError(
                f"the model folder {models_dir} does not exist: set MEDCORE_MODELS or install the bundles",
                field="models_dir",
            )
        self.models_dir = models_dir
        self._reading = threading.Lock()
        self._stamp = _take_stamp(models_dir)
        self._shelf = _read_shelf(models_dir)

    def refresh(self) -> bool:
        """Read the folder again if it has changed and has been left alone since; return whether it was read.

        Looks at times only, so it may be called for every request. A folder that cannot be looked at, or
        that another thread is reading just now, changes nothing: what was read before stays in use.
        """
        stamp = _take_stamp(self.models_dir)
        if not stamp or stamp == self._stamp or not _is_settled(stamp):
            return False
        if not self._reading.acquire(blocking=False):
            return False
        try:
            self._shelf, self._stamp = _read_shelf(self.models_dir), stamp
        finally:
            self._reading.release()
        return True

    @property
    def problems(self) -> Mapping[str, MedcoreError]:
        """Refused bundles: folder name -> why."""
        return dict(self._shelf.problems)

    def models(self, condition: str | None = None) -> tuple[ModelFacts, ...]:
        """All usable models (of one condition), the default first."""
        shelf = self._shelf
        wanted = [item for item in shelf.bundles.values() if condition in (None, item.manifest.condition)]
        chosen = [_describe(bundle, shelf.choices) for bundle in wanted]
        return tuple(sorted(chosen, key=lambda item: (item.condition, not item.default, item.model_id)))

    def find(self, model_id: str) -> ModelFacts:
        """Return the facts of one model.

        Raises
        ------
        UnknownNameError
            There is no such model.
        ArtifactError
            There is one, but it is refused.
        """
        return _describe(self.bundle(model_id), self._shelf.choices)

    def default(self, condition: str) -> ModelFacts:
        """Return the model a condition uses unless told otherwise: the first usable one if the default is refused.

        Raises
        ------
        UnknownNameError
            The condition has no usable model.
        """
        models = self.models(condition)
        if not models:
            raise UnknownNameError(f"there is no usable model for {condition!r}", field="condition", value=condition)
        return models[0]

    def bundle(self, model_id: str) -> SealedBundle:
        """Return a bundle; errors as :meth:`find`."""
        shelf = self._shelf
        if model_id in shelf.problems:
            raise shelf.problems[model_id]
        if model_id not in shelf.bundles:
            known = ", ".join(shelf.bundles) or "none"
            raise UnknownNameError(
                f"there is no model {model_id!r}. Models: {known}.", field="model", value=model_id, expected=known
            )
        return shelf.bundles[model_id]

    def holds(self, name: str) -> bool:
        """Whether a name is taken on this shelf, by a usable bundle or a refused one."""
        return name in self._shelf.bundles or name in self._shelf.problems

    def choice(self, condition: str) -> DefaultChoice | None:
        """Return how the default of a condition was chosen; None where nothing was written about it."""
        return self._shelf.choices.get(condition)

    def card(self, model_id: str) -> str:
        """Return the model card (Markdown)."""
        return self.bundle(model_id).read_bytes("card.md").decode("utf-8")

    def studied(self, model_id: str) -> Mapping[str, tuple[float, float]]:
        """Return the studied range of each numeric input, in the field's own unit."""
        return {name: (lo, hi) for name, (lo, hi) in self.bundle(model_id).manifest.studied.items()}


def _read_shelf(models_dir: Path) -> _Shelf:
    bundles: dict[str, SealedBundle] = {}
    problems: dict[str, MedcoreError] = {}
    for folder in sorted(path for path in models_dir.iterdir() if path.is_dir()):
        try:
            bundles[folder.name] = open_bundle(folder)
        except ArtifactError as error:
            problems[folder.name] = error
    choices: dict[str, DefaultChoice] = {}
    path = models_dir / DEFAULTS_NAME
    if path.exists():
        try:
            raw = json.loads(path.read_text("utf-8"))
            choices = {str(key): _read_choice(value) for key, value in raw.items()}
        except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            problems[DEFAULTS_NAME] = IntegrityError(f"{DEFAULTS_NAME} cannot be read: {type(error).__name__}")
    return _Shelf(bundles=bundles, problems=problems, choices=choices)


def _read_choice(raw: Mapping[str, object]) -> DefaultChoice:
    """Read one entry; only the model's name is needed."""
    brier, names = raw.get("brier"), raw.get("non_inferior")
    return DefaultChoice(
        model=str(raw["model"]),
        sha256=str(raw.get("sha256") or ""),
        brier=float(brier) if isinstance(brier, int | float) else None,
        highest_auroc=str(raw.get("highest_auroc") or ""),
        non_inferior=tuple(map(str, names)) if isinstance(names, list) else (),
    )


def _take_stamp(models_dir: Path) -> _Stamp:
    """Size and time of last change of the folder, the list of defaults, every bundle folder and its manifest.

    The time is that of the file's entry: a copy that keeps the times of the original has a new one.
    Empty when the folder cannot be looked at.
    """
    try:
        folders = sorted(path for path in models_dir.iterdir() if path.is_dir())
        looked_at = [models_dir, models_dir / DEFAULTS_NAME, *folders, *(path / MANIFEST_NAME for path in folders)]
        found = [(path, path.stat()) for path in looked_at if path.exists()]
    except OSError:
        return ()
    return tuple((str(path), state.st_size, state.st_ctime_ns) for path, state in found)


def _is_settled(stamp: _Stamp) -> bool:
    newest = max(changed for _, _, changed in stamp)
    return not 0 <= time.time_ns() - newest < SETTLE_S * 1e9


def _describe(bundle: SealedBundle, choices: Mapping[str, DefaultChoice]) -> ModelFacts:
    manifest = bundle.manifest
    rows = metric_rows(manifest.metrics)
    choice = choices.get(manifest.condition)
    return ModelFacts(
        model_id=manifest.id,
        condition=manifest.condition,
        title=manifest.title,
        recipe=manifest.recipe,
        kind=manifest.kind,
        version=manifest.version,
        sha256=bundle.sha256,
        created=manifest.created,
        default=choice is not None and choice.model == manifest.id,
        trained_on=manifest.trained_on,
        metrics={name: MetricValue(value=v, lo=lo, hi=hi) for name, (v, lo, hi) in rows.items()},
        thresholds=manifest.operating_points,
        base_rate=manifest.base_rate,
        n_train=manifest.n_train,
    )
