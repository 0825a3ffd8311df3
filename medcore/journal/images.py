"""Saved images: one encrypted file each beside the database, whose row and event hold the file's hash."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from medcore.errors import InputError, StorageError
from medcore.journal.folder import write_private
from medcore.journal.pen import digest_row, erased, find_patient_key, open_json, parse_time, seal_json
from medcore.journal.schema import ImageRow, PatientRow
from medcore.journal.sealing import open_sealed, seal
from medcore.journal.stored import SavedImage, Who

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from medcore.journal.journal import Journal
    from medcore.journal.ring import Ring

__all__ = ["Images"]

_READ = select(*ImageRow.__table__.columns)


class Images:
    """The saved images of one journal; see ``Journal.images``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def save(
        self,
        content: bytes,
        *,
        by: Who,
        media_type: str,
        file_name: str = "",
        pseudonym: str | None = None,
        assessment_id: str | None = None,
    ) -> SavedImage:
        """Store an image: the file first, then its row and event; without the row the file is removed again.

        Raises
        ------
        StorageError
            Nothing was stored.
        """
        folder = self._journal.folder.images
        name = secrets.token_hex(16)
        path = folder / f"{name}.sealed"
        try:
            with self._journal.writing() as pen:
                patient_key = find_patient_key(pen.connection, pen.ring, pseudonym)
                purpose = f"image_file:{name}"
                sealed = pen.ring.seal(content, purpose) if patient_key is None else seal(patient_key, content, purpose)
                folder.mkdir(mode=0o700, exist_ok=True)
                write_private(path, sealed)
                facts = {"media_type": media_type, "file_name": file_name}
                values = {
                    "id": name,
                    "pseudonym": pseudonym,
                    "assessment_id": assessment_id,
                    "sealed": seal_json(pen.ring, patient_key, facts, f"image:{name}"),
                    "n_bytes": len(content),
                    "file_sha256": hashlib.sha256(sealed).hexdigest(),
                    "actor": by.actor,
                    "created_at": pen.now_utc,
                }
                pen.connection.execute(insert(ImageRow), values)
                pen.note(
                    by,
                    "save_image",
                    "saved",
                    digest=digest_row(values),
                    patient=pseudonym or "",
                    target=f"image:{name}",
                )
        except BaseException:
            with contextlib.suppress(OSError):  # of a disk that takes nothing, the first error counts
                path.unlink(missing_ok=True)
            raise
        return SavedImage(
            id=name,
            pseudonym=pseudonym,
            assessment_id=assessment_id,
            media_type=media_type,
            file_name=file_name,
            n_bytes=len(content),
            actor=by.actor,
            created_at=parse_time(pen.now_utc),
        )

    def read(self, image_id: str, *, by: Who) -> tuple[SavedImage, bytes]:
        """Return an image and its facts; the view is recorded first.

        Raises
        ------
        InputError
            There is no such image.
        KeysError
            Its patient was erased.
        StorageError
            Its file is missing or was changed.
        """
        with self._journal.writing() as pen:
            row = pen.connection.execute(_READ.where(ImageRow.id == image_id)).first()
            if row is None:
                raise InputError("There is no such image here.", field="image_id", value=image_id)
            facts = _describe(pen.connection, pen.ring, row)
            patient_key = find_patient_key(pen.connection, pen.ring, row.pseudonym)
            ring = pen.ring
            pen.note(by, "view_image", "shown", patient=row.pseudonym or "", target=f"image:{image_id}")
        try:
            sealed = (self._journal.folder.images / f"{row.id}.sealed").read_bytes()
        except OSError as error:
            raise StorageError("The file of this image is missing. Restore it from a backup.") from error
        if hashlib.sha256(sealed).hexdigest() != row.file_sha256:
            raise StorageError("The file of this image was changed or damaged. Restore it from a backup.")
        purpose = f"image_file:{row.id}"
        return facts, ring.open(sealed, purpose) if patient_key is None else open_sealed(patient_key, sealed, purpose)

    def list(self, *, pseudonym: str | None = None, assessment_id: str | None = None) -> tuple[SavedImage, ...]:
        """Return facts about the readable images of a patient or an assessment, oldest first."""
        query = _READ.outerjoin(PatientRow, PatientRow.pseudonym == ImageRow.pseudonym).where(
            ImageRow.pseudonym.is_(None) | PatientRow.patient_key.is_not(None)
        )
        if pseudonym is not None:
            query = query.where(ImageRow.pseudonym == pseudonym)
        if assessment_id is not None:
            query = query.where(ImageRow.assessment_id == assessment_id)
        with self._journal.reading() as (connection, ring):
            rows = connection.execute(query.order_by(ImageRow.created_at, ImageRow.id)).all()
            return tuple(_describe(connection, ring, row) for row in rows)


def _describe(connection: Connection, ring: Ring, row: Any) -> SavedImage:
    key = find_patient_key(connection, ring, row.pseudonym)
    if row.pseudonym is not None and key is None:
        raise erased(row.pseudonym)
    facts = open_json(ring, key, row.sealed, f"image:{row.id}")
    return SavedImage(
        id=row.id,
        pseudonym=row.pseudonym,
        assessment_id=row.assessment_id,
        media_type=facts["media_type"],
        file_name=facts["file_name"],
        n_bytes=row.n_bytes,
        actor=row.actor,
        created_at=parse_time(row.created_at),
    )
