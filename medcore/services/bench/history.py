"""Speed tables kept on disk, one line of JSON a figure, so that two runs can be compared."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medcore import __version__
from medcore.errors import InputError

__all__ = ["append_history", "compare_runs", "describe_run", "read_last_run"]


def describe_run() -> dict[str, Any]:
    """Return what names a run: when it began, which version, on what machine."""
    return {
        "run": datetime.now(UTC).isoformat(timespec="microseconds"),
        "version": __version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def append_history(path: Path, rows: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> None:
    """Add rows of one run to a file, each with what :func:`describe_run` said and the machine's present load.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    run = {**run, "load": round(os.getloadavg()[0], 1)}
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**run, **row}, ensure_ascii=False) + "\n" for row in rows)
    except OSError as error:
        raise InputError(f"the history {path} cannot be written ({error.strerror})", field="history") from error


def read_last_run(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the newest run in a file.

    Raises
    ------
    InputError
        The file cannot be read, or is no history.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        last = max(row["run"] for row in rows)
        return [row for row in rows if row["run"] == last and row["name"]]
    except OSError as error:
        raise InputError(f"the history {path} cannot be read ({error.strerror})", field="history") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a history of medcore bench", field="history") from error


def compare_runs(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put the figures of two runs side by side, by name.

    ``change`` is the new value relative to the old one; ``relative_change`` the new ratio to the baseline relative
    to the old ratio, which is the fairer of the two when the machine was not equally busy.
    """
    old = {row["name"]: row for row in before}
    return [
        {
            "name": row["name"],
            "unit": row["unit"],
            "before": old[row["name"]]["value"],
            "after": row["value"],
            "change": _divide(row["value"], old[row["name"]]["value"]),
            "relative_change": _divide(row["ratio"], old[row["name"]]["ratio"]),
        }
        for row in after
        if row["name"] in old
    ]


def _divide(new: float | None, old: float | None) -> float | None:
    return None if new is None or not old else new / old
