"""Labelled films that an analyst uploads: opened, scored by the chosen models and compared on the spot, never stored.

A ZIP is unpacked in the analysis process, films are opened in the film reader, scored in the model process and
measured in the analysis process again; this side holds a few films at a time. Every model is judged on the same
films: one that any of them withholds is counted and left out.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import numpy as np

from medcore.access import Action, Resource
from medcore.conditions.catalog import list_film_conditions
from medcore.conditions.film_condition import FilmCondition
from medcore.errors import ArtifactError, InputError, MedcoreError
from medcore.imaging.names import safe_name
from medcore.imaging.quality import film_status, header_reasons, pixel_reasons
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.squash import film_tensor
from medcore.results import ModelFacts, Prediction, Reason, Status
from medcore.services.compare.film_archive import MOST_FILMS
from medcore.services.compare.labelled import LabelledUpload, Progress, compare_rows, record_upload
from medcore.services.compare.labels import name_classes
from medcore.services.compare.measuring import check_prevalence
from medcore.services.compare.study_scores import check_choice
from medcore.services.compare.upload_figures import code_words
from medcore.services.compare.upload_parts import FilmEntry, ReasonCount, RowError, UploadCounts
from medcore.services.house import House

__all__ = ["MOST_FILMS", "UploadedFile", "list_labels", "score_films"]

_Item = TypeVar("_Item")

_BATCH = 8
_AHEAD = 3
_MOST_SHOWN = 20
_SCORING = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file from the browser."""

    name: str
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class _Tally:
    """What is kept of the films: no pixel."""

    y: list[int] = field(default_factory=list)
    p: dict[str, list[float]] = field(default_factory=dict)
    patients: list[str] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=lambda: {"view": [], "sex": [], "age": []})
    errors: list[RowError] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    n_caution: int = 0
    n_withheld: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Open:
    """A film with its label, opened and judged without a model."""

    entry: FilmEntry
    film: Radiograph
    tensors: Mapping[int, np.ndarray]
    reasons: tuple[Reason, ...]


