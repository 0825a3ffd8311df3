"""Who is here and what they may do: accounts, sessions, roles, one ``authorize``, default deny."""

from medcore.access.access import Access, open_access
from medcore.access.roles import Action, Actor, Page, Resource, Role, allowed_pages, authorize, authorize_page

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
    "open_access",
]
