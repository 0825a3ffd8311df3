"""Whether what is on the page can be about the patient who is open: a guard against the wrong patient.

The sentences hold no value.
"""

from __future__ import annotations

from datetime import UTC, datetime

from medcore.conditions.catalog import find_condition
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.reader import is_number
from medcore.journal import Patient
from medcore.reports.case_file import CaseInput, CasePatient
from medcore.services.bedside.case_parts import compare_patient, describe_inputs
from medcore.services.bedside.clinic import FormReading

__all__ = ["compare_film", "compare_form", "fits_number", "to_case_patient"]


def to_case_patient(patient: Patient, *, sex: str = "") -> CasePatient:
    """Return who a case file is about; without a name the pseudonym stands for it."""
    known = patient.identifiers
    return CasePatient(
        name=known.get("name", ""),
        identifier=known.get("mrn", patient.pseudonym),
        birth_date=known.get("birth_date", ""),
        sex=sex,
    )


def compare_form(condition_id: str, reading: FormReading, patient: Patient) -> tuple[str, ...]:
    """Say where a form does not fit the patient."""
    inputs = tuple(describe_inputs(find_condition(condition_id), reading))
    return compare_patient(to_case_patient(patient), inputs, datetime.now(UTC))


def fits_number(film: Radiograph, patient: Patient) -> bool | None:
    """Whether the header's patient number is this patient's record number or pseudonym; None where that is not known.

    The header's number itself was dropped on arrival; see :func:`medcore.imaging.reader.is_number`.
    """
    return is_number(film, patient.pseudonym) or is_number(film, patient.identifiers.get("mrn", ""))


def compare_film(film: Radiograph, patient: Patient) -> dict[str, str]:
    """Say where the header of a film does not fit the patient: ``number`` or ``age``, each with its sentence."""
    doubts = {}
    if fits_number(film, patient) is False:
        doubts["number"] = "The record number in the film's header is not this patient's: is this the right patient?"
    if text := _compare_age(film, patient):
        doubts["age"] = text
    return doubts


def _compare_age(film: Radiograph, patient: Patient) -> str:
    if film.age_years is None:
        return ""
    age = CaseInput(name="age_years", label="Age", group="", text="", value=float(film.age_years))
    day = datetime.now(UTC) if film.acquired_on is None else datetime.combine(film.acquired_on, datetime.min.time())
    texts = compare_patient(to_case_patient(patient), (age,), day)
    return " ".join(texts).replace("on the form", "in the film's header")
