"""Scoring many films: files and folders read one after the other, scored in batches, each with its own state.

While the decoding process reads the next films, this process scores the last ones. Every batch is
written to the journal before its rows are handed out; a film that cannot be read is an error of its
own and the rest is scored. Nothing is printed here, no film is kept.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from medcore import __version__
from medcore.access import Actor, describe_actor, make_local_actor
from medcore.conditions.catalog import find_film_condition
from medcore.conditions.film_condition import FilmCondition
from medcore.config import Settings, read_settings
from medcore.errors import InputError, MedcoreError, UnreadableImageError
from medcore.imaging.quality import FilmLimits
from medcore.imaging.reader import FilmReader
from medcore.imaging.squashed import SquashedFilm
from medcore.inference.film_model import FilmModel
from medcore.journal import Event, Journal, open_journal
from medcore.registry import Catalog
from medcore.results import ModelFacts, Prediction
from medcore.services.training.cohort import Counts, Row, choose_model, describe_errors

__all__ = ["FilmCohort", "FilmRead", "find_films", "find_labelled_films", "open_film_cohort", "read_ahead"]

BATCH = 16
"""Films scored in one call."""

_AHEAD = 2 * BATCH
"""Films asked for before their turn: while one batch is scored, the next one is read."""

_AHEAD_BYTES = 64_000_000
"""Size of the files among them that are not read yet, at most, or one file: bounds the memory."""

_YES, _NO = frozenset({"1", "positive", "yes"}), frozenset({"0", "negative", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmRead:
    """One film after reading, as far as the model and the journal need it, or why it could not be read."""

    film: SquashedFilm | None = None
    error: MedcoreError | None = None


@dataclass(frozen=True, kw_only=True)
class FilmCohort:
    """One model and one decoding process, ready to score films for one actor."""

    model: FilmModel
    facts: ModelFacts
    condition: FilmCondition
    reader: FilmReader
    journal: Journal
    actor: Actor

    def score(self, files: Iterable[Path], *, action: str = "predict_films", counts: Counts) -> Iterator[list[Row]]:
        """Score films in the order given; yields the rows of each batch after it is in the journal.

        A row's ``id`` is the path as given. ``counts`` is kept up to date.

        Raises
        ------
        StorageError
            The journal could not be written: the batch is not handed out.
        """
        waiting = read_ahead(self.reader, files, self.model.network.spec.size, self.condition.limits)
        while batch := list(islice(waiting, BATCH)):
            rows = self._score_batch(batch)
            self._write_event(action, rows, [read for _, read in batch])
            counts.update(row["status"] for row in rows)
            yield rows

    def _score_batch(self, batch: Sequence[tuple[Path, FilmRead]]) -> list[Row]:
        films = [read.film for _, read in batch if read.film is not None]
        predictions: Iterator[Prediction] = iter(())
        if films:
            tensors = np.stack([film.tensor for film in films])
            predictions = iter(self.model.predict(tensors, [film.reasons for film in films]))
        return [
            self._describe(path, next(predictions)) if read.error is None else describe_errors(str(path), [read.error])
            for path, read in batch
        ]

    @staticmethod
    def _describe(path: Path, prediction: Prediction) -> Row:
        interval = prediction.interval
        return {
            "id": str(path),
            "status": prediction.status.value,
            "p": prediction.p_calibrated,
            "lo": interval.lo if interval else None,
            "hi": interval.hi if interval else None,
            "level": interval.level if interval else None,
            "label": prediction.label,
            "model": prediction.model_id,
            "sha256": prediction.sha256,
            "reasons": [
                {"code": reason.code, "field": reason.field, "text": reason.text}
                for reason in prediction.applicability.reasons
            ],
            "probabilities": dict(prediction.probabilities) if prediction.probabilities else None,
            "contributions": None,
            "base": None,
        }

    def _write_event(self, action: str, rows: Sequence[Row], reads: Sequence[FilmRead]) -> None:
        outcome = Counts(row["status"] for row in rows)
        hashes = "".join(read.film.pixel_sha256 for read in reads if read.film is not None)
        self.journal.record(
            Event(
                **describe_actor(self.actor),
                action=action,
                outcome=" ".join(f"{state}:{n}" for state, n in sorted(outcome.items())),
                condition=self.condition.id,
                model_id=self.facts.model_id,
                sha256=self.facts.sha256,
                input_hash=hashlib.sha256(hashes.encode()).hexdigest(),
                n_records=len(rows),
                app_version=__version__,
            )
        )


def read_ahead(
    reader: FilmReader, files: Iterable[Path], size: int, limits: FilmLimits
) -> Iterator[tuple[Path, FilmRead]]:
    """Yield films in order while the decoding process works on those that follow.

    ``size`` is the side of the model's square input in pixels, ``limits`` are the films it knows.
    """
    source = iter(files)
    queue: deque[_Ahead] = deque()
    while True:
        while len(queue) < _AHEAD and sum(film.waiting_bytes for film in queue) < _AHEAD_BYTES:
            path = next(source, None)
            if path is None:
                break
            queue.append(_submit(reader, path, size, limits))
        if not queue:
            return
        film = queue.popleft()
        yield film.path, film.finish()


@contextmanager
def open_film_cohort(
    condition_id: str, *, model_id: str | None = None, settings: Settings | None = None
) -> Iterator[FilmCohort]:
    """Open a film condition's default model, or another one of its models, with journal and decoding process.

    Raises
    ------
    UnknownNameError
        There is no such condition about films, no such model, or the model answers another question.
    ArtifactError
        The bundle is refused.
    StorageError
        The journal cannot be used.
    """
    settings = settings or read_settings()
    condition = find_film_condition(condition_id)
    catalog = Catalog(settings.models_dir)
    facts = choose_model(catalog, condition.id, model_id)
    with FilmReader() as reader, open_journal(settings.data_dir) as journal:
        yield FilmCohort(
            model=FilmModel.load(catalog.bundle(facts.model_id)),
            facts=facts,
            condition=condition,
            reader=reader,
            journal=journal,
            actor=make_local_actor(),
        )


def find_films(sources: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files named, and those in the folders named, sorted within each folder; hidden ones left out.

    Raises
    ------
    InputError
        A name does not exist, or nothing is left.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = (path for path in source.rglob("*") if not _is_hidden(path.relative_to(source)))
            found += sorted(path for path in inside if path.is_file())
        elif source.exists():
            found.append(source)
        else:
            raise InputError(f"there is no file or folder {source}", field="FILE", value=str(source))
    if not found:
        raise InputError("there is no film in what was named", field="FILE")
    return tuple(found)


def find_labelled_films(folder: Path, condition: FilmCondition) -> tuple[tuple[Path, int], ...]:
    """Return every film below ``folder/<class>/`` with its label: 1 = has the outcome.

    A class folder is named like the condition, like one of its classes, or ``positive`` / ``negative``,
    ``1`` / ``0``; upper and lower case do not matter.

    Raises
    ------
    InputError
        No folder, a sub-folder whose class is not known, or no film at all.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder with one sub-folder per class", field="DIR", value=str(folder))
    known = _class_names(condition)
    found: list[tuple[Path, int]] = []
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        label = known.get(part.name.strip().lower())
        if label is None:
            names = ", ".join(sorted(known))
            raise InputError(f"{part.name} is not a class of {condition.id}: name the folders {names}", field="DIR")
        found += [(path, label) for path in find_films([part])]
    if not found:
        raise InputError(f"{folder} has no sub-folder with films, one per class", field="DIR")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """A film that has been asked for, or why it could not be."""

    path: Path
    pending: Future[SquashedFilm] | MedcoreError
    n_bytes: int = 0

    @property
    def waiting_bytes(self) -> int:
        """What its file takes in memory until it has been read."""
        return 0 if isinstance(self.pending, MedcoreError) or self.pending.done() else self.n_bytes

    def finish(self) -> FilmRead:
        """Wait until it has been read."""
        if isinstance(self.pending, MedcoreError):
            return FilmRead(error=self.pending)
        try:
            return FilmRead(film=self.pending.result())
        except MedcoreError as error:
            return FilmRead(error=error)


def _submit(reader: FilmReader, path: Path, size: int, limits: FilmLimits) -> _Ahead:
    try:
        data = path.read_bytes()
        pending = reader.submit_squashed(data, path.name, size=size, limits=limits)
        return _Ahead(path=path, pending=pending, n_bytes=len(data))
    except OSError as error:
        return _Ahead(path=path, pending=UnreadableImageError(f"{path.name} cannot be opened ({error.strerror})"))
    except MedcoreError as error:
        return _Ahead(path=path, pending=error)


def _class_names(condition: FilmCondition) -> Mapping[str, int]:
    words = {item.word.lower(): int(item.word in condition.positive) for item in condition.classes}
    return {**dict.fromkeys(_NO, 0), **dict.fromkeys((*_YES, condition.id), 1), **words}


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
