"""Accounts, sessions and counts of attempts, as the access room keeps them."""

import sqlalchemy as sa
from alembic import op

__all__ = ["upgrade"]

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the two tables that were laid out for this and never used."""
    op.drop_table("sessions")
    op.drop_table("accounts")
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        *(_text(name) for name in ("source", "key", "name", "roles", "password_hash")),
        sa.Column("disabled", sa.Integer(), nullable=False),
        sa.Column("must_change_password", sa.Integer(), nullable=False),
        sa.Column("one_time_until_s", sa.Float(), nullable=True),
        _seconds("not_before_s"),
        _seconds("created_s"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.UniqueConstraint("source", "key"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False, unique=True),
        sa.Column("account_id", sa.Text(), sa.ForeignKey("accounts.id"), nullable=False),
        _seconds("started_s"),
        _seconds("used_s"),
        _text("ended"),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_table(
        "attempts",
        sa.Column("key", sa.Text(), primary_key=True, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _seconds("last_s"),
        _seconds("wait_s"),
    )


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _seconds(name: str) -> sa.Column:
    return sa.Column(name, sa.Float(), nullable=False)
