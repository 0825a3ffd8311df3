"""Recall: one act and a model bundle gives no score anywhere any more; what it had answered is listed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medcore.access import Action, Resource, describe_actor, who_is
from medcore.errors import InputError
from medcore.journal import Event, SavedAssessment
from medcore.results import ModelFacts
from medcore.services.house import House
from medcore.services.trust.activation import RECALL, add_act, check_reason

__all__ = ["Recall", "find_recall", "lift_recall", "list_recalls", "list_touched", "recall_model", "write_touched"]

_MOST = 1_000_000
_HEAD = ("saved_at_utc", "patient", "result", "condition", "model", "bundle_sha256", "status", "saved_by", "readable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Whether a bundle is recalled, why, by whom and when; ``acts`` are the recalls and liftings, oldest first."""

    sha256: str
    model_id: str
    condition: str
    recalled: bool
    reason: str
    actor: str
    changed_at: datetime
    version: int
    acts: tuple[Mapping[str, Any], ...] = ()


def find_recall(house: House, sha256: str) -> Recall | None:
    """Return what was decided about a bundle; None if it was never recalled."""
    house.allow(Action.VIEW, Resource.MODEL)
    found = house.journal.site.get(RECALL + sha256)
    return None if found is None else _to_recall(found)


def list_recalls(house: House) -> tuple[Recall, ...]:
    """Return every bundle that was ever recalled, also those that are not installed any more."""
    house.allow(Action.VIEW, Resource.MODEL)
    return tuple(_to_recall(found) for found in house.journal.site.list(RECALL))


def recall_model(house: House, facts: ModelFacts, reason: str, *, version: int) -> Recall:
    """Take a bundle out of use everywhere at once, also in pages that are open.

    Raises
    ------
    AccessDeniedError
        Only an administrator may.
    InputError
        The reason has fewer than 10 characters, or the bundle is recalled already.
    EditConflictError
        Somebody else changed it since ``version`` (0 = never recalled).
    """
    return _store(house, facts.sha256, facts.model_id, facts.condition, True, reason, version)


def lift_recall(house: House, recall: Recall, reason: str) -> Recall:
    """Let a recalled bundle give scores again; where it needs an activation, that of before counts again.

    Raises
    ------
    AccessDeniedError, InputError, EditConflictError
        As :func:`recall_model`.
    """
    return _store(house, recall.sha256, recall.model_id, recall.condition, False, reason, recall.version)


def list_touched(house: House, sha256: str) -> tuple[SavedAssessment, ...]:
    """Return the saved results of a bundle without what they hold, newest first: pseudonyms, times, states.

    Raises
    ------
    AccessDeniedError
        Only an administrator may.
    """
    house.allow(Action.MANAGE, Resource.MODEL)
    return house.journal.assessments.list(_MOST, sha256=sha256)


def write_touched(house: House, sha256: str) -> bytes:
    """Return :func:`list_touched` as CSV (UTF-8); the export is recorded first."""
    touched = list_touched(house, sha256)
    house.journal.record(
        Event(
            **describe_actor(house.actor),
            action="export_recall_list",
            outcome="saved",
            sha256=sha256,
            model_id=touched[0].model_id if touched else "",
            condition=touched[0].condition if touched else "",
            n_records=len(touched),
        )
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for item in touched:
        writer.writerow(
            (
                item.created_at.isoformat(timespec="seconds"),
                item.pseudonym or "",
                item.id,
                item.condition,
                item.model_id,
                item.sha256,
                item.status,
                item.actor,
                "yes" if item.readable else "erased",
            )
        )
    return text.getvalue().encode()


def _store(
    house: House, sha256: str, model_id: str, condition: str, recalled: bool, reason: str, version: int
) -> Recall:
    actor = house.allow(Action.MANAGE, Resource.MODEL)
    why = check_reason(reason)
    before = house.journal.site.get(RECALL + sha256)
    if bool(before and before.value["recalled"]) == recalled and (before.version if before else 0) == version:
        raise InputError(
            "This model is recalled already." if recalled else "This model is not recalled.", field="model"
        )
    act = "recalled" if recalled else "lifted"
    value = {
        "recalled": recalled,
        "reason": why,
        "model_id": model_id,
        "condition": condition,
        "acts": add_act(house, before.value if before else None, act, why),
    }
    kept = house.journal.site.put(
        RECALL + sha256,
        value,
        version=version,
        by=who_is(actor),
        action="recall_model" if recalled else "lift_recall",
        outcome=act,
        condition=condition,
        model_id=model_id,
        sha256=sha256,
    )
    return _to_recall(kept)


def _to_recall(found: Any) -> Recall:
    value = found.value
    return Recall(
        sha256=found.name.removeprefix(RECALL),
        model_id=value["model_id"],
        condition=value["condition"],
        recalled=value["recalled"],
        reason=value["reason"],
        actor=found.actor,
        changed_at=found.changed_at,
        version=found.version,
        acts=tuple(value["acts"]),
    )
