"""The helper process for heavy reading and counting: uploads, and the figures of their rows.

It needs NumPy, SciPy and the evaluation room only, so it starts in a second and the process that serves pages
stays free. Started at first use, with bounds on memory and time. An upload lives here, in memory only, from
:meth:`AnalysisProcess.open_upload` until its figures are taken or another upload needs the room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medcore.evaluation.recalibration import Recalibration
from medcore.evaluation.subgroups import SubgroupRow
from medcore.services.compare.measuring import Measured
from medcore.services.compare.upload_parts import Coded, FilmBytes, FilmFolder, RowBatch, UploadFigures, UploadHeader
from medcore.services.frozen_wire import pack, unpack
from medcore.workers import Answer, Limits, Worker

if TYPE_CHECKING:
    from medcore.workers import Handler

__all__ = ["ANALYSIS_LIMITS", "AnalysisProcess", "make_handler"]

_Result = TypeVar("_Result")

ANALYSIS_LIMITS = Limits(
    memory_bytes=3_000_000_000,
    cpu_s=150,
    niceness=5,
    request_s=120.0,
    start_s=60.0,
    queue_size=32,
)
"""What the child may use. 200,000 rows of 23 fields take about 0.3 GB; the address space it reserves is larger."""

_ENVIRON = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ENVIRON |= {"MALLOC_ARENA_MAX": "2"}


def make_handler() -> Handler:
    """Build the child's request handler; called inside the child by :mod:`medcore.workers`."""
    from medcore.services.compare.film_archive import FilmDesk
    from medcore.services.compare.upload_reading import Desk

    tables, films = Desk(), FilmDesk()

    def handle(op: str, payload: dict[str, object], blobs: list[bytes]) -> Answer:
        desk = films if op.endswith("_films") else tables
        found = getattr(desk, f"answer_{op}")(payload, blobs)
        out: list[bytes] = []
        return {"result": pack(found, out)}, out

    return handle


@dataclass(frozen=True, slots=True)
class _Ask:
    """An answer that is on its way."""

    future: Future[Answer]
    kind: Any

    def result(self) -> Any:
        """Wait for it."""
        answer, blobs = self.future.result()
        return unpack(self.kind, answer.get("result"), blobs)

    def cancel(self) -> None:
        """Withdraw it if nobody works on it yet."""
        self.future.cancel()


