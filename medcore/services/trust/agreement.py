"""How readers and a model get on at this site: agreement, changes of mind, overrides, time taken. Never about persons.

Nothing here can be narrowed to a reader or to a day; small numbers are withheld, and so are all figures that come from
too few readers.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from medcore import __version__
from medcore.access import Action, Resource, authorize, describe_actor
from medcore.errors import AccessDeniedError
from medcore.evaluation.agreement import cohen_kappa, quantile_interval
from medcore.evaluation.intervals import wilson_interval
from medcore.journal import Event, SavedVerdict
from medcore.records import escape_formula
from medcore.results import MetricValue
from medcore.services.house import House
from medcore.services.trust.opinions import REASONS

__all__ = [
    "LEAST_READERS",
    "LEAST_READINGS",
    "AgreementReport",
    "Measure",
    "Version",
    "export_csv",
    "list_versions",
    "may_export",
    "report",
]

LEAST_READINGS = 10
LEAST_READERS = 3
_MOST_VERDICTS = 200_000
_DEMO = "demo"
_CSV_HEAD = ("condition", "model_id", "sha256", "part", "measure", "unit", "n", "value", "lo", "hi", "withheld")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One exact model that verdicts are about."""

    model_id: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of the report. ``unit``: ``share`` (0-1), ``kappa``, ``s`` or ``count``; ``n`` readings behind it.

    ``value`` is None where ``withheld`` says why.
    """

    part: str
    name: str
    unit: str
    n: int
    value: MetricValue | None
    withheld: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """All lines about one model version; ``withheld`` says why there is none."""

    condition: str
    version: Version
    n_readings: int | None
    measures: tuple[Measure, ...] = ()
    withheld: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One reading without its reader. ``before``: yes, no or (None) unsure; ``after``: where the reader ended up."""

    before: bool | None
    called: bool | None
    accepted: bool
    after: bool | None
    code: str
    outcome: bool | None
    decide_s: float | None
    respond_s: float | None


def list_versions(house: House, condition_id: str) -> tuple[Version, ...]:
    """Return the model versions that have verdicts, the one with the newest verdict first.

    Raises
    ------
    AccessDeniedError
        The role may not see the report.
    """
    house.allow(Action.VIEW, Resource.AGREEMENT)
    found = house.journal.verdicts.list(condition=condition_id, limit=_MOST_VERDICTS)
    return tuple(dict.fromkeys(Version(model_id=item.model_id, sha256=item.sha256) for item in reversed(found)))


def report(house: House, condition_id: str, version: Version) -> AgreementReport:
    """Return the report about one model version; journalled first.

    Counted is the newest verdict of each reader on each saved result, with a response; one that was stored again for
    the patient its film was assigned to counts there only. How many opinions had no response is one of the lines.
    ``unsure`` and readings without a cut-off are left out where yes and no are compared.

    Raises
    ------
    AccessDeniedError
        The role may not see the report.
    StorageError
        The look could not be recorded, or the journal cannot be read.
    """
    actor = house.allow(Action.VIEW, Resource.AGREEMENT)
    event = Event(
        **describe_actor(actor),
        action="view_agreement",
        outcome="shown",
        condition=condition_id,
        model_id=version.model_id,
        sha256=version.sha256,
        n_records=0,
        app_version=__version__,
    )
    house.journal.record(event)
    return _build(house, condition_id, version)


def export_csv(house: House, condition_id: str) -> str:
    """Return the reports about all versions as CSV; journalled first.

    Raises
    ------
    AccessDeniedError
        Only an analyst may take the report away.
    StorageError
        It could not be recorded.
    """
    actor = house.allow(Action.EXPORT, Resource.AGREEMENT)
    event = Event(
        **describe_actor(actor),
        action="export_agreement",
        outcome="csv",
        condition=condition_id,
        n_records=0,
        app_version=__version__,
    )
    house.journal.record(event)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_CSV_HEAD)
    for version in list_versions(house, condition_id):
        found = _build(house, condition_id, version)
        head = [condition_id, escape_formula(version.model_id), version.sha256]
        if found.withheld:
            writer.writerow([*head, "", "", "", "", "", "", "", found.withheld])
        writer.writerows([*head, *_to_cells(item)] for item in found.measures)
    return out.getvalue()


def may_export(house: House) -> bool:
    """Whether who acts may take the report away."""
    try:
        authorize(house.actor, Action.EXPORT, Resource.AGREEMENT)
    except AccessDeniedError:
        return False
    return True


def _build(house: House, condition_id: str, version: Version) -> AgreementReport:
    outcomes = {item.assessment_id: item.outcome for item in house.journal.outcomes.list(condition_id)}
    kept = house.journal.verdicts.list(condition=condition_id, sha256=version.sha256, limit=_MOST_VERDICTS)
    known = [(item, item.verdict) for item in kept if item.verdict is not None]
    repeated = {verdict.repeats for _, verdict in known}
    counted = [item for item, verdict in known if verdict.response and item.id not in repeated]
    newest = {(item.assessment_id, item.actor): item for item in counted}
    readers = {actor for _, actor in newest}
    why = _find_reason(len(newest), readers)
    if why:
        return AgreementReport(condition=condition_id, version=version, n_readings=None, withheld=why)
    readings = [_to_reading(item, outcomes.get(item.assessment_id)) for item in newest.values()]
    measures = tuple(_measure(readings, _count_silent(kept)))
    return AgreementReport(condition=condition_id, version=version, n_readings=len(readings), measures=measures)


