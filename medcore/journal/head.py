"""The file ``journal.head``: number and digest of the newest event, kept outside the database.

Who removes the newest events from the database leaves a valid but shorter chain; the head tells. It
is written after each commit, so after a crash it may lag behind the database, but never be ahead of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass

from medcore.errors import StorageError
from medcore.journal.folder import Folder, write_private
from medcore.journal.ring import Ring

__all__ = ["Head", "advance", "check_head", "read_head", "reset_head", "start_of_chain"]

_SLOT = struct.Struct(">QH32s32s")
_SLOT_BYTES = 128  # two slots, written in turn: one stays whole if the power fails during the other


@dataclass(frozen=True, slots=True)
class Head:
    """Number (0 = none yet), digest (32 bytes) and key number of the newest event."""

    number: int
    mac: bytes
    key_id: int


def start_of_chain(installation: str) -> bytes:
    """Return what the first event is chained to."""
    return hashlib.sha256(f"medcore journal {installation}".encode()).digest()


def reset_head(folder: Folder, ring: Ring, head: Head) -> None:
    """Write the file anew, whatever it held."""
    write_private(folder.head, _spell(ring, head).ljust(_SLOT_BYTES, b"\0") * 2)


def read_head(folder: Folder, ring: Ring) -> Head | None:
    """Return the newest valid head; None if the file is missing or none of it is valid."""
    try:
        return _read(folder.head.read_bytes(), ring)
    except FileNotFoundError:
        return None


def check_head(folder: Folder, ring: Ring, newest: Head) -> None:
    """Refuse to go on when the database is behind the head: events are gone.

    Raises
    ------
    StorageError
        The database holds less than was once written, or the head is missing.
    """
    head = read_head(folder, ring)
    if head is None:
        raise StorageError("journal.head is missing or damaged: `medcore audit verify`, then `medcore restore`.")
    if head.number > newest.number or (head.number == newest.number and not hmac.compare_digest(head.mac, newest.mac)):
        raise StorageError(
            "The newest events are missing from the journal: `medcore audit verify`, then `medcore restore`. "
            "Nothing was done."
        )


def advance(folder: Folder, ring: Ring, head: Head) -> None:
    """Write the head of a committed event, unless another program wrote a newer one."""
    handle = os.open(folder.head, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        known = _read(os.pread(handle, 2 * _SLOT_BYTES, 0), ring)
        if known is None or known.number < head.number:
            os.pwrite(handle, _spell(ring, head), _SLOT_BYTES * (head.number % 2))
    finally:
        os.close(handle)


def _read(content: bytes, ring: Ring) -> Head | None:
    found = [_parse(content[start : start + _SLOT.size], ring) for start in (0, _SLOT_BYTES)]
    return max((head for head in found if head is not None), key=lambda head: head.number, default=None)


def _parse(content: bytes, ring: Ring) -> Head | None:
    if len(content) < _SLOT.size:
        return None
    number, key_id, mac, signature = _SLOT.unpack(content)
    if not 1 <= key_id <= ring.current:
        return None
    head = Head(number, mac, key_id)
    return head if hmac.compare_digest(signature, _sign(ring, head)) else None


def _spell(ring: Ring, head: Head) -> bytes:
    return _SLOT.pack(head.number, head.key_id, head.mac, _sign(ring, head))


def _sign(ring: Ring, head: Head) -> bytes:
    content = head.number.to_bytes(8, "big") + head.key_id.to_bytes(2, "big") + head.mac
    return hmac.new(ring.key_for("head", head.key_id), content, hashlib.sha256).digest()
