"""What the access room keeps, and what it needs of a store. Nothing personal but the user name."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from medcore.access.roles import Role

__all__ = ["Account", "AccountStore", "Attempts", "Session", "SessionStore", "Source", "Store"]


class Source(StrEnum):
    """Who vouches for an account."""

    LOCAL = "local"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account, as stored. Times are seconds since 1970 (UTC).

    ``key`` is unique: the folded name of a local account, a keyed hash of issuer and subject of an OIDC one.
    ``password_hash`` is empty for OIDC. ``one_time_until_s`` is when a one-time password stops working.
    ``not_before_s``: an identity that was confirmed earlier than this does not count any more.
    ``version`` rises with every change, so that of two people who change it at once the second is told.
    """

    id: str
    source: Source
    key: str
    name: str
    roles: frozenset[Role]
    password_hash: str = ""
    disabled: bool = False
    must_change_password: bool = False
    one_time_until_s: float | None = None
    not_before_s: float = 0.0
    created_s: float = 0.0
    version: int = 0

    @property
    def actor_name(self) -> str:
        """The name in the journal."""
        return f"{'account' if self.source is Source.LOCAL else self.source}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser, as stored. The token itself is nowhere; ``ended`` says why it is over, or is empty."""

    id: str
    token_hash: str
    account_id: str
    started_s: float
    used_s: float
    ended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Sign-ins that were tried for one name or from one address since the last success."""

    count: int = 0
    last_s: float = 0.0
    wait_s: float = 0.0


class _Transactions(Protocol):
    def writing(self) -> AbstractContextManager[None]:
        """Hold everybody else off, in this and in other processes: all or nothing is written."""
        ...

    def blind(self, text: str) -> str:
        """Return a fingerprint of ``text`` that only this installation can make."""
        ...


class AccountStore(_Transactions, Protocol):
    """Keeps accounts and attempts."""

    def list_accounts(self) -> tuple[Account, ...]:
        """Return all accounts, by name."""
        ...

    def find_account(self, source: Source, key: str) -> Account | None:
        """Return the account with that key."""
        ...

    def get_account(self, account_id: str) -> Account | None:
        """Return the account with that id."""
        ...

    def add_account(self, account: Account) -> None:
        """Add one; raises AccountError if the key is taken."""
        ...

    def save_account(self, account: Account) -> Account:
        """Replace the one of the same id and version; raises AccountError if another change came first."""
        ...

    def read_attempts(self, key: str) -> Attempts:
        """Return what was tried under ``key``."""
        ...

    def write_attempts(self, key: str, attempts: Attempts) -> None:
        """Replace it; a count of 0 removes it."""
        ...

    def forget_attempts(self, before_s: float) -> None:
        """Remove what was last tried before that time."""
        ...


class SessionStore(_Transactions, Protocol):
    """Keeps sessions."""

    def add_session(self, session: Session) -> None:
        """Add one."""
        ...

    def find_session(self, token_hash: str) -> Session | None:
        """Return the session of that token."""
        ...

    def list_sessions(self, account_id: str | None = None) -> tuple[Session, ...]:
        """Return the sessions of one account or of all, newest first, ended ones included."""
        ...

    def use_session(self, session_id: str, used_s: float) -> None:
        """Note that it is in use."""
        ...

    def end_session(self, session_id: str, why: str) -> bool:
        """End it unless it has ended; say whether this call did."""
        ...

    def forget_sessions(self, before_s: float) -> None:
        """Remove those that started before that time."""
        ...


class Store(AccountStore, SessionStore, Protocol):
    """Both, in one place, so that one transaction can hold both."""

    def close(self) -> None:
        """Let go of the file or the server."""
        ...
