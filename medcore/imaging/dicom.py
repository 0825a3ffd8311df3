"""DICOM to :class:`Radiograph`. Runs in the reader's child process only: it loads pydicom.

Steps: file meta first (so that a deflated file is refused before anything is inflated), the data set, the table of
what may be kept (:mod:`medcore.imaging.deidentify`), then pixels, values and words from what was kept.
"""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
from pydicom import dcmread, uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from medcore.errors import UnreadableImageError, UnsupportedImageError
from medcore.imaging.deidentify import Admitted, admit
from medcore.imaging.dicom_facts import read_facts, read_numbers, read_word
from medcore.imaging.dicom_pixels import Pixels, decode_pixels
from medcore.imaging.dicom_values import make_values
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.sizes import hash_pixels

__all__ = ["read_dicom"]

_META_START = 132
_UNDEFINED_LENGTH = 0xFFFFFFFF
_DICOMDIR = "1.2.840.10008.1.3.10"
_NO_PICTURE = "it is a DICOM file without a picture: a report, a plan, or a film that was cut off"


def read_dicom(data: bytes, salt: str, today: dt.date) -> Radiograph:
    """Decode a DICOM file with one film in it.

    Parameters
    ----------
    data : bytes
        The whole file, with its 128-byte preamble (which is not looked at).
    salt : str
        Secret of this process, for the hashes that replace identifiers.
    today : datetime.date
        Later dates in the header are impossible.

    Raises
    ------
    UnreadableImageError, UnsupportedImageError, ImageSizeError
        The file is damaged, contradicts itself, or is of a kind that is not read.
    """
    _refuse_unread_kinds(data)
    dataset = dcmread(io.BytesIO(data), force=False)
    _check_promised_length(dataset)
    transfer_syntax, notes = _find_syntax(dataset)
    admitted = admit(dataset, salt)
    del dataset
    notes += admitted.notes
    if "PixelData" not in admitted.kept and "Rows" not in admitted.kept:
        raise UnsupportedImageError(_NO_PICTURE)
    pixels = decode_pixels(admitted.kept, transfer_syntax, overlays=admitted.overlays)
    notes += pixels.notes
    notes += _warn(admitted)
    return _assemble(admitted, pixels, transfer_syntax, today, notes)


def _refuse_unread_kinds(data: bytes) -> None:
    """Look at the file meta group alone: an index and a deflated file are refused before the rest is parsed."""

    def is_past_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag.group != 2

    stream = io.BytesIO(data)
    stream.seek(_META_START)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=is_past_meta)
    if str(meta.get("TransferSyntaxUID", "")) == uid.DeflatedExplicitVRLittleEndian:
        raise UnsupportedImageError(
            "it is a deflated (zipped) DICOM file, which is not read here; export it uncompressed"
        )
    if str(meta.get("MediaStorageSOPClassUID", "")) == _DICOMDIR:
        raise UnsupportedImageError("it is a DICOMDIR, the index of a disc: drop the film files themselves")


def _check_promised_length(dataset: FileDataset) -> None:
    """Refuse pixel data that promise to be longer than the file: pydicom gives what is left and says nothing."""
    element = dataset.get_item("PixelData")
    if not isinstance(element, RawDataElement) or element.value is None:
        return
    if element.length not in {_UNDEFINED_LENGTH, len(element.value)}:
        share = f"{100 * len(element.value) // element.length} %"
        raise UnreadableImageError(f"its pixel data end too soon ({share} are there); copy or export it again")


def _find_syntax(dataset: FileDataset) -> tuple[str, list[str]]:
    """Return the transfer syntax; where the file does not name it, the one it was parsed with."""
    named = str(dataset.file_meta.get("TransferSyntaxUID", "") or "")
    if named:
        return named, []
    implicit, little = dataset.original_encoding
    parsed = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
    return str(parsed if little else uid.ExplicitVRBigEndian), ["the header does not name its coding"]


def _warn(admitted: Admitted) -> list[str]:
    notes = []
    if admitted.overlays:
        notes.append("overlay planes were ignored")
    if read_word(admitted.kept, "PresentationIntentType") == "FOR PROCESSING":
        notes.append("raw detector data, not made for reading")
    if read_word(admitted.kept, "LossyImageCompression") == "01":
        notes.append("the film was compressed with loss")
    aspect = read_numbers(admitted.kept, "PixelAspectRatio")
    if len(set(aspect)) > 1:
        notes.append("pixels are not square: the film looks stretched")
    return notes


def _assemble(admitted: Admitted, pixels: Pixels, transfer_syntax: str, today: dt.date, notes: list[str]) -> Radiograph:
    values = make_values(pixels.raw, admitted.kept, bits=pixels.bits, notes=notes)
    facts = read_facts(admitted, today, notes)
    stored = np.ascontiguousarray(values.stored, dtype=np.uint16)
    photometric = read_word(admitted.kept, "PhotometricInterpretation")
    return Radiograph(
        stored=stored,
        bits=values.bits,
        windows=tuple(values.windows),
        voi_table=values.voi_table,
        format="DICOM",
        photometric="RGB" if pixels.colour else photometric if photometric == "MONOCHROME1" else "MONOCHROME2",
        transfer_syntax=transfer_syntax,
        pixel_sha256=hash_pixels(stored),
        instance_key=admitted.instance_key,
        study_key=admitted.study_key,
        patient_key=admitted.patient_key,
        number_key=admitted.number_key,
        provenance=(*pixels.steps, *values.steps),
        removed=admitted.removed,
        notes=tuple(dict.fromkeys(notes)),
        **facts,
    )
