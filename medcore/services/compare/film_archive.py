"""The analysis process's own side of labelled films: a ZIP with class folders, or a table that labels single files.

A ZIP is looked through before anything in it is unpacked, nothing is ever written to a disk, and each film is
unpacked only when it is asked for, up to its declared size. What opens the films is the film reader, elsewhere.
"""

from __future__ import annotations

import csv
import io
import re
import secrets
import stat
import unicodedata
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from medcore.conditions.catalog import find_film_condition
from medcore.errors import InputError, TableError, WorkerError
from medcore.imaging.names import safe_name
from medcore.imaging.sizes import MAX_FILE_BYTES
from medcore.services.compare.labels import name_classes
from medcore.services.compare.upload_parts import FilmBytes, FilmEntry, FilmFolder
from medcore.services.frozen_wire import unpack

__all__ = ["MOST_FILMS", "FilmDesk", "read_archive", "read_film_table"]

MOST_FILMS = 2_000
"""Most films of one upload."""

_MOST_BYTES = 2_000_000_000
_MOST_UPLOADS = 2
_LARGEST_RATIO = 200
_RATIO_FROM_BYTES = 1_000_000
_LONGEST_NAME = 300
_DEEPEST = 20
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_LOCAL_HEADER_BYTES = 30
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".jar", ".iso", ".cab")
_ARCHIVE_STARTS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",
)
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, KeyError)
_MOST_TABLE_BYTES = 5_000_000
_FILE, _LABEL, _PATIENT = "file", "label", "patient_id"


class FilmDesk:
    """The archives that are being worked on; one method per operation."""

    def __init__(self) -> None:
        self._archives: OrderedDict[str, tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]] = OrderedDict()

    def answer_open_films(self, payload: Mapping[str, Any], blobs: list[bytes]) -> FilmFolder:
        """Look through a ZIP."""
        archive, infos, entries = read_archive(blobs[0], payload["condition"])
        token = secrets.token_hex(8)
        self._archives[token] = (archive, infos)
        while len(self._archives) > _MOST_UPLOADS:
            self._archives.popitem(last=False)[1][0].close()
        return FilmFolder(token=token, entries=entries)

    def answer_list_films(self, payload: Mapping[str, Any], blobs: list[bytes]) -> FilmFolder:
        """Find the label of single files in a table."""
        names = unpack(tuple[str, ...], payload["names"], blobs)
        return FilmFolder(token="", entries=read_film_table(blobs[-1], names, payload["condition"]))

    def answer_take_films(self, payload: Mapping[str, Any], _: list[bytes]) -> tuple[FilmBytes, ...]:
        """Unpack some films, by their places."""
        found = self._archives.get(payload["token"])
        if found is None:
            raise WorkerError("The uploaded ZIP is no longer in memory. Upload it again.")
        archive, infos = found
        return tuple(_unpack_film(archive, infos[int(place)]) for place in payload["places"])

    def answer_forget_films(self, payload: Mapping[str, Any], _: list[bytes]) -> None:
        """Drop a ZIP."""
        found = self._archives.pop(payload["token"], None)
        if found is not None:
            found[0].close()


