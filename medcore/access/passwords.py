"""Passwords: argon2id hashes, what a new password must be, and one-time passwords.

Hashing follows RFC 9106 with 64 MiB, 3 passes and 4 lanes (its second recommended option); the
rules follow NIST SP 800-63B: length and a list of what everybody tries first, no composition rules.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcore.access.names import fold_user_name
from medcore.errors import BusyError, NewPasswordError

if TYPE_CHECKING:
    import argon2

__all__ = [
    "LONGEST_PASSWORD",
    "SHORTEST_PASSWORD",
    "HashCost",
    "Hasher",
    "check_new_password",
    "draw_one_time_password",
]

SHORTEST_PASSWORD = 12
"""Characters."""
LONGEST_PASSWORD = 1024
"""Characters; beyond it nothing is hashed."""

_LEAST_LEFT = 8
"""Characters that must remain once everything that is guessed first is taken away."""
_SHORTEST_RUN = 4
_ONE_TIME_SIGNS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_SALT_BYTES = 16
_HASH_BYTES = 32

_WORDS = """
    password passwort passwd passphrase motdepasse contrasena senha parola heslo lozinka wachtwoord salasana
    letmein openup welcome willkommen bienvenue bienvenido changeme changeit change secret geheim default
    administrator admin root toor user guest gast test testing tester demo sample example login signin logon
    master superuser system server computer internet windows microsoft google apple facebook samsung android
    medcore hospital hospitals clinic klinik clinica doctor doktor nurse medical medicine medizin patient
    radiology radiologist radiologie clinician analyst auditor emergency surgery health healthcare icu xray
    dragon monkey shadow sunshine princess football baseball basketball superman batman starwars pokemon
    iloveyou loveyou trustno whatever freedom michael jennifer jordan thomas charlie daniel robert william
    spring summer autumn winter fruehling sommer herbst january february march april june july august
    september october november december monday tuesday wednesday thursday friday saturday sunday
    qwerty qwertz azerty abcdef asdfgh zxcvbn qazwsx keyboard access hello hallo ninja mustang corvette
    flower cookie cheese banana orange purple london berlin paris liverpool chelsea arsenal
