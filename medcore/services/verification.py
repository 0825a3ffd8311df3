"""Checking everything that is installed: bundles against their hashes and self-tests, and the journal's audit chain."""

from __future__ import annotations

from dataclasses import dataclass

from medcore.config import Settings, read_settings
from medcore.errors import MedcoreError
from medcore.journal import open_journal
from medcore.registry import Catalog

__all__ = ["Check", "verify_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was checked; ``detail`` is the reason when it failed."""

    name: str
    ok: bool
    detail: str = ""


def verify_all(settings: Settings | None = None) -> tuple[Check, ...]:
    """Check every bundle (hashes, then the golden self-test) and the journal; failures are results.

    Raises
    ------
    ArtifactError
        There is no model folder at all.
    """
    settings = settings or read_settings()
    catalog = Catalog(settings.models_dir)
    refused = [Check(name=name, ok=False, detail=error.message) for name, error in catalog.problems.items()]
    loaded = [_verify_model(catalog, facts.model_id) for facts in catalog.models()]
    return (*refused, *loaded, _verify_journal(settings))


def _verify_model(catalog: Catalog, model_id: str) -> Check:
    from medcore.api import load_from

    try:
        model = load_from(catalog, model_id)
    except MedcoreError as error:
        return Check(name=model_id, ok=False, detail=error.message)
    return Check(name=model_id, ok=True, detail=model.facts.sha256[:12])


def _verify_journal(settings: Settings) -> Check:
    try:
        with open_journal(settings.data_dir) as journal:
            found = journal.audit.verify()
        detail = found.findings[0].text if found.findings else f"{found.n_events} events"
        return Check(name="journal", ok=found.ok, detail=detail)
    except MedcoreError as error:
        return Check(name="journal", ok=False, detail=error.message)
