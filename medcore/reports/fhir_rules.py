"""Rules for an exported FHIR R4 record that a structural check does not know.

A structural reader accepts ``status = "banana"`` and a probability of 1.7. Here: required words, known code systems,
LOINC check digits, UCUM units, ranges, times, and that every reference leads to a resource of the same record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from medcore.errors import InputError
from medcore.reports import fhir_codes as codes

__all__ = ["check_bundle", "require_valid"]

_Problems = Iterator[str]

_ADDRESS = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMPARATORS = ("<", "<=", ">=", ">")
_GENDERS = ("male", "female", "other", "unknown")
_TIMES = frozenset({"effectiveDateTime", "occurrenceDateTime", "birthDate", "issued", "timestamp"})
_SUBJECT = frozenset({"RiskAssessment", "Observation", "DiagnosticReport"})
_UCUM = frozenset(codes.UNITS.values())
_MUST_HAVE: Mapping[str, tuple[str, ...]] = {
    "RiskAssessment": ("status", "subject"),
    "DiagnosticReport": ("status", "code", "subject"),
    "Observation": ("status", "code", "subject"),
    "Device": ("status", "deviceName", "version"),
    "Patient": (),
}


def check_bundle(bundle: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with a record, one sentence each with the place; nothing if all rules hold.

    Examples
    --------
    >>> check_bundle({"resourceType": "Bundle", "type": "batch", "entry": []})
    ('Bundle.type is not "collection"', 'Bundle.entry is empty')
    """
    return tuple(_list_problems(bundle))


