"""The reader's child process: recognise a file by its content and decode it. Nothing of it reaches a log.

This module and those it loads (Pillow, pydicom, pyjpegls) are imported in the child only.
"""

from __future__ import annotations

import datetime as dt
import logging
import warnings

from medcore.errors import MedcoreError, UnreadableImageError, UnsupportedImageError, WorkerError
from medcore.imaging import squashed
from medcore.imaging.dicom import read_dicom
from medcore.imaging.handover import pack_film
from medcore.imaging.pictures import read_picture
from medcore.imaging.radiograph import Radiograph
from medcore.workers import Answer, Handler

__all__ = ["decode_film", "factory"]

_DAMAGED = "it is damaged and cannot be read; copy or export it again"
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive (or an Office file): unpack it and drop the films themselves"),
    (b"\x1f\x8b", "a compressed archive: unpack it and drop the films themselves"),
    (b"%PDF", "a PDF document: drop the film itself"),
    (b"GIF8", "a GIF picture: export the film as DICOM, PNG or JPEG"),
    (b"II*\x00", "a TIFF picture: export the film as DICOM, PNG or JPEG"),
    (b"MM\x00*", "a TIFF picture: export the film as DICOM, PNG or JPEG"),
    (b"BM", "a BMP picture: export the film as DICOM, PNG or JPEG"),
    (b"RIFF", "a WebP picture or a film clip: export the film as DICOM, PNG or JPEG"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture without DICOM header: export the film as DICOM, PNG or JPEG"),
)
_BARE_DICOM = (b"\x02\x00", b"\x08\x00", b"\x00\x08")


def factory(*, salt: str) -> Handler:
    """Make the handler of the film reader.

    ``read`` takes a file and gives back a film, ``squash`` what a model needs of it
    (:mod:`medcore.imaging.squashed`); ``look`` and ``copy`` take a film that is about to leave
    (:mod:`medcore.imaging.film_copy`).
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)

    def handle(op: str, payload: dict[str, object], blobs: list[bytes]) -> Answer:
        if op in {"look", "copy"}:
            from medcore.imaging import film_copy  # SciPy and the tables: loaded when a film leaves, not before

            return film_copy.answer(op, payload, blobs)
        if op not in {"read", "squash"} or len(blobs) != 1:
            raise WorkerError("the film reader knows four requests: read, squash, look and copy")
        film = decode_film(blobs[0], salt)
        return pack_film(film) if op == "read" else squashed.answer(film, payload)

    return handle


def decode_film(data: bytes, salt: str) -> Radiograph:
    """Recognise and decode one file.

    Raises
    ------
    UnreadableImageError, UnsupportedImageError, ImageSizeError
        The file cannot be read; the message completes "FILE: ...".
    """
    try:
        return _read_by_content(data, salt)
    except (MedcoreError, MemoryError):
        raise
    except RecursionError as error:
        raise UnreadableImageError("its header is nested too deeply to be genuine") from error
    except Exception as error:  # decoders raise whatever a damaged file makes them raise
        raise UnreadableImageError(_DAMAGED) from error


def _read_by_content(data: bytes, salt: str) -> Radiograph:
    if not data:
        raise UnreadableImageError("the file is empty")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return read_picture(data, "PNG")
    if data.startswith(b"\xff\xd8\xff"):
        return read_picture(data, "JPEG")
    if data[128:132] == b"DICM":
        return read_dicom(data, salt, dt.date.today())
    raise _describe_other(data)


def _describe_other(data: bytes) -> MedcoreError:
    """Say what a file is that is no film."""
    for start, words in _OTHERS:
        if data.startswith(start):
            return UnsupportedImageError(f"it is {words}")
    if data.startswith(b"\x89PNG") or data.startswith(b"\xff\xd8"):
        return UnreadableImageError(_DAMAGED)
    if data.startswith(_BARE_DICOM):
        return UnsupportedImageError("it looks like DICOM without the file header; export it again as a DICOM file")
    return UnreadableImageError("it is no DICOM, PNG or JPEG file")
