"""``medcore accounts``: accounts and sessions from the machine's own command line.

Who may read the data folder is trusted here like an administrator, and stands in the journal as
``local:<os user>``. This is also the way back in when the last password is lost.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medcore.access import Access, Actor
    from medcore.access.accounts import OneTimePassword

__all__ = ["app", "print_password"]

app = typer.Typer(
    help="Accounts and sessions: first, list, add, reset, roles, disable, enable, sessions, sign-out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="User name.")]
_Roles = Annotated[
    list[str],
    typer.Argument(metavar="ROLE...", help="clinician, radiologist, analyst, auditor, administrator."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def first(name: Annotated[str, typer.Option(help="User name of the administrator.")] = "administrator") -> None:
    """Make the first administrator and print the one-time password; refused where there are accounts."""
    from medcore.errors import AccountError

    with _open() as (access, _):
        password = access.accounts.create_first_administrator(name)
    if password is None:
        raise AccountError("There are accounts already. A lost password: medcore accounts reset NAME.")
    print_password(password)


@app.command(name="list")
def list_accounts(as_json: _Json = False) -> None:
    """List the accounts with their roles."""
    with _open() as (access, actor):
        facts = access.accounts.list_accounts(actor)
    if as_json:
        _print_json([{**asdict(item), "created_s": round(item.created_s)} for item in facts])
        return
    for item in facts:
        marks = [word for word, on in (("off", item.disabled), ("one-time", item.must_change_password)) if on]
        print(f"{item.name}  {item.source}  {', '.join(item.roles)}  {' '.join(marks)}".rstrip())


@app.command()
def add(name: _Name, roles: _Roles) -> None:
    """Make an account and print its one-time password."""
    from medcore.access.roles import parse_role

    with _open() as (access, actor):
        print_password(access.accounts.create(actor, name, [parse_role(word) for word in roles]))


@app.command()
def reset(name: _Name) -> None:
    """Print a new one-time password; the account's sessions end and its lock-out too."""
    with _open() as (access, actor):
        print_password(access.accounts.reset_password(actor, access.accounts.find(actor, name).id))


@app.command(name="roles")
def set_roles(name: _Name, roles: _Roles) -> None:
    """Replace an account's roles; counts at once, also for open sessions."""
    from medcore.access.roles import parse_role

    with _open() as (access, actor):
        chosen = [parse_role(word) for word in roles]
        access.accounts.set_roles(actor, access.accounts.find(actor, name).id, chosen)
    print(f"{name}: {', '.join(chosen)}")


@app.command()
def disable(name: _Name) -> None:
    """Switch an account off; its sessions end."""
    with _open() as (access, actor):
        access.accounts.disable(actor, access.accounts.find(actor, name).id)
    print(f"{name}: off")


@app.command()
def enable(name: _Name) -> None:
    """Switch an account on again."""
    with _open() as (access, actor):
        access.accounts.enable(actor, access.accounts.find(actor, name).id)
    print(f"{name}: on")


@app.command()
def sessions(as_json: _Json = False) -> None:
    """List who is signed in."""
    with _open() as (access, actor):
        names = {item.id: item.name for item in access.accounts.list_accounts(actor)}
        open_ones = access.sessions.list_sessions(actor)
    rows = [
        {
            "id": item.id,
            "name": names.get(item.account_id, ""),
            "started_utc": _utc(item.started_s),
            "used_utc": _utc(item.used_s),
            "ends_utc": _utc(item.ends_s),
        }
        for item in open_ones
    ]
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        print(f"{row['id']}  {row['name']}  since {row['started_utc']}  used {row['used_utc']}  ends {row['ends_utc']}")


@app.command(name="sign-out")
def sign_out(name: _Name) -> None:
    """End all sessions of an account."""
    with _open() as (access, actor):
        number = access.sessions.revoke_all(actor, access.accounts.find(actor, name).id)
    print(f"{name}: {number} session{'' if number == 1 else 's'} ended")


@contextmanager
def _open() -> Iterator[tuple[Access, Actor]]:
    from medcore.access import Actor, Role, open_access
    from medcore.config import read_settings
    from medcore.journal import open_journal

    settings = read_settings()
    actor = Actor(name=f"local:{getpass.getuser()}", roles=frozenset({Role.ADMINISTRATOR}))
    with (
        closing(open_journal(settings.data_dir)) as journal,
        closing(open_access(settings.data_dir, journal)) as access,
    ):
        yield access, actor


def print_password(password: OneTimePassword) -> None:
    """Print a one-time password to standard output, the only place it ever stands."""
    print(f"User name:          {password.user_name}")
    print(f"One-time password:  {password.password}")
    print("It is shown once, works for three days, and is changed at the first sign-in.")


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
