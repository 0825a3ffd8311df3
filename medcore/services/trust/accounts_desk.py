"""Accounts and sessions as the pages show them: the administrator's, the auditor's view of them, and one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medcore import __version__
from medcore.access import Access, Action, Resource, Role, describe_actor
from medcore.access.accounts import AccountFacts, OneTimePassword
from medcore.access.roles import parse_role
from medcore.access.sessions import SessionFacts
from medcore.errors import AccessDeniedError, NewPasswordError
from medcore.journal import Event
from medcore.services.house import House

__all__ = [
    "AccountFacts",
    "OneTimePassword",
    "OwnAccount",
    "Person",
    "SessionFacts",
    "change_password",
    "create_account",
    "end_own_sessions",
    "end_session",
    "end_sessions",
    "list_own_sessions",
    "list_people",
    "list_roles",
    "list_sessions",
    "may_manage",
    "note_look",
    "read_own",
    "reset_password",
    "set_roles",
    "switch_off",
    "switch_on",
]

_NO_ACCOUNTS = "Nobody signs in here: this is a demo, which has no accounts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One account with the number of its open sessions."""

    facts: AccountFacts
    n_sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount:
    """What somebody sees of the own account. ``has_password``: it is kept here, not at an identity provider."""

    name: str
    roles: tuple[str, ...]
    has_password: bool
    must_change_password: bool
    session_id: str


def list_roles() -> tuple[str, ...]:
    """Return the roles there are."""
    return tuple(str(role) for role in Role)


def may_manage(house: House) -> bool:
    """Say whether the visitor may change accounts; whoever may not can still be allowed to see them."""
    try:
        house.allow(Action.MANAGE, Resource.ACCOUNTS)
    except AccessDeniedError:
        return False
    return house.access is not None


def note_look(house: House, account_id: str = "") -> None:
    """Write that the visitor looks at the list of accounts, or at one of them; called before anything is shown.

    Raises
    ------
    AccessDeniedError
        Not for this role.
    StorageError
        The look could not be recorded: nothing may be shown.
    """
    actor = house.allow(Action.VIEW, Resource.ACCOUNTS)
    _need_access(house)
    target = f"account:{account_id}" if account_id else ""
    house.journal.record(
        Event(
            **describe_actor(actor),
            action="view_accounts",
            outcome="shown",
            target=target,
            n_records=0,
            app_version=__version__,
        )
    )


def list_people(house: House) -> tuple[Person, ...]:
    """Return all accounts by name, for administrators and auditors.

    Raises
    ------
    AccessDeniedError
        Not for this role, or there are no accounts (demo).
    """
    actor = house.allow(Action.VIEW, Resource.ACCOUNTS)
    access = _need_access(house)
    open_ones = [item.account_id for item in access.sessions.list_sessions(actor)]
    return tuple(
        Person(facts=facts, n_sessions=open_ones.count(facts.id)) for facts in access.accounts.list_accounts(actor)
    )


def list_sessions(house: House, account_id: str) -> tuple[SessionFacts, ...]:
    """Return the open sessions of one account, newest first."""
    actor = house.allow(Action.VIEW, Resource.ACCOUNTS)
    return _need_access(house).sessions.list_sessions(actor, account_id)


def create_account(house: House, name: str, roles: Iterable[str]) -> OneTimePassword:
    """Make a local account and return its one-time password.

    Raises
    ------
    AccountError
        The name is taken or cannot be a name, or there is no role.
    """
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    return _need_access(house).accounts.create(actor, name, [parse_role(word) for word in roles])


def set_roles(house: House, account_id: str, roles: Iterable[str]) -> None:
    """Replace the roles; they count at once, in open pages too.

    Raises
    ------
    AccountError
        No role, roles that an identity provider gives, or the last administrator's.
    """
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    _need_access(house).accounts.set_roles(actor, account_id, [parse_role(word) for word in roles])


def reset_password(house: House, account_id: str) -> OneTimePassword:
    """Give a new one-time password; the account's sessions end, its lock-out too."""
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    return _need_access(house).accounts.reset_password(actor, account_id)


def switch_off(house: House, account_id: str) -> None:
    """Switch an account off; its sessions end at once. The last administrator stays on."""
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    _need_access(house).accounts.disable(actor, account_id)


def switch_on(house: House, account_id: str) -> None:
    """Switch an account on again."""
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    _need_access(house).accounts.enable(actor, account_id)


def end_session(house: House, session_id: str) -> None:
    """End one session: one's own, or as an administrator anybody's.

    Raises
    ------
    AccessDeniedError
        It is somebody else's, or there is none: the same answer.
    """
    _need_access(house).sessions.revoke(house.actor, session_id)


def end_sessions(house: House, account_id: str) -> int:
    """End all sessions of an account; return how many were open."""
    actor = house.allow(Action.MANAGE, Resource.ACCOUNTS)
    return _need_access(house).sessions.revoke_all(actor, account_id)


def read_own(house: House) -> OwnAccount:
    """Return the visitor's own account."""
    actor = house.allow(Action.VIEW, Resource.OWN_ACCOUNT)
    kind, _, name = actor.name.partition(":")
    return OwnAccount(
        name=name or actor.name,
        roles=tuple(sorted(actor.roles)),
        has_password=house.access is not None and kind == "account",
        must_change_password=actor.must_change_password,
        session_id=actor.session_id,
    )


def list_own_sessions(house: House) -> tuple[SessionFacts, ...]:
    """Return the visitor's own open sessions, newest first; none where nobody signs in."""
    actor = house.allow(Action.VIEW, Resource.OWN_ACCOUNT)
    return house.access.sessions.list_sessions(actor, actor.account_id) if house.access is not None else ()


def end_own_sessions(house: House) -> int:
    """Sign the visitor out everywhere, here too; return how many sessions ended."""
    actor = house.allow(Action.MANAGE, Resource.OWN_ACCOUNT)
    return _need_access(house).sessions.revoke_all(actor, actor.account_id)


def change_password(house: House, old: str, new: str, again: str) -> None:
    """Replace the visitor's own password; all other sessions of the account end.

    Raises
    ------
    SignInError
        The old password is wrong; attempts count as at sign-in.
    NewPasswordError
        The new one must not be used, or was not typed the same twice.
    """
    actor = house.allow(Action.MANAGE, Resource.OWN_ACCOUNT)
    if new != again:
        raise NewPasswordError("The two new passwords are not the same.", field="password")
    _need_access(house).accounts.change_password(actor, old, new)


def _need_access(house: House) -> Access:
    if house.access is None:
        raise AccessDeniedError(_NO_ACCOUNTS)
    return house.access
