"""A film leaves without identifiers: first a person looks for burned-in words, then a DICOM file is written.

Nothing identifying is kept of a film's header (:mod:`medcore.imaging.deidentify`), but words may stand in its pixels,
and no program can promise that none do. So the film leaves at once only where its header says that there are none and
the search has found none either; else somebody has to look at exactly the pixels that leave. Search and writing run in
the film reader's process; the journal has the export before anybody has the bytes.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from medcore import __version__
from medcore.access import Action, Resource, describe_actor
from medcore.errors import InputError, MedcoreError, UncheckedFilmError
from medcore.imaging.copying import CopyOrder, Region
from medcore.imaging.radiograph import Radiograph
from medcore.journal import Event
from medcore.services.films.worklist import Worklist
from medcore.services.house import House

__all__ = ["Edges", "FilmCheck", "FilmCopy", "Region", "check_film", "export_film"]

_LARGEST_EDGE = 40
_lock = threading.Lock()
_keys: WeakKeyDictionary[Worklist, str] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Strips to blacken at the film's four sides, in per cent of its height or width (0 to 40)."""

    top: int = 0
    right: int = 0
    bottom: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCheck:
    """What a person has before the eyes when asked whether identifying words stand in a film.

    Attributes
    ----------
    case_id, pixel_sha256 : str
        The film, and the hash of the pixels it had.
    found : tuple of Region
        Where words may stand, as far as the search can tell.
    covered : tuple of Region
        What will be black in the copy, and is in the pictures.
    header_says : bool or None
        Whether the header says that words are burned in; None when it does not say.
    preview, crops : bytes
        PNG: the film with the found regions framed and numbered, and each of them enlarged.
    """

    case_id: str
    pixel_sha256: str
    found: tuple[Region, ...]
    covered: tuple[Region, ...]
    header_says: bool | None
    preview: bytes
    crops: bytes

    @property
    def needs_eyes(self) -> bool:
        """Whether a person has to look before the film leaves."""
        return bool(self.found) or bool(self.covered) or self.header_says is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmCopy:
    """A de-identified file ready to be saved; ``sha256`` is its hash, which the journal holds keyed."""

    name: str
    data: bytes
    sha256: str
    mime: str = "application/dicom"


def check_film(
    house: House,
    worklist: Worklist,
    case_id: str,
    *,
    blacken: Iterable[int] = (),
    edges: Edges | None = None,
    before: FilmCheck | None = None,
) -> FilmCheck:
    """Search a film for burned-in words and draw what a person must see.

    Parameters
    ----------
    blacken : iterable of int
        Which of the found regions will be blackened, from 0; needs ``before``.
    edges : Edges, optional
        Strips to blacken, for words that the search has missed.
    before : FilmCheck, optional
        An earlier check of the same pixels, so that they are not searched again.

    Raises
    ------
    AccessDeniedError
        The actor may not export films.
    InputError
        There is no such open film, or the regions do not belong to it.
    BusyError, WorkerError
        The film reader is busy, took too long, or ended.
    """
    house.allow(Action.EXPORT, Resource.FILM)
    film = worklist.case(case_id).pixels
    if before is not None and (before.case_id, before.pixel_sha256) != (case_id, film.pixel_sha256):
        before = None
    found = before.found if before is not None else ()
    chosen = sorted(set(blacken))
    if chosen and not 0 <= chosen[0] <= chosen[-1] < len(found):
        raise InputError("these regions are not those of this film: look at it again", field="regions")
    covered = (*(found[place] for place in chosen), *_list_strips(film, edges or Edges()))
    look = house.reader.look(film, covered, None if before is None else found)
    return FilmCheck(
        case_id=case_id,
        pixel_sha256=film.pixel_sha256,
        found=look.found,
        covered=covered,
        header_says=film.burned_in,
        preview=look.preview,
        crops=look.crops,
    )


def export_film(
    house: House, worklist: Worklist, check: FilmCheck, *, looked: bool = False, keep_patient: bool = False
) -> FilmCopy:
    """Write the film that was checked as a de-identified DICOM file (PS3.15 basic profile).

    Parameters
    ----------
    check : FilmCheck
        What the person has seen: the copy has exactly its pixels.
    looked : bool
        Whether that person says that no identifying words are left in them.
    keep_patient : bool
        Keep age (90 for all above 89) and sex; else both are removed.

    Raises
    ------
    AccessDeniedError
        The actor may not export films.
    UncheckedFilmError
        Somebody has to look first; nothing was written.
    InputError
        The film is gone, or is another since it was looked at.
    StorageError
        The journal cannot be written: nothing is handed out.
    BusyError, WorkerError
        The file could not be written; the attempt is in the journal.
    """
    actor = house.allow(Action.EXPORT, Resource.FILM)
    case = worklist.case(check.case_id)
    film = case.pixels
    if film.pixel_sha256 != check.pixel_sha256:
        raise InputError(f"film {case.number} was changed since it was looked at: look at it again", field="film")
    if check.needs_eyes and not looked:
        raise UncheckedFilmError(
            f"words may be burned into film {case.number}: look at it, blacken what identifies anybody, and confirm",
            field="looked",
        )
    order = CopyOrder(
        key=_find_key(worklist), fallback=case.id, number=case.number, cleaned=looked, keep_patient=keep_patient
    )
    how = f"dicom_deidentified{'_with_age_and_sex' if keep_patient else ''}{'_blackened' if check.covered else ''}"

    def record(outcome: str, input_hash: str) -> None:
        house.journal.record(
            Event(
                **describe_actor(actor),
                action="export_film",
                outcome=outcome,
                condition=worklist.desk.condition.id,
                input_hash=input_hash,
                app_version=__version__,
            )
        )

    try:
        data = house.reader.copy(film, order, check.covered)
    except MedcoreError as error:
        record(f"{how}_{error.code}", film.pixel_sha256)
        raise
    digest = hashlib.sha256(data).hexdigest()
    record(how, digest)
    return FilmCopy(name=f"medcore-film-{digest[:12]}.dcm", data=data, sha256=digest)


def _list_strips(film: Radiograph, edges: Edges) -> list[Region]:
    """Return the strips at the film's sides, those without extent left out."""
    rows, columns = film.shape
    for share in (edges.top, edges.right, edges.bottom, edges.left):
        if not 0 <= share <= _LARGEST_EDGE:
            raise InputError(f"a strip takes 0 to {_LARGEST_EDGE} per cent of the film", field="edges", value=share)
    top, bottom = (-(-rows * share // 100) for share in (edges.top, edges.bottom))
    left, right = (-(-columns * share // 100) for share in (edges.left, edges.right))
    strips = (
        Region(top=0, left=0, bottom=top, right=columns),
        Region(top=rows - bottom, left=0, bottom=rows, right=columns),
        Region(top=0, left=0, bottom=rows, right=left),
        Region(top=0, left=columns - right, bottom=rows, right=columns),
    )
    return [strip for strip in strips if strip.bottom > strip.top and strip.right > strip.left]


def _find_key(worklist: Worklist) -> str:
    """Return the secret of a list: films that leave it keep belonging together, and to nothing else."""
    with _lock:
        return _keys.setdefault(worklist, secrets.token_hex(32))
