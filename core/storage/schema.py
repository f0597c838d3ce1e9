"""The tables of the database. A change here needs a revision in `migrations/versions` and a new `HEAD`.

Times are Unix seconds (UTC), money is text that holds a decimal exactly. `position_events` is a journal:
every change of a position adds a line in the same transaction, and no line is ever changed (the database
enforces it). A line holds the position as it is afterwards, with quantity 0 once it is closed or deleted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""All revisions that this program knows, oldest first."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "alembic_version"

metadata = sa.MetaData()


class ExactDecimal(sa.TypeDecorator[Decimal]):
    """A `Decimal` kept as text, digit by digit."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> str | None:
        """See `sqlalchemy.types.TypeDecorator`."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Any) -> Decimal | None:
        """See `sqlalchemy.types.TypeDecorator`."""
        return None if value is None else Decimal(value)


def _money(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, ExactDecimal, nullable=optional)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, nullable=False)


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def _number_of_row(name: str = "id") -> sa.Column[Any]:
    """A key that the database gives; of 64 bits where its kind of integer has not so many anyway."""
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _position_columns() -> list[sa.Column[Any]]:
    """What positions and their journal share, in a migrated database's order."""
    return [
        _text("symbol"), _text("exchange"), _money("quantity"), _money("entry_price"), _time("opened_at"),
        _money("stop", optional=True), _money("target", optional=True),
    ]  # fmt: skip


positions = sa.Table(
    "positions", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *_position_columns(),
    _text("note", server_default=""),
    sqlite_autoincrement=True,  # an id is never used twice, its trades and journal go on bearing it
)  # fmt: skip

position_events = sa.Table(
    "position_events", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _time("at"),
    _text("kind"),
    sa.Column("position_id", sa.Integer, nullable=False),
    *_position_columns(),
    _text("note", server_default=""),
    sa.Index("ix_position_events_position_id", "position_id"),
    sqlite_autoincrement=True,
)  # fmt: skip

trades = sa.Table(
    "trades", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.Integer, sa.ForeignKey("position_events.id"), nullable=False, unique=True),
    sa.Column("position_id", sa.Integer, nullable=False),
    _text("symbol"), _text("exchange"), _money("quantity"), _money("entry_price"), _money("exit_price"),
    _time("opened_at"), _time("closed_at"), _money("realised_pnl"),
    sa.Index("ix_trades_closed_at", "closed_at"),
    sqlite_autoincrement=True,
)  # fmt: skip

signals = sa.Table(
    "signals", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("key"), _text("side"), _number("price"), _number("confidence"), _time("timestamp"), _text("source"),
    sa.Column("simulated", sa.Boolean, nullable=False),
    _number("reference_price"), _number("change_pct"), _number("gap"),
    sa.Index("ix_signals_timestamp", "timestamp"),
    sqlite_autoincrement=True,
)  # fmt: skip

