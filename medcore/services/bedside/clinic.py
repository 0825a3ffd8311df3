"""The doctor's use case: read the form, check, predict, explain, journal, return one result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from medcore import __version__
from medcore.access import Action, Actor, Resource, authorize, describe_actor
from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.errors import ConflictError, FieldError, InputError, MissingFieldError
from medcore.inference.eligibility import find_reasons
from medcore.journal import Event, Journal
from medcore.records import Field, FieldKind, PatientRecord, UnitQuestion, read_record
from medcore.records.reading import find_unit_question
from medcore.registry import Catalog
from medcore.results import Applicability, Assessment, Explanation, Prediction, Reason, Response, Status
from medcore.services.gateway import Gateway
from medcore.services.trust.activation import Activation

__all__ = ["FormReading", "assess", "read_form", "refine", "respond", "withhold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormReading:
    """What a form says: the record with derived values, and everything that needs the doctor's eye.

    ``marks`` holds ``"L"`` or ``"H"`` per field outside its usual range; ``derived`` names fields that
    were computed; ``missing_required`` what is still needed before there can be a score.
    """

    record: PatientRecord
    errors: tuple[FieldError, ...] = ()
    unit_questions: tuple[UnitQuestion, ...] = ()
    questions: tuple[str, ...] = ()
    missing_required: tuple[Field, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    derived: frozenset[str] = frozenset()


def read_form(
    condition: Condition,
    raw: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    *,
    studied: Mapping[str, tuple[float, float]] | None = None,
    keep: frozenset[str] = frozenset(),
) -> FormReading:
    """Read what was typed. Never raises for a bad value: it is returned as an error of its field.

    Parameters
    ----------
    condition : Condition
        The clinical question.
    raw, units : mappings
        Field name to typed text; field name to the chosen unit where it is not the field's own.
    studied : mapping, optional
        Studied range per field, to ask about likely unit mix-ups; where it has none, the field's plausible one.
    keep : frozenset of str
        Fields whose unit question was answered with "no, keep".
    """
    units = units or {}
    reading = read_record(condition.schema, raw, units)
    typed = dict(reading.record.values)
    derived = {name: value for name, value in condition.derive(typed).items() if name not in typed}
    values = {**typed, **derived}
    findings = condition.cross_check(values)
    record = PatientRecord(values=values, qualifiers=reading.record.qualifiers, derived=frozenset(derived))
    unit_questions = _unit_questions(condition, raw, units, studied or {}, keep)
    asked = {question.field for question in unit_questions}
    errors = tuple(error for error in (*reading.errors, *findings.errors) if error.field not in asked)
    return FormReading(
        record=record,
        errors=errors,
        unit_questions=unit_questions,
        questions=findings.questions,
        missing_required=tuple(f for f in condition.schema.fields if f.required and f.name not in values),
        marks=_marks(condition, values),
        derived=frozenset(derived),
    )


def assess(
    condition_id: str,
    model_id: str,
    reading: FormReading,
    *,
    actor: Actor,
    journal: Journal,
    gateway: Gateway,
    catalog: Catalog,
    activation: Activation | None = None,
) -> Assessment:
    """Score and explain one patient; the event is written before the result is returned.

    Raises
    ------
    MissingFieldError
        A required field is still blank and nothing else forbids a score: there is nothing to assess yet.
    AccessDeniedError
        ``actor`` may not assess patients.
    ModelOffError
        The model's bundle is recalled, or ``activation`` wants a signature that it lacks.
    StorageError
        The event could not be written, so nothing may be shown.
    WorkerError
        The model process failed.
    """
    authorize(actor, Action.ASSESS, Resource.RISK)
    condition = find_condition(condition_id)
    if reading.missing_required and not condition.population_limits(reading.record.values):
        names = ", ".join(item.label for item in reading.missing_required)
        raise MissingFieldError(f"still needed: {names}", field=reading.missing_required[0].name)
    reasons = _blocking_reasons(condition, reading)
    if reasons:
        assessment = Assessment(
            prediction=withhold(catalog, model_id, reasons, reading.record),
            explanation=None,
            most_useful_missing=None,
            marks=reading.marks,
        )
    else:
        answer = gateway.assess(model_id, reading.record.values)
        assessment = Assessment(
            prediction=answer.prediction,
            explanation=answer.explanation,
            most_useful_missing=answer.most_useful_missing,
            marks=reading.marks,
            explanation_error=answer.explanation_error,
        )
    prediction = assessment.prediction
    _admit(activation, journal, prediction.sha256)
    event = _event("assess", prediction.status.value, condition, model_id, prediction.sha256, reading, actor)
    event_id = journal.record(event)
    return replace(assessment, journal_id=event_id)


def respond(
    condition_id: str,
    model_id: str,
    reading: FormReading,
    field_name: str,
    *,
    actor: Actor,
    journal: Journal,
    gateway: Gateway,
    activation: Activation | None = None,
) -> Response:
    """Sweep one field over its studied range; journalled first. Not a treatment effect.

    Raises
    ------
    InputError
        The field may not be swept for this condition, or this patient's score is withheld.
    """
    authorize(actor, Action.ASSESS, Resource.RISK)
    condition = find_condition(condition_id)
    if field_name not in condition.swept_fields:
        raise InputError(f"{field_name} cannot be swept: it is not offered for {condition.title}", field=field_name)
    blocking = _blocking_reasons(condition, reading)
    if blocking:
        raise InputError(f"there is no score to sweep: {blocking[0].text}", field=blocking[0].field)
    response = gateway.respond(model_id, reading.record.values, field_name)
    _admit(activation, journal, response.sha256)
    event = _event("respond", field_name, condition, model_id, response.sha256, reading, actor)
    journal.record(event)
    return response


def refine(
    condition_id: str,
    model_id: str,
    reading: FormReading,
    *,
    actor: Actor,
    journal: Journal,
    gateway: Gateway,
    activation: Activation | None = None,
) -> Explanation:
    """Explain a scored patient more exactly, with the stability of the strongest fields; journalled first."""
    authorize(actor, Action.ASSESS, Resource.RISK)
    condition = find_condition(condition_id)
    explanation = gateway.refine(model_id, reading.record.values)
    _admit(activation, journal, explanation.sha256)
    event = _event("refine", "explained", condition, model_id, explanation.sha256, reading, actor)
    journal.record(event)
    return explanation


def _admit(activation: Activation | None, journal: Journal, sha256: str) -> None:
    """Refuse an answer of a bundle that is off here; without ``activation`` only a recall counts."""
    (activation or Activation(journal=journal)).require(sha256)


def withhold(
    catalog: Catalog, model_id: str, reasons: tuple[Reason, ...], record: PatientRecord | None = None
) -> Prediction:
    """Return the withheld result of a model that was not asked; counts the record's known inputs of the form."""
    facts = catalog.find(model_id)
    inputs = [item.name for item in find_condition(facts.condition).schema.inputs if item.in_form]
    known = set() if record is None else set(record.values)
    return Prediction(
        condition=facts.condition,
        model_id=facts.model_id,
        sha256=facts.sha256,
        applicability=Applicability(
            status=Status.WITHHELD,
            reasons=reasons,
            n_known=len(known.intersection(inputs)),
            n_fields=len(inputs),
        ),
        p_calibrated=None,
        interval=None,
    )