def read_archive(
    content: bytes, condition_id: str
) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo], tuple[FilmEntry, ...]]:
    """Look through a ZIP of films in class folders; nothing is unpacked.

    Parameters
    ----------
    content : bytes
        The ZIP.
    condition_id : str
        The question about films; its class words name the folders, at any depth. The innermost one counts.

    Returns
    -------
    tuple of (ZipFile, list of ZipInfo, tuple of FilmEntry)
        The archive, and its films in the order of their names: members and entries of one length.

    Raises
    ------
    InputError
        No ZIP, damaged, encrypted, with names that lead elsewhere, links, another archive inside, a member that
        unpacks to far more than it takes, more than :data:`MOST_FILMS` films or 2 GB, or no film at all.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = [info for info in archive.infolist() if not info.is_dir()]
    except _DAMAGED as error:
        raise InputError("this is no ZIP, or a damaged one: pack the folder again", field=_FILE) from error
    for info in members:
        _check_member(info)
    _check_together(members, len(content))
    films = sorted((info for info in members if not _is_clutter(info.filename)), key=lambda info: info.filename)
    _check_count(len(films))
    known = name_classes(find_film_condition(condition_id))
    entries = tuple(_label_member(info, known) for info in films)
    if all(entry.label is None for entry in entries):
        raise InputError(
            f"no folder in the ZIP is named like a class: name folders {_list_classes(known)}", field=_LABEL
        )
    return archive, films, entries


def read_film_table(content: bytes, names: Sequence[str], condition_id: str) -> tuple[FilmEntry, ...]:
    """Find label and patient of files in a CSV with the columns file, label and, optionally, patient_id.

    Returns
    -------
    tuple of FilmEntry
        One for each of ``names`` in their order, then one for each row whose file is not among them.

    Raises
    ------
    TableError
        The table cannot be read or lacks a column.
    InputError
        Too many films, or a label for none of them.
    """
    _check_count(len(names))
    known = name_classes(find_film_condition(condition_id))
    rows: dict[str, list[tuple[str, str]]] = {}
    for file, label, patient in _read_rows(content):
        rows.setdefault(_last_part(file), []).append((label, patient))
    same = {name for name in names if [_last_part(other) for other in names].count(_last_part(name)) > 1}
    found = [_label_file(name, rows.get(_last_part(name), []), name in same, known) for name in names]
    here = {_last_part(name) for name in names}
    found += [_refuse(name, "stands in the table, but no such file was chosen") for name in rows if name not in here]
    if all(entry.label is None for entry in found):
        first = next((entry.error for entry in found if entry.error), "")
        raise InputError(f"none of the {len(names):,} films has a label in the table. The first: {first}", field=_LABEL)
    return tuple(found)


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    if not _is_plain_name(name):
        raise InputError(
            "the ZIP holds a name that leads elsewhere or cannot be a film's: pack the folder again", field=_FILE
        )
    shown = safe_name(name)
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise InputError(f"the ZIP holds a link or a device ({shown}): pack plain files only", field=_FILE)
    if info.flag_bits & _ENCRYPTED:
        raise InputError("the ZIP is encrypted: pack the folder without a password", field=_FILE)
    if info.compress_type not in _METHODS:
        raise InputError(f"{shown} is packed in a way that is not read: use an ordinary ZIP", field=_FILE)
    if name.lower().endswith(_ARCHIVES):
        raise InputError(f"the ZIP holds another archive ({shown}): unpack it first", field=_FILE)
    if info.file_size > MAX_FILE_BYTES:
        raise InputError(f"{shown} unpacks to more than any film has", field=_FILE)
    if info.file_size > _RATIO_FROM_BYTES and info.file_size > _LARGEST_RATIO * max(1, info.compress_size):
        raise InputError(f"{shown} unpacks to more than {_LARGEST_RATIO} times its size: no film does", field=_FILE)


def _check_together(members: Sequence[zipfile.ZipInfo], n_bytes: int) -> None:
    """Refuse members that share bytes or a name, and more than can be unpacked."""
    if sum(info.file_size for info in members) > _MOST_BYTES:
        raise InputError(f"the ZIP unpacks to more than {_MOST_BYTES // 10**9} GB: split it", field=_FILE)
    if len({info.filename.lower() for info in members}) < len(members):
        raise InputError("the ZIP holds a name twice: pack the folder again", field=_FILE)
    end = 0
    for info in sorted(members, key=lambda one: one.header_offset):
        if info.header_offset < end or info.header_offset + info.compress_size > n_bytes:
            raise InputError("the ZIP's files overlap: it is damaged or made to do harm", field=_FILE)
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size


def _check_count(n: int) -> None:
    if not n:
        raise InputError("there is no film in what was chosen", field=_FILE)
    if n > MOST_FILMS:
        raise InputError(
            f"{n:,} films are more than are read at once: take a random sample of at most {MOST_FILMS:,}, or use "
            "medcore evaluate",
            field=_FILE,
            value=n,
            expected=f"at most {MOST_FILMS}",
        )


def _is_plain_name(name: str) -> bool:
    """Whether a member's name is a relative path without tricks."""
    parts = name.split("/")
    odd = any(unicodedata.category(character)[0] == "C" for character in name)
    outside = (
        name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name) or not {"", ".", ".."}.isdisjoint(parts)
    )
    return not (odd or outside or len(name) > _LONGEST_NAME or len(parts) > _DEEPEST)


