"""Who runs a command on this machine: whoever may read the data folder may do everything in it."""

from __future__ import annotations

import getpass
import os

from medcore.access.roles import Actor, Role

__all__ = ["make_local_actor"]


def make_local_actor() -> Actor:
    """Return the user of the operating system, ``local:<user>``, with every role."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid-{os.getuid()}"
    return Actor(name=f"local:{name}", roles=frozenset(Role))
