"""The access room, put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medcore.access.accounts import Accounts
from medcore.access.clock import Clock, SteadyClock
from medcore.access.lockout import LockOut
from medcore.access.passwords import HashCost, Hasher
from medcore.access.records import Store
from medcore.access.sessions import SessionLimits, Sessions
from medcore.access.store import JournalStore
from medcore.access.trail import Recorder, Trail
from medcore.journal import Journal

__all__ = ["Access", "open_access"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Accounts and sessions over one store. Holds nobody; may be shared by all threads."""

    accounts: Accounts
    sessions: Sessions
    clock: Clock
    store: Store

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()


def open_access(
    folder: Path,
    journal: Recorder,
    *,
    clock: Clock | None = None,
    cost: HashCost | None = None,
    limits: SessionLimits | None = None,
    store: Store | None = None,
) -> Access:
    """Put the room together over the journal, which holds the accounts and sessions, too.

    Parameters
    ----------
    folder : Path
        The data folder of the settings; its journal is opened where ``journal`` is another recorder.
    journal : Recorder
        Where everything is written; in one transaction with what it tells of where it is a ``Journal``.
    clock, cost, limits, store : optional
        Other ones than the installation's: for tests, and for a store on another engine.
    """
    clock = clock or SteadyClock()
    store = store or JournalStore(journal if isinstance(journal, Journal) else folder)
    trail = Trail(journal)
    accounts = Accounts(store=store, trail=trail, clock=clock, hasher=Hasher(cost), lock_out=LockOut(store, clock))
    return Access(
        accounts=accounts,
        sessions=Sessions(store=store, trail=trail, clock=clock, limits=limits),
        clock=clock,
        store=store,
    )
