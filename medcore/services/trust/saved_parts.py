"""What a saved result holds, and how what was shown is got back from it.

Everything is kept as it was shown, never computed anew: figures unrounded, sentences word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from medcore.conditions.catalog import find_condition
from medcore.conditions.condition import Condition
from medcore.errors import FieldError
from medcore.imaging.radiograph import Radiograph
from medcore.journal import SavedAssessment
from medcore.records import PatientRecord
from medcore.results import (
    Applicability,
    Assessment,
    Explanation,
    Interval,
    MissingValueGain,
    ModelFacts,
    Prediction,
    Reason,
    Saliency,
    Status,
)
from medcore.services.bedside.case_parts import describe_film_risk, describe_reader, describe_risk
from medcore.services.bedside.clinic import FormReading
from medcore.services.films.reading import FilmCase, Finding, OwnReading
from medcore.services.house import FilmCondition
from medcore.services.operating import OperatingPoint

__all__ = [
    "pack_applicability",
    "pack_assessment",
    "pack_film",
    "restore_assessment",
    "restore_film",
    "restore_prediction",
    "restore_reading",
]


def pack_applicability(applicability: Applicability) -> dict[str, object]:
    """Return the state of a score with its reasons, as JSON values."""
    return {**asdict(applicability), "status": applicability.status.value}


def pack_assessment(
    condition: Condition, reading: FormReading, assessment: Assessment, facts: ModelFacts | None
) -> dict[str, object]:
    """Return everything the page showed of one patient's result, as JSON values.

    ``facts`` is None where the bundle that answered is not on the shelf any more.
    """
    risk = describe_risk(condition, assessment.prediction, reading.questions)
    gain = assessment.most_useful_missing
    record = reading.record
    return {
        **_pack_prediction(assessment.prediction),
        "record": assessment.journal_id,
        "sentence": risk.sentence,
        "caution": risk.caution,
        "questions": list(reading.questions),
        "marks": dict(assessment.marks),
        "qualifiers": dict(record.qualifiers),
        "derived": sorted(record.derived),
        "wrong": _list_wrong(reading),
        "explanation": asdict(assessment.explanation) if assessment.explanation is not None else None,
        "explanation_error": assessment.explanation_error,
        "most_useful_missing": asdict(gain) if gain is not None else None,
        **_pack_facts(facts),
    }


def pack_film(
    condition: FilmCondition, case: FilmCase, finding: Finding, facts: ModelFacts | None, *, named: bool
) -> dict[str, object]:
    """Return everything the page showed of one film's result, as JSON values.

    ``named`` says whether it is kept for a patient: free text of the reader goes nowhere else.
    """
    risk = describe_film_risk(condition, case, finding)
    reader, film, band = describe_reader(case, ""), case.pixels, finding.interval
    return {
        **_pack_prediction(finding.prediction),
        "sentence": risk.sentence,
        "caution": risk.caution,
        "questions": list(risk.questions),
        "shown": {
            "p": finding.p,
            "lo": band.lo if band is not None else None,
            "hi": band.hi if band is not None else None,
            "prevalence": finding.prevalence,
            "base_rate": finding.base_rate,
            "patterns": dict(finding.patterns),
            "point": asdict(finding.point) if finding.point is not None else None,
        },
        "film": {
            "view": film.view.value if film.view is not None else "",
            "modality": film.modality or "",
            "sex": film.sex or "",
            "acquired_on": film.acquired_on.isoformat() if named and film.acquired_on is not None else "",
            "pixel_sha256": film.pixel_sha256,
            "turns": case.turns,
        },
        "reader": {
            "reading": reader.reading,
            "revised": reader.revised,
            "late": reader.late,
            "note": reader.note if named else "",
            "verdict": reader.verdict,
            "reason": reader.reason if named else "",
        },
        "map": _pack_map(finding.saliency),
        **_pack_facts(facts),
    }


def restore_prediction(saved: SavedAssessment) -> Prediction:
    """Return the model's answer as it was."""
    result: Mapping[str, Any] = saved.result
    stated: Mapping[str, Any] = saved.applicability
    reasons = tuple(Reason(**reason) for reason in stated["reasons"])
    applicability = Applicability(**{**stated, "status": Status(stated["status"]), "reasons": reasons})
    interval = result["interval"]
    return Prediction(
        condition=saved.condition,
        model_id=saved.model_id,
        sha256=saved.sha256,
        applicability=applicability,
        p_calibrated=result["p"],
        interval=Interval(**interval) if interval is not None else None,
        label=result["label"],
        threshold=result["threshold"],
        probabilities=result["probabilities"],
    )


