"""Whether this server can do its work right now: models loaded, journal writable, room on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from medcore.errors import MedcoreError
from medcore.services.house import House

__all__ = ["LEAST_FREE_MB", "Readiness", "check_readiness"]

LEAST_FREE_MB = 200
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Words without anything personal: each is ``ok`` or what is wrong. ``free_mb`` is None where it cannot be told."""

    models: str
    journal: str
    disk: str
    free_mb: int | None

    @property
    def ready(self) -> bool:
        """Whether everything is."""
        return self.models == self.journal == self.disk == "ok"


def check_readiness(house: House) -> Readiness:
    """Look at the models, begin a writing transaction that writes nothing, and ask for the free space."""
    journal = _try_journal(house)  # which makes the folder at the first start
    free_mb = _measure_free_mb(house)
    disk = "ok" if free_mb is not None and free_mb >= LEAST_FREE_MB else "unknown" if free_mb is None else "full"
    return Readiness(models="ok" if house.gateway.ready() else "not_ready", journal=journal, disk=disk, free_mb=free_mb)


def _try_journal(house: House) -> str:
    try:
        with house.journal.writing():
            pass
    except MedcoreError as error:
        return error.code
    return "ok"


def _measure_free_mb(house: House) -> int | None:
    try:
        found = os.statvfs(house.journal.folder.root)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize // _MEGABYTE
