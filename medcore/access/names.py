"""User names: which may be given, and when two are the same. A name is stored exactly as given."""

from __future__ import annotations

import unicodedata

from medcore.errors import AccountError

__all__ = ["LONGEST_NAME", "RESERVED_NAMES", "check_user_name", "fold_user_name"]

LONGEST_NAME = 64
"""Characters."""

RESERVED_NAMES = frozenset({"demo", "system", "unknown", "nobody"})
"""Names the journal uses for other things."""

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that do not show, or that turn the text around them: no place in a name others must recognise."""


def check_user_name(text: str) -> str:
    """Return ``text`` unchanged if it may be a user name.

    Letters of every script, digits, signs and single spaces are fine: ``<b>``, ``O'Neill`` and
    ``'; DROP TABLE`` are names like others, and are escaped where they are shown.

    Raises
    ------
    AccountError
        Empty, too long, with blanks at its ends, with invisible characters, or reserved.
    """
    problem = _find_problem(text)
    if problem:
        raise AccountError(
            f"This user name {problem}.", field="name", value=text, expected="1 to 64 visible characters"
        )
    return text


def fold_user_name(text: str) -> str:
    """Return what two spellings of one name have in common: compatibility forms and case do not count (NFKC)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def _find_problem(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        return "is empty"
    if len(text) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters"
    if text != text.strip() or "  " in text:
        return "has needless blanks"
    if any(unicodedata.category(sign) in _UNSEEN for sign in text):
        return "has characters that cannot be seen"
    folded = fold_user_name(text)
    if not any(sign.isalnum() for sign in folded):
        return "has neither a letter nor a digit"
    return "is kept for medcore itself" if folded in RESERVED_NAMES else ""
