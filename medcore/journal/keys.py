"""The file ``journal.keys``: data keys, sealed by a ring key, which the master key and the recovery key each wrap.

None of the three is stored in the open in it, so that file may be copied into a backup; the master
key may not. Losing both the master key and the recovery key is losing the data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from medcore.errors import KeysError, MedcoreError
from medcore.journal.folder import Folder, write_private
from medcore.journal.master import MasterStore
from medcore.journal.ring import Ring, new_ring
from medcore.journal.sealing import KEY_BYTES, open_sealed, seal

__all__ = ["FORMAT", "Keys", "create_keys", "new_master", "new_recovery_key", "open_keys", "recover", "save_keys"]

FORMAT = 1
_CHECK_CHARS = 4
_GROUP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The opened keys of one journal."""

    installation: str
    created: str
    place: str
    serial: int
    ring: Ring
    ring_key: bytes = field(repr=False)
    master_slot: str = field(repr=False)
    recovery_slot: str = field(repr=False)


def create_keys(masters: MasterStore) -> tuple[Keys, str]:
    """Draw all keys of a new journal and keep the master key; the file is written by :func:`save_keys`.

    Returns
    -------
    keys : Keys
    recovery_key : str
        To be shown to a person once: it opens the journal when the master key is lost.
    """
    blank = Keys(
        installation=secrets.token_hex(16),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        place=masters.choose(),
        serial=0,
        ring=new_ring(),
        ring_key=secrets.token_bytes(KEY_BYTES),
        master_slot="",
        recovery_slot="",
    )
    keys, _ = new_master(blank, masters)
    return new_recovery_key(keys)


def open_keys(folder: Folder, masters: MasterStore) -> Keys:
    """Read ``journal.keys`` and unwrap it with the master key.

    Raises
    ------
    KeysError
        The file is damaged or of a newer version, or the master key is missing or another.
    """
    document = _read_document(folder)
    master = masters.read(document["place"], document["installation"], document["serial"])
    try:
        ring_key = _unwrap(master, document["master"], f"master:{document['installation']}")
    except KeysError as error:
        raise KeysError(
            "The master key does not open this journal: another key is set, or journal.keys is of another journal. "
            "Nothing was changed. Give the right one, or `medcore keys recover`."
        ) from error
    return _assemble(document, ring_key)


def recover(folder: Folder, masters: MasterStore, recovery_key: str) -> Keys:
    """Open the keys with the recovery key and give them a new master key, written at once.

    Raises
    ------
    KeysError
        The recovery key was mistyped or is of another journal, or the file is damaged.
    """
    document = _read_document(folder)
    secret = _parse_recovery_key(recovery_key)
    try:
        ring_key = _unwrap(secret, document["recovery"], f"recovery:{document['installation']}")
    except KeysError as error:
        raise KeysError("This recovery key is not the one of this journal, or was replaced by a later one.") from error
    keys, _ = new_master(replace(_assemble(document, ring_key), place=masters.choose()), masters)
    save_keys(folder, keys)
    masters.drop_others(keys.place, keys.installation, keys.serial)
    return keys


def new_master(keys: Keys, masters: MasterStore) -> tuple[Keys, bytes]:
    """Return the keys under a new master key, which is already kept beside the earlier one."""
    from medcore.journal.master import parse_master_key

    master = parse_master_key(masters.given) if masters.given else secrets.token_bytes(KEY_BYTES)
    serial = keys.serial + 1
    masters.keep(keys.place, keys.installation, serial, master)
    slot = _wrap(master, keys.ring_key, f"master:{keys.installation}")
    return replace(keys, serial=serial, master_slot=slot), master


def new_recovery_key(keys: Keys) -> tuple[Keys, str]:
    """Return the keys under a new recovery key, and that key to show once; the earlier one is void."""
    secret = secrets.token_bytes(KEY_BYTES)
    slot = _wrap(secret, keys.ring_key, f"recovery:{keys.installation}")
    return replace(keys, recovery_slot=slot), _spell_recovery_key(secret)


def save_keys(folder: Folder, keys: Keys) -> None:
    """Write ``journal.keys`` durably."""
    content = {
        "format": FORMAT,
        "installation": keys.installation,
        "created": keys.created,
        "place": keys.place,
        "serial": keys.serial,
        "master": keys.master_slot,
        "recovery": keys.recovery_slot,
        "ring": _wrap(keys.ring_key, keys.ring.to_bytes(), f"ring:{keys.installation}"),
    }
    write_private(folder.keys, json.dumps(content, indent=1).encode())


def _read_document(folder: Folder) -> dict[str, Any]:
    try:
        content = json.loads(folder.keys.read_bytes())
        number = content["format"]
    except FileNotFoundError as error:
        raise KeysError("journal.keys is missing. Put it back from a backup; nothing was created.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise KeysError("journal.keys is damaged. Put it back from a backup; nothing was changed.") from error
    if number != FORMAT:
        raise KeysError(f"journal.keys has format {number}, this version of medcore reads {FORMAT}. Update medcore.")
    kinds = {"installation": str, "created": str, "place": str, "serial": int, "master": str, "recovery": str}
    if any(not isinstance(content.get(name), kind) for name, kind in {**kinds, "ring": str}.items()):
        raise KeysError("journal.keys is damaged. Put it back from a backup; nothing was changed.")
    return dict(content)


def _assemble(document: dict[str, Any], ring_key: bytes) -> Keys:
    try:
        ring = Ring.from_bytes(_unwrap(ring_key, document["ring"], f"ring:{document['installation']}"))
    except (MedcoreError, ValueError, KeyError) as error:
        raise KeysError("journal.keys is damaged. Put it back from a backup; nothing was changed.") from error
    return Keys(
        installation=document["installation"],
        created=document["created"],
        place=document["place"],
        serial=document["serial"],
        ring=ring,
        ring_key=ring_key,
        master_slot=document["master"],
        recovery_slot=document["recovery"],
    )


def _wrap(key: bytes, plain: bytes, purpose: str) -> str:
    return base64.b64encode(seal(key, plain, purpose)).decode()


def _unwrap(key: bytes, text: str, purpose: str) -> bytes:
    try:
        sealed = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise KeysError("journal.keys is damaged. Put it back from a backup; nothing was changed.") from error
    return open_sealed(key, sealed, purpose)


def _spell_recovery_key(secret: bytes) -> str:
    """Spell 32 bytes for people: base32 in groups of five, four check characters at the end."""
    text = base64.b32encode(secret).decode().rstrip("=")
    text += base64.b32encode(hashlib.sha256(secret).digest()).decode()[:_CHECK_CHARS]
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _parse_recovery_key(text: str) -> bytes:
    plain = "".join(text.upper().replace("0", "O").replace("1", "I").replace("8", "B").split()).replace("-", "")
    try:
        body = plain[:-_CHECK_CHARS]
        secret = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES or _spell_recovery_key(secret).replace("-", "") != plain:
        raise KeysError("This is not a recovery key: a character is missing or mistyped.", field="recovery_key")
    return secret
