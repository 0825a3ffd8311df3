"""How long a durable write of the journal takes, against a plain SQLite table that is written just as durably."""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from medcore.config import Settings
from medcore.services.bench.figure import Figure, time_both

__all__ = ["measure_journal"]

_REPEATS = 100
_EVENT_MS = 5.0
_ASSESSMENT_MS = 25.0


def measure_journal(settings: Settings) -> Iterator[Figure]:
    """Yield the milliseconds of an audit event and of a saved assessment, in a journal of its own."""
    from medcore.journal import Event, Journal, NewAssessment, Who

    who = Who(actor="local:bench")
    event = Event(actor="local:bench", action="assess", outcome="scored", condition="heart_disease", input_hash="00")
    inputs = {f"field_{i}": float(i) for i in range(30)}
    new = NewAssessment(
        condition="heart_disease",
        model_id="heart_disease-mlp",
        sha256="0" * 64,
        status="scored",
        inputs=inputs,
        result={"p_calibrated": 0.5, "explanation": inputs},
    )
    with TemporaryDirectory() as folder:
        own = replace(settings, data_dir=Path(folder) / "data", journal_url="", master_key="", key_store="file")
        with Journal(own.data_dir, settings=own) as journal, _PlainTable(Path(folder) / "plain.db") as plain:
            for name, call, at_most in (
                ("audit event", lambda: journal.record(event), _EVENT_MS),
                ("saved assessment of 30 fields", lambda: journal.assessments.save(new, by=who), _ASSESSMENT_MS),
            ):
                ours, theirs = time_both(call, plain.insert, repeats=_REPEATS, warm_up=3)
                yield Figure(
                    name=f"{name}, durable, p50",
                    unit="ms",
                    value=1e3 * statistics.median(ours),
                    baseline=1e3 * statistics.median(theirs),
                    baseline_name="one row into plain SQLite, synchronous",
                    at_most=at_most,
                )


class _PlainTable:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE event (at REAL, text TEXT)")

    def insert(self) -> None:
        self._connection.execute("INSERT INTO event VALUES (?, ?)", (0.0, "x" * 200))

    def __enter__(self) -> _PlainTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
