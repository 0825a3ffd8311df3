"""Starting the dashboard: the port is tried first, then this process becomes the server."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

from medcore.access.demo import settle_demo
from medcore.config import read_settings
from medcore.errors import ConfigError, StorageError
from medcore.journal import Journal
from medcore.journal.folder import Folder, hold_lock

__all__ = ["build_command", "check_port", "clear_demo", "create_journal", "exec_server"]

_APP = Path(__file__).resolve().parent.parent.parent / "streamlit_app.py"
_LOOPBACK = ("127.0.0.1", "localhost")


def exec_server(host: str, port: int) -> NoReturn:
    """Replace this process by the server.

    Raises
    ------
    ConfigError
        The port is taken, the address is not this machine's, or the program is not a full checkout.
    """
    if not _APP.is_file():
        raise ConfigError(
            "the dashboard needs a checkout of medcore (streamlit_app.py is missing): install with pip -e"
        )
    check_port(host, port)
    os.execv(sys.executable, build_command(host, port))  # noqa: S606 - our own interpreter


def create_journal() -> str | None:
    """Create the journal where there is none, and return its recovery key, which is shown this once.

    Raises
    ------
    StorageError
        It cannot be created.
    """
    settings = settle_demo(read_settings())
    if settings.journal_url or (settings.data_dir / "journal.db").exists():
        return None
    with Journal(settings.data_dir) as journal:
        journal.open()
        return journal.take_recovery_key()


def clear_demo() -> None:
    """Delete everything a demo has kept, so that it begins anew. The site's own data is elsewhere and stays.

    Raises
    ------
    ConfigError
        This is no demo, or its journal is a database.
    StorageError
        The demo is running, or its folder cannot be deleted.
    """
    settings = settle_demo(read_settings())
    if not settings.demo:
        raise ConfigError("only a demo can begin anew: --fresh goes with --demo", field="demo")
    if settings.journal_url:
        raise ConfigError(
            "--fresh deletes a demo's folder, and this demo's journal is the database of MEDCORE_JOURNAL_URL",
            field="journal_url",
        )
    folder = settings.data_dir
    if not folder.is_dir():
        return
    problem = "This demo is running: stop it first. Nothing was deleted."
    with hold_lock(Folder(folder).use, wait_s=0.5, problem=problem):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StorageError(f"The demo's folder could not be deleted ({type(error).__name__}).") from error


def build_command(host: str, port: int) -> list[str]:
    """Return the server's command line; another address than the loopback is added to the allowed hosts."""
    command = [sys.executable, "-m", "streamlit", "run", str(_APP)]
    command += [f"--server.address={host}", f"--server.port={port}", "--server.headless=true"]
    if host not in (*_LOOPBACK, "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        command += [f"--server.allowedHosts={name}" for name in (*_LOOPBACK, host)]
    return command


def check_port(host: str, port: int) -> None:
    """Make sure that the server will be able to listen.

    Raises
    ------
    ConfigError
        It will not, and why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise ConfigError(f"{host!r} is not an address of this machine", field="host", value=host) from error
    except PermissionError as error:
        raise ConfigError(f"port {port} needs more rights: choose one above 1023", field="port", value=port) from error
    except OSError as error:
        raise ConfigError(
            f"port {port} on {host} cannot be used ({error.strerror}): stop the program that uses it or choose"
            " another with --port",
            field="port",
            value=port,
        ) from error
