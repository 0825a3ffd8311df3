"""The first tables, and the triggers that keep events as they were written."""

import sqlalchemy as sa
from alembic import op

__all__ = ["make_append_only", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_TRIGGERS = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
--
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
--
CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN NEW.{key} IN (SELECT {key} FROM {table})
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""
_POSTGRES_TRIGGERS = """
CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION medcore_refuse_change();
--
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION medcore_refuse_change();
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION medcore_refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
_APPEND_ONLY = (("events", "number"), ("installation", "name"), ("assessments", "id"), ("verdicts", "id"))


def upgrade() -> None:
    """Create everything."""
    _create_journal()
    _create_clinical()
    _create_settings()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRES_FUNCTION)
    for table, key in _APPEND_ONLY:
        make_append_only(table, key)


def make_append_only(table: str, key: str) -> None:
    """Let the database refuse every change of rows that are there."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in (_POSTGRES_TRIGGERS if on_postgres else _SQLITE_TRIGGERS).split("--"):
        op.execute(statement.format(table=table, key=key).strip())


def _text(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable, primary_key=primary_key)


def _whole(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _create_journal() -> None:
    op.create_table("installation", _text("name", primary_key=True), _bytes("sealed"))
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False, nullable=False),
        _text("at_utc"),
        _text("actor"),
        _text("role"),
        _text("session"),
        _text("action"),
        _text("outcome"),
        _text("patient"),
        _text("target"),
        _text("condition"),
        _text("model_id"),
        _text("sha256"),
        _text("input_hash"),
        sa.Column("n_records", sa.BigInteger(), nullable=False),
        _text("app_version"),
        _text("digest"),
        _whole("key_id"),
        _bytes("mac"),
        sa.CheckConstraint("actor <> '' AND action <> '' AND outcome <> ''", name="events_not_empty"),
    )
    op.create_index("ix_events_patient", "events", ["patient"])


def _create_clinical() -> None:
    op.create_table(
        "patients",
        _text("pseudonym", primary_key=True),
        _bytes("patient_key", nullable=True),
        _bytes("sealed", nullable=True),
        _whole("made_up"),
        _text("created_at"),
        _text("changed_at"),
        _text("erased_at", nullable=True),
        _whole("version"),
    )
    op.create_table(
        "identifiers",
        sa.Column("pseudonym", sa.Text(), sa.ForeignKey("patients.pseudonym"), primary_key=True, nullable=False),
        _text("kind", primary_key=True),
        _text("blind_index"),
    )
    op.create_index("ix_identifiers_blind_index", "identifiers", ["blind_index"])
    op.create_table(
        "assessments",
        _text("id", primary_key=True),
        sa.Column("pseudonym", sa.Text(), sa.ForeignKey("patients.pseudonym")),
        _text("condition"),
        _text("model_id"),
        _text("sha256"),
        _text("status"),
        _bytes("sealed"),
        _text("content_hash"),
        _text("actor"),
        _text("app_version"),
        _text("created_at"),
        _text("idempotency_key"),
        sa.UniqueConstraint("actor", "idempotency_key"),
    )
    for column in ("pseudonym", "sha256", "created_at"):
        op.create_index(f"ix_assessments_{column}", "assessments", [column])
    op.create_table(
        "images",
        _text("id", primary_key=True),
        sa.Column("pseudonym", sa.Text(), sa.ForeignKey("patients.pseudonym")),
        sa.Column("assessment_id", sa.Text(), sa.ForeignKey("assessments.id")),
        _bytes("sealed"),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        _text("file_sha256"),
        _text("actor"),
        _text("created_at"),
    )
    op.create_index("ix_images_pseudonym", "images", ["pseudonym"])
    op.create_index("ix_images_assessment_id", "images", ["assessment_id"])
    op.create_table(
        "verdicts",
        _text("id", primary_key=True),
        sa.Column("assessment_id", sa.Text(), sa.ForeignKey("assessments.id"), nullable=False),
        _text("model_id"),
        _text("sha256"),
        _text("actor"),
        _bytes("sealed"),
        _text("created_at"),
    )
    op.create_index("ix_verdicts_assessment_id", "verdicts", ["assessment_id"])
    op.create_index("ix_verdicts_sha256", "verdicts", ["sha256"])
    op.create_table(
        "drafts",
        _text("id", primary_key=True),
        sa.Column("pseudonym", sa.Text(), sa.ForeignKey("patients.pseudonym")),
        _text("condition"),
        _bytes("sealed"),
        _text("actor"),
        _text("changed_at"),
        _whole("version"),
    )
    op.create_index("ix_drafts_pseudonym", "drafts", ["pseudonym"])
    op.create_index("ix_drafts_actor", "drafts", ["actor"])


def _create_settings() -> None:
    op.create_table(
        "operating_points",
        _text("condition", primary_key=True),
        _text("sha256", primary_key=True),
        _text("name", primary_key=True),
        _text("model_id"),
        sa.Column("threshold", sa.Float(), nullable=False),
        _text("reason"),
        _text("actor"),
        _text("changed_at"),
        _whole("version"),
    )
    op.create_table(
        "accounts",
        _text("name", primary_key=True),
        _text("password_hash"),
        _text("roles"),
        _text("state"),
        _whole("failures"),
        _text("locked_until", nullable=True),
        _text("created_at"),
        _text("changed_at"),
        _whole("version"),
    )
    op.create_table(
        "sessions",
        _text("token_hash", primary_key=True),
        sa.Column("account", sa.Text(), sa.ForeignKey("accounts.name"), nullable=False),
        _text("created_at"),
        _text("seen_at"),
        _text("revoked_at", nullable=True),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
