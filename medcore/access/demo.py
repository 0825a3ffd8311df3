"""The demo: everything can be seen, nothing is real, and nothing a visitor does reaches the site's own data."""

from __future__ import annotations

from dataclasses import replace

from medcore.access.roles import Actor, Role
from medcore.config import Settings
from medcore.errors import AccessDeniedError

__all__ = ["DEMO_NOTICE", "make_demo_actor", "refuse_real_patient", "settle_demo"]

DEMO_NOTICE = "Demo: made-up patients only. Do not enter anything about a real person."
"""What stands on every page of a demo."""


def make_demo_actor() -> Actor:
    """Return the actor of everybody who visits a demo: sees all pages, manages nothing."""
    return Actor(name="demo", roles=frozenset(Role), demo=True)


def settle_demo(settings: Settings) -> Settings:
    """Return the settings of a demo: with ``demo`` on, its data lies in a folder of its own.

    Without ``demo`` they come back unchanged.
    """
    return replace(settings, data_dir=settings.data_dir / "demo") if settings.demo else settings


def refuse_real_patient(actor: Actor, *, made_up: bool) -> None:
    """Return unless a demo is about to store or show a patient who is not marked as made up.

    Raises
    ------
    AccessDeniedError
        It is.
    """
    if actor.demo and not made_up:
        raise AccessDeniedError("The demo keeps made-up patients only. Install medcore for real ones.")
