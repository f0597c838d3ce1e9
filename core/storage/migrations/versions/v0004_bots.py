"""Bots with their orders, fills and trades; the outbox of notifications; users of the status server."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JOURNAL_GUARD = (
    "CREATE FUNCTION position_events_is_a_journal() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE EXCEPTION ''position_events is a journal''; END'",
    "CREATE TRIGGER position_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON position_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION position_events_is_a_journal()",
)


def _column(name: str, type_: Any = sa.Text, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, type_, **{"nullable": False, **options})


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [_column(name) for name in names]


def _id(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def upgrade() -> None:
    """Make the tables."""
    _bots()
    _trading()
    _rest()
    if op.get_bind().dialect.name == "postgresql":
        for statement in _JOURNAL_GUARD:
            op.execute(statement)


def _bots() -> None:
    op.create_table(
        "bots", _id("position"), _column("bot_id", unique=True), *_texts("owner", "config"),
        _column("version", sa.BigInteger), *_texts("state", "cash", "memory", "series"),
        _column("retired", sa.Boolean), sqlite_autoincrement=True,
    )  # fmt: skip


def _trading() -> None:
    op.create_table(
        "bot_orders", _id(), _column("order_id", unique=True),
        *_texts("bot_id", "key", "side", "kind", "quantity", "status", "reason"),
        _column("created_at", sa.Double), sa.Column("price", sa.Text), _column("updated_at", sa.Double),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_bot_orders_bot_id", "bot_orders", ["bot_id", "created_at"])
    op.create_index("ix_bot_orders_status", "bot_orders", ["status"])
    op.create_table(
        "bot_fills", _id(), _column("fill_id", unique=True),
        sa.Column("order_id", sa.Text, sa.ForeignKey("bot_orders.order_id"), nullable=False),
        *_texts("bot_id", "key", "side", "quantity", "price", "fee"), _column("filled_at", sa.Double),
        _column("simulated", sa.Boolean), sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_bot_fills_bot_id", "bot_fills", ["bot_id", "filled_at"])
    op.create_index("ix_bot_fills_filled_at", "bot_fills", ["filled_at"])
    op.create_table(
        "bot_trades", _id(), _column("trade_id", unique=True),
        *_texts("bot_id", "owner", "key", "quantity", "entry_price", "exit_price"),
        _column("opened_at", sa.Double), _column("closed_at", sa.Double), *_texts("fees", "pnl", "reason"),
        _column("simulated", sa.Boolean), sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_bot_trades_bot_id", "bot_trades", ["bot_id", "closed_at"])
    op.create_index("ix_bot_trades_closed_at", "bot_trades", ["closed_at"])


def _rest() -> None:
    op.create_table(
        "outbox", _id(), *_texts("message_id", "channel", "kind", "payload"), _column("created", sa.Double),
        *_texts("status", "held_by"), _column("held_until", sa.Double), *_texts("summary"),
        sa.UniqueConstraint("message_id", "channel"), sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_outbox_status", "outbox", ["status"])
    op.create_index("ix_outbox_summary", "outbox", ["summary"])
    op.create_table(
        "users", sa.Column("name", sa.Text, primary_key=True), _column("role"),
        _column("token_hash", unique=True), _column("created", sa.Double), sa.Column("revoked", sa.Double),
    )  # fmt: skip