class AnalysisProcess:
    """The parent's side. Methods may be called from any thread; each may raise what the child raised.

    Parameters
    ----------
    limits : Limits, optional
        Bounds on the child.
    """

    def __init__(self, *, limits: Limits = ANALYSIS_LIMITS) -> None:
        self._worker = Worker(
            "medcore.services.compare.analysis_child:make_handler",
            name="analysis process",
            limits=limits,
            environ=_ENVIRON,
        )

    def start(self) -> None:
        """Start the child without waiting for it."""
        self._worker.start()

    def close(self) -> None:
        """Stop the child."""
        self._worker.close()

    @property
    def pid(self) -> int | None:
        """Process id of the present child, None when there is none."""
        return self._worker.pid

    def open_upload(
        self, content: bytes, condition_id: str, bundles: Mapping[str, Path], *, most_rows: int
    ) -> UploadHeader:
        """Look at the first line of a table and keep the rest for :meth:`next_batch`.

        Raises
        ------
        TableError
            It is no table, or has no column ``label``.
        """
        payload = {
            "condition": condition_id,
            "bundles": {name: str(path) for name, path in bundles.items()},
            "most_rows": most_rows,
        }
        found: UploadHeader = self._ask(UploadHeader, "open", payload, [content]).result()
        return found

    def next_batch(self, token: str) -> _Ask:
        """Read some more rows; ``result()`` gives a :class:`RowBatch` with those that may be scored."""
        return self._ask(RowBatch, "next", {"token": token})

    def finish(self, token: str, p: Mapping[str, np.ndarray], *, prevalence: float | None) -> UploadFigures:
        """Take the figures of an upload whose scores are now known; the upload is forgotten here."""
        raw, blobs = _pack_scores(p)
        found: UploadFigures = self._ask(
            UploadFigures, "finish", {"token": token, "p": raw, "prevalence": prevalence}, blobs
        ).result()
        return found

    def forget(self, token: str) -> None:
        """Drop an upload."""
        self._worker.submit("forget", {"token": token})

    def open_films(self, content: bytes, condition_id: str) -> FilmFolder:
        """Look through a ZIP of labelled films and keep it for :meth:`take_films`.

        Raises
        ------
        InputError
            It must not, or cannot, be opened; see :func:`medcore.services.compare.film_archive.read_archive`.
        """
        found: FilmFolder = self._ask(FilmFolder, "open_films", {"condition": condition_id}, [content]).result()
        return found

    def list_films(self, table: bytes, names: Sequence[str], condition_id: str) -> FilmFolder:
        """Find the labels of files in a table.

        Raises
        ------
        InputError
            As :func:`medcore.services.compare.film_archive.read_film_table`.
        """
        payload = {"condition": condition_id, "names": list(names)}
        found: FilmFolder = self._ask(FilmFolder, "list_films", payload, [table]).result()
        return found

    def take_films(self, token: str, places: Sequence[int]) -> _Ask:
        """Unpack some films; ``result()`` gives one :class:`FilmBytes` for each place."""
        return self._ask(tuple[FilmBytes, ...], "take_films", {"token": token, "places": list(places)})

    def forget_films(self, token: str) -> None:
        """Drop a ZIP."""
        self._worker.submit("forget_films", {"token": token})

    def measure(
        self, y: np.ndarray, p: Mapping[str, np.ndarray], *, patients: np.ndarray | None, prevalence: float | None
    ) -> Measured:
        """As :func:`medcore.services.compare.measuring.measure`, over there."""
        found: Measured = self._ask_arrays(Measured, "measure", y, p, patients, {"prevalence": prevalence})
        return found

    def measure_groups(
        self,
        y: np.ndarray,
        p: Mapping[str, np.ndarray],
        attributes: Mapping[str, Coded],
        *,
        cut_off: float,
        patients: np.ndarray | None,
    ) -> dict[str, tuple[SubgroupRow, ...]]:
        """As :func:`medcore.services.compare.group_figures.measure_groups`, over there."""
        payload: dict[str, object] = {"cut_off": cut_off, "attributes": attributes}
        kind = Mapping[str, tuple[SubgroupRow, ...]]
        found: dict[str, tuple[SubgroupRow, ...]] = self._ask_arrays(kind, "groups", y, p, patients, payload)
        return found

    def recalibrate(
        self, y: np.ndarray, p: np.ndarray, *, method: str, patients: np.ndarray | None, prevalence: float | None = None
    ) -> tuple[Recalibration, Measured]:
        """Fit a line to local patients; also the figures of the recalibrated copy, cross-fitted."""
        payload: dict[str, object] = {"method": method, "prevalence": prevalence}
        kind = tuple[Recalibration, Measured]
        found: tuple[Recalibration, Measured] = self._ask_arrays(kind, "recalibrate", y, {"": p}, patients, payload)
        return found

    def _ask_arrays(
        self,
        kind: Any,
        op: str,
        y: np.ndarray,
        p: Mapping[str, np.ndarray],
        patients: np.ndarray | None,
        payload: Mapping[str, object],
    ) -> Any:
        blobs: list[bytes] = []
        rows = {"y": y.astype("<f8"), "patients": None if patients is None else patients.astype("<i8")}
        raw = pack({**payload, **rows, "p": {name: item.astype("<f8") for name, item in p.items()}}, blobs)
        return self._ask(kind, op, raw, blobs).result()

    def _ask(self, kind: Any, op: str, payload: Mapping[str, object], blobs: Sequence[bytes] = ()) -> _Ask:
        return _Ask(self._worker.submit(op, payload, blobs), kind)


def _pack_scores(p: Mapping[str, np.ndarray]) -> tuple[Any, list[bytes]]:
    blobs: list[bytes] = []
    return pack({name: item.astype("<f8") for name, item in p.items()}, blobs), blobs
