"""What a DICOM header says about the child and the film, in closed vocabularies. Runs in the reader's child only.

Every word that comes out is one of this module's own: free text could hold a name. What is missing, unknown or
impossible is None, with a note where a reader should know.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any, TypedDict

from pydicom.dataset import Dataset

from medcore.imaging.deidentify import Admitted
from medcore.imaging.radiograph import View

__all__ = ["Facts", "read_facts", "read_number", "read_numbers", "read_word"]


class Facts(TypedDict):
    """The fields of a ``Radiograph`` that come from the header's words."""

    modality: str | None
    view: View | None
    body_part: str | None
    age_years: float | None
    sex: str | None
    laterality: str | None
    burned_in: bool | None
    animal: bool
    acquired_on: dt.date | None
    spacing_mm: tuple[float, float] | None
    spacing_at: str | None


_MODALITIES = frozenset(
    {
        *("CR", "DX", "RG", "RF", "XA", "MG", "IO", "PX", "CT", "MR", "PT", "NM", "US", "OT", "SC", "ES", "GM", "XC"),
        *("OP", "OPT", "SM", "BI", "BMD", "DG", "ECG", "PR", "RTIMAGE", "RTDOSE", "SEG", "SR", "DR"),
    }
)
_BODY_PARTS = frozenset(
    {
        *("ABDOMEN", "ANKLE", "ARM", "BREAST", "CLAVICLE", "COCCYX", "CSPINE", "ELBOW", "EXTREMITY", "FACE", "FEMUR"),
        *("FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HEART", "HIP", "HUMERUS", "JAW", "KNEE", "LEG", "LSPINE"),
        *("MANDIBLE", "NECK", "PELVIS", "RIB", "SCAPULA", "SHOULDER", "SKULL", "SPINE", "STERNUM", "TEETH", "THIGH"),
        *("TIBIA", "TOE", "TSPINE", "WRIST", "WHOLEBODY"),
    }
)
_CHEST_WORDS = ("CHEST", "THORAX", "LUNG")
_VIEWS = {"AP": View.AP, "PA": View.PA, "LL": View.LATERAL, "RL": View.LATERAL, "LAT": View.LATERAL}
_VIEWS |= {"LATERAL": View.LATERAL}
_VIEW_CODES = {
    **dict.fromkeys(("399348003", "R-10206"), View.AP),
    **dict.fromkeys(("272479007", "R-10214"), View.PA),
    **dict.fromkeys(("399173006", "R-10236", "399198007", "R-10232", "399067008", "R-10228"), View.LATERAL),
}
_SIDEWAYS = ("A", "P")  # rows that run to the front or back of the body
_HUMAN_CODES = {"337915000", "L-85B00"}
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
_MOST_NUMBERS = 16
_OLDEST_YEARS = 130.0
_FIRST_FILM = dt.date(1895, 11, 8)
_PLAUSIBLE_SPACING_MM = (0.01, 2.0)


def read_facts(admitted: Admitted, today: dt.date, notes: list[str]) -> Facts:
    """Read the header's words; add to ``notes`` what was ignored as impossible."""
    kept = admitted.kept
    acquired = _read_date(kept, today, notes)
    spacing, at = _read_spacing(kept, notes)
    word = read_word(kept, "BurnedInAnnotation")
    modality = read_word(kept, "Modality")
    sex = read_word(kept, "PatientSex")
    side = read_word(kept, "ImageLaterality") or read_word(kept, "Laterality")
    return Facts(
        modality=modality if modality in _MODALITIES else None,
        view=_read_view(kept),
        body_part=_read_body_part(kept),
        age_years=_read_age(kept, admitted.birth_date, acquired, notes),
        sex=sex if sex in {"F", "M"} else None,
        laterality=side if side in {"L", "R", "B", "U"} else None,
        burned_in={"YES": True, "NO": False}.get(word),
        animal=_is_animal(kept),
        acquired_on=acquired,
        spacing_mm=spacing,
        spacing_at=at,
    )


def read_word(kept: Dataset, keyword: str) -> str:
    """Return an entry as one upper-case word, the first of several; empty when there is none."""
    value = _first(kept.get(keyword))
    return "" if value is None else str(value).strip(" \0").upper()


def read_number(kept: Dataset, keyword: str) -> float | None:
    """Return an entry as a finite number, the first of several; None when it is none."""
    try:
        number = float(_first(kept.get(keyword)))
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_numbers(kept: Dataset, keyword: str) -> list[float]:
    """Return an entry's numbers, at most 16; NaN for what is none."""
    value = kept.get(keyword)
    if value is None or value == "":
        return []
    parts = [value] if isinstance(value, str | bytes) or not hasattr(value, "__iter__") else list(value)
    numbers = []
    for part in parts[:_MOST_NUMBERS]:
        try:
            numbers.append(float(part))
        except (TypeError, ValueError, OverflowError):
            numbers.append(math.nan)
    return numbers


