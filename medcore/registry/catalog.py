"""The shelf of bundles: which models there are, which is the default, and which are refused and why.

Reading the shelf checks every hash but builds no model, so it is quick and needs no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from medcore.errors import ArtifactError, IntegrityError, MedcoreError, UnknownNameError
from medcore.registry.bundle import SealedBundle, open_bundle
from medcore.registry.manifest import metric_rows
from medcore.results import MetricValue, ModelFacts

__all__ = ["DEFAULTS_NAME", "Catalog"]

DEFAULTS_NAME = "defaults.json"


class Catalog:
    """All bundles of a folder.

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
        self._bundles: dict[str, SealedBundle] = {}
        self._problems: dict[str, MedcoreError] = {}
        for folder in sorted(path for path in models_dir.iterdir() if path.is_dir()):
            try:
                self._bundles[folder.name] = open_bundle(folder)
            except ArtifactError as error:
                self._problems[folder.name] = error
        self._defaults = self._read_defaults()

    @property
    def problems(self) -> Mapping[str, MedcoreError]:
        """Refused bundles: folder name -> why."""
        return dict(self._problems)

    def models(self, condition: str | None = None) -> tuple[ModelFacts, ...]:
        """All usable models (of one condition), the default first."""
        facts = [self._facts(bundle) for bundle in self._bundles.values()]
        chosen = [item for item in facts if condition is None or item.condition == condition]
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
        return self._facts(self.bundle(model_id))

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
        if model_id in self._problems:
            raise self._problems[model_id]
        if model_id not in self._bundles:
            known = ", ".join(self._bundles) or "none"
            raise UnknownNameError(
                f"there is no model {model_id!r}. Models: {known}.", field="model", value=model_id, expected=known
            )
        return self._bundles[model_id]

    def card(self, model_id: str) -> str:
        """Return the model card (Markdown)."""
        return self.bundle(model_id).read_bytes("card.md").decode("utf-8")

    def studied(self, model_id: str) -> Mapping[str, tuple[float, float]]:
        """Return the studied range of each numeric input, in the field's own unit."""
        return {name: (lo, hi) for name, (lo, hi) in self.bundle(model_id).manifest.studied.items()}

    def _read_defaults(self) -> dict[str, str]:
        path = self.models_dir / DEFAULTS_NAME
        if not path.exists():
            return {}
        try:
            return {str(key): str(value["model"]) for key, value in json.loads(path.read_text("utf-8")).items()}
        except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
            self._problems[DEFAULTS_NAME] = IntegrityError(f"{DEFAULTS_NAME} cannot be read: {type(error).__name__}")
            return {}

    def _facts(self, bundle: SealedBundle) -> ModelFacts:
        manifest = bundle.manifest
        rows = metric_rows(manifest.metrics)
        return ModelFacts(
            model_id=manifest.id,
            condition=manifest.condition,
            title=manifest.title,
            recipe=manifest.recipe,
            kind=manifest.kind,
            version=manifest.version,
            sha256=bundle.sha256,
            created=manifest.created,
            default=self._defaults.get(manifest.condition) == manifest.id,
            trained_on=manifest.trained_on,
            metrics={name: MetricValue(value=v, lo=lo, hi=hi) for name, (v, lo, hi) in rows.items()},
            thresholds=manifest.operating_points,
            base_rate=manifest.base_rate,
            n_train=manifest.n_train,
        )
