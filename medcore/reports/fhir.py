"""The case file as FHIR R4: one Bundle (collection) of the patient, the model, what was entered and what was answered.

Tables become a RiskAssessment based on Observations, films a DiagnosticReport with Observations. The text of the
reader and of the patient stands exactly as given; nothing is sent anywhere. :mod:`medcore.reports.fhir_rules` checks
what is written here.
"""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any

from medcore.reports import case_words as words
from medcore.reports import fhir_codes as codes
from medcore.reports.case_file import NOTICE, CaseFile, CaseFilm, CaseInput, CaseModel, CaseRisk

__all__ = ["write_case_fhir"]

Resource = dict[str, Any]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_GENDERS = {"female": "female", "male": "male", "f": "female", "m": "male", "other": "other", "unknown": "unknown"}


def write_case_fhir(case: CaseFile) -> Resource:
    """Write the record as plain JSON types.

    Returns
    -------
    dict
        A Bundle of type ``collection``. Every resource has a ``urn:uuid`` made from the content hash, so the same
        case gives the same record. A withheld case has the status ``cancelled``; a case that no reader has judged
        yet is ``preliminary``.
    """
    writer = _Writer(case)
    bundle: Resource = {
        "resourceType": "Bundle",
        "identifier": {"system": codes.OWN_HASH, "value": case.content_hash},
        "type": "collection",
        "entry": writer.write_entries(),
    }
    if _is_instant(case.made_at):
        bundle["timestamp"] = case.made_at
    if case.patient.deidentified:
        bundle["meta"] = {"security": [{"system": codes.SECURITY, "code": "REDACTED", "display": "redacted"}]}
    return bundle


class _Writer:
    """Writes the resources of one case, each with the address under which the others refer to it."""

    def __init__(self, case: CaseFile) -> None:
        self.case = case
        self.patient = self._address("patient")
        self.device = self._address("device") if case.model is not None else ""
        self.when = case.assessed_at or case.made_at

    def write_entries(self) -> list[Resource]:
        case = self.case
        observations = self._write_inputs() if case.kind == "tabular" else self._write_film_results()
        if case.kind == "tabular":
            whole = _write_risk_assessment(self, [address for address, _ in observations])
        else:
            whole = _write_report(self, [address for address, _ in observations])
        entries = [(self._address("whole"), whole), (self.patient, _write_patient(case))]
        if case.model is not None:
            entries.append((self.device, _write_device(case.model)))
        return [{"fullUrl": address, "resource": resource} for address, resource in [*entries, *observations]]

    @property
    def status(self) -> str:
        if self.case.risk.state == "withheld":
            return "cancelled"
        reader = self.case.reader
        return "final" if reader is not None and reader.verdict else "preliminary"

    def _address(self, name: str) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'urn:x-medcore:{self.case.content_hash}:{name}')}"

    def _write_inputs(self) -> list[tuple[str, Resource]]:
        pressures = [item for item in self.case.known if item.loinc in (codes.SYSTOLIC, codes.DIASTOLIC)]
        written = [
            (self._address(f"input:{item.name}"), self._write_input(item))
            for item in self.case.known
            if item not in pressures
        ]
        if pressures:
            written.append((self._address("input:blood_pressure"), self._write_pressure(pressures)))
        return written

    def observe(self, code: Resource, *, status: str = "final") -> Resource:
        return {
            "resourceType": "Observation",
            "status": status,
            "code": code,
            "subject": {"reference": self.patient},
            **({"effectiveDateTime": self.when} if self.when else {}),
        }

    def _write_input(self, item: CaseInput) -> Resource:
        found = {**self.observe(_code_of(item)), **_value_of(item)}
        if item.mark:
            found["interpretation"] = [{"coding": [{"system": codes.INTERPRETATION, "code": item.mark}]}]
        if item.derived:
            found["method"] = {"text": "computed from other values of the form"}
        return self._categorise(found, item.loinc)

    def _write_pressure(self, pressures: list[CaseInput]) -> Resource:
        """Write systolic and diastolic pressure as the parts of one panel; the part that is not known says so."""
        by_code = {item.loinc: item for item in pressures}
        parts = []
        for loinc, label in ((codes.SYSTOLIC, "Systolic pressure"), (codes.DIASTOLIC, "Diastolic pressure")):
            item = by_code.get(loinc)
            if item is None:
                unknown = {"coding": [{"system": codes.ABSENT, "code": "unknown"}]}
                code = {"coding": [{"system": codes.LOINC, "code": loinc}], "text": label}
                parts.append({"code": code, "dataAbsentReason": unknown})
            else:
                parts.append({"code": _code_of(item), **_value_of(item)})
        code = {"coding": [{"system": codes.LOINC, "code": codes.BLOOD_PRESSURE}], "text": "Blood pressure"}
        return self._categorise({**self.observe(code), "component": parts}, codes.BLOOD_PRESSURE)

    def _categorise(self, found: Resource, loinc: str) -> Resource:
        """Call a vital sign by its name only where its day is known: the profile demands the day (vs-1)."""
        if loinc in codes.VITAL_SIGNS and _DAY.match(self.when):
            found["category"] = [{"coding": [{"system": codes.CATEGORY, "code": "vital-signs"}]}]
        return found

    def _write_film_results(self) -> list[tuple[str, Resource]]:
        case = self.case
        written = [(self._address("score"), self._write_score())]
        for name, share in case.risk.classes:
            code = {"coding": [{"system": codes.OWN_FIELD, "code": "pattern_share"}], "text": f"Share: {name}"}
            found = {**self.observe(code, status=self.status), "valueQuantity": _share(share)}
            written.append((self._address(f"share:{name}"), self._by_device(found)))
        if case.reader is not None and case.reader.reading:
            code = {
                "coding": [{"system": codes.OWN_FIELD, "code": "own_reading"}],
                "text": "Reading by the reader, before the model's answer",
            }
            value = {"coding": [{"system": codes.OWN_VALUE, "code": case.reader.reading}], "text": case.reader.reading}
            written.append((self._address("reading"), {**self.observe(code), "valueCodeableConcept": value}))
        return written

    def _write_score(self) -> Resource:
        risk = self.case.risk
        code = {
            "coding": [{"system": codes.OWN_FIELD, "code": f"probability_{self.case.condition}"}],
            "text": f"Probability by a model that {self.case.outcome}",
        }
        found = self._by_device(self.observe(code, status=self.status))
        found["category"] = [{"coding": [{"system": codes.CATEGORY, "code": "imaging"}]}]
        if risk.p is None:
            found["dataAbsentReason"] = {
                "coding": [{"system": codes.ABSENT, "code": "not-performed"}],
                "text": "The score is withheld.",
            }
        else:
            found["valueQuantity"] = _share(risk.p)
            found["extension"] = [_interval_of(risk)]
        notes = [*risk.reasons, risk.caution]
        if any(notes):
            found["note"] = [{"text": text} for text in notes if text]
        return found

    def _by_device(self, found: Resource) -> Resource:
        return {**found, "device": {"reference": self.device}} if self.device else found


