"""The data keys of a journal: every generation that was ever used, and what each is used for."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import unicodedata
from dataclasses import dataclass, replace

from medcore.errors import KeysError
from medcore.journal.sealing import KEY_BYTES, derive_key, open_sealed, seal

__all__ = ["Ring", "new_ring"]


@dataclass(frozen=True, slots=True, repr=False)
class Ring:
    """Random data keys, oldest first. A key's number is its place, from 1.

    Old keys stay: the audit chain and what was sealed before a rotation are read with the key of their
    time. ``database`` is the number of the key that the database file is encrypted with.
    """

    keys: tuple[bytes, ...]
    database: int = 1

    @property
    def current(self) -> int:
        """Number of the key for everything new."""
        return len(self.keys)

    def key_for(self, purpose: str, number: int | None = None) -> bytes:
        """Return the key of one purpose, of the newest generation unless told.

        Raises
        ------
        KeysError
            There is no key of that number.
        """
        number = number or self.current
        if not 1 <= number <= len(self.keys):
            raise KeysError("The journal uses a data key that journal.keys does not hold. Restore that file.")
        return derive_key(self.keys[number - 1], purpose)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Seal with the newest key; the first two bytes say which."""
        return self.current.to_bytes(2, "big") + seal(self.key_for("records"), plain, purpose)

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Open what :meth:`seal` made, with the key of its time."""
        return open_sealed(self.key_for("records", int.from_bytes(sealed[:2], "big")), sealed[2:], purpose)

    def blind_indices(self, kind: str, text: str) -> tuple[str, ...]:
        """Return the keyed hash of an identifier under every key, newest first (hex).

        Upper and lower case, full-width letters and the number of spaces make no difference.
        """
        plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        content = f"{kind}\0{plain}".encode("utf-8", "surrogatepass")
        return tuple(
            hmac.new(self.key_for("index", number), content, hashlib.sha256).hexdigest()
            for number in range(self.current, 0, -1)
        )

    def add_key(self) -> Ring:
        """Return a ring with one more key; the database stays with its own until it is re-encrypted."""
        return replace(self, keys=(*self.keys, secrets.token_bytes(KEY_BYTES)))

    def to_bytes(self) -> bytes:
        """Return the keys in the open, to be wrapped."""
        return json.dumps({"database": self.database, "keys": [key.hex() for key in self.keys]}).encode()

    @staticmethod
    def from_bytes(content: bytes) -> Ring:
        """Read what :meth:`to_bytes` wrote."""
        parts = json.loads(content)
        return Ring(keys=tuple(bytes.fromhex(text) for text in parts["keys"]), database=parts["database"])


def new_ring() -> Ring:
    """Draw the first data key."""
    return Ring(keys=(secrets.token_bytes(KEY_BYTES),))
