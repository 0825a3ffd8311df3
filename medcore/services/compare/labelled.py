"""A labelled table that an analyst uploads: scored by the chosen models and compared on the spot, never stored.

Reading and counting happen in the analysis process, scoring in the model process, some thousand rows at a time,
so that pages stay quick and a doctor's request never waits long. The rows are gone when the result is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.errors import InputError, MedcoreError, TableError
from medcore.evaluation.compared import Comparison
from medcore.evaluation.drift import FieldDrift
from medcore.evaluation.subgroups import SubgroupRow
from medcore.journal import Event
from medcore.results import ModelFacts
from medcore.services.compare.measuring import Measured, check_prevalence
from medcore.services.compare.study_scores import check_choice
from medcore.services.compare.upload_parts import Coded, ReasonCount, RowError, UploadCounts
from medcore.services.house import House, list_conditions
from medcore.services.prevalence import restate_risk

__all__ = [
    "MOST_ROWS",
    "LabelledUpload",
    "Progress",
    "compare_rows",
    "measure_upload_groups",
    "record_upload",
    "restate_upload",
    "score_upload",
]

MOST_ROWS = 200_000
"""Most rows of one upload; more is refused at once."""

_READING, _SCORING, _MEASURING = 0.3, 0.4, 0.3
_BYTES_PER_ROW = 80

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledUpload:
    """What an uploaded labelled table says about the models.

    Attributes
    ----------
    name : str
        What the file was called.
    comparison : Comparison
        The models side by side on the scored rows, as for the study's own.
    counts : UploadCounts
        How the rows ended.
    errors : tuple of RowError
        The first 20 rows that could not be used.
    withheld : tuple of ReasonCount
        Why scores were withheld, the commonest first.
    extra, missing : tuple of str
        Columns that no model reads, and fields without a column.
    notes : tuple of str
        What the reader should know about the file, in words.
    blanks : mapping of model id to tuple of SubgroupRow
        Figures by the number of blank fields, and where each field is blank or known.
    drift : tuple of FieldDrift
        Each field against the made-up patients that stand for the study.
    y, p, patients, attributes
        The scored rows themselves, for further questions: outcome (n,), probabilities (n,) by model id, patient
        (n,) or None, and what rows may be divided by.
    fingerprint : str
        SHA-256 of the file, for the journal and a bundle's papers.
    """

    name: str
    comparison: Comparison
    counts: UploadCounts
    errors: tuple[RowError, ...]
    withheld: tuple[ReasonCount, ...]
    extra: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    blanks: Mapping[str, tuple[SubgroupRow, ...]]
    drift: tuple[FieldDrift, ...]
    y: np.ndarray
    p: Mapping[str, np.ndarray]
    patients: np.ndarray | None
    attributes: Mapping[str, Coded]
    fingerprint: str


def score_upload(
    house: House,
    content: bytes,
    name: str,
    condition_id: str,
    model_ids: Sequence[str],
    *,
    prevalence: float | None = None,
    progress: Progress = lambda _share, _words: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> LabelledUpload | None:
    """Score a labelled CSV by several models and compare them on its rows.

    Parameters
    ----------
    house : House
        Models, helper processes, journal and actor.
    content, name : bytes and str
        The file and what it is called. Columns: fields of the condition, ``label`` (1 or 0), optionally
        ``patient_id`` (rows of one patient are taken together) and text columns to divide patients by.
    condition_id, model_ids
        The clinical question and one to six of its models.
    prevalence : float, optional
        Share with the outcome to restate for; by default the file's.
    progress : callable
        Told the share done (0-1) and what is being done.
    is_cancelled : callable
        Asked between steps; once it says yes, everything is dropped.

    Returns
    -------
    LabelledUpload or None
        None when it was cancelled.

    Raises
    ------
    TableError
        The file is no table, has no column ``label``, no row, or more than :data:`MOST_ROWS`.
    InputError
        No row has both a label and a score, fewer than two of either outcome have, or the models do not fit.
    UnknownNameError, ArtifactError, WorkerError
        A model cannot be used, or a helper process failed.
    StorageError
        The journal cannot be written; then nothing is returned.
    """
    house.allow(Action.ASSESS, Resource.TABLE)
    models = _find_models(house, condition_id, model_ids)
    check_prevalence(prevalence)
    _refuse_huge(content, name)
    bundles = _find_folders(house, models)
    progress(0.0, "Reading the first line")
    header = house.analysis.open_upload(content, condition_id, bundles, most_rows=MOST_ROWS)
    try:
        p = _score_batches(house, header.token, models, len(content), progress, is_cancelled)
        if p is None:
            return None
        progress(_READING + _SCORING, f"Measuring {len(p[models[0].model_id]):,} rows")
        figures = house.analysis.finish(header.token, p, prevalence=prevalence)
    except BaseException:
        with suppress(MedcoreError):
            house.analysis.forget(header.token)
        raise
    fingerprint = hashlib.sha256(content).hexdigest()
    record_upload(house, models, figures.counts, fingerprint)
    progress(1.0, "Done")
    return LabelledUpload(
        name=name,
        comparison=compare_rows(
            f"{figures.y.size:,} rows of your file {name}",
            models,
            figures.measured,
            figures.y,
            patients=figures.patients,
            prevalence=prevalence,
        ),
        counts=figures.counts,
        errors=figures.errors,
        withheld=figures.withheld,
        extra=header.extra,
        missing=header.missing,
        notes=_describe(figures.counts, header.missing),
        blanks=figures.blanks,
        drift=figures.drift,
        y=figures.y,
        p=p,
        patients=figures.patients,
        attributes=figures.attributes,
        fingerprint=fingerprint,
    )


def restate_upload(house: House, upload: LabelledUpload, *, prevalence: float | None) -> Comparison:
    """Return the comparison of an upload for another prevalence (None = the file's own).

    Raises
    ------
    InputError
        A prevalence that cannot be.
    """
    check_prevalence(prevalence)
    measured = house.analysis.measure(upload.y, upload.p, patients=upload.patients, prevalence=prevalence)
    facts = {item.model_id: item for item in upload.comparison.models}
    return replace(
        upload.comparison,
        prevalence=upload.comparison.prevalence_study if prevalence is None else prevalence,
        models=tuple(facts[name] for name in measured.order),
        board=measured.board,
        curves=measured.curves,
        standing=measured.standing,
        warnings=measured.warnings,
        paired=measured.paired,
    )


def measure_upload_groups(
    house: House, upload: LabelledUpload, *, cut_off: float, prevalence: float | None = None
) -> dict[str, tuple[SubgroupRow, ...]]:
    """Measure each model within the groups of an upload; as :func:`medcore.services.compare.comparing.subgroups`."""
    check_prevalence(prevalence)
    rate = upload.comparison.prevalence_study
    return house.analysis.measure_groups(
        upload.y,
        upload.p,
        upload.attributes,
        cut_off=cut_off if prevalence is None else restate_risk(cut_off, prevalence, rate),
        patients=upload.patients,
    )


def _find_models(house: House, condition_id: str, model_ids: Sequence[str]) -> tuple[ModelFacts, ...]:
    names = tuple(dict.fromkeys(model_ids))
    check_choice(names)
    if condition_id not in {item.id for item in list_conditions()}:
        raise InputError(
            f"a table cannot be scored for {condition_id}: it is no question about a table", value=condition_id
        )
    models = tuple(house.catalog.find(item) for item in names)
    for facts in models:
        if facts.condition != condition_id:
            raise InputError(f"{facts.model_id} does not answer {condition_id}", field="model", value=facts.model_id)
    return models


def _find_folders(house: House, models: Sequence[ModelFacts]) -> dict[str, Path]:
    """Return each model's folder, the installed ones first: the studies lie beside them."""
    found = {item.model_id: house.catalog.bundle(item.model_id).folder for item in models}
    shelf = house.catalog.models_dir
    return dict(sorted(found.items(), key=lambda pair: pair[1].parent != shelf))


def _refuse_huge(content: bytes, name: str) -> None:
    """Refuse at once what has so many lines that it cannot be within the limit."""
    n_lines = content.count(b"\n")
    if n_lines > 2 * MOST_ROWS:
        raise TableError(
            f"the file has about {n_lines:,} rows, at most {MOST_ROWS:,} are read at once. Take a random sample, or "
            "split it.",
            value=n_lines,
            expected=f"at most {MOST_ROWS} rows",
        )


def _score_batches(
    house: House,
    token: str,
    models: Sequence[ModelFacts],
    n_bytes: int,
    progress: Progress,
    is_cancelled: Callable[[], bool],
) -> dict[str, np.ndarray] | None:
    """Read and score batch by batch, the next one being read meanwhile; None when cancelled."""
    parts: dict[str, list[np.ndarray]] = {item.model_id: [] for item in models}
    expected = max(1, n_bytes // _BYTES_PER_ROW)
    coming = house.analysis.next_batch(token)
    while True:
        batch = coming.result()
        if is_cancelled():
            house.analysis.forget(token)
            return None
        if not batch.done:
            coming = house.analysis.next_batch(token)
        share = 1.0 if batch.done else min(0.95, batch.n_read / expected)
        for facts in models:
            if is_cancelled():
                house.analysis.forget(token)
                return None
            progress((_READING + _SCORING) * share, f"{batch.n_read:,} rows read, scoring by {facts.title}")
            scores = house.gateway.score_rows(facts.model_id, batch.X, sha256=facts.sha256)
            parts[facts.model_id].append(scores.p)
        if batch.done:
            return {model: np.concatenate(scores) for model, scores in parts.items()}


def compare_rows(
    source: str,
    models: Sequence[ModelFacts],
    measured: Measured,
    y: np.ndarray,
    *,
    patients: np.ndarray | None,
    prevalence: float | None,
) -> Comparison:
    """Put together what was measured on uploaded rows; ``source`` says in words whose they are."""
    facts = {item.model_id: item for item in models}
    n, n_events = y.size, int(y.sum())
    return Comparison(
        condition=models[0].condition,
        source=source,
        n=n,
        n_events=n_events,
        n_patients=n if patients is None else int(np.unique(patients).size),
        prevalence_study=n_events / n,
        prevalence=n_events / n if prevalence is None else prevalence,
        models=tuple(facts[model] for model in measured.order),
        board=measured.board,
        curves=measured.curves,
        standing=measured.standing,
        warnings=measured.warnings,
        paired=measured.paired,
    )


def _describe(counts: UploadCounts, missing: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if counts.duplicate_ids:
        notes.append(
            f"{counts.duplicate_ids:,} patient_id values stand in more than one row: their rows are taken together as "
            "one patient's."
        )
    if counts.repeated_rows:
        notes.append(f"{counts.repeated_rows:,} rows are exact copies of an earlier row: was something pasted twice?")
    if missing:
        notes.append(f"Fields without a column, taken as unknown: {', '.join(missing)}.")
    if counts.withheld > 0.05 * max(1, counts.rows):
        notes.append(
            f"{counts.withheld:,} of {counts.rows:,} rows have no score: the models were not built for such patients."
        )
    return tuple(notes)


def record_upload(house: House, models: Sequence[ModelFacts], counts: UploadCounts, fingerprint: str) -> None:
    """Write down that a file was scored, with its counts and a fingerprint, never its values.

    Raises
    ------
    StorageError
        The journal cannot be written.
    """
    outcome = f"error:{counts.errors} scored:{counts.scored} withheld:{counts.withheld}"
    for facts in models:
        house.journal.record(
            Event(
                **describe_actor(house.actor),
                action="score_upload",
                outcome=outcome,
                condition=facts.condition,
                model_id=facts.model_id,
                sha256=facts.sha256,
                input_hash=fingerprint,
                n_records=counts.rows,
                app_version=__version__,
            )
        )
