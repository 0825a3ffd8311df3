"""What a file may be called in a message: short, on one line, and without anything that acts on a page."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["UNNAMED", "safe_name"]

UNNAMED = "the film"
_LONGEST = 60
_TAIL = 16


def safe_name(name: str) -> str:
    r"""Make a file's name safe to quote: its last part only, no control or direction characters, at most 60 long.

    Names come from outside and may hold anything: folders, markup, characters that turn the writing round.
    The result is for people to recognise a file; nothing is ever opened or stored under it.

    Examples
    --------
    >>> safe_name("../../etc/pass\x00wd")
    'passwd'
    >>> safe_name("<script>alert(1)<.script>.png")
    '_script_alert(1)_.script_.png'
    >>> safe_name("a" * 300 + ".dcm")[-12:]
    'aaaaaaaa.dcm'
    """
    last = re.split(r"[\\/]", name.rstrip("\\/"))[-1]
    kept = "".join(" " if character.isspace() else character for character in last if _is_plain(character))
    kept = re.sub(r"[<>&\"'`|*$\[\]{}]", "_", re.sub(r" +", " ", kept)).strip(" .")
    if not kept:
        return UNNAMED
    if len(kept) > _LONGEST:
        return f"{kept[: _LONGEST - _TAIL - 1]}…{kept[-_TAIL:]}"
    return kept


def _is_plain(character: str) -> bool:
    category = unicodedata.category(character)
    return character.isspace() or (category[0] not in "C" and category not in {"Zl", "Zp"})
