"""A film written anew as a DICOM file that names nobody. Runs in the reader's child process only: it loads pydicom.

Films are kept without identifiers from their arrival on (:mod:`medcore.imaging.deidentify`), so there is no original
to clean: a new Secondary Capture image is written from pixels, display values and words of closed lists. It then goes
through the attribute table of DICOM PS3.15 annex E (basic profile, edition 2026c, from the library dicom-anonymizer),
so that whatever is ever added to the writer meets the table as well. What the library leaves out follows: dates that it
sets to the year 1 are removed, new identifiers are keyed, and the file says that and how it was de-identified.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import math
from importlib.metadata import version

import numpy as np
from dicomanonymizer import anonymize_dataset, initialize_actions
from dicomanonymizer import keep as keep_unchanged
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

from medcore.imaging.copying import CopyOrder
from medcore.imaging.radiograph import Radiograph, View, VoiFunction

__all__ = ["TABLES", "make_uid", "write_copy"]

TABLES = "2026c"
"""Edition of the standard whose attribute table is applied."""

_SEX, _AGE = (0x0010, 0x0040), (0x0010, 0x1010)
_OLDEST_YEARS = 89
_MONTHS_UP_TO_YEARS = 18
_TABLE_ENTRIES = 1 << 16
_PROFILE = ("113100", "Basic Application Confidentiality Profile")
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
_RETAIN_PATIENT = ("113108", "Retain Patient Characteristics Option")
_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientBirthDate",
    "Manufacturer", "PatientOrientation",
)  # fmt: skip


def write_copy(film: Radiograph, order: CopyOrder) -> bytes:
    """Write a film as a de-identified DICOM file (Secondary Capture, explicit VR little endian).

    Its pixels are those of ``film.stored``, bit by bit; spacing and the ways to show it go with it.
    """
    dataset = Dataset()
    _describe(dataset, film, order)
    _describe_pixels(dataset, film)
    kept = {_SEX: keep_unchanged, _AGE: keep_unchanged} if order.keep_patient else {}
    anonymize_dataset(dataset, kept, base_rules_gen=lambda: initialize_actions(f"dicomfields_{TABLES}"))
    _identify(dataset, film, order)
    _declare(dataset, order)
    return _save(dataset)


def make_uid(key: str, kind: str, identifier: str) -> str:
    """Return a UID (``2.25.`` and a UUID, version 8) that is equal for equal input and cannot be traced back.

    Examples
    --------
    >>> make_uid("secret", "study", "1.2.3") == make_uid("secret", "study", "1.2.3")
    True
    >>> make_uid("other", "study", "1.2.3").startswith("2.25.")
    True
    """
    number = int.from_bytes(_hash(key, kind, identifier)[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return f"2.25.{number}"


def _hash(key: str, kind: str, identifier: str) -> bytes:
    return hmac.new(key.encode(), f"{kind}\n{identifier}".encode(), hashlib.sha256).digest()


def _describe(dataset: Dataset, film: Radiograph, order: CopyOrder) -> None:
    """Write what is known of film and patient, in words of closed lists."""
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.Modality = film.modality or "OT"
    dataset.ConversionType = "WSD"
    if film.body_part not in (None, "OTHER"):
        dataset.BodyPartExamined = film.body_part
    if film.view in (View.AP, View.PA):
        dataset.ViewPosition = film.view.value
    if film.view is View.LATERAL:
        dataset.ViewPosition = "LL"
    if film.laterality in ("L", "R") or "BodyPartExamined" not in dataset:  # else the body part may be a paired one
        dataset.Laterality = film.laterality if film.laterality in ("L", "R") else ""
    if order.keep_patient:
        dataset.PatientSex = film.sex or ""
        if film.age_years is not None:
            dataset.PatientAge = _write_age(film.age_years)


def _write_age(years: float) -> str:
    """Write an age as DICOM does: months below 18 years, ``090Y`` above 89.

    Examples
    --------
    >>> _write_age(2.25), _write_age(40.6), _write_age(93.0)
    ('027M', '040Y', '090Y')
    """
    if years < _MONTHS_UP_TO_YEARS:
        return f"{math.floor(years * 12 + 0.5):03d}M"
    return f"{math.floor(years) if years < _OLDEST_YEARS + 1 else _OLDEST_YEARS + 1:03d}Y"


def _describe_pixels(dataset: Dataset, film: Radiograph) -> None:
    rows, columns = film.shape
    wide = film.bits > 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16 if wide else 8, film.bits, film.bits - 1
    dataset.PixelRepresentation = 0
    data = film.stored.astype("<u2" if wide else "u1").tobytes()
    dataset.add_new("PixelData", "OW" if wide else "OB", data + b"\0" * (len(data) % 2))
    if film.spacing_mm is not None:
        dataset.PixelSpacing = [f"{side:.10g}" for side in film.spacing_mm]
        if film.spacing_at == "patient":
            dataset.PixelSpacingCalibrationType = "GEOMETRY"
            dataset.PixelSpacingCalibrationDescription = "as stated in the original"
    if "JPEG" in film.format or any("loss" in note for note in film.notes):
        dataset.LossyImageCompression = "01"
    _describe_display(dataset, film)


def _describe_display(dataset: Dataset, film: Radiograph) -> None:
    """Write the ways to show the film: those windows that share the default's function, and its table."""
    function = film.windows[0].function
    pairs = [(f"{w.center:.10g}", f"{w.width:.10g}") for w in film.windows if w.function is function]
    dataset.WindowCenter, dataset.WindowWidth = map(list, zip(*dict.fromkeys(pairs), strict=True))
    if function is not VoiFunction.LINEAR:
        dataset.VOILUTFunction = function.value
    if film.voi_table is not None:
        table = Dataset()
        entries = len(film.voi_table)
        table.add_new("LUTDescriptor", "US", [entries % _TABLE_ENTRIES, 0, 16])
        table.add_new("LUTData", "OW", np.ascontiguousarray(film.voi_table, dtype="<u2").tobytes())
        dataset.VOILUTSequence = Sequence([table])


