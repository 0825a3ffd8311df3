"""What all our processes together take: memory as the sum of PSS, threads, open files, and who holds TensorFlow.

PSS counts a page that several processes share once. Linux only: elsewhere there is no such figure.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcore.config import Settings
from medcore.errors import MedcoreError
from medcore.services.bench.figure import Figure

__all__ = ["Footprint", "measure_memory", "take_footprint"]

_PROC = Path("/proc")
_TENSORFLOW = "libtensorflow"
_MOST_MB = 1400.0
_N_EDITS = 1000
_LOOK_S = 2.0
_MOST_LOOKS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A process and all its descendants: megabytes (1e6 bytes, sum of PSS), threads, open files, TensorFlow."""

    pss_mb: float
    n_processes: int
    n_threads: int
    n_files: int
    n_tensorflow: int


def take_footprint(pid: int) -> Footprint:
    """Return what a process and its descendants take now.

    Raises
    ------
    MedcoreError
        The process is gone, or this system does not tell.
    """
    family = _find_family(pid)
    found = [part for part in map(_read_process, family) if part is not None]
    if not found:
        raise MedcoreError("memory cannot be measured here: it needs Linux and a process that runs")
    columns = list(zip(*found, strict=True))
    return Footprint(
        pss_mb=sum(columns[0]) / 1e6,
        n_processes=len(found),
        n_threads=int(sum(columns[1])),
        n_files=int(sum(columns[2])),
        n_tensorflow=int(sum(columns[3])),
    )


def measure_memory(settings: Settings) -> Iterator[Figure]:
    """Yield the memory of the dashboard at rest, with all default models warm, and after 1,000 assessments.

    Raises
    ------
    MedcoreError
        No browser or no bundles here.
    """
    from medcore.services.bench.bench_browser import edit_many, run_dashboard

    with run_dashboard(settings) as (address, pid, browser):
        idle = take_footprint(pid)
        yield Figure(name="memory after the port is open", unit="MB", value=idle.pss_mb, better="less")
        times, warm = edit_many(browser, address, _N_EDITS, lambda: _take_when_warm(pid))
        assert warm is not None
        yield Figure(
            name="memory, all default models warm", unit="MB", value=warm.pss_mb, better="less", at_most=_MOST_MB
        )
        late = take_footprint(pid)
        yield Figure(
            name=f"memory after {len(times):,} assessments in a browser",
            unit="MB",
            value=late.pss_mb,
            baseline=warm.pss_mb,
            baseline_name="the same server when warm",
            better="less",
            at_most=_MOST_MB,
        )
        yield Figure(
            name="processes with TensorFlow", unit="", value=float(late.n_tensorflow), better="less", at_most=1.0
        )


def _take_when_warm(pid: int) -> Footprint:
    """Return the footprint once it grows no more: models are still loaded while the first answers are given."""
    last = take_footprint(pid)
    for _ in range(_MOST_LOOKS):
        time.sleep(_LOOK_S)
        now = take_footprint(pid)
        if now.pss_mb < 1.01 * last.pss_mb:
            return now
        last = now
    return last


def _find_family(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family


def _read_process(pid: int) -> tuple[float, int, int, bool] | None:
    folder = _PROC / str(pid)
    try:
        lines = (folder / "smaps_rollup").read_text().splitlines()
        pss = next(float(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        threads = len(list((folder / "task").iterdir()))
        files = len(list((folder / "fd").iterdir()))
        return pss, threads, files, _TENSORFLOW in (folder / "maps").read_text()
    except (OSError, StopIteration, ValueError):
        return None
