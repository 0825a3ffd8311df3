"""The helper process that prints case files: the page's own process loads no drawing library.

Request ``"case_file"``: the payload and the blobs hold the facts (:func:`medcore.reports.case_file.to_json`), the
answer one blob, the PDF.
"""

from __future__ import annotations

from collections.abc import Callable

from medcore.errors import InputError
from medcore.reports.case_file import from_json
from medcore.reports.case_pdf import draw_case_pdf

__all__ = ["make_handler"]

_Answer = tuple[dict[str, object], list[bytes]]


def make_handler() -> Callable[[str, dict[str, object], list[bytes]], _Answer]:
    """Return the answer to requests."""

    def handle(op: str, payload: dict[str, object], blobs: list[bytes]) -> _Answer:
        if op != "case_file":
            raise InputError(f"unknown request {op!r}")
        return {}, [draw_case_pdf(from_json(payload, blobs))]

    return handle
