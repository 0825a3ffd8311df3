"""How long a command takes before it does anything, against a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from medcore.config import Settings
from medcore.services.bench.figure import Figure, time_calls

__all__ = ["measure_imports"]

_COMMANDS = (
    ("import medcore", ["-c", "import medcore"]),
    ("medcore --help", ["-m", "medcore.cli", "--help"]),
    ("import medcore.api, list models", ["-c", "import medcore; medcore.list_models()"]),
    ("what the pages import", ["-c", "import medcore.ui.server, medcore.services.house"]),
)


def measure_imports(_: Settings) -> Iterator[Figure]:
    """Yield the seconds of a whole process that imports and ends; beside it, what the pages would import otherwise."""
    bare = _time_process(["-c", "pass"])
    for name, arguments in _COMMANDS:
        yield Figure(
            name=name, unit="s", value=_time_process(arguments), baseline=bare, baseline_name="bare interpreter"
        )
    heavy = _time_process(["-c", "import tensorflow"], repeats=1)
    yield Figure(name="import tensorflow", unit="s", value=heavy, baseline=bare, baseline_name="bare interpreter")


def _time_process(arguments: Sequence[str], repeats: int = 5) -> float:
    def start() -> None:
        subprocess.run([sys.executable, *arguments], check=False, capture_output=True)  # noqa: S603 - our own interpreter

    return statistics.median(time_calls(start, repeats=repeats, warm_up=1))