def require_valid(bundle: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the record if all rules hold.

    Raises
    ------
    InputError
        One does not; the message names the first place.
    """
    problems = check_bundle(bundle)
    if problems:
        raise InputError(f"the record breaks a rule, so it was not exported: {problems[0]}", field="fhir")
    return bundle


def _list_problems(bundle: Mapping[str, Any]) -> _Problems:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "collection":
        yield 'Bundle.type is not "collection"'
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries:
        yield "Bundle.entry is empty"
        return
    addresses = [str(entry.get("fullUrl", "")) for entry in entries]
    yield from _check_addresses(addresses)
    kinds = {str(entry.get("fullUrl", "")): _kind_of(entry) for entry in entries}
    for number, entry in enumerate(entries):
        resource = entry.get("resource")
        where = f"entry[{number}] {_kind_of(entry)}"
        if not isinstance(resource, dict) or _kind_of(entry) not in _MUST_HAVE:
            yield f"{where}: this kind of resource is not exported"
            continue
        yield from _check_resource(where, resource, kinds)
    yield from _walk("Bundle", {key: value for key, value in bundle.items() if key != "entry"}, kinds)


def _kind_of(entry: Mapping[str, Any]) -> str:
    resource = entry.get("resource")
    return str(resource.get("resourceType", "")) if isinstance(resource, dict) else ""


def _check_addresses(addresses: Sequence[str]) -> _Problems:
    if len(set(addresses)) != len(addresses):
        yield "Bundle.entry: two resources have the same fullUrl"
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            yield f"Bundle.entry: fullUrl {address!r} is not a urn:uuid"


def _check_resource(where: str, resource: Mapping[str, Any], kinds: Mapping[str, str]) -> _Problems:
    kind = str(resource["resourceType"])
    for name in _MUST_HAVE[kind]:
        if not resource.get(name):
            yield f"{where}.{name} is missing"
    allowed = codes.STATUS.get(kind)
    if allowed is not None and "status" in resource and str(resource["status"]) not in allowed:
        yield f"{where}.status {resource['status']!r} is not one of the words of {kind}"
    if kind in _SUBJECT and kinds.get(str(resource.get("subject", {}).get("reference"))) != "Patient":
        yield f"{where}.subject does not lead to the patient of this record"
    own: dict[str, Callable[[str, Mapping[str, Any]], _Problems]] = {
        "Observation": _check_observation,
        "RiskAssessment": _check_risk,
        "Patient": _check_patient,
    }
    if kind in own:
        yield from own[kind](where, resource)
    yield from _walk(where, resource, kinds)


def _check_patient(where: str, patient: Mapping[str, Any]) -> _Problems:
    if patient.get("gender", "unknown") not in _GENDERS:
        yield f"{where}.gender {patient['gender']!r} is not one of: {', '.join(_GENDERS)}"


def _check_observation(where: str, found: Mapping[str, Any]) -> _Problems:
    """Exactly one of a value, a reason for its absence, or parts that follow the same rule (obs-6, obs-7)."""
    parts = found.get("component", [])
    yield from _check_value(where, found, needed=not parts)
    for number, part in enumerate(parts):
        yield from _check_value(f"{where}.component[{number}]", part, needed=True)
        if not part.get("code"):
            yield f"{where}.component[{number}].code is missing"
    if _is_vital_sign(found) and not _DAY.match(str(found.get("effectiveDateTime", ""))):
        yield f"{where}: a vital sign needs its day (vs-1)"
    for quantity in [found.get("valueQuantity")] if _is_probability(found) else []:
        yield from _check_probability(f"{where}.valueQuantity", (quantity or {}).get("value", 0.0))


def _check_value(where: str, found: Mapping[str, Any], *, needed: bool) -> _Problems:
    values = [name for name in found if name.startswith("value")]
    absent = "dataAbsentReason" in found
    if len(values) > 1:
        yield f"{where} has more than one value"
    if values and absent:
        yield f"{where} has a value and a reason for having none"
    if needed and not values and not absent:
        yield f"{where} has neither a value nor a reason for having none"


def _is_vital_sign(found: Mapping[str, Any]) -> bool:
    return any(coding.get("code") == "vital-signs" for item in found.get("category", []) for coding in item["coding"])


def _is_probability(found: Mapping[str, Any]) -> bool:
    own = [coding for coding in found.get("code", {}).get("coding", []) if coding.get("system") == codes.OWN_FIELD]
    return any(str(coding.get("code")).startswith(("probability_", "pattern_share")) for coding in own)


def _check_risk(where: str, risk: Mapping[str, Any]) -> _Problems:
    predictions = risk.get("prediction", [])
    if risk.get("status") in ("final", "preliminary") and not predictions:
        yield f"{where}: a {risk['status']} assessment has a prediction"
    if risk.get("status") == "cancelled" and predictions:
        yield f"{where}: a withheld assessment has no prediction"
    for number, prediction in enumerate(predictions):
        place = f"{where}.prediction[{number}]"
        p = prediction.get("probabilityDecimal")
        yield from _check_probability(f"{place}.probabilityDecimal", p)
        if not prediction.get("outcome"):
            yield f"{place}.outcome is missing"
        for extension in prediction.get("extension", []):
            yield from _check_interval(place, extension, p)


def _check_probability(where: str, p: object) -> _Problems:
    if not isinstance(p, int | float) or not _is_number(p) or not 0.0 <= p <= 1.0:
        yield f"{where} {p!r} is not a probability from 0 to 1"


def _check_interval(where: str, extension: Mapping[str, Any], p: object) -> _Problems:
    parts = {part.get("url"): part for part in extension.get("extension", [])}
    ends = parts.get("range", {}).get("valueRange", {})
    lo, hi = (ends.get(name, {}).get("value") for name in ("low", "high"))
    numbers = [float(value) for value in (lo, p, hi) if isinstance(value, int | float) and _is_number(value)]
    if extension.get("url") != codes.OWN_INTERVAL or len(numbers) != 3:
        yield f"{where}.extension is not a risk interval with both ends"
    elif not 0.0 <= numbers[0] <= numbers[1] <= numbers[2] <= 1.0:
        yield f"{where}.extension: {numbers[0]} <= {numbers[1]} <= {numbers[2]} does not hold within 0 to 1"


def _walk(where: str, value: object, kinds: Mapping[str, str]) -> _Problems:
    """Apply the rules for references, codings, quantities and times wherever they stand."""
    if isinstance(value, list):
        if not value:
            yield f"{where} is an empty list"
        for number, item in enumerate(value):
            yield from _walk(f"{where}[{number}]", item, kinds)
    elif isinstance(value, Mapping):
        yield from _check_mapping(where, value, kinds)
        for name, item in value.items():
            if name in _TIMES and not (isinstance(item, str) and _TIME.fullmatch(item)):
                yield f"{where}.{name} {item!r} is not a date or time"
            yield from _walk(f"{where}.{name}", item, kinds)
    elif value is None or value == "":
        yield f"{where} is empty"


def _check_mapping(where: str, value: Mapping[str, Any], kinds: Mapping[str, str]) -> _Problems:
    if not value:
        yield f"{where} is empty"
    if "reference" in value and str(value["reference"]) not in kinds:
        yield f"{where}.reference {value['reference']!r} leads nowhere"
    for coding in value.get("coding", []) if isinstance(value.get("coding"), list) else []:
        yield from _check_coding(f"{where}.coding", coding)
    if "value" in value and ("unit" in value or "comparator" in value or value.get("system") == codes.UCUM):
        yield from _check_quantity(where, value)


def _check_coding(where: str, coding: Mapping[str, Any]) -> _Problems:
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(system, str) or system not in codes.SYSTEMS:
        yield f"{where}: the code system {system!r} is not known here"
        return
    allowed = codes.SYSTEMS[system]
    if not isinstance(code, str) or not code or (allowed is not None and code not in allowed):
        yield f"{where}: {code!r} is not a code of {system}"
    elif system == codes.LOINC and not codes.is_loinc(code):
        yield f"{where}: {code!r} is not a LOINC code (form or check digit)"


def _check_quantity(where: str, quantity: Mapping[str, Any]) -> _Problems:
    if not _is_number(quantity["value"]):
        yield f"{where}.value {quantity['value']!r} is not a finite number"
    if "comparator" in quantity and quantity["comparator"] not in _COMPARATORS:
        yield f"{where}.comparator {quantity['comparator']!r} is not one of: {' '.join(_COMPARATORS)}"
    if quantity.get("system") != codes.UCUM or quantity.get("code") not in _UCUM:
        yield f"{where}: {quantity.get('code')!r} is not a UCUM unit that is used here"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
