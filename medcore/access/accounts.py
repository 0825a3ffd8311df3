"""Accounts: the first administrator, signing in, passwords, roles, and who may change them.

Whoever changes something is an :class:`~medcore.access.roles.Actor` and is authorized here. Every
change and every attempt is written to the journal first.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from medcore.access.clock import Clock
from medcore.access.lockout import LockOut
from medcore.access.names import check_user_name, fold_user_name
from medcore.access.oidc import Identity
from medcore.access.passwords import Hasher, check_new_password, draw_one_time_password
from medcore.access.records import Account, Source, Store
from medcore.access.roles import Action, Actor, Resource, Role, authorize
from medcore.access.trail import Trail
from medcore.errors import AccountError, LockedOutError, NewPasswordError, SessionRevokedError, SignInError

__all__ = ["ONE_TIME_S", "AccountFacts", "Accounts", "OneTimePassword"]

ONE_TIME_S = 72 * 3600.0
"""How long a one-time password works, seconds."""

_REFUSED = "User name or password is wrong, or the account is switched off."


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimePassword:
    """A password that is shown once, works for three days, and must be changed at the first sign-in."""

    user_name: str
    password: str

    def __repr__(self) -> str:
        return f"OneTimePassword(user_name={self.user_name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """One account as administrators and auditors see it: nothing secret. ``created_s`` in seconds since 1970 (UTC)."""

    id: str
    name: str
    source: str
    roles: tuple[str, ...]
    disabled: bool
    must_change_password: bool
    created_s: float


class Accounts:
    """The accounts of one installation.

    Parameters
    ----------
    store : Store
        Where they are kept.
    trail : Trail
        What is done is written here first.
    clock : callable
        Seconds since 1970 that never decrease.
    hasher : Hasher
        For passwords.
    lock_out : LockOut
        Slows down guessing.
    """

    def __init__(self, *, store: Store, trail: Trail, clock: Clock, hasher: Hasher, lock_out: LockOut) -> None:
        self._store = store
        self._trail = trail
        self._clock = clock
        self._hasher = hasher
        self._lock_out = lock_out

    def create_first_administrator(self, name: str = "administrator") -> OneTimePassword | None:
        """Create an administrator where there is no account at all.

        Of several processes that start at once, one gets the password. It is nowhere else: whoever loses it
        resets it on the command line.

        Returns
        -------
        OneTimePassword or None
            None where there are accounts already.
        """
        if self._store.list_accounts():
            return None
        check_user_name(name)
        account, password = self._prepare(name, {Role.ADMINISTRATOR})
        with self._store.writing():
            if self._store.list_accounts():
                return None
            self._trail.note("system", "account-first")
            self._store.add_account(account)
        return password

    def sign_in(self, name: str, password: str, *, address: str = "") -> Account:
        """Return the account of that name and password.

        Takes the same time and says the same whether the name, the password or the account is at fault.

        Parameters
        ----------
        name, password : str
            As typed.
        address : str, optional
            From where, for the lock-out; kept as a keyed hash only.

        Raises
        ------
        SignInError
            Wrong, or the account is switched off, or its one-time password is too old.
        LockedOutError
            Too many wrong attempts: wait.
        BusyError
            Too many sign-ins at the same time.
        StorageError
            It could not be looked up or written down.
        """
        account = self._verify(name, password, address)
        self._trail.note(account.actor_name, "sign-in")
        return account

    def admit(self, identity: Identity) -> Account:
        """Return the account of somebody the identity provider vouches for; make or update it.

        One word of the provider opens one session: otherwise its cookie, which lasts longer, would open a
        new one whenever a session is over.

        Raises
        ------
        SignInError
            An administrator switched the account off.
        SessionRevokedError
            This word was used already, or is older than a sign-out by an administrator: sign in there again.
        """
        key = self._store.blind(f"oidc {identity.issuer} {identity.subject}")
        with self._store.writing():
            present = self._store.find_account(Source.OIDC, key)
            refusal = _refuse_word(present, identity) if present is not None else None
            if present is not None and refusal is not None:
                self._trail.note(present.actor_name, "sign-in", "refused")
            else:
                return self._admit(present, key, identity)
        raise refusal  # after the transaction, which keeps the event of it

    def _admit(self, present: Account | None, key: str, identity: Identity) -> Account:
        account = present or self._new(Source.OIDC, key, identity.name, identity.roles)
        admitted = replace(account, name=identity.name, roles=identity.roles, not_before_s=identity.confirmed_s)
        if present is None:
            self._trail.note(admitted.actor_name, "account-admit")
            self._store.add_account(admitted)
            return admitted
        self._trail.note(admitted.actor_name, "sign-in")
        return self._store.save_account(admitted)

    def change_password(self, actor: Actor, old: str, new: str) -> None:
        """Replace the actor's own password; every other session of the account ends.

        Raises
        ------
        SignInError
            The old password is wrong. Attempts count as at sign-in.
        NewPasswordError
            The new one must not be used, or is the old one.
        AccountError
            The account has no password here.
        """
        authorize(actor, Action.MANAGE, Resource.OWN_ACCOUNT)
        account = self._get(actor.account_id)
        if account.source is not Source.LOCAL:
            raise AccountError("Your password is kept by your identity provider. Change it there.")
        check_new_password(new, account.name)
        verified = self._verify(account.name, old)
        if self._hasher.verify(verified.password_hash, new):
            raise NewPasswordError("The new password is the old one.", field="password")
        hashed = self._hash(new)
        with self._store.writing():
            self._trail.note(actor.name, "password-change")
            self._store.save_account(
                replace(verified, password_hash=hashed, must_change_password=False, one_time_until_s=None)
            )
            self._end_sessions(account.id, "password changed", keep=actor.session_id)

    def create(self, actor: Actor, name: str, roles: Iterable[Role]) -> OneTimePassword:
        """Make a local account; hand the password to its owner in person.

        Raises
        ------
        AccessDeniedError
            The actor is no administrator.
        AccountError
            The name is taken or cannot be a name, or there is no role.
        """
        authorize(actor, Action.MANAGE, Resource.ACCOUNTS)
        check_user_name(name)
        account, password = self._prepare(name, _check_roles(roles))
        with self._store.writing():
            if self._store.find_account(Source.LOCAL, account.key) is None:
                self._trail.note(actor.name, "account-create", about=f"account:{account.id}")
            self._store.add_account(account)
        return password

    def reset_password(self, actor: Actor, account_id: str) -> OneTimePassword:
        """Give a new one-time password; all sessions of the account end, and its lock-out too."""
        authorize(actor, Action.MANAGE, Resource.ACCOUNTS)
        account = self._get(account_id)
        if account.source is not Source.LOCAL:
            raise AccountError("This account's password is kept by the identity provider. Reset it there.")
        password = draw_one_time_password()
        hashed = self._hash(password)
        until_s = self._clock() + ONE_TIME_S
        with self._store.writing():
            self._trail.note(actor.name, "password-reset", about=f"account:{account.id}")
            self._store.save_account(
                replace(account, password_hash=hashed, must_change_password=True, one_time_until_s=until_s)
            )
            self._end_sessions(account.id, "password reset")
            self._lock_out.forgive(account.key)
        return OneTimePassword(user_name=account.name, password=password)

    def disable(self, actor: Actor, account_id: str) -> None:
        """Switch an account off; its sessions end at once. The last administrator stays on."""

        def switch_off(account: Account) -> Account:
            self._end_sessions(account.id, "account switched off")
            return replace(account, disabled=True, not_before_s=self._clock())

        self._change(actor, account_id, "account-disable", switch_off)

    def enable(self, actor: Actor, account_id: str) -> None:
        """Switch an account on again."""
        self._change(actor, account_id, "account-enable", lambda account: replace(account, disabled=False))

    def set_roles(self, actor: Actor, account_id: str, roles: Iterable[Role]) -> None:
        """Replace the roles; counts at the next run of every open session. There is always an administrator.

        Raises
        ------
        AccountError
            Of an account whose roles come from the identity provider, or the last administrator's.
        """
        checked = _check_roles(roles)

        def set_them(account: Account) -> Account:
            if account.source is not Source.LOCAL:
                raise AccountError("This account's roles come from the identity provider. Change them there.")
            return replace(account, roles=checked)

        self._change(actor, account_id, "account-roles", set_them)

    def list_accounts(self, actor: Actor) -> tuple[AccountFacts, ...]:
        """Return all accounts, by name, for those who may see them."""
        authorize(actor, Action.VIEW, Resource.ACCOUNTS)
        return tuple(_show(account) for account in self._store.list_accounts())

    def find(self, actor: Actor, name: str) -> AccountFacts:
        """Return the local account of that name, or the only one from elsewhere that has it.

        Raises
        ------
        AccountError
            There is none.
        """
        authorize(actor, Action.VIEW, Resource.ACCOUNTS)
        folded = fold_user_name(name)
        local = self._store.find_account(Source.LOCAL, folded)
        others = [item for item in self._store.list_accounts() if fold_user_name(item.name) == folded]
        if local is None and len(others) != 1:
            raise AccountError("There is no account of that name.", field="name", value=name)
        return _show(local or others[0])

    def _verify(self, name: str, password: str, address: str = "") -> Account:
        key = fold_user_name(name)
        with self._hasher.slot():
            try:
                self._lock_out.count(key, address)
            except LockedOutError:
                self._trail.note(self._name_known(key), "sign-in", "locked-out")
                raise
            account = self._store.find_account(Source.LOCAL, key)
            matches = self._hasher.verify(account.password_hash if account else None, password)
            if account is None or not matches or not self._may_enter(account):
                self._trail.note(account.actor_name if account else "unknown", "sign-in", "refused")
                raise SignInError(_REFUSED)
            self._lock_out.forgive(key, address)
            return self._renew_hash(account, password)

    def _renew_hash(self, account: Account, password: str) -> Account:
        """Store the password at today's cost; who changes the account at the same moment goes first."""
        if not self._hasher.is_outdated(account.password_hash):
            return account
        with contextlib.suppress(AccountError):
            return self._store.save_account(replace(account, password_hash=self._hasher.hash(password)))
        return self._get(account.id)

    def _name_known(self, key: str) -> str:
        account = self._store.find_account(Source.LOCAL, key)
        return account.actor_name if account else "unknown"

    def _may_enter(self, account: Account) -> bool:
        in_time = account.one_time_until_s is None or self._clock() < account.one_time_until_s
        return not account.disabled and in_time

    def _change(self, actor: Actor, account_id: str, action: str, change: Callable[[Account], Account]) -> None:
        authorize(actor, Action.MANAGE, Resource.ACCOUNTS)
        with self._store.writing():
            account = self._get(account_id)
            changed = change(account)
            if _is_administrator(account) and not _is_administrator(changed):
                self._keep_an_administrator(account)
            self._trail.note(actor.name, action, about=f"account:{account.id}")
            self._store.save_account(changed)

    def _keep_an_administrator(self, leaving: Account) -> None:
        others = (item for item in self._store.list_accounts() if item.id != leaving.id)
        if not any(_is_administrator(item) and item.source is Source.LOCAL for item in others):
            raise AccountError("This is the last administrator with a password here. Make another one first.")

    def _end_sessions(self, account_id: str, why: str, *, keep: str = "") -> None:
        for session in self._store.list_sessions(account_id):
            if session.id != keep:
                self._store.end_session(session.id, why)

    def _get(self, account_id: str) -> Account:
        account = self._store.get_account(account_id)
        if account is None:
            raise AccountError("There is no such account.")
        return account

    def _prepare(self, name: str, roles: Iterable[Role]) -> tuple[Account, OneTimePassword]:
        password = draw_one_time_password()
        account = replace(
            self._new(Source.LOCAL, fold_user_name(name), name, frozenset(roles)),
            password_hash=self._hash(password),
            must_change_password=True,
            one_time_until_s=self._clock() + ONE_TIME_S,
        )
        return account, OneTimePassword(user_name=name, password=password)

    def _new(self, source: Source, key: str, name: str, roles: frozenset[Role]) -> Account:
        return Account(id=secrets.token_hex(8), source=source, key=key, name=name, roles=roles, created_s=self._clock())

    def _hash(self, password: str) -> str:
        with self._hasher.slot():
            return self._hasher.hash(password)


def _refuse_word(account: Account, identity: Identity) -> SignInError | SessionRevokedError | None:
    """Return why this word of the provider opens nothing; None if it does."""
    if account.disabled:
        return SignInError("This account is switched off. Ask an administrator.")
    if identity.confirmed_s <= account.not_before_s:
        return SessionRevokedError("Your session is over. Sign in again.")
    return None


def _check_roles(roles: Iterable[Role]) -> frozenset[Role]:
    checked = frozenset(Role(role) for role in roles)
    if not checked:
        raise AccountError("An account needs a role.", field="roles", expected=" | ".join(Role))
    return checked


def _is_administrator(account: Account) -> bool:
    return Role.ADMINISTRATOR in account.roles and not account.disabled


def _show(account: Account) -> AccountFacts:
    return AccountFacts(
        id=account.id,
        name=account.name,
        source=account.source.value,
        roles=tuple(sorted(account.roles)),
        disabled=account.disabled,
        must_change_password=account.must_change_password,
        created_s=account.created_s,
    )