"""
_COMMON = re.compile("|".join(sorted(_WORDS.split(), key=len, reverse=True)))
_LEET = str.maketrans("@4301!57$8+", "aaeoiistsbt")
_ROWS = (
    "0123456789012345678909876543210987654321",
    string.ascii_lowercase,
    string.ascii_lowercase[::-1],
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "poiuytrewqlkjhgfdsamnbvcxz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
    '!"§$%&/()=',
)
_REPEAT = re.compile(r"(.{1,6}?)\1{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashCost:
    """What one hash costs whoever guesses. The defaults took 0.26 s on the two-core machine of the first release."""

    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4


class Hasher:
    """Hashes and verifies passwords, at most ``slots`` at a time, so that sign-ins cannot take all memory.

    Parameters
    ----------
    cost : HashCost, optional
        Of new hashes; older ones are verified with their own and then replaced.
    slots : int, optional
        Hashes at a time.
    patience_s : float, optional
        How long one more may wait for a slot, seconds.
    """

    def __init__(self, cost: HashCost | None = None, *, slots: int = 2, patience_s: float = 10.0) -> None:
        self.cost = cost or HashCost()
        self._slots = threading.BoundedSemaphore(slots)
        self._patience_s = patience_s
        self._nobody = self._invent()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the slots.

        Raises
        ------
        BusyError
            None became free in time; nothing was done.
        """
        if not self._slots.acquire(timeout=self._patience_s):
            raise BusyError("Many people are signing in just now. Nothing was checked; try again in a moment.")
        try:
            yield
        finally:
            self._slots.release()

    def hash(self, password: str) -> str:
        """Return the argon2id hash of ``password``, with its parameters and salt in it."""
        return self._make().hash(_normalize(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Say whether ``password`` is the one of ``stored``.

        Without a stored hash the same work is done against an invented one and the answer is no, so that
        the time taken does not tell which user names exist.
        """
        from argon2.exceptions import InvalidHashError, VerificationError

        usable = len(password) <= LONGEST_PASSWORD and _is_text(password)
        try:
            matches = self._make().verify(stored or self._nobody, _normalize(password) if usable else "")
        except (InvalidHashError, VerificationError):
            return False
        return matches and usable and bool(stored)

    def is_outdated(self, stored: str) -> bool:
        """Say whether a hash was made with another cost than new ones are."""
        return self._make().check_needs_rehash(stored)

    def _make(self) -> argon2.PasswordHasher:
        import argon2

        return argon2.PasswordHasher(
            time_cost=self.cost.passes,
            memory_cost=self.cost.memory_kib,
            parallelism=self.cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )

    def _invent(self) -> str:
        """Return a well-formed hash that no password has, without the work of hashing one."""
        salt, digest = (
            base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES)
        )
        cost = self.cost
        return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${digest}"


def check_new_password(password: str, user_name: str) -> None:
    """Return if ``password`` may be used by ``user_name``.

    At least 12 characters, and at least 8 once common words, rows of keys, repeats and the user name are
    taken away. No rule about kinds of characters.

    Raises
    ------
    NewPasswordError
        It may not, and why. The message never holds the password.

    Examples
    --------
    >>> check_new_password("three quiet herons at dawn", "ada")
    >>> check_new_password("Password2026!", "ada")
    Traceback (most recent call last):
    ...
    medcore.errors.NewPasswordError: The new password is among those that are guessed first. ...
    """
    if not isinstance(password, str) or not _is_text(password):
        raise NewPasswordError("The new password has characters that cannot be stored.", field="password")
    plain = _normalize(password)
    if len(plain) < SHORTEST_PASSWORD:
        raise NewPasswordError(
            f"The new password is too short. Use at least {SHORTEST_PASSWORD} characters, several words for example.",
            field="password",
            expected=f"at least {SHORTEST_PASSWORD} characters",
        )
    if len(password) > LONGEST_PASSWORD or len(plain) > LONGEST_PASSWORD:
        raise NewPasswordError(f"The new password is longer than {LONGEST_PASSWORD} characters.", field="password")
    if len(_take_away_guesses(plain.casefold(), fold_user_name(user_name))) < _LEAST_LEFT:
        raise NewPasswordError(
            "The new password is among those that are guessed first. Common words, rows of keys, repeats and the user"
            " name count for nothing; take several words that do not belong together.",
            field="password",
        )


def draw_one_time_password() -> str:
    """Draw a password of 20 signs in groups of five (98 bits), without signs that look alike."""
    groups = ("".join(secrets.choice(_ONE_TIME_SIGNS) for _ in range(5)) for _ in range(4))
    return "-".join(groups)


def _normalize(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _is_text(password: str) -> bool:
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take_away_guesses(folded: str, user_name: str) -> str:
    left = folded.replace(user_name, "") if len(user_name) > 2 else folded
    left = _REPEAT.sub(r"\1", left)
    left = _take_away_runs(left)
    for spelling in (left, left.translate(_LEET)):
        shorter = _COMMON.sub("", spelling)
        left = shorter if len(shorter) < len(left) else left
    return "".join(left.split())


def _take_away_runs(text: str) -> str:
    """Remove every stretch of four or more signs that stands like that in a row of keys or in the alphabet."""
    left: list[str] = []
    start = 0
    while start < len(text):
        end = start + _SHORTEST_RUN
        if not any(text[start:end] in row for row in _ROWS) or end > len(text):
            left.append(text[start])
            start += 1
            continue
        while end < len(text) and any(text[start : end + 1] in row for row in _ROWS):
            end += 1
        start = end
    return "".join(left)
