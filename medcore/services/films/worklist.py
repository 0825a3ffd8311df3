"""One reader's list of films: opened and scored in the background, in the order of arrival, a bad one skipped.

A :class:`Worklist` belongs to one session and lives in memory only. Its background thread runs while there is
something to open or to score and ends by itself. Every method may be called from any thread.
"""

from __future__ import annotations

import contextlib
import csv
import io
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Protocol

from medcore.access import describe_actor
from medcore.errors import BusyError, ImageError, ImageSizeError, InputError, MedcoreError
from medcore.imaging.copying import CopyOrder, Look, Region
from medcore.imaging.radiograph import Radiograph
from medcore.journal import Event
from medcore.results import Status, whole_percent
from medcore.services.films import reading
from medcore.services.films.reading import Desk, FilmCase, Finding, OwnReading, Stage, Verdict
from medcore.services.gateway import carry
from medcore.services.prevalence import restate_risk

__all__ = ["MAX_FILMS", "Added", "Counts", "FilmMemory", "FilmSource", "Keep", "Sort", "Worklist"]

MAX_FILMS = 100
"""Films on one list; a reader clears it before the next batch."""

_DECODES_AHEAD = 3
_BATCH = 8
_BUSY_PAUSE_S = 0.2
_MB = 1 << 20
_TENSOR_BYTES = 224 * 224 * 4
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class FilmSource(Protocol):
    """What opens files: ``medcore.imaging.reader.FilmReader``."""

    def submit(self, data: bytes, name: str = "") -> Future[Radiograph]:
        """Open one file elsewhere; returns at once."""

    def look(self, film: Radiograph, covered: Iterable[Region] = (), found: Iterable[Region] | None = None) -> Look:
        """Look elsewhere for words in a film that is about to leave."""

    def copy(self, film: Radiograph, order: CopyOrder, covered: Iterable[Region] = ()) -> bytes:
        """Write elsewhere a de-identified DICOM file of a film."""


class Sort(StrEnum):
    """Order of the list. ``TRIAGE`` is for sites that have switched it on."""

    ARRIVAL = "arrival"
    PROBABILITY = "probability of read films"
    TRIAGE = "triage order"


