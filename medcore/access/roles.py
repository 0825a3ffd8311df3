"""Who may do what: one table, one function, and everything that is not in the table is denied.

Pure: no clock, no store. Services call :func:`authorize` before they do anything; pages ask
:func:`allowed_pages` only to know what to offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from medcore.errors import AccessDeniedError

__all__ = [
    "DEMO_DENIED",
    "GRANTS",
    "PAGES",
    "Action",
    "Actor",
    "Page",
    "Resource",
    "Role",
    "allowed_pages",
    "authorize",
    "authorize_page",
    "describe_grants",
    "describe_pages",
    "parse_role",
]


class Role(StrEnum):
    """What somebody is here. One account may have several; none is above another."""

    CLINICIAN = "clinician"
    RADIOLOGIST = "radiologist"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What is to be done."""

    VIEW = "view"
    ASSESS = "assess"
    SAVE = "save"
    EXPORT = "export"
    VERIFY = "verify"
    MANAGE = "manage"


class Resource(StrEnum):
    """With what."""

    RISK = "risk form"
    FILM = "film"
    PATIENT = "patients and their cases"
    VERDICT = "reader's verdict"
    COMPARISON = "comparison of models"
    TABLE = "table without identities"
    OPERATING_POINT = "operating point"
    AGREEMENT = "agreement report"
    MODEL = "models"
    AUDIT = "audit trail"
    ACCOUNTS = "accounts and sessions"
    SITE = "site settings"
    KEYS = "keys and backups"
    OWN_ACCOUNT = "own password and sessions"


