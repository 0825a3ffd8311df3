"""Sessions: who is signed in, checked at every run, over after 15 idle minutes or 12 hours, and revocable.

A browser holds a random 256-bit token; here is only its hash. Roles are read fresh at every check, so
that a role taken away counts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import dataclass, replace

from medcore.access.clock import Clock
from medcore.access.records import Account, Session, Source, Store
from medcore.access.roles import Action, Actor, Resource, authorize
from medcore.access.trail import Trail
from medcore.errors import AccessDeniedError, SessionExpiredError, SessionRevokedError, StorageError

__all__ = ["SessionFacts", "SessionLimits", "Sessions"]

_TOKEN_BYTES = 32
_LONGEST_TOKEN = 128
_EXPIRED = "expired"
_SKEW_S = 60.0
"""How far in the future another process of this machine may have noted a use, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session lasts, seconds.

    ``note_every_s``: a use is written down when the last one written is older than this, so that not every
    run writes; a session may end that much early, never late.
    """

    idle_s: float = 15 * 60.0
    absolute_s: float = 12 * 3600.0
    note_every_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """One session as its owner and administrators see it. Times in seconds since 1970 (UTC)."""

    id: str
    account_id: str
    started_s: float
    used_s: float
    ends_s: float
    ended: str


class Sessions:
    """The sessions of one installation.

    Parameters
    ----------
    store : Store
        Where they are kept.
    trail : Trail
        What is done is written here first.
    clock : callable
        Seconds since 1970 that never decrease.
    limits : SessionLimits, optional
        How long they last.
    """

    def __init__(self, *, store: Store, trail: Trail, clock: Clock, limits: SessionLimits | None = None) -> None:
        self._store = store
        self._trail = trail
        self._clock = clock
        self.limits = limits or SessionLimits()

    def start(self, account: Account) -> str:
        """Begin a session for somebody who just signed in; return the token for the browser.

        Raises
        ------
        StorageError
            It could not be written.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now_s = self._clock()
        session = Session(
            id=secrets.token_hex(8), token_hash=_hash(token), account_id=account.id, started_s=now_s, used_s=now_s
        )
        with self._store.writing():
            self._trail.note(account.actor_name, "session-start")
            self._store.forget_sessions(now_s - 2 * self.limits.absolute_s)
            self._store.add_session(session)
        return token

    def check(self, token: str, *, active: bool = True) -> Actor:
        """Return who the token stands for, with the roles of this moment.

        Parameters
        ----------
        token : str
            As the browser gave it; anything at all.
        active : bool, optional
            False for runs nobody asked for (a page that refreshes itself): they do not keep a session open.

        Raises
        ------
        SessionExpiredError
            Idle too long, open too long, or no such session.
        SessionRevokedError
            Ended by its user or by an administrator, or the account was switched off.
        """
        session = self._find(token)
        if session.ended == _EXPIRED:
            raise SessionExpiredError("Your session is over. Sign in again; drafts are kept.")
        if session.ended:
            raise SessionRevokedError(f"Your session was ended ({session.ended}). Sign in again.")
        account = self._store.get_account(session.account_id)
        if account is None or account.disabled:
            raise SessionRevokedError("Your account is switched off. Ask an administrator.")
        now_s = self._clock()
        if not self._is_open(session, now_s):
            self._expire(session, account)
        if active and now_s - session.used_s >= self.limits.note_every_s:
            with contextlib.suppress(StorageError):  # reading goes on without a disk; the session then ends early
                self._store.use_session(session.id, now_s)
        return Actor(
            name=account.actor_name,
            roles=account.roles,
            account_id=account.id,
            session_id=session.id,
            must_change_password=account.must_change_password,
        )

    def end(self, token: str) -> None:
        """Sign out. A token that is no session is left as it is."""
        try:
            session = self._find(token)
        except SessionExpiredError:
            return
        account = self._store.get_account(session.account_id)
        with self._store.writing():
            self._trail.note(account.actor_name if account else "unknown", "sign-out")
            self._store.end_session(session.id, "signed out")

    def list_sessions(self, actor: Actor, account_id: str = "") -> tuple[SessionFacts, ...]:
        """Return the open sessions of one account, newest first; without an account, of all.

        Raises
        ------
        AccessDeniedError
            They are not the actor's own, and the actor may not see others'.
        """
        self._authorize(actor, account_id, Action.VIEW)
        now_s = self._clock()
        found = self._store.list_sessions(account_id or None)
        return tuple(self._show(item) for item in found if not item.ended and self._is_open(item, now_s))

    def revoke(self, actor: Actor, session_id: str) -> None:
        """End one session: one's own, or as an administrator anybody's.

        Raises
        ------
        AccessDeniedError
            It is somebody else's, or there is none: the same answer, so that numbers cannot be tried out.
        """
        session = next((item for item in self._store.list_sessions() if item.id == session_id), None)
        self._authorize(actor, session.account_id if session else "", Action.MANAGE)
        if session is not None:
            with self._store.writing():
                self._trail.note(actor.name, "session-revoke", about=f"session:{session.id}")
                self._end(session, actor)

    def revoke_all(self, actor: Actor, account_id: str) -> int:
        """End all sessions of an account; return how many were open."""
        if not account_id:
            raise AccessDeniedError("Name the account whose sessions are to end.")
        self._authorize(actor, account_id, Action.MANAGE)
        with self._store.writing():
            self._trail.note(actor.name, "session-revoke-all", about=f"account:{account_id}")
            return sum(self._end(item, actor) for item in self._store.list_sessions(account_id))

    def _end(self, session: Session, actor: Actor) -> bool:
        """End one and make an identity provider's older word about its owner worthless."""
        why = "signed out" if actor.account_id == session.account_id else "by an administrator"
        with self._store.writing():
            account = self._store.get_account(session.account_id)
            if account is not None and account.source is Source.OIDC:
                self._store.save_account(replace(account, not_before_s=self._clock()))
            return self._store.end_session(session.id, why)

    def _find(self, token: str) -> Session:
        usable = isinstance(token, str) and 0 < len(token) <= _LONGEST_TOKEN and token.isascii()
        session = self._store.find_session(_hash(token)) if usable else None
        if session is None:
            raise SessionExpiredError("You are not signed in, or your session is over. Sign in again.")
        return session

    def _is_open(self, session: Session, now_s: float) -> bool:
        """Say whether it still counts. One from the future (the clock was set back) does not."""
        idle_s, age_s = now_s - session.used_s, now_s - session.started_s
        return -_SKEW_S <= idle_s < self.limits.idle_s and -_SKEW_S <= age_s < self.limits.absolute_s

    def _expire(self, session: Session, account: Account) -> None:
        with self._store.writing():
            self._trail.note(account.actor_name, "session-expire")
            self._store.end_session(session.id, _EXPIRED)
        raise SessionExpiredError("Your session is over. Sign in again; drafts are kept.")

    def _authorize(self, actor: Actor, account_id: str, action: Action) -> None:
        own = isinstance(actor, Actor) and bool(account_id) and actor.account_id == account_id
        authorize(actor, action, Resource.OWN_ACCOUNT if own else Resource.ACCOUNTS)

    def _show(self, session: Session) -> SessionFacts:
        return SessionFacts(
            id=session.id,
            account_id=session.account_id,
            started_s=session.started_s,
            used_s=session.used_s,
            ends_s=min(session.used_s + self.limits.idle_s, session.started_s + self.limits.absolute_s),
            ended=session.ended,
        )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
