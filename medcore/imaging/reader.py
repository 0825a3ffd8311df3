"""Films from files: every decode happens in a child process with limits, whatever the file does there.

This side needs NumPy only. It keeps the file's name to itself, so that the child, its messages and its memory never
hold one, and puts it in front of what the child says: ``"chest.dcm: its pixel data end too soon"``.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from medcore.errors import BusyError, ImageError, ImageSizeError, MedcoreError, UnreadableImageError, WorkerError
from medcore.imaging.copying import CopyOrder, Look, Region, pack_regions, unpack_regions
from medcore.imaging.handover import pack_film, unpack_film
from medcore.imaging.identity import hash_number
from medcore.imaging.names import safe_name
from medcore.imaging.quality import FilmLimits
from medcore.imaging.radiograph import Radiograph
from medcore.imaging.sizes import MAX_FILE_BYTES
from medcore.imaging.squashed import SquashedFilm, pack_order, unpack_squashed
from medcore.workers import Answer, Limits, Worker

__all__ = ["READER_LIMITS", "FilmReader", "is_number", "read_image"]

READER_LIMITS = Limits(
    memory_bytes=1_400_000_000,
    cpu_s=8,
    request_s=9.5,
    start_s=60.0,
    queue_size=1024,
    answer_bytes=100_000_000,
    recycle_after=500,
)
"""What the child may use. The largest film, 40 million pixels, takes 0.4 GB in grey and 0.95 GB in colour, 2 to 5 s."""

_ENVIRON = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_ENVIRON |= {  # keep up to 64 MB between films: given back and asked for anew, a page at a time, they cost 10 ms a film
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".dcm": "DICOM", ".dicom": "DICOM"}
_SALT = secrets.token_hex(16)
_Film = TypeVar("_Film")
_GAVE_UP = "it could not be opened within the limits of time and memory; it may be damaged. Try it once more"


class FilmReader:
    """One child process that reads films, and the queue in front of it. Methods may be called from any thread.

    Parameters
    ----------
    limits : Limits, optional
        Bounds on the child.

    Examples
    --------
    >>> with FilmReader() as reader:  # doctest: +SKIP
    ...     film = reader.read(Path("chest.dcm").read_bytes(), "chest.dcm")
    """

    def __init__(self, *, limits: Limits = READER_LIMITS) -> None:
        self._closed = False
        self._worker = Worker(
            "medcore.imaging.decode:factory",
            name="film reader",
            options={"salt": _SALT},
            limits=limits,
            environ=_ENVIRON,
        )

    def start(self) -> None:
        """Start the child without waiting for it; later calls do nothing."""
        self._worker.start()

    @property
    def pid(self) -> int | None:
        """Process id of the present child, None when there is none."""
        return self._worker.pid

    def read(self, data: bytes, name: str = "") -> Radiograph:
        """Read one film and wait for it.

        Parameters
        ----------
        data : bytes
            The whole file: PNG, JPEG or DICOM, recognised by its content.
        name : str
            What the file was called; for messages only.

        Raises
        ------
        ImageError
            The file cannot be read; the message names it and says why.
        BusyError, WorkerError
            Too much is waiting, or the reader cannot be started.
        """
        return self.submit(data, name).result()

    def submit(self, data: bytes, name: str = "") -> Future[Radiograph]:
        """Queue a film and return at once; the result raises what :meth:`read` raises.

        Raises
        ------
        BusyError, WorkerError
            At once: the queue is full, or the reader has been closed.
        """
        return self._submit("read", {}, data, name, lambda *answer: _note_name(unpack_film(*answer), name))

    def submit_squashed(self, data: bytes, name: str = "", *, size: int, limits: FilmLimits) -> Future[SquashedFilm]:
        """Queue a film of which only a model's view is wanted; the result raises what :meth:`read` raises.

        Parameters
        ----------
        data, name : bytes, str
            As for :meth:`read`.
        size : int
            Side of the model's square input in pixels.
        limits : FilmLimits
            The films the model knows.

        Raises
        ------
        BusyError, WorkerError
            At once: the queue is full, or the reader has been closed.
        """
        return self._submit("squash", pack_order(size, limits), data, name, unpack_squashed)

    def _submit(
        self,
        op: str,
        payload: Mapping[str, object],
        data: bytes,
        name: str,
        unpack: Callable[[Mapping[str, Any], Sequence[bytes]], _Film],
    ) -> Future[_Film]:
        result: Future[_Film] = Future()
        if len(data) > MAX_FILE_BYTES:
            size = f"{len(data) // 1_000_000} MB"
            result.set_exception(_refuse(name, ImageSizeError(f"the file has {size}, more than any film")))
            return result
        asked = self._worker.submit(op, payload, [data])

        def settle(answer: Future[Answer]) -> None:
            if answer.cancelled() or not result.set_running_or_notify_cancel():
                return
            error = answer.exception()
            try:
                if error is not None:
                    raise error
                result.set_result(unpack(*answer.result()))
            except MedcoreError as failure:
                result.set_exception(self._explain(failure, name))

        result.add_done_callback(lambda done: asked.cancel() if done.cancelled() else None)
        asked.add_done_callback(settle)
        return result

    def look(self, film: Radiograph, covered: Iterable[Region] = (), found: Iterable[Region] | None = None) -> Look:
        """Return where words may be burned into a film, with pictures to judge it by.

        Parameters
        ----------
        film : Radiograph
            A film that is open.
        covered : iterable of Region
            What the pictures show blackened.
        found : iterable of Region, optional
            What an earlier look found, to draw only.

        Raises
        ------
        BusyError, WorkerError
            The child is busy, took too long, or ended.
        """
        header, blobs = pack_film(film)
        known = None if found is None else pack_regions(found)
        asked = {"film": header, "covered": pack_regions(covered), "found": known}
        answer, pictures = self._worker.request("look", asked, blobs)
        preview, crops = pictures
        return Look(found=unpack_regions(answer.get("found")), preview=preview, crops=crops)

    def copy(self, film: Radiograph, order: CopyOrder, covered: Iterable[Region] = ()) -> bytes:
        """Return a de-identified DICOM file of a film, with some regions blackened.

        Raises
        ------
        BusyError, WorkerError
            The child is busy, took too long, or ended.
        """
        header, blobs = pack_film(film)
        asked = {"film": header, "covered": pack_regions(covered), "order": asdict(order)}
        return self._worker.request("copy", asked, blobs)[1][0]

    def close(self) -> None:
        """End the child. Later calls do nothing; films still waiting are refused with a ``WorkerError``."""
        self._closed = True
        self._worker.close()

    def __enter__(self) -> FilmReader:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _explain(self, error: MedcoreError, name: str) -> MedcoreError:
        """Name the file; what ended the child is the file's fault, a child that cannot start or is closed is not."""
        if isinstance(error, ImageError):
            return _refuse(name, error)
        not_the_film = self._closed or isinstance(error, BusyError) or error is self._worker.failure
        if not_the_film or not isinstance(error, WorkerError):
            return error
        explained = _refuse(name, UnreadableImageError(_GAVE_UP))
        explained.__cause__ = error
        return explained