def _identify(dataset: Dataset, film: Radiograph, order: CopyOrder) -> None:
    """Write new identifiers: equal ones where the old were equal, within one list."""
    study = film.study_key or order.fallback
    patient = _hash(order.key, "patient", film.patient_key or order.fallback).hex()[:12].upper()
    made = f"{film.pixel_sha256} {order.fallback} {order.cleaned} {order.keep_patient}"
    for keyword in _EMPTY:
        setattr(dataset, keyword, "")
    if "PatientSex" not in dataset:
        dataset.PatientSex = ""
    dataset.PatientName, dataset.PatientID = f"MC-{patient}^", f"MC-{patient}"
    dataset.SOPClassUID = uid.SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = make_uid(order.key, "instance", made)
    dataset.StudyInstanceUID = make_uid(order.key, "study", study)
    dataset.SeriesInstanceUID = make_uid(order.key, "series", f"{study} {film.modality}")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, order.number


def _declare(dataset: Dataset, order: CopyOrder) -> None:
    """Say that and how the file was de-identified (PS3.15 E.1.1, step 6)."""
    done = [_PROFILE, *([_CLEAN_PIXELS] if order.cleaned else []), *([_RETAIN_PATIENT] if order.keep_patient else [])]
    dataset.BurnedInAnnotation = "NO"
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    library = f"dicom-anonymizer {version('dicom-anonymizer')}, table {TABLES}"
    dataset.DeidentificationMethod = ["Basic Application Confidentiality Profile", "medcore", library]
    dataset.DeidentificationMethodCodeSequence = Sequence(_code(*entry) for entry in done)


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _save(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    file = FileDataset("", dataset, file_meta=meta, preamble=b"\0" * 128)
    stream = io.BytesIO()
    file.save_as(stream, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return stream.getvalue()
