"""Positions bear a note; the notification log is found by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index."""
    for table in ("positions", "position_events"):
        op.add_column(table, sa.Column("note", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_deliveries_created", "deliveries", ["created"])
