"""The installed models with those of further folders beside them: recalibrated copies, and bundles to be judged.

Further bundles are for the analyst only: none is ever a default, and none takes the place of an installed model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medcore.config import Settings
from medcore.errors import ArtifactError, MedcoreError
from medcore.registry.bundle import SealedBundle
from medcore.registry.catalog import Catalog, DefaultChoice
from medcore.results import ModelFacts

__all__ = ["BUNDLES_FOLDER", "JoinedCatalog", "further_folders"]

BUNDLES_FOLDER = "bundles"
"""Where recalibrated copies are kept, within the data folder."""


def further_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders beside the installed models: exported copies, then the one that is set, if any."""
    copies = Path(settings.data_dir) / BUNDLES_FOLDER
    extra = settings.extra_models_dir
    return (copies,) if extra is None else (copies, extra)


class JoinedCatalog(Catalog):
    """A shelf of installed models and further folders, read with the same checks.

    Parameters
    ----------
    main : Catalog
        The installed models.
    folders : sequence of pathlib.Path
        Further folders of bundles; one that does not exist (yet) holds none.
    """

    def __init__(self, main: Catalog, folders: Sequence[Path]) -> None:
        self._main = main
        self._folders = tuple(folders)
        self._opened: dict[Path, Catalog] = {}
        self.models_dir = main.models_dir
        self._open_new()

    def refresh(self) -> bool:
        """Read again what has changed; return whether anything was read."""
        read = [catalog.refresh() for catalog in (self._main, *self._opened.values())]
        return any([*read, self._open_new()])

    @property
    def problems(self) -> Mapping[str, MedcoreError]:
        """Refused bundles of all folders: folder name -> why."""
        return {**self.refused, **self._main.problems}

    @property
    def refused(self) -> Mapping[str, MedcoreError]:
        """Refused bundles of the further folders only, those whose name is taken among them."""
        found: dict[str, MedcoreError] = {}
        for catalog in self._opened.values():
            names = [facts.model_id for facts in catalog.models()]
            found |= {name: why for name, why in catalog.problems.items() if not name.startswith(".")}
            found |= {name: _name_taken(name) for name in names if self._home(name) is not catalog}
        return found

    def models(self, condition: str | None = None) -> tuple[ModelFacts, ...]:
        """All usable models, the installed ones first, with their default at the top."""
        found = list(self._main.models(condition))
        for catalog in self._opened.values():
            more = [facts for facts in catalog.models(condition) if self._home(facts.model_id) is catalog]
            found += [replace(facts, default=False) for facts in more]
        return tuple(found)

    def holds(self, name: str) -> bool:
        """Whether a name is taken on any of the shelves."""
        return any(catalog.holds(name) for catalog in (self._main, *self._opened.values()))

    def is_further(self, model_id: str) -> bool:
        """Whether a model is not among the installed ones."""
        return self._home(model_id) is not self._main

    def find(self, model_id: str) -> ModelFacts:
        """Return the facts of one model; errors as :meth:`Catalog.find`."""
        home = self._home(model_id)
        facts = home.find(model_id)
        return facts if home is self._main else replace(facts, default=False)

    def bundle(self, model_id: str) -> SealedBundle:
        """Return a bundle; errors as :meth:`Catalog.find`."""
        return self._home(model_id).bundle(model_id)

    def choice(self, condition: str) -> DefaultChoice | None:
        """Return how the default of a condition was chosen among the installed models."""
        return self._main.choice(condition)

    def _home(self, model_id: str) -> Catalog:
        """Return the first shelf that holds a name; the installed one for a name that nobody has."""
        shelves = (self._main, *self._opened.values())
        return next((catalog for catalog in shelves if catalog.holds(model_id)), self._main)

    def _open_new(self) -> bool:
        """Open folders that have come into being; return whether there were any."""
        new = [folder for folder in self._folders if folder not in self._opened and folder.is_dir()]
        for folder in new:
            self._opened[folder] = Catalog(folder)
        return bool(new)


def _name_taken(name: str) -> ArtifactError:
    return ArtifactError(
        f"{name}: a model of this name is there already; give the bundle another name", field="model", value=name
    )