def hash_values(values: Mapping[str, float]) -> str:
    """Return a fingerprint of the inputs (hex SHA-256); the journal salts it per installation."""
    text = json.dumps({name: float(values[name]) for name in sorted(values)}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _event(
    action: str, outcome: str, condition: Condition, model_id: str, sha256: str, reading: FormReading, actor: Actor
) -> Event:
    """Describe what was done with whose inputs by which bundle and version of this package."""
    return Event(
        **describe_actor(actor),
        action=action,
        outcome=outcome,
        condition=condition.id,
        model_id=model_id,
        sha256=sha256,
        input_hash=hash_values(reading.record.values),
        app_version=__version__,
    )


def _blocking_reasons(condition: Condition, reading: FormReading) -> tuple[Reason, ...]:
    """Return why no score may be shown; who is outside the population is not asked for more fields."""
    wrong = tuple(
        Reason(
            code="conflict" if isinstance(error, ConflictError) else "outside_possible",
            field=error.field,
            text=error.message,
        )
        for error in reading.errors
    )
    asked = tuple(
        Reason(code="unit_question", field=question.field, text=question.text) for question in reading.unit_questions
    )
    values = reading.record.values
    return (*(condition.population_limits(values) or find_reasons(condition, values)), *wrong, *asked)


def _unit_questions(
    condition: Condition,
    raw: Mapping[str, str],
    units: Mapping[str, str],
    studied: Mapping[str, tuple[float, float]],
    keep: frozenset[str],
) -> tuple[UnitQuestion, ...]:
    questions = []
    for item in condition.schema.fields:
        seen = studied.get(item.name) or item.plausible
        if item.kind is FieldKind.NUMBER and seen is not None and item.name not in keep:
            questions.append(find_unit_question(item, raw.get(item.name), units.get(item.name), seen))
    return tuple(question for question in questions if question is not None)


def _marks(condition: Condition, values: Mapping[str, float]) -> dict[str, str]:
    sex = None
    if "sex" in condition.schema and "sex" in values:
        sex = condition.schema["sex"].find_choice(values["sex"]).word
    marks = {
        item.name: item.mark(values[item.name], sex)
        for item in condition.schema.fields
        if item.kind is FieldKind.NUMBER and item.name in values
    }
    return {name: mark for name, mark in marks.items() if mark}