def read_image(source: Path | str | bytes, *, name: str | None = None) -> Radiograph:
    """Read one film: PNG, JPEG or DICOM, recognised by its content.

    The first call starts a child process that all later ones share; it does the decoding under limits of memory
    and time, so that no file can harm or stop this process.

    Parameters
    ----------
    source : path or bytes
        A file, or its content.
    name : str, optional
        What to call the file in messages; by default the path's last part.

    Raises
    ------
    UnreadableImageError, UnsupportedImageError, ImageSizeError
        The file is damaged, of a kind that is not read, or too small or large; the message names it.
    BusyError, WorkerError
        Too much is waiting, or the reader cannot be started.

    Examples
    --------
    >>> film = read_image("chest.dcm")  # doctest: +SKIP
    >>> film.shape, film.view, film.age_years  # doctest: +SKIP
    ((1955, 1841), <View.PA: 'PA'>, 4.2)
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _open_reader().read(bytes(source), name or "")
    shown = str(source) if name is None else name
    return _open_reader().read(_load(source, shown), shown)


def is_number(film: Radiograph, number: str) -> bool | None:
    """Whether the header of a film that was read here states this patient's number; None where either is not stated.

    What the header says is not kept: its salted hash is compared.
    """
    stated, asked = film.number_key, hash_number(number, _SALT)
    return stated == asked if stated and asked else None


def _load(source: Path | str, name: str) -> bytes:
    try:
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise _refuse(name, ImageSizeError(f"the file has {size // 1_000_000} MB, more than any film"))
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "that is no path"
        raise _refuse(name, UnreadableImageError(f"the file could not be opened ({reason})")) from error


_lock = threading.Lock()
_shared: list[FilmReader] = []


def _open_reader() -> FilmReader:
    """Return this process's reader, started on first use and ended with the process."""
    with _lock:
        if not _shared:
            reader = FilmReader()
            atexit.register(reader.close)
            _shared.append(reader)
        return _shared[0]


def _refuse(name: str, error: ImageError) -> ImageError:
    """Put the file's name in front of an error's sentence."""
    kind = type(error)
    return kind(f"{safe_name(name)}: {error.message}", field=error.field, value=error.value, expected=error.expected)


def _note_name(film: Radiograph, name: str) -> Radiograph:
    """Note when a file's name promises something else than it holds."""
    suffix = Path(safe_name(name)).suffix.lower()
    promised = _SUFFIXES.get(suffix)
    if promised is None or promised == film.format:
        return film
    return replace(film, notes=(*film.notes, f"named {suffix}, but the content is {film.format}"))
