"""Bots in the database: states, orders, fills and finished trades. All of it in the caller's transaction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from core.bots.model import BotChange, BotDay, BotFill, BotOrder, BotRecord, BotState, BotTrade
from core.config import BotConfig
from core.storage import schema
from core.storage.bot_checks import stale
from core.storage.bot_days import days_of
from core.storage.bulk import Bulk, BulkInsert, plain

_bots, _orders, _fills, _trades = schema.bots, schema.bot_orders, schema.bot_fills, schema.bot_trades
_insert_bot, _insert_fill, _insert_trade = BulkInsert(_bots), BulkInsert(_fills), BulkInsert(_trades)
_put_order = BulkInsert(_orders, ["order_id"], ["quantity", "status", "reason", "price", "updated_at"])
_move = Bulk(
    _bots.update()
    .where(_bots.c.bot_id == sa.bindparam("bot_id"), _bots.c.version == sa.bindparam("before"))
    .values(
        config=sa.func.coalesce(sa.bindparam("config", type_=sa.Text), _bots.c.config),
        series=sa.func.coalesce(sa.bindparam("series", type_=sa.Text), _bots.c.series),
        **{name: sa.bindparam(name) for name in ("owner", "version", "state", "cash", "memory", "retired")},
    )
)
_encode = msgspec.json.Encoder().encode
_state = msgspec.json.Decoder(BotState).decode
_config = msgspec.json.Decoder(BotConfig).decode
_memory = msgspec.json.Decoder(dict[str, Any]).decode


def all_bots(connection: sa.Connection, bot_id: str = "") -> tuple[BotRecord, ...]:
    """See `Store.bots` and, with `bot_id`, `Store.bot`."""
    waiting: dict[str, list[BotOrder]] = {}
    query = sa.select(*_columns(_orders, BotOrder)).where(_orders.c.status == "open").order_by(_orders.c.id)
    bots = sa.select(_bots).order_by(_bots.c.position)
    if bot_id:
        query = query.where(_orders.c.bot_id == bot_id)
        bots = bots.where(_bots.c.bot_id == bot_id)
    for row in connection.execute(query):
        waiting.setdefault(row.bot_id, []).append(BotOrder(**row._mapping))
    return tuple(
        BotRecord(
            config=_config(row.config), state=_state(row.state), cash=row.cash, memory=_memory(row.memory),
            orders=tuple(waiting.get(row.bot_id, ())), retired=row.retired, series=_memory(row.series),
        )
        for row in connection.execute(bots)
    )  # fmt: skip


def commit(connection: sa.Connection, changes: Sequence[BotChange]) -> None:
    """Everything of `Store.commit_bots` but the alerts. Raises `ValueError` for a fill or trade twice."""
    if not _written(connection, changes):
        raise stale(_moved_by_others(connection, changes))


def _written(connection: sa.Connection, changes: Sequence[BotChange]) -> bool:
    """Write them all, or nothing if one of them builds on another version than the stored one."""
    step = connection.begin_nested()
    try:
        _write(connection, changes)
    except _MovedError:
        step.rollback()
        return False
    step.commit()
    return True


class _MovedError(Exception):
    """A bot's stored version is not the one that its step builds on."""


def _write(connection: sa.Connection, changes: Sequence[BotChange]) -> None:
    by_bot = sorted(changes, key=lambda change: change.state.bot_id)  # no two processes wait for each other
    _insert_bots(connection, [change for change in changes if change.state.version == 1])
    _move_bots(connection, [change for change in by_bot if change.state.version != 1])
    _add(connection, _put_order, [order for change in changes for order in change.orders])
    _add(connection, _insert_fill, [fill for change in changes for fill in change.fills])
    _add(connection, _insert_trade, [trade for change in changes for trade in change.trades])


def not_stored(connection: sa.Connection, changes: Sequence[BotChange]) -> list[BotChange]:
    """`changes` without those that are stored exactly so, and the earlier steps of their bots."""
    names = ("version", "state", "cash", "memory", "retired")
    bots = {change.state.bot_id for change in changes}
    query = sa.select(_bots.c.bot_id, *(_bots.c[name] for name in names)).where(_bots.c.bot_id.in_(bots))
    stored = {row.bot_id: row for row in connection.execute(query)}
    rest: list[BotChange] = []
    for change in changes:
        row, ours = stored.get(change.state.bot_id), _row(change)
        same = row is not None and all(str(getattr(row, name)) == str(ours[name]) for name in names)
        if (
            same
            and _has(connection, _fills.c.fill_id, [fill.fill_id for fill in change.fills])
            and _has(connection, _trades.c.trade_id, [trade.trade_id for trade in change.trades])
        ):
            rest = [other for other in rest if other.state.bot_id != change.state.bot_id]
        else:
            rest.append(change)
    return rest


