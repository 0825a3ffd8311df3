"""Cut-off, verdict, table of models and figures on the page: one component, redrawn in the browser.

The server sends a comparison once and hears of a cut-off when it has rested for .4 s.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["USES", "Choice", "parse_choice", "read_script", "show"]

USES = ("find cases", "rule out")
"""What a cut-off may be for, as the page, the browser and the locked cut-offs call it."""

_FOLDER = Path(__file__).parent
_SCRIPTS = ("operating", "words", "draw", "figures", "board", "save", "curves")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The cut-off on the screen, strictly between 0 and 1, and what it is for (one of :data:`USES`)."""

    cut_off: float
    use: str


@cache
def read_script() -> str:
    """Return the component's script: its files in order, without the line that exports it."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)


def show(
    payload: str,
    *,
    condition: str,
    key: str,
    signature: str,
    start: Choice,
    milliseconds: Mapping[str, float] | None = None,
) -> Choice:
    """Draw a comparison and return the cut-off that the reader has come to rest on.

    Parameters
    ----------
    payload
        From :func:`medcore.figures.curve_payload.build_payload`, as JSON; read when the signature changes.
    condition
        Id of the clinical question.
    key
        Names this component on the page and in the session.
    signature
        Changes with the payload; the same one keeps everything the reader set.
    start
        Where the cut-off stands at first.
    milliseconds
        Time to score one case by model id, which may become known later than the rest.
    """
    sent = st.session_state.get(key)
    known = parse_choice(sent.get("choice") if sent is not None else None, condition) or start
    data = {
        "payload": payload,
        "signature": signature,
        "cut_off": known.cut_off,
        "use": known.use,
        "milliseconds": json.dumps(dict(milliseconds or {})),
    }
    answer = _declare(st.components.v2.component)(key=key, data=data, on_choice_change=lambda: None, height="content")
    return parse_choice(answer.get("choice"), condition) or start


def parse_choice(sent: object, condition: str) -> Choice | None:
    """Return the cut-off as the browser sent it; None for anything else, or one of another condition.

    >>> parse_choice({"condition": "a", "cut_off": 0.1, "use": "rule out"}, "a")
    Choice(cut_off=0.1, use='rule out')
    """
    if not isinstance(sent, dict) or sent.get("condition") != condition or sent.get("use") not in USES:
        return None
    cut_off = sent.get("cut_off")
    if isinstance(cut_off, bool) or not isinstance(cut_off, int | float) or not math.isfinite(cut_off):
        return None
    return Choice(cut_off=float(cut_off), use=sent["use"]) if 0.0 < cut_off < 1.0 else None


@cache
def _declare(component: Callable[..., Any]) -> Any:
    return component(
        "medcore_curves",
        html=(_FOLDER / "curves.html").read_text(encoding="utf-8"),
        css=(_FOLDER / "curves.css").read_text(encoding="utf-8"),
        js=f"{read_script()}\nexport default mountCurves;\n",
    )
