"""The first schema: positions with their journal, trades, signals, deliveries, remembered values."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _required(*names: str, type_: Any = sa.Text) -> list[sa.Column[Any]]:
    return [sa.Column(name, type_, nullable=False) for name in names]


def _position_columns() -> list[sa.Column[Any]]:
    return [
        *_required("symbol", "exchange", "quantity", "entry_price"),
        *_required("opened_at", type_=sa.Double),
        sa.Column("stop", sa.Text),
        sa.Column("target", sa.Text),
    ]


def upgrade() -> None:
    """Make the tables."""
    _ledger()
    _rest()


def _ledger() -> None:
    op.create_table(
        "positions",
        sa.Column("id", sa.Integer, primary_key=True),
        *_position_columns(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "position_events",
        sa.Column("id", sa.Integer, primary_key=True),
        *_required("at", type_=sa.Double),
        *_required("kind"),
        sa.Column("position_id", sa.Integer, nullable=False),
        *_position_columns(),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_position_events_position_id", "position_events", ["position_id"])
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER position_events_no_{action.lower()} BEFORE {action} ON position_events "
                "BEGIN SELECT RAISE(ABORT, 'position_events is a journal'); END"
            )
    op.create_table(
        "trades",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_id", sa.Integer, sa.ForeignKey("position_events.id"), nullable=False, unique=True),
        sa.Column("position_id", sa.Integer, nullable=False),
        *_required("symbol", "exchange", "quantity", "entry_price", "exit_price"),
        *_required("opened_at", "closed_at", type_=sa.Double),
        *_required("realised_pnl"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_trades_closed_at", "trades", ["closed_at"])


def _rest() -> None:
    op.create_table(
        "signals",
        sa.Column("id", sa.Integer, primary_key=True),
        *_required("key", "side"),
        *_required("price", "confidence", "timestamp", type_=sa.Double),
        *_required("source"),
        sa.Column("simulated", sa.Boolean, nullable=False),
        *_required("reference_price", "change_pct", "gap", type_=sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_signals_timestamp", "signals", ["timestamp"])
    op.create_table(
        "deliveries",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        *_required("status", "title", "detail"),
        sa.Column("attempt", sa.Integer, nullable=False),
        *_required("created", "updated", type_=sa.Double),
    )
    op.create_table("values", sa.Column("key", sa.Text, primary_key=True), *_required("value"))