def _has(connection: sa.Connection, column: sa.Column[Any], wanted: Sequence[str]) -> bool:
    """Whether all of `wanted` are there."""
    query = sa.select(sa.func.count()).where(column.in_(wanted))
    return not wanted or connection.execute(query).scalar_one() == len(wanted)


def orders(connection: sa.Connection, bot_id: str, limit: int) -> tuple[BotOrder, ...]:
    """See `Store.bot_orders`."""
    query = _newest(_orders, BotOrder, "created_at", bot_id, -math.inf).limit(limit)
    return tuple(BotOrder(**row._mapping) for row in connection.execute(query))


def fills(connection: sa.Connection, bot_id: str, since: float, limit: int) -> tuple[BotFill, ...]:
    """See `Store.bot_fills`."""
    query = _newest(_fills, BotFill, "filled_at", bot_id, since).limit(limit)
    return tuple(BotFill(**row._mapping) for row in connection.execute(query))


def trades(connection: sa.Connection, bot_id: str, since: float, limit: int) -> tuple[BotTrade, ...]:
    """See `Store.bot_trades`."""
    query = _newest(_trades, BotTrade, "closed_at", bot_id, since).limit(limit)
    return tuple(BotTrade(**row._mapping) for row in connection.execute(query))


def days(connection: sa.Connection, bot_id: str, since: float) -> tuple[BotDay, ...]:
    """See `Store.bot_days`."""
    columns = (_trades.c.bot_id, _trades.c.key, _trades.c.closed_at, _trades.c.pnl, _trades.c.fees)
    query = sa.select(*columns).where(_trades.c.closed_at >= since)
    if bot_id:
        query = query.where(_trades.c.bot_id == bot_id)
    rows: Iterable[Any] = connection.execute(query)
    return days_of(tuple(row) for row in rows)


def _insert_bots(connection: sa.Connection, changes: Sequence[BotChange]) -> None:
    if not changes:
        return
    query = sa.select(_bots.c.bot_id).where(_bots.c.bot_id.in_([change.state.bot_id for change in changes]))
    known = connection.execute(query).scalars().first()
    if known is not None:
        raise _MovedError
    try:
        _insert_bot.run(connection, [_row(change) for change in changes])
    except sa.exc.IntegrityError as error:  # another process was quicker
        raise _MovedError from error


def _move_bots(connection: sa.Connection, changes: Sequence[BotChange]) -> None:
    """Compare and set, in order: a bot's row is changed only if it holds the version before."""
    if not changes:
        return
    rows = [_row(change) for change in changes]
    if _move.run(connection, rows) != len(rows):
        raise _MovedError


def _row(change: BotChange) -> dict[str, Any]:
    state = change.state
    config = None if change.config is None else _encode(change.config).decode()
    series = change.series if state.version > 1 else change.series or {}
    return {
        "bot_id": state.bot_id, "owner": state.owner, "config": config, "version": state.version,
        "before": state.version - 1,
        "state": _encode(state).decode(), "cash": str(change.cash), "memory": _encode(change.memory).decode(),
        "retired": change.retired, "series": None if series is None else _encode(series).decode(),
    }  # fmt: skip


def _moved_by_others(connection: sa.Connection, changes: Sequence[BotChange]) -> str:
    """The first bot whose stored version is not the one that its step builds on."""
    bots = {change.state.bot_id for change in changes}
    query = sa.select(_bots.c.bot_id, _bots.c.version).where(_bots.c.bot_id.in_(bots))
    versions = {row.bot_id: row.version for row in connection.execute(query)}
    for state in (change.state for change in changes):
        if versions.get(state.bot_id, 0) != state.version - 1:
            return state.bot_id
        versions[state.bot_id] = state.version
    return ""


def _add(connection: sa.Connection, bulk: Bulk, values: Sequence[BotOrder | BotFill | BotTrade]) -> None:
    if not values:
        return
    try:
        bulk.run(connection, [plain(msgspec.structs.asdict(value)) for value in values])
    except sa.exc.IntegrityError as error:
        raise ValueError(f"stored twice: {error.orig}") from error


def _columns(table: sa.Table, kind: type[msgspec.Struct]) -> list[sa.Column[Any]]:
    return [table.c[name] for name in kind.__struct_fields__]


def _newest(
    table: sa.Table, kind: type[msgspec.Struct], moment: str, bot_id: str, since: float
) -> sa.Select[Any]:
    query = sa.select(*_columns(table, kind)).order_by(table.c[moment].desc(), table.c.id.desc())
    if bot_id:
        query = query.where(table.c.bot_id == bot_id)
    return query.where(table.c[moment] >= since) if math.isfinite(since) else query