def score_films(
    house: House,
    files: Sequence[UploadedFile],
    condition_id: str,
    model_ids: Sequence[str],
    *,
    prevalence: float | None = None,
    progress: Progress = lambda _share, _words: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> LabelledUpload | None:
    """Score labelled films by several models and compare the models on them.

    Parameters
    ----------
    house : House
        Models, helper processes, journal and actor.
    files : sequence of UploadedFile
        One ZIP with a folder per class, at any depth; or films with one CSV (columns file, label, optionally
        patient_id). Labels and folders are named like the classes, the condition, positive/negative or 1/0.
    condition_id, model_ids
        The question about films and one to six of its models.
    prevalence : float, optional
        Share with the outcome to restate for; by default the films'.
    progress : callable
        Told the share done (0-1) and what is being done.
    is_cancelled : callable
        Asked between films; once it says yes, everything is dropped.

    Returns
    -------
    LabelledUpload or None
        Rows are films; no blanks and no drift. None when it was cancelled.

    Raises
    ------
    InputError, TableError
        Not such files, a ZIP that must not be opened, too many films, no film with a label and a score, or fewer
        than two of either outcome.
    UnknownNameError, ArtifactError, WorkerError
        A model cannot be used, or a helper process failed.
    AccessDeniedError, StorageError
        The actor may not do this, or the journal cannot be written; then nothing is returned.

    Notes
    -----
    Films of one patient are taken together in every interval: by ``patient_id``, else by what a DICOM header says
    (a hash within this process). A film without either is taken as a patient of its own, and the notes say so.
    """
    house.allow(Action.ASSESS, Resource.TABLE)
    condition, models = _find_models(house, condition_id, model_ids)
    check_prevalence(prevalence)
    progress(0.0, "Looking through the files")
    token, entries, take = _list_films(house, files, condition_id)
    tally = _Tally(p={item.model_id: [] for item in models})
    try:
        done = 0
        for batch in _in_batches(_open_films(house, condition, models, entries, take, tally), _BATCH):
            if is_cancelled():
                return None
            _score_batch(house, models, batch, tally)
            done = min(len(entries), done + len(batch))
            told = done + len(tally.errors)
            progress(_SCORING * min(1.0, told / len(entries)), f"{told:,} of {len(entries):,} films scored")
    finally:
        if token:
            with suppress(MedcoreError):
                house.analysis.forget_films(token)
    progress(_SCORING, f"Measuring {len(tally.y):,} films")
    return _conclude(house, models, files, entries, tally, prevalence, progress)


def list_labels(condition: FilmCondition) -> tuple[str, ...]:
    """Return what folders and labels may be called, those with the outcome first."""
    known = name_classes(condition)
    return tuple(sorted(known, key=lambda word: (-known[word], len(word) == 1, word)))


def _find_models(
    house: House, condition_id: str, model_ids: Sequence[str]
) -> tuple[FilmCondition, tuple[ModelFacts, ...]]:
    names = tuple(dict.fromkeys(model_ids))
    check_choice(names)
    condition = next((item for item in list_film_conditions() if item.id == condition_id), None)
    if condition is None:
        raise InputError(
            f"films cannot be scored for {condition_id}: it is no question about films", value=condition_id
        )
    models = tuple(house.catalog.find(item) for item in names)
    for facts in models:
        if facts.condition != condition_id:
            raise InputError(f"{facts.model_id} does not answer {condition_id}", field="model", value=facts.model_id)
    return condition, models


_Take = Callable[[], Iterator[tuple[FilmEntry, bytes | str]]]


def _list_films(
    house: House, files: Sequence[UploadedFile], condition_id: str
) -> tuple[str, tuple[FilmEntry, ...], _Take]:
    """Return the token of a ZIP ("" without one), all films, and what yields each with its bytes or an error."""
    zips = [file for file in files if file.name.lower().endswith(".zip")]
    tables = [file for file in files if file.name.lower().endswith((".csv", ".tsv", ".txt"))]
    films = [file for file in files if file not in zips and file not in tables]
    if len(zips) == 1 and len(files) == 1:
        folder = house.analysis.open_films(zips[0].content, condition_id)
        return folder.token, folder.entries, lambda: _take_from_zip(house, folder.token, folder.entries)
    if zips or len(tables) != 1 or not films:
        raise InputError(
            "choose either one ZIP with a folder for each class, or films together with one CSV of their labels "
            "(file,label or file,label,patient_id)",
            field="file",
        )
    folder = house.analysis.list_films(tables[0].content, [file.name for file in films], condition_id)
    return "", folder.entries, lambda: _take_from_files(folder.entries, films)


def _take_from_zip(house: House, token: str, entries: Sequence[FilmEntry]) -> Iterator[tuple[FilmEntry, bytes | str]]:
    for places in _in_batches([i for i, entry in enumerate(entries) if entry.label is not None], _BATCH):
        for place, found in zip(places, house.analysis.take_films(token, places).result(), strict=True):
            yield entries[place], found.error or found.content.tobytes()


def _take_from_files(
    entries: Sequence[FilmEntry], films: Sequence[UploadedFile]
) -> Iterator[tuple[FilmEntry, bytes | str]]:
    for entry, file in zip(entries, films, strict=False):
        if entry.label is not None:
            yield entry, file.content


def _open_films(
    house: House,
    condition: FilmCondition,
    models: Sequence[ModelFacts],
    entries: Sequence[FilmEntry],
    take: _Take,
    tally: _Tally,
) -> Iterator[_Open]:
    """Open films in order while the reader works on those that follow; what cannot be opened is noted."""
    sizes = {int(house.catalog.bundle(item.model_id).read_json("input.json")["size"]) for item in models}
    tally.errors += [RowError(row_id=entry.name, text=entry.error) for entry in entries if entry.label is None]
    source = take()
    queue: deque[tuple[FilmEntry, Future[Radiograph] | MedcoreError]] = deque()
    while True:
        for entry, content in islice(source, max(0, _AHEAD + 1 - len(queue))):
            queue.append((entry, _submit(house, entry, content)))
        if not queue:
            return
        entry, pending = queue.popleft()
        try:
            film = pending.result() if isinstance(pending, Future) else _give_up(pending)
            tensors = {size: film_tensor(film, size) for size in sizes}
        except InputError as error:
            text = error.message.removeprefix(f"{entry.name}: ")
            tally.errors.append(RowError(row_id=entry.name, text=text))
            continue
        first = tensors[max(sizes)]
        reasons = (*header_reasons(film, condition.limits), *pixel_reasons(first))
        yield _Open(entry=entry, film=film, tensors=tensors, reasons=reasons)


def _submit(house: House, entry: FilmEntry, content: bytes | str) -> Future[Radiograph] | MedcoreError:
    if isinstance(content, str):
        return InputError(content, field="file")
    return house.reader.submit(content, entry.name)


def _give_up(error: MedcoreError) -> Radiograph:
    raise error


def _score_batch(house: House, models: Sequence[ModelFacts], batch: Sequence[_Open], tally: _Tally) -> None:
    """Score the films that nothing speaks against, and note each film's end."""
    asked = [item for item in batch if film_status(item.reasons) is not Status.WITHHELD]
    answers: dict[str, tuple[Prediction, ...]] = {}
    if asked:
        for facts in models:
            size = int(house.catalog.bundle(facts.model_id).read_json("input.json")["size"])
            tensors = np.stack([item.tensors[size] for item in asked])
            answers[facts.model_id] = house.gateway.score_films(
                facts.model_id, tensors, [item.reasons for item in asked]
            )
            _check_version(facts, answers[facts.model_id])
    places = {id(item): i for i, item in enumerate(asked)}
    for item in batch:
        tally.pixels[item.film.pixel_sha256] += 1
        place = places.get(id(item))
        found = {} if place is None else {name: answer[place] for name, answer in answers.items()}
        _note(item, found, tally)


def _check_version(facts: ModelFacts, answers: Sequence[Prediction]) -> None:
    if any(answer.sha256 not in ("", facts.sha256) for answer in answers):
        raise ArtifactError(f"{facts.model_id} has been replaced in the meantime: start again", field="model")


def _note(item: _Open, found: Mapping[str, Prediction], tally: _Tally) -> None:
    """Count a film as scored by all models, or as withheld by its first reason."""
    withheld = [answer for answer in found.values() if answer.p_calibrated is None]
    if not found or withheld:
        reasons = withheld[0].applicability.reasons if withheld else item.reasons
        telling = [reason for reason in reasons if film_status([reason]) is Status.WITHHELD] or list(reasons)
        tally.n_withheld += 1
        tally.reasons[telling[0].text if telling else "The model gives no score for it."] += 1
        return
    if any(answer.status is Status.CAUTION for answer in found.values()):
        tally.n_caution += 1
    tally.y.append(int(item.entry.label or 0))
    for name, answer in found.items():
        tally.p[name].append(float(answer.p_calibrated or 0.0))
    film = item.film
    tally.patients.append(item.entry.patient or film.patient_key)
    tally.groups["view"].append(film.view.value if film.view else "")
    tally.groups["sex"].append({"F": "female", "M": "male"}.get(film.sex or "", ""))
    tally.groups["age"].append("" if film.age_years is None else f"{int(film.age_years)} years")


def _conclude(
    house: House,
    models: Sequence[ModelFacts],
    files: Sequence[UploadedFile],
    entries: Sequence[FilmEntry],
    tally: _Tally,
    prevalence: float | None,
    progress: Progress,
) -> LabelledUpload:
    if not tally.y:
        raise _nothing_to_measure(len(entries), tally)
    y = np.asarray(tally.y, dtype=np.int64)
    p = {name: np.asarray(scores) for name, scores in tally.p.items()}
    patients = _number_patients(tally.patients)
    measured = house.analysis.measure(y, p, patients=patients, prevalence=prevalence)
    counts = UploadCounts(
        rows=len(entries),
        scored=y.size,
        caution=tally.n_caution,
        withheld=tally.n_withheld,
        errors=len(tally.errors),
        duplicate_ids=0 if patients is None else int((np.bincount(patients) > 1).sum()),
        repeated_rows=sum(n - 1 for n in tally.pixels.values()),
    )
    fingerprint = _take_fingerprint(files)
    record_upload(house, models, counts, fingerprint)
    progress(1.0, "Done")
    name = safe_name(files[0].name) if len(files) == 1 else f"{counts.rows:,} files"
    coded = {what: code_words(texts) for what, texts in tally.groups.items()}
    return LabelledUpload(
        name=name,
        comparison=compare_rows(
            f"{y.size:,} films of your {'ZIP ' if len(files) == 1 else ''}{name}",
            models,
            measured,
            y,
            patients=patients,
            prevalence=prevalence,
        ),
        counts=counts,
        errors=tuple(tally.errors[:_MOST_SHOWN]),
        withheld=tuple(ReasonCount(text=text, n=n) for text, n in tally.reasons.most_common(_MOST_SHOWN)),
        extra=(),
        missing=(),
        notes=_describe(counts, tally),
        blanks={},
        drift=(),
        y=y,
        p=p,
        patients=patients,
        attributes={what: item for what, item in coded.items() if item is not None},
        fingerprint=fingerprint,
    )


def _number_patients(names: Sequence[str]) -> np.ndarray | None:
    """Return a number per film; films of unknown patients get one each. None where no patient has several."""
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(name or f"\0{i}", len(numbers)) for i, name in enumerate(names)]
    return np.asarray(codes, dtype=np.int64) if len(numbers) < len(names) else None