def _count_silent(kept: Iterable[SavedVerdict]) -> int:
    """Count the opinions after which the answer was shown and no response came; reader and time name an opinion."""
    known = [(item.verdict, item.actor) for item in kept if item.verdict is not None]
    answered = {(actor, verdict.committed_at) for verdict, actor in known if verdict.response}
    shown = {(actor, verdict.committed_at) for verdict, actor in known if verdict.revealed_at is not None}
    return len(shown - answered)


def _find_reason(n: int, readers: set[str]) -> str:
    """Say why nothing may be shown; the shared account of a demo is nobody's."""
    if n < LEAST_READINGS:
        return f"Fewer than {LEAST_READINGS} readings with a response: too few to say anything."
    if len(readers) < LEAST_READERS and readers != {_DEMO}:
        return f"Readings of fewer than {LEAST_READERS} readers: figures would be about persons, not about the site."
    return ""


def _to_reading(saved: SavedVerdict, outcome: bool | None) -> _Reading:
    verdict = saved.verdict
    assert verdict is not None
    accepted = verdict.response == "accepted"
    return _Reading(
        before=None if verdict.opinion == "unsure" else verdict.opinion == "yes",
        called=verdict.called,
        accepted=accepted,
        after=None if verdict.called is None else verdict.called is accepted,
        code=verdict.reason_code,
        outcome=outcome,
        decide_s=_seconds(verdict.opened_at, verdict.committed_at),
        respond_s=_seconds(verdict.revealed_at, verdict.responded_at),
    )


def _measure(readings: Sequence[_Reading], n_silent: int) -> Iterable[Measure]:
    placed = [item for item in readings if item.called is not None]
    decided = [item for item in placed if item.before is not None]
    known = [item for item in decided if item.outcome is not None]
    part = "Agreement"
    yield _share(part, "Opinion before the answer was the model's", decided, lambda r: r.before is r.called)
    yield _kappa(part, decided)
    yield _share(part, "Reader was unsure before the answer", readings, lambda r: r.before is None)
    yield _share(part, "Answer accepted", readings, lambda r: r.accepted)
    n = len(readings) + n_silent
    silent = "Opinion given, answer shown, no response"
    yield Measure(part=part, name=silent, unit="share", n=n, value=wilson_interval(n_silent, n))
    part = "Changes of mind"
    yield _share(part, "Reader changed to yes or to no after the answer", decided, lambda r: r.before is not r.after)
    yield _share(part, "Toward right: wrong before, right after", known, lambda r: _moved(r, to_right=True))
    yield _share(part, "Toward wrong: right before, wrong after", known, lambda r: _moved(r, to_right=False))
    yield _share(part, "Reader right before the answer", known, lambda r: r.before is r.outcome)
    yield _share(part, "Reader right after the answer", known, lambda r: r.after is r.outcome)
    yield _share(part, "Model right", known, lambda r: r.called is r.outcome)
    yield from _count_reasons([item for item in readings if not item.accepted], len(readings))
    yield from _times("From opening to opinion", [item.decide_s for item in readings])
    yield from _times("From answer to response", [item.respond_s for item in readings])


def _moved(reading: _Reading, *, to_right: bool) -> bool:
    return reading.before is not reading.after and (reading.after is reading.outcome) is to_right


def _share(part: str, name: str, readings: Sequence[_Reading], holds: Callable[[_Reading], bool]) -> Measure:
    n = len(readings)
    if n < LEAST_READINGS:
        return _withheld(part, name, "share", n)
    return Measure(part=part, name=name, unit="share", n=n, value=wilson_interval(sum(map(holds, readings)), n))


def _kappa(part: str, decided: Sequence[_Reading]) -> Measure:
    name = "The same beyond chance (kappa)"
    if len(decided) < LEAST_READINGS:
        return _withheld(part, name, "kappa", len(decided))
    found = cohen_kappa([bool(item.before) for item in decided], [bool(item.called) for item in decided])
    if math.isnan(found.value):
        why = "not defined: reader and model always said the same one word"
        return Measure(part=part, name=name, unit="kappa", n=len(decided), value=None, withheld=why)
    return Measure(part=part, name=name, unit="kappa", n=len(decided), value=found)


def _count_reasons(overridden: Sequence[_Reading], n: int) -> Iterable[Measure]:
    part = "Overrides by reason, of all readings"
    counts = Counter(item.code for item in overridden)
    for code, name in REASONS.items():
        if counts[code] < LEAST_READINGS:
            yield Measure(part=part, name=name, unit="count", n=n, value=None, withheld=_few("overrides"))
        else:
            yield Measure(part=part, name=name, unit="share", n=n, value=wilson_interval(counts[code], n))


def _times(part: str, seconds: Iterable[float | None]) -> Iterable[Measure]:
    known = [value for value in seconds if value is not None]
    for name, q in (("Lower quartile", 0.25), ("Median", 0.5), ("Upper quartile", 0.75)):
        if len(known) < LEAST_READINGS:
            yield _withheld(part, name, "s", len(known))
        else:
            yield Measure(part=part, name=name, unit="s", n=len(known), value=quantile_interval(known, q))


def _withheld(part: str, name: str, unit: str, n: int) -> Measure:
    return Measure(part=part, name=name, unit=unit, n=n, value=None, withheld=_few("readings"))


def _few(what: str) -> str:
    return f"fewer than {LEAST_READINGS} {what}"


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    """Return how long something took; None where a time is not known or the clock was set back."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()


def _to_cells(item: Measure) -> list[str]:
    value = item.value
    figures = ["", "", ""] if value is None else [_write(value.value), _write(value.lo), _write(value.hi)]
    n = "" if item.value is None else str(item.n)
    return [item.part, item.name, item.unit, n, *figures, item.withheld]


def _write(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
