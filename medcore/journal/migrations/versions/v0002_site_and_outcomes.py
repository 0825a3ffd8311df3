"""What a site has settled, and the outcomes that became known."""

import sqlalchemy as sa
from alembic import op

from medcore.journal.migrations.versions.v0001_first_tables import make_append_only

__all__ = ["upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables; what is there stays as it is."""
    op.create_table(
        "site_settings",
        sa.Column("name", sa.Text(), primary_key=True, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("assessment_id", sa.Text(), sa.ForeignKey("assessments.id"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
    )
    op.create_index("ix_outcomes_assessment_id", "outcomes", ["assessment_id"])
    make_append_only("outcomes", "id")
