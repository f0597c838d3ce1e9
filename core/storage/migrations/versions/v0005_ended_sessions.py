"""Sessions of the status server that were logged out before their time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ended_sessions",
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Index("ix_ended_sessions_owner", "owner", "ended"),
    )