def _write_risk_assessment(writer: _Writer, basis: list[str]) -> Resource:
    case, risk = writer.case, writer.case.risk
    found: Resource = {
        "resourceType": "RiskAssessment",
        "status": writer.status,
        "code": {"text": case.title},
        "subject": {"reference": writer.patient},
    }
    if case.record:
        found["identifier"] = [{"system": codes.OWN_RECORD, "value": case.record}]
    if writer.when:
        found["occurrenceDateTime"] = writer.when
    if case.model is not None:
        found["method"] = {"text": _name_model(case.model)}
        found["performer"] = {"reference": writer.device}
    if basis:
        found["basis"] = [{"reference": address} for address in basis]
    if risk.p is not None:
        prediction: Resource = {
            "extension": [_interval_of(risk)],
            "outcome": {"text": case.outcome},
            "probabilityDecimal": round(risk.p, 6),
            "rationale": risk.sentence.replace("**", ""),
        }
        if case.point is not None:
            prediction["qualitativeRisk"] = {"text": words.write_point(case)}
        found["prediction"] = [prediction]
    found["note"] = _write_notes(case)
    return found


def _write_report(writer: _Writer, results: list[str]) -> Resource:
    case = writer.case
    found: Resource = {
        "resourceType": "DiagnosticReport",
        "status": writer.status,
        "category": [{"coding": [{"system": codes.SERVICE, "code": "RAD"}]}],
        "code": {"text": case.title},
        "subject": {"reference": writer.patient},
        "result": [{"reference": address} for address in results],
        "conclusion": "\n".join(note["text"] for note in _write_notes(case)),
    }
    if case.record:
        found["identifier"] = [{"system": codes.OWN_RECORD, "value": case.record}]
    if writer.when:
        found["effectiveDateTime"] = writer.when
    if _is_instant(case.made_at):
        found["issued"] = case.made_at
    pictures = _write_pictures(case.film)
    if pictures:
        found["presentedForm"] = pictures
    return found


