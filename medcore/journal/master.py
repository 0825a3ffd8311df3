"""Where the master key is kept: the setting, the system's keyring, or a file for its owner only."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from medcore.errors import ConfigError, KeysError
from medcore.journal.folder import Folder, write_private

__all__ = ["ENVIRONMENT", "FILE", "KEYRING", "MasterStore", "parse_master_key"]

ENVIRONMENT, KEYRING, FILE = "environment", "keyring", "file"
_SERVICE = "medcore"


def parse_master_key(text: str) -> bytes:
    """Read 64 hexadecimal digits.

    Raises
    ------
    ConfigError
        They are not; the text is not quoted back.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise ConfigError("MEDCORE_MASTER_KEY must be 64 hexadecimal digits: openssl rand -hex 32", field="master_key")
    return bytes.fromhex(text.strip())


@dataclass(frozen=True, slots=True)
class MasterStore:
    """Reads and keeps master keys. Each has a serial number, so that the next is kept before the last is dropped.

    Parameters
    ----------
    folder : Folder
        Where the file is, if a file it is.
    given : str
        Value of the setting ``master_key``; empty = none. It comes before every other place.
    preference : str
        ``auto`` or ``file``: where a new key is kept.
    """

    folder: Folder
    given: str = field(default="", repr=False)
    preference: str = "auto"

    def choose(self) -> str:
        """Return where a new master key is to be kept."""
        if self.given:
            return ENVIRONMENT
        return KEYRING if self.preference == "auto" and _find_keyring() else FILE

    def keep(self, place: str, installation: str, serial: int, key: bytes) -> None:
        """Keep a key beside earlier ones; in the environment only its owner can."""
        if place == KEYRING:
            _call_keyring("set_password", f"{installation}:{serial}", key.hex())
        elif place == FILE:
            lines = {**self._read_file(), serial: key.hex()}
            write_private(self.folder.master, _spell(lines))

    def read(self, place: str, installation: str, serial: int) -> bytes:
        """Return the master key; the setting comes first.

        Raises
        ------
        KeysError
            It is not where it was kept.
        """
        if self.given:
            return parse_master_key(self.given)
        if place == ENVIRONMENT:
            raise KeysError("The journal's master key is missing: set MEDCORE_MASTER_KEY, or `medcore keys recover`.")
        if place == KEYRING:
            text = _call_keyring("get_password", f"{installation}:{serial}") or ""
        else:
            text = self._read_file().get(serial, "")
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            where = "the system's keyring" if place == KEYRING else self.folder.master.name
            raise KeysError(f"The journal's master key is not in {where}. Put it back, or `medcore keys recover`.")
        return bytes.fromhex(text)

    def drop_others(self, place: str, installation: str, serial: int) -> None:
        """Forget every key but this one; failures leave an unused key behind and are no error."""
        with contextlib.suppress(OSError, KeysError):
            if place == FILE:
                write_private(self.folder.master, _spell({serial: self._read_file()[serial]}))
            else:
                _forget(self.folder.master)
            for earlier in range(max(1, serial - 3), serial if place == KEYRING else 1):
                _call_keyring("delete_password", f"{installation}:{earlier}")

    def _read_file(self) -> dict[int, str]:
        try:
            text = self.folder.master.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return {}
        if self.folder.master.stat().st_mode & 0o077:
            self.folder.master.chmod(0o600)
        pairs = (line.split() for line in text.splitlines())
        return {int(pair[0]): pair[1] for pair in pairs if len(pair) == 2 and pair[0].isdigit()}


def _spell(lines: dict[int, str]) -> bytes:
    return "".join(f"{serial} {text}\n" for serial, text in sorted(lines.items())).encode()


def _forget(path: Path) -> None:
    """Overwrite and remove a file; on copy-on-write disks the old blocks may stay."""
    if path.exists():
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


def _find_keyring() -> bool:
    import keyring

    return bool(keyring.get_keyring().priority >= 1)


def _call_keyring(name: str, *values: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        answer: str | None = getattr(keyring, name)(_SERVICE, *values)
    except PasswordDeleteError:
        return None
    except (KeyringError, RuntimeError) as error:
        raise KeysError(
            f"The system's keyring could not be used ({type(error).__name__}). Nothing was done."
        ) from error
    return answer
