"""Forgetting what nobody will look up any more, a little at a time. All of it in the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.storage import schema

_AGED: tuple[tuple[sa.Table, sa.Column[Any], tuple[Any, ...]], ...] = (
    (schema.signals, schema.signals.c.timestamp, ()),
    (schema.deliveries, schema.deliveries.c.created, ()),
    (schema.outbox, schema.outbox.c.created, (schema.outbox.c.status != "open",)),
)


def prune(connection: sa.Connection, before: float, keep: int, limit: int) -> bool:
    """See `Store.prune`."""
    removed = [_remove(connection, table, moment, rest, before, keep, limit) for table, moment, rest in _AGED]
    removed.append(_remove_unwanted(connection, before, limit))
    return max(removed) >= limit


def _remove_unwanted(connection: sa.Connection, before: float, limit: int) -> int:
    """Remove messages that no process with their channel ever came for; how many these were."""
    table = schema.outbox
    some = sa.select(table.c.id).where(table.c.created < before).order_by(table.c.created).limit(limit)
    return connection.execute(table.delete().where(table.c.id.in_(some))).rowcount


def _remove(
    connection: sa.Connection, table: sa.Table, moment: sa.Column[Any], rest: tuple[Any, ...], before: float,
    keep: int, limit: int,
) -> int:  # fmt: skip
    """Remove the oldest rows that are too old or too many; how many these were."""
    query = sa.select(moment).where(*rest).order_by(moment.desc()).offset(max(0, keep - 1)).limit(1)
    oldest_kept = connection.execute(query).scalar()
    until = before if oldest_kept is None else max(before, oldest_kept)
    keys = tuple(table.primary_key.columns)
    some = sa.select(*keys).where(moment < until, *rest).order_by(moment).limit(limit)
    found = keys[0].in_(some) if len(keys) == 1 else sa.tuple_(*keys).in_(some)
    return connection.execute(table.delete().where(found)).rowcount