def _write_notes(case: CaseFile) -> list[Resource]:
    """Return what a reader of the record must know, in words, one note each."""
    risk, reader = case.risk, case.reader
    texts = [NOTICE, *case.notices, risk.sentence.replace("**", ""), *risk.reasons, risk.caution, *risk.questions]
    if case.film is not None:
        texts.append(words.write_film_line(case.film))
    if case.bars is not None:
        moved = "; ".join(f"{bar.label} ({bar.value}) {words.write_points(bar.points)}" for bar in case.bars.bars)
        texts.append(f"What moved the estimate away from the average, percentage points: {moved}.")
    if reader is not None:
        texts += [reader.verdict and f"Reader on the model's answer: {reader.verdict}", reader.reason, reader.note]
    if case.not_assessed:
        texts.append(f"Not assessed by the model: {', '.join(case.not_assessed)}.")
    return [{"text": text} for text in texts if text]


def _write_pictures(film: CaseFilm | None) -> list[Resource]:
    pictures = film.pictures if film is not None else ()
    return [
        {
            "contentType": "image/png",
            "data": base64.b64encode(picture.png).decode(),
            "title": f"{picture.title}. {picture.caption}".strip(),
        }
        for picture in pictures
    ]


def _write_patient(case: CaseFile) -> Resource:
    patient = case.patient
    found: Resource = {"resourceType": "Patient"}
    if patient.identifier:
        found["identifier"] = [{"system": codes.OWN_PATIENT, "value": patient.identifier}]
    if patient.name:
        found["name"] = [{"text": patient.name}]
    if patient.sex:
        found["gender"] = _GENDERS.get(patient.sex.strip().lower(), "unknown")
    if re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", patient.birth_date):
        found["birthDate"] = patient.birth_date
    if patient.address:
        found["address"] = [{"text": patient.address}]
    if patient.contact:
        found["telecom"] = [{"system": "other", "value": patient.contact}]
    return found


def _write_device(model: CaseModel) -> Resource:
    return {
        "resourceType": "Device",
        "identifier": [{"system": codes.OWN_HASH, "value": model.sha256}],
        "status": "active",
        "manufacturer": "Medcore (research software, not a medical device)",
        "modelNumber": model.model_id,
        "deviceName": [{"name": model.title, "type": "model-name"}],
        "type": {"text": "risk model (software)"},
        "version": [
            {"type": {"text": "version"}, "value": model.version},
            {"type": {"text": "SHA-256 of the bundle"}, "value": model.sha256},
        ],
    }


def _name_model(model: CaseModel) -> str:
    return f"{model.title} ({model.model_id}) version {model.version}, SHA-256 {model.sha256}"


def _code_of(item: CaseInput) -> Resource:
    coding = [{"system": codes.OWN_FIELD, "code": item.name}]
    if item.loinc:
        coding.insert(0, {"system": codes.LOINC, "code": item.loinc})
    return {"coding": coding, "text": item.label}


def _value_of(item: CaseInput) -> Resource:
    if item.word:
        coding = [{"system": codes.OWN_VALUE, "code": f"{item.name}.{item.word}"}]
        return {"valueCodeableConcept": {"coding": coding, "text": item.word_label or item.word}}
    assert item.value is not None
    value, unit = codes.as_quantity(item.loinc, item.value, item.unit)
    quantity: Resource = {"value": value, "unit": unit or "1"}
    if item.comparator:
        quantity["comparator"] = item.comparator
    ucum = codes.find_ucum(unit)
    if ucum:
        quantity |= {"system": codes.UCUM, "code": ucum}
    return {"valueQuantity": quantity}


def _share(value: float) -> Resource:
    return {"value": round(value, 6), "unit": "1", "system": codes.UCUM, "code": "1"}


def _interval_of(risk: CaseRisk) -> Resource:
    """Write the interval beside the number: R4 has no element for it."""
    assert risk.lo is not None
    assert risk.hi is not None
    return {
        "url": codes.OWN_INTERVAL,
        "extension": [
            {"url": "range", "valueRange": {"low": _share(risk.lo), "high": _share(risk.hi)}},
            {"url": "level", "valueDecimal": risk.level},
            {"url": "kind", "valueString": risk.interval_kind or "interval"},
        ],
    }


def _is_instant(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", text) is not None
