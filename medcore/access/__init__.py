"""Who is here and what they may do: accounts, sessions, roles, one ``authorize``, default deny."""

from medcore.access.access import Access, open_access
from medcore.access.local import make_local_actor
from medcore.access.roles import Action, Actor, Page, Resource, Role, allowed_pages, authorize, authorize_page
from medcore.access.trail import describe_actor, who_is

__all__ = [
    "Access",
    "Action",
    "Actor",
    "Page",
    "Resource",
    "Role",
    "allowed_pages",
    "authorize",
    "authorize_page",
    "describe_actor",
    "make_local_actor",
    "open_access",
    "who_is",
]
