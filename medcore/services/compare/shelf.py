"""The models that an analyst may compare: the installed ones, recalibrated copies, and bundles of a further folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medcore.errors import ArtifactError, MedcoreError
from medcore.registry import Catalog
from medcore.registry.shelves import JoinedCatalog, further_folders
from medcore.results import ModelFacts
from medcore.services.compare.study_scores import read_scores
from medcore.services.house import House

__all__ = ["Sorted", "describe_origin", "list_refused", "sort_out", "widen"]

_MOST_KEPT = 4

_lock = threading.Lock()
_kept: list[tuple[Catalog, tuple[Path, ...], JoinedCatalog]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Models that were judged on the same patients, and why the others are not among them."""

    model_ids: tuple[str, ...]
    left_out: Mapping[str, str]


def widen(house: House) -> House:
    """Return the house with recalibrated copies and bundles of a further folder on its shelf, as they now are.

    For the analyst's page only: no other part of the program sees them.
    """
    folders = further_folders(house.settings)
    with _lock:
        found = next((one for main, known, one in _kept if main is house.catalog and known == folders), None)
        if found is None:
            found = JoinedCatalog(house.catalog, folders)
            _kept.append((house.catalog, folders, found))
            del _kept[:-_MOST_KEPT]
    found.refresh()
    return replace(house, catalog=found)


def sort_out(catalog: Catalog, condition_id: str, model_ids: Sequence[str]) -> Sorted:
    """Find the models that can be compared on the study's patients.

    Installed models are taken as they are; others must have been judged on the same patients as the first of them.

    Returns
    -------
    Sorted
        ``left_out`` gives, by model id, the reason in words: no scores, or other patients.
    """
    further = [name for name in model_ids if _is_further(catalog, name)]
    kept = [name for name in model_ids if name not in further]
    left_out: dict[str, str] = {}
    for name in further:
        try:
            read_scores(catalog, condition_id, [*kept[:1], name])
        except ArtifactError as error:
            left_out[name] = error.message
        else:
            kept.append(name)
    return Sorted(model_ids=tuple(name for name in model_ids if name in kept), left_out=left_out)


def describe_origin(catalog: Catalog, facts: ModelFacts) -> str:
    """Say where a model comes from that is not installed; "" for one that is.

    A recalibrated copy is told by the model it was made from, its rows and its day.
    """
    if not _is_further(catalog, facts.model_id):
        return ""
    papers = facts.trained_on.get("recalibrated")
    if not isinstance(papers, Mapping):
        return "a bundle of the further folder, not installed"
    rows, events = (f"{papers[name]:,}" if isinstance(papers.get(name), int) else "?" for name in ("rows", "events"))
    day = str(papers.get("at_utc", ""))[:10]
    version = str(papers.get("from_sha256", ""))[:6]
    return (
        f"copy of {papers.get('from_id', '?')} (version {version}), recalibrated on {day} to {rows} rows with {events} "
        "events; not installed"
    )


def list_refused(catalog: Catalog) -> Mapping[str, MedcoreError]:
    """Return the bundles beside the installed ones that must not be used, and why."""
    return catalog.refused if isinstance(catalog, JoinedCatalog) else {}


def _is_further(catalog: Catalog, model_id: str) -> bool:
    return isinstance(catalog, JoinedCatalog) and catalog.is_further(model_id)
