"""Chest films of children (Kermany et al. 2018): pixels, labels, patients and the parts they belong to."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcore.datasets.files import read_checked, read_columns
from medcore.datasets.table import Provenance
from medcore.errors import InputError, TableError

__all__ = ["CLASS_WORDS", "FilmTable", "OriginalFilm", "choose_validation", "load_chest_films", "load_originals"]

CLASS_WORDS = ("normal", "bacterial", "viral")
SIZE = 224
_FOLDER = "chest_xray_pneumonia"
_ORIGIN = "Mendeley Data, doi:10.17632/rscbjbr9sj (copies as described in the data folder's README)"
_SHA256 = {
    "manifest.csv": "c354ccbdeba60d925a30a7efd32b62f4b6de83bd0438462cbd7730542794fe44",
    "train.tar": "1fe6778a2c250a1384ebc4fe2bb1cbcdd6d627563573d1150403de48538625de",
    "val.tar": "f4796501cf1328ee741e35ad4a7dee294a35229d1089fe031d0443493fc3ac38",
    "test.tar": "b0bb4a4deb34d6989f86346b5cb67f6606adf50500e61f127cde5643c2c4a71a",
}
_ORIGINALS = ("originals_sample.tar", "b6f297f62a89fac01723027bc2a31a420422670df618de7e6854111ac1430881")
_CODES = {"none": 0, "bacteria": 1, "virus": 2}
# The last number of each stream of the publisher's numbering that goes to validation: about one film in nine.
_VALIDATION_UP_TO = {"IM": 175, "NORMAL2-IM": 490, "person": 230}
_GROUP = re.compile(r"(IM|NORMAL2-IM|person)-?(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmTable:
    """Films to learn from and to judge by.

    Attributes
    ----------
    pixels : uint8 array, shape (n, 224, 224)
        0 = black, squashed to a square.
    y : int array, shape (n,)
        Index into ``classes``.
    path : str array, shape (n,)
        Name of each film in its archive.
    part : str array, shape (n,)
        ``"train"``, ``"validation"`` or ``"test"``; no patient and no exact copy of a film is in two of them.
    patient : str array, shape (n,)
        Patient of each film.
    width, height : int arrays, shape (n,)
        Size of the original in pixels, 0 where it is not known.
    """

    pixels: np.ndarray
    y: np.ndarray
    path: np.ndarray
    part: np.ndarray
    patient: np.ndarray
    width: np.ndarray
    height: np.ndarray
    provenance: Provenance
    classes: tuple[str, ...] = CLASS_WORDS

    def __post_init__(self) -> None:
        n = len(self.y)
        if self.pixels.ndim != 3 or self.pixels.dtype != np.uint8:
            raise InputError(f"films have shape {self.pixels.shape} of {self.pixels.dtype}, expected uint8 (n, h, w)")
        columns = (self.pixels, self.path, self.part, self.patient, self.width, self.height)
        if any(len(item) != n for item in columns):
            raise InputError("the columns of a film table must have one length")

    def rows(self, part: str) -> np.ndarray:
        """Return the indices of the films of one part, in the order of the table."""
        return np.flatnonzero(self.part == part)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OriginalFilm:
    """A film at its full size beside the stored copy of it: ``pixels`` is uint8 (rows, columns)."""

    pixels: np.ndarray
    stored: np.ndarray
    y: int
    part: str


def load_chest_films(data_dir: Path) -> FilmTable:
    """Load the chest films of children, in three parts.

    Notes
    -----
    Films: 5,856 frontal (AP) films of children of one to five years, Guangzhou Women and Children's Medical
    Center: 1,583 normal, 2,780 pneumonia labelled bacterial, 1,493 labelled viral. Labels are readings by two
    physicians (a third checked the test films), not cultures. Pixels: 224 x 224 grey JPEG, squashed to a square.
    Parts: the test part is the publisher's (624 films, 234 normal). The publisher cut it out of the numbering of
    the films in blocks, so films near in number, and perhaps in time and machine, lie on one side of the cut.
    A validation part drawn at random from the rest is therefore easier than the test part; ours is a block too:
    of each stream of numbers the lowest that are not in the test part. It is cut by the bare number of a person,
    which bacterial and viral films share, so no patient is in two parts; a training film that is an exact copy of
    one in another part, and all films of that patient, go with it. The publisher's 16 validation films join
    training. Licence: CC BY 4.0. Source: Kermany et al. 2018, doi:10.1016/j.cell.2018.02.010;
    data doi:10.17632/rscbjbr9sj.
    SHA-256: manifest.csv c354ccbdeba60d925a30a7efd32b62f4b6de83bd0438462cbd7730542794fe44,
    train.tar 1fe6778a2c250a1384ebc4fe2bb1cbcdd6d627563573d1150403de48538625de,
    val.tar f4796501cf1328ee741e35ad4a7dee294a35229d1089fe031d0443493fc3ac38,
    test.tar b0bb4a4deb34d6989f86346b5cb67f6606adf50500e61f127cde5643c2c4a71a.

    Parameters
    ----------
    data_dir : Path
        Folder of the public data sets; the files lie in ``chest_xray_pneumonia`` below it.

    Raises
    ------
    TableError
        A file is absent, altered or cannot be read.
    """
    folder = data_dir / _FOLDER
    columns = read_columns(read_checked(folder / "manifest.csv", _SHA256["manifest.csv"], _ORIGIN))
    wanted = set(columns["path"])
    films: dict[str, np.ndarray] = {}
    for name in ("train.tar", "val.tar", "test.tar"):
        films |= _read_films(read_checked(folder / name, _SHA256[name], _ORIGIN), name, wanted)
    split = np.array(columns["split"])
    held_out = choose_validation(columns["patient_group"], columns["path"], columns["duplicate_of"]) & (split != "test")
    return FilmTable(
        pixels=np.stack([_as_stored(films, path) for path in columns["path"]]),
        y=np.array([_CODES[word] for word in columns["subtype"]], dtype=np.int64),
        path=np.array(columns["path"]),
        part=np.where(split == "test", "test", np.where(held_out, "validation", "train")),
        patient=np.array(columns["patient_key"]),
        width=np.array([int(text or 0) for text in columns["original_width"]], dtype=np.int64),
        height=np.array([int(text or 0) for text in columns["original_height"]], dtype=np.int64),
        provenance=Provenance(
            name="Chest X-ray films of children, pneumonia v normal",
            origin="Kermany et al. 2018, Guangzhou Women and Children's Medical Center; squashed to 224 x 224",
            licence="CC BY 4.0",
            doi="10.17632/rscbjbr9sj",
            sha256=dict(_SHA256),
        ),
    )


def load_originals(data_dir: Path, table: FilmTable) -> tuple[OriginalFilm, ...]:
    """Load the 34 films that are known at their full size too, each beside its stored copy.

    Raises
    ------
    TableError
        A file is absent, altered or cannot be read.
    """
    place = {Path(path).name: i for i, path in enumerate(table.path)}
    name, sha256 = _ORIGINALS
    films = _read_films(read_checked(data_dir / _FOLDER / name, sha256, _ORIGIN), name)
    found = []
    for path, pixels in films.items():
        i = place[Path(path).name]
        found.append(OriginalFilm(pixels=pixels, stored=table.pixels[i], y=int(table.y[i]), part=str(table.part[i])))
    return tuple(found)


def choose_validation(groups: Sequence[str], paths: Sequence[str], copy_of: Sequence[str]) -> np.ndarray:
    """Return which films go to validation (if they are not test films), shape (n,).

    Parameters
    ----------
    groups : sequence of str
        Stream and number of the patient of each film, such as ``person12`` or ``NORMAL2-IM-0383``.
    paths, copy_of : sequences of str
        Name of each film, and of the film it is an exact copy of, or ``""``.

    Examples
    --------
    >>> choose_validation(["person12", "person500", "person501"], ["a", "b", "c"], ["", "", "a"]).tolist()
    [True, False, True]
    """
    chosen = {group for group in set(groups) if _is_low(group)}
    group_of = dict(zip(paths, groups, strict=True))
    pairs = [(group_of[path], group_of[other]) for path, other in zip(paths, copy_of, strict=True) if other]
    while True:
        linked = {group for pair in pairs if chosen & set(pair) for group in pair} - chosen
        if not linked:
            return np.array([group in chosen for group in groups])
        chosen |= linked


def _is_low(group: str) -> bool:
    match = _GROUP.fullmatch(group)
    if match is None:
        raise TableError(f"the film list names a patient in an unknown way: {group!r}", value=group)
    return int(match[2]) <= _VALIDATION_UP_TO[match[1]]


def _as_stored(films: Mapping[str, np.ndarray], path: str) -> np.ndarray:
    film = films.get(path)
    if film is None or film.shape != (SIZE, SIZE):
        raise TableError(f"the film {path} of the film list is absent or not {SIZE} x {SIZE}", value=path)
    return film


def _read_films(content: bytes, name: str, wanted: set[str] | None = None) -> dict[str, np.ndarray]:
    """Decode the JPEG films of a tar archive as grey values, by their paths in it."""
    from PIL import Image  # training only: the process that serves pages does not load it

    films = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                path = member.name.removeprefix("./")
                if stream is not None and (wanted is None or path in wanted):
                    films[path] = np.asarray(Image.open(io.BytesIO(stream.read())).convert("L"))
    except (tarfile.TarError, OSError) as error:
        raise TableError(f"the film archive {name} cannot be read: {error}", value=name) from error
    return films
