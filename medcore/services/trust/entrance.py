"""Coming in and going out: who a browser's token stands for, signing in, signing out, which pages are offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from medcore.access import Access, Actor, Page, allowed_pages, open_access
from medcore.access.accounts import OneTimePassword
from medcore.access.demo import DEMO_NOTICE, settle_demo
from medcore.access.oidc import OidcRules, map_claims, read_rules
from medcore.config import Settings, read_settings
from medcore.errors import SessionExpiredError, SessionRevokedError
from medcore.journal import open_journal

if TYPE_CHECKING:
    from medcore.services.house import House  # with all its parts: `medcore serve` asks here before it serves

__all__ = [
    "DEMO_NOTICE",
    "Actor",
    "Entered",
    "admit",
    "bind",
    "create_first_administrator",
    "has_accounts",
    "is_signed_in",
    "look_up",
    "offered_pages",
    "read_rules",
    "sign_in",
    "sign_out",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Somebody just came in: the token for the browser, and whether an own password is to be chosen first."""

    token: str
    must_change_password: bool

    def __repr__(self) -> str:
        return f"Entered(must_change_password={self.must_change_password})"


def bind(house: House, read_token: Callable[[], str]) -> House:
    """Return the house as this visitor may use it; where nobody has to sign in it comes back unchanged.

    Who acts is looked up at every use, from the token the browser holds then. A part that outlives its page
    (an open worklist, a callback) never acts for somebody else: it counts for the account it was made for.

    Parameters
    ----------
    house : House
    read_token : callable
        Gives the token of the browser whose page is being run; empty for none or outside a run.

    Raises
    ------
    SessionExpiredError, SessionRevokedError
        Nobody is signed in any more, or nobody ever was.
    StorageError
        It could not be looked up: nobody is let in.
    """
    access = house.access
    if access is None:
        return house
    token = read_token()
    account_id = access.sessions.check(token).account_id

    def who() -> Actor:
        actor = access.sessions.check(read_token() or token)
        if actor.account_id != account_id:
            raise SessionRevokedError("Somebody else has signed in here since. Reload the page.")
        return actor

    return replace(house, who=who)


def offered_pages(house: House) -> tuple[Page, ...]:
    """Return the pages the visitor may open, in the order of the pages; none for somebody who is not signed in."""
    return allowed_pages(house.actor)


def sign_in(house: House, name: str, password: str, *, address: str = "", old_token: str = "") -> Entered:
    """Check name and password and begin a session; the session this browser had before ends.

    Raises
    ------
    SignInError
        Wrong, or the account is switched off. Its kind ``LockedOutError``: too many attempts, wait.
    BusyError
        Too many sign-ins at the same time.
    StorageError
        It could not be looked up or written down.
    """
    access = _need_access(house)
    account = access.accounts.sign_in(name, password, address=address)
    if old_token:
        access.sessions.end(old_token)
    return Entered(token=access.sessions.start(account), must_change_password=account.must_change_password)


def admit(house: House, claims: Mapping[str, Any], rules: OidcRules) -> Entered:
    """Begin a session for somebody an identity provider vouches for.

    Raises
    ------
    AccessDeniedError, SessionExpiredError, SessionRevokedError, SignInError
        The provider's word does not count, is too old, was used already, or the account is switched off.
    StorageError
        It could not be looked up or written down.
    """
    access = _need_access(house)
    account = access.accounts.admit(map_claims(claims, rules, now_s=access.clock()))
    return Entered(token=access.sessions.start(account), must_change_password=False)


def sign_out(house: House, token: str) -> None:
    """End the session of a token; one that is no session is left as it is.

    Raises
    ------
    StorageError
        It could not be written down, and the session goes on.
    """
    if house.access is not None and token:
        house.access.sessions.end(token)


def is_signed_in(house: House, token: str) -> bool:
    """Say whether a token is a session that goes on; asking does not keep it open.

    Raises
    ------
    StorageError
        It could not be looked up.
    """
    if house.access is None:
        return True
    try:
        house.access.sessions.check(token, active=False)
    except (SessionExpiredError, SessionRevokedError):
        return False
    return True


def look_up(house: House, token: str) -> Actor:
    """Return who a token stands for, for what runs by itself: asking does not keep the session open.

    Raises
    ------
    SessionExpiredError, SessionRevokedError
        Nobody is signed in any more.
    StorageError
        It could not be looked up.
    """
    return house.actor if house.access is None else house.access.sessions.check(token, active=False)


def has_accounts(house: House) -> bool:
    """Say whether there is any account to sign in with."""
    return house.access is not None and bool(house.access.store.list_accounts())


def create_first_administrator(settings: Settings | None = None) -> OneTimePassword | None:
    """Make an administrator where there is no account at all; the password is nowhere else.

    Returns
    -------
    OneTimePassword or None
        None where there are accounts already, and in a demo, which has none.
    """
    settings = settle_demo(settings or read_settings())
    if settings.demo:
        return None
    with (
        closing(open_journal(settings.data_dir)) as journal,
        closing(open_access(settings.data_dir, journal)) as access,
    ):
        return access.accounts.create_first_administrator()


def _need_access(house: House) -> Access:
    if house.access is None:
        raise SessionExpiredError("Nobody signs in here: this is a demo.")
    return house.access