def _describe(counts: UploadCounts, tally: _Tally) -> tuple[str, ...]:
    notes = []
    if counts.withheld:
        notes.append(
            f"{counts.withheld:,} of {counts.rows:,} films have no score from one of the models or more: they are left "
            "out for all of them, and so are not in any figure."
        )
    if counts.duplicate_ids:
        notes.append(f"{counts.duplicate_ids:,} patients have several films: these are taken together.")
    unknown = sum(not name for name in tally.patients)
    if unknown:
        notes.append(
            f"{unknown:,} films do not say whose they are: each is taken as a patient of its own. If a child has "
            "several, the intervals are too narrow; a CSV with patient_id mends that."
        )
    if counts.repeated_rows:
        notes.append(f"{counts.repeated_rows:,} films are exact copies of another one: was something packed twice?")
    return tuple(notes)


def _nothing_to_measure(n: int, tally: _Tally) -> InputError:
    first = next(iter(tally.reasons), "")
    if not first and tally.errors:
        first = f"{tally.errors[0].row_id}: {tally.errors[0].text}"
    return InputError(
        f"none of the {n:,} films has both a label and a score: nothing to measure. The first reason: {first}",
        field="label",
    )


def _take_fingerprint(files: Sequence[UploadedFile]) -> str:
    """Return the SHA-256 of a single file, or of the sorted hashes of several."""
    hashes = sorted(hashlib.sha256(file.content).hexdigest() for file in files)
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _in_batches(items: Iterable[_Item], size: int) -> Iterator[tuple[_Item, ...]]:
    source = iter(items)
    while batch := tuple(islice(source, size)):
        yield batch