def _first(value: Any) -> Any:
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return next(iter(value), None)


def _read_view(kept: Dataset) -> View | None:
    for item in kept.get("ViewCodeSequence") or ():
        code = read_word(item, "CodeValue")
        if code in _VIEW_CODES:
            return _VIEW_CODES[code]
    word = read_word(kept, "ViewPosition")
    if word:
        return _VIEWS.get(word, View.OTHER)
    return View.LATERAL if read_word(kept, "PatientOrientation")[:1] in _SIDEWAYS else None


def _read_body_part(kept: Dataset) -> str | None:
    word = re.sub(r"[^A-Z]", "", read_word(kept, "BodyPartExamined"))
    if not word:
        return None
    if any(part in word for part in _CHEST_WORDS):
        return "CHEST"
    return word if word in _BODY_PARTS else "OTHER"


def _is_animal(kept: Dataset) -> bool:
    species = read_word(kept, "PatientSpeciesDescription")
    codes = {read_word(item, "CodeValue") for item in kept.get("PatientSpeciesCodeSequence") or ()} - {""}
    return bool(codes - _HUMAN_CODES) or (bool(species) and "HUMAN" not in species and "SAPIENS" not in species)


def _parse_date(text: str) -> dt.date | None:
    digits = re.fullmatch(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})", text.strip(" \0"))
    if digits is None:
        return None
    try:
        return dt.date(*(int(part) for part in digits.groups()))
    except ValueError:
        return None


def _read_date(kept: Dataset, today: dt.date, notes: list[str]) -> dt.date | None:
    for keyword in ("AcquisitionDate", "ContentDate", "StudyDate"):
        text = read_word(kept, keyword)
        date = _parse_date(text)
        if date is not None and _FIRST_FILM <= date <= today + dt.timedelta(days=1):
            return date
        if text:
            notes.append("a date in the header is impossible and was ignored")
    return None


def _read_age(kept: Dataset, birth_text: str, acquired: dt.date | None, notes: list[str]) -> float | None:
    """Return the age on the day of the film in years: as stated, else from birth date and date."""
    text = read_word(kept, "PatientAge")
    stated = re.fullmatch(r"(\d{1,4})\s*([DWMY])", text)
    if stated is not None:
        years = int(stated[1]) * _DAYS[stated[2]] / _DAYS["Y"]
        if years <= _OLDEST_YEARS:
            return years
    if text:
        notes.append(f"the age in the header {'is impossible' if stated else 'has no unit'} and was ignored")
    born = _parse_date(birth_text)
    if born is None or acquired is None:
        return None
    years = _count_years(born, acquired)
    if 0 <= years <= _OLDEST_YEARS:
        return years
    notes.append("the birth date in the header does not fit the film's date and was ignored")
    return None


def _count_years(born: dt.date, day: dt.date) -> float:
    """Return years as birthdays count them: whole on the birthday itself."""
    whole = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    last = _birthday(born, born.year + whole)
    following = _birthday(born, born.year + whole + 1)
    return whole + (day - last).days / (following - last).days


def _birthday(born: dt.date, year: int) -> dt.date:
    try:
        return born.replace(year=year)
    except ValueError:
        return dt.date(year, 3, 1)


def _read_spacing(kept: Dataset, notes: list[str]) -> tuple[tuple[float, float] | None, str | None]:
    """Return the spacing and where it holds: calibrated to the patient, or at the detector."""
    calibrated, detector = _read_pair(kept, "PixelSpacing", notes), _read_pair(kept, "ImagerPixelSpacing", notes)
    detector = detector or _read_pair(kept, "NominalScannedPixelSpacing", notes)
    if calibrated is None:
        return detector, "detector" if detector else None
    differs = detector is not None and any(abs(a / b - 1) > 1e-3 for a, b in zip(calibrated, detector, strict=True))
    stated = read_word(kept, "PixelSpacingCalibrationType") in {"GEOMETRY", "FIDUCIAL"}
    return calibrated, "patient" if stated or differs else "detector"


def _read_pair(kept: Dataset, keyword: str, notes: list[str]) -> tuple[float, float] | None:
    numbers = read_numbers(kept, keyword)
    if not numbers:
        return None
    low, high = _PLAUSIBLE_SPACING_MM
    if len(numbers) == 2 and all(low <= number <= high for number in numbers):
        return numbers[0], numbers[1]
    notes.append("the pixel spacing in the header is impossible and was ignored")
    return None