class Keep(StrEnum):
    """Which films the list shows."""

    ALL = "all"
    UNREAD = "to read"
    READ = "read"
    WITHHELD = "withheld"
    FAILED = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """How many files were taken, how many not, and in one sentence why not."""

    taken: int
    refused: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where the list stands; ``busy`` counts films that are still being opened or scored."""

    films: int
    read: int
    withheld: int
    failed: int
    busy: int


class FilmMemory:
    """The memory that all lists of this process share, in megabytes.

    Examples
    --------
    >>> memory = FilmMemory(limit_mb=1)
    >>> memory.take(1 << 20), memory.take(1)
    (True, False)
    """

    def __init__(self, limit_mb: int) -> None:
        self.limit_mb = limit_mb
        self._free = limit_mb * _MB
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> bool:
        """Reserve; return whether there was room."""
        with self._lock:
            if n_bytes > self._free:
                return False
            self._free -= n_bytes
            return True

    def give(self, n_bytes: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._free += n_bytes


class _Account:
    """What one list has taken of the shared memory, per film; given back at the latest when the list is gone."""

    def __init__(self, memory: FilmMemory) -> None:
        self._memory = memory
        self._taken: dict[str, int] = {}

    def set(self, case_id: str, n_bytes: int) -> bool:
        """Change what a film takes; return whether there was room."""
        more = n_bytes - self._taken.get(case_id, 0)
        if more > 0 and not self._memory.take(more):
            return False
        if more < 0:
            self._memory.give(-more)
        self._taken[case_id] = n_bytes
        return True

    def close(self) -> None:
        """Give everything back."""
        self._memory.give(sum(self._taken.values()))
        self._taken.clear()


class Worklist:
    """The films of one reader.

    Parameters
    ----------
    desk : Desk
        Who reads with which model.
    reader : FilmSource
        Opens files in a helper process.
    memory : FilmMemory
        Shared by all lists of the process.
    prevalence : float, optional
        The site's share of positive films, 0 to 1 exclusive.
    triage : bool
        Whether the site allows the order by score for unread films.
    """

    def __init__(
        self,
        desk: Desk,
        reader: FilmSource,
        memory: FilmMemory,
        *,
        prevalence: float | None = None,
        triage: bool = False,
    ) -> None:
        self.desk = desk
        self.triage = triage
        self._reader = reader
        self._changed = threading.Condition()
        self._cases: dict[str, FilmCase] = {}
        self._data: dict[str, bytes] = {}
        self._decodes: dict[str, Future[Radiograph]] = {}
        self._maps: list[tuple[str, str]] = []
        self.map_method = reading.HEAT_MAP
        self._account = _Account(memory)
        self._memory = memory
        self._arrived = 0
        self._first = ""
        self._prevalence = prevalence
        self._version = 0
        self._thread: threading.Thread | None = None
        weakref.finalize(self, self._account.close)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self._version

    @property
    def prevalence(self) -> float | None:
        """The site's share of positive films that figures are restated for."""
        return self._prevalence

    @property
    def cases(self) -> tuple[FilmCase, ...]:
        """All films in the order of arrival."""
        with self._changed:
            return tuple(self._cases.values())

    @property
    def counts(self) -> Counts:
        """Where the list stands."""
        cases = self.cases
        return Counts(
            films=len(cases),
            read=sum(case.reading is not None for case in cases),
            withheld=sum(case.status is Status.WITHHELD for case in cases),
            failed=sum(case.stage is Stage.FAILED for case in cases),
            busy=sum(case.stage is Stage.WAITING or case.unscored for case in cases),
        )

    def case(self, case_id: str) -> FilmCase:
        """Return one film.

        Raises
        ------
        InputError
            It is not on the list.
        """
        with self._changed:
            if case_id not in self._cases:
                raise InputError("this film is no longer on the list")
            return self._cases[case_id]

    def add(self, files: Sequence[tuple[str, bytes]]) -> Added:
        """Put files on the list and start to open them; those beyond the room are refused, none half-taken."""
        taken, reason = 0, ""
        for name, data in files:
            with self._changed:
                if len(self._cases) >= MAX_FILMS:
                    reason = f"a list holds {MAX_FILMS} films: clear it, then drop the rest"
                    break
                case = self._arrive(name)
                if not self._account.set(case.id, len(data)):
                    self._account.set(case.id, 0)
                    reason = (
                        f"the films open here fill the {self._memory.limit_mb} MB set aside for them: clear the list"
                    )
                    break
                self._cases[case.id] = case
                self._data[case.id] = data
                taken += 1
        self._note_change()
        self._start()
        return Added(taken=taken, refused=len(files) - taken, reason=reason)

    def add_film(self, film: Radiograph, name: str) -> Added:
        """Put a film that is open already on the list."""
        with self._changed:
            if len(self._cases) >= MAX_FILMS:
                return Added(taken=0, refused=1, reason=f"a list holds {MAX_FILMS} films: clear it first")
            case = self._arrive(name)
            self._cases[case.id] = case
        self._open(case.id, film)
        self._start()
        return Added(taken=1)

    def remove_all(self) -> None:
        """Empty the list; what is under way is dropped."""
        with self._changed:
            for future in self._decodes.values():
                future.cancel()
            self._cases.clear()
            self._data.clear()
            self._decodes.clear()
            self._maps.clear()
            self._account.close()
            self._arrived = 0
        self._note_change()

    def retry(self, case_id: str = "") -> None:
        """Try again what failed for a passing reason: all such films, or one."""
        with self._changed:
            for case in list(self._cases.values()):
                if case_id not in ("", case.id):
                    continue
                if case.stage is Stage.FAILED and case.id in self._data:
                    self._cases[case.id] = replace(case, stage=Stage.WAITING, error=None)
                elif case.score_error is not None:
                    self._cases[case.id] = replace(case, score_error=None)
        self._note_change()
        self._start()

    def can_retry(self, case: FilmCase) -> bool:
        """Whether trying again may help: not where the file itself is at fault."""
        return case.score_error is not None or (case.stage is Stage.FAILED and case.id in self._data)

    def prefer(self, case_id: str) -> None:
        """Open and score this film before the others."""
        self._first = case_id

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds that depends on the list; return whether it does."""
        with self._changed:
            return self._changed.wait_for(until, seconds)

    # What the reader does.

    def read(self, case_id: str, own: OwnReading, note: str = "") -> FilmCase:
        """Record the reader's own reading; see :func:`medcore.services.films.reading.read`."""
        return self._replace(case_id, lambda case: reading.read(self.desk, case, own, note))

    def judge(self, case_id: str, verdict: Verdict) -> FilmCase:
        """Record agreement or override; see :func:`medcore.services.films.reading.judge`."""
        return self._replace(case_id, lambda case: reading.judge(self.desk, case, verdict))

    def reveal(self, case_id: str) -> Finding | None:
        """Return what the model says about an open film, None while it has not answered.

        Raises
        ------
        UnreadFilmError
            The film was not read yet, and this site reads first.
        """
        case = self.case(case_id)
        finding = reading.reveal(self.desk, case, self._prevalence, self.map_method)
        if finding is not None and finding.p is not None and not case.seen:
            with self._changed:
                if case_id in self._cases:
                    self._cases[case_id] = replace(self._cases[case_id], seen=True)
        return finding

    def is_open(self, case_id: str) -> bool:
        """Whether a film's score may be seen; see :func:`medcore.services.films.reading.is_open`."""
        return reading.is_open(self.desk, self.case(case_id))

    def find(self, case_id: str) -> Finding | None:
        """Return what may be shown of a film: None while it is closed or the model has not answered."""
        return self.reveal(case_id) if self.is_open(case_id) else None

    def withdraw(self) -> None:
        """Take back the scores of models that were switched off or recalled since.

        Raises
        ------
        StorageError
            The journal cannot be read.
        """
        for case in self.cases:
            if case.scored and reading.withdraw(self.desk, case) is not case:
                self._replace(case.id, lambda case: reading.withdraw(self.desk, case))

    def see(self, case_id: str, method: str = "") -> FilmCase:
        """Compute a map of a read film, the chosen one by default; see :func:`medcore.services.films.reading.see`."""
        wanted = method or self.map_method
        return self._replace(case_id, lambda case: reading.see(self.desk, case, wanted))

    def choose_map(self, method: str) -> None:
        """Choose the map that findings carry from now on: ``HEAT_MAP`` or ``SHAP_MAP`` of the reading."""
        self.map_method = method
        self._note_change()

    def prepare_map(self, case_id: str) -> None:
        """Compute the map of a read film in the background, so that it is there when it is asked for.

        The heat map goes before the films that wait, whose reader looks at this one; SHAP values come last.
        """
        case, wanted = self.case(case_id), (case_id, self.map_method)
        with self._changed:
            if wanted not in self._maps and reading.can_be_seen(self.desk, case, self.map_method):
                self._maps.append(wanted)
        self._start()

    def is_mapping(self, case_id: str) -> bool:
        """Whether the map of a film is being computed."""
        return (case_id, self.map_method) in self._maps

    def has_map(self, case_id: str) -> bool:
        """Whether the map of a film has been computed, or was tried in vain."""
        return reading.has_map(self.case(case_id), self.map_method)

    def turn(self, case_id: str) -> FilmCase:
        """Turn a film a quarter clockwise and score it again."""
        case = self._replace(case_id, lambda case: reading.turn(self.desk, case))
        self._start()
        return case

    def set_prevalence(self, prevalence: float | None) -> None:
        """Restate every figure of this list for another share of positive films; journalled.

        Raises
        ------
        InputError
            It is not strictly between 0 and 1.
        """
        if prevalence == self._prevalence:
            return
        if prevalence is not None:
            restate_risk(0.5, 0.5, prevalence)
        outcome = "study" if prevalence is None else f"{prevalence:g}"
        self._record("set_prevalence", outcome)
        self._prevalence = prevalence
        self._note_change()

    # What the list shows.

    def arrange(self, sort: Sort = Sort.ARRIVAL, keep: Keep = Keep.ALL) -> tuple[FilmCase, ...]:
        """Return the films in the order of the list.

        Arrival keeps the views of one study together. Probability orders open films only (see
        :func:`medcore.services.films.reading.is_open`), the others follow as they arrived. Triage orders unread films
        by their score too, where the site has switched it on.
        """
        cases = [case for case in self.cases if _KEEPS[keep](case)]
        if sort is Sort.TRIAGE and self.triage:
            return tuple(sorted(cases, key=lambda case: -_hidden_p(case)))
        if sort is Sort.PROBABILITY:
            open_ = {case.id for case in cases if reading.is_open(self.desk, case)}
            return tuple(sorted(cases, key=lambda case: -_hidden_p(case) if case.id in open_ else 1.0))
        places: dict[str, int] = {}
        for case in cases:
            places.setdefault(_study_of(case), case.number)
        return tuple(sorted(cases, key=lambda case: (places[_study_of(case)], case.number)))

    def views(self, case: FilmCase) -> tuple[FilmCase, ...]:
        """Return the films of one study, this one among them."""
        return tuple(other for other in self.cases if _study_of(other) == _study_of(case))

    def find_prior(self, case: FilmCase) -> FilmCase | None:
        """Return the newest earlier film of the same child, of another study."""
        film = case.film
        if film is None or not film.patient_key or film.acquired_on is None:
            return None
        earlier = [
            other
            for other in self.cases
            if other.film is not None
            and other.film.patient_key == film.patient_key
            and _study_of(other) != _study_of(case)
            and other.film.acquired_on is not None
            and other.film.acquired_on < film.acquired_on
        ]
        return max(earlier, key=lambda other: (other.pixels.acquired_on, -other.number), default=None)

    def write_csv(self) -> str:
        """Write the list as CSV, journalled first; films that are not open have no figure in it."""
        self._record("export_films", "csv", n_records=len(self.cases))
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(_CSV_HEAD)
        for case in self.cases:
            is_open = reading.is_open(self.desk, case)
            finding = reading.reveal(self.desk, case, self._prevalence) if is_open else None
            writer.writerow([_defuse(text) for text in _write_row(case, finding)])
        return out.getvalue()

    # The background.

    def _arrive(self, name: str) -> FilmCase:
        self._arrived += 1
        return reading.new_case(self._arrived, name)

    def _start(self) -> None:
        with self._changed:
            if self._thread is None and self._has_work():
                self._thread = threading.Thread(target=carry(self._work), name="medcore films", daemon=True)
                self._thread.start()

    def _has_work(self) -> bool:
        waits = any(case.stage is Stage.WAITING or case.unscored for case in self._cases.values())
        return waits or bool(self._maps)

    def _work(self) -> None:
        """Open ahead, score what is open; ends when nothing is left."""
        try:
            while self._is_needed():
                self._decode_ahead()
                batch, pending = self._next_batch(), list(self._decodes.items())[:1]
                if self._wants_heat():
                    self._draw_map()
                elif batch and self._should_score(batch, [future for _, future in pending]):
                    self._score(batch)
                elif pending:
                    self._finish_decode(pending[0][0])
                else:
                    self._draw_map()
        except BaseException:
            self._thread = None
            raise

    def _is_needed(self) -> bool:
        """Whether there is work; without any the thread gives up its place before it ends, so that none is lost."""
        with self._changed:
            if not self._has_work():
                self._thread = None
            return self._thread is not None

    def _should_score(self, batch: Sequence[FilmCase], decodes: Sequence[Future[Radiograph]]) -> bool:
        """Score rather than wait for the next film; while the models start, the next films are opened first."""
        if not decodes:
            return True
        return self.desk.gateway.ready() and (len(batch) >= _BATCH or not decodes[0].done())

    def _decode_ahead(self) -> None:
        waiting = sorted(
            (case for case in self.cases if case.stage is Stage.WAITING and case.id not in self._decodes),
            key=lambda case: (case.id != self._first, case.number),
        )
        for case in waiting[: max(0, _DECODES_AHEAD - len(self._decodes))]:
            try:
                self._decodes[case.id] = self._reader.submit(self._data[case.id], case.name)
            except KeyError:  # the list was cleared meanwhile
                continue
            except BusyError:
                if not self._decodes:
                    threading.Event().wait(_BUSY_PAUSE_S)
                return
            except MedcoreError as error:
                self._fail(case.id, error)

    def _finish_decode(self, case_id: str) -> None:
        film: Radiograph | None = None
        try:
            film = self._decodes[case_id].result()
        except MedcoreError as error:
            self._fail(case_id, error)
        except (CancelledError, KeyError):  # the list was cleared meanwhile
            return
        if film is not None:
            self._open(case_id, film)
        self._decodes.pop(case_id, None)

    def _open(self, case_id: str, film: Radiograph) -> None:
        try:
            case = self.case(case_id)
            if not self._account.set(case_id, film.stored.nbytes + _TENSOR_BYTES):
                raise ImageSizeError(
                    f"{case.name}: no room, the open films fill the {self._memory.limit_mb} MB set aside for them. "
                    "Clear the list."
                )
            opened = reading.open_film(self.desk, case, film)
            self._put(replace(opened, remarks=self._compare(opened)))
            self._data.pop(case_id, None)
        except MedcoreError as error:
            self._fail(case_id, error)

    def _fail(self, case_id: str, error: MedcoreError) -> None:
        """Keep the file only where trying again may help."""
        if isinstance(error, ImageError):
            self._data.pop(case_id, None)
            self._account.set(case_id, 0)
        try:
            failed = reading.note_failure(self.desk, self.case(case_id), error)
        except MedcoreError as worse:  # not journalled: still no film
            with self._changed:
                case = self._cases.get(case_id)
            if case is None:
                return
            failed = replace(case, stage=Stage.FAILED, error=worse)
        self._put(failed)

    def _next_batch(self) -> list[FilmCase]:
        unscored = [case for case in self.cases if case.unscored]
        unscored.sort(key=lambda case: (case.id != self._first, case.number))
        return unscored[:_BATCH]

    def _score(self, batch: Sequence[FilmCase]) -> None:
        try:
            scored: Iterable[FilmCase] = reading.score(self.desk, batch)
        except MedcoreError as error:
            scored = [replace(case, score_error=error) for case in batch]
        for before, after in zip(batch, scored, strict=True):
            self._take_over(before, after)

    def _wants_heat(self) -> bool:
        with self._changed:
            return any(method == reading.HEAT_MAP for _, method in self._maps)

    def _draw_map(self) -> None:
        with self._changed:
            wanted = min(self._maps, key=lambda film: film[1] != reading.HEAT_MAP, default=None)
        if wanted is None:
            return
        with contextlib.suppress(MedcoreError):  # not journalled, or gone: asking for it says so
            self.see(*wanted)
        with self._changed:
            self._maps = [other for other in self._maps if other != wanted]
        self._note_change()

    def _compare(self, case: FilmCase) -> tuple[str, ...]:
        """Say which other films are the same, or pretend to be."""
        remarks = []
        for other in self.cases:
            if other.film is None or case.film is None or other.id == case.id:
                continue
            if other.film.pixel_sha256 == case.film.pixel_sha256:
                remarks.append(f"same pixels as film {other.number}")
            elif case.film.instance_key and other.film.instance_key == case.film.instance_key:
                remarks.append(
                    f"same DICOM number as film {other.number} but other pixels: check which of them is right"
                )
        return tuple(remarks)

    def _put(self, case: FilmCase) -> None:
        with self._changed:
            if case.id in self._cases:
                self._cases[case.id] = case
        self._note_change()

    def _replace(self, case_id: str, change: Callable[[FilmCase], FilmCase]) -> FilmCase:
        """Apply a change that may take a while."""
        before = self.case(case_id)
        return self._take_over(before, change(before))

    def _take_over(self, before: FilmCase, after: FilmCase) -> FilmCase:
        """Apply what a change did to a film as it is now: what happened to it meanwhile is not lost.

        A film that was turned or removed meanwhile is left alone: the change is about other pixels.
        """
        with self._changed:
            now = self._cases.get(before.id)
            if now is not None and now.turns == before.turns:
                after = after if now is before or after.turns != before.turns else _merge(before, after, now)
                self._cases[before.id] = after
        self._note_change()
        return after

    def _note_change(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def _record(self, action: str, outcome: str, n_records: int = 1) -> None:
        self.desk.journal.record(
            Event(
                **describe_actor(self.desk.actor),
                action=action,
                outcome=outcome,
                condition=self.desk.condition.id,
                n_records=n_records,
            )
        )


def _merge(before: FilmCase, after: FilmCase, now: FilmCase) -> FilmCase:
    """Return ``now`` with every attribute that differs between ``before`` and ``after``."""
    names = [item.name for item in fields(after) if getattr(after, item.name) is not getattr(before, item.name)]
    return replace(now, **{name: getattr(after, name) for name in names})


def _study_of(case: FilmCase) -> str:
    return case.film.study_key if case.film is not None and case.film.study_key else case.id


def _hidden_p(case: FilmCase) -> float:
    """Return the score for ordering only; films without one come last."""
    answer = case._answer
    return answer.p_calibrated if answer is not None and answer.p_calibrated is not None else -1.0


_KEEPS: dict[Keep, Callable[[FilmCase], bool]] = {
    Keep.ALL: lambda case: True,
    Keep.UNREAD: lambda case: case.reading is None and case.stage is not Stage.FAILED,
    Keep.READ: lambda case: case.reading is not None,
    Keep.WITHHELD: lambda case: case.status is Status.WITHHELD,
    Keep.FAILED: lambda case: case.stage is Stage.FAILED,
}

_CSV_HEAD = (
    "film",
    "file",
    "state",
    "own_reading",
    "revised",
    "note",
    "p_percent",
    "lo_percent",
    "hi_percent",
    "on_mix_percent",
    "verdict",
    "override_code",
    "override_reason",
    "reasons",
    "model",
    "sha256",
)


def _write_row(case: FilmCase, finding: Finding | None) -> list[str]:
    state = case.stage.value if case.stage is Stage.FAILED else str(case.status or "not scored")
    verdict = "" if case.verdict is None else "agree" if case.verdict.agrees else "override"
    reasons = case.error.message if case.error is not None else " ".join(f"{reason.text}." for reason in case.telling)
    shown: list[str] = ["", "", "", ""]
    if finding is not None and finding.p is not None and finding.interval is not None:
        mix = finding.base_rate if finding.prevalence is None else finding.prevalence
        shown = [whole_percent(value) for value in (finding.p, finding.interval.lo, finding.interval.hi, mix)]
    return [
        str(case.number),
        case.name,
        state,
        case.reading.value if case.reading else "",
        "after the score" if case.late else "yes" if case.revised else "",
        case.note,
        *shown,
        verdict,
        case.verdict.code if case.verdict else "",
        case.verdict.reason if case.verdict else "",
        reasons,
        finding.prediction.model_id if finding else "",
        finding.prediction.sha256 if finding else "",
    ]


def _defuse(text: str) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
