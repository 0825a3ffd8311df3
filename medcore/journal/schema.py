"""The tables, for both back ends. Whatever tells about a patient is in a ``sealed`` column (AES-256-GCM).

Times are ISO 8601 text in UTC with milliseconds: the same bytes in both back ends, so that they can
be signed; those of accounts and sessions, which are not signed, are seconds since 1970 (UTC). Migrations
in ``migrations/versions`` create and change the tables; a test compares.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, ForeignKey, Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "AccountRow",
    "AssessmentRow",
    "AttemptsRow",
    "Base",
    "DraftRow",
    "EventRow",
    "IdentifierRow",
    "ImageRow",
    "InstallationRow",
    "OperatingPointRow",
    "OutcomeRow",
    "PatientRow",
    "SessionRow",
    "SiteSettingRow",
    "VerdictRow",
]


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {str: Text, bytes: LargeBinary, int: Integer, float: Float}  # noqa: RUF012 - SQLAlchemy's way


class InstallationRow(Base):
    """Facts about this journal itself, by name."""

    __tablename__ = "installation"
    name: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]


class EventRow(Base):
    """The audit chain. ``number`` orders it and has no gaps; ``mac`` signs this row and the one before."""

    __tablename__ = "events"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at_utc: Mapped[str]
    actor: Mapped[str]
    role: Mapped[str]
    session: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    patient: Mapped[str] = mapped_column(index=True)
    target: Mapped[str]
    condition: Mapped[str]
    model_id: Mapped[str]
    sha256: Mapped[str]
    input_hash: Mapped[str]
    n_records: Mapped[int] = mapped_column(BigInteger)
    app_version: Mapped[str]
    digest: Mapped[str]
    key_id: Mapped[int]
    mac: Mapped[bytes]


class PatientRow(Base):
    """A patient under a pseudonym. Erasing the key makes everything sealed with it unreadable for good."""

    __tablename__ = "patients"
    pseudonym: Mapped[str] = mapped_column(primary_key=True)
    patient_key: Mapped[bytes | None]
    sealed: Mapped[bytes | None]
    made_up: Mapped[int]
    created_at: Mapped[str]
    changed_at: Mapped[str]
    erased_at: Mapped[str | None]
    version: Mapped[int]


class IdentifierRow(Base):
    """Keyed hashes by which a patient is found."""

    __tablename__ = "identifiers"
    pseudonym: Mapped[str] = mapped_column(ForeignKey("patients.pseudonym"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    blind_index: Mapped[str] = mapped_column(index=True)


class AssessmentRow(Base):
    """One result that was saved: never changed afterwards."""

    __tablename__ = "assessments"
    __table_args__ = (UniqueConstraint("actor", "idempotency_key"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    pseudonym: Mapped[str | None] = mapped_column(ForeignKey("patients.pseudonym"), index=True)
    condition: Mapped[str]
    model_id: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    status: Mapped[str]
    sealed: Mapped[bytes]
    content_hash: Mapped[str]
    actor: Mapped[str]
    app_version: Mapped[str]
    created_at: Mapped[str] = mapped_column(index=True)
    idempotency_key: Mapped[str]


class ImageRow(Base):
    """An image file beside the database."""

    __tablename__ = "images"
    id: Mapped[str] = mapped_column(primary_key=True)
    pseudonym: Mapped[str | None] = mapped_column(ForeignKey("patients.pseudonym"), index=True)
    assessment_id: Mapped[str | None] = mapped_column(ForeignKey("assessments.id"), index=True)
    sealed: Mapped[bytes]
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    file_sha256: Mapped[str]
    actor: Mapped[str]
    created_at: Mapped[str]


class VerdictRow(Base):
    """What a reader thought before and after the model's answer: never changed afterwards."""

    __tablename__ = "verdicts"
    id: Mapped[str] = mapped_column(primary_key=True)
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessments.id"), index=True)
    model_id: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    sealed: Mapped[bytes]
    created_at: Mapped[str]


class OperatingPointRow(Base):
    """A cut-off, locked to the exact model it was chosen for."""

    __tablename__ = "operating_points"
    condition: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str]
    threshold: Mapped[float]
    reason: Mapped[str]
    actor: Mapped[str]
    changed_at: Mapped[str]
    version: Mapped[int]


class OutcomeRow(Base):
    """Whether what was assessed came true: never changed afterwards, a correction is a new row."""

    __tablename__ = "outcomes"
    id: Mapped[str] = mapped_column(primary_key=True)
    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessments.id"), index=True)
    sealed: Mapped[bytes]
    actor: Mapped[str]
    created_at: Mapped[str]


class SiteSettingRow(Base):
    """Something this site has settled; ``value`` is JSON and tells nothing about a patient."""

    __tablename__ = "site_settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    actor: Mapped[str]
    changed_at: Mapped[str]
    version: Mapped[int]


class DraftRow(Base):
    """A form that is not finished."""

    __tablename__ = "drafts"
    id: Mapped[str] = mapped_column(primary_key=True)
    pseudonym: Mapped[str | None] = mapped_column(ForeignKey("patients.pseudonym"), index=True)
    condition: Mapped[str]
    sealed: Mapped[bytes]
    actor: Mapped[str] = mapped_column(index=True)
    changed_at: Mapped[str]
    version: Mapped[int]


class AccountRow(Base):
    """Somebody who may come in; a local password is an argon2id hash. Times are seconds since 1970 (UTC)."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("source", "key"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    key: Mapped[str]
    name: Mapped[str]
    roles: Mapped[str]
    password_hash: Mapped[str]
    disabled: Mapped[int]
    must_change_password: Mapped[int]
    one_time_until_s: Mapped[float | None]
    not_before_s: Mapped[float]
    created_s: Mapped[float]
    version: Mapped[int]


class SessionRow(Base):
    """A signed-in browser; only the hash of its token is kept. ``ended`` says why it is over, or is empty."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    started_s: Mapped[float]
    used_s: Mapped[float]
    ended: Mapped[str]


class AttemptsRow(Base):
    """Sign-ins tried for one name or from one address; ``key`` is a keyed hash of it."""

    __tablename__ = "attempts"
    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_s: Mapped[float]
    wait_s: Mapped[float]
