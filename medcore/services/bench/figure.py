"""One measured figure with its baseline and its target, and the clock that all groups use."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Figure", "median_ms", "time_both", "time_calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure; ``value`` is None when it could not be measured, with the ``reason``.

    Attributes
    ----------
    baseline, baseline_name
        What a user would otherwise have, from the same run; ``ratio`` is ``value / baseline``.
    better : str
        ``"less"`` or ``"more"``.
    ratio_limit : float, optional
        The target for ``ratio``: at most this where less is better, at least this where more is.
    at_most, at_least : float, optional
        The target for ``value`` itself.
    """

    name: str
    unit: str
    value: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    reason: str = ""
    better: str = "less"
    ratio_limit: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value relative to the baseline."""
        return None if self.value is None or not self.baseline else self.value / self.baseline

    @property
    def target(self) -> str:
        """The target in words, empty where there is none."""
        sign = "<=" if self.better == "less" else ">="
        words = [f"{sign} {self.ratio_limit:g} x"] if self.ratio_limit is not None else []
        words += [f"<= {self.at_most:g} {self.unit}".rstrip()] if self.at_most is not None else []
        words += [f">= {self.at_least:g} {self.unit}".rstrip()] if self.at_least is not None else []
        return ", ".join(words)

    @property
    def met(self) -> bool | None:
        """Whether every target is met; None without a target or without a value."""
        if not self.target or self.value is None:
            return None
        ratio = self.ratio
        if self.ratio_limit is not None:
            if ratio is None:
                return None
            if ratio > self.ratio_limit if self.better == "less" else ratio < self.ratio_limit:
                return False
        above = self.at_most is not None and self.value > self.at_most
        below = self.at_least is not None and self.value < self.at_least
        return not above and not below


def time_calls(call: Callable[[], object], *, repeats: int, warm_up: int = 2) -> list[float]:
    """Return the wall-clock seconds of ``repeats`` calls, after ``warm_up`` calls that do not count."""
    for _ in range(warm_up):
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def time_both(
    ours: Callable[[], object], theirs: Callable[[], object], *, repeats: int, warm_up: int = 1
) -> tuple[list[float], list[float]]:
    """Time two calls in turn, so that whatever else the machine does falls on both alike."""
    time_calls(ours, repeats=0, warm_up=warm_up)
    time_calls(theirs, repeats=0, warm_up=warm_up)
    mine, other = [], []
    for _ in range(repeats):
        mine += time_calls(ours, repeats=1, warm_up=0)
        other += time_calls(theirs, repeats=1, warm_up=0)
    return mine, other


def median_ms(seconds: list[float]) -> float:
    """Return the median of some seconds in milliseconds."""
    return 1e3 * statistics.median(seconds)