def _is_clutter(name: str) -> bool:
    """Whether a file is what systems leave behind in folders."""
    return any(part.startswith(".") or part.lower() in _CLUTTER for part in PurePosixPath(name).parts)


def _label_member(info: zipfile.ZipInfo, known: Mapping[str, int]) -> FilmEntry:
    folders = reversed(PurePosixPath(info.filename).parts[:-1])
    label = next((known[part.strip().lower()] for part in folders if part.strip().lower() in known), None)
    if label is None:
        return _refuse(info.filename, f"lies in no folder named like a class ({_list_classes(known)})")
    return FilmEntry(name=safe_name(info.filename), label=label)


def _label_file(name: str, rows: Sequence[tuple[str, str]], twice: bool, known: Mapping[str, int]) -> FilmEntry:
    if twice or len(rows) > 1:
        return _refuse(name, "is named more than once: give every film a name of its own")
    if not rows:
        return _refuse(name, "has no row in the table")
    text, patient = rows[0]
    label = known.get(text.strip().lower())
    if label is None:
        what = f"the label {text.strip()[:40]!r} is not" if text.strip() else "the label is blank, not"
        return _refuse(name, f"{what} one of {_list_classes(known)}")
    return FilmEntry(name=safe_name(name), label=label, patient=patient.strip()[:200])


def _refuse(name: str, why: str) -> FilmEntry:
    return FilmEntry(name=safe_name(name), label=None, error=f"{why}.")


def _unpack_film(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> FilmBytes:
    """Unpack one film; a damaged one, or one that is another archive, is an error of its own."""
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)
    except _DAMAGED:
        return FilmBytes(content=_as_array(b""), error="is damaged within the ZIP: pack the folder again.")
    if len(data) != info.file_size:
        return FilmBytes(content=_as_array(b""), error="is not of the size that the ZIP declares.")
    if data.startswith(_ARCHIVE_STARTS):
        return FilmBytes(content=_as_array(b""), error="is an archive, not a film: unpack it first.")
    return FilmBytes(content=_as_array(data))


def _as_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.int8)


def _read_rows(content: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield file, label and patient ("" where there is none) of each row."""
    if len(content) > _MOST_TABLE_BYTES:
        raise TableError("the table of labels is larger than such a table can be", field=_LABEL)
    text = _decode(content)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise TableError("the table of labels cannot be read: save it as CSV (UTF-8)", field=_LABEL) from error
    header = [cell.strip().lower() for cell in lines[0]] if lines else []
    for column in (_FILE, _LABEL):
        if header.count(column) != 1:
            raise TableError(
                f"the table needs one column {column!r}: file,label or file,label,patient_id",
                field=column,
                expected="file,label,patient_id",
            )
    places = [header.index(name) if name in header else None for name in (_FILE, _LABEL, _PATIENT)]
    for cells in lines[1:]:
        if any(cell.strip() for cell in cells):
            file, label, patient = (cells[at] if at is not None and at < len(cells) else "" for at in places)
            yield file, label, patient


def _decode(content: bytes) -> str:
    """Read UTF-8 (with or without mark), UTF-16 with its mark, else Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise TableError("the table of labels is no text: save it as CSV (UTF-8)", field=_LABEL)
    return text


def _last_part(name: str) -> str:
    return re.split(r"[\\/]", name.strip())[-1]


def _list_classes(known: Mapping[str, int]) -> str:
    return ", ".join(sorted(known))
