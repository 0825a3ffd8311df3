"""The code systems, units and closed lists of words that exported FHIR R4 records use, and nothing else.

Sources: HL7 FHIR R4 (4.0.1) value sets, UCUM, LOINC. What has no published code gets Medcore's own system,
``urn:x-medcore:…``, and always a text.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ABSENT",
    "BLOOD_PRESSURE",
    "CATEGORY",
    "DIASTOLIC",
    "INTERPRETATION",
    "LOINC",
    "OWN_FIELD",
    "OWN_HASH",
    "OWN_INTERVAL",
    "OWN_PATIENT",
    "OWN_RECORD",
    "OWN_VALUE",
    "SECURITY",
    "SERVICE",
    "STATUS",
    "SYSTEMS",
    "SYSTOLIC",
    "UCUM",
    "UNITS",
    "VITAL_SIGNS",
    "as_quantity",
    "find_ucum",
    "is_loinc",
]

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"
SECURITY = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
OWN_FIELD = "urn:x-medcore:field"
OWN_VALUE = "urn:x-medcore:value"
OWN_HASH = "urn:x-medcore:content-sha256"
OWN_RECORD = "urn:x-medcore:record"
OWN_PATIENT = "urn:x-medcore:patient"
OWN_INTERVAL = "urn:x-medcore:risk-interval"

SYSTEMS: Mapping[str, frozenset[str] | None] = {
    LOINC: None,
    UCUM: None,
    INTERPRETATION: frozenset({"L", "H"}),
    CATEGORY: frozenset({"vital-signs", "laboratory", "imaging", "survey", "exam", "therapy", "activity"}),
    ABSENT: frozenset({"unknown", "not-performed", "masked"}),
    SERVICE: frozenset({"RAD"}),
    SECURITY: frozenset({"REDACTED"}),
    OWN_FIELD: None,
    OWN_VALUE: None,
}
"""Code system -> the codes of it that may be used; None = checked elsewhere or open."""

_COMMON_STATUS = (
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
)
STATUS: Mapping[str, frozenset[str]] = {
    "Observation": frozenset(_COMMON_STATUS),
    "RiskAssessment": frozenset(_COMMON_STATUS),
    "DiagnosticReport": frozenset((*_COMMON_STATUS, "partial", "appended")),
    "Device": frozenset(("active", "inactive", "entered-in-error", "unknown")),
}
"""Kind of record -> the words of its required status binding."""

_INSPIRED_OXYGEN = "3150-0"
BLOOD_PRESSURE, SYSTOLIC, DIASTOLIC = "85354-9", "8480-6", "8462-4"
VITAL_SIGNS = frozenset({BLOOD_PRESSURE, "8867-4", "9279-1", "8310-5", "8302-2", "29463-7", "39156-5"})
"""LOINC codes of R4's vital signs profile that the forms hold."""

UNITS: Mapping[str, str] = {
    "": "1",
    "years": "a",
    "day": "d",
    "h": "h",
    "min": "min",
    "cm": "cm",
    "mm": "mm",
    "kg": "kg",
    "kg/m2": "kg/m2",
    "mmHg": "mm[Hg]",
    "/min": "/min",
    "C": "Cel",
    "mg/dL": "mg/dL",
    "g/dL": "g/dL",
    "mmol/L": "mmol/L",
    "10^9/L": "10*9/L",
    "mL/day": "mL/d",
    "px": "{pixel}",
    "px2": "{pixel2}",
    "%": "%",
}
"""Unit of a field -> UCUM; a unit of counting only as an annotation in braces."""


def find_ucum(unit: str) -> str:
    """Return the UCUM code of a field's unit, ``""`` where there is none."""
    return UNITS.get(unit, "")


def as_quantity(loinc: str, value: float, unit: str) -> tuple[float, str]:
    """Return value and unit as they are exported: inspired oxygen, typed as a fraction or in per cent, in per cent.

    Examples
    --------
    >>> as_quantity("3150-0", 0.4, ""), as_quantity("3150-0", 40.0, ""), as_quantity("8867-4", 80.0, "/min")
    ((40.0, '%'), (40.0, '%'), (80.0, '/min'))
    """
    if loinc != _INSPIRED_OXYGEN:
        return value, unit
    return (round(100 * value, 6) if value <= 1 else value), "%"


def is_loinc(code: str) -> bool:
    """Whether a code has LOINC's form and its check digit (Mod 10) is right.

    Examples
    --------
    >>> is_loinc("8480-6"), is_loinc("8480-7"), is_loinc("8480")
    (True, False, False)
    """
    number, _, check = code.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) <= 7 and check.isascii() and len(check) == 1):
        return False
    if not check.isdecimal():
        return False
    doubled = int(number[::-1][0::2][::-1]) * 2
    digits = f"{number[::-1][1::2][::-1]}{doubled}"
    return (10 - sum(map(int, digits)) % 10) % 10 == int(check)