class Page(StrEnum):
    """The pages, by their addresses."""

    RISK = "risk"
    XRAY = "xray"
    PATIENTS = "patients"
    COMPARE = "compare"
    EXPLORE = "explore"
    AGREEMENT = "agreement"
    MODELS = "models"
    AUDIT = "audit"
    ACCOUNTS = "accounts"
    SITE = "site"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, as checked for this one run; made by the sessions, never by a page.

    Parameters
    ----------
    name : str
        For the journal: ``account:<user>``, ``oidc:<user>``, ``local:<os user>`` or ``demo``.
    roles : iterable of Role
        Read fresh at every check. Empty: may only see to the own account.
    account_id, session_id : str
        Empty for actors without an account or a session (command line, demo).
    demo : bool
        Nothing but made-up patients, and no management.
    must_change_password : bool
        Signed in with a one-time password: everything else waits.
    """

    name: str
    roles: frozenset[Role]
    account_id: str = ""
    session_id: str = ""
    demo: bool = False
    must_change_password: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", frozenset(Role(role) for role in self.roles))

    @property
    def role(self) -> str:
        """The roles in one word for the journal: ``analyst,auditor``; ``all`` for somebody who has every one."""
        return "all" if self.roles == frozenset(Role) else ",".join(sorted(self.roles))


def _grant(resource: Resource, *actions: Action) -> set[tuple[Action, Resource]]:
    return {(action, resource) for action in actions}


_EVERYBODY = (
    _grant(Resource.MODEL, Action.VIEW)
    | _grant(Resource.SITE, Action.VIEW)
    | _grant(Resource.OWN_ACCOUNT, Action.VIEW, Action.MANAGE)
)
_READER = (
    _EVERYBODY
    | _grant(Resource.PATIENT, Action.VIEW, Action.SAVE, Action.EXPORT)
    | _grant(Resource.VERDICT, Action.VIEW, Action.SAVE)
    | _grant(Resource.COMPARISON, Action.VIEW)
    | _grant(Resource.OPERATING_POINT, Action.VIEW)
    | _grant(Resource.AGREEMENT, Action.VIEW)
)

GRANTS: Mapping[Role, frozenset[tuple[Action, Resource]]] = MappingProxyType(
    {
        Role.CLINICIAN: frozenset(_READER | _grant(Resource.RISK, Action.VIEW, Action.ASSESS)),
        Role.RADIOLOGIST: frozenset(_READER | _grant(Resource.FILM, Action.VIEW, Action.ASSESS, Action.EXPORT)),
        Role.ANALYST: frozenset(
            _EVERYBODY
            | _grant(Resource.COMPARISON, Action.VIEW, Action.EXPORT)
            | _grant(Resource.RISK, Action.ASSESS)  # of values without an identity, beside other models
            | _grant(Resource.TABLE, Action.VIEW, Action.ASSESS, Action.EXPORT)
            | _grant(Resource.OPERATING_POINT, Action.VIEW, Action.SAVE)
            | _grant(Resource.AGREEMENT, Action.VIEW, Action.EXPORT)
        ),
        Role.AUDITOR: frozenset(
            _EVERYBODY
            | _grant(Resource.AUDIT, Action.VIEW, Action.VERIFY, Action.EXPORT)
            | _grant(Resource.AGREEMENT, Action.VIEW)
            | _grant(Resource.ACCOUNTS, Action.VIEW)
        ),
        Role.ADMINISTRATOR: frozenset(
            _EVERYBODY
            | _grant(Resource.MODEL, Action.MANAGE)
            | _grant(Resource.ACCOUNTS, Action.VIEW, Action.MANAGE)
            | _grant(Resource.SITE, Action.MANAGE)
            | _grant(Resource.KEYS, Action.MANAGE)
            | _grant(Resource.AGREEMENT, Action.VIEW)
        ),
    }
)
"""The table. What is not here is denied; nobody but readers has a grant on patients, only the auditor on the trail."""

DEMO_DENIED: frozenset[tuple[Action, Resource]] = frozenset((Action.MANAGE, resource) for resource in Resource)
"""What the demo denies to every role: visitors of a demo share it, so none may change it for the others."""

PAGES: Mapping[Page, tuple[Action, Resource]] = MappingProxyType(
    {
        Page.RISK: (Action.VIEW, Resource.RISK),
        Page.XRAY: (Action.VIEW, Resource.FILM),
        Page.PATIENTS: (Action.VIEW, Resource.PATIENT),
        Page.COMPARE: (Action.VIEW, Resource.COMPARISON),
        Page.EXPLORE: (Action.VIEW, Resource.COMPARISON),
        Page.AGREEMENT: (Action.VIEW, Resource.AGREEMENT),
        Page.MODELS: (Action.VIEW, Resource.MODEL),
        Page.AUDIT: (Action.VIEW, Resource.AUDIT),
        Page.ACCOUNTS: (Action.VIEW, Resource.ACCOUNTS),
        Page.SITE: (Action.VIEW, Resource.SITE),
        Page.ACCOUNT: (Action.VIEW, Resource.OWN_ACCOUNT),
    }
)
"""What opening a page needs. What a page then does is authorized by itself."""

_WHILE_PASSWORD_IS_ONE_TIME = _grant(Resource.OWN_ACCOUNT, Action.VIEW, Action.MANAGE)


def authorize(actor: Actor | None, action: Action, resource: Resource) -> None:
    """Return if ``actor`` may do ``action`` with ``resource``.

    Anything that is not exactly an actor, an action and a resource of the table is denied, never an
    error of another kind.

    Raises
    ------
    AccessDeniedError
        Not signed in, the password is still a one-time one, or no role of the actor has that grant.

    Examples
    --------
    >>> authorize(Actor(name="account:ada", roles={Role.AUDITOR}), Action.VIEW, Resource.AUDIT)
    >>> authorize(Actor(name="account:ada", roles={Role.ANALYST}), Action.VIEW, Resource.PATIENT)
    Traceback (most recent call last):
    ...
    medcore.errors.AccessDeniedError: Your role (analyst) may not view: patients and their cases. ...
    """
    if not isinstance(actor, Actor):
        raise AccessDeniedError("Nobody is signed in. Sign in first.")
    if not isinstance(action, Action) or not isinstance(resource, Resource):
        raise AccessDeniedError("This does not exist here, or your role may not use it.")
    wanted = (action, resource)
    if actor.must_change_password and wanted not in _WHILE_PASSWORD_IS_ONE_TIME:
        raise AccessDeniedError("Your password is a one-time password. Choose your own first.")
    if actor.demo and wanted in DEMO_DENIED:
        raise AccessDeniedError(f"The demo does not let anybody {action}: {resource}.")
    if not any(wanted in GRANTS.get(role, frozenset()) for role in actor.roles) and not _is_own(actor, wanted):
        roles = ", ".join(sorted(actor.roles)) or "none"
        raise AccessDeniedError(
            f"Your role ({roles}) may not {action}: {resource}. Ask an administrator if your work needs it."
        )


def authorize_page(actor: Actor | None, page: Page) -> None:
    """Return if ``actor`` may open ``page``.

    Raises
    ------
    AccessDeniedError
        As :func:`authorize`.
    """
    if not isinstance(page, Page):
        raise AccessDeniedError("This page does not exist, or your role may not open it.")
    authorize(actor, *PAGES[page])


def allowed_pages(actor: Actor | None) -> tuple[Page, ...]:
    """Return the pages that ``actor`` may open, in the order of :class:`Page`; none for nobody."""
    return tuple(page for page in Page if _may_open(actor, page))


def parse_role(word: str) -> Role:
    """Return the role of that name.

    Raises
    ------
    AccessDeniedError
        There is none.
    """
    try:
        return Role(str(word).strip().casefold())
    except ValueError as error:
        raise AccessDeniedError(
            "There is no such role.", field="role", value=word, expected=" | ".join(Role)
        ) from error


def describe_grants() -> str:
    """Return the table of grants as Markdown: one row per resource, one column per role."""
    rows = [(resource, [_join_actions(role, resource) for role in Role]) for resource in Resource]
    return _table(["", *Role], [[str(resource), *cells] for resource, cells in rows])


def describe_pages() -> str:
    """Return the table of pages as Markdown: which role opens which."""
    opens = {role: allowed_pages(Actor(name="table", roles=frozenset({role}))) for role in Role}
    return _table(
        ["page", *Role], [[str(page), *("yes" if page in opens[role] else "–" for role in Role)] for page in Page]
    )


def _may_open(actor: Actor | None, page: Page) -> bool:
    try:
        authorize_page(actor, page)
    except AccessDeniedError:
        return False
    return True


def _is_own(actor: Actor, wanted: tuple[Action, Resource]) -> bool:
    """Let somebody whose last role was taken away still sign out and change the password."""
    return bool(actor.account_id) and wanted in _WHILE_PASSWORD_IS_ONE_TIME


def _join_actions(role: Role, resource: Resource) -> str:
    return ", ".join(action for action in Action if (action, resource) in GRANTS[role]) or "–"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