def restore_assessment(saved: SavedAssessment) -> Assessment:
    """Return what the page showed of a patient's result, from a saved one about a patient's values."""
    result: Mapping[str, Any] = saved.result
    explanation, gain = result["explanation"], result["most_useful_missing"]
    return Assessment(
        prediction=restore_prediction(saved),
        explanation=_restore_explanation(saved.condition, explanation) if explanation is not None else None,
        most_useful_missing=MissingValueGain(**gain) if gain is not None else None,
        marks=result["marks"],
        explanation_error=result["explanation_error"],
        journal_id=result["record"],
    )


def restore_film(saved: SavedAssessment, film: Radiograph | None) -> tuple[FilmCase, Finding]:
    """Return a film as its reader left it, and what was shown of it, from a saved result about a film.

    ``film`` is None where the pixels were not kept. The case is on no list: its number is 0.
    """
    result: Mapping[str, Any] = saved.result
    shown, told, interval, saliency = result["shown"], result["reader"], result["interval"], result["map"]
    case = FilmCase(
        id=saved.id,
        number=0,
        name="",
        film=film,
        remarks=tuple(result["questions"]),
        reading=OwnReading(told["reading"]) if told["reading"] else None,
        note=told["note"],
        revised=told["revised"],
        late=told["late"],
        seen=True,
        turns=result["film"]["turns"],
    )
    finding = Finding(
        prediction=restore_prediction(saved),
        p=shown["p"],
        interval=Interval(**{**interval, "lo": shown["lo"], "hi": shown["hi"]}) if interval is not None else None,
        base_rate=shown["base_rate"],
        prevalence=shown["prevalence"],
        patterns=shown["patterns"],
        point=OperatingPoint(**shown["point"]) if shown["point"] is not None else None,
        saliency=Saliency(**{**saliency, "grid": tuple(map(tuple, saliency["grid"]))}) if saliency else None,
    )
    return case, finding


def restore_reading(saved: SavedAssessment) -> FormReading:
    """Return what the form said, from a saved result about a patient's values; open questions come as errors."""
    result: Mapping[str, Any] = saved.result
    derived = frozenset(result["derived"])
    record = PatientRecord(values=saved.inputs, qualifiers=result["qualifiers"], derived=derived)
    required = find_condition(saved.condition).schema.fields
    return FormReading(
        record=record,
        errors=tuple(FieldError(text, field=name) for name, text in result["wrong"].items()),
        questions=tuple(result["questions"]),
        missing_required=tuple(item for item in required if item.required and item.name not in saved.inputs),
        marks=result["marks"],
        derived=derived,
    )


def _list_wrong(reading: FormReading) -> dict[str, str]:
    """Return what stood against a field: an error, or a question about its unit."""
    wrong = {error.field or "": error.message for error in reading.errors}
    return wrong | {question.field: question.text for question in reading.unit_questions}


def _restore_explanation(condition_id: str, explanation: Mapping[str, Any]) -> Explanation:
    """Return the explanation with its fields in the order of the form: equal contributions are ranked by it."""
    names = find_condition(condition_id).schema.input_names
    ordered = {
        part: {name: explanation[part][name] for name in names if name in explanation[part]}
        for part in ("contributions", "standard_error")
    }
    return Explanation(**{**explanation, **ordered})


def _pack_prediction(prediction: Prediction) -> dict[str, object]:
    probabilities = prediction.probabilities
    return {
        "p": prediction.p_calibrated,
        "interval": asdict(prediction.interval) if prediction.interval is not None else None,
        "label": prediction.label,
        "threshold": prediction.threshold,
        "probabilities": dict(probabilities) if probabilities is not None else None,
    }


def _pack_facts(facts: ModelFacts | None) -> dict[str, object]:
    return {
        "model_title": facts.title if facts is not None else "",
        "model_version": facts.version if facts is not None else "",
    }


def _pack_map(saliency: Saliency | None) -> dict[str, object] | None:
    if saliency is None:
        return None
    return {**asdict(saliency), "grid": [list(row) for row in saliency.grid]}
