"""Identifiers of a header as salted hashes: equal ones can be recognised within one process, none can be read."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

__all__ = ["hash_identifier", "hash_number"]


def hash_identifier(kind: str, value: str, salt: str) -> str:
    """Return 32 hex digits that are equal for equal identifiers within one process; empty for an empty one."""
    if not value.strip():
        return ""
    return hmac.new(salt.encode(), f"{kind}\n{value.strip()}".encode(), hashlib.sha256).hexdigest()[:32]


def hash_number(number: str, salt: str) -> str:
    """Return the hash of a patient's number, to compare a header's with that of a record.

    Upper and lower case, full-width letters and the number of spaces make no difference, as in the search for patients.

    Examples
    --------
    >>> hash_number(" ab  12", "s") == hash_number("AB 12", "s") != hash_number("AB 13", "s")
    True
    """
    text = unicodedata.normalize("NFKC", number.replace("\0", " ")).casefold()
    return hash_identifier("number", " ".join(text.split()).encode("utf-8", "replace").decode(), salt)
