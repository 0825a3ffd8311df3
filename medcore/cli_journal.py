"""``medcore keys | audit | backup | restore``: the journal from the machine's own command line.

Who may read the data folder is trusted here like an administrator, and stands in the journal as
``local:<os user>``.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medcore.errors import StorageError

if TYPE_CHECKING:
    from medcore.config import Settings
    from medcore.journal import Event, Journal

__all__ = ["audit", "keys", "mount", "print_recovery_key"]

keys = typer.Typer(
    help="The journal's keys: init, status, rotate, recovery, recover.", no_args_is_help=True, rich_markup_mode=None
)
audit = typer.Typer(help="The record of what was done: verify, export.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def mount(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(keys, name="keys")
    app.add_typer(audit, name="audit")
    app.command()(backup)
    app.command()(restore)


@keys.command()
def init() -> None:
    """Create the journal and print its recovery key, once."""
    settings = _settings()
    with _open(settings) as journal:
        journal.open()
        recovery_key = journal.take_recovery_key()
    if recovery_key is None:
        raise StorageError("There is a journal already. A new recovery key: medcore keys recovery.")
    print_recovery_key(recovery_key)


@keys.command()
def status(as_json: _Json = False) -> None:
    """Say where the master key is and how many data keys there have been; shows no key."""
    from medcore.journal.folder import Folder
    from medcore.journal.keys import open_keys
    from medcore.journal.opening import masters_of

    settings = _settings()
    folder = Folder(settings.data_dir)
    opened = open_keys(folder, masters_of(folder, settings))
    facts = {
        "installation": opened.installation,
        "created": opened.created,
        "master_key": "environment" if settings.master_key else opened.place,
        "n_data_keys": opened.ring.current,
    }
    print(json.dumps(facts, indent=1) if as_json else "\n".join(f"{name:14} {value}" for name, value in facts.items()))


@keys.command()
def rotate(
    data: Annotated[bool, typer.Option("--data", help="Draw a new data key too and encrypt the file anew.")] = False,
    new_master_key: Annotated[
        str, typer.Option(metavar="HEX", help="The new master key, where MEDCORE_MASTER_KEY holds it.")
    ] = "",
) -> None:
    """Give the journal a new master key, or all keys anew."""
    from medcore.journal import rotation

    settings = _settings()
    done = rotation.rotate_master_key(
        settings.data_dir, settings=settings, actor=_actor(), new_master_key=new_master_key
    )
    if settings.master_key:
        from dataclasses import replace

        settings = replace(settings, master_key=new_master_key)
        print("Set MEDCORE_MASTER_KEY to the new key before the next start.")
    if data:
        done = rotation.rotate_data_key(settings.data_dir, settings=settings, actor=_actor())
    print(f"The master key is new and kept in: {done.place}.")
    if done.recovery_key:
        print_recovery_key(done.recovery_key)


@keys.command()
def recovery() -> None:
    """Draw a new recovery key; the earlier one is void."""
    from medcore.journal import rotation

    settings = _settings()
    done = rotation.rotate_recovery_key(settings.data_dir, settings=settings, actor=_actor())
    print_recovery_key(done.recovery_key or "")


@keys.command()
def recover() -> None:
    """Ask for the recovery key and give the journal a new master key."""
    from medcore.journal import rotation

    settings = _settings()
    done = rotation.recover_keys(settings.data_dir, _ask_recovery_key(), settings=settings, actor=_actor())
    print(f"The journal opens again. Its new master key is kept in: {done.place}.")


@audit.command()
def verify(as_json: _Json = False) -> None:
    """Find out whether anything was edited, removed, reordered or cut off."""
    from dataclasses import asdict

    with _open(_settings(), existing=True) as journal:
        found = journal.audit.verify()
        outcome = "intact" if found.ok else f"findings:{len(found.findings)}"
        with suppress(StorageError) if not found.ok else nullcontext():  # a journal that was cut off takes no event
            journal.record(_event("verify_audit", outcome))
    if as_json:
        print(json.dumps({**asdict(found), "ok": found.ok}, indent=1))
    else:
        print(f"{found.n_events} events, {found.n_records} saved records, newest {found.head[:16]}")
        for finding in found.findings:
            print(f"{finding.kind:10} {finding.text}")
    if not found.ok:
        raise StorageError(f"The journal is not intact: {len(found.findings)} findings.")


@audit.command()
def export(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a new file instead of printing.")] = None,
) -> None:
    """Write every event as FHIR R4 AuditEvent, one JSON object a line."""
    with _open(_settings(), existing=True) as journal:
        journal.record(_event("export_audit", "saved"))
        try:
            sink = nullcontext(sys.stdout) if out is None else os.fdopen(_create(out), "w", encoding="utf-8")
            with sink as file:
                for line in journal.audit.export():
                    print(line, file=file)
        except OSError as error:
            raise StorageError(f"The export cannot be written ({error.strerror}): give a new file.") from error


def backup(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that does not exist yet.")]) -> None:
    """Copy the journal while it is in use; the master key is not in the copy."""
    from medcore.journal.backup import back_up

    with _open(_settings(), existing=True) as journal:
        done = back_up(journal, folder, actor=_actor())
    print(f"{done.n_events} events and {done.n_images} images copied to {done.folder}")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `medcore backup` wrote.")],
    recovery_key: Annotated[
        bool, typer.Option("--recovery-key", help="Ask for the recovery key: the master key is not at hand.")
    ] = False,
) -> None:
    """Check a backup completely and put it in the place of the present journal, which is set aside."""
    from medcore.journal.backup import restore as put_back

    settings = _settings()
    text = _ask_recovery_key() if recovery_key else None
    found, aside = put_back(folder, settings.data_dir, settings=settings, actor=_actor(), recovery_key=text)
    print(f"{found.n_events} events and {found.n_records} saved records checked and restored.")
    if aside is not None:
        print(f"What was there before is in {aside}")


def _settings() -> Settings:
    from medcore.config import read_settings

    return read_settings()


def _open(settings: Settings, *, existing: bool = False) -> Journal:
    from medcore.journal import Journal

    journal = Journal(settings.data_dir, settings=settings)
    if existing and not (journal.folder.keys.exists() or journal.path.exists() or journal.folder.old.exists()):
        raise StorageError("There is no journal yet: medcore keys init, or use the dashboard once.")
    return journal


def _event(action: str, outcome: str) -> Event:
    from medcore import __version__
    from medcore.journal import Event

    return Event(actor=_actor(), action=action, outcome=outcome, n_records=0, app_version=__version__)


def _actor() -> str:
    return f"local:{getpass.getuser()}"


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)


def _ask_recovery_key() -> str:
    return getpass.getpass("Recovery key: ") if sys.stdin.isatty() else sys.stdin.readline()


def print_recovery_key(recovery_key: str) -> None:
    """Show a recovery key with what it is for."""
    print("Recovery key, shown this once. It opens the journal when the master key is lost; without both, the")
    print("data is lost. Write it down and keep it away from this machine:")
    print(f"\n    {recovery_key}\n")
