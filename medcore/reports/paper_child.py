"""The helper process that prints papers: the page's own process loads no drawing library.

Request ``"board_paper"``: the payload holds the facts (:func:`medcore.reports.paper_facts.to_json`), the answer one
blob, the PDF.
"""

from __future__ import annotations

from collections.abc import Callable

from medcore.errors import InputError
from medcore.reports.board_paper import draw_board_paper
from medcore.reports.paper_facts import from_json

__all__ = ["make_handler"]

_Answer = tuple[dict[str, object], list[bytes]]


def make_handler() -> Callable[[str, dict[str, object], list[bytes]], _Answer]:
    """Return the answer to requests."""

    def handle(op: str, payload: dict[str, object], _blobs: list[bytes]) -> _Answer:
        if op != "board_paper":
            raise InputError(f"unknown request {op!r}")
        return {}, [draw_board_paper(from_json(payload))]

    return handle