deliveries = sa.Table(
    "deliveries", metadata,
    sa.Column("message_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    _text("status"), _text("title"), _text("detail"),
    sa.Column("attempt", sa.Integer, nullable=False),
    _time("created"), _time("updated"),
    sa.Index("ix_deliveries_created", "created"),
)  # fmt: skip

values = sa.Table("values", metadata, sa.Column("key", sa.Text, primary_key=True), _text("value"))

instruments = sa.Table(
    "instruments", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("key", unique=True),
)  # fmt: skip

bars = sa.Table(
    "bars", metadata,
    # The rows lie in the order of the key, without a row number beside it.
    sa.Column("instrument", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seconds", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    _number("open"), _number("high"), _number("low"), _number("close"),
    sa.Column("volume", sa.Double),
    sqlite_with_rowid=False,
)  # fmt: skip

bots = sa.Table(
    "bots", metadata,
    _number_of_row("position"),  # the order in which they were first stored
    _text("bot_id", unique=True), _text("owner"), _text("config"),
    sa.Column("version", sa.BigInteger, nullable=False),
    _text("state"), _money("cash"), _text("memory"), _text("series"),
    sa.Column("retired", sa.Boolean, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip

bot_orders = sa.Table(
    "bot_orders", metadata,
    _number_of_row(),
    _text("order_id", unique=True), _text("bot_id"), _text("key"), _text("side"), _text("kind"),
    _money("quantity"), _text("status"), _text("reason"), _time("created_at"), _money("price", optional=True),
    _time("updated_at"),
    sa.Index("ix_bot_orders_bot_id", "bot_id", "created_at"),
    sa.Index("ix_bot_orders_status", "status"),
    sqlite_autoincrement=True,
)  # fmt: skip

bot_fills = sa.Table(
    "bot_fills", metadata,
    _number_of_row(),
    _text("fill_id", unique=True),
    sa.Column("order_id", sa.Text, sa.ForeignKey("bot_orders.order_id"), nullable=False),
    _text("bot_id"), _text("key"), _text("side"), _money("quantity"), _money("price"), _money("fee"),
    _time("filled_at"),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Index("ix_bot_fills_bot_id", "bot_id", "filled_at"),
    sa.Index("ix_bot_fills_filled_at", "filled_at"),
    sqlite_autoincrement=True,
)  # fmt: skip

bot_trades = sa.Table(
    "bot_trades", metadata,
    _number_of_row(),
    _text("trade_id", unique=True), _text("bot_id"), _text("owner"), _text("key"), _money("quantity"),
    _money("entry_price"), _money("exit_price"), _time("opened_at"), _time("closed_at"), _money("fees"),
    _money("pnl"), _text("reason"),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Index("ix_bot_trades_bot_id", "bot_id", "closed_at"),
    sa.Index("ix_bot_trades_closed_at", "closed_at"),
    sqlite_autoincrement=True,
)  # fmt: skip

outbox = sa.Table(
    "outbox", metadata,
    # One line per message and channel, delivered in this order per channel; a repeated message is refused.
    _number_of_row(),
    _text("message_id"), _text("channel"), _text("kind"), _text("payload"), _time("created"), _text("status"),
    _text("held_by"), _time("held_until"),
    _text("summary"),  # the id of the summary that it went into
    sa.UniqueConstraint("message_id", "channel"),
    sa.Index("ix_outbox_status", "status"),
    sa.Index("ix_outbox_summary", "summary"),
    sqlite_autoincrement=True,
)  # fmt: skip

users = sa.Table(
    "users", metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _text("role"), _text("token_hash", unique=True), _time("created"),
    sa.Column("revoked", sa.Double),
)  # fmt: skip

ended_sessions = sa.Table(
    "ended_sessions", metadata,
    # Logged out, and to be refused until their signature expires; what names them opens nothing by itself.
    sa.Column("nonce", sa.Text, primary_key=True),
    _text("owner"), _time("expires"), _time("ended"),
    sa.Index("ix_ended_sessions_owner", "owner", "ended"),
)  # fmt: skip

version = sa.Table(VERSION_TABLE, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def _guard_journal(statement: str, dialect: str) -> None:
    ddl = sa.DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
    sa.event.listen(position_events, "after_create", ddl)


for _action in ("UPDATE", "DELETE"):
    _guard_journal(
        f"CREATE TRIGGER position_events_no_{_action.lower()} BEFORE {_action} ON position_events "
        "BEGIN SELECT RAISE(ABORT, 'position_events is a journal'); END",
        "sqlite",
    )
JOURNAL_GUARD = (
    "CREATE FUNCTION position_events_is_a_journal() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE EXCEPTION ''position_events is a journal''; END'",
    "CREATE TRIGGER position_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON position_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION position_events_is_a_journal()",
)
"""PostgreSQL's way to keep the journal as it was written."""
for _statement in JOURNAL_GUARD:
    _guard_journal(_statement, "postgresql")
